"""What changes in a mailbox during a copy and between two: moves, edits, deletions, folders, settings, and what is refused."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.copied import CopyResult
from exporters.errors import SourceError
from exporters.mail.capture import collections as capture_collections
from exporters.mail.capture.refusals import MOST_FOLDERS
from exporters.mail.settings import MailSettings
from tests.faults.mail_desk import VALUE, MailDesk, Stopping, mail_desk
from tests.independent.mailbox_bag import MailboxBag
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
MIME = "users/{user}/messages/{message}/$value"
INBOX, ARCHIVE, TWIN = (made("folder", n) for n in (data.INBOX, data.ARCHIVE, data.TWIN))
SERVED = (*capture_collections.MESSAGE.split(","), "singleValueExtendedProperties")
ALL = MailSettings(recoverable="all", fasttransfer="off", archive="none")
NONE = MailSettings(recoverable="none", fasttransfer="off", archive="none")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("changes") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


def immutable(n: int) -> str:
    return data.made_id("message", 0, n, "data", immutable=True)


def message(bag: MailboxBag, n: int) -> Row:
    return bag.rows["message", "", immutable(n)]


def move(n: int, to: str) -> Row:
    return {"kind": "message", "user": data.ADA, "id": made("message", n), "op": "move", "to": to}


def folder_id(ada: MailDesk, *names: str) -> str:
    (found,) = [one["id"] for one in ada.truth() if one["kind"] == "folder" and one["folder"] == [*names]]
    return str(found)


def of_class(result: CopyResult, name: str) -> Row:
    return next(row for row in result.coverage if row["class"] == name)


# ------------------------------------------------------------------------------------------------ while it is copied


@pytest.mark.parametrize("into", [INBOX, ARCHIVE, made("folder", data.HISTORY), made("folder", data.HIDDEN)])
@pytest.mark.parametrize("after", [0, 3, 7])
def test_dragged_from_a_folder_not_listed_yet_to_one_that_is(ada: MailDesk, into: str, after: int) -> None:
    """In the first run, while the first, the fourth or the last of the folders is listed: whichever of the two comes first."""
    change = move(data.TWIN_FIRST, into)
    ada.faults({"route": "users/*/messages/delta", "fault": "change", "after": after, "count": 1, "changes": [change]})
    ada.run()
    assert ada.fired() == 1
    ada.checked()


def test_moved_on_and_on_while_it_is_copied(ada: MailDesk) -> None:
    """In each round from one folder to another, and home at last."""
    places = [ARCHIVE, TWIN, INBOX]
    ada.faults(
        *(
            {"route": f"users/*/mailFolders/{INBOX}/messages/delta", "fault": "change", "count": 1, "changes": [move(6, place)]}
            for place in places
        )
    )  # fmt: skip
    ada.run()
    bag = ada.checked()
    assert message(bag, 6)["folder"] == "/Inbox"


def test_arrived_and_deleted_while_it_is_copied(ada: MailDesk) -> None:
    changes: list[Row] = [
        {"kind": "message", "user": data.ADA, "id": made("message", 6), "op": "copy", "to": ARCHIVE},
        {"kind": "message", "user": data.ADA, "id": made("message", 8), "op": "delete"},
    ]
    ada.faults({"route": VALUE, "fault": "change", "after": 4, "count": 1, "changes": changes})
    ada.run()
    assert ada.fired() == 1
    assert len([*ada.checked().of("message")]) in (27, 28)


# --------------------------------------------------------------------------------------------------------- messages


def test_flags_and_categories_are_a_record_and_no_mime(ada: MailDesk) -> None:
    ada.run()
    before = message(ada.bag(), 10)
    ada.change({"id": made("message", 10), "op": "update",
                "set": {"categories": ["Blue category"], "flag": {"flagStatus": "complete"}, "isRead": True}})  # fmt: skip
    assert ada.asked_by(ada.run)[MIME] == 0
    bag = ada.checked()
    row = message(bag, 10)
    assert (row["key"], row["sha256"], row["captured"]) == (before["key"], before["sha256"], before["captured"])
    assert row["record"] != before["record"] and bag.record(row)["entry"] is None
    assert bag.record(row)["graph"]["categories"] == ["Blue category"]
    assert not [*bag.of("version")]


def test_a_row_that_tells_only_what_changed_is_asked_for_whole(ada: MailDesk) -> None:
    ada.run()
    ada.change({"id": made("message", 10), "op": "update", "set": {"isRead": False}})
    told = {"id", "isRead", "@odata.type", "@odata.etag"}
    edits = [{"at": f"value/*/{name}", "drop": True} for name in SERVED if name not in told]
    ada.faults({"route": "users/*/messages/delta", "fault": "edit", "edits": edits})
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0 and asked["users/{user}/messages/{message}"] == 1
    bag = ada.checked()
    graph = bag.record(message(bag, 10))["graph"]
    assert (graph["isRead"], graph["subject"]) == (False, "message 10")


@pytest.mark.parametrize("left", ["lastModifiedDateTime", "subject", "categories"])
def test_a_row_that_tells_a_little_more_is_asked_for_whole_too(ada: MailDesk, left: str) -> None:
    ada.run()
    ada.change({"id": made("message", 10), "op": "update", "set": {"isRead": False}})
    told = {"id", "isRead", left}
    edits = [{"at": f"value/*/{name}", "drop": True} for name in SERVED if name not in told]
    ada.faults({"route": "users/*/messages/delta", "fault": "edit", "edits": edits})
    assert ada.asked_by(ada.run)[MIME] == 0
    bag = ada.checked()
    assert bag.record(message(bag, 10))["graph"]["toRecipients"]


def test_a_draft_that_was_edited_is_fetched_and_its_earlier_bytes_stay(ada: MailDesk, tenant: Path) -> None:
    ada.run()
    before = message(ada.bag(), 1)
    new = next(
        one["row"]["_mime"] for one in ada.truth() if one["kind"] == "message" and one["immutableId"] == immutable(20)
    )
    ada.change({"id": made("message", 1), "op": "update", "set": {"_mime": new, "subject": "edited"}})
    assert ada.asked_by(ada.run)[MIME] == 1
    bag = ada.checked()
    (former,) = bag.of("version")
    assert (former["scope"], former["key"], former["sha256"]) == (immutable(1), before["key"], before["sha256"])
    assert message(bag, 1)["sha256"] == new["sha256"] != before["sha256"]


def test_a_draft_that_was_only_saved_again_keeps_its_bytes(ada: MailDesk) -> None:
    ada.run()
    before = message(ada.bag(), 1)
    ada.change({"id": made("message", 1), "op": "update", "set": {"importance": "high"}})
    assert ada.asked_by(ada.run)[MIME] == 1, "nothing else tells of an edit"
    bag = ada.checked()
    assert message(bag, 1)["key"] == before["key"] and not [*bag.of("version")]


def test_deleted_is_gone_and_comes_back_without_a_fetch(ada: MailDesk) -> None:
    """Into Recoverable Items, which are not asked for, and out again: the immutable id stays."""
    ada.run()
    deletions = made("folder", data.DELETIONS)
    ada.change(move(12, deletions))
    ada.run()
    row = message(ada.checked(), 12)
    assert row["outcome"] == "gone" and row["since"]
    ada.change(move(12, INBOX))
    assert ada.asked_by(ada.run)[MIME] == 0
    row = message(ada.checked(), 12)
    assert row["outcome"] == "copied" and "since" not in row


# ---------------------------------------------------------------------------------------------------------- folders


def test_a_renamed_folder_takes_its_rows_along_and_nothing_is_fetched(ada: MailDesk) -> None:
    ada.run()
    ada.change({"kind": "folder", "id": INBOX, "op": "rename", "name": "Post/fach"})
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0
    bag = ada.checked()
    assert message(bag, 6)["folder"] == "/Post/fach" and message(bag, 6)["path"] == "/Post/fach/message 6"
    assert message(bag, data.TWIN_FIRST)["folder"] == "/Post/fach/Twin"


def test_a_moved_folder_takes_all_below_it_along(ada: MailDesk) -> None:
    ada.change(move(6, made("folder", data.SLASH)))
    ada.run()
    ada.change({"kind": "folder", "id": TWIN, "op": "move", "to": ARCHIVE})
    assert ada.asked_by(ada.run)[MIME] == 0
    bag = ada.checked()
    assert message(bag, data.TWIN_FIRST)["folder"] == "/Archive/Twin"
    slash = bag.rows["folder", "", made("folder", data.SLASH)]["path"]
    assert message(bag, 6)["folder"] == slash


def test_a_deleted_folder_takes_its_messages_but_those_that_were_moved_out(ada: MailDesk) -> None:
    ada.run()
    ada.change(move(data.TWIN_FIRST, ARCHIVE), {"kind": "folder", "id": TWIN, "op": "delete"})
    ada.run()
    bag = ada.checked()
    assert message(bag, data.TWIN_FIRST)["outcome"] == "copied"
    assert message(bag, data.TWIN_FIRST + 1)["outcome"] == "gone"
    assert bag.rows["folder", "", TWIN]["outcome"] == "gone"


def test_a_folder_that_is_deleted_while_it_is_listed_is_no_problem(ada: MailDesk) -> None:
    """The walk found it, its listing does not, and the next round knows."""
    change = {"kind": "folder", "user": data.ADA, "id": TWIN, "op": "delete"}
    ada.faults(
        {"route": f"users/*/mailFolders/{TWIN}/messages/delta", "fault": "change", "count": 1, "changes": [change]}
    )
    result = ada.run()
    assert ada.fired() == 1 and result.problems == []
    ada.checked()


def test_a_folder_that_is_not_found_for_once_is_listed_anew_in_the_same_run(ada: MailDesk) -> None:
    ada.run()
    ada.change({"id": made("message", 7), "op": "delete"}, {"id": made("message", 8), "op": "copy", "to": INBOX})
    ada.faults({"route": f"users/*/mailFolders/{INBOX}/messages/delta", "fault": "mail-404", "count": 1})
    result = ada.run()
    assert ada.fired() == 1 and result.problems == []
    assert message(ada.checked(), 7)["outcome"] == "gone"


def test_a_folder_that_is_there_and_never_found_is_a_problem(ada: MailDesk) -> None:
    ada.run()
    ada.faults({"route": f"users/*/mailFolders/{INBOX}/messages/delta", "fault": "mail-404"})
    result = ada.run()
    assert result.problems == ["folders_not_listed"] and of_class(result, "mail")["state"] == "in part"
    bag = ada.bag(whole=False)
    assert message(bag, 7)["outcome"] == "copied"
    ada.faults()
    ada.change({"id": made("message", 7), "op": "delete"})
    assert ada.run().problems == []
    ada.checked()


def test_a_link_that_is_not_taken_any_more_lists_anew(ada: MailDesk) -> None:
    ada.run()
    ada.change({"id": made("message", 7), "op": "delete"})
    refused = {"fault": "status", "status": 400, "code": "ErrorInvalidRequest", "count": 1}
    ada.faults({**refused, "route": f"users/*/mailFolders/{INBOX}/messages/delta"})
    assert ada.run().problems == []
    assert message(ada.checked(), 7)["outcome"] == "gone"


# ------------------------------------------------------------------------------------------------------------ others


def test_events_change_and_go(ada: MailDesk) -> None:
    ada.run()
    ada.change(
        {"kind": "event", "id": made("event", 0), "op": "update", "set": {"subject": "later"}},
        {"kind": "event", "id": made("event", 3), "op": "delete"},
    )
    assert ada.asked_by(ada.run)["users/{user}/events/{event}"] == 1
    bag = ada.checked()
    (row,) = [row for row in bag.of("event") if row["name"] == "later"]
    assert bag.lines[row["key"]]["graph"]["subject"] == "later"
    assert len([*bag.of("version")]) == 1 and len([r for r in bag.rows.values() if r["outcome"] == "gone"]) == 1


def test_a_cancelled_occurrence_more_is_news_of_its_series(ada: MailDesk) -> None:
    ada.run()
    days = [f"OID.{made('event', 1)}.2025-03-{day}" for day in (24, 31)]
    ada.change({"kind": "event", "id": made("event", 1), "op": "update", "set": {"cancelledOccurrences": days}})
    ada.run()
    bag = ada.checked()
    (series,) = [row for row in bag.of("event") if row["name"] == "event 1"]
    assert len(bag.lines[series["key"]]["graph"]["cancelledOccurrences"]) == 2


@pytest.mark.parametrize(
    ("kind", "n", "of"), [("list", 0, "task"), ("calendar", 1, "event"), ("contactFolder", 1, "contact")]
)
def test_a_folder_of_other_things_is_removed_with_all_in_it(ada: MailDesk, kind: str, n: int, of: str) -> None:
    ada.run()
    before = len([*ada.bag().of(of)])
    ada.change({"kind": kind, "id": made(kind, n), "op": "delete"})  # type: ignore[arg-type]
    ada.run()
    bag = ada.checked()
    assert len([*bag.of(of)]) < before
    assert bag.rows["folder", "", made(kind, n)]["outcome"] == "gone"  # type: ignore[arg-type]
    ada.asked_by(ada.run)
    assert ada.desk.asked(made(kind, n)) == []  # type: ignore[arg-type]


def test_tasks_change_and_go(ada: MailDesk) -> None:
    ada.run()
    ada.change(
        {"kind": "task", "id": made("task", 0), "op": "update", "set": {"title": "done", "checklistItems": []}},
        {"kind": "task", "id": made("task", 1), "op": "delete"},
        {"kind": "task", "op": "create", "to": made("list", 0), "row": {"title": "new"}},
    )
    ada.run()
    bag = ada.checked()
    assert {row["name"] for row in bag.of("task")} == {"done", "task 2", "new"}


# --------------------------------------------------------------------------------------------------- Recoverable Items


def test_recoverable_items_are_asked_for_later_and_not_any_more(ada: MailDesk) -> None:
    ada.settings = NONE
    assert of_class(ada.run(), "recoverable_items")["state"] == "not asked"
    ada.settings = ALL
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 1
    assert message(ada.checked(), data.DELETED)["outcome"] == "copied"
    ada.settings = NONE
    ada.change(move(data.DELETED, INBOX), move(7, made("folder", data.DELETIONS)))
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0 and not ada.desk.asked(made("folder", data.DELETIONS))
    bag = ada.bag()
    assert message(bag, data.DELETED)["outcome"] == "copied" and message(bag, 7)["outcome"] == "gone"
    ada.settings = ALL
    assert ada.asked_by(ada.run)[MIME] == 0
    assert message(ada.checked(), 7)["outcome"] == "copied"


def test_what_is_held_of_recoverable_items_is_not_gone_when_they_are_not_asked_for(ada: MailDesk) -> None:
    ada.settings = ALL
    ada.run()
    ada.settings = NONE
    ada.run()
    ada.run()
    bag = ada.bag()
    assert message(bag, data.DELETED)["outcome"] == "copied"
    assert not [row for row in bag.rows.values() if row["outcome"] == "gone"]


def test_recoverable_items_that_are_refused_are_said(ada: MailDesk) -> None:
    ada.settings = ALL
    ada.faults({"route": "users/*/mailFolders/recoverableitemsroot", "fault": "mailbox-full"})
    result = ada.run()
    assert result.problems == ["folders_not_listed"]
    assert of_class(result, "recoverable_items")["state"] == "not reachable"
    assert of_class(result, "mail").get("code") is None
    assert len([*ada.bag().of("message")]) == data.DELETED


# ----------------------------------------------------------------------------------------------------------- refusals


def denied(route: str) -> Row:
    return {"route": route, "fault": "status", "status": 403, "code": "ErrorAccessDenied"}


def test_one_folder_that_is_refused_stops_nothing_else(ada: MailDesk) -> None:
    ada.run()
    ada.change(
        {"id": made("message", 7), "op": "delete"},
        {"id": made("message", data.TWIN_FIRST), "op": "delete"},
        {"kind": "contact", "id": made("contact", 1), "op": "delete"},
        {"id": made("message", 8), "op": "copy", "to": ARCHIVE},
    )
    ada.faults(denied(f"users/*/mailFolders/{INBOX}/messages/delta"))
    result = ada.run()
    assert result.problems == ["folders_not_listed"] and result.copied == 1
    assert of_class(result, "mail")["state"] == "in part" and "code" not in of_class(result, "contacts")
    bag = ada.bag(whole=False, settled=False)
    assert message(bag, 7)["outcome"] == message(bag, data.TWIN_FIRST)["outcome"] == "copied"
    assert len([*bag.of("contact")]) == 13, "nothing keeps a contact from being gone"
    ada.faults()
    assert ada.run().problems == []
    ada.checked()


@pytest.mark.parametrize(
    ("routes", "of", "kind"),
    [
        (("users/*/contactFolders*", "users/*/contacts*"), "contacts", "contact"),
        (("users/*/calendars*", "users/*/events*"), "calendar", "event"),
        (("users/*/todo/*",), "tasks", "task"),
    ],
)
def test_a_class_that_is_refused_is_said_and_nothing_of_it_is_gone(
    ada: MailDesk, routes: tuple[str, ...], of: str, kind: str
) -> None:
    ada.run()
    before = len([*ada.bag().of(kind)])
    ada.change({"id": made("message", 7), "op": "delete"}, {"kind": "folder", "id": TWIN, "op": "delete"})
    ada.faults(*map(denied, routes))
    result = ada.run()
    row = of_class(result, of)
    assert (row["state"], row["code"]) == ("not reachable", "permission_missing") and row["alternative"]
    assert of_class(result, "mail")["state"] == "in part", "the one that is S/MIME"
    bag = ada.bag(whole=False)
    assert len([*bag.of(kind)]) == before
    assert message(bag, 7)["outcome"] == bag.rows["folder", "", TWIN]["outcome"] == "gone"
    ada.faults()
    assert ada.run().problems == []
    ada.checked()


def test_a_class_that_is_refused_from_the_start_is_copied_once_it_is_not(ada: MailDesk) -> None:
    ada.faults(denied("users/*/contactFolders*"), denied("users/*/contacts*"))
    assert ada.run().problems == ["folders_not_listed"]
    assert not [*ada.bag(whole=False).of("contact")]
    ada.faults()
    ada.run()
    ada.checked()


def test_rules_and_categories_that_are_refused_stay_and_are_said(ada: MailDesk) -> None:
    ada.run()
    ada.clock.turn(timedelta(days=2))
    ada.faults(denied("users/*/messageRules"), denied("users/*/masterCategories"), denied("users/*/mailboxSettings"))
    result = ada.run()
    assert result.exceptions["access_denied"] == 3 and result.excepted_kinds["setting"] == 3
    bag = ada.bag()
    assert (len([*bag.of("rule")]), len([*bag.of("category")])) == (2, 4)
    assert bag.rows["setting", "", "mailboxSettings"]["outcome"] == "copied"
    ada.faults()
    result = ada.run()
    assert "access_denied" not in result.exceptions and "setting" not in result.excepted_kinds
    before = ada.bag().rows
    ada.run()
    assert ada.bag().rows == before


def test_the_profile_is_read_once_a_day_and_only_what_is_new_is_kept(ada: MailDesk) -> None:
    route = "users/{user}/mailboxSettings"
    assert ada.asked_by(ada.run)[route] == 1 and ada.asked_by(ada.run)[route] == 0
    ada.clock.turn(timedelta(hours=25))
    assert ada.asked_by(ada.run)[route] == 1
    assert not [*ada.bag().of("version")]
    ada.faults({"route": "users/*/mailboxSettings", "fault": "edit", "edits": [{"at": "timeZone", "to": "UTC"}]})
    ada.clock.turn(timedelta(hours=25))
    ada.run()
    assert [row["scope"] for row in ada.bag().of("version")] == ["mailboxSettings"]


def test_a_mailbox_that_is_denied_altogether_loses_nothing(ada: MailDesk) -> None:
    ada.run()
    before = ada.bag().rows
    ada.desk.settings(denied_mailboxes=[data.ADA])
    with pytest.raises(Exception, match="may not read") as caught:
        ada.run()
    assert caught.value.code == "permission_missing"  # type: ignore[attr-defined]
    after = {spot: row for spot, row in ada.bag(whole=False).rows.items() if spot[0] not in ("setting", "derived")}
    assert after == {spot: row for spot, row in before.items() if spot[0] not in ("setting", "derived")}


def test_mass_disappearance_waits_for_a_person(tenant: Path, tmp_path: Path) -> None:
    with mail_desk(tenant, tmp_path / "store") as ada:
        copies = [{"id": made("message", n % 24), "op": "copy", "to": ARCHIVE} for n in range(110) if n % 24 != 3]
        ada.change(*copies)
        ada.run()
        ada.change({"kind": "folder", "id": ARCHIVE, "op": "delete"})
        result = ada.run()
        assert result.problems == ["mass_disappearance"] and result.counts["pending"] > 0
        bag = ada.bag(whole=False, settled=False)
        assert len([*bag.of("message")]) == data.DELETED + len(copies)
        digest = result.digests["mass_disappearance"]
        assert ada.run(accepts=lambda found: found == "another").problems == ["mass_disappearance"]
        result = ada.run(accepts=lambda found: found == digest)
        assert result.problems == [] and result.gone_now == len(copies) + 1
        ada.checked()


# ------------------------------------------------------------------------------------------------------------- stops


def essence(bag: MailboxBag) -> dict[Any, Any]:
    """What must be the same whatever cut the run off: identity, bytes, place and outcome."""
    kinds = {"message", "contact", "event", "task", "attachment", "folder"}
    return {
        spot: tuple(row.get(name) for name in ("sha256", "path", "outcome", "code", "size"))
        for spot, row in bag.rows.items()
        if spot[0] in kinds
    }


@pytest.mark.parametrize("after", [1, 5, 20, 40])
def test_a_stop_while_contents_come_goes_on_and_is_equal(
    ada: MailDesk, tenant: Path, tmp_path: Path, after: int
) -> None:
    stop = threading.Event()
    first = ada.asked_by(lambda: ada.run(stop=stop, progress=Stopping(stop, after)))
    ada.bag(whole=False, settled=False)
    second = ada.asked_by(ada.run)
    assert first[MIME] + second[MIME] == 26 + 3, (
        "the one whose MIME is refused is asked for three times, no other twice"
    )
    found = essence(ada.checked())
    with mail_desk(tenant, tmp_path / "undisturbed") as other:
        other.run()
        assert essence(other.checked()) == found


def test_a_mailbox_that_fails_in_between_keeps_what_came(ada: MailDesk) -> None:
    ada.faults({"route": VALUE, "fault": "no-mailbox", "after": 8})
    with pytest.raises(Exception, match="mailbox"):
        ada.run()
    bag = ada.bag(whole=False, settled=False)
    assert 4 <= len([row for row in bag.of("message") if row["outcome"] == "copied"]) <= 8
    ada.faults()
    assert ada.asked_by(ada.run)[MIME] <= 23 + 3
    ada.checked()


# ----------------------------------------------------------------------------------------- a mailbox that gives nothing


def test_q042_a_mailbox_that_is_throttled_without_end_is_left(ada: MailDesk) -> None:
    """Not folder by folder, with the whole patience for each."""
    ada.run()
    ada.change({"id": made("message", 7), "op": "delete"})
    ada.faults({"route": "users/*/delta", "fault": "503"})
    ada.clock.hurry(1500.0)  # the patience is hours
    with pytest.raises(SourceError) as caught:
        ada.run()
    ada.clock.hurry(60.0)
    refused = {row["path"] for row in ada.desk.asked() if row["fault"]}
    assert caught.value.code == "throttled"
    assert len(refused) >= MOST_FOLDERS  # the next ones were asked ahead, side by side
    bag = ada.bag(whole=False)
    assert message(bag, 7)["outcome"] == "copied"
    ada.faults()
    ada.run()
    ada.checked()


def test_q042_a_folder_that_gives_nothing_stops_no_other(ada: MailDesk) -> None:
    ada.faults({"route": f"users/*/mailFolders/{INBOX}/messages/delta", "fault": "500"})
    result = ada.run()
    assert result.problems == ["folders_not_listed"]
    bag = ada.bag(whole=False)
    assert len([*bag.of("message")]) == 2 and len([*bag.of("contact")]) == 14
    ada.faults()
    ada.run()
    ada.checked()


def test_q032_a_mailbox_that_denies_all_contents_is_left_after_some(
    ada: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.mail.capture.contents.MOST_ITEMS", 9)
    ada.faults(denied(VALUE), denied("users/*/contacts/*"), denied("users/*/events/*"))
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            ada.run()
        assert caught.value.code == "permission_missing" and "9 things" in str(caught.value)
    bag = ada.bag(whole=False, settled=False)
    refused = [row for row in bag.rows.values() if row.get("code") == "access_denied"]
    assert len(refused) > 9, "the second run gets on to others"
    ada.faults()
    ada.run()
    ada.checked()
