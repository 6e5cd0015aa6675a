"""What people did: preflight and attestations, whether the tenant was ready, test restores, holds and disposals.

Rules of this file: rows of the journal, as they stand; what was never done is told as "not done", never left out. Source:
retention-domain §3, §6; docs/formats.md (Journal).
"""

from typing import Any

from exporters.bag.formats import JsonObject
from retention.evidence.collecting_journal import Told


def preflight_of(told: Told) -> list[JsonObject]:
    """The findings of the newest preflight, each with what was attested to it and who took it upon them."""
    row = told.preflight or {}
    found = []
    for finding in row.get("findings") or ():
        item = str(finding.get("id"))
        attested = told.attested.get(item)
        accepted = told.overrides.get((item, str(finding.get("digest"))))
        found.append(
            {
                "id": item,
                "result": finding.get("result"),
                "message": finding.get("message"),
                "action": finding.get("action"),
                "checked_at": row.get("at"),
                "attested": _attested(attested) if attested else None,
                "accepted_by": finding.get("overridden_by") or accepted,
            }
        )
    named = {one["id"] for one in found}
    for item, attested in sorted(told.attested.items()):
        if item not in named:
            found.append({"id": item, "result": "not_checked", "message": None, "action": None, "checked_at": None,
                          "attested": _attested(attested), "accepted_by": None})  # fmt: skip
    return found


def _attested(row: JsonObject) -> JsonObject:
    return {"by": row.get("by"), "at": row.get("at"), "text": row.get("text"), "values": row.get("values") or {}}


def readiness_of(told: Told) -> JsonObject:
    """What `lastcopy ready` last said; ready: None where it was never asked."""
    row = told.ready or {}
    return {
        "asked_at": row.get("at"),
        "ready": row.get("ready"),
        "reasons": [_code(reason) for reason in row.get("reasons") or ()],
        "before_last_run": bool(row) and told.readied_after != told.last_ended,
    }


def _code(reason: Any) -> str:
    return str(reason.get("code")) if isinstance(reason, dict) else str(reason)


def restores_of(told: Told) -> list[JsonObject]:
    """Test restores, the newest last."""
    return [
        {
            "sample_size": row.get("asked"),
            "seed": row.get("seed"),
            "passed": row.get("passed"),
            "failed": row.get("failed"),
            "by": row.get("by"),
            "at": row.get("at"),
        }
        for row in told.drills
    ]


def holds_of(told: Told) -> JsonObject:
    """Holds that stand, keep-until dates, and what was disposed of."""
    held: dict[tuple[str, str], JsonObject] = {}
    keep: dict[str, JsonObject] = {}
    for row in told.disposal:
        bag = str(row.get("bag"))
        told_of = {name: row.get(name) for name in ("bag", "name", "until", "by", "reason", "at") if name in row}
        if row["type"] == "held":
            held[bag, str(row.get("name"))] = told_of
        elif row["type"] == "hold_lifted":
            held.pop((bag, str(row.get("name"))), None)
        elif row["type"] == "keep_until":
            keep[bag] = told_of
    disposed = [
        {name: row.get(name) for name in ("bag", "items", "bytes", "certificate", "by", "at")}
        for row in told.disposed.values()
    ]
    return {"held": list(held.values()), "keep_until": list(keep.values()), "disposed": disposed}


def acceptances_of(told: Told) -> list[JsonObject]:
    """What people accepted, by name and with their reason."""
    return [{name: row.get(name) for name in ("at", "by", "code", "source", "reason")} for row in told.accepted]
