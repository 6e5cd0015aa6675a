"""What of a directory is covered: decisions without I/O.

Rules of this file: never better than it is; what could not be listed is said with the reason and what to do. Source: design §5
(coverage), retention-domain §4.
"""

from collections.abc import Mapping, Sequence, Set

from exporters.bag.formats import JsonObject
from exporters.copied import CopyResult
from exporters.directory.folders import ROLES, TERMS
from exporters.errors import LastcopyError

_CLASSES = {TERMS.id: "term_store", ROLES.id: "directory_roles"}
"""Folders that are a class of content of their own; all others are the directory."""
_NOTES: Mapping[str, JsonObject] = {
    TERMS.id: {
        "reason": "Groups of terms of one site collection are told by that site alone; the labels of its items stand with them."
    }
}


def coverage_rows(
    result: CopyResult,
    excepted: Sequence[JsonObject],
    refused: Mapping[str, LastcopyError],
    absent: Set[str],
    narrowed: Set[str],
) -> list[JsonObject]:
    """Rows {"class", "state", "reason"?, "code"?, "alternative"?}. excepted: rows; refused: {id of a folder: why it could not be
    listed now}; absent: folders that this cloud or tenant does not have; narrowed: those of which fewer properties are known."""
    lacking = [row for row in excepted if str(row["path"]).split("/")[1] not in _CLASSES]
    rows = [_main(result, lacking, sorted((narrowed | absent) - _CLASSES.keys()))]
    for folder, name in _CLASSES.items():
        error = refused.get(folder)
        if folder in absent:
            rows.append(
                {"class": name, "state": "never possible", "reason": "This cloud, or this tenant, does not have it."}
            )
        elif error is not None:
            told = {"code": error.code, "reason": str(error), "alternative": error.action}
            rows.append({"class": name, "state": "not reachable", **{key: text for key, text in told.items() if text}})
        else:
            rows.append({"class": name, "state": "covered", **_NOTES.get(folder, {})})
    return rows


def _main(result: CopyResult, lacking: Sequence[JsonObject], narrowed: Sequence[str]) -> JsonObject:
    row: JsonObject = {"class": "directory", "state": "covered"}
    if lacking:
        first = lacking[0]
        reason = f"{len(lacking):,} parts could not be read, the first is {first['path']}: {first['reason']}"
        row |= {"state": "in part", "code": first["code"], "reason": reason}
    elif result.problems or result.unexplained or result.counts.get("pending"):
        row |= {
            "state": "in part",
            "reason": "The service's own counts are not those of the copy, or it changed meanwhile.",
        }
    elif narrowed:
        row["reason"] = f"This cloud knows fewer properties, or has none, of: {', '.join(narrowed)}."
    return row
