"""The mailboxes and folders of the export API: which there are, what stands in a folder's row, what is asked of items.

Rules of this file: ids are asked for, never built; the id of an archive is told by beta alone; folders are walked from the top,
since their flat listing does not say what is beneath what. Everything in an answer is optional (Q-075).
Source: graph.md §4.2, §4.4; docs/formats.md (bag of a mailbox).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exporters.bag.formats import JsonObject
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import (
    AccessDeniedError,
    GraphError,
    NoMailboxError,
    NotFoundError,
    PermissionMissingError,
    RefusedError,
    UnsupportedError,
)
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.exceptions import incomplete
from exporters.mail.capture.facts import extended, id_of

KEYS: Final = ("Binary 0xFFF", "Binary 0x300B", "String 0x1A")
SHOWN: Final = ("String 0x37", "SystemTime 0xE06")


def _single(ids: tuple[str, ...]) -> str:
    return f"singleValueExtendedProperties($filter={' or '.join(f'id eq {one!r}' for one in ids)})"


ITEM_EXPANDS: Final = (_single(KEYS + SHOWN), _single(KEYS), None)
"""From all to none: less is asked for after a 400."""
FOLDER_EXPANDS: Final = (_single(("Integer 0x3601",)), None)
UNAVAILABLE = (NotFoundError, RefusedError, UnsupportedError, PermissionMissingError, AccessDeniedError, NoMailboxError)
"""What says that there is no export API here, or that the app may not use it."""
_SEARCH_FOLDER = "2"  # PidTagFolderType
_PAGE = 100
_DEEPEST = 100


@dataclass(frozen=True)
class ExportIds:
    """Ids of mailboxes in the export API, None where there is none. refused: why they could not be had. is_archive_known: whether
    the service would have told of an archive."""

    primary: str | None = None
    archive: str | None = None
    refused: GraphError | None = None
    is_archive_known: bool = False


def export_ids(mailbox: Mailbox) -> ExportIds:
    """Ask v1.0, which may refuse what beta answers, and beta, which alone knows of archives.

    Raises: what concerns the whole run.
    """
    primary: str | None = None
    archive: str | None = None
    refused: GraphError | None = None
    knows = False
    for beta in (False, True):
        try:
            served = mailbox.get("/settings/exchange", beta=beta)
        except UNAVAILABLE as error:
            refused = refused or error
            continue
        own = identifier_of(served.get("primaryMailboxId"))
        knows = knows or (
            beta and own is not None
        )  # an answer that tells nothing does not tell that there is no archive
        primary = primary or own
        archive = archive or identifier_of(served.get("inPlaceArchiveMailboxId"))
    return ExportIds(primary, archive, refused if primary is None and archive is None else None, knows)


# ------------------------------------------------------------------------------------------------------- folders


@dataclass
class ExportFolder:
    """A folder of a mailbox. facts: as they stand in its row, without its path. names: from the mailbox's root."""

    facts: JsonObject
    names: tuple[str, ...]

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def path(self) -> str:
        """`/` and the names joined."""
        return "/" + "/".join(self.names)

    @property
    def type(self) -> str:
        """Container class, as `IPF.Note`; empty if it is not told."""
        return str(self.facts["service"].get("type") or "")

    @property
    def route(self) -> str:
        """Its path below the mailbox."""
        return f"/folders/{segment(self.id)}"


def walk(box: Mailbox) -> Iterator[ExportFolder]:
    """All folders that hold something of their own, parents first. box: of the export API. Raises: GraphError."""
    known: set[str] = set()
    waiting: list[tuple[ExportFolder | None, int, int]] = [(None, 0, 1)]
    while waiting:
        above, depth, least = waiting.pop()
        for served in _children(box, above, least):
            folder = _folder(box.owner, served, above)
            if folder is None:
                raise incomplete("The export API names folders without an id.")
            if folder.id in known or _is_search_folder(served):
                continue
            known.add(folder.id)
            yield folder
            if (children := number_of(served.get("childFolderCount"))) != 0:
                if depth >= _DEEPEST:
                    raise incomplete("Folders of the export API lie deeper than can be followed.")
                waiting.append((folder, depth + 1, children or 0))
    if not known:
        raise incomplete("The export API lists no folders in this mailbox.")


def left_out(box: Mailbox, row: Mapping[str, Any], folders: Mapping[str, ExportFolder]) -> ExportFolder | None:
    """A folder that an earlier walk found and this one (folders) did not, if it is there all the same. row: as in the bag.

    Raises: GraphError.
    """
    try:
        served = box.get(f"/folders/{segment(str(row['id']))}")
    except NotFoundError:
        return None
    above = folders.get(identifier_of(served.get("parentFolderId")) or "")
    if id_of(served) != row["id"] or (above is None and row.get("parent") is not None):
        return None  # it lies elsewhere, outside of the tree
    return _folder(box.owner, served, above)


def _children(box: Mailbox, above: ExportFolder | None, least: int) -> list[JsonObject]:
    """least: how many there should be; where there are fewer, they are listed once more."""
    found = _listed(box, above)
    if len(found) < least:
        ids = {id_of(served) for served in found}
        found += [served for served in _listed(box, above) if id_of(served) not in ids]
    return found


def _listed(box: Mailbox, above: ExportFolder | None) -> list[JsonObject]:
    path = "/folders" if above is None else f"{above.route}/childFolders"
    for expand in FOLDER_EXPANDS:
        params = None if expand is None else {"$expand": expand}
        try:
            return [row for page in box.pages(path, params=params, page_size=_PAGE) for row in page]
        except RefusedError:
            if expand is None:
                raise
    raise AssertionError("unreachable")


def _is_search_folder(served: Mapping[str, Any]) -> bool:
    kind = text_of(served.get("@odata.type")) or ""
    return kind.lower().endswith("searchfolder") or extended(served, "0x3601") == _SEARCH_FOLDER


def _folder(mailbox_id: str, served: Mapping[str, Any], above: ExportFolder | None) -> ExportFolder | None:
    folder_id = id_of(served)
    if folder_id is None:
        return None
    name = text_of(served.get("displayName")) or ""
    facts: JsonObject = {"kind": "folder", "scope": mailbox_id, "id": folder_id, "name": name}
    facts["parent"] = None if above is None else above.id
    facts["service"] = folder_service(served)
    return ExportFolder(facts, (*(() if above is None else above.names), name))


def folder_service(served: Mapping[str, Any]) -> JsonObject:
    """What stands in `service` of a folder's row."""
    service: JsonObject = {"class": "export"}
    for name in ("type", "wellKnownName"):
        if (text := text_of(served.get(name))) is not None:
            service[name] = text
    if (number := number_of(served.get("totalItemCount"))) is not None:
        service["totalItemCount"] = number
    if served.get("isHidden") is True:
        service["isHidden"] = True
    return service
