"""Who can see a site, its lists and their items, and the site's groups.

Rules of this file: what the data say of an item or a site is served as it is (`_uniquePermissions`, `_permissions`); groups, and
what is inherited from them, are invented where the data have none (`_siteGroups`), and follow from the site, so that the same
data give the same groups. Source: reference/tenant-data.md, "Sites"; permission of the v1.0 schema; SP.Group and
SP.RoleAssignment.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.list_truth import ListTruth
from exporters.rehearsal.tenant import Tenant

_ROLES = (("Owners", "owner", "Full Control"), ("Members", "write", "Edit"), ("Visitors", "read", "Read"))
_FIRST_ID = 3


def groups_of(tenant: Tenant, site: Row) -> list[Row]:
    """The groups of a site with their members, as SP.Group with `Users` expanded."""
    told: list[Row] | None = site.get("_siteGroups")
    if told is not None:
        return told
    title = site.get("displayName") or site.get("name") or "Site"
    users = [user for user in tenant.users if user.get("userType") != "Guest"]
    return [_group(place, f"{title} {name}", users[place::3]) for place, (name, _, _) in enumerate(_ROLES)]


def _group(place: int, title: str, users: list[Row]) -> Row:
    return {
        "Id": _FIRST_ID + place,
        "Title": title,
        "LoginName": title,
        "PrincipalType": 8,
        "OwnerTitle": title,
        "Description": "",
        "AllowMembersEditMembership": place == 1,
        "Users": [_member(n, user) for n, user in enumerate(users, 10 * (place + 1))],
    }


def _member(n: int, user: Row) -> Row:
    return {
        "Id": n,
        "Title": user.get("displayName"),
        "LoginName": f"i:0#.f|membership|{user['userPrincipalName']}",
        "Email": user.get("mail") or "",
        "PrincipalType": 1,
        "IsSiteAdmin": False,
    }


def assignments_of(tenant: Tenant, site: Row) -> list[Row]:
    """What each group may do in the site, as SP.RoleAssignment with `Member` and `RoleDefinitionBindings` expanded."""
    return [
        {
            "PrincipalId": group["Id"],
            "Member": {key: value for key, value in group.items() if key != "Users"},
            "RoleDefinitionBindings": [{"Id": 1_073_741_824 + place, "Name": _ROLES[place % 3][2], "Hidden": False}],
        }
        for place, group in enumerate(groups_of(tenant, site))
    ]


def list_permissions(tenant: Tenant, site: Row, one: ListTruth) -> list[Row]:
    """Who can see a list: its own ones, else what its site grants to groups."""
    told: list[Row] | None = one.info.get("_permissions")
    if told is not None:
        return told
    return [
        {
            "id": f"{one.id}-{group['Id']}",
            "roles": [_ROLES[place % 3][1]],
            "grantedToV2": {"siteGroup": {"id": str(group["Id"]), "displayName": group["Title"]}},
        }
        for place, group in enumerate(groups_of(tenant, site))
    ]


def is_unique(row: Row) -> bool:
    """Whether an item of a list has permissions of its own."""
    return "_uniquePermissions" in row


def item_permissions(tenant: Tenant, site: Row, one: ListTruth, row: Row) -> list[Row]:
    """Who can see an item: its own ones, else those of its list."""
    if is_unique(row):
        own: list[Row] = row["_uniquePermissions"]
        return own
    inherited = {"inheritedFrom": {"id": one.id, "siteId": site["id"]}}
    return [{**permission, **inherited} for permission in list_permissions(tenant, site, one)]
