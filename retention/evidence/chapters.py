"""The fourteen chapters of a report, made from its document: the first six say what was copied.

Rules of this file: pure; all that is printed comes from the document, which may have been veiled, or is a sentence of ours. The
first chapter is understood in a minute: what was copied, is it whole, until when could the original be deleted, what is missing
and why. Source: retention-domain §6 (pages).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE
from retention.evidence.blocks import Banner, Block, Chapter, Facts, Lines, Section, Style, Words, table
from retention.evidence.chapters_of_proof import (
    custody_chapter,
    integrity_chapter,
    preflight_chapter,
    restore_chapter,
    software_chapter,
    storage_chapter,
    verifying_chapter,
    warnings_chapter,
)
from retention.evidence.charts import coverage_by_class, coverage_chart, timeline_chart
from retention.evidence.collecting_sources import TENANT
from retention.evidence.contents import Seal
from retention.evidence.verdict import COMPLETE, EXCEPTED, INCOMPLETE, REASONS, RULE, sentence_of
from retention.evidence.words import KINDS, class_name, instant, number, people, plural, size, status
from retention.timeline_shown import MEANINGS

SHOWN = 8
"""Reasons that the first page gives; chapter 6 has the others."""
_Document = Mapping[str, Any]
_RESULTS: Final[Mapping[str, tuple[str, Style]]] = {
    COMPLETE: ("All that was asked for is in the copy, and proven.", "good"),
    EXCEPTED: ("All that is missing is named below.", "doubtful"),
    INCOMPLETE: ("Something is missing, unproven or not accounted for, and nobody has accepted that.", "bad"),
}
_STATUSES = (COVERED, IN_PART, NOT_REACHABLE, NOT_ASKED, NEVER)


def chapters_of(document: _Document, seal: Seal) -> list[Chapter]:
    """All of them, in their order."""
    made = [
        _verdict(document),
        _scope(document),
        _timeline(document),
        _coverage(document),
        _reconciliation(document),
        _exceptions(document),
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
    totals, kinds = document["totals"], Counter(row["bag"].partition("/")[0] for row in document["reconciliation"])
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
    now = document["generated_at"]
    if not rows:
        tracked = document["subscriptions"]
        yield Words(
            "No clock runs: no cancellation or end of a subscription is known." if tracked
            else "Not known: no subscription is tracked.", "weak" if tracked else "doubtful",
        )  # fmt: skip
    for row in sorted(rows, key=lambda row: row["boundaries"]["at_risk_from"]["at"])[:3]:
        for kind in ("at_risk_from", "deletable_from"):
            at = row["boundaries"][kind]["at"]
            passed = ", which has passed" if at <= now else ""
            yield Words(
                f"{row['name']}: {MEANINGS[kind]} from {instant(at)} ({kind}){passed}.", "bad" if passed else "plain"
            )
    if len(rows) > 3:
        yield Words(f"and {len(rows) - 3:,} more: chapter 3", "weak")


def _missing(document: _Document) -> Iterator[Words]:
    reasons = document["verdict"]["reasons"]
    for reason in reasons[:SHOWN]:
        rule = REASONS[reason["code"]]
        style: Style = "bad" if rule.severity == INCOMPLETE else "doubtful"
        yield Words(f"{sentence_of(reason)} → {rule.action}", style)
    if len(reasons) > SHOWN:
        yield Words(f"and {len(reasons) - SHOWN:,} more: chapter 6", "weak")
    lost = len(document["not_covered"])
    yield Words(
        f"Outside of every copy, whatever is asked for: {plural(lost, 'class', 'classes')} of data, named in chapter 4.",
        "weak",
    )


# -------------------------------------------------------------------------------------------------------------- scope


def _scope(document: _Document) -> list[Section]:
    tenant, scope = document["tenant"], document["scope"]
    configured = scope["configured"]
    asked = [
        (name.replace("_", " "), [Words(_choice(value))])
        for name, value in configured.items()
        if name != "exclude" or value
    ]
    left = [Words(name) for name in scope["not_asked"][:SHOWN]] or [Words("no source")]
    if len(scope["not_asked"]) > SHOWN:
        left.append(Words(f"and {len(scope['not_asked']) - SHOWN:,} more: evidence.json, scope", "weak"))
    without = len(scope["without_mailbox"])
    return [
        Section("The tenant", [Facts([
            ("Id", [Words(tenant["id"], "mono")]),
            ("Cloud", [Words(tenant["cloud"] or "–")]),
            ("Domains", [Words(name) for name in tenant["domains"]] or [Words("–")]),
            ("Report", [Words(f"{document['report_id']}, made {instant(document['generated_at'])}")]),
        ])]),
        Section("What was asked for, by the configuration as it is now", [
            Facts(asked),
            Facts([
                ("Sources left out", left),
                ("Without a mailbox, as the service says", [Words(number(without))]),
                ("Newest export over all sources", [Words(f"{scope['run'] or 'none'}, ended {instant(scope['as_of'])}")]),
            ]),
        ]),
        Section("In which forms", [Lines([
            Words("Originals as the service gave them: messages as MIME (.eml in .zip), files byte by byte, other items as JSON."),
            Words("Made from them, for reading: PST of each mailbox, CSV of lists and of the directory, HTML of pages."),
            Words("Around them: BagIt bags (RFC 8493) with SHA-256 of everything, and rows with the service's own metadata."),
        ])]),
    ]  # fmt: skip


def _choice(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value[:SHOWN])) + (f" and {len(value) - SHOWN:,} more" if len(value) > SHOWN else "")
    return str(value)


# ----------------------------------------------------------------------------------------------------------- timeline


def _timeline(document: _Document) -> list[Section]:
    chart = timeline_chart(document)
    sections = [
        Section("", [chart] if chart else [Words("No clock runs: no subscription has ended, as far as is known.")])
    ]
    rows = document["subscriptions"]
    sections += [_subscription(row, document) for row in rows[:20]]
    if len(rows) > 20:
        sections.append(
            Section("Further subscriptions", [Words(f"and {len(rows) - 20:,} more: evidence.json, subscriptions")])
        )
    policy = document["policy"]
    text = f"Policy {policy['id']}, verified {policy['verified_on']}; the sources stand in chapter 13. To protect data the earliest reading counts, to claim that it was erased the latest."
    sections.append(Section("", [Words(text, "weak")]))
    return sections


def _subscription(row: Mapping[str, Any], document: _Document) -> Section:
    start = row["clock_start"]
    facts: list[tuple[str, list[Words]]] = [
        (
            "Bought",
            [
                Words(
                    f"{row['channel'] or '–'}; agreement {row['agreement'] or 'not stated'}, attested by {row['attested_by'] or 'nobody'}"
                )
            ],
        ),
        ("State by the policy", [Words(row["state"] or "–")]),
        (
            "The service said",
            [Words(f"{row['service'].get('status', 'nothing')}, {instant(row['service'].get('at'))}")],
        ),
    ]
    if start:
        span = instant(start["earliest"]) + (
            f" … {instant(start['latest'])}" if start["latest"] != start["earliest"] else ""
        )
        facts.append(("The clock started", [Words(f"{span}, {start['provenance']}")]))
    if row["flags"]:
        facts.append(("Flags", [Words(", ".join(row["flags"]), "doubtful")]))
    blocks: list[Block] = [Facts(facts)]
    if row["boundaries"]:
        lines = [
            (
                Words(f"{kind}: {MEANINGS[kind]}"),
                one["local"].replace("T", " "),
                instant(one["at"]),
                "exact"
                if one["earliest"] == one["latest"]
                else f"{instant(one['earliest'])} … {instant(one['latest'])}",
                f"{one['basis']}, {one['source']}",
            )
            for kind, one in row["boundaries"].items()
        ]
        columns = (("Boundary", 24.0), ("Local", 19.0), ("UTC", 17.0), ("Uncertainty", 16.0), ("Basis", 24.0))
        blocks.append(table(f"Boundaries of {row['name']}", columns, lines, len(lines), ""))
    return Section(str(row["name"]), blocks)


# ----------------------------------------------------------------------------------------------------------- coverage


def _coverage(document: _Document) -> list[Section]:
    chart = coverage_chart(document)
    by_class = coverage_by_class(document)
    classes = table(
        "Sources by class of content",
        (("Class", 30.0), *((name.capitalize(), 14.0) for name in _STATUSES)),
        ([Words(class_name(name)), *(number(found[one]) if found[one] else None for one in _STATUSES)] for name, found in by_class),
        len(by_class),
        "evidence.json, coverage",
    )  # fmt: skip
    principals = _principals(document)
    psts = {row["principal"]: row["superseded"] for row in document["superseded_psts"]}
    sources = table(
        "Sources, and what of each is not covered",
        (("Source", 30.0), ("State", 12.0), ("Copied", 9.0), ("Not covered in full", 49.0)),
        (_principal(name, rows, psts.get(name, {})) for name, rows in principals.items()),
        len(principals),
        "evidence.json, coverage",
    )
    lost = table(
        "Outside of every copy",
        (("Data", 28.0), ("Why", 28.0), ("What to do instead", 30.0), ("Taken note of by", 14.0)),
        (
            [row["data"], row["reason"], row["alternative"], ", ".join(row["accepted_by"])]
            for row in document["not_covered"]
        ),
        len(document["not_covered"]),
        "evidence.json, not_covered",
    )
    return [
        Section("By class", [chart, classes] if chart else [classes]),
        Section("By source", [sources]),
        Section("What no copy holds", [lost]),
    ]


def _principals(document: _Document) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in document["coverage"]:
        if row["principal"] != TENANT:
            found.setdefault(row["principal"], []).append(row)
    return found


def _principal(name: str, rows: list[Mapping[str, Any]], superseded: Mapping[str, int]) -> list[Words | str | None]:
    lacking = []
    for row in rows:
        if row["status"] == COVERED:
            continue
        by = f", accepted by {', '.join(row['accepted_by'])}" if row["accepted_by"] else ""
        lacking.append(f"{class_name(row['class'])}: {row['status']}{by}")
    if superseded:
        told = ", ".join(f"{count:,} {why}" for why, count in superseded.items())
        lacking.append(f"PST as it was before the last changes ({told})")
    return [name, status(rows[0]["status"]), number(rows[0]["copied"]), "; ".join(lacking)]


# ----------------------------------------------------------------------------------------------------- reconciliation


def _reconciliation(document: _Document) -> list[Section]:
    totals, closing = document["totals"], document["closing_rounds"]
    names = ("listed", "copied", "excepted", "pending", "gone")
    lines = (
        [row["principal"], *(number(row[name]) for name in names), Words(_independent(row), _style_of_counts(row))]
        for row in document["reconciliation"]
    )
    columns = (("Source", 27.0), *((name.capitalize(), 8.5) for name in names), ("By the service's own counts", 30.5))
    rows = table(
        "Counts of each source", columns, lines, len(document["reconciliation"]), "evidence.json, reconciliation"
    )
    kinds = totals["rows_by_kind"]
    by_kind = table(
        "Rows by kind and outcome",
        (("Kind", 40.0), ("Copied", 20.0), ("Gone", 20.0), ("Excepted", 20.0)),
        (
            [kind, *(number(of.get(one, 0)) for one in ("copied", "gone", "excepted"))]
            for kind, of in sorted(kinds.items())
        ),
        len(kinds),
        "evidence.json, totals",
    )
    text = f"{number(totals['listed'])} listed = {number(totals['copied'])} copied + {number(totals['excepted'])} excepted + {number(totals['pending'])} pending. Beside them {number(totals['gone'])} gone: we hold them, the source deleted them later. {number(totals['vanished'])} vanished before they could be read."
    closing_text = f"Closing rounds of the last export over all sources, {instant(closing['at'])}: {number(closing['pending'])} items pending, {number(closing['moving'])} folders moving."
    return [
        Section("In all", [Words(text), Words(closing_text), by_kind]),
        Section("By source", [rows]),
    ]


def _independent(row: Mapping[str, Any]) -> str:
    told = []
    for one in row["independent"]:
        unknown = sum((one["unavailable"] or {}).values())
        text = f"{one['by']}: {number(one['found'])} of {number(one['expected'])}, {one['verdict'] if not unknown or one['unexplained'] or one['moving'] else 'equal'}"
        told.append(text + (f"; {plural(unknown, 'folder')} without a count" if unknown else ""))
    return "; ".join(told) or "none"


def _style_of_counts(row: Mapping[str, Any]) -> Style:
    return "bad" if any(one["unexplained"] or one["moving"] for one in row["independent"]) else "plain"


# --------------------------------------------------------------------------------------------------------- exceptions


def _exceptions(document: _Document) -> list[Section]:
    codes, findings = document["exceptions_by_code"], document["findings"]
    by_code = table(
        "Items that could not be copied, by code",
        (("Code", 18.0), ("Source", 24.0), ("Items", 7.0), ("Why", 24.0), ("Accepted", 14.0), ("Instead", 13.0)),
        (
            [row["code"], row["bag"], number(row["count"]), row["reason"],
             people(row["accepted_by"]) if row["counts"] else Words("need not be", "weak"), row["alternative"]]
            for row in codes
        ),
        len(codes),
        "evidence.json, exceptions_by_code",
    )  # fmt: skip
    whole = table(
        "Findings about whole sources",
        (("Code", 20.0), ("Source", 26.0), ("Why", 26.0), ("Accepted", 14.0), ("Instead", 14.0)),
        ([row["code"], row["item"], row["reason"], people(row["accepted_by"]), row["alternative"]] for row in findings),
        len(findings),
        "evidence.json, findings",
    )
    total = sum(row["count"] for row in codes)
    items = table(
        "Items, one by one",
        (("Code", 18.0), ("Source", 24.0), ("Item", 38.0), ("Found", 20.0)),
        ([row["code"], row["bag"], row["item"], instant(row["at"])] for row in document["exceptions"]),
        total,
        "exceptions.csv",
    )
    reasons = document["verdict"]["reasons"]
    why = table(
        "All reasons of the verdict",
        (("What", 50.0), ("Makes it", 14.0), ("Where", 36.0)),
        (
            [sentence_of(row), Words(row["severity"], "bad" if row["severity"] == INCOMPLETE else "doubtful"), ", ".join(row["places"])]
            for row in reasons
        ),
        len(reasons),
        "evidence.json, verdict",
    )  # fmt: skip
    accepted = table(
        "What people accepted",
        (("When", 17.0), ("By", 20.0), ("Code", 18.0), ("Source", 20.0), ("Reason", 25.0)),
        (
            [instant(row["at"]), row["by"], row["code"], row["source"] or "all", row["reason"]]
            for row in reversed(document["acceptances"])
        ),
        len(document["acceptances"]),
        "evidence.json, acceptances",
    )  # fmt: skip
    return [
        Section("Why the verdict is what it is", [why if reasons else Words("Nothing speaks against it.", "good")]),
        Section("By code", [by_code if codes else Words("No item is excepted.", "good")]),
        Section("Whole sources", [whole if findings else Words("Nothing was found about a whole source.", "good")]),
        Section("Items", [items if total else Words("None.")]),
        Section("Acceptances", [accepted if document["acceptances"] else Words("Nobody has accepted anything.")]),
    ]
