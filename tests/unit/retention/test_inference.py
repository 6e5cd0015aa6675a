"""From two observations to an event (retention-domain §1; docs/decisions/0074)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporters.clock import timestamp
from retention.events import read_event, with_ids
from retention.inference import Seen, differences, inferred, is_gone
from retention.policy import load_policy
from retention.timeline import Purchase, Timeline, draw
from retention.tracked import Subscription

POLICY = load_policy()
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=6)
DAY = timedelta(days=1)


def drawn(events: list[dict[str, Any]], channel: str) -> Timeline:
    return draw(POLICY, Purchase(channel, time_zone="UTC"), with_ids([read_event(one) for one in events]))


def seen_as(
    status: str | None,
    *,
    before: str | None = "Enabled",
    after: datetime | None = None,
    announced: datetime | None = None,
    events: tuple[dict[str, Any], ...] = (),
    channel: str = "direct",
    missing_since: datetime | None = None,
) -> list[dict[str, Any]] | None:
    """The events that follow when the status was `before` and is now another one."""
    observed: dict[str, Any] = {"status": before} if before else {}
    observed |= {"next": timestamp(announced)} if announced else {}
    observed |= {"missing_since": timestamp(missing_since)} if missing_since else {}
    known = Subscription("S", {}, events, NOW, observed)
    row = {} if status is None else {"status": status, **({"next": timestamp(after)} if after else {})}
    return inferred(known, Seen(row, NOW, BEFORE if before else None), drawn(list(events), channel), POLICY)


BETWEEN = {"between": [timestamp(BEFORE), timestamp(NOW)]}
RUNNING = ({"type": "cancel", "at": timestamp(NOW - 10 * DAY), "id": "cancel#1"},)


@pytest.mark.parametrize(
    ("case", "kind", "time"),
    [
        pytest.param({"status": "LockedOut"}, "cancel", BETWEEN, id="cancelled between two polls"),
        pytest.param({"status": "Suspended"}, "cancel", BETWEEN, id="disabled between two polls"),
        pytest.param({"status": "Suspended", "channel": "csp_nce"}, "suspend", BETWEEN, id="a partner suspended it"),
        pytest.param({"status": "Warning"}, "term_end", BETWEEN, id="expired between two polls"),
        pytest.param(
            {"status": "Warning", "announced": NOW - timedelta(hours=1)},
            "term_end",
            {"at": timestamp(NOW - timedelta(hours=1))},
            id="expired when the service had said",
        ),
        pytest.param(
            {"status": "Warning", "before": None, "after": NOW + 20 * DAY},
            "term_end",
            {"at": timestamp(NOW - 10 * DAY)},
            id="first seen expired, by the service's next date",
        ),
        pytest.param(
            {"status": "LockedOut", "before": None, "after": NOW + 60 * DAY},
            "cancel",
            {"at": timestamp(NOW - 30 * DAY)},
            id="first seen disabled, by the service's next date",
        ),
        pytest.param(
            {"status": "LockedOut", "before": None},
            "cancel",
            {"between": [timestamp(NOW - 90 * DAY), timestamp(NOW)]},
            id="first seen disabled, and no date: the earliest there can be",
        ),
        pytest.param({"status": "Deleted"}, "delete_subscription", BETWEEN, id="deleted"),
    ],
)
def test_what_must_have_happened(case: dict[str, Any], kind: str, time: dict[str, Any]) -> None:
    found = seen_as(**case)
    assert found is not None
    (event,) = found
    assert event == {"type": kind, "id": f"{kind}#1", "origin": "observed", **time}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"status": "Enabled"}, id="all is as it was"),
        pytest.param({"status": "LockedOut", "events": RUNNING}, id="stated before"),
        pytest.param(
            {"status": "Enabled", "before": None, "events": RUNNING},
            id="an answer that knows nothing of it",
        ),
        pytest.param({"status": None}, id="missing once"),
        pytest.param({"status": None, "missing_since": NOW - timedelta(hours=23)}, id="missing for less than a day"),
        pytest.param({"status": "Suspended", "before": "Warning", "events": RUNNING}, id="on its way"),
    ],
)
def test_what_says_nothing_new(case: dict[str, Any]) -> None:
    assert seen_as(**case) is None


def test_missing_twice_a_day_apart_is_deleted() -> None:
    assert is_gone(Seen({}, NOW, BEFORE), NOW - DAY)
    found = seen_as(None, missing_since=NOW - DAY)
    assert found is not None
    assert found[0]["type"] == "delete_subscription"


def test_enabled_again_is_a_reactivation() -> None:
    found = seen_as("Enabled", before="LockedOut", events=RUNNING)
    assert found is not None
    assert found[-1] == {"type": "reactivate", "id": "reactivate#1", "origin": "observed", **BETWEEN}


def test_a_date_of_the_service_that_is_earlier_rules() -> None:
    computed = NOW - 10 * DAY + 90 * DAY
    found = seen_as("LockedOut", before="LockedOut", events=RUNNING, after=computed - 5 * DAY)
    assert found is not None
    assert found[0]["between"] == [timestamp(NOW - 15 * DAY), timestamp(NOW - 10 * DAY)]
    assert drawn(found, "direct").instants()["deletable_from"] == computed - 5 * DAY
    assert seen_as("LockedOut", before="LockedOut", events=RUNNING, after=computed + 5 * DAY) is None, (
        "the later does not"
    )


def test_differences_are_told() -> None:
    timeline = drawn(list(RUNNING), "direct")
    after = timestamp(NOW + 90 * DAY)
    known = Subscription("S", {}, RUNNING, NOW, {"status": "Enabled", "next": after, "missing_since": timestamp(NOW)})
    told = differences(known, timeline, POLICY, NOW)
    assert "the service says Enabled, reckoned is Disabled" in told[0]
    assert "has not listed it since" in told[1]
    shut = Subscription("S", {}, RUNNING, NOW, {"status": "LockedOut", "next": after})
    (one,) = differences(shut, timeline, POLICY, NOW)
    assert "the computed date, the earlier one, rules" in one
