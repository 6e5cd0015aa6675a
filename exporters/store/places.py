# ruff: noqa: PTH102
# Plain calls of the system, not pathlib: they are the cost of a small object.
"""Where the objects of a folder store lie: from a key to a path, through folders that are known to be real ones.

Rules of this file: a folder is looked at once, component by component, and then remembered; none may be a symbolic link, and on
a file system that folds names none may be spelt otherwise than asked. What is remembered is only ever "it was a folder":
whoever finds it gone says so (`forget`). Source: design §4, examples-to-follow §1.
"""

import contextlib
import os
import stat as modes

from exporters.store.disk import mapped, sync_folder
from exporters.store.errors import InTheWayError, KeyRefusedError
from exporters.store.protocol import check_key

_KNOWN_FOLDERS = 20_000
_SURELY_SHORT = 256


class Places:
    """Paths below one root. Safe from many threads: its memory only ever saves work."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.exact = True
        """Whether names that differ in case or normalisation stay apart; set by the store once it is known."""
        self._known: dict[str, str] = {"": f"{root}/"}
        self._durable: set[str] = {""}

    def find(self, key: str) -> str | None:
        """The path of an object, None if its folder is missing. Raises: KeyRefusedError."""
        folder, _, name = key.rpartition("/")
        base = self._known.get(folder)
        if base is None or not folder or len(key) > _SURELY_SHORT or not _is_plain(name):
            check_key(key)
            base = base or self._existing(key, folder)
        return None if base is None else base + name

    def make(self, key: str) -> str:
        """The path of an object whose folder is made if it is missing. Raises: KeyRefusedError, errors of the disk."""
        folder, _, name = key.rpartition("/")
        base = self._known.get(folder)
        if base is None or not folder or len(key) > _SURELY_SHORT or not _is_plain(name):
            check_key(key)
        if base is None:
            try:
                base = self._made(key, folder)
            except FileNotFoundError:  # a folder that we knew was removed
                self.forget()
                with mapped(key):
                    base = self._made(key, folder)
        return base + name

    def forget(self) -> None:
        """Look at every folder again: one of them was removed."""
        self._known = {"": f"{self.root}/"}
        self._durable = {""}

    def make_durable(self, key: str) -> None:
        """Sync the folder of an object, and those above it whose entry below may be new. Raises: errors of the disk."""
        folder = key.rpartition("/")[0]
        with mapped(key):
            sync_folder(f"{self.root}/{folder}")
            while folder not in self._durable:
                above = folder.rpartition("/")[0]
                sync_folder(f"{self.root}/{above}")
                self._durable.add(folder)
                folder = above

    def require_spelling(self, key: str) -> None:
        """Raise KeyRefusedError if the object that answers to `key` has another name (only where names are folded)."""
        if not self.exact:
            folder, _, name = key.rpartition("/")
            self._require_spelling(key, f"{self.root}/{folder}", name)

    def _existing(self, key: str, folder: str) -> str | None:
        """The path of a folder with a `/` at its end; None if it is missing."""
        base = self._known.get(folder)
        if base is not None:
            return base
        above, _, name = folder.rpartition("/")
        base = self._existing(key, above)
        if base is None or not self._is_folder(key, base, name):
            return None
        return self._remember(folder, base + name)

    def _made(self, key: str, folder: str) -> str:
        """The same, made if it is missing. Raises: FileNotFoundError if the one above it is missing."""
        base = self._known.get(folder)
        if base is not None:
            return base
        above, _, name = folder.rpartition("/")
        base = self._made(key, above)
        with mapped(key, FileNotFoundError), contextlib.suppress(FileExistsError):
            os.mkdir(base + name)
        if not self._is_folder(key, base, name):
            raise InTheWayError(key, "an object has the name of one of its folders")
        return self._remember(folder, base + name)

    def _is_folder(self, key: str, base: str, name: str) -> bool:
        with mapped(key):
            try:
                mode = os.lstat(base + name).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return False
        if modes.S_ISLNK(mode):
            raise InTheWayError(key, f"{base[len(self.root) + 1 :]}{name} in the store is a symbolic link")
        if not modes.S_ISDIR(mode):
            return False
        if not self.exact:
            self._require_spelling(key, base, name)
        return True

    def _remember(self, folder: str, path: str) -> str:
        if len(self._known) >= _KNOWN_FOLDERS:
            self._known = {"": f"{self.root}/"}
        self._known[folder] = f"{path}/"
        return f"{path}/"

    def _require_spelling(self, key: str, base: str, name: str) -> None:
        """Two keys that became one file would be a copy that lacks one of them and says nothing."""
        with mapped(key), os.scandir(base) as entries:
            wanted = os.lstat(f"{base}/{name}").st_ino
            for entry in entries:
                if entry.name == name:
                    return
                if entry.inode() == wanted:
                    raise KeyRefusedError(key, f"this file system takes it for {entry.name!r}, which is there already")
        raise KeyRefusedError(key, "this file system gives it another name")


def _is_plain(name: str) -> bool:
    """Whether a last component surely is in order; else `check_key` looks at it in full."""
    return name.isascii() and name not in {"", ".", ".."} and "\0" not in name
