"""Mailboxes as the export API names them: primary and archive mailboxes by `MBX:` ids, all folders of all classes, other ids.

Rules of this file: an item has another id here than in the mail API, and the same search key and entry id; it changes with every
move. A user's archive is the mailbox folder under `_archive` in its row, written as any other.
Source: reference/graph.md 4.2 to 4.4; issue: "the two listings have different ids".
"""

import uuid
from dataclasses import dataclass

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import Kind, made_id, read_id
from exporters.rehearsal.mailboxes import NOWHERE, Mailbox
from exporters.rehearsal.tenant import Tenant

_ITEMS: dict[Kind, Kind] = {"folder": "message", "calendar": "event", "contactFolder": "contact", "list": "task"}
_CLASSES: dict[Kind, str] = {
    "folder": "IPF.Note",
    "calendar": "IPF.Appointment",
    "contactFolder": "IPF.Contact",
    "list": "IPF.Task",
}
_ITEM_CLASSES: dict[Kind, str] = {"event": "IPM.Appointment", "contact": "IPM.Contact", "task": "IPM.Task"}
_SEARCH = "#microsoft.graph.mailSearchFolder"


@dataclass(frozen=True)
class Place:
    """A folder of any class."""

    kind: Kind
    n: int

    @property
    def items(self) -> Kind:
        """What lies in it."""
        return _ITEMS[self.kind]


def mailbox_id(tenant: Tenant, folder: str) -> str:
    """The id of the mailbox that is in a folder of the data."""
    return f"MBX:{uuid.uuid5(uuid.NAMESPACE_URL, f'{tenant.id}/{folder}')}@{tenant.id}"


def find_by_id(tenant: Tenant, wanted: str) -> tuple[Row, str] | None:
    """The owner and the folder of a mailbox, primary or archive."""
    known = tenant.mailboxes.folders_by_id
    if wanted.lower() not in known:
        for user in tenant.users:
            for folder in (user.get("_dir"), user.get("_archive")):
                if folder is not None:
                    known[mailbox_id(tenant, folder).lower()] = (str(user["id"]), folder)
                    known[auxiliary_id(tenant, folder).lower()] = (str(user["id"]), folder)
    user_id, folder = known.get(wanted.lower(), ("", ""))
    owner = tenant.user(user_id)
    return (owner, folder) if owner is not None else None


def auxiliary_id(tenant: Tenant, folder: str) -> str:
    """The id of the mailbox that takes what an archive has no room for."""
    return mailbox_id(tenant, f"{folder}#auxiliary")


def is_in_auxiliary(place: Place) -> bool:
    """Whether a folder of an archive that has grown out of its mailbox lies in the auxiliary one."""
    return place.n % 2 == 1


def exported_id(kind: Kind, user: int, n: int, ordinary: str) -> str:
    """The id of a thing in the export API, while its ordinary id is this."""
    return "EDSVrd" + made_id(kind, user, n, f"{ordinary}|export")[6:]


def id_of(box: Mailbox, kind: Kind, n: int) -> str:
    """The id of a thing in the export API at the moment."""
    return exported_id(kind, box.user, n, str(box.row(kind, n)["id"]))


def find_exported(box: Mailbox, kinds: tuple[Kind, ...], wanted: str) -> tuple[Kind, int] | None:
    """The live thing with this id. Raises IdError."""
    read_id(wanted)
    for kind in kinds:
        rows = box.rows[kind]
        _, user, n = read_id(wanted)
        if user == box.user and n < rows.count and n not in rows.gone and id_of(box, kind, n) == wanted:
            return kind, n
    return None


def folder_kinds() -> tuple[Kind, ...]:
    """Kinds of folders."""
    return tuple(_ITEMS)


def item_kinds() -> tuple[Kind, ...]:
    """Kinds of items."""
    return tuple(_ITEMS.values())


def top_places(box: Mailbox) -> list[Place]:
    """Children of the root: mail folders, search folders too; calendars, folders of contacts, lists of tasks."""
    found = [Place("folder", n) for n in box.members("folder", box.named["msgfolderroot"])]
    for kind in ("calendar", "contactFolder", "list"):
        found += [Place(kind, n) for n in box.live(kind) if box.place(kind, n) == NOWHERE]
    return found


def children(box: Mailbox, place: Place) -> list[Place]:
    """Folders directly below."""
    if place.kind not in ("folder", "contactFolder"):
        return []
    return [Place(place.kind, n) for n in box.members(place.kind, place.n)]


def held(box: Mailbox, place: Place) -> list[int]:
    """The items of a folder."""
    return [n for n in box.members(place.items, place.n) if is_item(box, place.items, n)]


def is_item(box: Mailbox, kind: Kind, n: int) -> bool:
    """Whether a store keeps it as an item: the exceptions of a series are attachments of the series."""
    return kind != "event" or box.row(kind, n).get("type") != "exception"


def every_place(box: Mailbox) -> list[Place]:
    """All folders below the root, parents first."""
    waiting, found = top_places(box), []
    while waiting:
        place = waiting.pop(0)
        found.append(place)
        waiting += children(box, place)
    return found


def place_row(box: Mailbox, place: Place) -> Row:
    """A folder as the export API shows it."""
    row = box.row(place.kind, place.n)
    above = box.place(place.kind, place.n)
    top = box.named["msgfolderroot"]
    parent = id_of(box, place.kind, above) if above != NOWHERE else id_of(box, "folder", top)
    return {
        "@odata.type": "#microsoft.graph.mailboxFolder",
        "id": id_of(box, place.kind, place.n),
        "displayName": row.get("displayName", row.get("name")),
        "parentFolderId": parent,
        "childFolderCount": len(children(box, place)),
        "totalItemCount": len(held(box, place)),
        "wellKnownName": row.get("_wellKnownName"),
        "type": _CLASSES[place.kind],
    }


def item_class(kind: Kind, row: Row) -> str:
    """The message class of an item."""
    return str(row.get("_class", "IPM.Note")) if kind == "message" else _ITEM_CLASSES[kind]
