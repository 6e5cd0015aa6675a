"""`verify` of a mailbox: what is whole is found whole, and each fault is found, by the name of the entry that it hits."""

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bagit
import pytest

from exporters.bag.verify import BagVerification, Choice, verify_bag
from exporters.store.folder import FolderStore
from tests.unit.bag import mailbox_bag as box
from tests.unit.bag.mailbox_bag import BAG, CONTACTS, HELLO, OLD_PLAN, PHOTO, PST, STREAMS, ZIP_1, ZIP_2, held, sha


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def path_of(store: FolderStore, key: str) -> Path:
    return Path(store.url.removeprefix("file:")) / BAG / key


def names(found: BagVerification, sort: str) -> set[str]:
    return {finding.name for finding in getattr(found, sort).first}


def nothing_else(found: BagVerification, *sorts: str) -> bool:
    return not any(getattr(found, sort) for sort in {"missing", "changed", "unexpected", "in_flight"} - {*sorts})


def test_a_whole_mailbox_is_found_whole(store: FolderStore) -> None:
    box.whole_mailbox(store)
    found = verify_bag(store, BAG, refold=True)
    assert found.whole and found.refolded, found
    assert (found.open, found.closed) == (False, True)
    payload = [path for path in path_of(store, "data").rglob("*") if path.is_file()]
    assert (found.files, found.bytes) == (len(payload), sum(path.stat().st_size for path in payload))
    assert found.files_read == len(payload)


def test_the_library_of_congress_accepts_it(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    shutil.copytree(path_of(store, ""), tmp_path / "copy")
    assert bagit.Bag(str(tmp_path / "copy")).is_valid()


def test_the_manifest_names_objects_and_no_entries(store: FolderStore) -> None:
    box.whole_mailbox(store)
    lines = path_of(store, "manifest-sha256.txt").read_text().splitlines()
    expected = sorted(
        [ZIP_1, ZIP_2, STREAMS, CONTACTS, box.SETTINGS, PHOTO, PST, "data/about.txt"], key=lambda key: key.encode()
    )
    assert [text.partition("  ")[2] for text in lines] == expected


# -- what lies in the objects


def with_entries(store: FolderStore, key: str, **change: Any) -> None:
    """A bag with another zip in place of one, which all of ledger, manifest and rows call right: but for its entries."""
    entries = {**box.ENTRIES[key], **change.pop("add", {})}
    for name in change.pop("drop", ()):
        del entries[name]
    box.whole_mailbox(store, {key: box.zipped(entries)})


def test_an_entry_that_is_not_in_its_zip_is_missing(store: FolderStore) -> None:
    with_entries(store, ZIP_1, drop=(HELLO, OLD_PLAN))
    found = verify_bag(store, BAG)
    assert names(found, "missing") == {f"{ZIP_1}!{HELLO}", f"{ZIP_1}!{OLD_PLAN}"} and nothing_else(found, "missing")


@pytest.mark.parametrize("data", [b"x", b"", box.MIME["m1"][1][::-1], box.MIME["m1"][1] + b"."])
def test_an_entry_with_other_bytes_is_changed(store: FolderStore, data: bytes) -> None:
    with_entries(store, ZIP_1, add={HELLO: data})
    found = verify_bag(store, BAG)
    assert names(found, "changed") == {f"{ZIP_1}!{HELLO}"} and nothing_else(found, "changed")


@pytest.mark.parametrize(
    ("key", "name"), [(ZIP_2, "Inbox/00001002 x.eml"), (STREAMS, "00000009.fts")], ids=["mail", "stream"]
)
def test_an_entry_that_no_row_names_is_unexpected(store: FolderStore, key: str, name: str) -> None:
    with_entries(store, key, add={name: b"x"})
    found = verify_bag(store, BAG)
    assert names(found, "unexpected") == {f"{key}!{name}"} and nothing_else(found, "unexpected")


def test_an_entry_that_no_row_names_yet_is_in_flight_in_an_open_bag(store: FolderStore) -> None:
    with_entries(store, ZIP_1, add={"Inbox/00000004 x.eml": b"x"})
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        writer.emit("item", box.folder("new", "root", "/New", totalItemCount=0))
        writer.flush()
    found = verify_bag(store, BAG)
    assert found.open and found.whole
    assert names(found, "in_flight") == {f"{ZIP_1}!Inbox/00000004 x.eml"}


def test_two_entries_of_one_name_are_told(store: FolderStore) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning):
        for name, data in [*box.MIME.values(), box.MIME["m1"]]:
            archive.writestr(name, data)
    box.whole_mailbox(store, {ZIP_1: file.getvalue()})
    assert names(verify_bag(store, BAG), "changed") == {f"{ZIP_1}!{HELLO}"}


@pytest.mark.parametrize(
    "data", [b"", b"PK\5\6" + b"\0" * 18, b"no zip at all", box.zipped(dict(box.MIME.values()))[:-30]]
)
def test_what_is_no_zip_is_told(store: FolderStore, data: bytes) -> None:
    box.whole_mailbox(store, {ZIP_1: data})
    found = verify_bag(store, BAG)
    named = {ZIP_1, *(f"{ZIP_1}!{name}" for name, _ in box.MIME.values())}
    assert not found.whole and names(found, "changed") | names(found, "missing") <= named


def test_a_zip_that_not_every_unzip_reads_is_told(store: FolderStore) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in box.MIME.values():
            archive.writestr(name, data)
    box.whole_mailbox(store, {ZIP_1: file.getvalue()})
    assert len(names(verify_bag(store, BAG), "changed")) == 3


@pytest.mark.parametrize(
    ("change", "sort", "bad"),
    [
        (lambda lines: [lines[0]], "missing", "!2"),
        (lambda lines: [lines[0], lines[1].replace(b"C", b"X", 1)], "changed", "!2"),
        (lambda lines: [lines[0], lines[1] + b" "], "changed", "!2"),
        (lambda lines: lines[::-1], "changed", "!1"),
    ],
    ids=["fewer", "other", "longer", "turned"],
)
def test_lines_that_are_not_as_their_rows_say(
    store: FolderStore, change: Callable[[list[bytes]], list[bytes]], sort: str, bad: str
) -> None:
    lines = change([*box.LINES[CONTACTS]])
    box.whole_mailbox(store, {CONTACTS: b"".join(text + b"\n" for text in lines)})
    found = verify_bag(store, BAG)
    assert CONTACTS + bad in names(found, sort) and nothing_else(found, sort)


def test_a_last_line_without_end_is_told(store: FolderStore) -> None:
    box.whole_mailbox(store, {CONTACTS: b"\n".join(box.LINES[CONTACTS])})
    found = verify_bag(store, BAG)
    assert names(found, "changed") == {CONTACTS} and names(found, "missing") == {f"{CONTACTS}!2"}


@pytest.mark.parametrize("key", [ZIP_1, STREAMS, CONTACTS, PHOTO, PST])
def test_a_flipped_byte_of_any_object_is_found(store: FolderStore, key: str) -> None:
    box.whole_mailbox(store)
    data = bytearray(path_of(store, key).read_bytes())
    for place in range(0, len(data), max(1, len(data) // 40)):
        flipped = bytearray(data)
        flipped[place] ^= 4
        path_of(store, key).write_bytes(flipped)
        assert key in names(verify_bag(store, BAG), "changed"), place


@pytest.mark.parametrize("key", [ZIP_1, STREAMS, CONTACTS, PHOTO, PST])
@pytest.mark.parametrize("level", ["full", "stored"])
def test_an_object_that_is_gone_is_missing(store: FolderStore, key: str, level: Any) -> None:
    box.whole_mailbox(store)
    path_of(store, key).unlink()
    found = verify_bag(store, BAG, level=level)
    assert names(found, "missing") == {key} and nothing_else(found, "missing")


def test_at_level_stored_no_entry_is_read(store: FolderStore) -> None:
    with_entries(store, ZIP_1, drop=(HELLO,))
    found = verify_bag(store, BAG, level="stored")
    assert found.whole and found.files_read == 0
    assert not verify_bag(store, BAG, choice=Choice(everything=False, share=1.0)).whole


# -- what rows say


def with_row(store: FolderStore, *rows: dict[str, Any]) -> BagVerification:
    box.whole_mailbox(store)
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        for row in rows:
            writer.emit("item", row)
        writer.close("complete")
    return verify_bag(store, BAG)


def test_two_rows_of_one_entry_are_a_fault(store: FolderStore) -> None:
    again = box.message("m9", "sent", "/Sent/2024/Again", f"{ZIP_1}!{HELLO}", box.MIME["m1"][1])
    found = with_row(store, again, box.folder("sent", "root", "/Sent/2024", totalItemCount=1))
    assert names(found, "changed") == {f"{ZIP_1}!{HELLO}"} and nothing_else(found, "changed"), found


def test_an_entry_that_lost_its_row_is_told(store: FolderStore) -> None:
    """The earlier state of a message has no row any more: what was captured is never without one."""
    box.first_run(store)
    plan = b"From: b\r\n\r\nAnother plan"
    with box.opened(store, box.RUN_2) as writer:
        new = box.message("m2", "inbox", "/Inbox/Plan", f"{ZIP_2}!{box.PLAN}", plan)
        box.put_whole(writer, ZIP_2, box.zipped({box.PLAN: plan}), [new])
        gone = {**(writer.state.item_row("", "c2") or {}), "outcome": "excepted", "code": "x", "reason": "r"}
        writer.emit("item", {k: v for k, v in gone.items() if k not in {"key", "size", "sha256"}})
        writer.close("complete")
    found = verify_bag(store, BAG)
    assert names(found, "unexpected") == {f"{ZIP_1}!{OLD_PLAN}", f"{CONTACTS}!2"} and nothing_else(found, "unexpected")


def test_rows_that_name_an_entry_with_different_bytes_one_after_the_other(store: FolderStore) -> None:
    wrong = box.message("m1", "inbox", "/Inbox/Hello", f"{ZIP_1}!{HELLO}", b"other")
    right = box.message("m1", "inbox", "/Inbox/Hello", f"{ZIP_1}!{HELLO}", box.MIME["m1"][1])
    found = with_row(store, wrong, right)
    assert names(found, "changed") == {f"{ZIP_1}!{HELLO}"}


def test_an_object_that_holds_entries_needs_a_row(store: FolderStore) -> None:
    data = box.zipped({"x.eml": b"x"})
    row = box.message("m9", "sent", "/Sent/2024/x", "data/originals/mail-00009.zip!x.eml", b"x")
    box.whole_mailbox(store)
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        writer.put_payload("data/originals/mail-00009.zip", [data])
        writer.emit("item", row)
        writer.emit("item", box.folder("sent", "root", "/Sent/2024", totalItemCount=1))
        writer.orphans_possible = True
        writer.close("complete")
    found = verify_bag(store, BAG)
    assert names(found, "missing") == {"data/originals/mail-00009.zip"} and nothing_else(found, "missing")


UNSOUND = {
    "message without key": {"key": None, "size": None, "sha256": None},
    "message with the key of an object": {"key": ZIP_1},
    "message elsewhere": {"key": f"data/files/a.zip!{HELLO}"},
    "message with another key": {"key": f"{ZIP_1}!"},
    "line without number": {"key": f"{CONTACTS}!x"},
    "line nought": {"key": f"{CONTACTS}!0"},
    "without size": {"size": None},
    "without SHA-256": {"sha256": None},
    "excepted with key": {"outcome": "excepted", "code": "c"},
    "original of another id": {"kind": "original", "key": ZIP_1, "id": "x"},
    "original that is no object of originals": {"kind": "original", "key": PHOTO, "id": PHOTO},
    "attachment without key": {"kind": "attachment", "key": None},
}


@pytest.mark.parametrize("change", UNSOUND.values(), ids=UNSOUND)
def test_rows_that_say_what_no_row_of_their_kind_says(store: FolderStore, change: dict[str, Any]) -> None:
    """In the segment: the fold repeats what it says, so nothing else would tell."""
    row = {**box.message("m9", "sent", "/Sent/2024/x", f"{ZIP_1}!{HELLO}", b"x"), **change}
    found = with_row(store, {name: value for name, value in row.items() if value is not None})
    assert any("no row of their kind" in finding.why for finding in found.changed.first), found


def test_derived_bytes_may_change(store: FolderStore) -> None:
    """Also where a writer was cut off after its PST, which then was left over."""
    box.whole_mailbox(store)
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        writer.put_derived("data/pst/anna-002.pst", [b"cut off"])
        box.put_pst(writer, b"!BDN second, longer")
        writer.orphans_possible = True
        writer.close("complete")
    found = verify_bag(store, BAG, refold=True)
    assert found.whole, found
    with box.opened(store, "20261126T100000Z-cccccc") as writer:
        data = b"composed"
        writer.put_derived("data/pst/anna-002.pst", [data])
        writer.emit("item", held("derived", "data/pst/anna-002.pst", "data/pst/anna-002.pst", data))
        writer.close("complete")
    assert verify_bag(store, BAG, refold=True).whole


def test_originals_may_not_change(store: FolderStore) -> None:
    """Rows that follow each other name the object with different bytes."""
    old = held("original", ZIP_2, ZIP_2, b"other")
    box.whole_mailbox(store)
    now = held("original", ZIP_2, ZIP_2, path_of(store, ZIP_2).read_bytes())
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        writer.emit("item", old)
        writer.emit("item", now)
        writer.close("complete")
    assert ZIP_2 in names(verify_bag(store, BAG), "changed")


# -- counts


@pytest.mark.parametrize("told", [0, 2, 4])
def test_a_folder_that_holds_another_number_is_not_reconciled(store: FolderStore, told: int) -> None:
    found = with_row(store, box.folder("inbox", "root", "/Inbox", totalItemCount=told))
    assert not found.reconciled and nothing_else(found) and "'inbox'" in found.reasons[0]


def test_streams_are_counted_in_the_folders_of_the_export_api(store: FolderStore) -> None:
    row = {**box.folder("x1", None, "/Inbox", totalItemCount=2), "scope": box.MBX}
    found = with_row(store, row)
    assert not found.reconciled and nothing_else(found)


def test_a_cut_off_zip_is_left_over_and_nobody_asks_what_is_in_it(store: FolderStore) -> None:
    box.first_run(store, close=False)
    with box.opened(store, box.RUN_2) as writer:
        writer.put_payload(ZIP_2, [box.zipped({"Inbox/00001001 x.eml": b"x"})])
        writer.flush()
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        writer.close("complete")
    found = verify_bag(store, BAG, refold=True)
    assert found.whole, found
    rows = path_of(store, "lastcopy/items.jsonl").read_bytes()
    assert b'"kind":"leftover"' in rows and sha(path_of(store, ZIP_2).read_bytes()).encode() in rows
