"""The rule of the verdict: each thing that speaks against a copy, by itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from retention.evidence.verdict import COMPLETE, EXCEPTED, INCOMPLETE, REASONS, judge, sentence_of
from tests.unit.evidence.documents import BAG, Document, complete

DAY = timedelta(days=1)
Change = Callable[[Document], Any]


def _set(*path: str | int, to: Any) -> Change:
    def change(document: Document) -> None:
        part: Any = document
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = to

    return change


def _class(status: str, *, accepted: bool = False, code: str | None = None) -> Change:
    def change(document: Document) -> None:
        more = {
            "class": "archive",
            "status": status,
            "counts": True,
            "accepted_by": ["Mina"] if accepted else [],
            "code": code,
        }
        document["coverage"].append({**document["coverage"][0], **more})

    return change


def _exception(*, accepted: bool, counts: bool = True) -> Change:
    row = {"code": "malware", "bag": BAG, "count": 3, "reason": "", "accepted_by": ["Mina"] if accepted else [],
           "counts": counts, "alternative": ""}  # fmt: skip
    return _set("exceptions_by_code", to=[row])


def _finding(*, accepted: bool) -> Change:
    return _set(
        "findings", to=[{"code": "archive_unreadable", "item": BAG, "accepted_by": ["Mina"] if accepted else []}]
    )


def _counts(sort: str, by: list[str]) -> Change:
    def change(document: Document) -> None:
        document["reconciliation"][0]["independent"][0][sort] = 1
        document["reconciliation"][0]["accepted_by"] = by

    return change


def _run(**more: Any) -> Change:
    return lambda document: document["runs"].append({**document["runs"][0], "run": "20261120T093000Z-ffffff", **more})


PROOF = ("integrity", "proofs", 0)
CASES: list[tuple[str, str | None, Change]] = [
    ("nothing", None, lambda document: None),
    ("no bag", "nothing_copied", _set("integrity", "bags", to=[])),
    ("no run over all", "no_whole_run", _set("runs", 0, "all_sources", to=False)),
    ("stopped after a whole one", "last_run_stopped", _run(all_sources=False, exit=3)),
    ("only some sources, later", None, _run(all_sources=False, sources=["onedrive/anna"], exit=3)),
    ("cut off later", "last_run_not_ended", _run(ended=None, exit=None)),
    ("failed later", "last_run_failed", _run(exit=1, sources=["onedrive/anna"])),
    ("record", "run_record_differs", _set("integrity", "run_records_differ", to=["20261120T080000Z-0a1b2c"])),
    *((code, code, _set(*PROOF, "faults", to=[code])) for code in
      ("fold_damaged", "ledger_damaged", "no_fold", "bag_open", "counts_differ_from_rows")),
    ("pending", "pending", _set("totals", "pending", to=1)),
    ("unexplained", "not_reconciled", _counts("unexplained", [])),
    ("unexplained, accepted", None, _counts("unexplained", ["Mina"])),
    ("moving, accepted", "not_reconciled", _counts("moving", ["Mina"])),
    ("open", "exceptions_open", _exception(accepted=False)),
    ("accepted", "exceptions_accepted", _exception(accepted=True)),
    ("vanished", None, _exception(accepted=False, counts=False)),
    ("finding", "findings_open", _finding(accepted=False)),
    ("finding, accepted", "findings_accepted", _finding(accepted=True)),
    ("in part", "coverage_open", _class("in part")),
    ("not reachable", "coverage_open", _class("not reachable")),
    ("not reachable, accepted", "coverage_accepted", _class("not reachable", accepted=True)),
    ("not asked", "classes_not_asked", _class("not asked")),
    ("not asked, accepted", "classes_not_asked", _class("not asked", accepted=True)),
    ("never", "never_possible", _class("never possible")),
    ("never, accepted", None, _class("never possible", accepted=True)),
    ("a state of a later version", "coverage_unknown", _set("coverage", 0, "status", to="mostly")),
    ("no run tells", "no_run_tells", _class("not reachable", code="no_run_tells")),
    ("not read", "not_verified", _set(*PROOF, "verified_as_it_is", to=False)),
    ("different", "verification_differs", _set(*PROOF, "verified", "result", to="different")),
    ("a stray", "root_differs", _set("integrity", "beside_the_bags", "unexpected", to=1)),
    ("no lock where one is asked for", "lock_not_read_back", _set("storage", 0, "asked_for", to={"mode": "compliance"})),
    ("drill", "restore_failed", _set("restores", to=[{"failed": 1}])),
    ("an earlier drill", None, _set("restores", to=[{"failed": 1}, {"failed": 0}])),
    ("disposed", "disposed", _set("holds", "disposed", to=[{"bag": BAG}])),
    ("excluded", "sources_not_asked", _set("scope", "not_asked", to=["onedrive/bea"])),
    ("no mail", "kinds_not_asked", _set("scope", "configured", "mail", to="none")),
    ("no directory", "kinds_not_asked", _set("scope", "configured", "directory", to=False)),
    ("differs", "bytes_differ", _set("totals", "agreement", to={"differs": 2})),
    ("read long ago", "verified_long_ago", _set(*PROOF, "proven_at", to="2026-10-01T00:00:00Z")),
    ("old", "gap", _set("scope", "as_of", to="2026-11-18T00:00:00Z")),
    ("no clock", "no_clock", _set("subscriptions", to=[])),
    ("not ready", "not_ready", _set("readiness", "ready", to=False)),
    ("never asked", "ready_not_asked", _set("readiness", "ready", to=None)),
    ("asked before the last run", "ready_not_asked", _set("readiness", "before_last_run", to=True)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "change"), CASES, ids=[case[0] for case in CASES])
def test_one_thing_by_itself(name: str, code: str | None, change: Change) -> None:
    document = complete()
    change(document)
    judged = judge(document, DAY, 30 * DAY)
    codes = {reason["code"] for reason in judged["reasons"]}
    if code is None:
        assert not codes
        assert judged["result"] == COMPLETE
        return
    assert code in codes
    severest = {REASONS[code].severity for code in codes}
    assert judged["result"] == (INCOMPLETE if "incomplete" in severest else EXCEPTED)


def test_every_reason_is_tried() -> None:
    assert set(REASONS) == {code for _, code, _ in CASES if code}


def test_what_makes_it_incomplete_is_not_outweighed() -> None:
    document = complete()
    for _, _, change in CASES:
        change(document)
    judged = judge(document, DAY, 30 * DAY)
    assert judged["result"] == INCOMPLETE
    severities = [reason["severity"] for reason in judged["reasons"]]
    assert severities == sorted(severities, key=["incomplete", "exception"].index)


def test_every_reason_has_a_sentence_and_something_to_do() -> None:
    for code, sentence in REASONS.items():
        assert sentence.action
        told = sentence_of({"code": code, "count": 1_234})
        assert told.endswith(("1,234", "."))


def test_the_gap_ends_with_the_access() -> None:
    document = complete()
    document["generated_at"] = "2027-11-20T10:00:00Z"
    document["subscriptions"][0]["boundaries"]["access_ends"]["at"] = "2026-11-20T12:00:00Z"
    judged = judge(document, DAY, 3_650 * DAY)
    assert judged["result"] == COMPLETE
