"""Accepting exceptions by name: what may be accepted, the row that says so, and what it covers.

Rules of this file: a person accepts what is there when they accept it, never what comes later: an exception that was found after
that, another difference of the counts, another mass of vanished items is open again. Only codes that a run can show; a source is
kept as its bag, whose name never changes. Source: design §4 (the journal), §6 (`accept`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from exporters.bag.formats import EXCEPTIONS, RECONCILIATION, JsonObject, load_json
from exporters.bag.lines import read_lines
from exporters.bag.reconcile import difference_of
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.outcomes import ExceptionCode
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.journal import Journal
from retention.selection import Names, means, records_of, unknown_source

NOT_BUILT = "not_in_this_version"
NOT_FOUND = "source_not_found"
UNRECONCILED = "not_reconciled"
MASS = "mass_disappearance"
CLASSES = ("mail", "sharepoint", "directory")
OF_SOURCES = frozenset(
    {
        NOT_BUILT,
        NOT_FOUND,
        UNRECONCILED,
        MASS,
        "content_differs",
        "permission_missing",
        "access_denied",
        "site_locked",
        "locked",
        "no_drive",
        "not_found",
    }
)
"""Codes of whole sources, beside those of items."""
ONCE = frozenset({MASS})
"""Codes whose acceptance ends with the next run that the source answers: that files vanished says nothing of the next time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run found in a source under one code. newest: when the newest exception was found; None where items have none.
    difference: a name for what the counts leave unexplained."""

    code: str
    newest: datetime | None = None
    difference: str | None = None


@dataclass(frozen=True, slots=True)
class _Accepted:
    code: str
    source: str | None
    at: datetime
    differences: Mapping[str, str]

    def covers(self, found: Finding, names: frozenset[str]) -> bool:
        if self.code != found.code or (self.source is not None and self.source not in names):
            return False
        if found.difference is not None:
            return any(self.differences.get(name) == found.difference for name in names)
        return found.newest is None or found.newest <= self.at


class Acceptances:
    """Which exceptions a person accepted by name."""

    def __init__(self, rows: Iterable[JsonObject]) -> None:
        """rows: of the journal, oldest first."""
        self._accepted: list[_Accepted] = []
        for row in rows:
            if row.get("type") == "accepted":
                at = datetime.fromisoformat(row["at"]) if "at" in row else datetime.max.replace(tzinfo=UTC)
                self._accepted.append(_Accepted(row["code"], row.get("source"), at, row.get("differences") or {}))
            elif row.get("type") == "run_ended":
                self._accepted = [kept for entry in self._accepted for kept in _after_run(entry, row)]

    def covers(self, found: Finding | str, names: frozenset[str]) -> bool:
        """Whether what was found in a source with these labels (all names that it has had, and its bag) is accepted."""
        finding = Finding(found) if isinstance(found, str) else found
        return any(entry.covers(finding, names) for entry in self._accepted)


def _after_run(entry: _Accepted, ended: JsonObject) -> Iterator[_Accepted]:
    """What is left of an acceptance after a run. ended: its row; `bags` that it wrote to, `refused` those that did not answer."""
    refused, bags = ended.get("refused") or [], ended.get("bags")
    is_elsewhere = bags is not None and entry.source is not None and entry.source not in {*bags, *refused}
    if entry.code not in ONCE or is_elsewhere:
        yield entry
    else:
        yield from (replace(entry, source=bag) for bag in refused if entry.source in {None, bag})


def accept(
    store: Store, clock: Clock, *, code: str, source: str | None, by: str, reason: str
) -> tuple[JsonObject, int]:
    """Write an acceptance into the journal; return what was written, and how many items it covers.

    Raises: ConfigurationError, errors of the store.
    """
    allowed = {str(item) for item in ExceptionCode} | OF_SOURCES | _seen_codes(store)
    if code not in allowed:
        raise ConfigurationError(
            f"there is no exception {code!r}", code="code_unknown", action=f"Allowed: {', '.join(sorted(allowed))}."
        )
    row: JsonObject = {"type": "accepted", "code": code, "by": by, "reason": reason}
    if source is not None:
        row["source"] = _place_of(store, source, code)
    bags = [bag for bag in Names(records_of(store)).bags([]) if source is None or row["source"] == bag]
    if code == UNRECONCILED:
        row["differences"] = dict(_differences(store, bags))
    items = sum(1 for bag in bags for exception in _lines(store, bag, EXCEPTIONS) if exception.get("code") == code)
    Journal(store, clock).append([row])
    return row, items


def _differences(store: Store, bags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(bag, name of the difference) of each bag whose counts are unexplained in the last fold."""
    for bag in bags:
        for reconciliation in _lines(store, bag, RECONCILIATION):
            difference = difference_of(reconciliation["independent"])
            if difference is not None:
                yield bag, difference


def _lines(store: Store, bag: str, name: str) -> Iterator[JsonObject]:
    """The objects in a file of the last fold; none if there is no fold."""
    try:
        for line in read_lines(store, f"{bag}/{name}"):
            yield load_json(line)
    except (ObjectMissingError, ValueError):
        return


def _place_of(store: Store, source: str, code: str) -> str:
    if source in CLASSES:
        return source
    records = list(records_of(store))
    names = Names(records)
    found = [bag for bag in names.bags([]) if means(source, names.labels_of_bag(bag))]
    if found:
        return found[0]
    if code in OF_SOURCES and "/" in source:
        return source  # a source that never had a bag
    raise unknown_source(source, names.bags([]))


def _seen_codes(store: Store) -> set[str]:
    """Codes that the newest run showed for whole sources."""
    newest = None
    for info in store.list("runs/"):
        newest = info.key
    if newest is None:
        return set()
    record = load_json(store.read(newest))
    rows = [row for source in record.get("sources", []) for row in source.get("coverage", [])]
    return {str(row["code"]) for row in rows if row.get("code")} | set(record.get("exceptions", {}))
