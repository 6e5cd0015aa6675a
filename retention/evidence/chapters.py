"""The fourteen chapters of a report, made from its document; and the first of them, the verdict.

Rules of this file: pure; all that is printed comes from the document, which may have been veiled, or is a sentence of ours. The
first chapter is understood in a minute: what was copied, is it whole, until when could the original be deleted, what is missing
and why. Source: retention-domain §6 (pages).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from retention.evidence.blocks import Banner, Chapter, Facts, Section, Style, Words
from retention.evidence.chapters_of_copy import (
    SHOWN,
    coverage_chapter,
    exceptions_chapter,
    reconciliation_chapter,
    scope_chapter,
    timeline_chapter,
)
from retention.evidence.chapters_of_people import (
    custody_chapter,
    preflight_chapter,
    restore_chapter,
    software_chapter,
    warnings_chapter,
)
from retention.evidence.chapters_of_proof import integrity_chapter, storage_chapter, verifying_chapter
from retention.evidence.contents import Seal
from retention.evidence.verdict import COMPLETE, EXCEPTED, INCOMPLETE, REASONS, RULE, STANDS, sentence_of
from retention.evidence.words import KINDS, class_name, instant, number, plural, size
from retention.timeline_shown import MEANINGS

_Document = Mapping[str, Any]
_RESULTS: Final[Mapping[str, tuple[str, Style]]] = {
    COMPLETE: ("All that was asked for is in the copy, and proven.", "good"),
    EXCEPTED: ("All that is missing is named below.", "doubtful"),
    INCOMPLETE: ("Something is missing, unproven or not accounted for, and nobody has accepted that.", "bad"),
}


def chapters_of(document: _Document, seal: Seal) -> list[Chapter]:
    """All of them, in their order."""
    made = [
        _verdict(document),
        scope_chapter(document),
        timeline_chapter(document),
        coverage_chapter(document),
        reconciliation_chapter(document),
        exceptions_chapter(document),
        integrity_chapter(document, seal),
        storage_chapter(document),
        preflight_chapter(document),
        warnings_chapter(document),
        restore_chapter(document),
        custody_chapter(document),
        software_chapter(document),
        verifying_chapter(seal),
    ]
    titles = (
        "Verdict", "Scope and tenant", "Timeline", "Coverage", "Reconciliation", "Exceptions", "Integrity and time stamps",
        "Storage and immutability", "Preflight and readiness", "Warnings and acknowledgements", "Test restores",
        "People and custody", "Software, policy, clock", "Verifying without this software",
    )  # fmt: skip
    return [Chapter(place, title, made[place - 1]) for place, title in enumerate(titles, 1)]


def title_of(document: _Document) -> str:
    """Of the whole report."""
    mark = "REHEARSAL: " if document["rehearsal"] else ""
    domains = document["tenant"]["domains"]
    return f"{mark}Evidence of the copy of {domains[0] if domains else document['tenant']['id']}"


# ------------------------------------------------------------------------------------------------------------ verdict


def _verdict(document: _Document) -> list[Section]:
    judged = document["verdict"]
    sentence, style = _RESULTS[judged["result"]]
    questions = Facts(
        [
            ("What was copied?", list(_copied(document))),
            ("Is it whole?", list(_whole(document))),
            ("Until when could the original be deleted?", list(_until(document))),
            ("What is missing, and why?", list(_missing(document))),
        ]
    )
    return [Section("", [Banner(judged["result"], sentence, style), questions, Words(f"The rule. {RULE}", "weak")])]


def _copied(document: _Document) -> Iterator[Words]:
    totals, kinds = document["totals"], Counter(row["kind"] for row in document["reconciliation"])
    held = ", ".join(plural(kinds[kind], name) for kind, name in KINDS.items() if kinds[kind])
    yield Words(
        f"{held or 'nothing'}: {number(totals['copied'])} items, {size(totals['bytes'])} in {number(totals['files'])} files."
    )
    as_of = document["scope"]["as_of"]
    if as_of:
        yield Words(f"As the tenant was at the last export over all sources, which ended {instant(as_of)}.")
    if totals["gone"]:
        yield Words(
            f"{number(totals['gone'])} further items are in the copy and were deleted in the tenant later.", "weak"
        )


def _whole(document: _Document) -> Iterator[Words]:
    totals, bags = document["totals"], document["integrity"]["proofs"]
    lacking = totals["excepted"] + totals["pending"]
    told = f"{number(totals['copied'])} of {number(totals['listed'])} items that the service lists are copied"
    yield Words(
        f"{told}; {number(totals['excepted'])} could not be, {number(totals['pending'])} are pending.",
        "bad" if lacking else "good",
    )
    proven = [bag for bag in bags if bag["verified_as_it_is"]]
    text = f"{len(proven):,} of {plural(len(bags), 'bag')} were read in full as they are now, and found whole"
    when = min((bag["proven_at"] for bag in proven), default=None)
    yield Words(
        f"{text}{f', the earliest {instant(when)}' if when else ''}.",
        "good" if bags and len(proven) == len(bags) else "bad",
    )
    differing = sum(
        1
        for row in document["reconciliation"]
        if any(one["unexplained"] or one["moving"] for one in row["independent"])
    )
    told = "no source has a count by the service that differs from ours" if not differing else (
        f"{plural(differing, 'source')} with counts by the service that differ from ours"
    )  # fmt: skip
    yield Words(f"Independent counts: {told}.", "bad" if differing else "good")


def _until(document: _Document) -> Iterator[Words]:
    rows = [row for row in document["subscriptions"] if row["boundaries"]]
    now = datetime.fromisoformat(document["generated_at"])
    if not rows:
        tracked = document["subscriptions"]
        yield Words(
            "No clock runs: no cancellation or end of a subscription is known." if tracked
            else "Not known: no subscription is tracked.", "weak" if tracked else "doubtful",
        )  # fmt: skip
    for row in sorted(rows, key=lambda row: row["boundaries"]["at_risk_from"]["at"])[:3]:
        for kind in ("at_risk_from", "deletable_from"):
            at = row["boundaries"][kind]["at"]
            passed = ", which has passed" if datetime.fromisoformat(at) <= now else ""
            yield Words(
                f"{row['name']}: {MEANINGS[kind]} from {instant(at)} ({kind}){passed}.", "bad" if passed else "plain"
            )
    if len(rows) > 3:
        yield Words(f"and {len(rows) - 3:,} more: chapter 3", "weak")


def _missing(document: _Document) -> Iterator[Words]:
    reasons = document["verdict"]["reasons"]
    for reason in reasons[:SHOWN]:
        rule = REASONS[reason["code"]]
        style: Style = "bad" if rule.severity == STANDS else "doubtful"
        which = _which(document, reason)
        yield Words(f"{sentence_of(reason)}{f' ({which})' if which else ''} → {rule.action}", style)
    if len(reasons) > SHOWN:
        yield Words(f"and {len(reasons) - SHOWN:,} more: chapter 6", "weak")
    if not reasons:
        yield Words("Nothing of what was asked for.", "good")
    lost = len(document["not_covered"])
    text = (
        f"Outside of every copy, whatever is asked for: {plural(lost, 'class', 'classes')} of data, named in chapter 4."
    )
    yield Words(text, "weak")


def _which(document: _Document, reason: Mapping[str, Any]) -> str:
    """Codes or classes behind a number, as far as a line has room for them."""
    code = reason["code"]
    if code in {"exceptions_open", "exceptions_accepted"}:
        rows = [
            r
            for r in document["exceptions_by_code"]
            if r["counts"] and bool(r["accepted_by"]) == (code[11:] == "accepted")
        ]
        found: Counter[str] = Counter()
        for row in rows:
            found[row["code"]] += row["count"]
        names = [f"{count:,} {name}" for name, count in found.most_common()]
    elif code in {"coverage_open", "coverage_accepted"} or code in {"classes_not_asked", "never_possible", "not_ready"}:
        names = [class_name(name) for name in reason["classes"]]
    else:
        names = []
    more = f" and {len(names) - 4:,} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
