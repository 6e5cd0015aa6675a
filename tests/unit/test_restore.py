from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.bag.verify_rows import AsOf
from exporters.errors import ConfigurationError, RunError
from exporters.restore import restore_source
from exporters.store.folder import FolderStore
from tests.unit.bag.handmade_bag import RUN_1, RUN_2, HandmadeBag, usual_bag

BAG = "onedrive/anna@contoso.com"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def tree_of(root: Path) -> dict[str, bytes | None]:
    """{path: content, None for a folder}"""
    found: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        assert not path.is_symlink()
        found["/" + path.relative_to(root).as_posix()] = None if path.is_dir() else path.read_bytes()
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def written(made: HandmadeBag, tmp_path: Path) -> None:
    made.write(tmp_path / "store")


NOW = {
    "/Docs": None,
    "/Empty": None,
    "/Docs/renamed.txt": b"alpha" * 900,
    "/Docs/b.txt": b"beta 2",
    "/Docs/zero.txt": b"",
}
CHANGED = dict.fromkeys(["/lone ~" + "c1dfd96eea8c" + ".txt"], b"surrogate")


@pytest.mark.parametrize("folded", [True, False])
def test_the_tree_as_it_is_now(store: FolderStore, tmp_path: Path, folded: bool) -> None:
    written(usual_bag(folded=folded), tmp_path)
    result = restore_source(store, BAG, tmp_path / "to")
    tree = tree_of(tmp_path / "to")
    odd = [path for path in tree if path.startswith("/lone")]
    assert len(odd) == 1 and tree.pop(odd[0]) == b"surrogate"
    assert tree == NOW
    assert result.whole and (result.files, result.folders, result.segment) == (4, 2, 3)
    assert result.bytes == sum(len(data or b"") for data in NOW.values()) + 9
    assert result.changed_names.first == [("/lone \udc41.txt", odd[0][1:])]
    assert {tuple(note) for note in result.excepted.first} == {
        ("/Docs/virus.exe", "malware"),
        ("/fleeting.txt", "vanished"),
    }
    modified = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert (tmp_path / "to/Docs/b.txt").stat().st_mtime == modified
    assert (tmp_path / "to/Docs").stat().st_mtime == datetime(2026, 2, 2, 3, 4, 5, tzinfo=UTC).timestamp()


def test_an_open_bag_shows_rows_after_the_fold(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.segment([made.file("P", "F1", "/Docs/late.txt", b"late")])
    written(made, tmp_path)
    result = restore_source(store, BAG, tmp_path / "to")
    assert tree_of(tmp_path / "to")["/Docs/late.txt"] == b"late" and result.segment == 4


def test_the_tree_at_the_end_of_an_earlier_run(store: FolderStore, tmp_path: Path) -> None:
    written(usual_bag(), tmp_path)
    result = restore_source(store, BAG, tmp_path / "to", as_of=AsOf(RUN_1))
    assert tree_of(tmp_path / "to") == {
        "/Docs": None,
        "/Empty": None,
        "/Docs/a.txt": b"alpha" * 900,
        "/Docs/b.txt": b"beta",
        "/Docs/zero.txt": b"",
        "/snowman \u2603.bin": bytes(range(256)) * 40,
    }
    assert result.segment == 2 and result.whole
    other = "20251123T120000Z-cccccc"  # it wrote nothing here; its name says nothing of when it was
    for place, as_of, segment in (
        ("b", AsOf(RUN_2, frozenset({RUN_1})), 3),
        ("c", AsOf(other, frozenset({RUN_1})), 2),
        ("d", AsOf(other, frozenset({RUN_1, RUN_2})), 3),
        ("e", AsOf(RUN_1, frozenset({RUN_2})), 3),  # that began later and ended sooner
        ("f", AsOf(other), 0),
    ):
        assert restore_source(store, BAG, tmp_path / place, as_of=as_of).segment == segment, place


def test_gone_files_and_versions_on_request(store: FolderStore, tmp_path: Path) -> None:
    written(usual_bag(), tmp_path)
    restore_source(store, BAG, tmp_path / "to", include_gone=True, versions=True)
    tree = tree_of(tmp_path / "to")
    assert tree["/snowman \u2603.bin"] == bytes(range(256)) * 40
    assert tree["/Docs/b (version 2026-11-23T10:01:00Z).txt"] == b"beta"


def test_one_folder_and_a_drill(store: FolderStore, tmp_path: Path) -> None:
    written(usual_bag(), tmp_path)
    restore_source(store, BAG, tmp_path / "to", under="/Docs")
    assert sorted(tree_of(tmp_path / "to")) == ["/Docs", "/Docs/b.txt", "/Docs/renamed.txt", "/Docs/zero.txt"]
    assert restore_source(store, BAG, tmp_path / "drill", drill=2).files == 2


def test_a_target_that_is_not_empty_is_refused(store: FolderStore, tmp_path: Path) -> None:
    written(usual_bag(), tmp_path)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "mine").touch()
    with pytest.raises(ConfigurationError, match="is not empty") as caught:
        restore_source(store, BAG, tmp_path / "to")
    assert caught.value.code == "target_not_empty" and names_in(tmp_path / "to") == ["mine"]
    with pytest.raises(RunError):
        restore_source(store, BAG, tmp_path / "to" / "mine" / "below")


def test_bytes_that_differ_are_a_failure_and_not_left_there(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.objects["data/files/Docs/zero.txt"] = b"!"
    del made.objects["data/files/Docs/a.txt"]
    written(made, tmp_path)
    result = restore_source(store, BAG, tmp_path / "to")
    assert not result.whole and {n.path for n in result.failures.first} == {"/Docs/renamed.txt", "/Docs/zero.txt"}
    assert (names_in(tmp_path / "to" / "Docs")) == ["b.txt"] and result.files == 2


def test_a_damaged_fold_is_passed_over_and_a_damaged_ledger_is_told(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    name = "lastcopy/items.jsonl"
    made.objects[name] = made.objects[name].replace(b"renamed.txt", b"altered.txt")
    written(made, tmp_path)
    assert restore_source(store, BAG, tmp_path / "to").whole
    assert "/Docs/renamed.txt" in tree_of(tmp_path / "to")
    (tmp_path / "store" / BAG / "lastcopy/ledger/000000002.jsonl").unlink()
    result = restore_source(store, BAG, tmp_path / "to2")
    assert not result.whole and "segment 2 is missing" in result.problems


NOT_OURS = ["..", ".", "", "../../out", "/abs", "nul\0", "x" * 256, "\u00e9" * 200, "\ud800", "a/b", "..\\x"]


@pytest.mark.parametrize("name", NOT_OURS)
@pytest.mark.parametrize("with_row", [True, False])
def test_no_name_leaves_the_target(store: FolderStore, tmp_path: Path, name: str, with_row: bool) -> None:
    made = HandmadeBag()
    rows: list[dict[str, Any]] = [made.folder("R", None, "/", 1)]
    if with_row:
        rows.append(made.folder("E", "R", "/" + name, 1, name=name))
    rows.append(made.file("A", "E", f"/{name}/in.txt", b"in", key="data/files/1"))
    rows.append(made.file("B", "R", f"/{name}", b"it", key="data/files/2", name=name))
    made.segment(rows)
    written(made, tmp_path)
    before = sorted(tmp_path.iterdir())
    result = restore_source(store, BAG, tmp_path / "to")
    assert result.whole and sorted([*before, tmp_path / "to"]) == sorted(tmp_path.iterdir())
    files = sorted(data for data in tree_of(tmp_path / "to").values() if data is not None)
    assert files == [b"in", b"it"] and result.files == 2


def test_files_and_folders_of_one_name_find_two_places(store: FolderStore, tmp_path: Path) -> None:
    made = HandmadeBag()
    made.segment(
        [
            made.file("1", "R", "/a", b"1", key="data/files/1"),
            made.file("2", "R", "/a", b"2", key="data/files/2"),
            made.folder("3", "R", "/a", 1),
            made.file("4", "3", "/a/x", b"4", key="data/files/4"),
            made.file("5", "3", "/a/x", b"5", key="data/files/5"),
        ]
    )
    written(made, tmp_path)
    result = restore_source(store, BAG, tmp_path / "to")
    tree = tree_of(tmp_path / "to")
    assert sorted(data for data in tree.values() if data) == [b"1", b"2", b"4", b"5"]
    assert tree["/a"] is None and tree["/a/x"] == b"4" and result.changed_names.count == 3


@pytest.mark.parametrize("name", ["con", "NUL.txt", "a:b", "what?", "dot.", "blank ", "com1.tar.gz"])
def test_q082_names_that_windows_refuses_are_changed_there(store: FolderStore, tmp_path: Path, name: str) -> None:
    made = HandmadeBag()
    made.segment([made.file("1", "R", "/" + name, b"1", key="data/files/1")])
    written(made, tmp_path)
    assert restore_source(store, BAG, tmp_path / "to", windows=False).changed_names.count == 0
    result = restore_source(store, BAG, tmp_path / "win", windows=True)
    (place,) = names_in(tmp_path / "win")
    assert result.changed_names.first == [("/" + name, place)] and "~" in place
    assert not set(place) & set('<>:"|?*')


def test_an_item_named_like_a_changed_name_keeps_both(store: FolderStore, tmp_path: Path) -> None:
    made = HandmadeBag()
    made.segment([made.file("1", "R", "/bad\0.txt", b"1", key="data/files/1", name="bad\0.txt")])
    written(made, tmp_path)
    restore_source(store, BAG, tmp_path / "first")
    (taken,) = names_in(tmp_path / "first")
    made.segment([made.file("2", "R", "/" + taken, b"2", key="data/files/2")])
    written(made, tmp_path)
    restore_source(store, BAG, tmp_path / "second")
    assert sorted(tree_of(tmp_path / "second").values(), key=str) == [b"1", b"2"]


@pytest.mark.parametrize("modified", ["0001-01-01T00:00:00Z", "2026-01-02T03:04:05.1234567Z", "nonsense", None, 7])
def test_odd_times_do_not_stop_a_restore(store: FolderStore, tmp_path: Path, modified: object) -> None:
    made = HandmadeBag()
    made.segment([made.file("1", "R", "/a", b"1", modified=modified)])
    written(made, tmp_path)
    result = restore_source(store, BAG, tmp_path / "to")
    assert result.whole and result.files == 1 and result.undated == (modified in ("nonsense", 7))


names = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(NOT_OURS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(names, min_size=1, max_size=3), min_size=1, max_size=6))
def test_any_tree_comes_back_file_for_file(tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]) -> None:
    place = tmp_path_factory.mktemp("any")
    made = HandmadeBag()
    rows = [
        made.file(f"id{n}", "R", "/" + "/".join(path), f"content {n}".encode(), key=f"data/files/{n}", name=path[-1])
        for n, path in enumerate(paths)
    ]
    made.segment(rows)
    made.write(place / "store")
    store = FolderStore(place / "store")
    try:
        result = restore_source(store, BAG, place / "to")
    finally:
        store.close()
    contents = sorted(data for data in tree_of(place / "to").values() if data is not None)
    assert contents == sorted(f"content {n}".encode() for n in range(len(paths)))
    assert result.whole and sorted(p.name for p in place.iterdir()) == ["store", "to"]
