"""Clocks of users, drives, files, groups and packages; several subscriptions (retention-domain §2.3, §2.5)."""

from datetime import datetime
from typing import Any

import pytest

from retention.events import Event, EventError, read_time
from retention.policy import load_policy
from retention.related_clocks import Covering, Marks, Together, loss_of, object_marks, read_object_event, together
from retention.timeline import Purchase, draw

POLICY = load_policy()
BOTH = frozenset({"exchange", "sharepoint"})


def marks(segment: str = "commercial", **record: Any) -> Marks:
    return object_marks(POLICY, read_object_event(record, zone="UTC"), segment=segment)


def days(found: Marks, start: str) -> dict[str, int | None]:
    """Days from the start to each mark."""
    begin = datetime.fromisoformat(start)
    return {name: None if at is None else (at - begin).days for name, at in found.clocks.items()}


def covering(
    channel: str, *events: tuple[str, str], services: frozenset[str] = BOTH, term: str | None = None
) -> Covering:
    read = [Event(kind, *read_time(when, zone="UTC", channel=channel)) for kind, when in events]
    return Covering(draw(POLICY, Purchase(channel, term, time_zone="UTC"), read), services)


def text(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%d") if at else None


class TestObjects:
    START = "2026-02-01T00:00:00+00:00"

    @pytest.mark.parametrize(
        ("record", "wanted"),
        [
            ({"type": "group_deleted"}, {"group_restore_until": 30}),
            ({"type": "site_deleted"}, {"recycle_purge_from": 93}),
            ({"type": "file_deleted", "recycle_bin_days": 7}, {"recycle_purge_from": 7}),
            ({"type": "mail_item_deleted"}, {"recoverable_until": 14}),
            ({"type": "mail_item_deleted", "retention_days": 30}, {"recoverable_until": 30}),
            ({"type": "export_package"}, {"package_expires": 14}),
        ],
    )
    def test_single_marks(self, record: dict[str, Any], wanted: dict[str, int]) -> None:
        assert days(marks(at=self.START, **record), self.START) == wanted

    @pytest.mark.parametrize(
        ("restored", "read_only", "archived"),
        [
            ("2026-04-01T23:59:59Z", None, None),
            ("2026-04-02T00:00:00Z", 60, None),  # reached by then stays
            ("2026-05-05T00:00:00Z", 60, 93),
        ],
    )
    def test_a_licence_that_came_back(self, restored: str, read_only: int | None, archived: int | None) -> None:
        found = marks(type="licence_removed", at=self.START, restored_at=restored)
        assert days(found, self.START) == {
            "mailbox_at_risk_from": 30,
            "onedrive_read_only_from": read_only,
            "onedrive_archived_from": archived,
        }
        assert found.flags == ("licence_restored",)

    @pytest.mark.parametrize("segment", ["education", "gcc", "dod"])
    def test_exempt_segments(self, segment: str) -> None:
        found = marks(segment, type="user_deleted", at=self.START, onedrive_retention_days=365)
        assert days(found, self.START)["onedrive_unreadable_from"] == 365
        assert found.flags == ()
        assert marks("nonprofit", type="user_deleted", at=self.START, onedrive_retention_days=365).flags == (
            "archived_before_retention_ends",
        )

    def test_a_deleted_users_drive_on_hold_is_kept_and_unreadable(self) -> None:
        found = marks(type="user_deleted", at=self.START, hold=True)
        assert days(found, self.START) == {
            "user_restore_until": 30,
            "mailbox_at_risk_from": None,
            "onedrive_recycle_from": None,
            "onedrive_purge_from": None,
            "onedrive_unreadable_from": 93,
        }
        exempt = marks("dod", type="user_deleted", at=self.START, hold=True)
        assert exempt.clocks["onedrive_unreadable_from"] is None

    def test_all_count_from_the_earliest_reading(self) -> None:
        found = marks(type="group_deleted", date="2026-02-01")
        assert text(found.clocks["group_restore_until"]) == "2026-03-03"
        assert found.flags == ("uncertain_start",)

    @pytest.mark.parametrize(
        "record",
        [{"type": "user_renamed"}, {"type": "file_deleted", "recycle_bin_days": "7"}, {"type": "group_deleted", "at": None}],
    )  # fmt: skip
    def test_what_cannot_be_read_is_refused(self, record: dict[str, Any]) -> None:
        with pytest.raises(EventError):
            read_object_event({"at": self.START, **record})


class TestSeveralSubscriptions:
    def found(self, subscriptions: dict[str, Covering], segment: str = "commercial", **users: list[str]) -> Together:
        return together(POLICY, subscriptions, users, segment=segment)

    def test_a_user_is_safe_while_another_one_covers_the_service(self) -> None:
        subscriptions = {
            "suite": covering("direct", ("cancel", "2026-03-01T10:15Z")),
            "mail": covering("direct", services=frozenset({"exchange"})),
        }
        found = self.found(subscriptions, u=["suite", "mail"], v=["mail"])
        assert found.users["u"]["mailbox"] is None
        drive = found.users["u"]["onedrive"]
        assert drive is not None
        assert text(drive.plan_by) == "2026-03-31", "files go with the only subscription that has them"
        assert found.users["v"] == {"mailbox": None, "onedrive": None}, "never licensed for files"
        assert found.services["exchange"] is None

    def test_one_that_came_back_covers_again(self) -> None:
        subscriptions = {
            "a": covering("direct", ("cancel", "2026-03-01T10:15Z"), ("reactivate", "2026-03-10T00:00Z")),
            "b": covering("direct", ("cancel", "2026-03-01T10:15Z")),
        }
        assert self.found(subscriptions, u=["a", "b"]).users["u"] == {"mailbox": None, "onedrive": None}

    def test_the_mailbox_is_not_at_risk_while_users_work(self) -> None:
        subscriptions = {
            "a": covering("enterprise", ("term_end", "2026-03-01T00:00Z"), term="multi_year"),
            "b": covering("direct", ("cancel", "2026-03-10T00:00Z")),
        }
        mailbox = self.found(subscriptions, u=["a", "b"]).users["u"]["mailbox"]
        assert mailbox is not None
        assert text(mailbox.marks["unlicensed_from"]) == "2026-03-10"
        assert text(mailbox.marks["own_at_risk_from"]) == "2026-05-30", "the last access_ends"
        assert text(mailbox.plan_by) == "2026-05-30"

    def test_each_boundary_of_a_service_is_the_latest(self) -> None:
        subscriptions = {
            "a": covering("enterprise", ("term_end", "2026-03-01T00:00Z"), term="multi_year"),
            "b": covering("direct", ("cancel", "2026-04-20T00:00Z")),
        }
        shown = {kind: text(at) for kind, at in (self.found(subscriptions).services["exchange"] or {}).items()}
        assert shown == {
            "access_ends": "2026-05-30",
            "at_risk_from": "2026-05-30",
            "deletable_from": "2026-08-28",
            "gone_by": "2026-10-17",
        }

    def test_an_exempt_drive_is_planned_by_the_tenants_loss(self) -> None:
        subscriptions = {"a": covering("direct", ("cancel", "2026-03-01T00:00Z"))}
        drive = self.found(subscriptions, segment="education", u=["a"]).users["u"]["onedrive"]
        assert drive is not None
        assert (drive.marks["archived_from"], text(drive.plan_by)) == (None, "2026-03-31")
        alive = {**subscriptions, "b": covering("direct")}
        drive = self.found(alive, segment="education", u=["a"]).users["u"]["onedrive"]
        assert drive is not None
        assert drive.plan_by is None

    def test_flags_are_those_of_all(self) -> None:
        subscriptions = {
            "a": covering("direct", ("cancel", "2026-03-01")),
            "b": covering("enterprise", ("cancel", "2026-03-01T00:00Z")),
        }
        assert self.found(subscriptions).flags == ("policy_fallback", "uncertain_start")

    def test_what_each_source_is_planned_by(self) -> None:
        subscriptions = {
            "suite": covering("direct", ("cancel", "2026-03-01T10:15Z")),
            "mail": covering("direct", services=frozenset({"exchange"})),
        }
        found = self.found(subscriptions, u=["suite", "mail"], v=["suite"])
        asked = [
            ("mail", "u"),
            ("mail", "v"),
            ("mail", None),
            ("onedrive", "u"),
            ("sharepoint", None),
            ("directory", None),
        ]
        planned = {(kind, owner): text(loss_of(found, kind, owner)) for kind, owner in asked}
        assert planned == {
            ("mail", "u"): None,
            ("mail", "v"): "2026-03-31",
            ("mail", None): None,
            ("onedrive", "u"): "2026-03-31",
            ("sharepoint", None): "2026-03-31",
            ("directory", None): None,
        }
        ended = {**subscriptions, "mail": covering("direct", ("cancel", "2026-04-01T00:00Z"))}
        assert text(loss_of(self.found(ended), "directory", None)) == "2026-05-01"

    def test_a_user_of_an_unknown_subscription_is_refused(self) -> None:
        with pytest.raises(EventError):
            self.found({}, u=["a"])
