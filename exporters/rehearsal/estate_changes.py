"""Changes to what a tenant is made of, beside people: its domains, roles, subscriptions, holds, and itself.

Rules of this file: in memory alone. Of kind `organization`: `update` {set}; `domain`: `create` {domain}, `delete` {id}; `role`:
`members` {id: of the role or its template, set: [user id]}; `subscription`: `create` {subscription}, `update` {id, set},
`delete` {id} (beside the first, which follows the life cycle); `case`: `create` {case}, `delete` {id}. A domain that users
have stays theirs. Source: reference/graph.md 8.1, 9.1.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.tenant import Tenant

KINDS = frozenset({"organization", "domain", "role", "subscription", "case"})


def apply_to_estate(tenant: Tenant, change: Row, op: str) -> bool:
    """Apply one change; whether it did something. Raises KeyError for an operation or field that there is not."""
    kind, directory = change["kind"], tenant.directory
    with tenant.lock:
        if kind == "organization":
            if op != "update":
                raise KeyError(op)
            directory.organization.update(change["set"])
            return True
        if kind == "role":
            role = directory.find_role(change["id"])
            if op != "members":
                raise KeyError(op)
            if role is not None:
                role["_members"] = list(change["set"])
            return role is not None
        rows = {"domain": directory.domains, "subscription": directory.subscriptions, "case": directory.cases}[kind]
        return _apply(rows, change, op)


def _apply(rows: list[Row], change: Row, op: str) -> bool:
    if op == "create":
        rows.append(dict(change[change["kind"]]))
        return True
    row = next((row for row in rows if row["id"] == change["id"]), None)
    if row is None:
        return False
    if op == "update":
        row.update(change["set"])
    elif op == "delete":
        rows.remove(row)
    else:
        raise KeyError(op)
    return True
