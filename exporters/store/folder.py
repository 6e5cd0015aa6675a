# ruff: noqa: PTH104, PTH108, PTH112, PTH120, PTH123
# Plain calls of the system, not pathlib: they are the cost of a small object, and their errors are told apart.
"""A store that is a folder of this machine (or a mounted one).

Rules of this file: an object comes into being by a hard link or a rename of a finished temporary file, never by writing
to its own name; no symbolic link below the root is followed; replacing is done under one lock file, so that of two
processes one wins. Nothing is synced to disk one by one unless asked: `sync()` does it for all. `put` and `stat` lie on the
path of every file that is copied: what they do is spelt out in plain calls (docs/decisions/0015).
Source: design §4, Q-021.
"""

import contextlib
import hashlib
import os
import stat as modes
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from exporters.store.disk import (
    etag_of,
    info_of,
    mapped,
    store_error,
    sync_file_system,
    write_all,
)
from exporters.store.errors import (
    DigestMismatchError,
    InTheWayError,
    KeyRefusedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceLengthError,
    StoreBusyError,
    StoreFullError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.local import LocalFiles
from exporters.store.places import Places
from exporters.store.protocol import (
    CHUNK_BYTES,
    Content,
    LockState,
    ObjectInfo,
    Stored,
    StoreDescription,
    StoreFeatures,
    check_key,
    check_prefix,
)
from exporters.store.unfinished import NEW, Unfinished
from exporters.store.walk import walk

# O_NONBLOCK: a FIFO put there by someone must not stop us for ever.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_GATHERED_BYTES = 1 << 18
_GATHERED_CHUNKS = 64


class FolderStore:
    """The `Store` below one folder. `root`: made at the first write if only its last component is missing."""

    def __init__(self, root: Path, *, url: str | None = None) -> None:
        self.url = url if url is not None else f"file:{root}"
        self._root = os.path.realpath(root)
        self._places = Places(self._root)
        self._unfinished = Unfinished(self._root)
        self._temporary = self._unfinished.folder

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
        path = self._places.find(key)
        if path is None:
            return None
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_error(error, key) from error
        if modes.S_ISLNK(info.st_mode):
            raise InTheWayError(key, "it is a symbolic link")
        if not modes.S_ISREG(info.st_mode):
            return None
        if not self._places.exact and not self._is_spelt(key):
            return None
        return info_of(key, info)

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
        if not self._unfinished.is_open:
            check_key(key)
            self._open_root(key)
        path = self._places.make(key)
        if if_absent and (size is None or size > _GATHERED_BYTES) and os.path.lexists(path):
            raise self._taken(key, path)  # before much is read or written in vain; the link itself decides
        temporary = self._unfinished.name()
        try:
            length, digest, info = self._write(key, temporary, content, size, durable=durable)
            if size is not None and length != size:
                raise SourceLengthError(key, size, length)
            if sha256 is not None and digest != sha256:
                raise DigestMismatchError(key, sha256, digest)
            if if_absent:
                self._link(key, temporary, path)
            else:
                info = self._replace(key, temporary, path, if_match)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if if_absent:
            try:
                os.unlink(temporary)
            except OSError as error:
                with mapped(key, FileNotFoundError), contextlib.suppress(FileNotFoundError):
                    raise error
        if durable:
            self._places.make_durable(key)
        return Stored(key, length, digest, etag_of(info))

    def _write(
        self, key: str, temporary: str, content: bytes | Iterable[bytes], size: int | None, *, durable: bool
    ) -> tuple[int, str, os.stat_result]:
        """Write the temporary file; return length, SHA-256 and facts. Errors out of `content` pass through untouched."""
        try:
            fd = os.open(temporary, NEW, 0o666)
        except OSError as error:
            raise store_error(error, key) from error
        length = 0
        try:
            if isinstance(content, bytes):
                length, digest = len(content), hashlib.sha256(content)
                write_all(fd, content, key)
            else:
                digest = hashlib.sha256()
                for chunk in gathered(content):
                    length += len(chunk)
                    if size is not None and length > size:
                        raise SourceLengthError(key, size, length)
                    digest.update(chunk)
                    write_all(fd, chunk, key)
            if durable:
                with mapped(key):
                    os.fsync(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        try:
            os.close(fd)  # some network file systems tell only here that a write failed, and when it happened
            info = os.lstat(temporary)
        except OSError as error:
            raise store_error(error, key) from error
        return length, digest.hexdigest(), info

    def _link(self, key: str, temporary: str, path: str) -> None:
        try:
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            raise self._taken(key, path) from None
        except (FileNotFoundError, NotADirectoryError):
            raise self._removed(key) from None
        except OSError as error:
            raise store_error(error, key) from error

    def _replace(self, key: str, temporary: str, path: str, if_match: str | None) -> os.stat_result:
        """Rename under the lock file, with a modification time after the replaced one's: so no etag ever comes back."""
        through = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
        try:
            with mapped(key, *through), self._unfinished.locked():
                try:
                    before = os.lstat(path)
                except FileNotFoundError:
                    before = None
                if before is not None and not modes.S_ISREG(before.st_mode):
                    raise InTheWayError(key, "a folder or a special file has this name")
                if before is not None:
                    self._places.require_spelling(key)
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
        except IsADirectoryError:
            raise InTheWayError(key, "a folder has this name") from None
        except (FileNotFoundError, NotADirectoryError):
            raise self._removed(key) from None

    def _taken(self, key: str, path: str) -> Exception:
        """The error for a new object whose name is held: by an object, or by what is none."""
        with mapped(key), contextlib.suppress(FileNotFoundError):
            if not modes.S_ISREG(os.lstat(path).st_mode):
                return InTheWayError(key, "a folder or a symbolic link has this name")
            self._places.require_spelling(key)
        return ObjectExistsError(key)

    def _removed(self, key: str) -> Exception:
        """The error for a folder, or a temporary file, that vanished while an object was written."""
        self._places.forget()
        if not os.path.isdir(self._temporary):
            return store_error(FileNotFoundError(2, ""), "")
        return StoreBusyError(
            f"while {key!r} was written, its folder or its temporary file was removed",
            code="removed_meanwhile",
            action="Keep other programs away from the store's folder.",
        )

    # -- the rest of the protocol

    @property
    def features(self) -> StoreFeatures:
        """See `Store.features`; `exact_keys` is tried out once the folder can be written to."""
        return StoreFeatures(
            conditional_writes=True, object_lock=False, versioning=False, exact_keys=self._exact_keys(), local=True
        )

    def sync(self) -> None:
        """See `Store.sync`: one `syncfs` of the file system, which also reports earlier write errors."""
        with mapped(""):
            if self._unfinished.is_open:
                sync_file_system(self._open_root(""))
            elif os.path.isdir(self._root):  # what another process put may be named next, and it may be read-only
                fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    sync_file_system(fd)
                finally:
                    os.close(fd)

    def now(self) -> datetime:
        """See `Store.now`: the modification time that a new file gets."""
        self._open_root("")
        return self._unfinished.now()

    def lock_state(self, key: str) -> LockState | None:
        """See `Store.lock_state`: folders know no locks."""
        if self.stat(key) is None:
            raise ObjectMissingError(key)
        return None

    def confirm(self, key: str, version_id: str | None = None) -> None:
        """See `Store.confirm`: a folder gives nothing beyond the bytes."""
        check_key(key)

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """See `Store.abort_stale_uploads`."""
        if not os.path.isdir(self._temporary):
            return 0
        return self._unfinished.remove_older(self.now() - older_than)

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
        self._unfinished.close()

    # -- the folder itself

    def _open_object(self, key: str) -> tuple[int, os.stat_result]:
        path = self._places.find(key)
        if path is None:
            raise ObjectMissingError(key)
        try:
            fd = os.open(path, _READ)
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissingError(key) from None
        except OSError as error:
            raise store_error(error, key) from error
        info = os.fstat(fd)
        if not modes.S_ISREG(info.st_mode):
            os.close(fd)
            raise ObjectMissingError(key)
        return fd, info

    def path_of(self, key: str) -> Path | None:
        """Where an object lies, None if its folder is missing; for who removes it. Raises: KeyRefusedError; InTheWayError."""
        path = self._places.find(key)
        return None if path is None else Path(path)

    def forget(self) -> None:
        """Look at every folder again: some were removed."""
        self._places.forget()

    def _open_root(self, key: str) -> int:
        fd = self._unfinished.open(key)
        self._places.exact = bool(self._unfinished.keeps_apart)
        return fd

    def _is_spelt(self, key: str) -> bool:
        try:
            self._places.require_spelling(key)
        except KeyRefusedError:
            return False
        return True

    def _exact_keys(self) -> bool:
        if self._unfinished.keeps_apart is None and os.path.isdir(self._root):
            with contextlib.suppress(StoreUnwritableError, StoreFullError, StoreUnfitError):
                self._open_root("")
        return bool(self._unfinished.keeps_apart)


def gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces worth a call of the system: small chunks are joined, large ones stay as they are."""
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        if not chunk:
            continue
        held.append(chunk)
        length += len(chunk)
        if length >= _GATHERED_BYTES or len(held) >= _GATHERED_CHUNKS:
            yield b"".join(held) if len(held) > 1 else held[0]
            held, length = [], 0
    if held:
        yield b"".join(held) if len(held) > 1 else held[0]
