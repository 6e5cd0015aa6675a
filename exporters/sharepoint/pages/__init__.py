"""Modern pages of a site: as JSON, and as HTML that can be read without the service. Classic pages are files of the Site Pages
library, and copied as such. Source: graph.md §5.4, docs/formats.md (bag of a site)."""
