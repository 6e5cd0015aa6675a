# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH118, PTH120, PTH123
# Plain calls of the system, not pathlib: they are the cost of a small object, and their errors are told apart.
"""A store that is a folder of this machine (or a mounted one).

Rules of this file: an object comes into being by a hard link or a rename of a finished temporary file, never by writing
to its own name; no symbolic link below the root is followed; replacing is done under one lock file, so that of two
processes one wins. Nothing is synced to disk one by one unless asked: `sync()` does it for all.
Source: design §4, Q-021.
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import secrets
import stat as modes
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.store.disk import (
    WholeWriter,
    etag_of,
    info_of,
    mapped,
    moment_of,
    sync_file_system,
    sync_folder,
)
from exporters.store.errors import (
    DigestMismatchError,
    KeyRefusedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceLengthError,
    StoreBusyError,
    StoreFullError,
    StoreUnwritableError,
)
from exporters.store.local import LocalFiles
from exporters.store.protocol import (
    CHUNK_BYTES,
    TEMPORARY,
    Content,
    LockState,
    ObjectInfo,
    Stored,
    StoreDescription,
    StoreFeatures,
    check_key,
    check_prefix,
)
from exporters.store.walk import walk

_KNOWN_FOLDERS = 20_000
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class FolderStore:
    """The `Store` below one folder. `root`: made at the first write if only its last component is missing."""

    def __init__(self, root: Path, *, url: str | None = None) -> None:
        self._root = os.path.realpath(root)
        self.url = url if url is not None else f"file:{root}"
        self._temporary = os.path.join(self._root, TEMPORARY)
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._guard = threading.Lock()
        self._known: dict[str, None] = {}
        self._durable: set[str] = set()
        self._root_fd: int | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._exact: bool | None = None

    # -- reading

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        fd, info = self._open_object(key)
        with open(fd, "rb", buffering=0) as file, mapped(key):
            content = file.readall()
        if content is None or len(content) != info.st_size:
            raise StoreBusyError(f"{key!r} could not be read whole", code="short_read")
        return content

    def open(self, key: str, start: int = 0, end: int | None = None) -> AbstractContextManager[Content]:
        """See `Store.open`. A file that is replaced meanwhile stays open as it was."""
        return self._open(key, start, end)

    @contextmanager
    def _open(self, key: str, start: int, end: int | None) -> Iterator[Content]:
        fd, info = self._open_object(key)
        with open(fd, "rb", buffering=0) as file:
            stop = info.st_size if end is None else min(end, info.st_size)

            def chunks() -> Iterator[bytes]:
                position = file.seek(start)
                while position < stop:
                    with mapped(key):
                        chunk = file.read(min(CHUNK_BYTES, stop - position))
                    if not chunk:
                        raise StoreBusyError(f"{key!r} ended at byte {position:,} of {stop:,}", code="short_read")
                    position += len(chunk)
                    yield chunk

            yield Content(chunks(), etag_of(info))

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`."""
        path = self._path(key)
        if not self._folder_is_safe(key, os.path.dirname(path)):
            return None
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            with mapped(key):
                raise error
        if modes.S_ISLNK(info.st_mode):
            raise KeyRefusedError(key, "it is a symbolic link")
        return info_of(key, info) if modes.S_ISREG(info.st_mode) else None

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[ObjectInfo]:
        """See `Store.list`. Holds the names of the directories on the way; names that are not UTF-8 are left out."""
        check_prefix(prefix)
        return self._list(prefix, after)

    def _list(self, prefix: str, after: str | None) -> Iterator[ObjectInfo]:
        with mapped(prefix):
            for key, info in walk(self._root, prefix, after):
                yield info_of(key, info)

    # -- writing

    def put(
        self,
        key: str,
        content: bytes | Iterable[bytes],
        *,
        size: int | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        durable: bool = False,
    ) -> Stored:
        """See `Store.put`."""
        if if_absent and if_match is not None:
            raise ValueError("if_absent and if_match exclude each other")
        path = self._path(key)
        self._make_folder(key, os.path.dirname(path), durable=durable)
        if if_absent and os.path.lexists(path):
            self._refuse_folder(key, path)
            raise ObjectExistsError(key)
        temporary = self._temporary_name()
        try:
            length, digest = self._write(key, temporary, content, size, durable=durable)
            if size is not None and length != size:
                raise SourceLengthError(key, size, length)
            if sha256 is not None and digest != sha256:
                raise DigestMismatchError(key, sha256, digest)
            info = self._publish(key, temporary, path, if_absent=if_absent, if_match=if_match)
        finally:
            with contextlib.suppress(FileNotFoundError), mapped(key, FileNotFoundError):
                os.unlink(temporary)
        if durable:
            self._sync_folders(key, os.path.dirname(path))
        return Stored(key, length, digest, etag_of(info))

    def _write(
        self, key: str, temporary: str, content: bytes | Iterable[bytes], size: int | None, *, durable: bool
    ) -> tuple[int, str]:
        """Write the temporary file; return length and SHA-256. Errors out of `content` pass through untouched."""
        with mapped(key):
            fd = os.open(temporary, _NEW, 0o666)
        digest = hashlib.sha256()
        length = 0
        writer = WholeWriter(fd, key)
        with contextlib.closing(writer):
            for chunk in (content,) if isinstance(content, bytes) else content:
                length += len(chunk)
                if size is not None and length > size:
                    raise SourceLengthError(key, size, length)
                digest.update(chunk)
                writer.write(chunk)
            writer.finish(durable=durable)
        return length, digest.hexdigest()

    def _publish(self, key: str, temporary: str, path: str, *, if_absent: bool, if_match: str | None) -> os.stat_result:
        try:
            with mapped(key, FileExistsError, FileNotFoundError, IsADirectoryError):
                if not if_absent:
                    return self._replace(key, temporary, path, if_match)
                os.link(temporary, path, follow_symlinks=False)
                return os.lstat(temporary)
        except (FileExistsError, IsADirectoryError):
            self._refuse_folder(key, path)
            raise ObjectExistsError(key) from None
        except FileNotFoundError:
            self._known.clear()
            raise StoreBusyError(
                f"while {key!r} was written, its folder or its temporary file was removed",
                code="removed_meanwhile",
                action="Keep other programs away from the store's folder.",
            ) from None

    def _replace(self, key: str, temporary: str, path: str, if_match: str | None) -> os.stat_result:
        """Rename under the lock file, with a modification time after the replaced one's: so no etag ever comes back."""
        with self._replacing():
            try:
                before = os.lstat(path)
            except FileNotFoundError:
                before = None
            if before is not None and not modes.S_ISREG(before.st_mode):
                raise KeyRefusedError(key, "a folder or a special file has this name")
            if if_match is not None and (before is None or etag_of(before) != if_match):
                raise ObjectChangedError(key)
            after = os.lstat(temporary)
            for step in (1_000, 10_000_000, 2_000_000_000) if before is not None else ():
                if before is not None and after.st_mtime_ns > before.st_mtime_ns:
                    break
                moment = (before.st_mtime_ns if before is not None else 0) + step
                os.utime(temporary, ns=(moment, moment))
                after = os.lstat(temporary)
            os.rename(temporary, path)
            return after

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        fd = os.open(
            os.path.join(self._temporary, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666
        )
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    # -- the rest of the protocol

    @property
    def features(self) -> StoreFeatures:
        """See `Store.features`; `exact_keys` is tried out once the folder can be written to."""
        return StoreFeatures(
            conditional_writes=True, object_lock=False, versioning=False, exact_keys=self._exact_keys(), local=True
        )

    def sync(self) -> None:
        """See `Store.sync`: one `syncfs` of the file system, which also reports earlier write errors."""
        if self._root_fd is None and not os.path.isdir(self._root):
            return
        fd = self._open_root("")
        with mapped(""):
            sync_file_system(fd)

    def now(self) -> datetime:
        """See `Store.now`: the modification time that a new file gets."""
        self._open_root("")
        temporary = self._temporary_name()
        with mapped(""):
            fd = os.open(temporary, _NEW, 0o666)
            try:
                return moment_of(os.fstat(fd).st_mtime_ns)
            finally:
                os.close(fd)
                os.unlink(temporary)

    def lock_state(self, key: str) -> LockState | None:
        """See `Store.lock_state`: folders know no locks."""
        if self.stat(key) is None:
            raise ObjectMissingError(key)
        return None

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """See `Store.abort_stale_uploads`."""
        if not os.path.isdir(self._temporary):
            return 0
        limit = self.now() - older_than
        count = 0
        with mapped(""), os.scandir(self._temporary) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    info = entry.stat(follow_symlinks=False)
                    if entry.name.startswith("put-") and moment_of(info.st_mtime_ns) < limit:
                        os.unlink(entry.path)
                        count += 1
        return count

    def local(self) -> LocalFiles:
        """See `local.HasLocalFiles`."""
        return LocalFiles(self._root)

    def describe(self) -> StoreDescription:
        """See `Store.describe`."""
        free: int | None = None
        with contextlib.suppress(OSError):
            file_system = os.statvfs(self._root if os.path.isdir(self._root) else os.path.dirname(self._root))
            free = file_system.f_bavail * file_system.f_frsize
        return StoreDescription("folder", self.url, versioning=False, object_lock=False, free_bytes=free)

    def close(self) -> None:
        """See `Store.close`."""
        if self._finalizer is not None:
            self._finalizer()
            self._root_fd = None

    # -- paths

    def _path(self, key: str) -> str:
        check_key(key)
        return os.path.join(self._root, key)

    def _temporary_name(self) -> str:
        return os.path.join(self._temporary, f"put-{self._token}-{next(self._numbers)}")

    def _open_object(self, key: str) -> tuple[int, os.stat_result]:
        path = self._path(key)
        if not self._folder_is_safe(key, os.path.dirname(path)):
            raise ObjectMissingError(key)
        try:
            # O_NONBLOCK: a FIFO put there by someone must not stop us for ever.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissingError(key) from None
        except OSError as error:
            with mapped(key):
                raise error
        info = os.fstat(fd)
        if not modes.S_ISREG(info.st_mode):
            os.close(fd)
            raise ObjectMissingError(key)
        return fd, info

    def _open_root(self, key: str) -> int:
        """Make root and temporary folder if missing; the descriptor kept open lets `syncfs` report lost writes."""
        with self._guard:
            if self._root_fd is None:
                with mapped(key):
                    for folder in (self._root, self._temporary):
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(folder)
                    fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._finalizer = weakref.finalize(self, os.close, fd)
                self._root_fd = fd
            return self._root_fd

    def _folder_is_safe(self, key: str, folder: str) -> bool:
        """False if the folder is missing. Raises: KeyRefusedError where a component is a symbolic link."""
        return self._check_folder(key, folder, make=False)

    def _make_folder(self, key: str, folder: str, *, durable: bool) -> None:
        self._open_root(key)
        self._check_folder(key, folder, make=True)

    def _check_folder(self, key: str, folder: str, *, make: bool) -> bool:
        if folder == self._root or folder in self._known:
            return True
        if not self._check_folder(key, os.path.dirname(folder), make=make):
            return False
        with mapped(key):
            try:
                mode = os.lstat(folder).st_mode
            except (FileNotFoundError, NotADirectoryError):
                if not make:
                    return False
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder)
                mode = os.lstat(folder).st_mode
        if modes.S_ISLNK(mode):
            raise KeyRefusedError(key, "it leads through a symbolic link")
        if not modes.S_ISDIR(mode):
            if not make:
                return False
            raise KeyRefusedError(key, "an object has the name of one of its folders")
        if len(self._known) >= _KNOWN_FOLDERS:
            self._known.clear()
        self._known[folder] = None
        return True

    def _refuse_folder(self, key: str, path: str) -> None:
        """A folder or link that has the name of a new object is no object that exists."""
        with contextlib.suppress(FileNotFoundError):
            if not modes.S_ISREG(os.lstat(path).st_mode):
                raise KeyRefusedError(key, "a folder or a symbolic link has this name")

    def _sync_folders(self, key: str, folder: str) -> None:
        """Sync the folder, and those above it whose entry below may be new."""
        with mapped(key):
            sync_folder(folder)
            while folder != self._root and folder not in self._durable:
                above = os.path.dirname(folder)
                sync_folder(above)
                self._durable.add(folder)
                folder = above

    def _exact_keys(self) -> bool:
        if self._exact is None and os.path.isdir(self._root):
            name = self._temporary_name()
            with contextlib.suppress(OSError, StoreUnwritableError, StoreFullError):
                self._open_root("")
                Path(name + "-\u00e9").touch()
                variants = (name + "-\u00c9", name + "-e\u0301")
                self._exact = not any(os.path.lexists(variant) for variant in variants)
                os.unlink(name + "-\u00e9")
        return bool(self._exact)
