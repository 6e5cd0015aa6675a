"""What people did: preflight and attestations, whether the tenant was ready, test restores, holds and disposals.

Rules of this file: rows of the journal, as they stand; what was never done is told as "not done", never left out. Source:
retention-domain §3, §6; docs/formats.md (Journal).
"""

from dataclasses import asdict
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.evidence.collecting_journal import Told
from retention.preflight.recorded import latest


def preflight_of(told: Told) -> list[JsonObject]:
    """The findings of the newest preflight as they stand now, each with what was attested to it and who took it upon them; what
    was attested without a preflight beside them."""
    newest = latest(told.history.preflight)
    checked_at = timestamp(newest.at) if newest is not None else None
    found: list[JsonObject] = [
        {
            "id": finding.id,
            "result": finding.result,
            "message": finding.message,
            "action": finding.action or None,
            "checked_at": checked_at,
            "attested": _attested(told.attested.get(finding.id)),
            "accepted_by": finding.overridden_by,
            "open": finding.is_open,
        }
        for finding in (newest.findings if newest is not None else ())
    ]
    named = {one["id"] for one in found}
    nothing = {
        "result": "not_checked",
        "message": None,
        "action": None,
        "checked_at": None,
        "accepted_by": None,
        "open": False,
    }
    rest = (item for item in sorted(told.attested) if item not in named)
    return found + [{"id": item, **nothing, "attested": _attested(told.attested[item])} for item in rest]


def _attested(row: JsonObject | None) -> JsonObject | None:
    if row is None:
        return None
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
    """Test restores, the newest last. sample_size: items of each source; doubtful: of those that passed, how many do not open
    though their bytes are those that were captured."""
    return [
        {
            "sample_size": row.get("asked"),
            "seed": row.get("seed"),
            "passed": row.get("passed"),
            "failed": row.get("failed"),
            "doubtful": row.get("doubtful"),
            "by": row.get("by"),
            "at": row.get("at"),
        }
        for row in told.drills
    ]


def holds_of(told: Told) -> JsonObject:
    """Holds that stand, keep-until dates (bag None: of every bag), and what was disposed of."""
    disposed = [
        {name: row.get(name) for name in ("bag", "items", "bytes", "certificate", "by", "reason", "at")}
        for row in told.disposed.values()
    ]
    return {
        "held": [{**asdict(hold), "bag": hold.bag or None} for hold in told.keeping.all_holds()],
        "keep_until": [
            {"bag": bag or None, "until": timestamp(said.instant), "by": said.by, "reason": said.reason, "at": said.at}
            for bag, said in told.keeping.stated().items()
        ],
        "disposed": disposed,
    }


def acceptances_of(told: Told) -> list[JsonObject]:
    """What people accepted, by name and with their reason."""
    return [{name: row.get(name) for name in ("at", "by", "code", "source", "reason")} for row in told.accepted]
