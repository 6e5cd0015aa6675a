"""That the configured lock was read back on every object of a bag, by the rows of the journal alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporters.bag.fence import Process
from exporters.store.protocol import LockPolicy
from retention.history import History
from retention.readiness.bags import Terms, judge
from retention.readiness.looking import Look

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BAG, PLACE = "onedrive/anna@contoso.com", "s3://bucket"
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
GOVERNED, COMPLIANT = (
    {"mode": "governance", "until": "2030-01-01T00:00:00Z"},
    {"mode": "compliance", "until": "2031-01-01T00:00:00Z"},
)
Row = dict[str, Any]


def verified(level: str = "full", days_ago: int = 1, **more: Any) -> Row:
    at = (NOW - timedelta(days=days_ago)).isoformat()
    row = {
        "type": "verified",
        "bag": BAG,
        "level": level,
        "segment": 3,
        "tagmanifest": "t",
        "result": "whole",
        "findings": 0,
    }
    return {**row, "reconciled": True, "began": at, "at": at, "store": PLACE, **more}


def blocks(*rows: Row, wanted: LockPolicy | None) -> set[str]:
    look = Look(BAG, is_there=True, fold=(3, "t"), newest=NOW - timedelta(days=300), segments=3, oxum=(0, 0))
    look.heads.closed = True
    terms = Terms(History.of_rows(rows), NOW, NOW, Process("", "", 1, ""), PLACE, timedelta(days=30), wanted)
    return {reason.code for reason in judge(look, terms, None)}


@pytest.mark.parametrize(
    ("rows", "wanted", "codes"),
    [
        ([verified()], None, set()),
        ([verified()], LockPolicy("governance", UNTIL), {"lock_not_read_back"}),
        ([verified(lock=GOVERNED)], LockPolicy("governance", UNTIL), set()),
        ([verified(lock=COMPLIANT)], LockPolicy("governance", UNTIL), set()),
        ([verified(lock=GOVERNED)], LockPolicy("compliance", UNTIL), {"lock_not_read_back"}),
        ([verified(lock=GOVERNED)], LockPolicy("governance", UNTIL + timedelta(days=1)), {"lock_not_read_back"}),
        ([verified(), verified("stored", 0, lock=GOVERNED)], LockPolicy("governance", UNTIL), set()),
        ([verified("stored", 40, lock=GOVERNED), verified()], LockPolicy("governance", UNTIL), {"lock_not_read_back"}),
        ([verified(lock=GOVERNED), verified("stored", 0, findings=1)], None, {"verification_found_differences"}),
        ([verified(store="s3://other")], None, {"not_verified"}),
        ([verified(tagmanifest="other")], None, {"not_verified"}),
        ([verified(segment=2)], None, {"not_verified"}),
        ([verified(days_ago=31)], None, {"verification_too_old"}),
        ([verified(days_ago=-1)], None, {"verification_too_old"}),  # by a clock that ran ahead: nobody knows how old it is
        ([verified(days_ago=31), verified("stored", -1, lock=GOVERNED)], LockPolicy("governance", UNTIL),
         {"verification_too_old", "lock_not_read_back"}),
    ],
)  # fmt: skip
def test_locks_and_readings(rows: list[Row], wanted: LockPolicy | None, codes: set[str]) -> None:
    assert blocks(*rows, wanted=wanted) == codes
