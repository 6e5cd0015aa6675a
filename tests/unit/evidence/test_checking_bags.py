"""The bag of a package beside the bag of today: payload is looked for by its SHA-256 (design §8)."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.store.folder import FolderStore
from retention.evidence import checking_bags
from retention.evidence.chain import Disposed
from retention.evidence.checked import Checked
from retention.evidence.checking_bags import Bags

BAG, PLACE = "onedrive/anna", "evidence/20261123T154017Z/"
SEGMENT = b"a segment\n"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(contents: dict[str, str]) -> bytes:
    """Keys are below data/files; sorted as bytes."""
    lines = {f"data/files/{name}": sha(text) for name, text in contents.items()}
    return b"".join(f"{lines[key]}  {key}\n".encode() for key in sorted(lines, key=str.encode))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def compared(
    store: FolderStore, then: dict[str, str], today: dict[str, str] | None, rows: list[dict[str, Any]] | None = None
) -> tuple[str, list[str]]:
    """State of the bag, and the names of what is missing."""
    for place, contents in ((f"{PLACE}bags/{BAG}", then), (BAG, today)):
        if contents is not None:
            store.put(f"{place}/manifest-sha256.txt", manifest(contents))
            store.put(f"{place}/tagmanifest-sha256.txt", manifest({"manifest": manifest(contents).decode()}))
    store.put(f"{BAG}/lastcopy/items.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows or []))
    store.put(f"{BAG}/lastcopy/ledger/000000003.jsonl", SEGMENT)
    tagmanifest = store.read(f"{PLACE}bags/{BAG}/tagmanifest-sha256.txt")
    bag = {
        "path": BAG, "tagmanifest_sha256": hashlib.sha256(tagmanifest).hexdigest(), "segment": 3,
        "segment_sha256": hashlib.sha256(SEGMENT).hexdigest(),
    }  # fmt: skip
    checked = Checked()
    state = Bags(store, store, PLACE, {}, 7).compare(bag, checked)
    return state, [one.name.removeprefix(f"store:{BAG}/data/files/") for one in checked.differences]


THEN = {"a": "1", "b/c": "2", "ü": "3", "zz": "4"}


def test_a_bag_that_is_the_same(store: FolderStore) -> None:
    assert compared(store, THEN, THEN) == ("same", [])


def test_a_bag_that_grew(store: FolderStore) -> None:
    assert compared(store, THEN, {**THEN, "": "0", "b": "5", "b/d": "6", "zzz": "7"}) == ("grown", [])


@pytest.mark.parametrize("name", list(THEN))
def test_each_payload_that_is_gone_is_missed(store: FolderStore, name: str) -> None:
    today = {key: text for key, text in THEN.items() if key != name} | {"new": "9"}
    assert compared(store, THEN, today) == ("missing", [name])
    assert compared(store, THEN, {**today, name: "other bytes"}) == ("missing", [name])


def test_the_same_bytes_elsewhere_are_there(store: FolderStore) -> None:
    assert compared(store, THEN, {"a": "1", "b/c": "2", "ü": "3", "moved": "4"}) == ("grown", [])


def test_what_is_derived_may_be_made_anew(store: FolderStore) -> None:
    rows = [{"kind": "derived", "key": "data/files/zz"}, {"kind": "file", "key": "data/files/a", "name": '"derived"'}]
    assert compared(store, THEN, {**THEN, "zz": "made anew"}, rows) == ("grown", [])
    assert compared(store, THEN, {**THEN, "a": "made anew"}, rows) == ("missing", ["a"])


def test_a_bag_that_lost_much(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than what is looked for in one pass."""
    monkeypatch.setattr(checking_bags, "AT_ONCE", 7)
    then = {f"{number:03d}": str(number) for number in range(50)}
    state, names = compared(store, then, {"x": "kept"})
    assert (state, sorted(names)) == ("missing", sorted(then))


def test_a_bag_without_a_fold_today(store: FolderStore) -> None:
    state, names = compared(store, THEN, None)
    assert (state, names) == ("missing", [f"store:{BAG}"])


def test_a_segment_that_is_another(store: FolderStore) -> None:
    checked = Checked()
    bag = {"path": BAG, "tagmanifest_sha256": None, "segment": 3, "segment_sha256": sha("x")}
    bags = Bags(store, store, PLACE, {}, 7)
    assert bags.compare(bag, checked) == "missing"
    store.put(f"{BAG}/lastcopy/ledger/000000003.jsonl", SEGMENT)
    assert bags.compare(bag, checked) == "missing"
    assert [one.sort for one in checked.differences] == ["missing", "changed"]


def test_a_disposal_of_before_the_package_excuses_nothing(store: FolderStore) -> None:
    store.put("evidence/one/certificate.json", b"{}")
    bag = {"path": BAG, "tagmanifest_sha256": sha("x"), "segment": 0, "segment_sha256": None}
    for segment, state in ((7, "missing"), (8, "disposed")):
        disposed = {BAG: Disposed(segment, "evidence/one/certificate.json", sha("{}"))}
        assert Bags(store, store, PLACE, disposed, 7).compare(bag, Checked()) == state
