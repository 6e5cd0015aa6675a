"""The second capture against the simulated tenant: every stream kept and named, joined to the first capture, nothing silent."""

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.digests import Hashed
from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.bag.reconcile import reconcile
from exporters.bag.verify import verify_bag
from exporters.clock import SystemClock
from exporters.copied import CopyResult, Progress
from exporters.graph.errors import StoppedError
from exporters.graph.limits import Cost
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.exporter import MailExporter
from exporters.mail.capture.second import SecondCapture, Told
from exporters.mail.compose.stream_message import stream_message
from exporters.mail.originals import entry_of
from exporters.mail.settings import MailSettings
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from tests.unit.graph.mailbox_tenant import Desk, desk_at
from tests.unit.mail.written import write
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
ROLES = [
    "User.Read.All",
    "Mail.Read",
    "Calendars.Read",
    "Contacts.Read",
    "Tasks.Read.All",
    "MailboxSettings.Read",
    "MailboxFolder.Read.All",
    "MailboxItem.Read.All",
    "MailboxItem.Export.All",
]
BAG = "mail/ada"
SOURCE = Source(SourceKind.MAIL, data.ADA, "ada@rehearsal.example", None)
CLOCK = SystemClock()
CLAIM = {"kind": "mail", "id": data.ADA, "owner": None}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("second") / "tenant", fill)


class Copy:
    """A bag of Ada's mailbox, run by run."""

    def __init__(self, desk: Desk, root: Path) -> None:
        self.desk, self.root = desk, root
        self.store = FolderStore(root)
        claim_source(self.store, BAG, {**CLAIM, "cloud": "custom", "first_copied": "2026-01-01T00:00:00Z"})
        self.runs = 0
        self.result = CopyResult()
        self.accepts: Callable[[str], bool] = lambda digest: False

    @contextmanager
    def writer(self) -> Iterator[BagWriter]:
        self.runs += 1
        run = Run(f"20260101T00000{self.runs}Z-00000{self.runs}", CLOCK, lambda: 0, take_over=True)
        with open_bag(self.store, BAG, {"kind": "mail", "id": data.ADA, "name": "ada", "settings": {}}, run) as writer:
            yield writer

    def first(self) -> None:
        with self.writer() as writer:
            MailExporter(
                SOURCE,
                self.desk.graph,
                writer,
                MailSettings(archive="none", fasttransfer="off"),
                CLOCK,
                progress=Progress(),
                stop=threading.Event(),
            ).run()

    def second(
        self,
        *,
        cloud: str = "worldwide",
        stop: threading.Event | None = None,
        is_quiet: bool = False,
        close: bool = True,
        progress: Progress | None = None,
        archive: str = "auto",
        fasttransfer: str = "auto",
    ) -> Told:
        self.result = CopyResult()
        with self.writer() as writer:
            told = SecondCapture(
                Mailbox(self.desk.graph, data.ADA),
                writer,
                MailSettings(archive=archive, fasttransfer=fasttransfer),
                CLOCK,
                cloud=cloud,
                stop=stop or threading.Event(),
                progress=progress or Progress(),
                result=self.result,
                is_quiet=is_quiet,
                accepts_removals=self.accepts,
            ).run()
            self.reconciliation = reconcile(writer.state)
            if close:
                writer.close("complete")
        return told

    def ids(self) -> tuple[str, str]:
        """Of the primary mailbox and of the archive."""
        found = self.desk.graph.get(f"/beta/users/{data.ADA}/settings/exchange", cost=Cost.MAILBOX, mailbox=data.ADA)
        return found["primaryMailboxId"], found["inPlaceArchiveMailboxId"]

    def rows(self, kind: str | None = None, scope: str | None = None, outcome: str | None = None) -> list[Row]:
        lines = (self.root / BAG / "lastcopy/items.jsonl").read_bytes().splitlines()
        found = [json.loads(line) for line in lines]
        return [
            row
            for row in found
            if kind in (None, row["kind"]) and scope in (None, row["scope"]) and outcome in (None, row["outcome"])
        ]

    def bytes_of(self, row: Row) -> bytes:
        entry = entry_of(row["key"])
        with zipfile.ZipFile(self.root / BAG / entry.key) as found:
            content = found.read(entry.name)
        assert (len(content), Hashed.of(content)) == (row["size"], row["sha256"])
        return content

    def check(self) -> None:
        """Each entry of each zip is named by one row, each row's bytes are there, and no count is unexplained."""
        named: dict[str, int] = {}
        for row in self.rows():
            if row.get("key", "").startswith("data/originals/streams") and "!" in row["key"]:
                named[row["key"]] = named.get(row["key"], 0) + 1
                self.bytes_of(row)
        assert set(named.values()) <= {1}
        there = set()
        for path in sorted((self.root / BAG / "data/originals").glob("streams-*.zip")):
            with zipfile.ZipFile(path) as found:
                names = found.namelist()
                records = [json.loads(line) for line in found.read("records.jsonl").splitlines()]
            assert names[-1] == "records.jsonl" and [one["entry"] for one in records] == names[:-1]
            there |= {f"data/originals/{path.name}!{name}" for name in names[:-1]}
        leftovers = {row["key"] for row in self.rows("leftover")}
        assert {key for key in there if entry_of(key).key not in leftovers} == set(named)
        verified = verify_bag(self.store, BAG, refold=True)
        assert not (verified.missing or verified.changed or verified.unexpected), verified
        assert not any(entry["unexplained"] for entry in self.reconciliation["independent"]), self.reconciliation


@pytest.fixture
def copy(tenant: Path, tmp_path: Path) -> Iterator[Copy]:
    with desk_at(tenant, CLOCK) as desk:
        desk.settings(roles=ROLES)
        yield Copy(desk, tmp_path / "store")


def coverage(told: Told, of: str) -> Row:
    return next(row for row in told.coverage if row["class"] == of)


def subject_of(content: bytes, tmp_path: Path) -> str:
    path = tmp_path / "one.fts"
    path.write_bytes(content)
    with path.open("rb") as file:
        subject = stream_message(file).message.properties.get(0x0037001F, "")
    return str(subject).lstrip("\x01")


def test_every_item_is_kept_as_a_stream_and_joined(copy: Copy, tmp_path: Path) -> None:
    copy.first()
    told = copy.second()
    copy.check()
    primary, archive = copy.ids()
    streams = copy.rows("stream", primary)
    messages = {row["id"]: row for row in copy.rows("message", "")}
    joined = [row for row in streams if row.get("of") in messages]
    assert len(joined) == data.IN_INBOX + 2 and {row["of"] for row in joined} <= messages.keys()
    for row in joined[:8]:
        assert subject_of(copy.bytes_of(row), tmp_path) in messages[row["of"]]["name"]
    of_archive = copy.rows("message", archive)
    assert len(of_archive) == data.IN_INBOX + 2 and all(row["folder"].startswith("/") for row in of_archive)
    assert coverage(told, "archive")["state"] == coverage(told, "native_streams")["state"] == "covered"
    joined = [row for row in streams if "of" not in row]
    assert {row["service"]["class"] for row in joined} <= {"IPM.Task"}
    assert coverage(told, "native_streams").get("keyless", 0) == len(joined)
    assert not told.problems


def test_streams_of_everything_become_messages_that_the_checker_finds_clean(copy: Copy, tmp_path: Path) -> None:
    copy.second(archive="none")
    rows = [row for row in copy.rows("stream") if row["outcome"] == "copied"]
    made = [stream_message(io.BytesIO(copy.bytes_of(row)), label=row["id"]) for row in rows]
    read = write([one.message for one in made], tmp_path / "all.pst")
    named = [(one.subject, row["name"]) for one, row in zip(read, rows, strict=True) if row["name"]]
    assert len(named) > data.IN_INBOX and all(subject == name for subject, name in named)
    assert {row["service"]["class"] for row in rows} == {one.properties[0x001A001F] for one in read}
    report = next(one for one in read if one.subject == "message 2")
    assert [one.name for one in report.attachments if one.message is None and one.data] == [
        "report.bin",
        "image001.png",
    ]
    assert [one.message.subject for one in report.attachments if one.message is not None] == ["middle", "Lunch", "Zoë"]


def test_folders_stand_in_rows_with_their_counts(copy: Copy) -> None:
    copy.second()
    primary, _ = copy.ids()
    folders = {row["path"]: row for row in copy.rows("folder", primary)}
    assert (
        folders["/Inbox"]["service"] | {"class": "export", "type": "IPF.Note", "totalItemCount": 25}
        == folders["/Inbox"]["service"]
    )
    assert "/Unread" not in folders  # a search folder, which holds nothing of its own
    assert folders["/Inbox"]["parent"] is None and folders["/Inbox/Twin"]["parent"] == folders["/Inbox"]["id"]
    entry = next(one for one in copy.reconciliation["independent"] if one["scope"] == primary)
    assert (entry["by"], entry["verdict"]) == ("totalItemCount", "equal")


def test_what_does_not_join_is_counted_by_folder_and_no_message(copy: Copy) -> None:
    told = copy.second(archive="none")  # no first capture: nothing joins
    row = coverage(told, "native_streams")
    assert row["state"] == "in part" and row["unjoined"]["/Inbox"] == data.IN_INBOX
    primary, _ = copy.ids()
    assert not copy.rows("message", primary)
    copy.first()
    before = len(copy.desk.asked("exportItems"))
    told = copy.second(archive="none")  # now they join, without being exported again
    assert len(copy.desk.asked("exportItems")) == before
    assert "/Inbox" not in coverage(told, "native_streams").get("unjoined", {})
    copy.check()


def test_what_came_of_streams_is_told_of_the_newest_capture(copy: Copy) -> None:
    copy.second(archive="none")  # no first capture: nothing joins
    copy.first()
    told = copy.second(archive="none")
    quiet = copy.second(archive="none", is_quiet=True)
    assert coverage(quiet, "native_streams") == coverage(told, "native_streams")


def test_second_run_without_changes_exports_nothing(copy: Copy) -> None:
    copy.first()
    copy.second()
    before = len(copy.desk.asked("exportItems"))
    segments = len(list((copy.root / BAG / "data/originals").glob("streams-*")))
    copy.second()
    assert len(copy.desk.asked("exportItems")) == before
    assert len(list((copy.root / BAG / "data/originals").glob("streams-*"))) == segments
    before = len(copy.desk.asked("items/delta"))
    copy.second(is_quiet=True, archive="none")
    assert len(copy.desk.asked("items/delta")) == before


def test_changes_bring_versions_removals_and_moves(copy: Copy) -> None:
    copy.first()
    copy.second(archive="none")
    primary, _ = copy.ids()
    change = copy.desk.client.change
    base = {"kind": "message", "user": data.ADA}
    change({**base, "id": made("message", 0), "op": "update", "set": {"subject": "changed", "isRead": True}})
    change({**base, "id": made("message", 5), "op": "delete"})
    change({**base, "id": made("message", 6), "op": "move", "to": made("folder", data.ARCHIVE)})
    copy.first()
    copy.second(archive="none")
    copy.check()
    assert len(copy.rows("version", None)) >= 1
    live = copy.rows("stream", primary, "copied")
    moved = [row for row in live if row["path"].startswith("/Archive/")]
    assert len(moved) == 1 and moved[0]["name"] == "message 6"
    assert len(copy.rows("stream", primary, "gone")) == 2


def test_silent_omissions_are_asked_for_alone(copy: Copy) -> None:
    copy.desk.settings(export_omits=True)
    copy.second(archive="none")
    copy.check()
    primary, _ = copy.ids()
    assert len([row for row in copy.rows("stream", primary) if row["path"].startswith("/Inbox/")]) == data.IN_INBOX + 2
    assert not copy.rows(outcome="excepted")


def test_item_that_is_listed_and_not_there_is_an_exception(tenant: Path, tmp_path: Path) -> None:
    gone = tmp_path / "tenant"
    data.write_tenant(gone, fill)
    path = gone / "users/u00000/messages.jsonl"
    lines = path.read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), "_goneAfterListing": True})
    path.write_text("\n".join(lines) + "\n")
    with desk_at(gone, CLOCK) as desk:
        desk.settings(roles=ROLES)
        copy = Copy(desk, tmp_path / "store")
        copy.second(archive="none")
        copy.check()
        assert [row["code"] for row in copy.rows(outcome="excepted")] == ["not_found_while_listed"]


def test_q059_an_archive_that_cannot_be_read_is_a_problem(copy: Copy) -> None:
    copy.desk.settings(roles=[role for role in ROLES if not role.startswith("MailboxItem")])
    told = copy.second()
    row = coverage(told, "archive")
    assert row["state"] == "not reachable" and row["code"] == "archive_unreadable"
    assert "eDiscovery" in row["alternative"] and "MailboxItem.Export.All" in row["alternative"]
    assert "sources.archive: none" in row["alternative"]
    assert copy.result.problems == ["archive_unreadable"]
    told = copy.second(archive="none")
    assert coverage(told, "archive")["state"] == "not asked" and not copy.result.problems


def test_q059_an_archive_is_captured_and_a_mailbox_without_one_says_so(copy: Copy) -> None:
    told = copy.second(fasttransfer="off")
    primary, archive = copy.ids()
    assert len(copy.rows("message", archive)) == data.IN_INBOX + 2 and not copy.rows("stream", primary)
    assert coverage(told, "native_streams")["state"] == "not asked"


def test_export_api_denied_is_no_error_unless_it_was_asked_for(copy: Copy) -> None:
    copy.desk.settings(roles=[role for role in ROLES if role != "MailboxItem.Export.All"])
    told = copy.second(archive="none")
    assert coverage(told, "native_streams")["state"] == "not reachable" and not copy.result.problems
    assert len(copy.desk.asked("exportItems")) < 4
    told = copy.second(archive="none", fasttransfer="on")
    assert copy.result.problems == ["fasttransfer_unavailable"]
    assert not copy.rows(outcome="excepted")


def test_clouds_without_the_api_are_not_asked(copy: Copy) -> None:
    told = copy.second(cloud="china")
    assert coverage(told, "native_streams")["state"] == coverage(told, "archive")["state"] == "not reachable"
    assert coverage(told, "archive")["code"] == "archive_unknown"
    assert not copy.desk.asked("exchange") and not copy.result.problems


class Stopping(Progress):
    def __init__(self, stop: threading.Event, after: int) -> None:
        self._stop, self._after = stop, after

    def finished(self, items: int) -> None:
        self._after -= items
        if self._after <= 0:
            self._stop.set()


def soaked(*values: int) -> list[Any]:
    """Values that are tried in the soak alone."""
    return [pytest.param(value, marks=pytest.mark.soak) for value in values]


@pytest.mark.parametrize("after", [1, 24, *soaked(7, 30)])
def test_stopped_and_gone_on_with_comes_to_the_same(copy: Copy, after: int) -> None:
    copy.first()
    stop = threading.Event()
    with pytest.raises(StoppedError):
        copy.second(stop=stop, progress=Stopping(stop, after))
    copy.second()
    copy.check()
    primary, archive = copy.ids()
    assert len(copy.rows("stream", primary, "copied")) >= data.IN_INBOX + 2
    assert len(copy.rows("message", archive, "copied")) == data.IN_INBOX + 2
    assert not copy.rows("version")


class Killed(Exception):
    """Stands for the end of the process."""


class Killing(Progress):
    def __init__(self, after: int) -> None:
        self._after = after

    def finished(self, items: int) -> None:
        self._after -= items
        if self._after <= 0:
            raise Killed


@pytest.mark.parametrize("after", [12, *soaked(1, 26)])
def test_cut_off_and_gone_on_with_comes_to_the_same(copy: Copy, after: int) -> None:
    copy.first()
    with pytest.raises(Killed):
        copy.second(progress=Killing(after))
    copy.second()
    copy.check()
    _, archive = copy.ids()
    assert len(copy.rows("message", archive, "copied")) == data.IN_INBOX + 2
    assert not copy.rows("version")


def test_lost_delta_state_lists_again_and_finds_what_is_gone(tenant: Path, tmp_path: Path) -> None:
    with desk_at(tenant, CLOCK) as desk:
        desk.settings(roles=ROLES)
        copy = Copy(desk, tmp_path / "store")
        copy.second(archive="none")
        primary, _ = copy.ids()
        exported = len(copy.desk.asked("exportItems"))
        desk.client.change({"kind": "message", "user": data.ADA, "id": made("message", 7), "op": "delete"})
        desk.client.change({"kind": "mailbox", "user": data.ADA, "op": "move-server"})
        copy.second(archive="none")
        copy.check()
        assert len(copy.desk.asked("exportItems")) == exported
        gone = copy.rows("stream", primary, "gone")
        assert [row["name"] for row in gone] == ["message 7"]


def test_archive_that_has_grown_out_of_its_mailbox_is_followed(copy: Copy) -> None:
    copy.desk.settings(expanded_archives=True)
    told = copy.second(fasttransfer="off")
    copy.check()
    _, archive = copy.ids()
    assert coverage(told, "archive")["state"] == "covered"
    assert len(copy.rows("message", archive, "copied")) == data.IN_INBOX + 2
    assert any(row["status"] == 308 for row in copy.desk.asked("exchange/mailboxes"))
    copy.second(fasttransfer="off")
    assert not copy.rows("version")


def test_folder_that_was_renamed_takes_its_items_along(copy: Copy) -> None:
    copy.second(archive="none")
    primary, _ = copy.ids()
    exported = len(copy.desk.asked("exportItems"))
    change = {"kind": "folder", "user": data.ADA, "id": made("folder", data.TWIN), "op": "update"}
    copy.desk.client.change({**change, "set": {"displayName": "Triplet"}})
    copy.second(archive="none")
    copy.check()
    assert len([row for row in copy.rows("stream", primary) if row["folder"] == "/Inbox/Triplet"]) == 2
    assert len(copy.desk.asked("exportItems")) == exported


def test_folder_that_is_gone_takes_its_items_along(copy: Copy) -> None:
    copy.second(archive="none")
    primary, _ = copy.ids()
    copy.desk.client.change({"kind": "folder", "user": data.ADA, "id": made("folder", data.TWIN), "op": "delete"})
    copy.second(archive="none")
    copy.check()
    assert {row["folder"] for row in copy.rows("stream", primary, "gone")} == {"/Inbox/Twin"}
    assert "/Inbox/Twin" in {row["path"] for row in copy.rows("folder", primary, "gone")}


def test_exporter_of_a_mailbox_does_both_and_a_run_without_news_asks_little(copy: Copy) -> None:
    def run() -> CopyResult:
        with copy.writer() as writer:
            exporter = MailExporter(
                SOURCE, copy.desk.graph, writer, MailSettings(), CLOCK, progress=Progress(), stop=threading.Event()
            )
            found = exporter.run()
            copy.reconciliation = reconcile(writer.state)
            return found

    first = run()
    copy.check()
    assert {row["class"] for row in first.coverage} >= {"native_streams", "archive"}
    told = next(row for row in first.coverage if row["class"] == "native_streams")
    before = len(copy.desk.asked("exportItems"))
    deltas = copy.desk.asked("items/delta")
    second = run()
    assert len(copy.desk.asked("exportItems")) == before
    primary, _ = copy.ids()
    asked = copy.desk.asked("items/delta")[len(deltas) :]
    assert not [row for row in asked if primary.partition(":")[2].partition("@")[0] in row["path"]]
    assert next(row for row in second.coverage if row["class"] == "native_streams") == told


def test_too_much_that_vanishes_at_once_is_not_marked_until_it_is_accepted(tmp_path: Path) -> None:
    root = tmp_path / "tenant"
    data.write_tenant(root, fill)
    _fill_archive(root, 130)
    with desk_at(root, CLOCK) as desk:
        desk.settings(roles=ROLES)
        copy = Copy(desk, tmp_path / "store")
        copy.second(fasttransfer="off")
        _, archive = copy.ids()
        held = len(copy.rows("message", archive, "copied"))
        inbox = next(row["id"] for row in copy.rows("folder", archive) if row["path"] == "/Inbox")
        assert held == 130
        user = desk.client.rehearsal.service.tenant.user(data.ADA)
        box = desk.client.rehearsal.service.tenant.mailboxes.of({**(user or {}), "_dir": "users/u00005"})
        assert box is not None
        for n in range(held):
            box.remove("message", n, {})
        copy.second(fasttransfer="off")
        assert len(copy.rows("message", archive, "copied")) == held and copy.result.problems == ["mass_disappearance"]
        digest = copy.result.digests["mass_disappearance"]
        copy.second(fasttransfer="off")
        assert copy.result.digests["mass_disappearance"] == digest
        copy.accepts = lambda given: given == digest
        copy.second(fasttransfer="off")
        assert len(copy.rows("message", archive, "gone")) == held and not copy.result.problems
        assert all(row["parent"] == inbox for row in copy.rows("message", archive, "gone"))
        copy.check()


def _fill_archive(root: Path, messages: int) -> None:
    """Ada's archive with so many messages, all in its Inbox."""
    writer = data.MailboxWriter.__new__(data.MailboxWriter)
    writer.folder, writer.user, writer.mime, writer.content = root / "users/u00005", 5, b"", b""
    rows = []
    for n in range(messages):
        row = data.message(writer, 4, data.INBOX)
        rows.append({**row, "id": data.made("message", n, 5), "subject": f"message {n}"})
    folders = [json.loads(line) for line in (writer.folder / "folders.jsonl").read_text().splitlines()]
    for row in folders:
        is_inbox = row["_n"] == data.INBOX
        row["_first"], row["_count"] = (0, messages) if row["_n"] <= data.INBOX else (messages, 0)
        row["totalItemCount"] = row["_count"] = messages if is_inbox else 0
        row["_first"] = 0 if row["_n"] <= data.INBOX else messages
    writer.rows("folders", folders)
    writer.rows("messages", rows)
    writer.close()
