"""The directory of a tenant: users, groups and members, licences, domains, roles, terms. Source: design §4, graph.md §8.1."""
