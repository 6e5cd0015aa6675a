"""Listings of a mailbox that leave out what is there: an answer with success and without its rows, or with rows without an id."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.copied import CopyResult
from exporters.mail.settings import MailSettings
from tests.faults.mail_desk import MailDesk, mail_desk
from tests.independent.mailbox_bag import MailboxBag
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
ROOT = made("folder", data.TOP)
BELOW_ROOT = f"users/*/mailFolders/{ROOT}/childFolders"
EMPTY: list[Row] = [{"at": "value", "to": []}, {"at": "@odata.nextLink", "drop": True}]
NAMELESS: list[Row] = [{"at": "value/0/id", "drop": True}]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("listings") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


def edit(route: str, edits: list[Row], **more: Any) -> Row:
    return {"route": route, "fault": "edit", "edits": edits, **more}


@pytest.mark.parametrize("runs_before", [0, 1])
@pytest.mark.parametrize(
    "lie", [edit(BELOW_ROOT, EMPTY), *({"route": BELOW_ROOT, "fault": "missing-row", "index": n} for n in range(4))]
)
def test_folders_that_a_listing_leaves_out_are_found_another_way(ada: MailDesk, runs_before: int, lie: Row) -> None:
    for _ in range(runs_before):
        ada.run()
    ada.faults(lie)
    result = ada.run()
    assert ada.fired() and result.problems == []
    bag = ada.checked()
    assert not [row for row in bag.rows.values() if row["outcome"] == "gone" or row.get("code") == "vanished"]
    assert ada.run().downloaded == 0
    ada.checked()


def test_a_mailbox_without_folders_is_not_covered(ada: MailDesk) -> None:
    ada.faults(
        edit(BELOW_ROOT, EMPTY),
        edit("users/*/mailFolders/delta", EMPTY),
        *({"route": f"users/*/mailFolders/{name}", "fault": "mail-404"} for name in ("inbox", "archive", "con*")),
    )
    result = ada.run()
    assert result.problems == ["folders_not_listed"]
    assert next(row for row in result.coverage if row["class"] == "mail")["code"] == "listing_incomplete"


@pytest.mark.parametrize("route", ["calendars", "todo/lists", "contactFolders"])
def test_a_part_of_the_walk_that_comes_empty_takes_nothing_away(ada: MailDesk, route: str) -> None:
    ada.run()
    ada.faults(edit(f"users/*/{route}", EMPTY))
    ada.run()
    assert ada.fired()
    assert not [row for row in ada.checked().rows.values() if row["outcome"] == "gone"]


def test_the_default_calendar_is_there_whether_it_is_listed_or_not(ada: MailDesk) -> None:
    ada.faults({"route": "users/*/calendars", "fault": "missing-row", "index": 0})
    ada.run()
    ada.checked()


@pytest.mark.parametrize("count", [1, None])
def test_contacts_that_a_listing_from_the_start_leaves_out_are_not_gone(ada: MailDesk, count: int | None) -> None:
    ada.run()
    ada.faults(
        {"route": "users/*/contact*/delta", "fault": "mail-410", "count": 1},
        edit("users/*/contact*/delta", EMPTY, **({} if count is None else {"count": count})),
    )
    result = ada.run()
    assert result.problems == ([] if count else ["folders_not_listed"])
    assert not [row for row in ada.bag().of("contact") if row["outcome"] == "gone"]
    ada.faults()
    assert ada.run().problems == []
    ada.checked()


@pytest.mark.parametrize("runs_before", [0, 1])
def test_a_calendar_that_comes_empty_for_once_is_listed_again(ada: MailDesk, runs_before: int) -> None:
    for _ in range(runs_before):
        ada.run()
    ada.faults(edit(f"users/*/calendars/{made('calendar', 0)}/events", EMPTY, count=1))
    ada.run()
    assert ada.fired() == 1
    assert not [row for row in ada.checked().of("event") if row["outcome"] == "gone"]


def test_contacts_and_tasks_that_are_deleted_are_gone_after_a_listing_from_the_start(ada: MailDesk) -> None:
    """What is asked for by its id and not found is gone: the doubt ends there."""
    ada.run()
    ada.change(
        {"kind": "contact", "id": made("contact", 1), "op": "delete"},
        {"kind": "task", "id": made("task", 1), "op": "delete"},
        {"kind": "event", "id": made("event", 0), "op": "delete"},
    )
    ada.faults(
        {"route": f"users/*/contactFolders/{made('contactFolder', 1)}/*", "fault": "mail-410", "count": 1},
        {"route": "users/*/todo/lists/*/tasks/delta", "fault": "mail-410", "count": 1},
    )
    assert ada.run().problems == [] and ada.fired() == 2
    bag = ada.checked()
    assert sorted(row["kind"] for row in bag.rows.values() if row["outcome"] == "gone") == ["contact", "event", "task"]


@pytest.mark.parametrize("route", [BELOW_ROOT, "users/*/calendars", "users/*/todo/lists", "users/*/contactFolders",
                                   "users/*/calendars/*/events", "users/*/contact*/delta", "users/*/todo/lists/*/tasks/delta",
                                   "users/*/mailFolders/*/messages/delta"])  # fmt: skip
def test_a_row_without_an_id_makes_a_listing_that_is_not_whole(ada: MailDesk, route: str) -> None:
    ada.faults(edit(route, NAMELESS))
    result = ada.run()
    assert "folders_not_listed" in result.problems
    assert any(row.get("code") == "listing_incomplete" for row in result.coverage)
    ada.faults()
    assert ada.run().problems == []
    ada.checked()


# ------------------------------------------------------------------------------------------------- the export API

BOTH = MailSettings(recoverable="all", fasttransfer="auto", archive="auto")
FOLDERS = "admin/exchange/mailboxes/*/folders"


def states(result: CopyResult) -> dict[str, str]:
    return {row["class"]: row["state"] for row in result.coverage}


@pytest.mark.parametrize("runs_before", [0, 1])
def test_an_archive_without_folders_is_one_that_cannot_be_read(ada: MailDesk, runs_before: int) -> None:
    ada.settings = BOTH
    for _ in range(runs_before):
        ada.run()
    ada.faults(edit(FOLDERS, EMPTY))
    ada.clock.advance(86_500)
    result = ada.run()
    assert result.problems == ["archive_unreadable"] and states(result)["archive"] == "not reachable"
    assert states(result)["native_streams"] == "not reachable"
    assert not [row for row in ada.bag().rows.values() if row["outcome"] == "gone"]


def test_a_folder_that_the_export_api_leaves_out_is_not_gone(ada: MailDesk) -> None:
    ada.settings = BOTH
    ada.run()
    ada.faults({"route": FOLDERS, "fault": "missing-row", "index": 0})
    result = ada.run()
    assert "archive_unreadable" in result.problems and states(result)["archive"] == "in part"
    assert not [row for row in ada.bag().rows.values() if row["outcome"] == "gone"]
    ada.faults()
    assert ada.run().problems == []
    assert not [row for row in ada.bag().rows.values() if row["outcome"] == "gone"]


def test_an_archive_whose_counts_do_not_fit_is_not_covered(ada: MailDesk) -> None:
    ada.settings = BOTH
    ada.faults(edit(f"{FOLDERS}/*/items/delta", EMPTY))
    for _ in range(2):  # that nothing is new does not make it so
        result = ada.run()
        assert result.unexplained
        assert {states(result)[of] for of in ("archive", "native_streams", "notes_and_journal")} == {"in part"}


def test_settings_that_tell_nothing_do_not_tell_that_there_is_no_archive(ada: MailDesk) -> None:
    ada.settings = BOTH
    ada.faults(edit("users/*/settings/exchange", [{"at": "*", "drop": True}]))
    assert states(ada.run())["archive"] == "not reachable"


def test_items_of_the_export_api_without_an_id_make_a_listing_that_is_not_whole(ada: MailDesk) -> None:
    ada.settings = BOTH
    ada.faults(edit(f"{FOLDERS}/*/items/delta", NAMELESS))
    result = ada.run()
    assert "archive_unreadable" in result.problems and states(result)["native_streams"] != "covered"
    ada.faults()
    assert ada.run().problems == []
    ada.bag()


# ------------------------------------------------------------------------------------------- what comes with an item


def test_attachments_without_an_id_are_exceptions(ada: MailDesk) -> None:
    ada.faults(edit("users/*/events/*/attachments", [{"at": "value/*/id", "drop": True}]))
    assert ada.run().exceptions == {"mime_refused": 1, "attachment_unreadable": 1}
    ada.faults()
    ada.run()
    assert "attachment_unreadable" not in {row.get("code") for row in ada.checked().rows.values()}


@pytest.mark.parametrize(
    "fault",
    [
        edit("users/*/events/*", [{"at": "exceptionOccurrences", "drop": True}]),
        edit("users/*/events/*", [{"at": "exceptionOccurrences", "to": None}]),
    ],
)
def test_a_series_of_which_the_exceptions_are_not_told_is_not_whole(ada: MailDesk, fault: Row) -> None:
    ada.faults(fault)
    result = ada.run()
    assert result.exceptions["attachment_unreadable"] == 2  # two series
    ada.faults()
    assert "attachment_unreadable" not in ada.run().exceptions
    bag = ada.checked()
    assert len(event(bag, "event 1")["exceptionOccurrences"]) == 1


def event(bag: MailboxBag, name: str) -> Row:
    """The record of an event."""
    (row,) = [row for row in bag.of("event") if row["name"] == name]
    lines = bag.read(row["key"]).splitlines()
    found: Row = json.loads(lines[int(row["key"].partition("!")[2]) - 1])["graph"]
    return found


def test_what_is_expanded_is_followed_to_its_end(ada: MailDesk) -> None:
    """The first page of a long list comes with the item, and a link to the rest."""
    ada.run()
    series = made("event", 1)
    graph = ada.desk.client.info["graph"]
    link = f"{graph}/v1.0/users/{data.ADA}/calendars/{made('calendar', 1)}/events?$select=id"
    ada.change({"kind": "event", "id": series, "op": "update", "set": {"subject": "again"}})
    ada.faults(
        edit("users/*/events/*", [{"at": "exceptionOccurrences@odata.nextLink", "to": link, "add": True}], count=1)
    )
    ada.run()
    line = event(ada.bag(), "again")
    assert len(line["exceptionOccurrences"]) == 2 and not [name for name in line if "nextLink" in name]
