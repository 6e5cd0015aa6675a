"""A mailbox restored as files: each item once, in its folder, with the bytes of its row; what differs is a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.bag.verify_rows import AsOf, PathRows
from exporters.restore import restore_source
from exporters.store.folder import FolderStore
from tests.unit.bag import mailbox_bag as box
from tests.unit.bag.mailbox_bag import BAG, CONTACTS, ENTRIES, LINES, MIME, PHOTO_BYTES, STREAMS, ZIP_1, ZIP_2
from tests.unit.test_restore import tree_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


FOLDERS = [
    "/Attachments",
    "/Attachments/contacts-00001",
    "/Contacts",
    "/Inbox",
    "/Inbox/Deep",
    "/PST",
    "/Sent",
    "/Sent/2024",
    "/Settings",
]
NOW = {
    **dict.fromkeys(FOLDERS),
    "/Inbox/00000001 Hello.eml": MIME["m1"][1],
    "/Inbox/00001001 Plan.eml": ENTRIES[ZIP_2][box.PLAN],
    "/Inbox/00000003.fts": ENTRIES[STREAMS]["00000003.fts"],
    "/Contacts/C 1.json": LINES[CONTACTS][0],
    "/Contacts/C 2.json": LINES[CONTACTS][1],
    "/Attachments/contacts-00001/00000001 photo!.jpg": PHOTO_BYTES,
    "/PST/anna@contoso.com.pst": b"!BDN first",
    **{f"/Settings/{kind}.json": LINES[box.SETTINGS][n] for n, kind in enumerate(("rule", "category", "setting"))},
}


def test_the_tree_as_it_is_now(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    result = restore_source(store, BAG, tmp_path / "to")
    assert result.whole, result
    assert tree_of(tmp_path / "to") == NOW
    assert result.files == sum(data is not None for data in NOW.values())
    assert result.bytes == sum(len(data) for data in NOW.values() if data is not None)
    assert [(note.path, note.what) for note in result.excepted.first] == [("/Inbox/Secret", "mime_refused")]


def test_what_is_gone_and_what_was_before(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    restore_source(store, BAG, tmp_path / "to", include_gone=True, versions=True)
    tree = tree_of(tmp_path / "to")
    assert tree["/Sent/2024/00000003 Bye.eml"] == MIME["m3"][1]
    versions = [path for path in tree if "(version" in path]
    assert len(versions) == 1 and tree[versions[0]] == MIME["m2"][1] and "00000002 Plan ☃" in versions[0]


def test_the_tree_as_it_was_then(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    restore_source(store, BAG, tmp_path / "to", as_of=AsOf(box.RUN_1))
    tree = tree_of(tmp_path / "to")
    assert tree["/Inbox/00000002 Plan ☃.eml"] == MIME["m2"][1] and "/Inbox/00001001 Plan.eml" not in tree
    assert not any(path.startswith("/PST") for path in tree)


@pytest.mark.parametrize("under", ["/Contacts", "/Inbox/Deep"])
def test_only_what_stands_under_a_path(store: FolderStore, tmp_path: Path, under: str) -> None:
    box.whole_mailbox(store)
    restore_source(store, BAG, tmp_path / "to", under=under)
    expected = {path: data for path, data in NOW.items() if f"{path}/".startswith(f"{under}/")}
    above = {parent for parent in ("/Inbox",) if under.startswith(parent)}
    assert tree_of(tmp_path / "to") == {**dict.fromkeys(above), **expected}


def test_items_of_one_name_both_stand_there(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    lines = [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}']
    key = "data/originals/contacts-00002.jsonl"
    rows = [
        box.held("contact", text.decode(), f"{key}!{n}", text, parent="people", name=name, path=f"/Contacts/{name}")
        for n, (text, name) in enumerate(zip(lines, ("C 1", "a/b", "../.."), strict=True), 1)
    ]
    with box.opened(store, "20261125T100000Z-cccccc") as writer:
        box.put_whole(writer, key, b"".join(text + b"\n" for text in lines), rows)
        writer.close("complete")
    result = restore_source(store, BAG, tmp_path / "to")
    assert result.whole and result.changed_names.count == 3, result
    found = [data for path, data in tree_of(tmp_path / "to").items() if path.startswith("/Contacts/")]
    assert sorted(data or b"" for data in found) == sorted([*LINES[CONTACTS], *lines])


@pytest.mark.parametrize(
    ("key", "data", "failed"),
    [
        (ZIP_1, box.zipped({**ENTRIES[ZIP_1], box.HELLO: b"other"}), {"/Inbox/Hello"}),
        (ZIP_1, box.zipped({}), {"/Inbox/Hello"}),
        (ZIP_1, b"no zip", {"/Inbox/Hello"}),
        (CONTACTS, LINES[CONTACTS][0] + b"\n", {"/Contacts/C 2"}),
        (CONTACTS, LINES[CONTACTS][1] + b"\n" + LINES[CONTACTS][0] + b"\n", {"/Contacts/C 1", "/Contacts/C 2"}),
        (CONTACTS, b"", {"/Contacts/C 1", "/Contacts/C 2"}),
    ],
)
def test_what_differs_from_its_row_is_a_failure(
    store: FolderStore, tmp_path: Path, key: str, data: bytes, failed: set[str]
) -> None:
    box.whole_mailbox(store, {key: data})
    result = restore_source(store, BAG, tmp_path / "to")
    assert {note.path for note in result.failures.first} == failed and result.failures.count == len(failed)
    assert b"" not in tree_of(tmp_path / "to").values()


def test_an_object_that_is_gone_fails_its_items(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    (tmp_path / "store" / BAG / CONTACTS).unlink()
    result = restore_source(store, BAG, tmp_path / "to")
    assert {note.path for note in result.failures.first} == {"/Contacts/C 1", "/Contacts/C 2"}


def test_a_drill_takes_items_of_a_mailbox(store: FolderStore, tmp_path: Path) -> None:
    box.whole_mailbox(store)
    result = restore_source(store, BAG, tmp_path / "to", drill=3)
    assert result.whole and result.files == 3


def test_a_drill_chooses_only_what_becomes_a_file(store: FolderStore) -> None:
    """Neither the objects that hold items nor second captures: N asked for are N files."""
    box.whole_mailbox(store)
    with PathRows(store, BAG) as rows:
        chosen = {row.kind for _ in range(40) for row in rows.by_path(drill=3)}
    assert chosen and not chosen & {"stream", "original", "leftover"}
