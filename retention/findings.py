"""What a source came to, and what of it a person has accepted.

Rules of this file: no I/O. Exceptions of items and findings about a whole source are different things, though some have one code:
who accepts the one has not accepted the other. Source: design §4 (Whole), §6 (exit codes), docs/decisions/0022.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from exporters.bag.formats import JsonObject
from exporters.errors import LastcopyError
from exporters.export import REFUSALS
from exporters.outcomes import ExceptionCode
from exporters.results import (
    ARCHIVE_UNREADABLE,
    NOT_REACHABLE,
    PST_FAILED,
    PST_INCOMPLETE,
    PST_READ_BACK,
    SourceResult,
    main_class,
)
from exporters.sources import SourceKind
from retention.acceptance import MASS, NOT_FOUND, REFUSED, UNRECONCILED, Acceptances, digest_of, place_of

COUNTS = ("listed", "copied", "unchanged", "gone", "excepted", "pending", "bytes")
OTHER_WRITERS = frozenset({"another_writer", "replaced"})
"""Codes of sources that another process writes: the whole run has failed (design §6), though the other sources went on."""
REASONS = {
    MASS: "very many items vanished at once, so nothing was marked gone; if that is right, accept it",
    UNRECONCILED: "independent counts of the service differ from the rows",
    "content_differs": "the bytes of some files are not as the service lists them; the next run reads those again",
    "count_unavailable": "the service does not tell how much some folders hold: nothing proves that their listing is whole",
    "item_without_id": "the service lists something without an id: it cannot be asked for",
    "parts_not_listed": "the service refuses to list the parts of a notebook that it listed before: new ones may be missing",
    ARCHIVE_UNREADABLE: "its archive mailbox cannot be read; export that by eDiscovery, then accept this, or set"
    " `sources.archive: none`",
    PST_INCOMPLETE: "some of its items could not be put into the PST; they are in the originals, and data/pst/parts.json"
    " names each",
    PST_FAILED: "its PST could not be written; the originals are whole: run `lastcopy compose`",
    PST_READ_BACK: "its PST was not as it was written when it was read back; the originals are whole: run `lastcopy compose`",
    "fasttransfer_unavailable": "the second capture that was asked for cannot be had, or not in full; the copy as MIME and JSON"
    " does not need it",
    "folders_not_listed": "some of its folders could not be listed: what is new in them is missing",
    "libraries_refused": "some of its libraries could not be copied to their end: what is new in them is missing",
    "lists_not_listed": "some of its lists, or their columns, could not be read to their end: what is new in them is missing",
    "pages_not_listed": "its pages could not be listed: what is new among them is missing",
    "permissions_unread": "who can see it could not be read in full; the next run asks again",
    "listing_incomplete": "a listing left out what another one has: nothing of that was marked gone",
    "moving": "it changed while it was read; run the export again",
}
"""By code: one sentence on a finding about a whole source that could be copied."""
CONTENT = frozenset(
    {
        UNRECONCILED,
        ARCHIVE_UNREADABLE,
        PST_INCOMPLETE,
        "folders_not_listed",
        "content_differs",
        "count_unavailable",
        "item_without_id",
        "parts_not_listed",
        "libraries_refused",
        "lists_not_listed",
        "pages_not_listed",
        "permissions_unread",
        "listing_incomplete",
    }
)
"""Codes that tell of what a source holds: true as long as no later run has looked at it and found otherwise."""
COUNTED = frozenset({UNRECONCILED, "count_unavailable"})
"""Those of them that every run works out from the rows, whether or not the service answers."""
PASSING = frozenset({"pending", "moving", *OTHER_WRITERS})
"""Codes that nobody can accept: another run will do better (but see `_left`)."""
Heard = Literal["answered", "refused", "unanswered"]


class Whole(NamedTuple):
    """A finding about a whole source. digest: another one means another finding."""

    code: str
    digest: str
    reason: str


@dataclass(slots=True)
class Found:
    """A source, what it came to, and what of it a person has accepted: {code: their names}. open_items, open_wholes: codes that
    nobody has accepted (both empty: nothing is left to do). wholes: {code: digest} of what it shows as a whole. heard: what the
    service said to the question what it holds."""

    row: JsonObject
    place: str
    heard: Heard = "answered"
    exceptions: dict[str, int] = field(default_factory=dict)
    wholes: dict[str, str] = field(default_factory=dict)
    accepted_items: dict[str, list[str]] = field(default_factory=dict)
    accepted_wholes: dict[str, list[str]] = field(default_factory=dict)
    open_items: list[str] = field(default_factory=list)
    open_wholes: list[str] = field(default_factory=list)
    problem: LastcopyError | None = None

    @property
    def label(self) -> str:
        """kind/NAME, for people."""
        return f"{self.row['kind']}/{self.row['name']}"

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return bool(self.open_items or self.open_wholes)


def found_of(result: SourceResult, acceptances: Acceptances) -> Found:
    """Judge what a run came to on one source."""
    source, problem = result.source, result.problem
    row: JsonObject = {"kind": source.kind.value, "name": source.name, "bag": result.bag}
    row.update({name: getattr(result, name) for name in COUNTS})
    found = Found(row, place_of(result.bag, source.label), _heard(result), dict(result.exceptions), problem=problem)
    wholes = list(_wholes(result))
    if found.heard != "answered":
        wholes += _told_before(result, acceptances.shown.get(found.place, {}), {whole.code for whole in wholes})
    row["coverage"] = [*result.coverage, *(_coverage(whole) for whole in wholes)]
    if problem is not None:
        wholes.insert(0, Whole(problem.code, digest_of(problem.code, *_left(result)), str(problem)))
    if _left(result):
        row["coverage"][0] = {
            **row["coverage"][0],
            "reason": f"{problem} {result.pending:,} items that it listed are not copied.",
        }
    _judge_items(found, result, acceptances)
    _judge_wholes(found, wholes, acceptances, is_one=result.has_refused)
    if result.pending and not (_left(result) and wholes[0].code in found.accepted_wholes):
        found.open_wholes.append("pending")
    return found


def unreached(
    name: str,
    code: str,
    reason: str,
    problem: LastcopyError | None,
    acceptances: Acceptances,
    kind: SourceKind = SourceKind.ONEDRIVE,
) -> Found:
    """Judge a OneDrive or mailbox that could not be asked for, or a name that nobody has."""
    row: JsonObject = {"kind": kind.value, "name": name, "bag": None, **dict.fromkeys(COUNTS, 0)}
    row["coverage"] = [{"class": main_class(kind), "state": NOT_REACHABLE, "reason": reason, "code": code}]
    heard: Heard = "refused" if code in REFUSED or code == NOT_FOUND else "unanswered"
    found = Found(row, place_of(None, f"{row['kind']}/{name}"), heard, problem=problem)
    _judge_wholes(found, [Whole(code, digest_of(code), reason)], acceptances)
    return found


def for_journal(found: Iterable[Found]) -> JsonObject:
    """What the row `run_ended` says of sources: what they show as a whole, which refused, which did not answer, and in which
    something is open that nobody accepted."""
    row: JsonObject = {"wholes": {}, "refused": [], "unanswered": [], "open": []}
    for source in found:
        wholes = {code: digest for code, digest in source.wholes.items() if code not in PASSING}
        if wholes:
            row["wholes"][source.place] = wholes
        if source.heard != "answered":
            row[source.heard].append(source.place)
        if source.is_open:
            row["open"].append(source.place)
    return {name: value if name == "wholes" else sorted(value) for name, value in row.items() if value}


def _heard(result: SourceResult) -> Heard:
    if isinstance(result.problem, REFUSALS):
        return "refused"
    return "answered" if result.has_answered else "unanswered"


def _left(result: SourceResult) -> list[str]:
    """How many items are pending of a source that refuses: no other run may ever do better, so they are part of that finding, and
    whoever accepts it accepts them; another number is another finding. Nothing where nothing is pending."""
    return [f"{result.pending} pending"] if result.pending and _heard(result) == "refused" else []


def _wholes(result: SourceResult) -> Iterator[Whole]:
    """Findings about a whole source, each code once, beside the error that ended its copy."""
    problem = result.problem
    codes = dict.fromkeys(result.problems)
    if UNRECONCILED in result.digests or (problem is None and not result.reconciled):
        codes[UNRECONCILED] = None
    for code in codes:
        if not (code == MASS and result.has_refused):
            reason = REASONS.get(code, f"the copy of this source is not known to be whole ({code})")
            yield Whole(code, result.digests.get(code) or digest_of(code), reason)
    if result.has_refused and problem is not None:
        now = "its user has another now, copied beside it" if result.is_replaced else "refuses now"
        reason = f"it was copied before, and {now}: nothing of it is marked gone"
        mass = result.digests.get(MASS) if MASS in codes else None
        yield Whole(MASS, digest_of(MASS, problem.code, mass, *_left(result)), reason)


def _told_before(result: SourceResult, shown: Mapping[str, str], told: Set[str]) -> Iterator[Whole]:
    """What the newest run that looked at a source showed of its content, which this one could not look at: who accepts that the
    source refuses has not accepted that."""
    over = COUNTED if result.reconciled or UNRECONCILED in result.digests else frozenset()
    for code in sorted(CONTENT & shown.keys() - told - over):
        yield Whole(code, shown[code], REASONS[code])


def _coverage(whole: Whole) -> JsonObject:
    return {"class": "whole", "state": "in part", "code": whole.code, "reason": whole.reason}


def _judge_items(found: Found, result: SourceResult, acceptances: Acceptances) -> None:
    for code, runs in result.newest.items():
        if code == ExceptionCode.VANISHED:
            continue
        by = acceptances.of_items(code, found.place, runs)
        if by:
            found.accepted_items[code] = by
        else:
            found.open_items.append(code)


def _judge_wholes(found: Found, wholes: list[Whole], acceptances: Acceptances, *, is_one: bool = False) -> None:
    """is_one: the source refuses, and *mass disappearance* is another name of that: who accepts the one accepts the other."""
    found.wholes = {whole.code: whole.digest for whole in wholes}
    by = {whole.code: acceptances.of_whole(found.place, whole.code, whole.digest) for whole in wholes}
    if is_one and found.problem is not None:
        both = list(dict.fromkeys([*by[found.problem.code], *by[MASS]]))
        by[found.problem.code] = by[MASS] = both
    found.accepted_wholes = {code: names for code, names in by.items() if names}
    found.open_wholes = [code for code, names in by.items() if not names]
    for row in found.row["coverage"]:
        if names := found.accepted_wholes.get(row.get("code", "")):
            row["accepted"] = names
