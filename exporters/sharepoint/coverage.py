"""What a run can say of the coverage of a site: which libraries refused, and which lists are not copied.

Rules of this file: no I/O; each that is not copied is named. Source: design §5 (coverage), retention-domain §4,
docs/decisions/0048.
"""

from collections.abc import Mapping

from exporters.bag.formats import JsonObject
from exporters.errors import LastcopyError
from exporters.sharepoint.inventory import Inventory

IN_PART, NOT_ASKED = "in part", "not asked"
MOST_NAMES = 50


def site_coverage(inventory: Inventory, refused: Mapping[str, LastcopyError]) -> list[JsonObject]:
    """Rows {"class", "state", "reason", "code"?} beside those that follow from counts. refused: {drive id: why}."""
    rows: list[JsonObject] = []
    names = {library.drive_id: library.name for library in inventory.libraries}
    for drive, error in sorted(refused.items()):
        reason = f"The library {names.get(drive, drive)!r} could not be copied to its end: {error}"
        rows.append({"class": "libraries", "state": IN_PART, "code": error.code, "reason": reason})
    listed = {one.id: one.name for one in inventory.left_out}
    for list_id, code in sorted(inventory.unreadable.items()):
        reason = f"The library {listed.get(list_id, list_id)!r} could not be asked for its files."
        rows.append({"class": "libraries", "state": IN_PART, "code": code, "reason": reason})
    system = sorted(one.name for one in inventory.left_out if one.id not in inventory.unreadable)
    if system:
        shown = ", ".join(system[:MOST_NAMES]) + (
            f" and {len(system) - MOST_NAMES} more" if len(system) > MOST_NAMES else ""
        )
        reason = f"Lists of the service's own are named and not copied: {shown}."
        rows.append({"class": "system_lists", "state": NOT_ASKED, "reason": reason})
    return rows
