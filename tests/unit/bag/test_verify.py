import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.bag.verify import BagVerification, verify_bag
from exporters.store.folder import FolderStore
from tests.unit.bag.handmade_bag import DRIVE, HandmadeBag, dump, sha, usual_bag

BAG = "onedrive/anna@contoso.com"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def root_of(store: FolderStore) -> Path:
    return Path(store.url.removeprefix("file:"))


def verified(store: FolderStore, made: HandmadeBag, **options: object) -> BagVerification:
    made.write(root_of(store))
    return verify_bag(store, made.bag, **options)  # type: ignore[arg-type]


def test_a_whole_bag_is_found_whole(store: FolderStore) -> None:
    made = usual_bag()
    found = verified(store, made)
    assert found.whole, found
    assert (found.open, found.closed, found.segment, found.newest_segment) == (False, True, 3, 3)
    payload = {name: data for name, data in made.objects.items() if name.startswith("data/")}
    assert (found.files, found.bytes) == (len(payload), sum(map(len, payload.values())))
    assert found.tagmanifest_sha256 == sha(made.objects["tagmanifest-sha256.txt"])


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_byte_anywhere_is_found(store: FolderStore, seed: int) -> None:
    """Acceptance c: payload, manifests, items, segments (also in the last line of the newest), bag-info, head, …"""
    made = usual_bag()
    made.write(root_of(store))
    chance = random.Random(seed)
    for name, data in made.objects.items():
        if not data:
            continue
        last_line = len(data.rstrip(b"\n")) - data.rstrip(b"\n").rfind(b"\n")
        places = {chance.randrange(len(data)), 0, len(data) - 1, len(data) - chance.randrange(1, last_line + 1)}
        path = root_of(store) / made.bag / name
        for place in places:
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            path.write_bytes(flipped)
            found = verify_bag(store, made.bag)
            names = {finding.name for finding in found.changed.first}
            # a digest of reconciliation.json or source.json that is wrong in the tagmanifest may be told of either
            assert name in names or (name.startswith("tagmanifest") and names), (name, place, found)
            assert not found.whole
        path.write_bytes(data)
    assert verify_bag(store, made.bag).whole


def test_a_flipped_byte_is_found_in_a_bag_without_fold(store: FolderStore) -> None:
    made = usual_bag(folded=False)
    made.write(root_of(store))
    assert verify_bag(store, made.bag).whole
    chance = random.Random(7)
    for name, data in made.objects.items():
        for _ in range(4 if data else 0):
            place = chance.randrange(len(data))
            if name.endswith("source.json") and b"first_copied" in data[max(0, place - 36) : place + 40]:
                continue  # the ledger does not repeat when it was first copied
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            (root_of(store) / made.bag / name).write_bytes(flipped)
            found = verify_bag(store, made.bag)
            assert name in {finding.name for finding in found.changed.first}, (name, place, found)
        (root_of(store) / made.bag / name).write_bytes(data)


def test_a_removed_object_is_found(store: FolderStore) -> None:
    made = usual_bag()
    made.write(root_of(store))
    for name, data in made.objects.items():
        path = root_of(store) / made.bag / name
        path.unlink()
        found = verify_bag(store, made.bag)
        assert name in {finding.name for finding in found.missing.first}, (name, found)
        path.write_bytes(data)
    assert verify_bag(store, made.bag).whole


@pytest.mark.parametrize(
    "name",
    [
        "data/more.txt",
        "data/files/Docs/zz.txt",
        "data0",
        "about.txt",
        "zz.txt",
        "manifest-md5.txt",
        "lastcopy/notes.txt",
        "lastcopy/ledger/1.jsonl",
        "lastcopy/ledger/000000000.jsonl",
        "lastcopy/ledger/000000001.jsonl.bak",
        "lastcopy/ledger/000000001.jsonl/x",
        "lastcopy/source.json~",
    ],
)
def test_an_added_object_is_unexpected(store: FolderStore, name: str) -> None:
    made = usual_bag()
    if name.endswith("/x"):
        name = "lastcopy/ledger/deep/x"
    made.objects[name] = b"stray"
    found = verified(store, made)
    assert [finding.name for finding in found.unexpected.first] == [name]
    assert not found.whole and not found.missing and not found.changed


def test_a_renamed_object_is_missing_and_unexpected(store: FolderStore) -> None:
    made = usual_bag()
    made.objects["data/files/Docs/A.TXT"] = made.objects.pop("data/files/Docs/a.txt")
    found = verified(store, made)
    assert [f.name for f in found.missing.first] == ["data/files/Docs/a.txt"]
    assert [f.name for f in found.unexpected.first] == ["data/files/Docs/A.TXT"]


def test_swapped_payload_of_equal_length_is_found_by_full_alone(store: FolderStore) -> None:
    made = usual_bag()
    made.objects["data/files/Docs/b.txt"] = b"BETA"
    assert [f.name for f in verified(store, made).changed.first] == ["data/files/Docs/b.txt"]
    assert verify_bag(store, made.bag, level="stored").whole
    (root_of(store) / made.bag / "data/files/Docs/b.txt").write_bytes(b"beta!")
    assert [f.name for f in verify_bag(store, made.bag, level="stored").changed.first] == ["data/files/Docs/b.txt"]


def test_segments_swapped_with_right_last_lines_break_the_chain(store: FolderStore) -> None:
    made, other = usual_bag(), usual_bag()
    other.segments.pop()
    rows = other.all_rows.pop()
    other.segment(rows, at="2026-11-25T00:00:00Z")
    name = "lastcopy/ledger/000000002.jsonl"
    body = made.objects[name].replace(b'"units":3', b'"units":4').rpartition(b'{"end"')[0]
    made.objects[name] = body + dump({"end": body.count(b"\n") - 1, "sha256": sha(body)}) + b"\n"
    found = verified(store, made)
    assert "lastcopy/ledger/000000003.jsonl" in {f.name for f in found.changed.first}
    newest = "lastcopy/ledger/000000003.jsonl"
    made = usual_bag()
    made.objects[newest] = other.objects[newest]
    found = verified(store, made)
    assert "lastcopy/head.json" in {f.name for f in found.changed.first}


def test_missing_middle_segments_are_counted(store: FolderStore) -> None:
    made = usual_bag()
    made.objects["lastcopy/ledger/000000009.jsonl"] = made.objects.pop("lastcopy/ledger/000000003.jsonl")
    found = verified(store, made)
    assert found.missing.count >= 6
    assert found.missing.first[0].name == "lastcopy/ledger/000000003.jsonl"
    assert "lastcopy/ledger/000000009.jsonl" in {f.name for f in found.changed.first}


def resealed(made: HandmadeBag, name: str, old: bytes, new: bytes) -> HandmadeBag:
    """A tag file changed together with the tagmanifest: digests agree, the segments do not."""
    assert old in made.objects[name]
    made.objects[name] = made.objects[name].replace(old, new)
    made.seal()
    return made


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("bagit.txt", b"1.0", b"0.9"),
        ("bag-info.txt", b"Payload-Oxum: ", b"Payload-Oxum: 1"),
        ("bag-info.txt", b"Lastcopy-Segment: 3", b"Lastcopy-Segment: 2"),
        ("bag-info.txt", b"Bagging-Date: 2026-11-24", b"Bagging-Date: 2026-11-23"),
        ("manifest-sha256.txt", b"  data/about.txt\n", b"  data/about2.txt\n"),
        ("lastcopy/items.jsonl", b"renamed.txt", b"renamee.txt"),
        ("lastcopy/items.jsonl", b'"gone"', b'"copied"'),
        ("lastcopy/exceptions.jsonl", b"malware", b"vanished"),
        ("lastcopy/permissions.jsonl", b"read", b"write"),
        ("lastcopy/reconciliation.json", b'"pending":0', b'"pending":1'),
        ("lastcopy/reconciliation.json", b'"explained":0', b'"explained":1'),
        ("lastcopy/reconciliation.json", b'"equal":3', b'"equal":2'),
        ("lastcopy/head.json", b"delta2", b"delta1"),
        ("lastcopy/head.json", b'"round":null', b'"round":1'),
        ("lastcopy/head.json", b'"closed":true', b'"closed":false'),
        ("lastcopy/source.json", b"user-1", b"user-2"),
        ("lastcopy/source.json", b'"kind"', b'"kinds"'),
    ],
)
def test_a_tag_file_changed_with_its_digest_is_found(store: FolderStore, name: str, old: bytes, new: bytes) -> None:
    found = verified(store, resealed(usual_bag(), name, old, new))
    assert name in {finding.name for finding in found.changed.first}, found
    assert name != "lastcopy/reconciliation.json" or not found.reconciled


@pytest.mark.parametrize("change", ["swapped", "doubled", "shortened", "lengthened"])
@pytest.mark.parametrize("name", ["lastcopy/items.jsonl", "manifest-sha256.txt"])
def test_rows_out_of_place_are_found(store: FolderStore, name: str, change: str) -> None:
    made = usual_bag()
    lines = made.objects[name].splitlines(keepends=True)
    lines = {
        "swapped": [lines[1], lines[0], *lines[2:]],
        "doubled": [lines[0], *lines],
        "shortened": lines[:-1],
        "lengthened": [*lines, lines[-1].replace(b"Z", b"Y").replace(b"data/", b"data/z")],
    }[change]
    made.objects[name] = b"".join(lines)
    made.seal()
    assert [f.name for f in verified(store, made).changed.first] == [name]


def test_a_tagmanifest_that_forgets_a_file_is_found(store: FolderStore) -> None:
    made = usual_bag()
    lines = made.objects["tagmanifest-sha256.txt"].splitlines(keepends=True)
    made.objects["tagmanifest-sha256.txt"] = b"".join(line for line in lines if b"owed" not in line)
    assert [f.name for f in verified(store, made).changed.first] == ["tagmanifest-sha256.txt"]


def test_permissions_that_the_fold_lacks_are_found(store: FolderStore) -> None:
    made = usual_bag()
    del made.objects["lastcopy/permissions.jsonl"]
    made.seal()
    assert [f.name for f in verified(store, made).missing.first] == ["lastcopy/permissions.jsonl"]


# -- open bags


def test_rows_after_the_fold_make_the_bag_open_and_are_judged_too(store: FolderStore) -> None:
    made = usual_bag()
    made.segment([made.file("P", "F1", "/Docs/late.txt", b"late"), made.folder("F1", "R", "/Docs", 5)], run="later")
    made.objects["data/files/Docs/in-flight.txt"] = b"half"
    found = verified(store, made)
    assert found.open and not found.closed and found.whole, found
    assert [f.name for f in found.in_flight.first] == ["data/files/Docs/in-flight.txt"]
    (root_of(store) / made.bag / "data/files/Docs/late.txt").write_bytes(b"lade")
    assert [f.name for f in verify_bag(store, made.bag).changed.first] == ["data/files/Docs/late.txt"]


def test_a_segment_without_item_rows_leaves_the_bag_shut(store: FolderStore) -> None:
    made = usual_bag()
    made.segment(
        [
            {"cursor": {"scope": DRIVE, "kind": "delta", "link": "l3", "settings": {}}},
            {"closed": {"reason": "complete"}},
        ]
    )
    made.objects["data/stray"] = b""
    found = verified(store, made)
    assert (found.open, found.segment, found.newest_segment) == (False, 3, 4)
    assert found.unexpected.count == 1 and not found.in_flight


def test_a_bag_without_fold_is_judged_by_its_segments(store: FolderStore) -> None:
    found = verified(store, usual_bag(folded=False))
    assert found.open and found.whole and found.segment == 0 and found.files == 7
    assert found.tagmanifest_sha256 is None


def test_a_bag_that_was_only_claimed_is_open_and_not_damaged(store: FolderStore) -> None:
    """A run that was cut off between `source.json` and its first segment has lost nothing; and yet nothing is whole."""
    found = verified(store, HandmadeBag())
    assert found.open and not found.whole and not found.reconciled
    assert not found.missing and not found.changed and not found.unexpected
    assert len(found.reasons) == 1 and "claimed" in found.reasons[0]


@pytest.mark.parametrize("left", ["data/about.txt", "data/files/Docs/b.txt", "bagit.txt", "lastcopy/head.json"])
def test_a_bag_that_has_lost_its_ledger_is_damaged(store: FolderStore, left: str) -> None:
    """No writer puts anything else before its first segment."""
    whole, made = usual_bag(), HandmadeBag()
    made.objects[left] = whole.objects[left]
    found = verified(store, made)
    assert "lastcopy/ledger/000000001.jsonl" in {f.name for f in found.missing.first} and not found.whole


def test_a_bag_that_has_lost_all_is_missing(store: FolderStore) -> None:
    found = verify_bag(store, "onedrive/nobody")
    assert found.missing.count == 2 and not found.whole
    made = HandmadeBag()
    made.objects = {"lastcopy/source.json": b"{}"}
    assert verified(store, made).changed.first[0].name == "lastcopy/source.json"


# -- reconciliation


def test_what_is_owed_is_pending_and_not_reconciled(store: FolderStore) -> None:
    made = usual_bag()
    made.segment([made.listed("Q", "F2", "new.txt"), {"closed": {"reason": "stopped"}}])
    made.fold()
    found = verified(store, made)
    assert not found.reconciled and "1 listed items are pending" in found.reasons[0]
    assert not found.changed and not found.missing, found


def test_an_unexplained_count_is_not_reconciled(store: FolderStore) -> None:
    made = usual_bag()
    made.segment([made.folder("F2", "R", "/Empty", 1), {"closed": {"reason": "complete"}}])
    made.fold()
    found = verified(store, made)
    assert not found.reconciled and "unexplained" in found.reasons[0] and not found.changed, found


def test_what_vanished_explains_no_count(store: FolderStore) -> None:
    """The count of the root may be one that was read before, or one that tells of an item which no listing brought."""
    made = usual_bag()
    made.segment([made.folder("R", None, "/", 4), {"closed": {"reason": "complete"}}])
    made.fold()
    found = verified(store, made)
    assert not found.whole and "we have 3 (unexplained)" in found.reasons[0] and not found.changed, found
    rosier = {
        b'"explained":0': b'"explained":1',
        b'"unexplained":1': b'"unexplained":0',
        b'"unexplained"}': b'"explained"}',
    }
    name = "lastcopy/reconciliation.json"
    for old, new in rosier.items():
        made.objects[name] = made.objects[name].replace(old, new)
    made.seal()
    assert [f.name for f in verified(store, made).changed.first] == [name]


def test_a_reconciliation_that_is_rosier_than_the_rows_is_found(store: FolderStore) -> None:
    made = usual_bag()
    made.segment([made.folder("F2", "R", "/Empty", 1), {"closed": {"reason": "complete"}}])
    made.fold()
    name = "lastcopy/reconciliation.json"
    made.objects[name] = made.objects[name].replace(b'"unexplained"', b'"equal"').replace(b'"equal":1', b'"equal":2')
    made.seal()
    found = verified(store, made)
    assert not found.reconciled and [f.name for f in found.changed.first] == [name]


# -- rows that name payload


def test_a_leftover_that_was_adopted_is_a_leftover_no_more(store: FolderStore) -> None:
    made = usual_bag()
    facts = made.payload("data/files/Docs/left.txt", b"left")
    leftover = {"kind": "leftover", "scope": "", "id": facts["key"], "outcome": "copied", **facts}
    made.segment([{"item": leftover}])
    made.segment([made.file("L", "F1", "/Docs/left.txt", b"left"), made.folder("F1", "R", "/Docs", 5)])
    found = verified(store, made)
    assert found.whole and found.open, found


def test_a_leftover_stays_adopted_when_its_row_takes_other_bytes(store: FolderStore) -> None:
    """It ends for good; what the key holds has lost its row then, and is asked for as what no row names."""
    made = usual_bag()
    facts = made.payload("data/files/Docs/left.txt", b"left")
    made.segment([{"item": {"kind": "leftover", "scope": "", "id": facts["key"], "outcome": "copied", **facts}}])
    made.segment([made.file("L", "F1", "/Docs/left.txt", b"left"), made.folder("F1", "R", "/Docs", 5)])
    made.segment([made.file("L", "F1", "/Docs/left.txt", b"more", key="data/changed/x/Docs/left.txt")])
    made.fold()
    found = verified(store, made)
    assert [f.name for f in found.in_flight.first] == [facts["key"]] and not (found.missing or found.changed), found
    (root_of(store) / made.bag / facts["key"]).unlink()
    found = verify_bag(store, made.bag)
    assert [(f.name, f.why[:21]) for f in found.missing.first] == [
        (facts["key"], "a row named it once, ")
    ] and not found.changed


def test_payload_beside_a_writer_that_has_closed_is_unexpected(store: FolderStore) -> None:
    """An open bag too: whoever closes has named or finished everything."""
    made = usual_bag()
    made.segment([made.file("P", "F2", "/Empty/late.txt", b"late"), made.folder("F2", "R", "/Empty", 1)])
    made.segment([{"closed": {"reason": "stopped"}}])
    made.objects["data/files/Docs/stray.txt"] = b""
    found = verified(store, made)
    assert found.open and found.closed and not found.in_flight
    assert [f.name for f in found.unexpected.first] == ["data/files/Docs/stray.txt"]


@pytest.mark.parametrize(("name", "value"), [("size", 4499), ("size", None), ("sha256", None)])
def test_two_rows_of_which_one_tells_otherwise_are_found(store: FolderStore, name: str, value: object) -> None:
    """Even if the first is right, and the object is as it says."""
    made = usual_bag()
    twin = made.file("L", "F2", "/Empty/a.txt", b"alpha" * 900, key="data/files/Docs/a.txt")
    twin["item"][name] = value
    made.segment([twin, made.folder("F2", "R", "/Empty", 1), {"closed": {"reason": "complete"}}])
    found = verified(store, made)
    told = [f.name for f in found.changed.first]
    keys = [] if (name, value) == ("size", None) else ["data/files/Docs/a.txt"]
    assert told == ([] if value else ["lastcopy/ledger/000000004.jsonl"]) + keys, found
    assert all("different bytes" in f.why or "1 of its rows" in f.why for f in found.changed.first)


def test_two_rows_that_name_a_key_with_different_bytes_are_found(store: FolderStore) -> None:
    made = usual_bag()
    twin = made.file("L", "F2", "/Empty/a.txt", b"alpha" * 900, key="data/files/Docs/a.txt")
    twin["item"]["sha256"] = "0" * 64
    made.segment([twin, made.folder("F2", "R", "/Empty", 1), {"closed": {"reason": "complete"}}])
    assert [f.name for f in verified(store, made).changed.first] == ["data/files/Docs/a.txt"]


BYTES = ("key", "sha256", "size", "agreement")


def forged(made: HandmadeBag, how: str) -> dict[str, object]:
    """A row that lets go of the bytes of zero.txt and says that all is well."""
    rows = {row["item"]["id"]: row["item"] for segment in made.all_rows for row in segment if "item" in row}
    row, other = rows["Z"], rows["N"]
    bare = {name: value for name, value in row.items() if name not in BYTES}
    about = made.objects["lastcopy/source.json"]
    return {
        "vanished": {**bare, "outcome": "excepted", "code": "vanished", "reason": "so it is"},
        "gone": {**bare, "outcome": "gone", "since": "2026-11-25T10:00:00Z"},
        "no key": bare,
        "key of another": {**row, **{name: other[name] for name in BYTES}},
        "outside": {**row, "key": "lastcopy/source.json", "size": len(about), "sha256": sha(about)},
        "above": {**row, "key": "data/../data/about.txt"},
        "a folder with a key": {**rows["F2"], "key": row["key"], "size": 0, "sha256": row["sha256"]},
        "excepted with a key": {**row, "outcome": "excepted", "code": "malware"},
        "no outcome": {**row, "outcome": "fine"},
    }[how]


@pytest.mark.parametrize(
    ("how", "is_missing", "is_odd"),
    [("vanished", True, False), ("gone", True, True), ("no key", True, True), ("key of another", True, False),
     ("outside", True, True), ("above", True, True), ("a folder with a key", True, True), ("excepted with a key", True, True),
     ("no outcome", True, True)],
)  # fmt: skip
@pytest.mark.parametrize("folded", [True, False])
def test_one_segment_cannot_make_up_for_an_object(
    store: FolderStore, how: str, is_missing: bool, is_odd: bool, folded: bool
) -> None:
    """The object is removed, and a segment is appended in which its row lets go of it, every sum right."""
    made = usual_bag()
    made.segment([{"item": forged(made, how)}, {"closed": {"reason": "complete"}}])  # type: ignore[dict-item]
    if folded:
        made.fold()
    del made.objects["data/files/Docs/zero.txt"]
    found = verified(store, made)
    assert not found.whole
    assert ("data/files/Docs/zero.txt" in {f.name for f in found.missing.first}) == is_missing, found
    odd = [f.why for f in found.changed.first if f.name == "lastcopy/ledger/000000004.jsonl"]
    assert odd == ["1 of its rows say of their bytes what no row of their kind says"] * is_odd, found


@pytest.mark.parametrize("taken_over", [True, False])
def test_what_was_captured_is_not_overwritten(store: FolderStore, taken_over: bool) -> None:
    """Other bytes under a key, and a row (of the same item, or of a version) that names them with the right sum."""
    made = usual_bag()
    row = made.file("Z", "F1", "/Docs/zero.txt", b"other")
    if taken_over:
        version = {**row["item"], "kind": "version", "scope": "Z", "id": "1.0", "parent": "Z"}
        row = made.file("Z", "F1", "/Docs/zero.txt", b"newer", key="data/changed/x/Docs/zero.txt")
        made.segment([{"item": version}])
    made.segment([row, {"closed": {"reason": "complete"}}])
    made.fold()
    assert [f.name for f in verified(store, made).changed.first] == ["data/files/Docs/zero.txt"]


def test_a_captured_item_may_be_excepted_when_a_version_takes_its_bytes(store: FolderStore) -> None:
    made = usual_bag()
    old = {row["item"]["id"]: row["item"] for segment in made.all_rows for row in segment if "item" in row}
    version = {**old["A"], "kind": "version", "scope": "A", "id": "2026-11-23T10:01:00Z", "parent": "A"}
    made.segment(
        [
            {"item": version},
            made.excepted("A", "F1", "/Docs/renamed.txt", "malware"),
            {"closed": {"reason": "complete"}},
        ]
    )
    made.fold()
    assert verified(store, made).whole


ROW = {"kind": "file", "scope": DRIVE, "id": "Q", "outcome": "copied"}


@pytest.mark.parametrize(
    "row",
    [{"item": {"kind": "file"}}, {"item": 3}, {"item": {}, "listed": {}}, {"cursor": []}, {}, {"listed": None}, [],
     {"item": {**ROW, "id": "a\0b"}}, {"item": {**ROW, "id": "a\nb"}}, {"item": {**ROW, "parent": "F1\0"}},
     {"item": {**ROW, "id": 7}}, {"item": {**ROW, "key": ""}}, {"item": {**ROW, "size": -1}}, {"item": {**ROW, "size": 1.5}},
     {"item": {**ROW, "size": True}}, {"item": {**ROW, "code": ["x"]}}, {"item": {**ROW, "kind": "leftover", "key": "data/q"}},
     {"listed": {"id": "a\0b", "scope": DRIVE}}, {"permissions": {"id": "a\n", "scope": DRIVE}}, {"round": {"state": "begun"}}],
)  # fmt: skip
def test_rows_that_make_no_sense_are_changed_segments(store: FolderStore, row: dict[str, object]) -> None:
    made = usual_bag()
    made.segment([row])
    assert [f.name for f in verified(store, made).changed.first] == ["lastcopy/ledger/000000004.jsonl"]


@pytest.mark.parametrize("end", [b"]", b" ", b"}}", b",", b""])
def test_a_row_that_is_no_json_is_a_changed_segment(store: FolderStore, end: bytes) -> None:
    """With right sums all the same: only its last character is not as it must be."""
    made = usual_bag()
    made.segment([made.file("L", "F2", "/Empty/a.txt", b"a")])
    name = "lastcopy/ledger/000000004.jsonl"
    body = made.objects[name].rpartition(b'{"end"')[0]
    body = body[:-2] + end + b"\n"
    made.objects[name] = body + dump({"end": 1, "sha256": sha(body)}) + b"\n"
    found = verified(store, made)
    assert [f.why for f in found.changed.first] == ["1 of its rows cannot be understood"], found


def test_findings_are_counted_all_and_named_to_a_hundred(store: FolderStore) -> None:
    made = usual_bag()
    for n in range(150):
        made.objects[f"data/stray/{n}"] = b""
    found = verified(store, made)
    assert (found.unexpected.count, len(found.unexpected.first)) == (150, 100)


def test_a_symbolic_link_in_place_of_a_file_is_found(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.write(root_of(store))
    (tmp_path / "outside").write_bytes(b"beta")
    path = root_of(store) / made.bag / "data/files/Docs/b.txt"
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    assert [f.name for f in verify_bag(store, made.bag).missing.first] == ["data/files/Docs/b.txt"]


@pytest.mark.parametrize("level", ["full", "stored"])
def test_large_files_are_read_once_and_progress_adds_up(store: FolderStore, level: str) -> None:
    """Those that threads read, beside small ones; what is to come is told before."""
    made = usual_bag()
    large = [made.file(f"X{n}", "F2", f"/Empty/{n}.bin", b"%d" % n * (n << 20)) for n in range(4)]
    made.segment([*large, made.folder("F2", "R", "/Empty", 4), {"closed": {"reason": "complete"}}])
    told: list[tuple[int, int]] = []
    first: list[tuple[int, int]] = []
    found = verified(
        store,
        made,
        level=level,
        progress=lambda files, size: told.append((files, size)),
        expected=lambda files, size: first.append((files, size)),
    )
    payload = [data for name, data in made.objects.items() if name.startswith("data/")]
    assert found.whole and (found.files, found.bytes) == (len(payload), sum(map(len, payload)))
    assert found.files_read == (len(payload) if level == "full" else 0)
    assert (sum(files for files, _ in told), sum(size for _, size in told)) == (found.files, found.bytes)
    assert first == [(found.files, found.bytes)]
    (root_of(store) / made.bag / "data/files/Empty/3.bin").write_bytes(b"3" * (3 << 20 | 1))
    assert [f.name for f in verify_bag(store, made.bag).changed.first] == ["data/files/Empty/3.bin"]
    (root_of(store) / made.bag / "data/files/Empty/3.bin").write_bytes(b"3" * ((3 << 20) - 1) + b"4")
    assert [f.name for f in verify_bag(store, made.bag).changed.first] == ["data/files/Empty/3.bin"]


def test_a_moved_bag_is_verified_by_its_new_place_alone(store: FolderStore) -> None:
    made = usual_bag()
    made.write(root_of(store))
    shutil.move(root_of(store) / made.bag, root_of(store) / "onedrive" / "other")
    assert verify_bag(store, "onedrive/other").whole
