"""A document of a report, complete and with something in each part; tests change what they are about.

Rules of this file: data only, names are invented; the odd ones are those that break renderers.
"""

import copy
from typing import Any

from retention.evidence.contents import Seal

Document = dict[str, Any]
SEAL = Seal("evidence/20261123T154017Z", "ed25519", "ab" * 32)
AT, LATER, NOW = "2026-11-20T08:00:00Z", "2026-11-20T09:30:00Z", "2026-11-20T10:00:00Z"
DIGEST = "0123456789abcdef" * 4
ODD = "Ώρα_Привет_Łódź_山田_مرحبا_🎉_\ud800_<script>alert(1)</script>_\u202egnp.exe_\x07"
BAG = "onedrive/anna@contoso.com"


def complete() -> Document:
    """Of a copy against which nothing speaks."""
    return copy.deepcopy(_COMPLETE)


def _boundary(kind: str, at: str) -> Document:
    return {"kind": kind, "at": at, "earliest": at, "latest": at, "local": at, "basis": "stated", "source": "SEED: Save",
            "explanation": "", "alternative": None, "conflicts": []}  # fmt: skip


_COMPLETE: Document = {
    "schema": "lastcopy-evidence-1", "report_id": "20261123T154017Z", "generated_at": NOW, "rehearsal": False,
    "generator": {"name": "lastcopy", "version": "0.1.0", "build_sha256": DIGEST},
    "made_by": {"by": "Mina Holm", "actor": {"user": "root", "host": "vm"}},
    "tenant": {"id": "52b8f19b", "cloud": "worldwide", "domains": ["contoso.com"]},
    "scope": {
        "configured": {"mail": "all", "onedrive": "all", "sharepoint": "all", "directory": True, "exclude": []},
        "asked": {}, "not_asked": [], "without_mailbox": [], "as_of": LATER, "run": "20261120T080000Z-0a1b2c", "first_row_at": AT,
    },
    "coverage": [
        {"principal": BAG, "kind": "onedrive", "bag": BAG, "class": "files", "status": "covered", "reason": None, "code": None,
         "alternative": None, "counts": False, "accepted_by": [], "run": "20261120T080000Z-0a1b2c", "source_count": 12,
         "copied": 12, "gone": 1, "excepted": 0, "pending": 0, "bytes": 1234},
    ],
    "superseded_psts": [],
    "reconciliation": [
        {"bag": BAG, "kind": "onedrive", "principal": BAG, "listed": 12, "copied": 12, "excepted": 0, "gone": 1, "pending": 0,
         "files": 11, "bytes": 1234, "kinds": {"file": {"copied": 11, "gone": 1}}, "accepted_by": [],
         "independent": [{"by": "folder.childCount", "expected": 12, "found": 12, "equal": 3, "explained": 0, "moving": 0,
                          "unexplained": 0, "verdict": "equal", "unavailable": 0}]},
    ],
    "totals": {"bags": 1, "listed": 12, "copied": 12, "gone": 1, "excepted": 0, "pending": 0, "files": 11, "bytes": 1234,
               "rows": 13,
               "kinds": {"file": {"copied": 11, "gone": 1}}, "vanished": 0, "exceptions_open": 0, "exceptions_accepted": 0,
               "agreement": {"match": 11}, "runs": 1},
    "closing_rounds": {"at": LATER, "pending": 0, "moving": 0},
    "exceptions_by_code": [], "exceptions": [], "findings": [],
    "integrity": {
        "algorithm": "sha256", "verified_items": 13, "verified_files": 11, "verified_bytes": 1234, "method": "full", "seed": None,
        "bags": [{"path": BAG, "tagmanifest_sha256": DIGEST, "segment": 3, "segment_sha256": DIGEST, "open": False}],
        "proofs": [{"path": BAG, "faults": [], "files": 11, "bytes": 1234, "proven_at": LATER, "verified_as_it_is": True,
                    "verified": {"at": LATER, "level": "full", "result": "whole"}}],
        "run_records_differ": [],
        "beside_the_bags": {"missing": 0, "changed": 0, "unexpected": 0, "first": []},
    },
    "verifications": [{"at": LATER, "level": "full", "result": "whole", "bags": 1}],
    "runs": [{"run": "20261120T080000Z-0a1b2c", "verb": "export", "started": AT, "ended": LATER, "exit": 0, "sources": [],
              "all_sources": True, "software": None, "actor": {"user": "root", "host": "vm"}, "record_sha256": DIGEST,
              "skew_ms": 1000}],
    "runs_total": 1,
    "storage": [{"bucket": "file:./copy", "kind": "folder", "versioning": None, "encryption": None, "default_lock": None,
                 "object_lock_enabled": None, "asked_for": None, "notes": [], "readback_at": NOW,
                 "object_lock": {"mode": None, "retain_until": None}, "read_back": None, "payload_objects": 11}],
    "preflight": [], "readiness": {"asked_at": NOW, "ready": True, "reasons": [], "before_last_run": False},
    "restores": [], "holds": {"held": [], "keep_until": [], "disposed": []}, "acceptances": [],
    "custody": [{"at": AT, "actor": {"user": "root", "host": "vm"}, "by": None, "action": "run_started", "object": None,
                 "prev_hash": None, "hash": DIGEST}],
    "journal": {"rows": 1, "segment": 1, "last_row": DIGEST},
    "not_covered": [{"class": "teams_chats", "data": "Teams chats", "reason": "out of scope", "alternative": "eDiscovery",
                     "accepted_by": ["Mina Holm"]}],
    "policy": {"id": "lastcopy-retention-2026-11", "sha256": DIGEST, "verified_on": "2026-11-23", "too_old": False, "sources": [],
               "accepted_risks": [], "subscriptions": 1},
    "clock": {"source": "the clock of this machine", "skew_ms": 1000, "checked_at": AT, "now": NOW},
    "subscriptions": [
        {"id": "sub-1", "name": "Main", "sku": "SPE_E3", "agreement": None, "attested_by": None, "service": {}, "events": [],
         "observed": [{"at": AT, "status": "Enabled", "next": None, "total": 300}],
         "known_at": AT, "channel": "direct", "term": None, "time_zone": "UTC", "trigger": "cancel", "state": "Disabled",
         "clock_start": {"earliest": NOW, "latest": NOW, "provenance": "stated", "event": "cancel#1"}, "possible_end": False,
         "flags": [], "days_left": 30, "boundaries": {
             "access_ends": _boundary("access_ends", NOW), "at_risk_from": _boundary("at_risk_from", "2026-12-20T10:00:00Z"),
             "deletable_from": _boundary("deletable_from", "2027-02-18T10:00:00Z"),
             "gone_by": _boundary("gone_by", "2027-05-19T10:00:00Z")}},
    ],
    "warnings": [], "warnings_total": 0,
    "verdict": {"result": "complete", "reasons": []},
}  # fmt: skip


def full() -> Document:
    """With something in every part, and odd names wherever a tenant or a person gives one."""
    made = complete()
    made["rehearsal"] = True
    made["tenant"]["domains"] = [ODD]
    made["scope"]["not_asked"] = [f"onedrive/{ODD}"] * 12
    made["coverage"] += [
        {**made["coverage"][0], "class": name, "status": status, "source_count": None, "copied": None, "counts": True}
        for name, status in (("permissions", "in part"), ("archive", "not reachable"), ("recoverable_items", "not asked"),
                             ("recycle_bin", "never possible"))
    ]  # fmt: skip
    made["superseded_psts"] = [{"principal": BAG, "superseded": {"deleted": 1, "moved": 2}}]
    made["exceptions_by_code"] = [
        {"code": "malware", "bag": f"onedrive/{ODD}", "count": 2_000, "reason": "The service found malware in it.",
         "accepted_by": ["Mina Holm"], "counts": True, "alternative": "none"},
        {"code": "vanished", "bag": BAG, "count": 1, "reason": "It was listed.", "accepted_by": [], "counts": False,
         "alternative": "nothing"},
    ]  # fmt: skip
    made["exceptions"] = [
        {"code": "malware", "item": f"/{ODD}/{number}" + "x" * (3_000 if number == 0 else 3), "kind": "file",
         "bag": f"onedrive/{ODD}", "reason": "r",
         "accepted_by": ["Mina Holm"], "at": AT, "alternative": "none"}
        for number in range(600)
    ]  # fmt: skip
    made["findings"] = [{"code": "not_reconciled", "item": BAG, "kind": "source", "reason": None, "accepted_by": [], "at": AT,
                         "alternative": "lastcopy export"}]  # fmt: skip
    made["storage"][0] |= {
        "kind": "s3", "versioning": True, "encryption": "AES256",
        "asked_for": {"mode": "compliance", "until": "2030-01-01T00:00:00Z"},
        "object_lock": {"mode": "compliance", "retain_until": "2030-01-01T00:00:00Z"},
        "read_back": {"frame": {"objects": 14, "missing": 0, "modes": {"compliance": 14}, "earliest_end": "2030-01-01T00:00:00Z"},
                      "payload_sample": {"objects": 11, "missing": 1, "modes": {"compliance": 10, "none": 1},
                                         "earliest_end": None}},
    }  # fmt: skip
    made["preflight"] = [{"id": "PF-05", "result": "block", "message": ODD, "action": "lastcopy attest PF-05", "checked_at": AT,
                          "attested": {"by": ODD, "at": AT, "text": "bought online", "values": {"agreement": "MCA"}},
                          "accepted_by": None, "open": True}]  # fmt: skip
    made["readiness"] = {"asked_at": NOW, "ready": False, "reasons": ["preflight_open"], "before_last_run": True}
    made["restores"] = [{"sample_size": 20, "seed": 7, "passed": 19, "failed": 1, "doubtful": 2, "by": ODD, "at": AT}]
    made["holds"] = {
        "held": [{"bag": BAG, "name": "case 4711", "by": ODD, "reason": ODD, "at": AT}],
        "keep_until": [{"bag": BAG, "until": "2036-01-01T00:00:00Z", "by": ODD, "reason": ODD, "at": AT}],
        "disposed": [
            {"bag": BAG, "items": 12, "bytes": 1234, "certificate": DIGEST, "by": ODD, "reason": ODD, "at": AT}
        ],
    }
    made["acceptances"] = [{"at": AT, "by": ODD, "code": "malware", "source": None, "reason": ODD}]
    made["warnings"] = [
        {"key": "27911eaa641a1a296c0c", "subscription": "sub-1", "boundary": "at_risk_from", "threshold_days": days,
         "severity": "critical", "status": "sent", "due": AT, "sent": sent, "channel": ODD, "step": 0, "ack": ack}
        for days, sent, ack in ((3, AT, {"by": ODD, "at": AT}), ("moved", None, None), (1, AT, None))
    ]  # fmt: skip
    made["warnings_total"] = 5_000
    made["subscriptions"][0] |= {"name": ODD, "flags": ["uncertain_start"]}
    made["custody"] = [{**made["custody"][0], "by": ODD, "object": ODD}] * 700
    made["journal"]["rows"] = 90_000
    made["policy"]["accepted_risks"] = [{"part": "windows", "policy_id": "own", "by": ODD, "reason": ODD}]
    made["policy"]["sources"] = [{"key": "SEED", "title": "Cancel your subscription", "document_date": "2021-02-05",
                                  "verified_on": "2026-11-23", "sha256": None}]  # fmt: skip
    made["verdict"] = {"result": "incomplete", "reasons": [
        {"code": "restore_failed", "severity": "incomplete", "count": 1, "places": [ODD], "classes": []},
        {"code": "exceptions_accepted", "severity": "exception", "count": 2_000, "places": [BAG], "classes": []},
        {"code": "coverage_open", "severity": "incomplete", "count": 2, "places": [], "classes": ["archive", "permissions"]},
    ]}  # fmt: skip
    return made
