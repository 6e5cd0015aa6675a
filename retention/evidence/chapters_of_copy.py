"""Chapters 2 to 6: what was copied, of what, and what of it could not be.

Rules of this file: as `chapters`. Source: retention-domain §6 (pages).
"""

from collections.abc import Mapping
from typing import Any

from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE
from retention.evidence.blocks import Block, Facts, Lines, Section, Style, Words, table
from retention.evidence.charts import coverage_by_class, coverage_chart, timeline_chart
from retention.evidence.collecting_sources import TENANT
from retention.evidence.verdict import STANDS, sentence_of
from retention.evidence.words import class_name, instant, number, people, plural, status
from retention.timeline_shown import MEANINGS

SHOWN = 8
"""Names that are listed where a number says how many there are."""
_READING = "To protect data the earliest reading counts, to claim that it was erased the latest."
_Document = Mapping[str, Any]
_STATUSES = (COVERED, IN_PART, NOT_REACHABLE, NOT_ASKED, NEVER)


# -------------------------------------------------------------------------------------------------------------- scope


def scope_chapter(document: _Document) -> list[Section]:
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
            Words("Originals as the service gave them: messages as MIME (.eml in .zip), files byte by byte, all else as JSON."),
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


def timeline_chapter(document: _Document) -> list[Section]:
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
    text = f"Policy {policy['id']}, verified {policy['verified_on']}; its sources stand in chapter 13. {_READING}"
    sections.append(Section("", [Words(text, "weak")]))
    return sections


def _subscription(row: Mapping[str, Any], document: _Document) -> Section:
    start = row["clock_start"]
    facts: list[tuple[str, list[Words]]] = [
        (
            "Bought",
            [
                Words(
                    f"{row['channel'] or '–'}; agreement {row['agreement'] or 'not stated'},"
                    f" attested by {row['attested_by'] or 'nobody'}"
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
    if row["observed"]:
        blocks.append(_observations(row))
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


def _observations(row: Mapping[str, Any]) -> Block:
    return table(
        f"What the service said of {row['name']}",
        (("When", 25.0), ("Status", 25.0), ("Next date", 25.0), ("Licences", 25.0)),
        (
            [instant(one["at"]), one["status"], instant(one["next"]), number(one["total"])]
            for one in reversed(row["observed"])
        ),
        len(row["observed"]),
        "evidence.json, subscriptions",
    )


# ----------------------------------------------------------------------------------------------------------- coverage


def coverage_chapter(document: _Document) -> list[Section]:
    chart = coverage_chart(document)
    by_class = coverage_by_class(document)
    classes = table(
        "Number of sources",
        (("Class", 30.0), *((name.capitalize(), 14.0) for name in _STATUSES)),
        (
            [class_name(name), *(number(found[one]) if found[one] else None for one in _STATUSES)]
            for name, found in by_class
        ),
        len(by_class),
        "evidence.json, coverage",
    )  # fmt: skip
    principals = _principals(document)
    psts = {row["principal"]: row["superseded"] for row in document["superseded_psts"]}
    sources = table(
        "Each source, and what of it is not covered in full",
        (("Source", 29.0), ("State", 12.0), ("Copied", 11.0), ("Not covered in full", 48.0)),
        (_principal(name, rows, psts.get(name, {})) for name, rows in principals.items()),
        len(principals),
        "evidence.json, coverage",
    )
    lost = table(
        "Whatever is asked for",
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


def reconciliation_chapter(document: _Document) -> list[Section]:
    totals, closing = document["totals"], document["closing_rounds"]
    names = ("listed", "copied", "excepted", "pending", "gone")
    lines = (
        [row["principal"], *(number(row[name]) for name in names), Words(_independent(row), _style_of_counts(row))]
        for row in document["reconciliation"]
    )
    columns = (("Source", 26.0), *((name.capitalize(), 10.0) for name in names), ("By the service's own counts", 24.0))
    rows = table(
        "Counts of each source, beside those of the service",
        columns,
        lines,
        len(document["reconciliation"]),
        "evidence.json, reconciliation",
    )
    kinds = totals["kinds"]
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
    text = (
        f"{number(totals['listed'])} listed = {number(totals['copied'])} copied + {number(totals['excepted'])} excepted"
        f" + {number(totals['pending'])} pending. Beside them {number(totals['gone'])} gone: we hold them, the source deleted"
        f" them later. {number(totals['vanished'])} vanished before they could be read."
    )
    closing_text = (
        f"Closing rounds of the last export over all sources, {instant(closing['at'])}:"
        f" {number(closing['pending'])} items pending, {number(closing['moving'])} folders moving."
    )
    return [
        Section("In all", [Words(text), Words(closing_text), by_kind]),
        Section("By source", [rows]),
    ]


def _independent(row: Mapping[str, Any]) -> str:
    """The service's counts, each sort of them added up over all scopes of the source."""
    told = []
    for by in sorted({str(one["by"]) for one in row["independent"]}):
        some = [one for one in row["independent"] if one["by"] == by]
        names = ("found", "expected", "unexplained", "moving", "unavailable")
        sums = {name: sum(one[name] or 0 for one in some) for name in names}
        verdict = next((f"{plural(sums[n], 'folder')} {n}" for n in ("unexplained", "moving") if sums[n]), "equal")
        unknown = f"; {plural(sums['unavailable'], 'folder')} without a count" if sums["unavailable"] else ""
        told.append(f"{by}: {sums['found']:,} of {sums['expected']:,}, {verdict}{unknown}")
    return "; ".join(told) or "none"


def _style_of_counts(row: Mapping[str, Any]) -> Style:
    return "bad" if any(one["unexplained"] or one["moving"] for one in row["independent"]) else "plain"


# --------------------------------------------------------------------------------------------------------- exceptions


def exceptions_chapter(document: _Document) -> list[Section]:
    codes, findings = document["exceptions_by_code"], document["findings"]
    by_code = table(
        "How many, why, and who accepted them",
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
        "What the last runs found",
        (("Code", 20.0), ("Source", 26.0), ("Why", 26.0), ("Accepted", 14.0), ("Instead", 14.0)),
        ([row["code"], row["item"], row["reason"], people(row["accepted_by"]), row["alternative"]] for row in findings),
        len(findings),
        "evidence.json, findings",
    )
    total = sum(row["count"] for row in codes)
    items = table(
        "The first of them, one by one",
        (("Code", 18.0), ("Source", 24.0), ("Item", 38.0), ("Found", 20.0)),
        ([row["code"], row["bag"], row["item"], instant(row["at"])] for row in document["exceptions"]),
        total,
        "exceptions.csv",
    )
    reasons = document["verdict"]["reasons"]
    why = table(
        "Each reason, the gravest first",
        (("What", 50.0), ("Makes it", 14.0), ("Where", 36.0)),
        (
            [sentence_of(row), _makes(row["severity"]), ", ".join([*row["places"], *map(class_name, row["classes"][:SHOWN])])]
            for row in reasons
        ),
        len(reasons),
        "evidence.json, verdict",
    )  # fmt: skip
    accepted = table(
        "The newest first",
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


def _makes(severity: str) -> Words:
    """What a reason makes of the verdict."""
    return Words("incomplete", "bad") if severity == STANDS else Words("with exceptions", "doubtful")
