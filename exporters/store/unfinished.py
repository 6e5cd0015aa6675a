# ruff: noqa: PTH102, PTH108, PTH112, PTH120, PTH208
"""The root of a folder store, and the place in it for what is not an object yet: `.lastcopy-tmp`.

Rules of this file: nothing is made before the first write; the root stays open from then on, so that `syncfs` tells of every
write that was lost since. Names in here are nobody's keys. Source: design §4, Q-021.
"""

import contextlib
import fcntl
import itertools
import os
import secrets
import stat as modes
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from exporters.store.disk import mapped, moment_of, sync_folder
from exporters.store.errors import StoreUnfitError
from exporters.store.protocol import TEMPORARY

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Unfinished:
    """One per store. Safe from many threads, and beside other processes."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = f"{root}/{TEMPORARY}"
        self.keeps_apart: bool | None = None
        """Whether names that differ only in case or normalisation stay apart; None: not known yet."""
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._guard = threading.Lock()
        self._fd: int | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `open` was called."""
        return self._fd is not None

    def open(self, key: str) -> int:
        """Make root and folder if they are missing; the descriptor of the root. key: for errors.

        Raises: errors of the disk; StoreUnfitError for a file system that changes names, and where the folder is none.
        """
        with self._guard:
            if self._fd is None:
                with mapped(key):
                    self._make()
                    self.keeps_apart = self._try_names()
                    self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._finalizer = weakref.finalize(self, os.close, self._fd)
            return self._fd

    def close(self) -> None:
        """Let go of the root."""
        if self._finalizer is not None:
            self._finalizer()
            self._fd = None

    def name(self) -> str:
        """A path that nobody else has."""
        return f"{self.folder}/put-{self._token}-{next(self._numbers)}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While it lasts, no other process replaces an object. Raises: OSError."""
        fd = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def now(self) -> datetime:
        """The modification time that a new file gets."""
        self.open("")
        path = self.name()
        with mapped(""):
            fd = os.open(path, NEW, 0o666)
            try:
                return moment_of(os.fstat(fd).st_mtime_ns)
            finally:
                os.close(fd)
                os.unlink(path)

    def remove_older(self, limit: datetime) -> int:
        """Remove what writers that died have left, if it is older than `limit`; return how many."""
        count = 0
        with mapped(""), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    info = entry.stat(follow_symlinks=False)
                    if entry.name.startswith("put-") and moment_of(info.st_mtime_ns) < limit:
                        os.unlink(entry.path)
                        count += 1
        return count

    def _make(self) -> None:
        made = not os.path.isdir(self.root)
        for folder in (self.root, self.folder):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
        if not modes.S_ISDIR(
            os.lstat(self.folder).st_mode
        ):  # a link leads out of the store, and so would every new file
            raise StoreUnfitError(
                f"{self.folder} is a symbolic link, or a file, where the store keeps what is unfinished",
                missing="a real folder for unfinished files",
                action=f"Remove {self.folder}; Lastcopy makes a folder there, on the disk of the store.",
            )
        if made:
            sync_folder(os.path.dirname(self.root))

    def _try_names(self) -> bool:
        """Raises: OSError; StoreUnfitError if a name does not come back as it was given."""
        path = self.name()
        tried = Path(f"{path}-\u00c9")
        tried.touch()
        try:
            kept = tried.name in os.listdir(self.folder)
            apart = not any(os.path.lexists(f"{path}-{other}") for other in ("\u00e9", "E\u0301"))
        finally:
            tried.unlink()
        if not kept:
            raise StoreUnfitError(
                "this file system gives files other names than they were made with",
                missing="names as they are given",
                action="Choose a folder on a file system that keeps names (ext4, XFS, Btrfs, ZFS, APFS, NFS 4).",
            )
        return apart
