"""The folder store on file systems that are full, read-only, gone, broken, or that fold names; and through a loss of power.

Real ones where this process may mount them (else skipped, with the reason); what no system here has is a model of it, laid
under `os`: nothing of the store is replaced.
"""

import contextlib
import errno
import os
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.store.errors import (
    KeyRefusedError,
    ObjectExistsError,
    StoreFullError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.folder import FolderStore
from exporters.store.probe import probe

MIB = 1 << 20


def mount(*arguments: str) -> None:
    """Mount, or skip where that is not possible."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode != 0:
        pytest.skip(f"this process may not mount: {done.stderr.strip()[:100]}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / ".lastcopy-tmp").iterdir() if path.name != "lock"]


def test_a_disk_that_is_full(small: Path) -> None:
    """An error that says so; nothing of the object is left; once there is room it goes on."""
    store = FolderStore(small / "copy")
    store.put("kept", b"x" * 3 * MIB, if_absent=True)
    for content in (b"y" * 2 * MIB, iter([b"y" * MIB] * 2)):
        with pytest.raises(StoreFullError) as caught:
            store.put("a/new", content, if_absent=True, durable=True)
        assert "Free space" in caught.value.action
        assert leftovers(small / "copy") == []
    assert [info.key for info in store.list()] == ["kept"]
    (small / "copy/kept").unlink()
    store.put("a/new", b"y" * 2 * MIB, if_absent=True, durable=True)
    store.close()


def test_a_disk_without_room_for_one_more_file(tmp_path: Path) -> None:
    """No inode left: the same, whether a folder, the object or the replacement finds none."""
    place = tmp_path / "few"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m,nr_inodes=10", "tmpfs", str(place))
    try:
        store = FolderStore(place / "copy")
        with pytest.raises(StoreFullError):
            for number in range(10):
                store.put(f"d{number}/k", b"1", if_absent=True)
        assert leftovers(place / "copy") == []
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_folder_that_becomes_read_only(small: Path) -> None:
    """Reading goes on, writing ends with what to do; a probe refuses it as a setting."""
    store = FolderStore(small / "copy")
    store.put("a/k", b"1")
    mount("-o", "remount,ro", str(small))
    for conditions in ({"if_absent": True}, {}):
        with pytest.raises(StoreUnwritableError) as caught:
            store.put("a/l", b"1", **conditions)
        assert caught.value.code == "store_read_only"
    with pytest.raises(StoreUnwritableError):
        store.put("b/l", b"1", if_absent=True)
    with pytest.raises(StoreUnfitError, match="cannot be written"):
        probe(store)
    assert store.read("a/k") == b"1"
    fresh = FolderStore(small / "copy")  # as `verify` of another day
    assert [info.key for info in fresh.list()] == ["a/k"]
    assert fresh.features.local
    fresh.sync()


def test_a_disk_that_is_unmounted_meanwhile(small: Path) -> None:
    """Nothing is written into the empty folder below the mount: the copy must not go on somewhere else."""
    store = FolderStore(small)
    store.put("a/k", b"1", durable=True)
    subprocess.run(["umount", "-l", str(small)], check=True)
    for key in ("a/l", "b/l", "l"):
        for conditions in ({"if_absent": True, "durable": True}, {}):
            with pytest.raises(StoreUnwritableError) as caught:
                store.put(key, b"1", **conditions)
            assert caught.value.code == "store_gone"
            assert "mounted" in caught.value.action
    with pytest.raises(StoreUnwritableError):
        store.now()
    assert list(small.iterdir()) == [] or {path.name for path in small.iterdir()} <= {"a", "b"}
    assert not [path for path in small.rglob("*") if path.is_file()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_right_that_is_taken_away(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "copy")
    store.put("a/k", b"1")
    (tmp_path / "copy/a").chmod(0o500)
    with pytest.raises(StoreUnwritableError) as caught:
        store.put("a/l", b"1", if_absent=True)
    assert caught.value.code == "store_read_only"
    assert leftovers(tmp_path / "copy") == []
    (tmp_path / "copy/a").chmod(0o700)


def test_a_disk_that_loses_what_was_written(tmp_path: Path) -> None:
    """`sync` tells of writes that the system took and could not keep: ext4 on a disk that fails beneath it."""
    below, place = tmp_path / "below", tmp_path / "disk"
    below.mkdir()
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", str(below))
    try:
        image = below / "image"
        with image.open("wb") as file:
            file.truncate(64 * MIB)
        if subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", str(image)], check=False).returncode != 0:
            pytest.skip("there is no mkfs.ext4 here")
        mount("-o", "loop", str(image), str(place))
        try:
            store = FolderStore(place / "copy")
            store.put("kept", b"1", durable=True)
            store.sync()
            with contextlib.suppress(StoreUnwritableError, StoreFullError):
                for number in range(40):  # more than there is room for below, less than the disk says it has
                    store.put(f"n{number}", b"x" * MIB, if_absent=True)
            with pytest.raises((StoreUnwritableError, StoreFullError)) as caught:
                store.sync()
            assert caught.value.code in {"store_io", "store_full"}
            assert caught.value.action
            store.close()
        finally:
            subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)
    finally:
        subprocess.run(["umount", "-l", str(below)], check=False, capture_output=True)


# -- names


def folded(name: str) -> str:
    """As a system may fold: case, normalisation, and what cannot be seen, which is more than our rules for keys fold."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).replace("\u200d", "")


class Folding:
    """A file system that finds a name by its folded form and keeps it as it was first given, laid under `os`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, base: Path, *, renames: bool = False) -> None:
        self._base, self._renames = str(base), renames
        self._listdir = os.listdir
        for name in ("lstat", "stat", "open", "mkdir", "unlink", "utime", "scandir", "listdir"):
            self._patch(monkeypatch, name, 1)
        for name in ("link", "rename"):
            self._patch(monkeypatch, name, 2)

    def _patch(self, monkeypatch: pytest.MonkeyPatch, name: str, paths: int) -> None:
        real: Callable[..., Any] = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            found = [self.find(a) if at < paths else a for at, a in enumerate(arguments)]
            return real(*found, **options)

        monkeypatch.setattr(os, name, call)

    def find(self, path: Any) -> Any:
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not text.startswith(self._base + "/"):
            return path
        at = self._base
        for name in text[len(self._base) + 1 :].rstrip("/").split("/"):
            held = {folded(other): other for other in self._listdir(at)} if Path(at).is_dir() else {}
            given = unicodedata.normalize("NFD", name) if self._renames else name
            at = f"{at}/{held.get(folded(name), given)}"
        return os.fsencode(at) if isinstance(path, bytes) else at


@pytest.fixture
def folding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    (tmp_path / "disk").mkdir()
    Folding(monkeypatch, tmp_path / "disk")
    return FolderStore(tmp_path / "disk/copy")


TWINS = [("a", "A"), ("é", "e\u0301"), ("ab", "a\u200db"), ("straße", "STRASSE")]


@pytest.mark.parametrize(("first", "second"), TWINS, ids=ascii)
def test_q037_q038_two_keys_never_become_one_file(folding: FolderStore, first: str, second: str) -> None:
    """Where names are folded the second of two twins is refused by name, as file and as folder, and is not there."""
    folding.put("made", b"")
    assert folding.features.exact_keys is False
    folding.put(f"d/{first}", b"same", if_absent=True)
    for content in (b"same", b"other"):
        for conditions in ({"if_absent": True}, {}):
            with pytest.raises(KeyRefusedError, match="takes it for"):
                folding.put(f"d/{second}", content, **conditions)
    assert folding.stat(f"d/{second}") is None
    assert folding.stat(f"d/{first}") is not None
    with pytest.raises(ObjectExistsError):
        folding.put(f"d/{first}", b"same", if_absent=True)
    folding.put(f"{first}/k", b"1", if_absent=True)
    with pytest.raises(KeyRefusedError, match="takes it for"):
        folding.put(f"{second}/l", b"2", if_absent=True)
    assert [info.key for info in folding.list()] == sorted(
        [f"d/{first}", f"{first}/k", "made"], key=lambda key: key.encode()
    )
    assert folding.read(f"d/{first}") == b"same"


def test_a_file_system_that_renames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HFS+, which decomposes what it is given: keys would not come back. Refused by name before anything is stored."""
    (tmp_path / "disk").mkdir()
    Folding(monkeypatch, tmp_path / "disk", renames=True)
    store = FolderStore(tmp_path / "disk/copy")
    for _ in range(2):
        with pytest.raises(StoreUnfitError) as caught:
            probe(store)
        assert caught.value.missing == "names as they are given"
        with pytest.raises(StoreUnfitError):
            store.put("k", b"1")
    assert list(store.list()) == []
    assert store.features.exact_keys is False


def test_names_on_ntfs(tmp_path: Path) -> None:
    """A real one that finds names whatever their case: what is listed is what was put, or it was refused."""
    place, image = tmp_path / "disk", tmp_path / "image"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * MIB)
    try:
        subprocess.run(["mkntfs", "-F", "-Q", "-q", str(image)], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("there is no mkntfs here")
    mount("-t", "lowntfs-3g", "-o", "loop,ignore_case", str(image), str(place))
    try:
        store, put = FolderStore(place / "copy"), []
        for number, key in enumerate(("a/Straße", "a/STRASSE", "A/x", "a/é", "a/É", "a/straße")):
            with contextlib.suppress(KeyRefusedError, StoreUnfitError):
                store.put(key, b"%d" % number, if_absent=True)
                put.append(key)
        assert sorted(info.key for info in store.list()) == sorted(put)
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


# -- a loss of power


class Disk:
    """What a disk holds for certain: the file system's promises alone, from the calls that are made.

    The bytes of a file once it was synced, a name once its folder was; all of it once the file system was.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
        self._base = str(base)
        self.bytes_synced: set[int] = set()  # inodes
        self.names_synced: dict[str, int] = {}
        self._fds: dict[int, str] = {}
        for name in ("open", "close", "write", "fsync"):
            monkeypatch.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))
        from exporters.store import folder

        real = folder.sync_file_system
        monkeypatch.setattr(folder, "sync_file_system", lambda fd: (real(fd), self._sync_all())[0])

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, *arguments: Any, **options: Any) -> int:
            fd = real(path, *arguments, **options)
            if isinstance(path, str):
                self._fds[fd] = path
            return fd

        return call

    def _close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            self._fds.pop(fd, None)
            real(fd)

        return call

    def _write(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(fd: int, data: Any) -> int:
            self.bytes_synced.discard(os.fstat(fd).st_ino)
            return real(fd, data)

        return call

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            real(fd)
            path = self._fds[fd]
            if Path(path).is_dir():
                self._sync_names(path)
            else:
                self.bytes_synced.add(os.fstat(fd).st_ino)

        return call

    def _sync_names(self, folder: str) -> None:
        for entry in os.scandir(folder):
            self.names_synced[entry.path] = entry.inode()

    def _sync_all(self) -> None:
        for folder, _, files in os.walk(self._base):
            self._sync_names(folder)
            self.bytes_synced |= {os.lstat(f"{folder}/{name}").st_ino for name in files}

    def holds(self, path: Path) -> bool:
        """Whether the file is there after a loss of power, whole, with every folder on the way."""
        inode = path.lstat().st_ino
        chain = [
            path,
            *(above for above in path.parents if str(above).startswith(self._base) and str(above) != self._base),
        ]
        named = all(self.names_synced.get(str(part)) == part.lstat().st_ino for part in chain)
        return named and inode in self.bytes_synced

    def named_but_empty(self) -> list[str]:
        """Names that outlive a loss of power while the bytes do not."""
        return [
            path
            for path, inode in self.names_synced.items()
            if Path(path).is_file() and os.lstat(path).st_ino == inode and inode not in self.bytes_synced
        ]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    (tmp_path / "disk").mkdir()
    return Disk(monkeypatch, tmp_path / "disk")


@pytest.mark.parametrize("conditions", [{"if_absent": True}, {}], ids=["create", "replace"])
@pytest.mark.parametrize("size", [5, MIB])
def test_durable_objects_outlive_a_loss_of_power(
    disk: Disk, tmp_path: Path, conditions: dict[str, bool], size: int
) -> None:
    """On return: bytes, name, and every folder on the way, the store's own among them."""
    store = FolderStore(tmp_path / "disk/copy")
    for key in ("a/b/c/k", "a/b/l", "m", "a/b/c/n"):
        store.put(key, b"x" * size, durable=True, **conditions)
        assert disk.holds(tmp_path / "disk/copy" / key), key
        assert disk.named_but_empty() == []
    if not conditions:
        store.put("a/b/l", b"new", durable=True)
        assert disk.holds(tmp_path / "disk/copy/a/b/l")


def test_others_outlive_it_after_sync(disk: Disk, tmp_path: Path) -> None:
    """Not before (that is what makes them cheap); after `sync` all of them, with all their folders."""
    store = FolderStore(tmp_path / "disk/copy")
    places = [tmp_path / "disk/copy" / key for key in ("a/b/k", "a/l", "m")]
    for place in places:
        store.put(str(place.relative_to(tmp_path / "disk/copy")), b"1", if_absent=True)
    assert not any(disk.holds(place) for place in places)
    store.sync()
    assert all(disk.holds(place) for place in places)


def test_an_error_of_sync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever system it is; where there is no `syncfs`, all of them are synced."""
    from exporters.store import disk as system

    store = FolderStore(tmp_path / "copy")
    store.put("k", b"1")

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr("exporters.store.folder.sync_file_system", broken)
        with pytest.raises(StoreUnwritableError) as caught:
            store.sync()
        assert caught.value.code == "store_io"
    called: list[None] = []
    monkeypatch.setattr(system.sys, "platform", "darwin")
    monkeypatch.setattr(os, "sync", lambda: called.append(None))
    store.sync()
    assert called == [None]
