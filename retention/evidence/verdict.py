"""Is the copy whole? One rule, from the document alone, so that whoever has the document can apply it again.

Rules of this file: pure; a reason is a code, a number and the places that it is about: the sentence for it stands here, never in
the document. The rule is never kinder than `export`, `verify` or `ready`: what any of them would hold against a copy is a reason
here. Source: retention-domain §6 (page 1); docs/decisions/0095.

    judged = judge(document, max_age, verify_age)      # {"result": "with exceptions", "reasons": [{"code", "severity", …}]}
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from exporters.bag.formats import JsonObject
from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE

COMPLETE, EXCEPTED, INCOMPLETE = "complete", "with exceptions", "incomplete"
STANDS, NAMED = "incomplete", "exception"
"""What a reason makes of the verdict: it stands in the way of everything, or all that it means is named."""
PLACES = 5
"""Places that a reason names; the number says how many there are."""

RULE: Final = (
    "Incomplete: something that was asked for is missing, unproven or not accounted for, and nobody has accepted that by name."
    " With exceptions: all that is missing is named, and was accepted by a person, left out by the configuration, or is out of"
    " anybody's reach. Complete: none of these. What makes a copy incomplete cannot be outweighed by anything."
)


class Sentence(NamedTuple):
    """severity: what the reason makes of the verdict at best. text: the number follows it where it ends in a colon; action: what
    to do, or where to read on."""

    severity: str
    text: str
    action: str


REASONS: Final[Mapping[str, Sentence]] = {
    "nothing_copied": Sentence(STANDS, "The store holds no copy of any source.", "lastcopy export"),
    "no_whole_run": Sentence(
        STANDS, "No export has gone through all sources to its end.", "lastcopy export, without --source"
    ),
    "last_run_not_ended": Sentence(STANDS, "Newest exports that were cut off, without an end:", "lastcopy export"),
    "last_run_stopped": Sentence(STANDS, "The last export over all sources did not get to its end.", "lastcopy export"),
    "last_run_failed": Sentence(STANDS, "The last export failed (exit 1).", "lastcopy export"),
    "run_record_differs": Sentence(
        STANDS, "Runs whose record is missing, or not the one that they wrote:", "lastcopy verify"
    ),
    "fold_damaged": Sentence(
        STANDS, "Bags with tag files that are not as they were written:", "lastcopy verify, then restore them"
    ),
    "ledger_damaged": Sentence(
        STANDS, "Bags with a ledger that is not as it was written:", "lastcopy verify, then restore it"
    ),
    "no_fold": Sentence(STANDS, "Sources whose bag has no contents:", "lastcopy export"),
    "bag_open": Sentence(STANDS, "Bags that are open, so that no manifest names what came last:", "lastcopy fold"),
    "counts_differ_from_rows": Sentence(
        STANDS, "Bags that state other counts than their rows have:", "lastcopy verify"
    ),
    "no_run_tells": Sentence(STANDS, "Bags of which no run tells anything:", "lastcopy export"),
    "pending": Sentence(STANDS, "Items that are listed and not copied yet:", "lastcopy export"),
    "not_reconciled": Sentence(STANDS, "Sources with counts by the service that no row explains:", "lastcopy export"),
    "exceptions_open": Sentence(
        STANDS, "Items that could not be copied, accepted by nobody:", "chapter 6; lastcopy accept CODE"
    ),
    "findings_open": Sentence(
        STANDS, "Findings about whole sources, accepted by nobody:", "chapter 6; lastcopy accept CODE"
    ),
    "coverage_open": Sentence(
        STANDS,
        "Classes of content copied in part or not reachable, accepted by nobody:",
        "chapter 4; lastcopy accept CLASS",
    ),
    "coverage_unknown": Sentence(
        STANDS, "States of coverage that this version does not know:", "use the Lastcopy that made the copy"
    ),
    "not_verified": Sentence(STANDS, "Bags that were not read in full as they are now:", "lastcopy verify"),
    "verification_differs": Sentence(
        STANDS, "Bags that the last verification found not to be as they must:", "lastcopy verify"
    ),
    "root_differs": Sentence(
        STANDS, "Objects beside the bags that are missing, changed or unexpected:", "lastcopy verify"
    ),
    "restore_failed": Sentence(
        STANDS, "Items of the last test restore that could not be opened:", "lastcopy restore --drill N"
    ),
    "disposed": Sentence(NAMED, "Bags that were disposed of, each with a certificate:", "chapter 12"),
    "exceptions_accepted": Sentence(NAMED, "Items that could not be copied, which a person accepted:", "chapter 6"),
    "findings_accepted": Sentence(NAMED, "Findings about whole sources, which a person accepted:", "chapter 6"),
    "coverage_accepted": Sentence(
        NAMED, "Classes of content that are not covered in full, which a person accepted:", "chapter 4"
    ),
    "sources_not_asked": Sentence(NAMED, "Sources that the configuration leaves out:", "chapter 2"),
    "kinds_not_asked": Sentence(NAMED, "Kinds of sources that the configuration leaves out:", "chapter 2"),
    "classes_not_asked": Sentence(NAMED, "Classes of content that the configuration does not ask for:", "chapter 4"),
    "never_possible": Sentence(
        NAMED,
        "Classes of content that no application can copy, of which nobody has taken note:",
        "chapter 4; lastcopy accept CLASS",
    ),
    "bytes_differ": Sentence(
        NAMED, "Files kept with bytes other than the service's own hash or size says:", "chapter 7"
    ),
    "lock_not_read_back": Sentence(
        NAMED, "Stores whose objects do not all have the lock that is asked for:", "chapter 8; lastcopy verify"
    ),
    "verified_long_ago": Sentence(
        NAMED, "Bags last read in full longer ago than ready.verify_age allows:", "lastcopy verify"
    ),
    "gap": Sentence(
        NAMED,
        "What changed in the tenant after the last export over all sources is not in the copy.",
        "lastcopy export, while the tenant can be reached",
    ),
    "no_clock": Sentence(
        NAMED, "No subscription is tracked: until when the original is safe is not known.", "lastcopy track"
    ),
    "not_ready": Sentence(
        NAMED, "When it was last asked, lastcopy ready said no. Its reasons:", "lastcopy ready; chapter 9"
    ),
    "ready_not_asked": Sentence(
        NAMED, "Since the last export nobody has asked whether the tenant may be cancelled.", "lastcopy ready"
    ),
}
"""What each reason says. Those that make a copy incomplete come first."""

_ABOUT_CLASSES: Final = frozenset(
    {
        "classes_not_asked",
        "coverage_accepted",
        "coverage_open",
        "coverage_unknown",
        "kinds_not_asked",
        "never_possible",
        "not_ready",
    }
)
_Found = Iterator[tuple[str, int, Iterable[str]]]
"""(code, number, places)."""


def judge(document: Mapping[str, Any], max_age: timedelta, verify_age: timedelta) -> JsonObject:
    """`verdict` of the document."""
    found = [*_of_runs(document), *_of_bags(document), *_of_contents(document), *_of_coverage(document)]
    found += [*_of_proof(document), *_of_scope(document), *_of_time(document, max_age, verify_age)]
    order = list(REASONS)
    reasons = [_reason(*one) for one in sorted(found, key=lambda one: order.index(one[0])) if one[1]]
    severities = {reason["severity"] for reason in reasons}
    result = INCOMPLETE if STANDS in severities else EXCEPTED if severities else COMPLETE
    return {"result": result, "reasons": reasons}


def _reason(code: str, number: int, places: Iterable[str]) -> JsonObject:
    """classes: the names of classes or codes, where the reason is about those and not about places."""
    named = sorted(set(places))
    if code in _ABOUT_CLASSES:
        return {"code": code, "severity": REASONS[code].severity, "count": number, "places": [], "classes": named}
    return {"code": code, "severity": REASONS[code].severity, "count": number, "places": named[:PLACES], "classes": []}


def sentence_of(reason: Mapping[str, Any]) -> str:
    """A reason for people."""
    text = REASONS[str(reason["code"])].text
    return f"{text} {reason['count']:,}" if text.endswith(":") else text


def _of_runs(document: Mapping[str, Any]) -> _Found:
    runs = [run for run in document["runs"] if run["verb"] == "export"]
    bags = document["integrity"]["bags"]
    yield "nothing_copied", int(not bags), ()
    yield "no_whole_run", int(not any(run["all_sources"] for run in runs)), ()
    open_runs = []
    for run in reversed(runs):
        if run["ended"] is not None:
            break
        open_runs.append(run["run"])
    yield "last_run_not_ended", len(open_runs), open_runs
    ended = [run for run in runs if run["ended"] is not None]
    yield "last_run_failed", int(bool(ended) and ended[-1]["exit"] == 1), (run["run"] for run in ended[-1:])
    whole = [run for run in ended if not run["sources"]]
    yield "last_run_stopped", int(bool(whole) and not whole[-1]["all_sources"]), (run["run"] for run in whole[-1:])
    differing = document["integrity"]["run_records_differ"]
    yield "run_record_differs", len(differing), differing


def _of_bags(document: Mapping[str, Any]) -> _Found:
    bags = document["integrity"]["proofs"]
    for code in ("fold_damaged", "ledger_damaged", "no_fold", "bag_open", "counts_differ_from_rows"):
        places = [bag["path"] for bag in bags if code in bag["faults"]]
        yield code, len(places), places


def _of_contents(document: Mapping[str, Any]) -> _Found:
    yield "pending", document["totals"]["pending"], (r["bag"] for r in document["reconciliation"] if r["pending"])
    unexplained = [
        row["bag"]
        for row in document["reconciliation"]
        if any(one["moving"] or (one["unexplained"] and not row["accepted_by"]) for one in row["independent"])
    ]
    yield "not_reconciled", len(unexplained), unexplained
    for code, is_accepted in (("exceptions_open", False), ("exceptions_accepted", True)):
        rows = [r for r in document["exceptions_by_code"] if r["counts"] and bool(r["accepted_by"]) is is_accepted]
        yield code, sum(row["count"] for row in rows), (row["bag"] for row in rows)
    findings = document["findings"]
    for code, is_accepted in (("findings_open", False), ("findings_accepted", True)):
        places = [row["item"] for row in findings if bool(row["accepted_by"]) is is_accepted]
        yield code, len(places), places
    yield "bytes_differ", document["totals"]["agreement"].get("differs", 0), ()


def _of_coverage(document: Mapping[str, Any]) -> _Found:
    rows = [row for row in document["coverage"] if row["counts"]]
    unknown = [row["principal"] for row in rows if row["code"] == "no_run_tells"]
    yield "no_run_tells", len(unknown), unknown
    known = {COVERED, IN_PART, NOT_REACHABLE, NOT_ASKED, NEVER}
    lacking = [r for r in rows if r["status"] not in {COVERED, NOT_ASKED, NEVER} and r["code"] != "no_run_tells"]
    is_strange = {row["status"] for row in document["coverage"]} - known
    yield "coverage_unknown", len(is_strange), is_strange
    for code, is_accepted in (("coverage_open", False), ("coverage_accepted", True)):
        some = [row for row in lacking if bool(row["accepted_by"]) is is_accepted]
        yield code, len({row["class"] for row in some}), (row["class"] for row in some)
    left_out = {row["class"] for row in rows if row["status"] == NOT_ASKED}
    yield "classes_not_asked", len(left_out), left_out
    beyond = {row["class"] for row in rows if row["status"] == NEVER and not row["accepted_by"]}
    yield "never_possible", len(beyond), beyond


def _of_proof(document: Mapping[str, Any]) -> _Found:
    bags = [bag for bag in document["integrity"]["proofs"] if "no_fold" not in bag["faults"]]
    unproven = [bag["path"] for bag in bags if not bag["verified_as_it_is"]]
    yield "not_verified", len(unproven), unproven
    differing = [bag["path"] for bag in bags if (bag["verified"] or {}).get("result") not in {None, "whole"}]
    yield "verification_differs", len(differing), differing
    beside = document["integrity"]["beside_the_bags"]
    yield "root_differs", beside["missing"] + beside["changed"] + beside["unexpected"], beside["first"]
    unlocked = [row["bucket"] for row in document["storage"] if row["asked_for"] and row["object_lock"]["mode"] is None]
    yield "lock_not_read_back", len(unlocked), unlocked
    last = document["restores"][-1:]
    yield "restore_failed", sum(int(drill["failed"] or 0) for drill in last), ()
    yield "disposed", len(document["holds"]["disposed"]), (row["bag"] for row in document["holds"]["disposed"])


def _of_scope(document: Mapping[str, Any]) -> _Found:
    scope = document["scope"]
    yield "sources_not_asked", len(scope["not_asked"]), scope["not_asked"]
    left_out = [kind for kind in ("mail", "onedrive", "sharepoint") if scope["configured"][kind] == "none"]
    left_out += [] if scope["configured"]["directory"] else ["directory"]
    yield "kinds_not_asked", len(left_out), left_out
    yield "no_clock", int(not document["subscriptions"]), ()
    ready = document["readiness"]
    yield "not_ready", (len(ready["reasons"]) or 1) if ready["ready"] is False else 0, ready["reasons"]
    yield "ready_not_asked", int(ready["ready"] is None or (ready["ready"] is True and ready["before_last_run"])), ()


def _of_time(document: Mapping[str, Any], max_age: timedelta, verify_age: timedelta) -> _Found:
    now = _instant(document["generated_at"])
    proven = [bag for bag in document["integrity"]["proofs"] if bag["verified_as_it_is"]]
    old = [bag["path"] for bag in proven if now - _instant(bag["proven_at"]) > verify_age]
    yield "verified_long_ago", len(old), old
    as_of = document["scope"]["as_of"]
    ends = [_instant(s["boundaries"]["access_ends"]["at"]) for s in document["subscriptions"] if s["boundaries"]]
    until = min([now, *ends])
    yield "gap", int(as_of is not None and until - _instant(as_of) > max_age), ()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
