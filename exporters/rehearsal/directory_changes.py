"""Changes to the directory while it is served: users and groups that come, change, are deleted, or are removed for good.

Rules of this file: what is deleted can be had for a while below `directory/deletedItems`, under its old id. Of kind `user`:
`update` {set}, `delete`, `purge`; of kind `group`: those, `create` {group} and `members` {set, owners?}.
Source: reference/graph.md 8.1.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.tenant import Tenant

USER_OPERATIONS = frozenset({"update", "delete", "purge"})


def apply_to_directory(tenant: Tenant, change: Row, op: str, at: str) -> bool:
    """Apply one change; whether it did something. Raises KeyError for an operation or field that there is not."""
    is_user = change["kind"] == "user"
    rows = tenant.users if is_user else tenant.groups
    deleted = tenant.directory.deleted_users if is_user else tenant.directory.deleted_groups
    with tenant.lock:
        if op == "create" and not is_user:
            rows.append(dict(change["group"]))
            return True
        held = deleted if op == "purge" else rows
        row = next((row for row in held if row["id"] == change["id"]), None)
        if row is None:
            return False
        if op == "update":
            row.update(change["set"])
        elif op == "members" and not is_user:
            row["_members"] = list(change["set"])
            row["_owners"] = list(change.get("owners") or row.get("_owners") or ())
        elif op == "purge":
            deleted.remove(row)
        elif op == "delete":
            rows.remove(row)
            deleted.append(_as_deleted(row, at, is_user=is_user))
        else:
            raise KeyError(op)
        if is_user:
            tenant.index_users()
    return True


def _as_deleted(row: Row, at: str, *, is_user: bool) -> Row:
    found = {**row, "deletedDateTime": at}
    if is_user:
        found["userPrincipalName"] = str(row["id"]).replace("-", "") + str(row["userPrincipalName"])
    return found
