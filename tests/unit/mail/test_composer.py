"""Originals of a bag become a PST, in one order, whatever objects they lie in."""

import threading
from pathlib import Path

import pytest

from exporters.bag.verify import verify_bag
from exporters.mail.compose.composer import CURSOR, needs_composing
from tests.unit.mail.mailbox_bag import Mail, MailboxBag, digest, folder_bag, mime
from tests.unit.mail.own_mails import ALL
from tests.unit.mail.shown import subjects
from tests.unit.pst.judges import Checked


@pytest.fixture
def box(tmp_path: Path) -> MailboxBag:
    return folder_bag(tmp_path / "store")


def three(box: MailboxBag) -> None:
    box.tree()
    box.mails(1, [
        Mail("b", mime("second"), received="2026-11-02T00:00:00Z"),
        Mail("a", mime("first"), received="2026-11-01T00:00:00Z"),
        Mail("s", mime("sent"), "sent"),
    ])  # fmt: skip


def test_messages_go_into_their_folders_in_the_order_of_their_dates(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        three(box)
        composed = box.compose()
        row = box.row("message", "b")
    assert composed.messages == 3 and not composed.not_composed and not composed.stopped
    found = subjects(box.pst(), tmp_path / "a.pst")
    assert found == {"/": [], "/Deleted Items": [], "/Inbox": ["first", "second"], "/Sent Items": ["sent"]}
    assert row["pst"]["file"] == "anna@contoso.com.pst" and row["pst"]["folder"] == "/Inbox"
    Checked(tmp_path / "a.pst")


def test_a_row_names_the_node_of_its_message(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        three(box)
        box.compose()
        node = box.row("message", "s")["pst"]["node"]
    (tmp_path / "a.pst").write_bytes(box.pst())
    checked = Checked(tmp_path / "a.pst")
    assert checked.properties(checked.node(node))[0x0037001F].decode("utf-16-le") == "\x01\x01sent"


def test_the_same_originals_in_other_zips_give_the_same_bytes(tmp_path: Path) -> None:
    mails = [Mail(f"id{n:03d}", mime(f"m{n}"), received=f"2026-11-{n % 28 + 1:02d}T00:00:00Z") for n in range(40)]
    files = []
    for name, cut in (("one", 40), ("two", 7), ("three", 13)):
        box = folder_bag(tmp_path / name)
        with box.run():
            box.tree()
            order = mails if name != "three" else mails[::-1]
            for number, start in enumerate(range(0, 40, cut), 1):
                box.mails(number, order[start : start + cut])
            box.compose()
        files.append(box.pst())
    assert files[0] == files[1] == files[2]


def test_long_mails_that_are_read_from_a_file_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain, signed, with mails inside, in pieces that nest too deep, and none at all."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200))
    mails = [Mail(f"id{n:03d}", raw) for n, raw in enumerate((*ALL, deep))]
    files = []
    for longest in (1 << 20, 0):
        monkeypatch.setattr("exporters.mail.compose.bag_reading.IN_MEMORY", longest)
        box = folder_bag(tmp_path / str(longest))
        with box.run():
            box.tree()
            box.mails(1, mails)
            composed = box.compose()
        assert composed.messages == len(mails) and not composed.not_composed
        files.append(box.pst())
    assert files[0] == files[1]


def test_what_is_new_goes_into_the_next_part_and_nothing_else(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        three(box)
        box.compose()
    first = box.pst()
    with box.run():
        box.mails(2, [Mail("n", mime("new"))])
        composed = box.compose()
    assert composed.messages == 1 and box.pst() == first
    assert subjects(box.pst("anna@contoso.com-002.pst"), tmp_path / "b.pst")["/Inbox"] == ["new"]
    assert [(part["file"], part["messages"], part["used"]) for part in box.parts_json()["parts"]] == [
        ("anna@contoso.com-002.pst", 1, True), ("anna@contoso.com.pst", 3, True)]  # fmt: skip
    with box.run():
        again = box.compose()
    assert again.messages == 0 and again.bytes == 0
    assert [row["pst"]["messages"] for row in again.parts] == [3, 1]


def test_changed_moved_deleted_and_state_stand_in_parts_json_until_it_is_recomposed(
    box: MailboxBag, tmp_path: Path
) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail(name, mime(name)) for name in ("changed", "moved", "gone", "read", "same")])
        box.compose()
        nodes = {name: box.row("message", name)["pst"]["node"] for name in ("changed", "moved", "gone", "read", "same")}
    with box.run():
        box.mails(2, [Mail("changed", mime("changed anew"))])
        box.change("message", "moved", parent="sent")
        box.change("message", "gone", outcome="gone", since="2026-11-24T00:00:00Z")
        box.change("message", "read", service={"state": digest("read")})
        composed = box.compose()
    assert composed.messages == 1
    file = "anna@contoso.com.pst"
    told = {(entry["file"], entry["node"]): (entry["id"], entry["why"]) for entry in box.parts_json()["superseded"]}
    assert told == {
        (file, nodes["changed"]): ("changed", "changed"),
        (file, nodes["moved"]): ("moved", "moved"),
        (file, nodes["gone"]): ("gone", "deleted"),
        (file, nodes["read"]): ("read", "state"),
    }
    assert composed.superseded == {"changed": 1, "deleted": 1, "moved": 1, "state": 1}
    with box.run():
        composed = box.compose(recompose=True)
        assert "pst" not in box.row("message", "gone")
    assert composed.superseded == {} and box.parts_json()["superseded"] == []
    found = subjects(box.pst(), tmp_path / "c.pst")
    assert sorted(found["/Inbox"]) == ["changed anew", "read", "same"] and found["/Sent Items"] == ["moved"]
    assert {part["file"]: part["used"] for part in box.parts_json()["parts"]} == {
        file: True, "anna@contoso.com-002.pst": False}  # fmt: skip


def test_an_item_whose_row_carries_its_old_place_over_a_change_is_composed_again(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.compose()
        node = box.row("message", "a")["pst"]["node"]
    with box.run():
        box.mails(2, [Mail("a", mime("first anew"))])
        row = box.row("message", "a")
        box.writer.emit("item", {**row, "pst": {"file": "anna@contoso.com.pst", "folder": "/Inbox", "node": node}})
        composed = box.compose()
        pst = box.row("message", "a")["pst"]
    assert composed.messages == 1 and pst["file"] == "anna@contoso.com-002.pst"


def test_recompose_of_an_unchanged_bag_gives_the_same_bytes_and_puts_nothing(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.compose()
    before, rows = box.pst(), [*box_rows(box)]
    stat = box.store.stat(f"{box.bag}/data/pst/anna@contoso.com.pst")
    with box.run():
        composed = box.compose(recompose=True)
        assert composed.bytes == 0 and composed.messages == 3
    assert box.pst() == before and box.store.stat(f"{box.bag}/data/pst/anna@contoso.com.pst") == stat
    assert [*box_rows(box)] == rows


def box_rows(box: MailboxBag) -> list[bytes]:
    return box.store.read(f"{box.bag}/lastcopy/items.jsonl").splitlines()


def test_recompose_after_increments_gives_what_one_composition_of_all_gives(box: MailboxBag, tmp_path: Path) -> None:
    other = folder_bag(tmp_path / "other")
    with box.run():
        three(box)
        box.compose()
    with box.run():
        box.mails(2, [Mail("n", mime("new"), received="2026-11-01T12:00:00Z")])
        box.compose()
    with box.run():
        box.compose(recompose=True)
    with other.run():
        three(other)
        other.mails(2, [Mail("n", mime("new"), received="2026-11-01T12:00:00Z")])
        other.compose()
    assert box.pst() == other.pst()


def test_parts_are_split_at_part_size_and_each_has_all_folders(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail(f"id{n}", mime(f"m{n}", "x" * 400_000)) for n in range(10)])
        composed = box.compose(part_size=3_500_000)
        files = {box.row("message", f"id{n}")["pst"]["file"] for n in range(10)}
    names = ["anna@contoso.com.pst", *(f"anna@contoso.com-{n:03d}.pst" for n in range(2, len(files) + 1))]
    assert files == set(names) and 1 < len(files) < 10
    found: list[str] = []
    for number, name in enumerate(names):
        content = box.pst(name)
        assert len(content) <= 3_500_000
        told = subjects(content, tmp_path / f"{number}.pst")
        assert set(told) == {"/", "/Deleted Items", "/Inbox", "/Sent Items"}
        found += told["/Inbox"]
    assert sorted(found) == sorted(f"m{n}" for n in range(10))
    assert sum(row["pst"]["messages"] for row in composed.parts) == 10


def test_a_mailbox_without_a_message_is_a_pst_with_its_folders(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        composed = box.compose()
    assert composed.messages == 0
    assert subjects(box.pst(), tmp_path / "a.pst") == {"/": [], "/Deleted Items": [], "/Inbox": [], "/Sent Items": []}
    with box.run():
        box.compose()
    assert [part["file"] for part in box.parts_json()["parts"]] == ["anna@contoso.com.pst"]


def test_what_cannot_be_composed_is_named_and_the_rest_is_there(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        three(box)
        box.change("message", "a", sha256="0" * 64)
        box.change("message", "b", key="data/originals/mail-00001.zip!x/00000009 none.eml")
        composed = box.compose()
        assert "pst" not in box.row("message", "a") and "pst" not in box.row("message", "b")
    assert composed.not_composed == {"original_damaged": 1, "original_missing": 1}
    assert box.writer.heads.cursors[CURSOR]["not_composed"] == composed.not_composed
    told = {(entry["kind"], entry["id"]): entry["code"] for entry in box.parts_json()["not_composed"]}
    assert told == {("message", "a"): "original_damaged", ("message", "b"): "original_missing"}
    assert subjects(box.pst(), tmp_path / "a.pst")["/Sent Items"] == ["sent"]


def test_where_all_that_is_new_is_refused_there_is_no_further_part(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.compose()
    with box.run():
        box.mails(2, [Mail("n", mime("new"))])
        box.change("message", "n", sha256="0" * 64)
        composed = box.compose()
    assert composed.not_composed == {"original_damaged": 1}
    assert [part["file"] for part in box.parts_json()["parts"]] == ["anna@contoso.com.pst"]
    assert [entry["id"] for entry in box.parts_json()["not_composed"]] == ["n"]


def test_a_bag_without_an_object_that_it_should_have_names_all_that_was_in_it(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.mails(2, [Mail("n", mime("new"))])
    (Path(box.store.url.removeprefix("file:")) / box.bag / "data/originals/mail-00001.zip").unlink()
    with box.run():
        composed = box.compose()
    assert composed.messages == 1 and sum(composed.not_composed.values()) == 3


def test_stop_ends_between_items_and_the_next_composition_makes_the_same(box: MailboxBag, tmp_path: Path) -> None:
    stop = threading.Event()
    with box.run(close="stopped"):
        three(box)
        stop.set()
        composed = box.compose(stop=stop)
        assert composed.stopped and needs_composing(box.writer)
    assert box.store.stat(f"{box.bag}/data/pst/anna@contoso.com.pst") is None
    with box.run():
        box.compose()
    other = folder_bag(tmp_path / "other")
    with other.run():
        three(other)
        other.compose()
    assert box.pst() == other.pst()


def test_whether_there_is_something_to_compose_is_known_without_rows(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.compose()
    from exporters.bag.ledger import Run, open_bag
    from tests.unit.mail.mailbox_bag import SOURCE

    with open_bag(box.store, box.bag, {**SOURCE, "name": "x"}, Run("r-1", box.clock, lambda: 0)) as writer:
        assert not needs_composing(writer) and not writer.is_loaded
        assert writer.heads.cursors[CURSOR]["parts"] == ["anna@contoso.com.pst"]
        assert not writer.heads.cursors[CURSOR]["not_composed"]
        writer.close("complete")


def test_an_item_that_is_owed_stays_owed_when_its_row_gets_a_place(box: MailboxBag) -> None:
    listed = {"scope": "", "id": "a", "kind": "message", "parent": "inbox", "name": "newer", "service": {"state": "1"}}
    with box.run(close="stopped"):
        three(box)
        box.writer.emit("listed", listed)
        box.compose()
        assert box.row("message", "a")["pst"] and box.writer.state.listed("", "a") == listed
    with box.run(close=None):
        assert box.writer.state.listed("", "a") == listed


def test_a_composed_bag_is_whole(box: MailboxBag) -> None:
    with box.run():
        three(box)
        box.compose()
    with box.run():
        box.mails(2, [Mail("a", mime("first anew"))])
        box.compose()
    with box.run():
        box.compose(recompose=True)
    found = verify_bag(box.store, box.bag)
    findings = [*found.missing.first, *found.changed.first, *found.unexpected.first]
    assert not findings, findings
