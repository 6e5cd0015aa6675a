"""The directory of the rehearsal tenant: groups of all kinds, and who was deleted not long ago.

Rules of this file: the same seed gives the same rows; people are those of the tenant. Among the groups are one within another,
a distribution list, one whose members are hidden, and one without members.
Source: reference/graph.md 2.1, 8.1; reference/tenant-data.md (groups.jsonl).
"""

from datetime import timedelta

from exporters.clock import timestamp
from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively import NOW, VANITY_DOMAIN
from exporters.rehearsal.story import guid


def make_groups(seed: str, users: list[Row]) -> list[Row]:
    """Rows of groups.jsonl: the first writes to each other, the others have no mailbox."""
    people = [user["id"] for user in users]
    first = people[:4]
    made = timestamp(NOW - timedelta(days=300))

    def group(number: int, name: str, members: list[str], **more: object) -> Row:
        row: Row = {"id": guid(seed, "group", number), "displayName": name, "mail": None, "groupTypes": []}
        return {**row, "createdDateTime": made, **more, "_members": members, "_owners": people[:1]}

    unified = {"mail": f"harbour.wall@{VANITY_DOMAIN}", "groupTypes": ["Unified"], "visibility": "Public"}
    sales = {"mail": f"sales@{VANITY_DOMAIN}", "mailEnabled": True, "securityEnabled": False}
    return [
        group(0, "Harbour wall", first, **unified, resourceProvisioningOptions=["Team"]),
        group(1, "Door keys", first),
        group(2, "Everyone; all of us", [*people, guid(seed, "group", 1)], description="=SUM(A1) is no formula"),
        group(3, "Sales, München", people[4:7], **sales),
        group(4, "Works council", people[2:5], visibility="HiddenMembership"),
        group(5, "Nobody yet", []),
    ]


def make_directory(seed: str, users: list[Row]) -> Row:
    """The content of directory.json."""
    former = guid(seed, "former", 0)
    name = f"agathe.former@{VANITY_DOMAIN}"
    deleted = {
        "id": former,
        "deletedDateTime": timestamp(NOW - timedelta(days=9)),
        "displayName": "Agathe Former",
        "mail": name,
        "userPrincipalName": former.replace("-", "") + name,
        "userType": "Member",
        "accountEnabled": False,
        "assignedLicenses": [],
    }
    return {"deletedUsers": [deleted]}
