"""What a plan that was written down says later, offline."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retention.planning.recorded import fits, latest

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Limit:
    kind: str
    at: datetime


def planned(seconds: Any, at: str = "2026-11-29T10:00:00Z", complete: bool = True) -> dict[str, Any]:
    return {"type": "planned", "at": at, "result": {"planned_seconds": seconds, "complete": complete}}


@pytest.mark.parametrize(
    ("row", "boundary", "days", "expected"),
    [
        (planned(5 * 86_400), "at_risk_from", 5, True),
        (planned(5 * 86_400 + 1), "at_risk_from", 5, False),
        (planned(5 * 86_400), "access_ends", 4, False),
        (planned(5 * 86_400), "deletable_from", -1, False),
        (planned(0), "deletable_from", -1, True),  # nothing is left to copy
        (planned(0.0), "access_ends", 1, True),
        (planned(60, complete=False), "access_ends", 1, None),  # there is more than was counted
        (planned(0, complete=False), "access_ends", 1, None),
        (planned(2 * 86_400, complete=False), "access_ends", 1, False),
        (planned(60), "gone_by", 1, None),  # nobody copies against that one
        (planned(60), "reactivate_until", 1, None),
        (planned(None), "at_risk_from", 1, None),
        (planned(True), "at_risk_from", 1, None),
        (planned(-1), "at_risk_from", 1, None),
        (planned(60, "2026-11-22T11:59:59Z"), "at_risk_from", 1, None),  # over seven days old
        (planned(60, "2026-11-22T12:00:00Z"), "at_risk_from", 1, True),
        (planned(60, "yesterday"), "at_risk_from", 1, None),
        ({"type": "planned", "at": "2026-11-29T10:00:00Z"}, "at_risk_from", 1, None),
        (None, "at_risk_from", 1, None),
    ],
)
def test_whether_the_copy_fits_before_a_boundary(row: Any, boundary: str, days: int, expected: bool | None) -> None:
    assert fits(row, Limit(boundary, NOW + timedelta(days=days)), NOW) is expected


def test_the_newest_plan_counts_and_what_ended_since_is_told() -> None:
    old, new = planned(1, "2026-11-28T10:00:00Z"), planned(2)
    ended = {"type": "run_ended", "at": "2026-11-29T11:00:00Z"}
    assert latest([]) is None
    assert latest([ended]) is None
    found = latest([old, ended, new])
    assert found is not None
    assert (found.row, found.exported_since, found.result["planned_seconds"]) == (new, False, 2)
    assert found.is_current(NOW)
    assert not found.is_current(NOW + timedelta(days=7))
    later = latest(iter([old, new, ended, {"type": "sent"}]))
    assert later is not None
    assert later.exported_since and later.row == new
