"""What the runs said of each source: which classes of it are covered, and what of the whole source is wrong; and who accepted it.

Rules of this file: what is covered follows the rule that `ready` has (`retention.covering`); of each source the newest run that
looked at it speaks; a record that is not the one which its run wrote is not read. Acceptances are judged as of now, by the rows
of the journal. Source: design §5 (Coverage), §6; retention-domain §4, §6; docs/decisions/0022.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from exporters.bag.formats import JsonObject, load_json
from exporters.errors import RunError
from exporters.results import NEVER, NOT_REACHABLE
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.acceptance import place_of
from retention.classes import title_of
from retention.config import Config
from retention.covering import PST, Covered, coverage_by
from retention.evidence.collecting_bags import VANISHED, Bag
from retention.evidence.collecting_journal import Told
from retention.evidence.sentences import alternative_of

TENANT, NO_RUN = "tenant", "no_run_tells"
"""The principal of what lies in no source; the code of a bag that no run has told of."""
NAMED = 1_000
"""Excepted items that the document names one by one, of all; exceptions.csv has each."""
_GONE = {"status": NOT_REACHABLE, "code": "disposed", "reason": "disposed of: see chapter 12", "counts": False}
"""Of a source whose bag was disposed of; the verdict counts the bag."""
_COUNTS = ("listed", "copied", "gone", "excepted", "pending")


@dataclass(slots=True)
class Sources:
    """What runs said. rows: by place the newest row of `runs/….json`, and its run; differing: runs whose record is missing or
    another."""

    rows: dict[str, tuple[str, JsonObject]] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    newest: JsonObject = field(default_factory=dict)
    """The record of the newest run over all sources, without its sources."""


def read_sources(store: Store, told: Told) -> Sources:
    """Read the records of the runs that are the newest of some source."""
    found, whole = Sources(), told.newest_of_all
    order = list(told.runs)
    later = [] if whole is None else order[order.index(whole.id) :]
    wanted = {*told.looked.values(), *(run for run in later if told.runs[run].verb == "export")}
    for run in (name for name in order if name in wanted and told.runs[name].record is not None):
        record = _record(store, run, told.runs[run].record)
        if record is None:
            found.differing.append(run)
            continue
        is_later = run in later
        for row in record.pop("sources", None) or ():
            place = place_of(row.get("bag"), f"{row['kind']}/{row['name']}")
            if told.looked.get(str(row.get("bag"))) == run or (row.get("bag") is None and is_later):
                found.rows[place] = run, row
        if whole is not None and run == whole.id:
            found.newest = record
    return found


def _record(store: Store, run: str, sha256: str | None) -> JsonObject | None:
    try:
        data = store.read(f"runs/{run}.json")
    except ObjectMissingError:
        return None
    return load_json(data) if hashlib.sha256(data).hexdigest() == sha256 else None


def coverage_rows(
    store: Store, config: Config, sources: Sources, bags: Mapping[str, Bag], gone: Collection[str], told: Told
) -> Iterator[JsonObject]:
    """A row for each class of each source, and of the tenant as a whole; the counts of a source stand in the first row of it. A
    bag of which no run tells has a row too; of a source whose bag was disposed of no class is covered. gone: those bags."""
    seen: set[str] = set()
    for one in _covered(store, config, told):
        place = one.bag or place_of(None, one.source or "")
        bag = bags.get(place)
        row = _class_row(one, bag, sources.rows.get(place, (None,))[0]) | _counted(None if place in seen else bag)
        yield row | _GONE if place in gone else row
        seen.add(place)
    for place in sorted(bags.keys() - seen):
        silent = Covered("unknown", NOT_REACHABLE, place, place, code=NO_RUN, counts=True, bag=place)
        yield _class_row(silent, bags[place], None) | _counted(bags[place])


def _covered(store: Store, config: Config, told: Told) -> Iterator[Covered]:
    """What is covered, by the rule that `ready` has; a record that is not as it was written says nothing (and is told)."""
    try:
        yield from coverage_by(store, config, told.history)
    except RunError as error:
        if error.code != "run_record_changed":
            raise


def _counted(bag: Bag | None) -> JsonObject:
    """The counts of a source; of a row that is not its first, none."""
    if bag is None:
        return dict.fromkeys(("source_count", *_COUNTS[1:], "bytes"))
    return {
        "source_count": bag.counts.get("listed"),
        **{name: bag.counts.get(name) for name in _COUNTS[1:]},
        "bytes": bag.octets,
    }


def _class_row(one: Covered, bag: Bag | None, run: str | None) -> JsonObject:
    principal = one.source or TENANT
    return {
        "principal": principal,
        "kind": principal.partition("/")[0],
        "bag": bag.place if bag is not None else None,
        "class": one.name,
        "status": one.state,
        "reason": one.reason or None,
        "code": one.code or None,
        "alternative": one.alternative or None,
        "counts": one.counts,
        "accepted_by": list(one.accepted),
        "run": run,
    }


def superseded_psts(sources: Sources) -> list[JsonObject]:
    """PSTs that are not as their mailbox was last: how many items have changed, moved or gone since they were composed."""
    return [
        {"principal": f"{row['kind']}/{row['name']}", "superseded": one["superseded"]}
        for _, row in sources.rows.values()
        for one in row.get("coverage") or ()
        if one["class"] == PST and one.get("superseded")
    ]


# ------------------------------------------------------------------------------------------------------- exceptions


def exception_codes(bags: Iterable[Bag], told: Told) -> list[JsonObject]:
    """Items that are excepted, by bag and code: how many, and who accepted all of them (nobody, if one of them is open)."""
    return [
        {
            "code": code,
            "bag": bag.place,
            "count": found.count,
            "reason": found.reason,
            "accepted_by": told.acceptances.of_items(code, bag.place, found.runs) if code != VANISHED else [],
            "counts": code != VANISHED,
            "alternative": alternative_of(code),
        }
        for bag in bags
        for code, found in sorted(bag.excepted.items())
    ]


def findings_of(sources: Sources, told: Told) -> list[JsonObject]:
    """Findings about whole sources, as the newest run that looked there showed them, and who accepted them."""
    rows = []
    for place, wholes in sorted(told.acceptances.shown.items()):
        run, row = sources.rows.get(place, ("", {}))
        told_reasons = {one.get("code"): one.get("reason") for one in row.get("coverage") or ()}
        for code, digest in sorted(wholes.items()):
            rows.append(
                {
                    "code": code,
                    "item": place,
                    "kind": "source",
                    "reason": told_reasons.get(code),
                    "accepted_by": told.acceptances.of_whole(place, code, digest),
                    "at": told.runs[run].ended if run in told.runs else None,
                    "alternative": alternative_of(code),
                }
            )
    return rows


def exception_row(bag: Bag, row: JsonObject, accepted: Mapping[tuple[str, str], list[str]]) -> JsonObject:
    """An excepted item as the document has it."""
    code = str(row.get("code"))
    return {
        "code": code,
        "item": row.get("path") or row.get("name") or row.get("id"),
        "kind": row["kind"],
        "bag": bag.place,
        "reason": row.get("reason"),
        "accepted_by": accepted.get((bag.place, code), []),
        "at": row.get("captured"),
        "alternative": alternative_of(code),
    }


def not_covered(coverage: Iterable[JsonObject]) -> list[JsonObject]:
    """What no run can bring, with what to do instead: classes of the tenant, and those of its sources, each once."""
    rows: dict[str, JsonObject] = {}
    for row in coverage:
        if row["status"] == NEVER:
            told = {name: row[name] for name in ("class", "reason", "alternative", "accepted_by")}
            rows.setdefault(row["class"], {**told, "data": title_of(row["class"])})
    return list(rows.values())
