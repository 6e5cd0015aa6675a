"""Chapters 9 to 13: what people, the clock and the software did.

Rules of this file: as `chapters`; what was never done is said ("not done"). Source: retention-domain §6 (pages).
"""

from collections.abc import Mapping
from typing import Any

from retention.evidence.blocks import Facts, Section, Style, Words, table
from retention.evidence.words import instant, number, plural, size

_Document = Mapping[str, Any]
EVERY = "every bag, also later ones"
_RESULTS: Mapping[str, Style] = {"pass": "good", "notice": "plain", "warn": "doubtful", "block": "bad"}


# ---------------------------------------------------------------------------------------------- preflight, readiness


def preflight_chapter(document: _Document) -> list[Section]:
    """9: what was looked at before cancelling, and whether the tenant was ready."""
    ready, rows = document["readiness"], document["preflight"]
    if ready["ready"] is None:
        answer = [Words("not asked: run lastcopy ready", "doubtful")]
    else:
        since = "; an export has ended since" if ready["before_last_run"] else ""
        text = f"{'yes' if ready['ready'] else 'no'}, {instant(ready['asked_at'])}{since}"
        answer = [Words(text, "good" if ready["ready"] else "bad")]
        answer += [Words(f"reasons: {', '.join(ready['reasons'])}")] if ready["reasons"] else []
    checks = table(
        "Each item, as it stands now",
        (("Item", 8.0), ("Result", 12.0), ("Finding", 40.0), ("Attested", 26.0), ("Taken upon", 14.0)),
        ([row["id"], Words(str(row["result"] or "–").replace("_", " "), _RESULTS.get(str(row["result"]), "weak")), row["message"],
          _attested(row["attested"]), row["accepted_by"]] for row in rows),
        len(rows),
        "evidence.json, preflight",
    )  # fmt: skip
    return [
        Section("May the tenant be cancelled?", [Facts([("lastcopy ready", answer)])]),
        Section("Preflight", [checks if rows else Words("Not done: run lastcopy check --cancel.", "doubtful")]),
    ]


def _attested(row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    values = ", ".join(f"{name}={value}" for name, value in (row["values"] or {}).items())
    return "; ".join(str(part) for part in (f"{row['by']}, {instant(row['at'])}", row["text"], values) if part)


# ----------------------------------------------------------------------------------------------------------- warnings


def warnings_chapter(document: _Document) -> list[Section]:
    """10: who was warned of what, when, and who took note."""
    rows = document["warnings"]
    listing = table(
        "The newest first",
        (("Boundary", 22.0), ("Due", 17.0), ("Severity", 10.0), ("To", 14.0), ("Sent", 17.0), ("Acknowledged", 20.0)),
        (
            [f"{row['boundary']}, {row['threshold_days']}{' d' if isinstance(row['threshold_days'], int) else ''}",
             instant(row["due"]), row["severity"], row["channel"], _sent(row), _acknowledged(row)]
            for row in reversed(rows)
        ),
        document["warnings_total"],
        "evidence.json, warnings",
    )  # fmt: skip
    sent = sum(1 for row in rows if row["sent"])
    seen = sum(1 for row in rows if row["ack"])
    known = plural(document["warnings_total"], "warning")
    text = f"{known} on record; of the newest {len(rows):,}, {sent:,} were sent and {seen:,} acknowledged."
    return [
        Section(
            "", [Words(text), listing] if rows else [Words("None: nothing was due, or no subscription is tracked.")]
        )
    ]


def _sent(row: Mapping[str, Any]) -> Words:
    if row["sent"]:
        return Words(instant(row["sent"]))
    return Words(row["status"], "weak" if row["status"] in {"superseded", "withdrawn", "dropped"} else "bad")


def _acknowledged(row: Mapping[str, Any]) -> Words:
    if row["ack"]:
        return Words(f"{row['ack']['by']}, {instant(row['ack']['at'])}")
    return Words(
        "nobody" if row["sent"] else "–", "doubtful" if row["sent"] and row["severity"] == "critical" else "weak"
    )


# ----------------------------------------------------------------------------------------------------------- restores


def restore_chapter(document: _Document) -> list[Section]:
    """11: whether anybody tried to get something back."""
    rows = document["restores"]
    listing = table(
        "The newest first",
        (("When", 18.0), ("Of each source", 12.0), ("Passed", 10.0), ("Do not open, bytes right", 14.0), ("Failed", 10.0),
         ("Seed", 18.0), ("By", 18.0)),
        (
            [instant(row["at"]), number(row["sample_size"]), number(row["passed"]),
             Words(number(row["doubtful"]), "doubtful" if row["doubtful"] else "plain"),
             Words(number(row["failed"]), "bad" if row["failed"] else "good"), str(row["seed"]), row["by"]]
            for row in reversed(rows)
        ),
        len(rows),
        "evidence.json, restores",
    )  # fmt: skip
    return [Section("", [listing if rows else Words("Not done: run lastcopy restore --drill N.", "doubtful")])]


# ------------------------------------------------------------------------------------------------------------ custody


def custody_chapter(document: _Document) -> list[Section]:
    """12: holds, disposals, and what people and the clock did, chained by hash."""
    holds, chain = document["holds"], document["custody"]
    held = table(
        "Holds and keep-until dates",
        (("Bag", 34.0), ("What", 22.0), ("By", 18.0), ("Reason", 26.0)),
        (
            *([row["bag"] or EVERY, f"hold {row.get('name') or ''}", row["by"], row["reason"]] for row in holds["held"]),
            *([row["bag"] or EVERY, f"keep until {instant(row['until'])}", row["by"], row["reason"]]
              for row in holds["keep_until"]),
        ),
        len(holds["held"]) + len(holds["keep_until"]),
        "evidence.json, holds",
    )  # fmt: skip
    gone = table(
        "Disposed of",
        (
            ("Bag", 24.0),
            ("When", 14.0),
            ("Items", 9.0),
            ("Size", 9.0),
            ("By", 12.0),
            ("Reason", 14.0),
            ("Certificate", 18.0),
        ),
        (
            [
                row["bag"],
                instant(row["at"]),
                number(row["items"]),
                size(row["bytes"]),
                row["by"],
                row["reason"],
                Words(row["certificate"], "mono"),
            ]
            for row in holds["disposed"]
        ),
        len(holds["disposed"]),
        "evidence.json, holds",
    )
    deeds = table(
        "The newest rows first",
        (("When", 15.0), ("Who", 18.0), ("What", 15.0), ("About", 26.0), ("SHA-256 of the row", 26.0)),
        (
            [instant(row["at"]), _who(row), row["action"], row["object"], Words(row["hash"], "mono")]
            for row in reversed(chain)
        ),
        document["journal"]["rows"],
        "journal/ in the store, each row with the SHA-256 of the one before",
    )  # fmt: skip
    made, actor = document["made_by"], document["made_by"]["actor"]
    return [
        Section(
            "This report",
            [Facts([("Made by", [Words(f"{made['by'] or 'nobody by name'}, as {actor['user']} on {actor['host']}")])])],
        ),
        Section(
            "Holds",
            [held if holds["held"] or holds["keep_until"] else Words("No hold and no keep-until date is on record.")],
        ),
        Section("Disposal", [gone if holds["disposed"] else Words("Nothing was disposed of.")]),
        Section("The journal", [deeds]),
    ]


def _who(row: Mapping[str, Any]) -> str:
    actor = row["actor"] or {}
    machine = f"{actor.get('user', '?')} on {actor.get('host', '?')}"
    return f"{row['by']} ({machine})" if row["by"] else machine


# ----------------------------------------------------------------------------------------------------------- software


def _skew(milliseconds: int | None) -> str | None:
    """How far a clock was ahead of the service's."""
    return None if milliseconds is None else f"{milliseconds / 1000:+.0f} s"


def software_chapter(document: _Document) -> list[Section]:
    """13: what made the copy, by which rules, and how right its clock was."""
    made, policy, clock = document["generator"], document["policy"], document["clock"]
    skew = clock["skew_ms"]
    told = (
        f"{skew / 1000:+.0f} s against the service's clock, {instant(clock['checked_at'])}"
        if isinstance(skew, int)
        else "the service's clock was never seen"
    )
    runs = document["runs"]
    listing = table(
        "The newest first",
        (("Run", 20.0), ("What", 9.0), ("Started", 16.0), ("Ended", 16.0), ("Exit", 6.0), ("Clock", 8.0),
         ("By", 12.0), ("Software", 13.0)),
        (
            [row["run"], row["verb"], instant(row["started"]), instant(row["ended"]) if row["ended"] else Words("no end", "bad"),
             number(row["exit"]), _skew(row["skew_ms"]), _who({"actor": row["actor"], "by": None}),
             row["software"] or "not recorded"]
            for row in reversed(runs)
        ),
        document["runs_total"],
        "evidence.json, runs, and runs/ in the store",
    )  # fmt: skip
    sources = table(
        "Sources of the policy that the dates follow",
        (("Key", 10.0), ("Document", 40.0), ("Dated", 14.0), ("Verified", 14.0), ("SHA-256 of the copy read", 22.0)),
        (
            [row["key"], row["title"], row["document_date"], row["verified_on"], Words(row["sha256"] or "none", "mono")]
            for row in policy["sources"]
        ),
        len(policy["sources"]),
        "lastcopy policies",
    )  # fmt: skip
    late = "; it should have been verified again" if policy["too_old"] else ""
    risks = [
        Words(f"{row['part']}: dates later than published, by {row['by']}: {row['reason']}", "doubtful")
        for row in policy["accepted_risks"]
    ]
    return [
        Section("Software", [Facts([
            ("Program", [Words(f"{made['name']} {made['version']}")]),
            ("SHA-256 of its code", [Words(made["build_sha256"], "mono")]),
        ])]),
        Section("Policy", [
            Facts([
                ("Policy", [Words(f"{policy['id']}, verified {policy['verified_on']}{late}", "doubtful" if late else "plain")]),
                ("SHA-256", [Words(policy["sha256"], "mono")]),
                ("Risks that somebody took", risks or [Words("none")]),
            ]),
            *([sources] if policy["sources"] else []),
        ]),
        Section("Clock", [Facts([
            ("Source", [Words(clock["source"])]),
            ("Difference", [Words(told, "bad" if isinstance(skew, int) and abs(skew) > 60_000 else "plain")]),
        ])]),
        Section("Runs", [listing if runs else Words("None.")]),
    ]  # fmt: skip
