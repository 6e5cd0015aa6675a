"""Answers with success that leave out what is there, or stand for something else: what a run once called complete and was not.

Rules of this file: each test is a loss that a sceptical reader found; the fault is of the tenant, the verdict that of the run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.mail.settings import MailSettings
from tests.faults.mail_desk import VALUE, MailDesk, mail_desk
from tests.faults.test_mail_listings import EMPTY, edit, event
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
TASKS = "users/*/todo/lists/*/tasks"
LIST = "re:(mailFolders/[^/]*|childFolders)$"
OTHER = "From: eve@rehearsal.example\r\nMessage-ID: <666@rehearsal.example>\r\n\r\nBody of another.\r\n"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("silent") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


@pytest.fixture
def group(ada: MailDesk) -> MailDesk:
    ada.owner, ada.is_group = data.GROUP, True
    return ada


def graph_of(ada: MailDesk, kind: str, name: str) -> Row:
    """The record of an item."""
    bag = ada.bag(whole=False)
    (row,) = [row for row in bag.of(kind) if row["name"] == name]
    found: Row = bag.lines[row["key"]]["graph"]
    return found


def coverage(ada: MailDesk) -> dict[str, Row]:
    """Of another run."""
    return {row["class"]: row for row in ada.run().coverage}


# ---------------------------------------------------------------------------------------------------- what hangs on an item


NO_PARTS = [{"at": f"value/*/{name}", "drop": True} for name in ("checklistItems", "linkedResources")]
WHOLE_ROW = {"at": "value/*/createdDateTime", "to": "2025-01-01T00:00:00Z", "add": True}


def test_a_checklist_that_a_listing_passes_over_is_asked_for(ada: MailDesk) -> None:
    ada.faults(edit(f"{TASKS}/delta", [*NO_PARTS, WHOLE_ROW]))
    assert ada.run().exceptions == {"mime_refused": 1} and ada.fired()
    assert [one["displayName"] for one in graph_of(ada, "task", "task 0")["checklistItems"]] == ["first"]


def test_a_checklist_that_is_refused_is_an_exception_and_heals(ada: MailDesk) -> None:
    ada.faults(edit(f"{TASKS}/delta", [*NO_PARTS, WHOLE_ROW]), {"route": f"{TASKS}/*/checklistItems", "fault": "403"})
    assert ada.run().exceptions == {"mime_refused": 1, "attachment_unreadable": 3}
    ada.faults()
    assert "attachment_unreadable" not in ada.run().exceptions
    ada.checked()
    assert len(graph_of(ada, "task", "task 0")["checklistItems"]) == 1


BLOB = [{"at": "singleValueExtendedProperties", "drop": True}]


@pytest.mark.parametrize("how", [{"drop": True}, {"to": None}])
def test_q079_a_series_of_which_the_cancelled_ones_are_not_told_is_not_whole(ada: MailDesk, how: Row) -> None:
    ada.faults(edit("users/*/events/*", [{"at": "cancelledOccurrences", **how}, *BLOB]))
    assert ada.run().exceptions["attachment_unreadable"] == 2  # two series
    ada.faults()
    assert "attachment_unreadable" not in ada.run().exceptions
    assert len(event(ada.checked(), "event 1")["cancelledOccurrences"]) == 1


def test_q079_outlooks_own_blob_tells_of_the_cancelled_ones_too(ada: MailDesk) -> None:
    """It comes under an id in other letters than it was asked for."""
    blob = {"id": "Binary {00062002-0000-0000-c000-000000000046} Id 0x8216", "value": "BDAEMA=="}
    add = {"at": "singleValueExtendedProperties", "to": [blob], "add": True}
    ada.faults(edit("users/*/events/*", [{"at": "cancelledOccurrences", "drop": True}, add]))
    assert "attachment_unreadable" not in ada.run().exceptions and ada.fired()


@pytest.mark.parametrize(("kind", "of"), [("event", "events/*"), ("task", "todo/lists/*/tasks/*")])
def test_attachments_that_an_item_has_and_the_service_does_not_list(ada: MailDesk, kind: str, of: str) -> None:
    has = {"at": "hasAttachments", "to": True, "add": True}
    ada.faults(edit(f"users/*/{of}/attachments", EMPTY), edit(f"users/*/{of}", [has]))
    found = ada.run().exceptions["attachment_unreadable"]
    assert found == len(list(ada.bag().of(kind))) > 1
    ada.faults()
    assert "attachment_unreadable" not in ada.run().exceptions
    ada.checked()


def test_q072_links_are_asked_for_where_nothing_says_that_there_are_none(ada: MailDesk) -> None:
    ada.faults(edit("users/*/mailFolders/*/messages/delta", [{"at": "value/*/hasAttachments", "drop": True}]))
    ada.run()
    bag = ada.checked()
    (row,) = [row for row in bag.of("message") if row["name"] == "message 2"]
    assert "plan.docx" in {one["name"] for one in bag.record(row)["attachments"]}


# -------------------------------------------------------------------------------------------------------------- listings


@pytest.mark.parametrize("count", [1, None])
def test_a_thread_without_posts_is_not_believed(group: MailDesk, count: int | None) -> None:
    group.faults(edit("groups/*/threads/*/posts", EMPTY, **({} if count is None else {"count": count})))
    assert group.run().problems == ([] if count else ["folders_not_listed"])
    group.faults()
    assert group.run().problems == []
    truth = group.desk.client.control("GET", f"truth/groups/{data.GROUP}")
    assert {row["id"] for row in group.bag().of("post")} == {post["id"] for post in truth}


def test_a_group_without_threads_is_believed_where_it_has_no_conversations_either(group: MailDesk) -> None:
    group.faults(edit("groups/*/threads", EMPTY))
    result = group.run()
    assert result.problems == ["folders_not_listed"] and result.coverage[0]["code"] == "listing_incomplete"


def test_a_group_that_nobody_wrote_to_is_whole(group: MailDesk) -> None:
    group.faults(edit("groups/*/threads", EMPTY), edit("groups/*/conversations", EMPTY))
    assert group.run().problems == []
    group.bag()
    assert set(group.asked_by(group.run)) == {"groups/{group}/threads", "groups/{group}/conversations"}
    group.bag()
    group.faults()
    assert group.run().copied > 3
    group.bag()


def owners(*addresses: str) -> Row:
    spots = [{"at": f"value/{n}/owner/address", "to": address} for n, address in enumerate(addresses)]
    return edit("users/*/calendars", spots)


def test_a_calendar_under_an_earlier_address_of_the_mailbox_is_its_own(ada: MailDesk) -> None:
    known = {"at": "proxyAddresses", "to": ["SMTP:new@rehearsal.example", "smtp:Old@rehearsal.example"], "add": True}
    ada.faults(owners("new@rehearsal.example", "old@rehearsal.example"), edit("users/*", [known]))
    assert "shared_calendars" not in {row["class"] for row in ada.run().coverage}
    ada.checked()


def test_the_calendar_of_somebody_else_is_named_in_the_coverage(ada: MailDesk) -> None:
    ada.faults(owners("ada@rehearsal.example", "bo@rehearsal.example"))
    result = ada.run()
    told = next(row for row in result.coverage if row["class"] == "shared_calendars")
    assert told["state"] == "not asked" and "1 calendar" in told["reason"]
    held = len(list(ada.bag().of("event")))
    assert coverage(ada)["shared_calendars"] == told, "of a run without news, too"
    ada.faults(owners("ada@rehearsal.example", "bo@rehearsal.example"), {"route": f"users/{data.ADA}", "fault": "403"})
    ada.run()
    assert len(list(ada.checked().of("event"))) > held, "who cannot tell copies more, not less"


def test_q066_a_folder_that_is_said_to_hold_no_others_is_asked_once_all_the_same(ada: MailDesk) -> None:
    none = [{"at": f"{spot}childFolderCount", "to": 0} for spot in ("value/*/", "")]
    ada.faults(edit(LIST, none))
    ada.run()
    ada.checked()
    asked = ada.asked_by(ada.run)
    ada.checked()
    assert asked["users/{user}/mailFolders/{folder}/childFolders"] < len(list(ada.bag().of("folder")))


# ------------------------------------------------------------------------------------------------------ counts and bodies


NO_COUNT = [{"at": "value/*/totalItemCount", "drop": True}]


def test_a_count_that_a_listing_leaves_out_is_asked_for(ada: MailDesk) -> None:
    ada.faults(edit("re:childFolders$", NO_COUNT))
    assert ada.run().problems == [] and ada.fired()
    ada.checked()


def test_a_folder_that_nobody_counts_is_not_known_to_be_whole(ada: MailDesk) -> None:
    lost = {"route": "users/*/mailFolders/*/messages/delta", "fault": "missing-row", "index": 3}
    ada.faults(edit(LIST, [*NO_COUNT, {"at": "totalItemCount", "drop": True}]), lost)
    result = ada.run()
    assert result.problems == ["count_unavailable"] and result.digests["count_unavailable"]
    assert coverage(ada)["mail"]["code"] == "count_unavailable"
    ada.faults()
    assert ada.run().problems == []
    ada.checked()


@pytest.mark.parametrize("text", [OTHER, "The service is not available. "])
def test_one_body_for_several_messages_is_not_theirs(ada: MailDesk, text: str) -> None:
    ada.faults({"route": VALUE, "fault": "wrong-bytes", "text": text})
    for _ in range(2):  # in each run
        ada.run()
        copied = [row["outcome"] == "copied" for row in ada.bag().of("message")]
        assert copied.count(True) <= 1 < copied.count(False)


@pytest.mark.parametrize("ids", [("<same@x>", "<same@x>"), ("<one@x>", "<another@x>")])
def test_copies_of_an_odd_message_are_kept(ada: MailDesk, ids: tuple[str, str]) -> None:
    """Two messages of one Message-ID as it is listed, whose header has another; two of different ones are no copies."""
    spots = [{"at": f"value/[subject=message {n}]/internetMessageId", "to": one} for n, one in enumerate(ids, 5)]
    names = {"message 5", "message 6"}
    twins = [row["immutableId"] for row in ada.truth() if row["kind"] == "message" and row["row"]["subject"] in names]
    route = f"re:/messages/({'|'.join(twins)})/\\$value"
    ada.faults(
        edit("users/*/mailFolders/*/messages/delta", spots), {"route": route, "fault": "wrong-bytes", "text": OTHER}
    )
    ada.run()
    outcomes = [row["outcome"] for row in ada.bag().of("message") if row["name"] in names]
    assert sorted(outcomes) == (["copied"] * 2 if ids[0] == ids[1] else ["copied", "excepted"])


def test_contacts_that_a_listing_leaves_out_from_the_beginning_are_named_by_the_second_capture(ada: MailDesk) -> None:
    """Nothing counts contacts; the export API lists them once more."""
    ada.settings = MailSettings(fasttransfer="on", archive="none")
    ada.faults({"route": "users/*/contact*/delta", "fault": "missing-row", "index": 0})
    told = {row["class"]: row for row in ada.run().coverage}
    found = told["native_streams"]
    assert (found["state"], found["code"]) == ("in part", "unjoined") and found["unjoined"]
    assert told["contact_groups"]["state"] == told["notes_and_journal"]["state"] == "covered"


def test_what_only_streams_have_is_said_of_contacts(ada: MailDesk) -> None:
    ada.run()
    assert coverage(ada)["contact_groups"]["state"] == "not asked"
