"""Quirks of mailboxes in the listing, each by the capture of a whole mailbox: delta, folders, ids, refusals."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.graph.errors import NoMailboxError, UserNotFoundError
from exporters.mail.capture import collections as capture_collections
from exporters.mail.settings import MailSettings
from tests.faults.mail_desk import VALUE, MailDesk, mail_desk
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

DELTA = "users/{user}/mailFolders/{folder}/messages/delta"
MIME = "users/{user}/messages/{message}/$value"
INBOX = f"users/*/mailFolders/{made('folder', data.INBOX)}/messages/delta"
TWIN = f"users/*/mailFolders/{made('folder', data.TWIN)}/messages/delta"
RECOVERABLE = MailSettings(recoverable="all", fasttransfer="off", archive="none")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("mail") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


def of_folder(ada: MailDesk, folder: int) -> int:
    """Requests for changes of one folder since they were forgotten."""
    return len(ada.desk.asked(f"{made('folder', folder)}/messages/delta"))


def immutable(n: int) -> str:
    return data.made_id("message", 0, n, "data", immutable=True)


# ------------------------------------------------------------------------------------------------------------ delta


def test_a_run_without_news_costs_one_delta_a_folder_and_the_walk(ada: MailDesk) -> None:
    ada.run()
    asked = ada.asked_by(ada.run)
    assert asked.pop(DELTA) == 8
    assert asked.pop("users/{user}/contactFolders/{contactFolder}/contacts/delta") == 4
    assert asked.pop("users/{user}/todo/lists/{list}/tasks/delta") == 1
    assert asked.pop("users/{user}/calendars/{calendar}/events") == 2
    walked = {"mailFolders/{folder}", "mailFolders/{folder}/childFolders", "contactFolders", "calendars", "todo/lists"}
    walked |= {"contactFolders/{contactFolder}", "contactFolders/{contactFolder}/childFolders"}
    assert {route.removeprefix("users/{user}/") for route in asked} == walked
    ada.checked()


@pytest.mark.parametrize("code", ["SyncStateNotFound", "syncStateInvalid", "ErrorSyncFolderNotFound"])
def test_q002_a_lost_state_lists_that_folder_alone_anew(ada: MailDesk, code: str) -> None:
    ada.run()
    ada.change(
        {"id": made("message", 7), "op": "delete"}, {"id": made("message", 8), "op": "update", "set": {"isRead": False}}
    )
    ada.faults({"route": INBOX, "fault": "mail-410", "code": code, "count": 1})
    asked = ada.asked_by(ada.run)
    assert ada.fired() == 1 and asked[MIME] == 0
    assert of_folder(ada, data.TWIN) <= 4 and of_folder(ada, data.ARCHIVE) <= 4
    bag = ada.checked()
    assert bag.rows["message", "", immutable(7)]["outcome"] == "gone"
    assert bag.rows["message", "", immutable(25)]["outcome"] == "copied"


def test_q002_after_a_move_to_another_server_all_is_listed_and_nothing_is_fetched(ada: MailDesk) -> None:
    ada.run()
    ada.change({"kind": "mailbox", "op": "move-server"}, {"id": made("message", 9), "op": "delete"})
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0
    assert ada.checked().rows["message", "", immutable(9)]["outcome"] == "gone"


def test_q002_a_state_that_is_always_lost_is_that_folders_problem(ada: MailDesk) -> None:
    ada.run()
    ada.change({"id": made("message", 7), "op": "delete"}, {"id": made("message", 25), "op": "delete"})
    ada.faults({"route": INBOX, "fault": "mail-410"})
    result = ada.run()
    assert result.problems == ["folders_not_listed"]
    mail = next(row for row in result.coverage if row["class"] == "mail")
    assert (mail["state"], mail["code"]) == ("in part", "resync_required")
    bag = ada.bag(whole=False, settled=False)
    assert bag.rows["message", "", immutable(25)]["outcome"] == "copied", "it may be where we could not look"
    ada.faults()
    assert ada.run().problems == []
    rows = ada.checked().rows
    assert {rows["message", "", immutable(n)]["outcome"] for n in (7, 25)} == {"gone"}


def test_q003_rows_come_twice_and_in_any_order(ada: MailDesk) -> None:
    ada.faults({"route": "users/*/delta", "fault": "duplicate-rows"})
    ada.run()
    assert ada.fired() > 0
    ada.checked()


def test_q005_pages_without_rows_are_followed(tenant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(capture_collections.PAGES, "messages", 3)
    with mail_desk(tenant, tmp_path / "store") as ada:
        ada.faults({"route": "users/*/delta", "fault": "empty-page", "after": 1, "count": 5})
        ada.run()
        assert ada.fired() == 5
        ada.checked()


@pytest.mark.parametrize("odd", [True, False])
def test_small_pages_repeats_and_odd_orders_change_nothing(
    tenant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: bool
) -> None:
    for word in capture_collections.PAGES:
        monkeypatch.setitem(capture_collections.PAGES, word, 4)
    with mail_desk(tenant, tmp_path / "store") as ada:
        ada.desk.settings(empty_pages=odd, odd_delta=odd, odd_folders=odd)
        ada.run()
        ada.checked()
        ada.change(
            {"id": made("message", 3), "op": "move", "to": made("folder", data.ARCHIVE)},
            {"id": made("message", 5), "op": "delete"},
        )
        ada.run()
        ada.checked()


def test_q007_a_mailbox_over_its_quota_is_listed_without_delta(ada: MailDesk) -> None:
    ada.faults({"route": "users/*/delta", "fault": "mailbox-full"})
    assert ada.run().problems == []
    ada.checked()
    ada.change(
        {"id": made("message", 7), "op": "delete"},
        {"id": made("message", 8), "op": "move", "to": made("folder", data.TWIN)},
    )
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0
    ada.checked()
    ada.faults()
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0
    ada.checked()
    assert ada.asked_by(ada.run)[DELTA] == 8


def test_q008_each_folder_has_a_state_and_one_that_disappears_takes_it_along(ada: MailDesk) -> None:
    ada.change({"kind": "folder", "op": "create", "name": "New", "to": made("folder", data.INBOX)})
    (new,) = [one["id"] for one in ada.truth() if one["kind"] == "folder" and one["folder"][-1:] == ["New"]]
    ada.change({"id": made("message", 4), "op": "move", "to": new}, {"id": made("message", 6), "op": "move", "to": new})
    ada.run()
    assert ada.checked().rows["folder", "", new]["path"] == "/Inbox/New"
    ada.change({"kind": "folder", "op": "delete", "id": new})
    ada.run()
    rows = ada.checked().rows
    assert {rows["message", "", immutable(n)]["outcome"] for n in (4, 6)} == {"gone"}
    assert rows["folder", "", new]["outcome"] == "gone"
    ada.asked_by(ada.run)
    assert ada.desk.asked(new) == []


def test_q009_what_is_asked_for_stands_with_the_state(ada: MailDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.run()
    fewer = capture_collections.MESSAGE
    monkeypatch.setattr(capture_collections, "MESSAGE", f"{fewer},bodyPreview")
    monkeypatch.setattr("exporters.mail.capture.contents.EVENT", "id,changeKey,subject,body,start,end")
    monkeypatch.setattr(capture_collections, "EVENT", "id,changeKey,subject,body,start,end")
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0, "the MIME is the same"
    assert asked["users/{user}/events/{event}"] == 3
    bag = ada.checked()
    row = bag.rows["message", "", immutable(10)]
    assert bag.record(row)["graph"]["bodyPreview"] == "Body & 10"
    asked = ada.asked_by(ada.run)
    assert (asked[DELTA], asked["users/{user}/events/{event}"]) == (8, 0)


def test_q010_an_item_that_a_listing_leaves_out_is_not_lost(ada: MailDesk) -> None:
    """Events are paged by `$skip`: one that slips through comes back with the next round, and is never fetched again."""
    ada.run()
    ada.change({"kind": "event", "id": made("event", 0), "op": "update", "set": {"subject": "moved on"}})
    ada.faults({"route": "users/*/calendars/*/events", "fault": "missing-row", "index": 1, "after": 1, "count": 1})
    asked = ada.asked_by(ada.run)
    assert ada.fired() == 1 and asked["users/{user}/events/{event}"] == 1
    assert {row["outcome"] for row in ada.checked().of("event")} == {"copied"}


def test_q010_a_calendar_of_which_two_listings_differ_is_listed_again(ada: MailDesk) -> None:
    """What stands with its state is what both of them brought, or nothing: else what is deleted later would never be noticed."""
    ada.run()
    other = made("calendar", 1)
    ada.faults({"route": f"users/*/calendars/{other}/events", "fault": "missing-row", "count": 2})
    ada.run()
    assert ada.fired() == 2
    ada.checked()
    ada.change({"kind": "event", "id": made("event", 3), "op": "delete"})
    ada.run()
    ada.checked()


def test_q010_a_message_that_a_delta_leaves_out_is_found_by_the_count(ada: MailDesk) -> None:
    ada.faults({"route": INBOX, "fault": "missing-row", "count": 1})
    result = ada.run()
    assert ada.fired() == 1 and result.unexplained == 0
    ada.checked()


def test_q010_a_count_that_never_fits_is_unexplained_and_lists_anew_in_each_run(ada: MailDesk) -> None:
    ada.run()
    more = {"at": "value/*/totalItemCount", "to": 40}
    ada.faults(
        {"route": f"users/*/mailFolders/{made('folder', data.INBOX)}/childFolders", "fault": "edit", "edits": [more]}
    )
    result = ada.run()
    assert result.unexplained == 2, "both twins"
    ada.bag(whole=False)
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0
    assert any(
        "deltatoken" not in row["query"] for row in ada.desk.asked(f"{made('folder', data.OTHER_TWIN)}/messages/delta")
    )
    ada.faults()
    assert ada.run().unexplained == 0
    ada.checked()


# ---------------------------------------------------------------------------------------------------------- the walk


def test_q066_hidden_folders_are_copied_and_marked(ada: MailDesk) -> None:
    hidden, below = made("folder", data.HIDDEN), "Under cover"
    ada.change({"kind": "folder", "op": "create", "name": below, "to": hidden})
    (new,) = [one["id"] for one in ada.truth() if one["kind"] == "folder" and one["folder"][-1:] == [below]]
    ada.change({"id": made("message", 4), "op": "move", "to": new})
    ada.run()
    rows = ada.checked().rows
    assert rows["folder", "", hidden]["service"]["isHidden"] is True
    assert rows["message", "", immutable(4)]["folder"] == f"/Hidden/{below}"
    listings = ada.desk.asked("/childFolders")
    assert all("includeHiddenFolders=true" in row["query"] for row in listings if "mailFolders" in row["path"])


def test_q067_search_folders_hold_nothing_of_their_own(ada: MailDesk) -> None:
    ada.run()
    bag = ada.checked()
    assert bag.rows["folder", "", made("folder", data.SEARCH)]["service"]["class"] == "search"
    assert of_folder(ada, data.SEARCH) == 0


def test_q068_the_walk_begins_below_the_root(ada: MailDesk) -> None:
    ada.change({"id": made("message", 4), "op": "move", "to": made("folder", data.HISTORY)})
    ada.run()
    bag = ada.checked()
    assert bag.rows["message", "", immutable(4)]["folder"] == "/Conversation History"
    assert not [row for row in ada.desk.asked() if row["route"] == "users/{user}/mailFolders"]


def test_q069_twins_and_names_with_a_slash_stay_apart(ada: MailDesk) -> None:
    ada.change(
        {"id": made("message", 4), "op": "move", "to": made("folder", data.SLASH)},
        {"id": made("message", 5), "op": "move", "to": made("folder", data.OTHER_TWIN)},
    )
    ada.run()
    bag = ada.checked()
    twins = [row for row in bag.of("folder") if row["path"] == "/Inbox/Twin"]
    assert len(twins) == 2
    parents = {n: bag.rows["message", "", immutable(n)]["parent"] for n in (4, 5, data.TWIN_FIRST)}
    assert parents == {
        4: made("folder", data.SLASH),
        5: made("folder", data.OTHER_TWIN),
        data.TWIN_FIRST: made("folder", data.TWIN),
    }
    assert bag.record(bag.rows["message", "", immutable(4)])["folder"] == ["Inbox", "Twin", "a/b"]


def test_q077_a_move_changes_rows_and_asks_for_no_mime(ada: MailDesk) -> None:
    ada.run()
    before = ada.bag().rows["message", "", immutable(4)]
    ada.change(
        {"id": made("message", 4), "op": "move", "to": made("folder", data.ARCHIVE)},
        {"id": made("message", 5), "op": "move-back", "to": made("folder", data.ARCHIVE)},
    )
    asked = ada.asked_by(ada.run)
    assert asked[MIME] == 0 and asked["users/{user}/messages/{message}"] == 0
    row = ada.checked().rows["message", "", immutable(4)]
    assert (row["key"], row["folder"]) == (before["key"], "/Archive")
    assert not [row for row in ada.bag().rows.values() if row["outcome"] == "gone"]


# ------------------------------------------------------------------------------------------------- mailboxes, refusals


def test_q057_a_mailbox_that_was_taken_away_stays_as_it_is(ada: MailDesk) -> None:
    ada.run()
    ada.change({"kind": "mailbox", "op": "deactivate"})
    with pytest.raises(NoMailboxError):
        ada.run()
    bag = ada.bag(whole=False)
    assert {row["outcome"] for row in bag.rows.values()} <= {"copied", "excepted"}
    assert len([*bag.of("message")]) == data.DELETED


@pytest.mark.parametrize("code", ["ErrorInvalidUser", "ResourceNotFound", "Request_ResourceNotFound"])
def test_q058_a_user_that_is_not_found_is_no_empty_mailbox(ada: MailDesk, code: str) -> None:
    ada.run()
    ada.faults({"route": "users/*", "fault": "status", "status": 404, "code": code})
    with pytest.raises(UserNotFoundError):
        ada.run()
    ada.faults()
    ada.clock.turn(capture_day())
    asked = ada.asked_by(ada.run)
    assert asked[DELTA] == 8 and asked[MIME] == 0, "no state was thrown away"
    assert not [row for row in ada.checked().rows.values() if row["outcome"] == "gone"]


def test_q058_a_user_that_is_removed_while_contents_come_leaves_the_rest_pending(ada: MailDesk) -> None:
    ada.faults({"route": VALUE, "fault": "status", "status": 404, "code": "ErrorInvalidUser", "after": 5})
    with pytest.raises(UserNotFoundError):
        ada.run()
    bag = ada.bag(whole=False, settled=False)
    assert not [row for row in bag.rows.values() if row.get("code") == "not_found_while_listed"]
    ada.faults()
    ada.run()
    ada.checked()


def capture_day() -> Any:
    from exporters.mail.capture.profile import AFTER

    return AFTER


def test_a_stop_while_it_is_listed_goes_on_where_it_was(
    tenant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(capture_collections.PAGES, "messages", 4)
    with mail_desk(tenant, tmp_path / "store") as ada:
        stop = threading.Event()
        ask = type(ada.desk.graph).exchange

        def stopping(self: Any, call: Any, *arguments: Any, **named: Any) -> Any:
            if "skiptoken" in call.url:
                stop.set()
            return ask(self, call, *arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(type(ada.desk.graph), "exchange", stopping)
            ada.run(stop=stop)
        assert stop.is_set()
        ada.bag(whole=False, settled=False)
        asked = ada.asked_by(ada.run)
        assert asked[MIME] >= data.DELETED - 1
        ada.checked()
