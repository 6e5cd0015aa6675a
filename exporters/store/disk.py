"""What a folder store needs of the operating system: errors by name, whole writes, syncing.

Rules of this file: `OSError` becomes an error of `exporters.store.errors` here, and nowhere else. An `OSError` that
comes out of somebody else's iterator (a broken connection is one) must never pass through `mapped`.
"""

import ctypes
import errno
import os
import sys
from datetime import UTC, datetime, timedelta
from types import TracebackType

from exporters.errors import LastcopyError
from exporters.store.errors import (
    InTheWayError,
    KeyRefusedError,
    StoreBusyError,
    StoreFullError,
    StoreUnwritableError,
)
from exporters.store.protocol import ObjectInfo

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_KEY = {
    errno.ENAMETOOLONG: "a component is too long for this file system",
    errno.EILSEQ: "this file system refuses it",
}
_NO_LINKS = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS, errno.ENOLCK}
_BUSY = {errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EAGAIN, errno.EINTR, errno.EBUSY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class mapped:
    """Context: an `OSError` inside becomes the store error that fits. `through`: kinds the caller handles itself."""

    __slots__ = ("_key", "_through")

    def __init__(self, key: str, *through: type[OSError]) -> None:
        self._key = key
        self._through = through

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, self._through):
            raise store_error(error, self._key) from error


def store_error(error: OSError, key: str) -> LastcopyError:
    """The error of ours for an error of the operating system. `key`: of the object, empty for the whole store."""
    number = error.errno or 0
    what = f"{key!r}" if key else "the store's folder"
    said = os.strerror(number) if number else str(error)
    if number in _FULL:
        return StoreFullError(
            f"no room for {what}: {said}",
            code="store_full",
            action="Free space (or raise the quota) where the store is, and run again; it goes on where it stopped.",
        )
    if number == errno.ELOOP:
        return InTheWayError(key, "it is, or leads through, a symbolic link")
    if number in _KEY:
        return KeyRefusedError(key, _KEY[number])
    if number in _BUSY:
        return StoreBusyError(f"{what} did not answer: {said}", code="store_busy")
    if number in _REFUSED:
        code, action = "store_read_only", "Let the user that runs Lastcopy write to this folder, or choose another one."
    elif number in _NO_LINKS:
        code = "store_no_links"
        action = "Choose a folder on a file system with hard links and locks (ext4, XFS, Btrfs, ZFS, APFS, NFS 4)."
    elif number == errno.ENOENT:
        code, action = "store_gone", "Make sure that the folder above the store exists and that its disk is mounted."
    elif number in {errno.EMFILE, errno.ENFILE}:
        code, action = "too_many_files", "Raise the limit of open files (`ulimit -n 4096`), and run again."
    else:
        code, action = "store_io", "Test the disk and its file system (see the system's log), then run again."
    return StoreUnwritableError(f"{what} cannot be used: {said}", code=code, action=action)


def write_all(fd: int, data: bytes, key: str) -> None:
    """Write all of `data`, or raise a mapped error: a full disk takes a part first and says so at the next call."""
    try:
        done = os.write(fd, data)
        while done < len(data):
            done += os.write(fd, memoryview(data)[done:])
    except OSError as error:
        raise store_error(error, key) from error


def sync_folder(path: str) -> None:
    """Sync the entries of one folder to disk. Raises: OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(fd: int) -> None:
    """Sync the whole file system that `fd` is on (Linux), or all of them. Raises: OSError.

    Linux also reports here the writes that failed since `fd` was opened.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    else:
        os.sync()


def etag_of(facts: os.stat_result) -> str:
    """What changes whenever a file is replaced. FolderStore makes the modification time of a replacement later."""
    return f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"


def moment_of(nanoseconds: int) -> datetime:
    """Nanoseconds since 1970 as an instant."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)


def info_of(key: str, facts: os.stat_result) -> ObjectInfo:
    """A file as an object."""
    return ObjectInfo(key, facts.st_size, moment_of(facts.st_mtime_ns), etag_of(facts))
