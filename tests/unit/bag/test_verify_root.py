import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.verify import list_bags, verify_root
from exporters.store.folder import FolderStore
from tests.unit.bag.handmade_bag import HandmadeBag, dump, sha, usual_bag

BAGS = ["onedrive/anna@contoso.com", "onedrive/anna-b", "onedrive/anna", "onedrive/anna0"]
RUN = "runs/20261123T100000Z-aaaaaa.json"


def handle(kind: str, source_id: str) -> str:
    return sha(f"{kind} {source_id}".encode())[:24]


def journal_of(segments: list[list[dict[str, Any]]]) -> dict[str, bytes]:
    objects: dict[str, bytes] = {}
    before = row_before = None
    for number, rows in enumerate(segments, 1):
        body = dump({"segment": number, "previous": before, "run": "r", "at": "t", "writer": {"id": "w"}}) + b"\n"
        for row in rows:
            line = dump({**row, "previous": row_before}) + b"\n"
            row_before = sha(line)
            body += line
        data = body + dump({"end": len(rows), "sha256": sha(body)}) + b"\n"
        before = sha(data)
        objects[f"journal/{number:09d}.jsonl"] = data
    return objects


@pytest.fixture
def objects() -> dict[str, bytes]:
    """A whole store: four bags whose names are starts of each other, a journal of two segments, one run."""
    found = {
        "lastcopy.json": dump({"created": "2026-11-23T10:00:00Z", "layout": 1, "product": "lastcopy",
                               "tenant": {"domain": "contoso.com", "id": "tenant-1"}}),
        RUN: dump({"run": "20261123T100000Z-aaaaaa"}),
        "lastcopy-probe": b"",
        "evidence/20261123T154017Z/evidence.json": b"{}",
    }  # fmt: skip
    for bag in BAGS:
        made = usual_bag(bag, source_id=f"drive of {bag}")
        found |= {f"{bag}/{name}": data for name, data in made.objects.items()}
        record = {"bag": bag, "id": made.source["id"], "kind": "onedrive", "owner": "user-1",
                  "names": [{"name": bag, "since": "2026-11-23T10:00:00Z"}]}  # fmt: skip
        found[f"sources/{handle('onedrive', made.source['id'])}.json"] = dump(record)
    row = {"type": "run_started", "at": "t", "actor": {"host": "h", "user": "u"}}
    return found | journal_of([[row, {**row, "type": "verified"}], [], [{**row, "type": "run_ended"}]])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def write(objects: dict[str, bytes], tmp_path: Path) -> None:
    for key, data in objects.items():
        path = tmp_path / "store" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_a_whole_store(store: FolderStore, tmp_path: Path, objects: dict[str, bytes]) -> None:
    write(objects, tmp_path)
    assert list(list_bags(store)) == sorted(BAGS)
    found = verify_root(store)
    assert found.whole, found
    assert (found.bags, found.journal_segments, found.layout, found.tenant) == (4, 3, 1, "tenant-1")


def test_a_bag_is_found_without_its_entry_and_without_its_source(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes]
) -> None:
    entry = f"sources/{handle('onedrive', 'drive of onedrive/anna')}.json"
    del objects[entry], objects["onedrive/anna0/lastcopy/source.json"]
    write(objects, tmp_path)
    assert list(list_bags(store)) == sorted(BAGS)
    found = verify_root(store)
    assert [f.name for f in found.missing.first] == [entry]
    assert "has no lastcopy/source.json" in found.changed.first[0].why


def test_a_bag_that_is_gone_altogether_is_still_listed(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes]
) -> None:
    write({key: data for key, data in objects.items() if not key.startswith("onedrive/anna/")}, tmp_path)
    assert list(list_bags(store)) == sorted(BAGS) and not verify_root(store).whole


def test_a_source_that_was_only_claimed_needs_no_entry_yet(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes]
) -> None:
    objects["onedrive/new/lastcopy/source.json"] = HandmadeBag("onedrive/new", "new").objects["lastcopy/source.json"]
    write(objects, tmp_path)
    assert verify_root(store).whole and verify_root(store).bags == 5


def test_payload_is_not_listed_to_find_bags(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(300):
        objects[f"onedrive/anna/data/files/{n}"] = b""
    write(objects, tmp_path)
    seen = 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[Any]:
            nonlocal seen
            for info in store.list(prefix, after=after):
                seen += 1
                yield info

    assert list(list_bags(Counting())) == sorted(BAGS)  # type: ignore[arg-type]
    assert seen < 30


@pytest.mark.parametrize(
    "key",
    ["stray.txt", "onedrive/stray.txt", "onedrive/x/data/files/a", "journal/notes", "journal/000000000.jsonl",
     "runs/x.json", "sources/anna.json", "sources0", "lost+found/x", "onedrive0", "zz/y"],
)  # fmt: skip
def test_a_stray_object_is_named(store: FolderStore, tmp_path: Path, objects: dict[str, bytes], key: str) -> None:
    objects[key] = b"{}"
    write(objects, tmp_path)
    found = verify_root(store)
    assert found.unexpected.count == 1 and key.startswith(found.unexpected.first[0].name), found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_flipped_byte_in_the_journal_is_found(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes], number: int
) -> None:
    write(objects, tmp_path)
    chance, key = random.Random(number), f"journal/{number:09d}.jsonl"
    for _ in range(25):
        data = bytearray(objects[key])
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (tmp_path / "store" / key).write_bytes(data)
        assert key in {f.name for f in verify_root(store).changed.first}


def test_a_missing_journal_segment_and_a_broken_row_chain(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes]
) -> None:
    del objects["journal/000000002.jsonl"]
    write(objects, tmp_path)
    assert [f.name for f in verify_root(store).missing.first] == ["journal/000000002.jsonl"]
    whole = journal_of([[{"n": 1}], [{"n": 2}]])
    name = "journal/000000002.jsonl"
    body = whole[name].rpartition(b'{"end"')[0]
    body = body.replace(b'{"n":2,"previous":"', b'{"n":2,"previous":"0')
    whole[name] = body + dump({"end": 1, "sha256": sha(body)}) + b"\n"
    (tmp_path / "store/journal/000000003.jsonl").unlink()
    write(whole, tmp_path)
    assert [f.why for f in verify_root(store).changed.first] == ["a row does not name the SHA-256 of the row before"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"layout":1', b'"layout":2'),
        (b"lastcopy", b"firstcopy"),
        (b'"layout"', b'"Layout"'),
        (b"{", b" {"),
        (b"}", b""),
    ],
)
def test_lastcopy_json_that_is_not_ours(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes], old: bytes, new: bytes
) -> None:
    objects["lastcopy.json"] = objects["lastcopy.json"].replace(old, new)
    write(objects, tmp_path)
    assert [f.name for f in verify_root(store).changed.first] == ["lastcopy.json"]


@pytest.mark.parametrize(("old", "new"), [(b"user-1", b"user-2"), (b"drive of", b"drive or"), (b'"names"', b'"name"')])
def test_an_entry_that_does_not_fit_its_bag(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes], old: bytes, new: bytes
) -> None:
    key = f"sources/{handle('onedrive', 'drive of onedrive/anna')}.json"
    objects[key] = objects[key].replace(old, new)
    write(objects, tmp_path)
    assert [f.name for f in verify_root(store).changed.first] == [key]
    (tmp_path / "store" / key).write_bytes(dump({"bag": "../../x"}))
    assert [f.name for f in verify_root(store).changed.first] == [key]


@pytest.mark.parametrize("place", ["onedrive/..", "../../etc", "onedrive/a/b", "onedrive", "mailbox/x", 7, ""])
def test_an_entry_cannot_lead_out_of_the_store(
    store: FolderStore, tmp_path: Path, objects: dict[str, bytes], place: object
) -> None:
    key = f"sources/{handle('onedrive', 'x')}.json"
    names = [{"name": "x", "since": "2026-11-23T10:00:00Z"}]
    objects[key] = dump({"bag": place, "id": "x", "kind": "onedrive", "owner": "user-1", "names": names})
    write(objects, tmp_path)
    assert list(list_bags(store)) == sorted(BAGS)
    assert [f.name for f in verify_root(store).changed.first] == [key]
