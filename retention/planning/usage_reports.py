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
    """Whether a row has names, and none that is one."""
    told = [(row.get(column) or "").strip() for column in (_NAMES[kind], "Site URL")]
    return any(told) and _name(kind, row) is None


def _name(kind: SourceKind, row: dict[str, str]) -> str | None:
    """As that of a source: that of a person has an @, an address of a site a scheme; anything else is none."""
    name, address = ((row.get(column) or "").strip() for column in (_NAMES[kind], "Site URL"))
    site = name_at(address) if "://" in address else None
    if kind is SourceKind.SHAREPOINT:
        return site
    if (
        kind is SourceKind.ONEDRIVE and not name and site is not None
    ):  # of somebody who left: the end of the site's address
        return site.rpartition("!")[2] or None
    return name if "@" in name else None


def _usage(kind: SourceKind, row: dict[str, str]) -> Usage:
    name = _name(kind, row)
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
