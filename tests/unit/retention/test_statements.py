"""What people state, and what corrects what (docs/decisions/0074)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from retention.events import EventError
from retention.statements import Statement, merged, resolved, row_of, stated_event
from retention.tracked import Subscription


def merge(before: list[dict[str, Any]], *news: dict[str, Any]) -> list[tuple[str, str]]:
    found = merged(before, news, zone="Europe/Amsterdam", channel="direct")
    return [(event["id"], str(event.get("at") or event.get("between") or event.get("date"))) for event in found]


def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "at": f"{at}T10:00:00Z", **more}


DAY_ONE = ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]
CANCELLED = [event("cancel", "2026-03-01", id="cancel#1")]
BACK = [*CANCELLED, event("reactivate", "2026-03-11", id="reactivate#1")]


def test_the_same_again_corrects_and_keeps_its_id() -> None:
    assert merge(CANCELLED, event("cancel", "2026-02-20")) == [("cancel#1", "2026-02-20T10:00:00Z")]
    assert merge(CANCELLED, event("cancel", "2026-04-20")) == [("cancel#1", "2026-04-20T10:00:00Z")]


def test_after_a_reactivation_it_is_another_one() -> None:
    assert [name for name, _ in merge(BACK, event("cancel", "2026-05-01"))] == ["cancel#1", "reactivate#1", "cancel#2"]
    assert [name for name, _ in merge(BACK, event("cancel", "2026-03-05"))] == ["cancel#1", "reactivate#1"]
    twice = merged(BACK, [event("cancel", "2026-05-01")], zone=None, channel=None)
    assert merge(twice, event("cancel", "2026-05-02"))[-1] == ("cancel#2", "2026-05-02T10:00:00Z")
    assert merge(twice, event("reactivate", "2026-03-12"))[1] == ("reactivate#1", "2026-03-12T10:00:00Z")
    assert merge(twice, event("reactivate", "2026-06-01"))[-1] == ("reactivate#2", "2026-06-01T10:00:00Z")


def test_two_of_one_statement_are_two() -> None:
    found = merge([], event("cancel", "2026-03-01"), event("cancel", "2026-03-20"))
    assert [name for name, _ in found] == ["cancel#1", "cancel#2"]


def test_an_id_of_its_own_is_kept() -> None:
    assert merge([], event("cancel", "2026-03-01", id="ticket-7"))[0][0] == "ticket-7"
    own = [event("cancel", "2026-03-01", id="ticket-7")]
    assert merge(own, event("cancel", "2026-03-05", id="ticket-7")) == [("ticket-7", "2026-03-05T10:00:00Z")]


def test_what_the_service_was_seen_to_say_earlier_rules() -> None:
    seen = [
        {
            "type": "cancel",
            "between": ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"],
            "id": "cancel#1",
            "origin": "observed",
        }
    ]
    assert merge(seen, event("cancel", "2026-03-05")) == [
        ("cancel#1", "['2026-03-01T00:00:00Z', '2026-03-02T00:00:00Z']")
    ]
    assert merge(seen, event("cancel", "2026-03-01")) == [("cancel#1", "2026-03-01T10:00:00Z")]


@pytest.mark.parametrize(
    ("text", "channel", "form"),
    [
        ("cancel=2026-03-01T10:15:00+01:00", "direct", {"at": "2026-03-01T09:15:00Z"}),
        ("cancel=2026-03-01", "direct", {"date": "2026-03-01"}),
        ("cancel=2026-03-29 02:30", "direct", {"between": ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]}),
        (
            "term_end=2026-03-01T00:00:00Z..2026-03-02T00:00:00Z",
            "direct",
            {"between": ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]},
        ),
    ],
)
def test_times_of_the_command_line(text: str, channel: str, form: dict[str, Any]) -> None:
    found = resolved(stated_event(text), "Europe/Amsterdam", channel)
    assert {key: value for key, value in found.items() if key != "type"} == form


@pytest.mark.parametrize("text", ["cancel", "cancel=", "=2026-03-01", "stop=2026-03-01"])
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(EventError):
        stated_event(text)


def test_the_channel_that_is_known_decides_how_a_date_is_read() -> None:
    known = Subscription("S", {"channel": "csp_nce"}, (), datetime(2026, 1, 1, tzinfo=UTC))
    row = row_of(Statement("S", {}, (stated_event("term_end=2026-08-15"),)), known, "Australia/Sydney")
    assert row["events"] == [{"type": "term_end", "date": "2026-08-15", "id": "term_end#1"}]
    assert "sources" not in row
