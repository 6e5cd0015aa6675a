"""Usage reports: how much everybody has, from a few requests for the whole tenant.

Rules of this file: rows as they come, none is kept; a report is about two days old and counts by rules of its own, so that its
numbers are estimates; names that the tenant conceals are never taken for names. Source: graph.md §9.2, §7.5.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.finding import name_at
from exporters.sources import SourceKind

PERMISSION: Final = "Reports.Read.All"
REPORTS: Final = {
    SourceKind.MAIL: "getMailboxUsageDetail",
    SourceKind.ONEDRIVE: "getOneDriveUsageAccountDetail",
    SourceKind.SHAREPOINT: "getSharePointSiteUsageDetail",
}
_NAMES: Final = {
    SourceKind.MAIL: "User Principal Name",
    SourceKind.ONEDRIVE: "Owner Principal Name",
    SourceKind.SHAREPOINT: "Site URL",
}
_ITEMS: Final = {SourceKind.MAIL: "Item Count"}
_FILES, _SIZE = "File Count", "Storage Used (Byte)"


@dataclass(frozen=True, slots=True)
class Usage:
    """One mailbox, drive or site collection. name: as that of a source, None where it is concealed or missing; items, size:
    None if the report does not say; deleted_items: recoverable ones of a mailbox; refreshed: the day that it is of."""

    name: str | None
    items: int | None
    size: int | None
    has_archive: bool
    deleted_items: int
    refreshed: str


@dataclass(frozen=True, slots=True)
class Report:
    """An open report. is_concealed: whether names in it are hashes."""

    is_concealed: bool
    rows: Iterator[Usage]


def read_report(graph: GraphSession, kind: SourceKind) -> Report:
    """The report of a kind of source; its first row is read now. Raises: GraphError, RunError."""
    found = _rows(graph, kind)
    first = next(found, None)
    rows = chain([first] if first is not None else [], found)
    return Report(first is not None and _is_concealed(kind, first), (_usage(kind, row) for row in rows))


def _rows(graph: GraphSession, kind: SourceKind) -> Iterator[dict[str, str]]:
    """The rows of what exists now, as the CSV has them."""
    with graph.download(f"/reports/{REPORTS[kind]}(period='D7')", cost=Cost.REPORT) as download:
        for row in csv.DictReader(_lines(download.decoded())):
            if (row.get("Is Deleted") or "").strip().lower() != "true":
                yield row


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of text with their ends; the byte order mark is taken off."""
    rest, is_first = b"", True
    for chunk in chain(chunks, [b"\n"]):
        rest += chunk
        *whole, rest = rest.split(b"\n")
        for line in whole:
            text = line.decode("utf-8", "replace")
            yield f"{text.removeprefix(chr(0xFEFF)) if is_first else text}\n"
            is_first = False


def _is_concealed(kind: SourceKind, row: dict[str, str]) -> bool:
    """Whether a name is none: an address of a person has an @, that of a site a scheme."""
    name = (row.get(_NAMES[kind]) or "").strip()
    if kind is SourceKind.ONEDRIVE and not name:
        name = (row.get("Site URL") or "").strip()
        return bool(name) and "://" not in name
    return bool(name) and ("://" if kind is SourceKind.SHAREPOINT else "@") not in name


def _usage(kind: SourceKind, row: dict[str, str]) -> Usage:
    name = (row.get(_NAMES[kind]) or "").strip() or None
    if kind is SourceKind.SHAREPOINT:
        name = name_at(name)
    elif kind is SourceKind.ONEDRIVE and name is None:  # of somebody who left: the last part of the site's address
        name = (name_at((row.get("Site URL") or "").strip()) or "").rpartition("!")[2] or None
    return Usage(
        name,
        _number(row.get(_ITEMS.get(kind, _FILES))),
        _number(row.get(_SIZE)),
        (row.get("Has Archive") or "").strip().lower() in {"true", "yes"},
        _number(row.get("Deleted Item Count")) or 0,
        (row.get("Report Refresh Date") or "").strip(),
    )


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() else None
