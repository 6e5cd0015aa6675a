"""What the records of runs tell a plan."""

from typing import Any

import pytest

from retention.planning.feasibility import Rates
from retention.planning.measured import measured

RATES = Rates.of_tenant(100, 80)  # 1,250 units a minute; ten million bytes a second
ASKED = {"versions": "current", "permissions": "none", "fasttransfer": "off"}


def record(minutes: int = 60, **changes: Any) -> dict[str, Any]:
    """A run of drives that was bound by the minute."""
    made = {
        "asked": dict(ASKED),
        "started": "2026-11-29T10:00:00Z",
        "ended": f"2026-11-29T{10 + minutes // 60}:{minutes % 60:02}:00Z",
        "requests": {"resource_units": 72_000},
        "sources": [{"kind": "onedrive", "copied": 60_000, "bytes": 3_600_000_000}],
        "measured": {
            "requests": {
                "sharepoint": {"count": 70_000, "seconds": 7_000.0},
                "none": {"count": 60_000, "seconds": 6_000.0},
            },
            "composing_seconds": 0.0,
        },
    }
    return made | changes


def test_a_run_of_drives_tells_units_latency_and_share() -> None:
    found = measured([record()], ASKED, RATES)
    assert found.usable == pytest.approx(72_000 / 75_000)
    assert found.line_share is None  # a tenth of the line: something else bound it
    assert found.file_latency == pytest.approx(0.1)
    assert found.units_per_file == pytest.approx(1.2)
    assert found.file_bytes == pytest.approx(60_000)
    assert (found.latency, found.composing, found.requests_per_item) == (None, None, None)
    assert (found.runs, found.seconds) == (1, 3600.0)
    rates = found.applied(RATES)
    assert (rates.usable, rates.line_share, rates.latency) == (pytest.approx(0.96), 0.7, 0.35)


def test_a_run_of_mailboxes_tells_requests_and_composing() -> None:
    took = {"exchange": {"count": 11_070, "seconds": 3_321.0}}
    mail = record(
        sources=[{"kind": "mail", "copied": 10_000, "bytes": 27_000_000_000}],
        requests={"resource_units": 0},
        measured={"requests": took, "composing_seconds": 50.0},
    )
    found = measured([mail], ASKED, RATES)
    assert found.latency == pytest.approx(0.3)
    assert found.requests_per_item == pytest.approx(1.1)
    assert found.composing == pytest.approx(0.005)
    assert found.message_bytes == pytest.approx(2_700_000)
    assert found.line_share == pytest.approx(0.75)  # of that, the line explains most
    assert found.usable is None


@pytest.mark.parametrize(
    "other",
    [
        record(asked={**ASKED, "permissions": "shared"}),
        record(measured=None),
        record(started="whenever"),
        record(ended="2026-11-29T09:00:00Z"),
        record(sources=[]),
        {},
    ],
)
def test_runs_that_tell_nothing_are_passed_over(other: Any) -> None:
    found = measured([other], ASKED, RATES)
    assert found.runs == 0
    assert found.applied(RATES) == RATES


def test_what_does_not_explain_a_runs_time_is_not_measured_by_it() -> None:
    idle = record(requests={"resource_units": 30_000})
    assert measured([idle], ASKED, RATES).usable is None
    assert measured([record(), idle], ASKED, RATES).usable == pytest.approx(0.96)
    short = record(1, requests={"resource_units": 1_250})
    assert measured([short], ASKED, RATES).usable is None
    assert measured([record(requests={"resource_units": 90_000})], ASKED, RATES).usable == 1.0


def test_a_run_of_days_is_held_against_the_day() -> None:
    days = record(ended="2026-12-02T10:00:00Z", requests={"resource_units": 3_240_000})
    assert measured([days], ASKED, RATES).usable == pytest.approx(0.9)
