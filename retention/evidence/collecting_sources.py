"""What the runs said of each source: which classes of it are covered, and what of the whole source is wrong; and who accepted it.

Rules of this file: of each source the newest run that looked at it speaks, of what lies in no bag the newest run over all; a record
that is not the one which its run wrote is not read. Acceptances are judged as of now, by the rows of the journal. Source:
design §5 (Coverage), §6; retention-domain §4, §6; docs/decisions/0022.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from exporters.bag.formats import JsonObject, load_json
from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.acceptance import place_of
from retention.evidence.collecting_bags import VANISHED, Bag
from retention.evidence.collecting_journal import Told
from retention.evidence.not_covered import NOT_COVERED, alternative_of

STATUSES = (COVERED, IN_PART, NOT_REACHABLE, NOT_ASKED, NEVER)
NAMED = 1_000
"""Excepted items that the document names one by one, of all; exceptions.csv has each."""
_COUNTS = ("listed", "copied", "gone", "excepted", "pending")
_WHOLE = "whole"
"""The class under which a run tells of a finding about a whole source: not one of content."""
CONFIGURED = ("asked", "not_asked", "without_mailbox")


@dataclass(slots=True)
class Sources:
    """What runs said. rows: by place the newest row of `runs/….json`, and its run; records: of the runs that were read; differing:
    runs whose record is missing or another; tenant: rows of coverage that are of no source."""

    rows: dict[str, tuple[str, JsonObject]] = field(default_factory=dict)
    records: dict[str, JsonObject] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    tenant: list[JsonObject] = field(default_factory=list)
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
            found.newest, found.tenant = record, list(record.get("coverage") or ())
        found.records[run] = record
    return found


def _record(store: Store, run: str, sha256: str | None) -> JsonObject | None:
    try:
        data = store.read(f"runs/{run}.json")
    except ObjectMissingError:
        return None
    return load_json(data) if hashlib.sha256(data).hexdigest() == sha256 else None


def coverage_of(sources: Sources, bags: Mapping[str, Bag], told: Told) -> Iterator[JsonObject]:
    """A row for each class of each source; the counts of the source stand in the first row of it. A class that is *in part* for no
    reason of its own is so by the items and findings of its source: who accepted all of those has accepted it."""
    for place in sorted({*sources.rows, *bags}):
        run, row = sources.rows.get(place, ("", {}))
        bag = bags.get(place)
        kind, _, name = place.removeprefix("name:").partition("/")
        principal = f"{row['kind']}/{row['name']}" if row else f"{kind}/{name or kind}"
        counts = dict.fromkeys((*_COUNTS, "bytes"), 0)
        if bag is not None:
            counts |= bag.counts | {"bytes": bag.octets}
        classes = [one for one in row.get("coverage") or () if one["class"] != _WHOLE]
        if not classes:
            classes = [{"class": "unknown", "state": NOT_REACHABLE, "code": "no_run_tells"}]
        by_items = _by_items(place, bag, told)
        for number, one in enumerate(classes):
            made = _class_row(principal, place, one, told) | {"run": run or None} | _counted(number, counts)
            if one["state"] == IN_PART and not one.get("code") and not made["accepted_by"]:
                made["accepted_by"] = by_items
            yield made
    for one in sources.tenant:
        yield _class_row("tenant", "", one, told) | {"run": sources.newest.get("run")} | _counted(1, {})


def _by_items(place: str, bag: Bag | None, told: Told) -> list[str]:
    """Who accepted all that is excepted in a source and all that was found about it; nobody if anything of it is open."""
    names: list[str] = []
    if bag is None or bag.counts.get("pending"):
        return []
    for code, found in bag.excepted.items():
        by = told.acceptances.of_items(code, place, found.runs) if code != VANISHED else []
        if code != VANISHED and not by:
            return []
        names += by
    for code, digest in told.acceptances.shown.get(place, {}).items():
        by = told.acceptances.of_whole(place, code, digest)
        if not by:
            return []
        names += by
    return list(dict.fromkeys(names))


def _counted(number: int, counts: Mapping[str, int]) -> JsonObject:
    if number:
        return dict.fromkeys(("source_count", *_COUNTS[1:], "bytes"))
    return {"source_count": counts["listed"], **{name: counts[name] for name in (*_COUNTS[1:], "bytes")}}


def _class_row(principal: str, place: str, one: JsonObject, told: Told) -> JsonObject:
    code = str(one.get("code") or "")
    digest = told.acceptances.shown.get(place, {}).get(code)
    by = told.acceptances.of_whole(place, code, digest) if digest is not None else []
    row: JsonObject = {
        "principal": principal,
        "kind": principal.partition("/")[0],
        "bag": place if place and not place.startswith("name:") else None,
        "class": one["class"],
        "status": one["state"],
        "reason": one.get("reason"),
        "code": code or None,
        "alternative": one.get("alternative"),
        "accepted_by": by,
    }
    return row | {name: one[name] for name in ("superseded", "parts", "agreement") if one.get(name)}


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


def not_covered(sources: Sources, told: Told) -> list[JsonObject]:
    """What lies outside of every copy: the fixed list, and what the newest run says can never be reached."""
    rows = [
        {"class": one.name, "data": one.data, "reason": one.reason, "alternative": one.alternative, "accepted_by": []}
        for one in NOT_COVERED
    ]
    known = {row["class"] for row in rows}
    for one in sources.tenant:
        if one["state"] == NEVER and one["class"] not in known:
            rows.append(
                {
                    "class": one["class"],
                    "data": one["class"].replace("_", " "),
                    "reason": one.get("reason"),
                    "alternative": one.get("alternative"),
                    "accepted_by": list(one.get("accepted") or ()),
                }
            )
    return rows
