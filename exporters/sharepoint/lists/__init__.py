"""Lists of a site that are no libraries: items, their attachments and versions, and tables made of them. Source: design §4."""
