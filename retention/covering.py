"""What of a tenant is covered, per source and per class of content: as the last runs found it, and what no run can bring.

Rules of this file: reads the store and nothing else; never better than the record of a run says; silence is a defect: what is not
asked for, and what can never be covered, has a row as well. What follows from exceptions or from findings about a whole source is
accepted there, and not once more as a class. Source: design §5 (coverage), retention-domain §4, docs/decisions/0088.

    for row in coverage_of(store, config, Journal(store, clock).rows()):
        row.name, row.state, row.source, row.reason, row.alternative, row.is_open
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, load_json
from exporters.errors import RunError
from exporters.outcomes import ExceptionCode
from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, main_class
from exporters.sources import FINDABLE, SourceKind
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.acceptance import Acceptances, digest_of, place_of
from retention.classes import CLASSES, TENANT_WIDE, of_kind
from retention.config import Config
from retention.history import History, PastRun
from retention.recorded import RUNS
from retention.selection import kinds_asked

WHOLE, PST = "whole", "pst"
_ITEM_CODES = frozenset(map(str, ExceptionCode))


@dataclass(frozen=True, slots=True)
class Covered:
    """One row. source: its label, None for the tenant as a whole; place: what an acceptance of it names, None if it is accepted
    for all sources together; accepted: by whom; counts: whether it has to be accepted as a class at all; bag: of the source."""

    name: str
    state: str
    source: str | None = None
    place: str | None = None
    reason: str = ""
    alternative: str = ""
    code: str = ""
    accepted: tuple[str, ...] = ()
    counts: bool = False
    bag: str | None = None

    @property
    def digest(self) -> str:
        """A name for this state of the class; another state, or another reason for one source, has another."""
        more = () if self.place is None else (self.place, self.code or self.reason)
        return digest_of("class", self.name, self.state, *more)

    @property
    def is_open(self) -> bool:
        """Whether it is not covered, and a person has yet to accept that."""
        return self.counts and not self.accepted

    def as_json(self) -> JsonObject:
        """As the rows of a run's record, with the source."""
        row: JsonObject = {"class": self.name, "state": self.state}
        told = {name: getattr(self, name) for name in ("source", "reason", "code", "alternative")}
        row |= {name: value for name, value in told.items() if value}
        return row | ({"accepted": list(self.accepted)} if self.accepted else {})


class Summed(NamedTuple):
    """A class in one state: in how many sources (0: the tenant as a whole), in how many of them it is to be accepted as a class,
    and in how many nobody did."""

    name: str
    state: str
    sources: int
    counted: int
    open: int
    reason: str
    alternative: str


def coverage_of(store: Store, config: Config, rows: Iterable[JsonObject]) -> Iterator[Covered]:
    """Every row of coverage, of the tenant first. rows: of the journal, oldest first.

    Raises: RunError if the record of a run is not as it was written; SegmentDamagedError; errors of the store.
    """
    yield from coverage_by(store, config, History.of_rows(rows))


def coverage_by(store: Store, config: Config, history: History) -> Iterator[Covered]:
    """The same for who has read the journal already."""
    told = history.acceptances
    yield from (_accepted(row, told) for row in _of_tenant(config))
    run = history.complete
    if run is None:
        return
    record = record_of(store, history, run)
    yield from (_accepted(row, told) for row in _left_out(record))
    for source in newest_rows(store, history, run, record):
        yield from (_accepted(row, told) for row in _of_source(source, told))


def summed(rows: Iterable[Covered]) -> list[Summed]:
    """By class and state, in the order of the table; what is covered comes first."""
    found: dict[tuple[str, str], Summed] = {}
    for row in rows:
        before = found.get((row.name, row.state), Summed(row.name, row.state, 0, 0, 0, row.reason, row.alternative))
        found[row.name, row.state] = before._replace(
            sources=before.sources + (row.source is not None),
            counted=before.counted + row.counts,
            open=before.open + row.is_open,
        )
    order = {name: number for number, name in enumerate(CLASSES)}
    return sorted(found.values(), key=lambda row: (row.state != COVERED, order.get(row.name, len(order)), row.state))


def record_of(store: Store, history: History, run: PastRun) -> JsonObject:
    """The record of a run that ended. Raises: RunError if it is not the one that the run wrote."""
    key = f"{RUNS}{run.run}.json"
    try:
        data = store.read(key)
    except ObjectMissingError:
        raise _not_as_written(key) from None
    if Hashed.of(data) != history.recorded.records.get(run.run):
        raise _not_as_written(key)
    return load_json(data)


def newest_rows(store: Store, history: History, complete: PastRun, record: JsonObject) -> Iterator[JsonObject]:
    """The row of each source: of the newest complete run, or of a later one that looked at it. Raises: RunError."""
    rows: dict[str, JsonObject] = {place_of_row(row): row for row in record["sources"]}
    for run in sorted(history.runs.values(), key=lambda run: run.number):
        if run.number > complete.number and run.ended is not None and "record" in run.ended:
            rows |= {place_of_row(row): row for row in record_of(store, history, run)["sources"]}
    held = {row["bag"] for row in rows.values() if row["bag"] is not None}
    return (row for row in rows.values() if row["bag"] is not None or _label(row) not in held)


def place_of_row(row: Mapping[str, Any]) -> str:
    """What acceptances know the source of a row by."""
    return place_of(row["bag"], _label(row))


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['kind']}/{row['name']}"


def _accepted(row: Covered, told: Acceptances) -> Covered:
    if not row.counts:
        return row
    by = told.of_content(row.name, row.place, row.digest)
    return replace(row, accepted=tuple(by))


# ------------------------------------------------------------------------------------------------------- the tenant


def _of_tenant(config: Config) -> Iterator[Covered]:
    """What lies in no source, and kinds of sources that are not asked for."""
    for one in TENANT_WIDE:
        yield Covered(one.name, NEVER, reason=one.why, alternative=one.alternative, counts=True)
    asked = kinds_asked(config.settings.sources)
    for kind in FINDABLE:
        if kind not in asked:
            reason = f"`sources.{kind}` of the configuration leaves it out."
            what = "on" if kind is SourceKind.DIRECTORY else "all"
            for one in of_kind(kind):
                yield Covered(one.name, NOT_ASKED, reason=reason, alternative=f"sources.{kind}: {what}", counts=True)


def _left_out(record: JsonObject) -> Iterator[Covered]:
    """Sources that are there and that the configuration names in `exclude`, or does not name."""
    for label in record.get("not_asked") or ():
        kind = SourceKind(label.partition("/")[0])
        reason = "The configuration leaves this source out."
        alternative = f"name it in sources.{kind}, or take it out of sources.exclude"
        place = place_of(None, label)
        yield Covered(main_class(kind), NOT_ASKED, label, place, reason, alternative, counts=True)


# ------------------------------------------------------------------------------------------------------- sources


def _of_source(source: JsonObject, told: Acceptances) -> Iterator[Covered]:
    place, label = place_of_row(source), _label(source)
    rows = [row for row in source["coverage"] if row["class"] != WHOLE and not _is_tenant_wide(row)]
    is_explained = bool(source["excepted"] or source["pending"] or told.shown.get(place))
    is_explained = is_explained or any(row["class"] == "archive" and row["state"] != COVERED for row in rows)
    for row in rows:
        known = CLASSES.get(row["class"])
        is_for_all = row["state"] in {NEVER, NOT_ASKED}
        yield Covered(
            row["class"],
            row["state"],
            label,
            None if is_for_all else place,
            str(row.get("reason") or ""),
            str(row.get("alternative") or (known.alternative if known is not None else "")),
            str(row.get("code") or ""),
            counts=_counts(row, source, told.shown.get(place, {}), is_explained=is_explained),
            bag=source["bag"],
        )


def _is_tenant_wide(row: JsonObject) -> bool:
    known = CLASSES.get(row["class"])
    return known is not None and known.kind is None


def _counts(row: JsonObject, source: JsonObject, shown: Mapping[str, str], *, is_explained: bool) -> bool:
    """Whether a class has to be accepted itself: not where it is what exceptions or a finding about the whole source make of it,
    which are accepted by their own codes; a PST is judged by what lies in the store."""
    code = row.get("code")
    if row["state"] == COVERED or row["class"] == PST:
        return False
    if code in shown or (code in _ITEM_CODES and source["excepted"]):
        return False
    if row["state"] == IN_PART and code is None:
        is_by_configuration = row["class"] == "earlier_versions" and "reason" in row
        return is_by_configuration or not is_explained
    return True


def _not_as_written(key: str) -> RunError:
    return RunError(
        f"{key} is not the record that its run wrote",
        code="run_record_changed",
        action="lastcopy export",
    )
