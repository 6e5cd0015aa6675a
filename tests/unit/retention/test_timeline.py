"""What events come to: the rules of retention-domain §2.1, §2.2, §2.5, and those of docs/decisions/0061 and 0062."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from retention.events import CHANNELS, EVENT_TYPES, TERMS, Event, EventError, read_event, read_time
from retention.policy import load_policy
from retention.timeline import BOUNDARIES, Purchase, Timeline, draw

POLICY = load_policy()
DAY = timedelta(days=1)
AMSTERDAM = "Europe/Amsterdam"
FEW = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
MOMENT = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)


def drawn(
    channel: str, *events: tuple[str, str] | Event, term: str | None = None, zone: str | None = "UTC"
) -> Timeline:
    """The timeline of events as the command line takes them."""
    read = [
        one if isinstance(one, Event) else Event(one[0], *read_time(one[1], zone=zone, channel=channel))
        for one in events
    ]
    return draw(POLICY, Purchase(channel, term, time_zone=zone), read)


def at(timeline: Timeline, kind: str) -> str | None:
    """The instant of a boundary as text, minutes alone."""
    boundary = timeline.boundary(kind)
    return boundary.at.strftime("%Y-%m-%dT%H:%M") if boundary else None


# The table of retention-domain §2.2, written down once more.
TABLE: list[tuple[str, str | None, str, Sequence[str], int, int, int, int, bool]] = [
    ("direct", None, "cancel", ["Disabled"], 0, 30, 90, 180, True),
    ("direct", None, "term_end", ["Expired", "Disabled"], 30, 30, 120, 180, True),
    ("enterprise", "monthly", "term_end", ["Grace", "Inactive"], 30, 30, 120, 180, True),
    ("enterprise", "annual", "term_end", ["Grace", "Inactive"], 30, 30, 120, 180, True),
    ("enterprise", "multi_year", "term_end", ["Grace", "Inactive"], 90, 90, 180, 180, True),
    ("vl_enterprise", None, "term_end", ["Grace", "Inactive"], 0, 30, 150, 180, True),
    ("open_value", None, "term_end", ["Grace", "Inactive"], 0, 30, 120, 180, True),
    ("csp_nce", None, "term_end", ["Expired", "Disabled"], 30, 30, 120, 180, False),
    ("csp_nce", None, "cancel", ["Deleted"], 0, 0, 7, 180, False),
    ("csp_legacy", None, "suspend", ["Suspended"], 0, 30, 90, 180, True),
    ("vianet21", None, "cancel", ["Disabled"], 0, 30, 90, 180, True),
    ("vianet21", None, "term_end", ["Expired", "Disabled"], 30, 30, 120, 180, True),
    ("trial", None, "term_end", ["Expired"], 30, 30, 30, 180, True),
    ("trial", None, "cancel", ["Disabled"], 0, 30, 30, 180, True),
    ("direct", None, "delete_subscription", [], 0, 0, 0, 180, False),
    ("trial", None, "expedited_deprovision", ["Disabled"], 0, 0, 3, 3, False),
    ("csp_legacy", None, "cancel", ["Disabled"], 0, 30, 30, 180, False),
    ("direct", None, "suspend", ["Disabled"], 0, 30, 30, 180, False),
    ("enterprise", None, "term_end", ["Disabled"], 0, 30, 30, 180, False),
]


@pytest.mark.parametrize(("channel", "term", "trigger", "states", "access", "risk", "deletable", "gone", "back"), TABLE)
def test_the_windows_are_those_of_the_table(
    channel: str,
    term: str | None,
    trigger: str,
    states: Sequence[str],
    access: int,
    risk: int,
    deletable: int,
    gone: int,
    back: bool,
) -> None:
    timeline = drawn(channel, Event(trigger, MOMENT, MOMENT), term=term)
    days = [(timeline.boundary(kind).at - MOMENT) // DAY for kind in BOUNDARIES]  # type: ignore[union-attr]
    assert days == [access, risk, deletable, gone]
    assert [phase.state for phase in timeline.phases] == ["Active", *states, "Deleted"]
    assert (timeline.boundary("reactivate_until") is not None) is back
    assert timeline.trigger == trigger


class TestTimes:
    def test_a_date_is_one_in_the_zone_and_in_utc(self) -> None:
        west = read_time("2026-03-10", zone="America/New_York")
        assert (west.earliest.isoformat(), west.latest.isoformat()) == (
            "2026-03-10T00:00:00+00:00",
            "2026-03-11T04:00:00+00:00",
        )
        partner = read_time("2026-03-10", zone="America/New_York", channel="csp_legacy")
        assert partner.latest.isoformat() == "2026-03-11T00:00:00+00:00"

    def test_a_date_without_a_zone_is_every_zones(self) -> None:
        when = read_time("2026-03-10")
        assert when.latest - when.earliest == timedelta(hours=50)
        assert read_time("2026-03-10", channel="csp_nce").earliest.isoformat() == "2026-03-10T00:00:00+00:00"

    @pytest.mark.parametrize(
        ("wall", "earliest", "latest"),
        [
            ("2026-10-25T02:30", "00:30", "01:30"),  # repeated
            ("2026-03-29T02:30", "00:30", "01:30"),  # left out
            ("2026-06-01T02:30", "00:30", "00:30"),
        ],
    )
    def test_a_wall_clock_time_has_both_readings(self, wall: str, earliest: str, latest: str) -> None:
        when = read_time(wall, zone=AMSTERDAM)
        assert (when.earliest.strftime("%H:%M"), when.latest.strftime("%H:%M")) == (earliest, latest)

    def test_a_date_may_come_without_dashes(self) -> None:
        assert read_time("20260310", zone="UTC") == read_time("2026-03-10", zone="UTC")

    def test_a_range_spans_from_the_first_to_the_last_reading(self) -> None:
        when = read_time("2026-03-10..2026-03-12T10:00:00Z", zone=AMSTERDAM)
        assert (when.earliest.isoformat(), when.latest.isoformat()) == (
            "2026-03-09T23:00:00+00:00",
            "2026-03-12T10:00:00+00:00",
        )

    @pytest.mark.parametrize(
        "text", ["", "soon", "2026-02-30", "2026-13-01T00:00:00Z", "9999-12-31", "0001-01-01T00:00:00Z", "2026-03-02..2026-03-01"]
    )  # fmt: skip
    def test_what_is_no_time_is_refused(self, text: str) -> None:
        with pytest.raises(EventError):
            read_time(text, zone="UTC")

    @pytest.mark.parametrize(
        "record",
        [
            {"type": "cancel"},
            {"type": "cancel", "at": "2026-03-01T00:00:00Z", "date": "2026-03-01"},
            {"type": "cancel", "at": "2026-03-01T00:00:00"},
            {"type": "cancel", "local": "2026-03-01T00:00:00Z"},
            {"type": "cancel", "between": ["2026-03-01T00:00:00Z"]},
            {"type": "stop", "at": "2026-03-01T00:00:00Z"},
            {"type": "reduce_quantity", "at": "2026-03-01T00:00:00Z", "per_user": "no"},
        ],
    )
    def test_an_event_has_one_known_type_and_one_time(self, record: dict[str, Any]) -> None:
        with pytest.raises(EventError):
            read_event(record, zone="UTC")

    def test_an_unknown_zone_is_refused(self) -> None:
        with pytest.raises(EventError):
            read_time("2026-03-01", zone="Europe/Nowhere")


class TestReactivation:
    def test_it_counts_by_its_latest_reading(self) -> None:
        cancel = ("cancel", "2026-03-01T10:15Z")
        in_time = drawn("direct", cancel, ("reactivate", "2026-05-29T00:00Z..2026-05-30T10:14:59Z"))
        assert (in_time.starts, in_time.episode) == (None, 1)
        late = drawn("direct", cancel, ("reactivate", "2026-05-29T00:00Z..2026-05-30T10:15Z"))
        assert late.starts is not None
        assert late.flags == ("reactivation_not_proven_in_time",)

    def test_after_a_deletion_there_is_none(self) -> None:
        timeline = drawn(
            "direct",
            ("cancel", "2026-03-01T10:15Z"),
            ("delete_subscription", "2026-03-20T08:00Z"),
            ("reactivate", "2026-03-25T00:00Z"),
        )
        assert {"reactivation_not_possible_in_channel", "reactivation_not_proven_in_time"} <= set(timeline.flags)
        assert at(timeline, "reactivate_until") is None

    def test_a_deletion_that_may_have_come_first_has_come_first(self) -> None:
        timeline = drawn(
            "direct",
            ("cancel", "2026-03-01T10:15Z"),
            ("delete_subscription", "2026-03-21T08:00Z"),
            ("reactivate", "2026-03-20..2026-03-22"),
        )
        assert (timeline.trigger, at(timeline, "deletable_from")) == ("cancel", "2026-03-21T08:00")
        assert "reactivation_not_possible_in_channel" in timeline.flags

    def test_after_at_risk_from_the_inventory_is_old(self) -> None:
        cancel = ("cancel", "2026-03-01T10:15Z")
        assert drawn("direct", cancel, ("reactivate", "2026-03-31T10:14Z")).flags == ()
        late = drawn("direct", cancel, ("reactivate", "2026-03-31T10:15Z"))
        assert late.flags == ("reactivated_after_at_risk_recheck_inventory",)

    def test_a_date_ends_before_the_next_one_begins(self) -> None:
        lifted = drawn(
            "csp_nce", ("suspend", "2026-07-20"), ("reactivate", "2026-08-14"), ("term_end", "2026-08-15T00:00Z")
        )
        assert lifted.trigger == "term_end"

    def test_of_one_date_it_comes_second(self) -> None:
        timeline = drawn("direct", ("reactivate", "2026-03-10"), ("cancel", "2026-03-10"), zone=AMSTERDAM)
        assert (timeline.starts, timeline.episode) == (None, 1)

    def test_between_two_looks_the_later_one_saw_it_ended(self) -> None:
        timeline = drawn(
            "direct", ("cancel", "2026-03-01T00:00Z..2026-03-20T00:00Z"), ("reactivate", "2026-03-10T00:00Z")
        )
        assert at(timeline, "at_risk_from") == "2026-03-31T00:00"
        assert timeline.notes

    def test_a_second_trigger_that_may_follow_it_starts_a_clock(self) -> None:
        timeline = drawn(
            "direct",
            ("cancel", "2026-03-01T10:15Z"),
            ("cancel", "2026-04-10"),
            ("reactivate", "2026-04-10T09:00Z"),
        )
        assert timeline.episode == 2
        assert at(timeline, "access_ends") == "2026-04-10T09:00"
        assert "duplicate_trigger_ignored" not in timeline.flags

    def test_of_two_days_the_dates_decide(self) -> None:
        timeline = drawn(
            "csp_nce",
            ("suspend", "2026-07-20"),
            ("reactivate", "2026-08-14"),
            ("term_end", "2026-08-15"),
            zone=AMSTERDAM,
        )
        assert timeline.trigger == "term_end"
        assert "suspension_lifted" in timeline.flags

    def test_the_state_of_a_closed_clock_is_known(self) -> None:
        timeline = drawn("direct", ("term_end", "2026-03-01T00:00Z"), ("reactivate", "2026-04-15T00:00Z"))
        states = [(phase.state, phase.episode) for phase in timeline.phases]
        assert states == [("Active", 0), ("Expired", 1), ("Disabled", 1), ("Active", 0)]


class TestPartners:
    def test_a_suspension_without_a_term_end_counts_as_the_strictest(self) -> None:
        timeline = drawn("csp_nce", ("suspend", "2026-07-20T12:00Z"))
        assert timeline.flags == ("partner_suspended", "policy_fallback")
        assert (timeline.trigger, at(timeline, "deletable_from")) == ("suspend", "2026-08-19T12:00")

    def test_suspended_until_the_term_ends(self) -> None:
        timeline = drawn("csp_nce", ("suspend", "2026-07-20T12:00Z"), ("term_end", "2026-08-15T00:00Z"))
        assert [phase.state for phase in timeline.phases] == ["Active", "Suspended", "Disabled", "Disabled", "Deleted"]
        assert timeline.trigger == "term_end_suspended"

    def test_a_second_end_is_no_part_of_the_suspension(self) -> None:
        timeline = drawn(
            "csp_nce",
            ("suspend", "2026-07-20T12:00Z"),
            ("term_end", "2026-08-15T00:00Z"),
            ("term_end", "2026-08-20T00:00Z"),
        )
        assert timeline.flags == ("duplicate_trigger_ignored", "partner_suspended")

    def test_deleted_while_suspended(self) -> None:
        timeline = drawn(
            "csp_nce",
            ("suspend", "2026-07-20T12:00Z"),
            ("delete_subscription", "2026-08-01T00:00Z"),
            ("term_end", "2026-08-15T00:00Z"),
        )
        assert timeline.flags == ("partner_suspended", "sharepoint_onedrive_deleted_at_once")
        assert (at(timeline, "access_ends"), at(timeline, "deletable_from")) == ("2026-07-20T12:00", "2026-08-01T00:00")

    def test_a_suspension_in_expired_locks_users_out(self) -> None:
        timeline = drawn("csp_nce", ("term_end", "2026-08-15T00:00Z"), ("suspend", "2026-08-20T00:00Z"))
        assert (at(timeline, "access_ends"), at(timeline, "at_risk_from")) == ("2026-08-20T00:00", "2026-09-14T00:00")
        assert [(phase.state, phase.users) for phase in timeline.phases][1:4] == [
            ("Expired", True),
            ("Expired", False),
            ("Disabled", False),
        ]

    def test_cancelled_while_suspended(self) -> None:
        timeline = drawn("csp_nce", ("suspend", "2026-07-20T12:00Z"), ("cancel", "2026-07-25T00:00Z"))
        assert (timeline.trigger, at(timeline, "access_ends")) == ("cancel", "2026-07-20T12:00")
        assert at(timeline, "deletable_from") == "2026-08-01T00:00"

    def test_the_old_model_ends_with_its_term(self) -> None:
        late = drawn("csp_legacy", ("suspend", "2026-02-10T00:00Z"), ("term_end", "2026-06-30T00:00Z"))
        assert (at(late, "deletable_from"), late.flags) == ("2026-05-11T00:00", ())
        early = drawn("csp_legacy", ("suspend", "2026-02-10T00:00Z"), ("term_end", "2026-02-20T00:00Z"))
        assert (
            at(early, "at_risk_from")
            == at(early, "deletable_from")
            == at(early, "reactivate_until")
            == "2026-02-20T00:00"
        )
        assert early.flags == ("term_end_shortens_window",)


class TestRenewal:
    def test_on_surely_before_the_end_renews(self) -> None:
        assert drawn("trial", ("recurring_on", "2026-05-01"), ("term_end", "2026-05-10")).starts is None

    def test_off_again_does_not(self) -> None:
        timeline = drawn(
            "direct", ("recurring_on", "2026-05-01"), ("recurring_off", "2026-05-02"), ("term_end", "2026-05-10")
        )
        assert timeline.starts is not None
        assert timeline.flags == ("recurring_off", "recurring_on", "uncertain_start")

    def test_on_perhaps_after_the_end_does_not(self) -> None:
        timeline = drawn("direct", ("recurring_on", "2026-05-10"), ("term_end", "2026-05-10T12:00Z"))
        assert timeline.starts is not None

    def test_an_end_that_may_be_a_renewal_is_only_possible(self) -> None:
        end = Event("term_end", MOMENT, MOMENT, certain=False)
        assert drawn("direct", end).possible
        assert not drawn("direct", end, ("recurring_off", "2026-02-01")).possible
        cancelled = drawn("direct", end, ("cancel", "2026-04-01T00:00Z"))
        assert (cancelled.trigger, cancelled.possible, cancelled.episode) == ("cancel", False, 1)
        assert at(cancelled, "access_ends") == "2026-04-01T00:00"


class TestShortcuts:
    def test_expedited_ends_a_stage_in_three_days(self) -> None:
        timeline = drawn("direct", ("term_end", "2026-03-01T00:00Z"), ("expedited_deprovision", "2026-03-11T00:00Z"))
        assert [at(timeline, kind) for kind in BOUNDARIES] == [
            "2026-03-11T00:00",
            "2026-03-11T00:00",
            "2026-03-14T00:00",
            "2026-03-14T00:00",
        ]
        assert [phase.state for phase in timeline.phases] == ["Active", "Expired", "Disabled", "Deleted"]

    def test_they_move_nothing_later(self) -> None:
        timeline = drawn("direct", ("cancel", "2026-03-01T00:00Z"), ("expedited_deprovision", "2026-08-27T00:00Z"))
        assert [at(timeline, kind) for kind in BOUNDARIES[1:]] == [
            "2026-03-31T00:00",
            "2026-05-30T00:00",
            "2026-08-28T00:00",
        ]

    def test_they_are_named_beforehand(self) -> None:
        for events in ([], [("cancel", "2026-03-01T00:00Z")]):
            told = " ".join(one.says for one in drawn("direct", *events).cautions)
            assert "delete the subscription" in told
            assert "close the account" in told
            assert "lock-out code" in told


def test_a_refused_cloud_has_no_dates() -> None:
    timeline = drawn("germany", ("cancel", "2026-03-01T00:00Z"), ("reduce_quantity", "2026-03-01T00:00Z"))
    assert (timeline.flags, timeline.phases, timeline.boundaries) == (("cloud_closed_refuse",), (), ())
    assert timeline.refused is not None


def test_days_left_are_whole_days_rounded_down() -> None:
    timeline = drawn("direct", ("cancel", "2026-03-01T10:15Z"))
    assert timeline.days_left(datetime(2026, 3, 1, 10, 15, tzinfo=UTC)) == 30
    assert timeline.days_left(datetime(2026, 3, 30, 10, 16, tzinfo=UTC)) == 0
    assert timeline.days_left(datetime(2026, 3, 31, 10, 15, tzinfo=UTC)) == 60
    assert timeline.days_left(datetime(2027, 1, 1, tzinfo=UTC)) == 0
    assert drawn("direct").days_left(datetime(2027, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[2]}")
def test_every_boundary_has_a_source_with_title_and_date(row: tuple[Any, ...]) -> None:
    timeline = drawn(row[0], Event(row[2], MOMENT, MOMENT), term=row[1])
    assert timeline.boundaries
    for boundary in timeline.boundaries:
        document = POLICY.source_of(boundary.source)
        assert document.title
        assert document.document_date
        assert boundary.explanation.endswith(".")
    for phase in timeline.phases:
        for says in (phase.users_can, phase.admins_can):
            if phase.state != "Deleted" or phase.ends is not None:
                assert says is None or POLICY.source_of(says.source)


INSTANTS = st.integers(0, 400 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


@st.composite
def any_event(draw_one: st.DrawFn, types: Sequence[str] = EVENT_TYPES, exact: bool = False) -> Event:
    begin = draw_one(INSTANTS)
    if not exact and draw_one(st.booleans()):
        if draw_one(st.booleans()):
            return Event(draw_one(st.sampled_from(types)), *read_time(str(begin.date()), zone=AMSTERDAM))
        return Event(draw_one(st.sampled_from(types)), begin, begin + timedelta(hours=draw_one(st.integers(0, 72))))
    return Event(draw_one(st.sampled_from(types)), begin, begin, per_user=draw_one(st.booleans()))


PURCHASES = st.builds(
    Purchase,
    st.sampled_from([channel for channel in CHANNELS if channel != "germany"]),
    st.sampled_from([None, *TERMS]),
    time_zone=st.sampled_from([None, "UTC", AMSTERDAM]),
)


@FEW
@given(PURCHASES, st.lists(any_event(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(purchase: Purchase, events: list[Event], dice: Any) -> None:
    shuffled = list(events)
    dice.shuffle(shuffled)
    assert draw(POLICY, purchase, events) == draw(POLICY, purchase, shuffled)


@FEW
@given(PURCHASES, st.lists(any_event(), max_size=6))
def test_phases_cover_all_time_once(purchase: Purchase, events: list[Event]) -> None:
    timeline = draw(POLICY, purchase, events)
    phases = timeline.phases
    assert phases[0].begins is None
    assert phases[-1].ends is None
    for before, after in pairwise(phases):
        assert before.ends == after.begins is not None
    for phase in phases[1:-1]:
        assert phase.begins is not None
        assert phase.ends is not None
        assert phase.begins < phase.ends
    for phase in phases[1:]:
        assert phase.begins is not None
        assert timeline.phase_at(phase.begins) is phase, "the boundary instant belongs to the later state"


@FEW
@given(PURCHASES, st.lists(any_event(), max_size=6))
def test_states_agree_with_boundaries(purchase: Purchase, events: list[Event]) -> None:
    timeline = draw(POLICY, purchase, events)
    assume(timeline.starts is not None)
    access, risk, deletable, gone = (timeline.boundary(kind) for kind in BOUNDARIES)
    assert access and risk and deletable and gone
    assert access.at <= risk.at <= deletable.at <= gone.at
    for boundary in timeline.boundaries:
        assert boundary.earliest <= boundary.latest
    last = timeline.phases[-1]
    assert (last.state, last.begins, last.episode) == ("Deleted", deletable.at, timeline.episode)
    for phase in timeline.phases:
        if phase.episode == timeline.episode and phase.begins is not None:
            assert phase.users == (phase.begins < access.at)


SHORTENING = ("delete_subscription", "expedited_deprovision")


@FEW
@given(PURCHASES, st.lists(any_event(), max_size=5), any_event(SHORTENING, exact=True))
def test_what_shortens_moves_no_protective_boundary_later(
    purchase: Purchase, events: list[Event], added: Event
) -> None:
    before, after = draw(POLICY, purchase, events), draw(POLICY, purchase, [*events, added])
    for kind in ("access_ends", "at_risk_from", "deletable_from"):
        old, new = before.boundary(kind), after.boundary(kind)
        assert new is not None
        assert old is None or new.at <= old.at
        assert old is None or new.latest <= max(old.latest, added.latest)
    assert after.boundary("reactivate_until") is None


@FEW
@given(
    st.lists(any_event(("suspend", "reactivate"), exact=True), min_size=1, max_size=4),
    any_event(("term_end",), exact=True),
)
def test_a_term_end_moves_nothing_later_in_the_old_partner_model(events: list[Event], added: Event) -> None:
    purchase = Purchase("csp_legacy", time_zone="UTC")
    before, after = draw(POLICY, purchase, events), draw(POLICY, purchase, [*events, added])
    for kind in BOUNDARIES:
        old, new = before.boundary(kind), after.boundary(kind)
        assert old is None or (new is not None and new.at <= old.at)
