"""Our rows beside the service's counts, worked out again; and `reconciliation.json` beside that.

Rules of this file: no I/O but the state's temporary file; what is not equal is a reason why the bag is not reconciled, and no
row explains it away; what the service did not count is no reason. Source: design §4 (Whole), docs/formats.md (fold).
"""

from itertools import zip_longest
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.bag.verify_folders import FolderCount
from exporters.bag.verify_report import NAMES_KEPT, BagVerification
from exporters.bag.verify_state import View

DETAILS_KEPT = 1_000
_FORM = {"counts", "independent", "kinds"}
_ENTRY = {"by", "detail", "equal", "expected", "explained", "found", "moving", "scope", "unexplained", "verdict"}
_DETAIL = {"by_rows", "expected", "found", "id", "path", "verdict"}
_VERDICTS = ("unexplained", "moving", "unavailable")


def reconcile_now(view: View, report: BagVerification) -> None:
    """Judge the counts of the state as it is now: nothing pending, every folder equal that was counted."""
    pending = view.counts()["pending"]
    if pending:
        report.doubt(f"{pending:,} listed items are pending")
    for folder in view.folders():
        if folder.verdict in {"unexplained", "moving"}:
            report.doubt(
                f"the service counts {folder.expected:,} items in folder {folder.id!r}, we have {folder.found:,}"
                f" ({folder.verdict})"
            )


def count_faults(content: JsonObject, view: View) -> list[str]:
    """What `reconciliation.json` says otherwise than the rows at its segment (the first 100)."""
    if {*content} != _FORM:
        return ["it has other fields than it should"]
    faults = []
    for name, derived in (("counts", view.counts()), ("kinds", view.kinds())):
        if content[name] != derived:
            faults.append(f"{name!r} is {content[name]!r}, the rows give {derived!r}")
    totals = _totals(view)
    entries = content["independent"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [*faults, "'independent' is no list of objects"]
    for entry, total in zip_longest(entries, totals):
        faults += _entry_faults(entry, total)
    return faults[:NAMES_KEPT]


def _totals(view: View) -> list[dict[str, Any]]:
    totals: dict[str, dict[str, Any]] = {}
    for folder in view.folders():
        total = totals.setdefault(folder.scope, _empty(folder.scope))
        if folder.by == "totalItemCount":
            total["by"] = folder.by
        if folder.verdict == "unavailable":
            of_kind = total.setdefault("unavailable", {})
            of_kind[folder.kind] = of_kind.get(folder.kind, 0) + 1
            continue
        total["expected"] += folder.expected
        total["found"] += folder.found
        total[folder.verdict] += 1
        if folder.verdict != "equal" and len(total["detail"]) < DETAILS_KEPT:
            total["detail"].append(folder)
    for total in totals.values():
        total["verdict"] = next((verdict for verdict in _VERDICTS if total.get(verdict)), "equal")
    return [totals[scope] for scope in sorted(totals)]


def _empty(scope: str) -> dict[str, Any]:
    numbers = dict.fromkeys(("equal", "expected", "explained", "found", "moving", "unexplained"), 0)
    # The empty scope is a mailbox: what it is counted by is known though no folder tells it.
    return {"by": "folder.childCount" if scope else "totalItemCount", "detail": [], "scope": scope, **numbers}


def _entry_faults(entry: JsonObject | None, total: dict[str, Any] | None) -> list[str]:
    if entry is None or total is None:
        return ["it has other independent counts than the rows give"]
    faults = [
        f"{name!r} of scope {total['scope']!r} is {entry.get(name)!r}, the rows give {total.get(name)!r}"
        for name in sorted(_ENTRY - {"detail"} | {"unavailable"})
        if entry.get(name) != total.get(name)
    ]
    if {*entry} - {"unavailable"} != _ENTRY:
        faults.append("an independent count has other fields than it should")
    for detail, folder in zip_longest(entry.get("detail") or (), total["detail"]):
        if not _is_same_folder(detail, folder):
            faults.append(f"the detail of folder {getattr(folder, 'id', None)!r} is {detail!r}")
    return faults


def _is_same_folder(detail: Any, folder: FolderCount | None) -> bool:
    if folder is None or not isinstance(detail, dict) or {*detail} != _DETAIL:
        return False
    derived: tuple[Any, ...] = (folder.id, folder.expected, folder.found, folder.verdict, [])
    return (*(detail[name] for name in ("id", "expected", "found", "verdict", "by_rows")),) == derived
