"""`verify --refold` on a bag that the writers did not make: the two implementations of the fold meet here."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporters.bag.verify import verify_bag
from exporters.store.folder import FolderStore
from tests.unit.bag.handmade_bag import DRIVE, HandmadeBag, sha, usual_bag

EMPTY = sha(b"")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def owing_bag() -> HandmadeBag:
    """Stopped in the middle: owed rows, an unfinished full round, an unexplained and a moving count."""
    made = usual_bag()
    made.segment(
        [
            {"round": {"scope": "b!drive-1", "state": "begun", "full": True}},
            made.listed("Q", "F1", "new.txt"),
            {"listed": {"deleted": True, "id": "N", "scope": "b!drive-1"}},
            made.folder("F2", "R", "/Empty", 3),
            {"closed": {"reason": "stopped"}},
        ]
    )
    made.fold()
    return made


@pytest.mark.parametrize("made", [usual_bag(), owing_bag()], ids=["whole", "owing"])
def test_the_fold_from_segment_1_is_the_fold_that_is_there(
    store: FolderStore, tmp_path: Path, made: HandmadeBag
) -> None:
    made.write(tmp_path / "store")
    found = verify_bag(store, made.bag, refold=True)
    assert found.refolded and not found.changed and not found.missing, found


def test_a_fold_that_is_not_the_one_from_segment_1_is_found(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.segment([made.folder("F2", "R", "/Empty", 1), {"closed": {"reason": "complete"}}])
    made.fold()
    name = "lastcopy/reconciliation.json"
    assert b'"path":"/Empty"' in made.objects[name]
    made.objects[name] = made.objects[name].replace(
        b'"path":"/Empty"', b'"path":"/other"'
    )  # nothing else looks at this
    made.seal()
    made.write(tmp_path / "store")
    assert not verify_bag(store, made.bag).changed
    found = verify_bag(store, made.bag, refold=True)
    assert [(f.name, f.why) for f in found.changed.first] == [(name, "the fold from segment 1 gives other bytes")]


def test_a_bag_that_is_open_is_refolded_to_its_fold(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.segment([made.file("P", "F2", "/Empty/late.txt", b"late"), made.folder("F2", "R", "/Empty", 1)])
    made.write(tmp_path / "store")
    found = verify_bag(store, made.bag, refold=True)
    assert found.whole and found.open and found.refolded, found


IDS = st.sampled_from(["A", "B", "\u00e9", "Z"])
PARENTS = st.sampled_from(["R", "F", "D", "E"])
ABOVE = {"R": "D", "F": "R", "E": "R"}
"""A folder is never below itself."""
COUNTS = st.integers(0, 3)
COUNTED = st.just({}) | st.builds(lambda n: {"childCount": n}, COUNTS)


def _folder_row(made: HandmadeBag, item: str, children: int, outcome: str) -> dict[str, Any]:
    return made.folder(item, ABOVE[item], f"/{item}", children, outcome=outcome)


def _package_row(made: HandmadeBag, service: dict[str, Any], outcome: str) -> dict[str, Any]:
    """A notebook, whose parts the service counts or not; it sorts before the folders and its rows after theirs."""
    row = made.folder("E", ABOVE["E"], "/E", 0, outcome=outcome, kind="package", service=service)
    if outcome == "excepted":
        row["item"]["code"] = "onenote_parts_not_listed"
    return row


def _file_row(made: HandmadeBag, item: str, parent: str, code: str) -> dict[str, Any]:
    row = made.excepted(item, parent, f"/{parent}/{item}", code)
    if code == "gone":
        row["item"] |= {"outcome": "gone", "key": f"data/files/{ord(item[0])}", "size": 0, "sha256": EMPTY}
        made.objects[row["item"]["key"]] = b""
    return row


def _made_by_us(made: HandmadeBag, kind: str, key: str) -> dict[str, Any]:
    made.objects[key] = b""
    facts = {"kind": kind, "scope": "", "id": key, "key": key, "outcome": "copied", "size": 0, "sha256": EMPTY}
    return {"item": facts}


def _version_row(made: HandmadeBag, item: str, version: str, key: str) -> dict[str, Any]:
    row = _made_by_us(made, "version", key)
    row["item"] |= {"scope": item, "id": version, "parent": item}
    return row


MADE = HandmadeBag()
KEYS = st.sampled_from([f"data/files/{ord(item)}" for item in "AB\u00e9Z"] + ["data/files/9"])
FOLDERS = st.sampled_from(["R", "F"])
STATES = st.sampled_from(["begun", "ended"])
TEXTS = st.text(max_size=3)
ROWS = st.one_of(
    st.builds(partial(_folder_row, MADE), FOLDERS, COUNTS, st.sampled_from(["copied", "gone"])),
    st.builds(partial(_package_row, MADE), COUNTED, st.sampled_from(["copied", "gone", "excepted"])),
    st.builds(lambda service: MADE.listed("E", "R", "n", "package", service=service), COUNTED),
    st.builds(partial(_file_row, MADE), IDS, PARENTS, st.sampled_from(["vanished", "malware", "gone"])),
    st.builds(MADE.listed, IDS, PARENTS, st.sampled_from(["x", "y\udc41"])),
    st.builds(lambda i, n: MADE.listed(i, ABOVE[i], "f", "folder", service={"childCount": n}), FOLDERS, COUNTS),
    st.builds(lambda i: {"listed": {"deleted": True, "id": i, "scope": DRIVE}}, IDS | st.sampled_from("EF")),
    st.builds(lambda f, s: {"round": {"scope": DRIVE, "state": s, "full": f}}, st.booleans(), STATES),
    st.builds(lambda n: {"cursor": {"scope": DRIVE, "kind": "next", "link": n, "settings": {}}}, TEXTS),
    st.builds(lambda i, n: {"permissions": {"scope": DRIVE, "id": i, "captured": n, "permissions": []}}, IDS, TEXTS),
    st.builds(partial(_made_by_us, MADE), st.sampled_from(["leftover", "leftover", "derived"]), KEYS),
    st.builds(partial(_version_row, MADE), IDS, st.sampled_from(["1.0", "2.0"]), KEYS),
)


def _possible(rows: list[dict[str, Any]], before: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Without deletions of what was listed and not captured since: where that stood is told by no row and by nothing owed."""
    settled: set[str] = set()
    for row in (*chain.from_iterable(before), *rows):
        value = row.get("item") or row.get("listed") or {}
        if "item" in row:
            settled.add(value["id"])
        elif "listed" in row and not value.get("deleted"):
            settled.discard(value["id"])
        if any(row is one for one in rows) and (not value.get("deleted") or value["id"] in settled):
            yield row


VANISHED_AND_LISTED_ELSEWHERE = [
    [_folder_row(MADE, "F", 1, "copied"), _file_row(MADE, "A", "F", "vanished"), MADE.listed("A", "R", "x")]
]
LEFTOVER_AFTER_WHAT_NAMES_ITS_KEY = [
    [_version_row(MADE, "A", "1.0", "data/files/65"), _made_by_us(MADE, "leftover", "data/files/65")]
]


@settings(max_examples=40, deadline=None)
@example(VANISHED_AND_LISTED_ELSEWHERE, 1, True)
@example(LEFTOVER_AFTER_WHAT_NAMES_ITS_KEY, 1, False)
@given(st.lists(st.lists(ROWS, max_size=6), min_size=1, max_size=4), st.integers(1, 4), st.booleans())
def test_three_readings_of_any_ledger_give_one_fold(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[dict[str, Any]]], folded_at: int, in_ranges: bool
) -> None:
    """The test's own fold, what `verify` derives (at once, or line by line as if there were too many), and the writers' fold
    from segment 1."""
    made = HandmadeBag()
    for number, rows in enumerate(segments, 1):
        made.segment([*_possible(rows, made.all_rows), {"closed": {"reason": "stopped"}}])
        if number == min(folded_at, len(segments)):
            made.fold()
    made.objects |= {key: b"" for key in MADE.objects if key.startswith("data/")}
    root = tmp_path_factory.mktemp("any")
    made.write(root)
    store = FolderStore(root)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for place in ("state.LINES_TOGETHER", "state.KEYS_TOGETHER", "spool._SAMPLE_BYTES") if in_ranges else ():
                patch.setattr(f"exporters.bag.verify_{place}", 1)
            if in_ranges:
                patch.setattr("exporters.bag.verify.GROUP_SEGMENTS", 1)
            found = verify_bag(store, made.bag, refold=True)
    finally:
        store.close()
    assert found.refolded and not found.changed and not found.missing, found
