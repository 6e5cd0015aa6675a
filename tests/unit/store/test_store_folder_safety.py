"""The folder store under what disks, links and other processes do."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.errors import LastcopyError
from exporters.store import disk
from exporters.store.errors import (
    KeyRefusedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreBusyError,
    StoreFullError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.folder import FolderStore
from exporters.store.probe import probe

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    store = FolderStore(tmp_path / "copy")
    yield store
    store.close()


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / ".lastcopy-tmp").iterdir() if path.name != "lock"]


def test_links_are_never_followed(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put("a/k", b"1")
    (tmp_path / "copy/a/link").symlink_to(outside)
    (tmp_path / "copy/a/file").symlink_to(outside / "secret")
    (tmp_path / "copy/a/dangling").symlink_to(tmp_path / "nowhere")
    calls: list[Callable[[], object]] = [
        lambda: store.read("a/link/secret"),
        lambda: store.stat("a/link/secret"),
        lambda: store.put("a/link/new", b"1"),
        lambda: store.put("a/link/new", b"1", if_absent=True),
        lambda: store.read("a/file"),
        lambda: store.stat("a/file"),
        lambda: store.put("a/file", b"1"),
        lambda: store.put("a/file", b"1", if_absent=True),
        lambda: store.put("a/dangling", b"1", if_absent=True),
        lambda: store.put("a/dangling", b"1"),
    ]
    for call in calls:
        with pytest.raises(KeyRefusedError):
            call()
    assert [info.key for info in store.list()] == ["a/k"]
    assert list(store.list("a/link/")) == []
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert not (tmp_path / "nowhere").exists()
    assert leftovers(tmp_path / "copy") == []


def test_unfinished_files_lie_in_no_symlink(tmp_path: Path) -> None:
    """A link at `.lastcopy-tmp` would take every new file out of the store first; what is there can still be read."""
    root, outside = tmp_path / "copy", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    (root / "k").write_bytes(b"1")
    (root / ".lastcopy-tmp").symlink_to(outside)
    store = FolderStore(root)
    calls: list[Callable[[], object]] = [
        lambda: store.put("new", b"1"),
        store.now,
        lambda: store.abort_stale_uploads(timedelta(0)),
    ]
    for call in calls:
        with pytest.raises(StoreUnfitError, match="symbolic link"):
            call()
    assert store.read("k") == b"1"
    assert list(outside.iterdir()) == []
    store.close()


def test_special_files_are_no_objects(store: FolderStore, tmp_path: Path) -> None:
    store.put("k", b"1")
    os.mkfifo(tmp_path / "copy/pipe")
    assert [info.key for info in store.list()] == ["k"]
    assert store.stat("pipe") is None
    with pytest.raises(ObjectMissingError):
        store.read("pipe")


def test_folders_and_objects_cannot_share_a_name(store: FolderStore) -> None:
    store.put("a/b", b"1")
    for conditions in ({}, {"if_absent": True}):
        with pytest.raises(KeyRefusedError):
            store.put("a", b"1", **conditions)
        with pytest.raises(KeyRefusedError):
            store.put("a/b/c", b"1", **conditions)
    assert store.stat("a") is None
    assert [info.key for info in store.list()] == ["a/b"]


def test_q036_component_too_long(store: FolderStore, tmp_path: Path) -> None:
    for key in ("x" * 256, f"{'é' * 128}/k"):
        with pytest.raises(KeyRefusedError, match="too long"):
            store.put(key, b"1", if_absent=True)
    assert leftovers(tmp_path / "copy") == []


def test_names_that_are_no_text_are_left_out(store: FolderStore, tmp_path: Path) -> None:
    store.put("k", b"1")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/copy/\xff\xfe")).write_bytes(b"x")
    assert [info.key for info in store.list()] == ["k"]


SAID = [
    (errno.ENOSPC, StoreFullError, "store_full"),
    (errno.EDQUOT, StoreFullError, "store_full"),
    (errno.EROFS, StoreUnwritableError, "store_read_only"),
    (errno.EACCES, StoreUnwritableError, "store_read_only"),
    (errno.EIO, StoreUnwritableError, "store_io"),
    (errno.EMFILE, StoreUnwritableError, "too_many_files"),
    (errno.ESTALE, StoreBusyError, "store_busy"),
    (errno.ENAMETOOLONG, KeyRefusedError, "key_refused"),
]


@pytest.mark.parametrize(("number", "kind", "code"), SAID, ids=[errno.errorcode[number] for number, *_ in SAID])
@pytest.mark.parametrize("call", ["write", "fsync", "link", "rename", "close"])
def test_disk_errors_are_told_apart_and_leave_nothing(
    store: FolderStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[LastcopyError],
    code: str,
) -> None:
    """Each call of the system that can fail, failing: a typed error, nothing stored, nothing left behind."""
    store.put("kept", b"before")
    real: Callable[..., Any] = getattr(disk.os, call)

    def failing(*arguments: Any, **options: Any) -> Any:
        if call == "close":
            real(*arguments)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        conditions = {"link": {"if_absent": True}, "rename": {}}.get(call, {"if_absent": True, "durable": True})
        with pytest.raises(kind) as caught:
            store.put("new" if call != "rename" else "kept", b"bytes", **conditions)
    assert caught.value.code == code
    assert [(info.key, store.read(info.key)) for info in store.list()] == [("kept", b"before")]
    assert leftovers(tmp_path / "copy") == []


def test_q020_errors_of_the_source_are_not_taken_for_the_disks(store: FolderStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise ConnectionResetError(errno.ECONNRESET, "reset")  # as requests does: an OSError

    with pytest.raises(ConnectionResetError):
        store.put("k", broken())


def test_full_disk_for_real(tmp_path: Path) -> None:
    """A limit of the system on the length of files, in a process of its own."""
    code = f"""
        import resource
        from pathlib import Path
        from exporters.store.errors import StoreFullError
        from exporters.store.folder import FolderStore
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        store = FolderStore(Path({str(tmp_path / "copy")!r}))
        store.put("small", b"1" * 1000)
        try:
            store.put("large", (b"x" * 10_000 for _ in range(100)), if_absent=True)
        except StoreFullError as error:
            assert [info.key for info in store.list()] == ["small"]
            print(error.code)
        """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert answer.stdout.strip() == "store_full", answer.stderr
    assert leftovers(tmp_path / "copy") == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_probe_refuses_a_folder_without_links(store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(StoreUnfitError, match="cannot be written") as caught:
        probe(store)
    assert caught.value.action


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_probe_refuses_a_read_only_folder(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir(mode=0o500)
    with pytest.raises(StoreUnfitError, match="cannot be written"):
        probe(FolderStore(tmp_path / "copy"))


def test_folder_above_is_gone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "unmounted" / "copy")
    with pytest.raises(StoreUnwritableError) as caught:
        store.put("k", b"1")
    assert caught.value.code == "store_gone"
    assert "mounted" in caught.value.action


def test_folder_removed_meanwhile(store: FolderStore, tmp_path: Path) -> None:
    store.put("a/b/one", b"1")
    (tmp_path / "copy/a/b/one").unlink()
    (tmp_path / "copy/a/b").rmdir()
    with pytest.raises(StoreBusyError):
        store.put("a/b/two", b"2", if_absent=True)
    store.put("a/b/two", b"2", if_absent=True)
    assert store.read("a/b/two") == b"2"


def test_etags_never_come_back(store: FolderStore) -> None:
    """Replacements within one tick of the clock, of equal length, have etags of their own."""
    etags = [store.put("k", b"%04d" % number).etag for number in range(300)]
    assert len(set(etags)) == len(etags)


def test_etag_when_the_clock_went_back(store: FolderStore, tmp_path: Path) -> None:
    first = store.put("k", b"1")
    path = tmp_path / "copy/k"
    future = path.stat().st_mtime_ns + 10**15
    os.utime(path, ns=(future, future))
    before = store.stat("k")
    assert before is not None
    after = store.put("k", b"2", if_match=before.etag)
    assert path.stat().st_mtime_ns > future
    assert len({first.etag, before.etag, after.etag}) == 3


def _count(root: str, name: str, times: int) -> None:
    store = FolderStore(Path(root))
    done = 0
    while done < times:
        info = store.stat(name)
        assert info is not None
        number = int(store.read(name))
        try:
            store.put(name, b"%d" % (number + 1), if_match=info.etag)
        except ObjectChangedError:
            continue
        done += 1
    won = 0
    for number in range(times):
        try:
            store.put(f"won/{number}", b"1", if_absent=True)
            won += 1
        except ObjectExistsError:
            pass
    store.put(f"report/{os.getpid()}", b"%d" % won)


def test_two_processes_never_both_win(store: FolderStore, tmp_path: Path) -> None:
    """Counting by replace-if-unchanged loses no step; of creates each has one winner."""
    store.put("count", b"0")
    context = multiprocessing.get_context("spawn")
    times = 60
    processes = [context.Process(target=_count, args=(str(tmp_path / "copy"), "count", times)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert store.read("count") == b"%d" % (times * 3)
    assert sum(int(store.read(info.key)) for info in store.list("report/")) == times


def test_q021_killed_in_the_middle(store: FolderStore, tmp_path: Path) -> None:
    code = f"""
        import sys, time
        from pathlib import Path
        from exporters.store.folder import FolderStore
        def slow():
            yield b"x" * 1_000_000
            print("half", flush=True)
            time.sleep(60)
            yield b"y"
        FolderStore(Path({str(tmp_path / "copy")!r})).put("k", slow(), if_absent=True)
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert list(store.list()) == []
    assert len(leftovers(tmp_path / "copy")) == 1
    assert store.abort_stale_uploads(timedelta(hours=1)) == 0
    assert store.abort_stale_uploads(timedelta(0)) == 1
    store.put("k", b"whole", if_absent=True)


def test_memory_is_flat(store: FolderStore) -> None:
    block = b"x" * (1 << 20)
    tracemalloc.start()
    try:
        store.put("large", (block for _ in range(100)), size=100 << 20)
        with store.open("large") as chunks:
            assert sum(len(chunk) for chunk in chunks) == 100 << 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_durable_syncs_file_then_its_folders(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are on disk before the name is, and every folder on the way afterwards."""
    done: list[str] = []
    real_sync, real_link = os.fsync, os.link

    def fsync(fd: int) -> None:
        real_sync(fd)
        done.append(str(Path(f"/proc/self/fd/{fd}").readlink().relative_to(tmp_path)))

    def link(*arguments: Any, **options: Any) -> None:
        real_link(*arguments, **options)
        done.append("link")

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to name what is synced")
    store.sync()
    store.put("first", b"1")  # from here on the folder itself is made, and open
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    store.put("a/b/k", b"1", if_absent=True, durable=True)
    assert done[0].startswith("copy/.lastcopy-tmp/put-")
    assert done[1:] == ["link", "copy/a/b", "copy/a", "copy"]
    done.clear()
    store.put("a/b/l", b"1", if_absent=True, durable=True)
    assert done[1:] == ["link", "copy/a/b"]
