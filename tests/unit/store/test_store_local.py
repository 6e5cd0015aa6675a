"""A folder store seen from the system: the same keys in the same order as `list` gives them, and what is no object besides."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.store import local as module
from exporters.store.folder import FolderStore
from exporters.store.local import LocalReader, Strange, local_files
from exporters.store.protocol import TEMPORARY

NAMES = st.text(st.sampled_from("ab-.0~ \u00e9\u212b\U0001f600"), min_size=1, max_size=3).filter(
    lambda n: n not in {".", ".."}
)
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=25)


def keys_of(root: Path, prefix: str) -> tuple[list[str], list[Strange]]:
    strange: list[Strange] = []
    found = local_files(FolderStore(root))
    assert found is not None
    return [
        (folder + name).decode() for folder, names in found.names(prefix, strange.append) for name in names
    ], strange


@settings(deadline=None)
@given(TREES, st.integers(1, 4), st.integers(1, 4))
def test_the_keys_are_those_of_the_list(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], held: int, together: int
) -> None:
    """However many names are held at once, and given at once."""
    root = tmp_path_factory.mktemp("tree")
    for key in keys:
        path = root / key
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD", held)
        patch.setattr(module, "TOGETHER", together)
        prefixes = {"", *(f"{key.rsplit('/', 1)[0]}/" for key in keys if "/" in key)}
        for prefix in prefixes:
            found, strange = keys_of(root, prefix)
            assert found == [info.key for info in FolderStore(root).list(prefix)] and not strange
    shutil.rmtree(root)


def test_what_is_no_object_is_told(tmp_path: Path) -> None:
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(b"")
    (tmp_path / "a/link").symlink_to(tmp_path / "a/file")
    (tmp_path / "a/to folder").symlink_to(tmp_path / "a/deep")
    (tmp_path / "a/broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a/deep/fifo")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/caf\xe9")).write_bytes(b"")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/d\xe9")).mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/d\xe9/inside")).write_bytes(b"")
    found, strange = keys_of(tmp_path, "a/")
    assert found == ["a/file"]
    assert {(one.key, one.why) for one in strange} == {
        ("a/link", "it is a symbolic link, and no object"),
        ("a/to folder", "it is a symbolic link, and no object"),
        ("a/broken", "it is a symbolic link, and no object"),
        ("a/deep/fifo", "it is neither a file nor a folder, and no object"),
        ("a/caf\\xe9", "it is something whose name is not UTF-8, and no object"),
        ("a/d\\xe9", "it is something whose name is not UTF-8, and no object"),
    }
    right_there = local_files(FolderStore(tmp_path))
    assert right_there is not None
    assert {one.key for one in right_there.strange_in("a/")} == {one.key for one in strange} - {"a/deep/fifo"}


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "outside/a").mkdir(parents=True)
    (tmp_path / "outside/a/file").write_bytes(b"secret")
    (tmp_path / "store").mkdir()
    (tmp_path / "store/a").symlink_to(tmp_path / "outside/a")
    (tmp_path / "store/b").mkdir()
    (tmp_path / "store/b/file").symlink_to(tmp_path / "outside/a/file")
    assert keys_of(tmp_path / "store", "a/") == ([], [])
    with LocalReader(str(tmp_path / "store")) as reader:
        for key in (b"a/file", b"b/file"):
            with pytest.raises(OSError, match=r"."):
                reader.open(key)
        assert (tmp_path / "store/b/file").is_symlink() and reader.facts(b"b/file").st_size != 6
        with pytest.raises(OSError, match=r"."):
            reader.open(b"a/file")


def test_what_is_not_finished_is_no_object(tmp_path: Path) -> None:
    for place in (TEMPORARY, f"a/{TEMPORARY}"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x").write_bytes(b"")
    assert keys_of(tmp_path, "") == ([f"a/{TEMPORARY}/x"], [])
    assert keys_of(tmp_path / "nowhere", "") == ([], [])


def test_a_reader_keeps_few_descriptors(tmp_path: Path) -> None:
    for n in range(50):
        (tmp_path / f"{n}/a/b").mkdir(parents=True)
        (tmp_path / f"{n}/a/b/file").write_bytes(b"%d" % n)
    before = len([*Path("/proc/self/fd").iterdir()]) if Path("/proc/self/fd").exists() else None
    with LocalReader(str(tmp_path)) as reader:
        assert [reader.read(f"{n}/a/b/file".encode()) for n in range(50)] == [b"%d" % n for n in range(50)]
        for missing in (b"0/a/c/file", b"0/x", b"nothing/at/all"):
            with pytest.raises(FileNotFoundError):
                reader.read(missing)
        assert reader.read(b"7/a/b/file") == b"7"
    if before is not None:
        assert len([*Path("/proc/self/fd").iterdir()]) == before
