"""What a run can say of the coverage of a site: which libraries refused, and which lists are not copied.

Rules of this file: no I/O; each that is not copied is named. Source: design §5 (coverage), retention-domain §4,
docs/decisions/0048.
"""

from collections.abc import Mapping

from exporters.bag.formats import JsonObject
from exporters.copied import CopyResult
from exporters.errors import LastcopyError
from exporters.graph.answers import identifier_of, object_of, text_of
from exporters.outcomes import ExceptionCode
from exporters.sharepoint.inventory import Inventory

COVERED, IN_PART, NOT_REACHABLE, NOT_ASKED = "covered", "in part", "not reachable", "not asked"
NEEDS_CERTIFICATE = ExceptionCode.ATTACHMENTS_NEED_CERTIFICATE
TEAM_FILES = "team_files"
LIST_UNKNOWN = "list_unknown"
MOST_NAMES = 50


def site_coverage(inventory: Inventory, refused: Mapping[str, LastcopyError], result: CopyResult) -> list[JsonObject]:
    """Rows {"class", "state", "reason"?, "code"?} beside those of libraries that follow from counts. refused: {drive id: why}.
    result: with the counts of the run. The files of a team are those of the libraries: `results` gives them their state."""
    rows = [_lists(result), _attachments(result)]
    rows += [{"class": TEAM_FILES, "state": COVERED, "group": group} for group in _groups(inventory)]
    names = {library.drive_id: library.name for library in inventory.libraries}
    for drive, error in sorted(refused.items()):
        reason = f"The library {names.get(drive, drive)!r} could not be copied to its end: {error}"
        rows.append({"class": "libraries", "state": IN_PART, "code": error.code, "reason": reason})
    listed = {one.id: one.name for one in inventory.left_out}
    for list_id, code in sorted(inventory.unreadable.items()):
        reason = f"The library {listed.get(list_id, list_id)!r} could not be asked for its files."
        rows.append({"class": "libraries", "state": IN_PART, "code": code, "reason": reason})
    unknown = sorted(library.name for library in inventory.libraries if library.list_id is None)
    if unknown:
        reason = f"The service does not say which lists these libraries are, so their columns are not copied: {_named(unknown)}."
        rows.append({"class": "columns", "state": NOT_REACHABLE, "code": LIST_UNKNOWN, "reason": reason})
    system = sorted(one.name for one in inventory.left_out if one.id not in inventory.unreadable)
    if system:
        reason = f"Lists of the service's own are named and not copied: {_named(system)}."
        rows.append({"class": "system_lists", "state": NOT_ASKED, "reason": reason})
    return rows


def _groups(inventory: Inventory) -> list[JsonObject]:
    """{"id", "name", "mail"} of each Microsoft 365 group (and its team) that owns a library, which groups of the site itself have
    no address to do. A site of a channel is owned so as well."""
    found: dict[str, JsonObject] = {}
    for library in inventory.libraries:
        group = object_of(object_of(library.served.get("owner")).get("group"))
        group_id, mail = identifier_of(group.get("id")), text_of(group.get("email"))
        if group_id is not None and mail:
            found[group_id] = {"id": group_id, "name": text_of(group.get("displayName")) or mail, "mail": mail}
    return [found[group_id] for group_id in sorted(found)]


def _lists(result: CopyResult) -> JsonObject:
    failed = sum(result.excepted_kinds.get(kind, 0) for kind in ("list_item", "columns"))
    if "lists_not_listed" in result.problems:
        return {
            "class": "lists",
            "state": IN_PART,
            "code": "lists_not_listed",
            "reason": "Some lists could not be read.",
        }
    if failed or "listing_incomplete" in result.problems:
        return {"class": "lists", "state": IN_PART, "reason": f"{failed:,} items could not be copied."}
    return {"class": "lists", "state": COVERED}


def _attachments(result: CopyResult) -> JsonObject:
    """What hangs on items of lists, which Graph does not have (Q-062)."""
    row: JsonObject = {"class": "list_attachments", "state": COVERED}
    if number := result.exceptions.get(NEEDS_CERTIFICATE, 0):
        reason = f"{number:,} items have attachments, which are given to an app that signs in with a certificate alone."
        told = {"reason": reason, "code": NEEDS_CERTIFICATE.value}
        return {**row, "state": NOT_REACHABLE, **told, "alternative": "tenant.credential: {certificate: …}"}
    if failed := result.excepted_kinds.get("attachment", 0):
        return {**row, "state": IN_PART, "reason": f"{failed:,} attachments could not be copied."}
    return row


def unfinished(rows: list[JsonObject]) -> list[JsonObject]:
    """The same of a run that ended before it had come to all: nothing is covered by that."""
    reason = "the run ended before all of it was copied"
    return [{**row, "state": IN_PART, "reason": reason} if row["state"] == COVERED else row for row in rows]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
