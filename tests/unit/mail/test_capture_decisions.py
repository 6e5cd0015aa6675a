"""Decisions of the capture that need no service: paths, plans, removals, coverage."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporters.bag.formats import dump_json
from exporters.bag.state import State
from exporters.clock import SystemClock
from exporters.copied import CopyResult
from exporters.errors import SourceError
from exporters.mail.capture.contents import may_have_attachments
from exporters.mail.capture.coverage import coverage_rows
from exporters.mail.capture.exceptions import worth_another_try
from exporters.mail.capture.fetched import Fetched, Task
from exporters.mail.capture.folders import Paths
from exporters.mail.capture.planning import Planner
from exporters.mail.capture.removals import find_removed, kinds_held_back, removal_rows
from exporters.mail.capture.team import WAITING, Team
from exporters.mail.capture.walk import walked_as
from exporters.mail.settings import MailSettings

Row = dict[str, Any]
NOW = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)


class Known:
    """A state that a test fills."""

    def __init__(self) -> None:
        self.state = State()

    def put(self, type_: str, **value: Any) -> None:
        value = {"scope": "", **value}
        self.state.apply(type_, value, dump_json(value), 1)

    def folder(self, item_id: str, name: str, parent: str | None = "root", **service: Any) -> None:
        facts = {"id": item_id, "kind": "folder", "name": name, "parent": parent}
        self.put("item", **facts, service={"class": "mail", **service}, outcome="copied")

    def message(self, item_id: str, parent: str, **more: Any) -> None:
        facts = {"id": item_id, "kind": "message", "name": "x", "parent": parent, "outcome": "copied", "key": "k!e"}
        self.put("item", **{**facts, "service": {"state": "1", "content": "1"}, **more})

    def listed(self, item_id: str, parent: str, **more: Any) -> None:
        facts = {
            "id": item_id,
            "kind": "message",
            "name": "x",
            "parent": parent,
            "service": {"state": "1", "content": "1"},
        }
        self.put("listed", **{**facts, **more})

    def deleted(self, item_id: str, parent: str | None, kind: str = "message") -> None:
        self.put("listed", id=item_id, kind=kind, name="x", parent=parent, deleted=True)


@pytest.fixture
def known() -> Iterator[Known]:
    found = Known()
    found.folder("root", "Top", None, wellKnownName="msgfolderroot")
    found.folder("a", "A/B")
    found.folder("b", "..", "a")
    yield found
    found.state.close()


# ------------------------------------------------------------------------------------------------------------ paths


def test_a_path_is_the_names_below_the_root_whatever_stands_in_them(known: Known) -> None:
    paths = Paths(known.state)
    assert paths.names("b") == ("A/B", "..") and paths.path("b") == "/A/B/.."
    assert paths.path("root") == "/" and paths.names("nowhere") == () == paths.names("")


def test_what_hangs_outside_of_the_root_keeps_its_name(known: Known) -> None:
    known.folder("r", "Recoverable Items", "", wellKnownName="recoverableitemsroot")
    known.folder("d", "Deletions", "r")
    assert Paths(known.state).names("d") == ("Recoverable Items", "Deletions")


def test_folders_in_a_circle_have_a_path(known: Known) -> None:
    known.folder("x", "X", "y")
    known.folder("y", "Y", "x")
    assert set(Paths(known.state).names("x")) == {"X", "Y"}


def test_the_newest_facts_make_the_path(known: Known) -> None:
    known.put("listed", id="a", kind="folder", name="renamed", parent="root", service={"class": "mail"})
    assert Paths(known.state).path("b") == "/renamed/.."


# ------------------------------------------------------------------------------------------------------------ plans


def planned(known: Known, *, extra: bool = False, now: datetime = NOW) -> tuple[list[Task], list[str]]:
    """(tasks, paths of what was only moved)."""
    moved: list[str] = []

    def move(facts: Row, row: Row, path: str, folder: str) -> None:
        moved.append(path)
        known.put("item", **{**row, **facts, "outcome": row["outcome"]})

    tasks = [*Planner(known.state, Paths(known.state), move).tasks(extra=extra, now=now)]
    return tasks, moved


def test_what_is_new_is_fetched_and_what_was_moved_is_not(known: Known) -> None:
    known.message("m1", "a")
    known.listed("m1", "b")
    known.listed("m2", "b", graph={})
    tasks, moved = planned(known)
    assert [(task.item_id, task.row, task.folder) for task in tasks] == [("m2", None, "A/B/..")]
    assert moved == ["/A/B/../x"]


@pytest.mark.parametrize(
    ("row", "service", "fetched"),
    [
        ({}, {"state": "1", "content": "1"}, False),
        ({}, {"state": "2", "content": "1"}, True),
        ({}, {"state": "1", "content": "2"}, True),
        ({}, {"partial": "1"}, True),
        ({"outcome": "gone"}, {"state": "1", "content": "1"}, False),
        ({"outcome": "excepted", "code": "item_unreadable", "key": None}, {"state": "1", "content": "1"}, True),
        (
            {"outcome": "excepted", "code": "mime_refused", "key": None, "record": "z"},
            {"state": "1", "content": "1"},
            False,
        ),
        (
            {"outcome": "excepted", "code": "mime_refused", "key": None, "record": "z"},
            {"state": "2", "content": "1"},
            True,
        ),
        ({"outcome": "excepted", "code": "vanished", "key": None}, {"state": "1", "content": "1"}, True),
    ],
)
def test_when_nothing_needs_a_request(known: Known, row: Row, service: Row, fetched: bool) -> None:
    known.message("m", "a", **row)
    known.listed("m", "b", service=service)
    tasks, moved = planned(known)
    assert (len(tasks), len(moved)) == (int(fetched), int(not fetched))


def test_what_is_there_again_is_read_again_if_an_attachment_of_it_was_lost(known: Known) -> None:
    known.message("m", "a", outcome="gone")
    known.put("item", kind="attachment", scope="m", id="1", outcome="excepted", code="vanished")
    known.listed("m", "a")
    assert [task.item_id for task in planned(known)[0]] == ["m"]


def test_failures_are_tried_again_with_their_items(known: Known) -> None:
    known.message("m1", "a", outcome="excepted", code="download_failed", key=None, captured="2026-11-23T15:00:00Z")
    known.message("m2", "a", outcome="excepted", code="mime_refused", key=None, captured="2026-11-23T15:00:00Z")
    known.message("m3", "a")
    for scope, code in (("m3", "attachment_unreadable"), ("m4", "download_failed")):
        known.put(
            "item",
            kind="attachment",
            scope=scope,
            id="1",
            outcome="excepted",
            code=code,
            captured="2026-11-23T15:00:00Z",
        )
    known.message("m5", "a", outcome="gone")
    known.put(
        "item",
        kind="attachment",
        scope="m5",
        id="1",
        outcome="excepted",
        code="download_failed",
        captured="2026-11-23T15:00:00Z",
    )
    assert planned(known) == ([], [])
    tasks, _ = planned(known, extra=True)
    assert [task.item_id for task in tasks] == ["m1", "m3"]
    assert all("graph" not in task.facts and task.names == ("A/B",) for task in tasks)


@pytest.mark.parametrize(
    ("code", "hours", "wanted"),
    [
        ("mime_refused", 100, False),
        ("vanished", 100, False),
        ("item_unreadable", 0, True),
        ("too_large", 100, False),
        ("not_found_while_listed", 23, False),
        ("not_found_while_listed", 25, True),
        ("download_failed", 0, True),
        ("attachment_unreadable", 0, True),
        ("a code of another time", 100, False),
    ],
)
def test_what_is_worth_another_try(code: str, hours: int, wanted: bool) -> None:
    row = {"code": code, "captured": "2026-11-23T15:40:00Z"}
    assert worth_another_try(row, NOW + timedelta(hours=hours)) is wanted


# --------------------------------------------------------------------------------------------------------- removals


def removed(known: Known, *refused: str) -> dict[str, tuple[str, str | None]]:
    find_removed(known.state, kinds_held_back(refused))
    return {
        row["id"]: (row["outcome"], row.get("code")) for row in removal_rows(known.state, "run", "2026-11-23T15:40:00Z")
    }


def test_what_we_hold_is_gone_and_what_we_never_had_has_vanished(known: Known) -> None:
    known.message("m1", "a")
    known.message("m2", "a", outcome="excepted", code="not_found_while_listed", key=None)
    known.listed("m3", "a")
    for one in ("m1", "m2", "m3"):
        known.deleted(one, "a")
    assert removed(known) == {"m1": ("gone", None), "m2": ("excepted", "vanished"), "m3": ("excepted", "vanished")}


def test_a_folder_takes_along_what_lies_below_it_unless_that_is_listed_elsewhere(known: Known) -> None:
    known.message("m1", "b")
    known.message("m2", "b")
    known.listed("m2", "root")
    known.deleted("a", "root", "folder")
    assert removed(known) == {"a": ("gone", None), "b": ("gone", None), "m1": ("gone", None)}


def test_attachments_that_failed_vanish_with_their_item_and_the_others_stay(known: Known) -> None:
    known.message("m1", "a")
    for name, more in (("1", {"outcome": "copied"}), ("2", {"outcome": "excepted", "code": "attachment_unreadable"})):
        known.put("item", kind="attachment", scope="m1", id=name, **more)
    known.deleted("m1", "a")
    assert removed(known) == {"m1": ("gone", None), "2": ("excepted", "vanished")}


@pytest.mark.parametrize(
    ("refused", "decided"),
    [
        ((), {"m1", "c1", "e1", "a", "b", "cf"}),
        (("messages/x",), {"c1", "e1", "cf"}),
        (("mail",), {"c1", "e1", "cf"}),
        (("contacts/x", "recoverable"), {"m1", "e1", "a", "b"}),
        (("calendar", "tasks"), {"m1", "c1", "a", "b", "cf"}),
        (("events/x", "messages/y", "contacts"), set()),
    ],
)
def test_nothing_is_gone_of_what_could_not_be_looked_for(
    known: Known, refused: tuple[str, ...], decided: set[str]
) -> None:
    known.message("m1", "a")
    known.folder("cf", "Suppliers", None, **{"class": "contacts"})
    for kind, item_id in (("contact", "c1"), ("event", "e1")):
        known.put("item", kind=kind, id=item_id, name="x", parent="cf", outcome="copied", key="k!1", service={})
        known.deleted(item_id, "cf", kind)
    known.deleted("m1", "a")
    known.deleted("a", "root", "folder")
    known.deleted("cf", None, "folder")
    assert removed(known, *refused).keys() == decided


# --------------------------------------------------------------------------------------------------------- coverage


def states(
    result: CopyResult, refused: Row | None = None, recoverable: str = "all", scopes: tuple[str, ...] = ()
) -> dict[str, str]:
    settings = MailSettings(recoverable=recoverable)
    rows = coverage_rows(result, refused or {}, settings, is_group=False, recoverable=scopes)
    assert all(row["state"] == "covered" or row.get("reason") or row.get("alternative") for row in rows)
    return {row["class"]: row["state"] for row in rows}


ERROR = SourceError("It may not be read.", code="permission_missing", action="Grant it.")


def test_coverage_is_never_better_than_it_is() -> None:
    whole = CopyResult()
    covered = dict.fromkeys(("mail", "contacts", "calendar", "tasks", "recoverable_items"), "covered")
    assert states(whole) == {**covered, "public_folders": "never possible"}
    assert states(whole, recoverable="none")["recoverable_items"] == "not asked"
    assert states(whole, {"contacts": ERROR})["contacts"] == "not reachable"
    assert states(whole, {"contacts/1": ERROR}) == {**states(whole), "contacts": "in part"}
    assert states(whole, {"messages/1": ERROR}) == {**states(whole), "mail": "in part"}
    assert states(whole, {"messages/1": ERROR}, scopes=("messages/1",)) == {
        **states(whole),
        "recoverable_items": "in part",
    }
    assert states(whole, {"recoverable": ERROR})["recoverable_items"] == "not reachable"
    assert states(CopyResult(unexplained=1))["mail"] == "in part"
    assert states(CopyResult(excepted_kinds={"event": 1})) == {**states(whole), "calendar": "in part"}
    assert set(states(CopyResult(counts={"pending": 1})).values()) == {"in part", "covered", "never possible"}


@pytest.mark.parametrize(
    ("service", "wanted"),
    [
        ({"class": "mail"}, "mail"),
        ({"class": "mail", "recoverable": True}, "recoverable"),
        ({"class": "search"}, "mail"),
        ({"class": "shared_calendar"}, "calendar"),
        ({"class": "flagged"}, "tasks"),
        ({"class": "contacts"}, "contacts"),
        ({"class": "threads"}, "threads"),
    ],
)
def test_each_folder_is_found_by_one_part_of_the_walk(service: Row, wanted: str) -> None:
    assert walked_as({"service": service}) == wanted


# ------------------------------------------------------------------------------------------------------------- team


def task(number: int) -> Task:
    return Task({"id": str(number), "kind": "message"}, None, ())


def through(work: Callable[[Task], Fetched], count: int, stop: threading.Event | None = None) -> list[str]:
    stop = stop or threading.Event()
    with Team(work, stop, SystemClock()) as team:
        return [done.task.item_id for done in team.through(map(task, range(count)), lambda: None)]


def test_all_tasks_are_done_once_and_few_are_under_way() -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    taken: list[int] = []

    def tasks() -> Iterator[Task]:
        for number in range(100):
            taken.append(number)
            yield task(number)

    def work(one: Task) -> Fetched:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        return Fetched(one, one.facts)

    done = []
    with Team(work, threading.Event(), SystemClock()) as team:
        for fetched in team.through(tasks(), lambda: None):
            done.append(int(fetched.task.item_id))
            assert len(taken) - len(done) <= WAITING
    assert sorted(done) == [*range(100)] and most <= 6


def test_what_the_work_raises_comes_out_and_what_came_is_closed() -> None:
    closed: list[str] = []

    class Held(Fetched):
        def close(self) -> None:
            closed.append(self.task.item_id)

    def work(one: Task) -> Fetched:
        if one.item_id == "3":
            raise ERROR
        return Held(one, one.facts)

    seen: list[str] = []
    with pytest.raises(SourceError), Team(work, threading.Event(), SystemClock()) as team:
        for fetched in team.through(map(task, range(10)), lambda: None):
            seen.append(fetched.task.item_id)
    assert not set(seen) & set(closed)


def test_a_stop_lets_no_new_task_begin() -> None:
    stop = threading.Event()

    def work(one: Task) -> Fetched:
        stop.set()
        return Fetched(one, one.facts)

    assert len(through(work, 1_000, stop)) <= WAITING + 1


def test_inline_attachments_are_asked_for_though_there_are_said_to_be_none() -> None:
    body = {"contentType": "html", "content": '<img src="CID:one@x">'}
    assert may_have_attachments({"hasAttachments": False, "body": body})
    assert may_have_attachments({}) and may_have_attachments({"hasAttachments": True, "body": None})
    assert not may_have_attachments({"hasAttachments": False, "body": {"content": "<p>plain</p>"}})
