"""SharePoint sites: libraries, lists, pages, and who can see them. Source: design §4, graph.md §5."""
