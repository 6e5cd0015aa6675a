"""`lastcopy compose`: from the store alone, without tenant and state; what it says, how it ends, what goes on record."""

import json
from pathlib import Path

import pytest

from exporters.bag.formats import dump_json
from exporters.clock import SystemClock
from exporters.store.folder import FolderStore
from retention.cli.main import main
from retention.journal import Journal
from tests.contracts.cli_tenant import Result
from tests.unit.mail.mailbox_bag import SOURCE, Mail, MailboxBag, folder_bag, mime
from tests.unit.mail.shown import subjects

CONFIG = """
tenant: {id: 00000000-0000-0000-0000-000000000001, client_id: 11111111-1111-1111-1111-111111111111,
         credential: {secret: 'env:NO_SUCH_SECRET'}}
store: {url: 'file:./copy'}
state: sqlite:///gone.db
"""


class Desk:
    """A folder with a configuration and a store, and no tenant anywhere."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        (folder / "lastcopy.yaml").write_text(CONFIG)
        self.box = folder_bag(folder / "copy")
        self._root("lastcopy.json", {
            "created": "2026-11-23T10:00:00Z", "layout": 1, "product": "lastcopy",
            "tenant": {"id": "00000000-0000-0000-0000-000000000001", "domain": "contoso.com"}})  # fmt: skip
        self.record(self.box)

    def _root(self, key: str, content: dict[str, object]) -> None:
        FolderStore(self.folder / "copy").put(key, dump_json(content))

    def record(self, box: MailboxBag) -> None:
        from hashlib import sha256

        handle = sha256(f"mail {SOURCE['id']}".encode()).hexdigest()[:24]
        names = [{"name": box.bag.partition("/")[2], "since": "2026-11-23T10:00:00Z"}]
        self._root(f"sources/{handle}.json", {**SOURCE, "bag": box.bag, "names": names})

    def run(self, *argv: str) -> Result:
        self._capsys.readouterr()
        status = main([*argv, "--config", str(self.folder / "lastcopy.yaml")])
        captured = self._capsys.readouterr()
        return Result(status, captured.out, captured.err)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    with desk.box.run():
        desk.box.tree()
        desk.box.mails(1, [Mail("a", mime("first")), Mail("b", mime("second"))])
    return desk


def test_psts_are_made_without_a_tenant_or_a_state(desk: Desk) -> None:
    result = desk.run("compose", "--json")
    assert result.exit == 0, result.err
    (bag,) = result.json["composed"]
    assert bag["bag"] == desk.box.bag and bag["messages"] == 2 and [part["messages"] for part in bag["parts"]] == [2]
    assert subjects(desk.box.pst(), desk.folder / "a.pst")["/Inbox"] == ["first", "second"]
    assert not (desk.folder / "gone.db").exists()
    assert desk.run("verify", "--json").json["changed"] == 0
    again = desk.run("compose", "--json")
    assert again.exit == 0 and again.json["composed"][0]["messages"] == 0


def test_recompose_gives_the_same_bytes_after_all_else_is_gone(desk: Desk) -> None:
    assert desk.run("compose").exit == 0
    before = desk.box.pst()
    result = desk.run("compose", "--recompose", "--json")
    assert result.exit == 0 and result.json["composed"][0]["bytes"] == 0 and desk.box.pst() == before
    (desk.folder / "copy" / desk.box.bag / "data/pst/anna@contoso.com.pst").unlink()
    assert desk.run("compose", "--recompose").exit == 0
    assert desk.box.pst() == before


def test_where_it_left_each_bag_is_in_the_journal(desk: Desk) -> None:
    run = desk.run("compose", "--json").json["run"]
    rows = [row for row in Journal(desk.box.store, SystemClock()).rows() if row["type"] == "composed"]
    assert [row["run"] for row in rows] == [run] and list(rows[0]["bags"]) == [desk.box.bag]
    ledger = desk.folder / "copy" / desk.box.bag / "lastcopy/ledger"
    assert rows[0]["bags"][desk.box.bag]["segment"] == len(list(ledger.iterdir()))


def test_what_cannot_be_composed_makes_it_end_with_3_and_is_named(desk: Desk) -> None:
    with desk.box.run():
        desk.box.change("message", "a", sha256="0" * 64)
    result = desk.run("compose", "--json")
    assert result.exit == 3 and result.json["composed"][0]["not_composed"] == {"original_damaged": 1}
    said = desk.run("compose")
    assert said.exit == 3 and "original_damaged" in said.out and "parts.json" in said.out


def test_a_source_that_is_no_mailbox_is_a_mistake_of_the_command_line(desk: Desk) -> None:
    store = FolderStore(desk.folder / "copy")
    store.put("sources/" + "0" * 24 + ".json", dump_json({}))
    result = desk.run("compose", "--source", "onedrive/nobody@contoso.com", "--json")
    assert result.exit == 2 and json.loads(result.out)["error"]


def test_superseded_items_are_told_with_the_command_that_brings_them_up_to_date(desk: Desk) -> None:
    assert desk.run("compose").exit == 0
    with desk.box.run():
        desk.box.change("message", "a", parent="sent")
    said = desk.run("compose")
    assert said.exit == 0 and "1 moved" in said.out and "--recompose" in said.out


def test_another_writer_at_work_is_one_failure_and_no_end_for_the_others(desk: Desk) -> None:
    with desk.box.run(close=None):
        desk.box.writer.flush()
        result = desk.run("compose", "--json")
    assert result.exit == 1 and result.json["error"]["code"] == "another_writer" and result.json["failed"] == 1
