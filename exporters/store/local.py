# Plain calls of the system, not pathlib: they are the cost of a small object.
"""A folder store seen from the system: all names below a place, and many small files at little cost each.

Rules of this file: for readers that look at everything (`verify`); reads, never writes; follows no symbolic link. What is no
object (links, special files, names that are not UTF-8) is told, not passed over. Source: design §4 (keys), §9.

    local = local_files(store)
    for folder, names in local.names("onedrive/anna/", strange.append): ...
"""

import contextlib
import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

from exporters.store.disk import mapped
from exporters.store.protocol import CHUNK_BYTES, TEMPORARY, Store
from exporters.store.walk import is_folder_chain

HELD = 20_000
"""Names of one folder that are held one by one; of a folder with more, sorted blocks."""
TOGETHER = 1_024

_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


class Strange(NamedTuple):
    """What lies in the folder of a store and is no object. `key`: its place, with what is no UTF-8 written `\\xNN`."""

    key: str
    what: str

    @property
    def why(self) -> str:
        """One sentence for people."""
        return f"it is {self.what}, and no object"


@runtime_checkable
class HasLocalFiles(Protocol):
    """A store that is a folder of this machine, and says so."""

    def local(self) -> "LocalFiles":
        """Its folder, for readers."""
        ...


def local_files(store: Store) -> "LocalFiles | None":
    """The folder that a store is, None if it is none."""
    return store.local() if isinstance(store, HasLocalFiles) else None


class LocalFiles:
    """The folder of a store. `root`: its path."""

    def __init__(self, root: str) -> None:
        self.root = root

    def names(self, prefix: str, strange: Callable[[Strange], None]) -> Iterator[tuple[bytes, list[bytes]]]:
        """Yield (folder, names of files in it) of all files below `prefix` (empty, or ends in `/`), sorted as whole keys.

        At most 1,024 names at a time; a folder comes again where folders in it sort between its files. strange: told of
        what is no object. Raises: errors of the store, not for what vanished meanwhile.
        """
        base = os.fsencode(self.root) + b"/"
        with mapped(prefix):
            if not is_folder_chain(base, prefix.encode()):
                return
            open_folders = [(prefix.encode(), _sorted_names(base, prefix.encode(), strange))]
            while open_folders:
                folder, names = open_folders[-1]
                run: list[bytes] = []
                below: bytes | None = None
                for name in names:
                    if name.endswith(b"/"):
                        below = folder + name
                        break
                    run.append(name)
                    if len(run) >= TOGETHER:
                        yield folder, run
                        run = []
                if run:
                    yield folder, run
                if below is None:
                    open_folders.pop()
                else:
                    open_folders.append((below, _sorted_names(base, below, strange)))

    def strange_in(self, folder: str) -> Iterator[Strange]:
        """What lies right in a folder (empty, or ends in `/`) and is no object."""
        found: list[Strange] = []
        base, place = os.fsencode(self.root) + b"/", folder.encode()
        with mapped(folder):
            if is_folder_chain(base, place):
                for _ in _sorted_names(base, place, found.append):
                    pass
        yield from found

    def right_below(self, folder: str) -> list[str]:
        """Names of what lies right in a folder (empty, or ends in `/`), sorted: one look at it, however many there are. Raises:
        errors of the store."""
        base, place = os.fsencode(self.root) + b"/", folder.encode()
        with mapped(folder):
            if not is_folder_chain(base, place):
                return []
            return sorted({name.rstrip(b"/").decode() for name in _sorted_names(base, place, lambda found: None)})


class LocalReader:
    """Opens files by key; the folder of the last one stays open, and no component is followed if it is a link.

    Use as a context manager. Raises: OSError.
    """

    def __init__(self, root: str) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        self._name: bytes | None = None
        self._folder = -1

    def __enter__(self) -> "LocalReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        os.close(self._root)

    def open(self, key: bytes) -> int:
        """A descriptor to read from; the caller closes it."""
        folder, _, name = key.rpartition(b"/")
        if folder != self._name:
            self._enter(folder)
        return os.open(name, _FILE, dir_fd=self._folder)

    def read(self, key: bytes) -> bytes:
        """A whole file."""
        file = self.open(key)
        try:
            data = os.read(file, os.fstat(file).st_size + 1)
            while more := os.read(file, CHUNK_BYTES):
                data += more
        finally:
            os.close(file)
        return data

    def facts(self, key: bytes) -> os.stat_result:
        """Facts of what has this name, be it a link."""
        folder, _, name = key.rpartition(b"/")
        if folder != self._name:
            self._enter(folder)
        return os.stat(name, dir_fd=self._folder, follow_symlinks=False)

    def _enter(self, folder: bytes) -> None:
        self._leave()
        here = os.dup(self._root)
        for name in folder.split(b"/") if folder else ():
            above = here
            try:
                here = os.open(name, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        self._folder, self._name = here, folder

    def _leave(self) -> None:
        if self._name is not None:
            self._name = None
            os.close(self._folder)


def _sorted_names(base: bytes, folder: bytes, strange: Callable[[Strange], None]) -> Iterator[bytes]:
    """Names in a folder; folders end in `/`, so that all sort as whole keys do."""
    names: list[bytes] = []
    blocks: list[bytes] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(base + folder) as entries:
        found = _names(entries, folder, strange)
        while more := list(islice(found, HELD)):
            if names:
                blocks.append(b"\0".join(names))
            names = _sorted_texts(more, folder, strange)
    return heapq.merge(*map(_each, blocks), names) if blocks else iter(names)


def _names(
    entries: Iterable["os.DirEntry[bytes]"], folder: bytes, strange: Callable[[Strange], None]
) -> Iterator[bytes]:
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            yield entry.name
        elif entry.is_dir(follow_symlinks=False):
            if folder or entry.name != TEMPORARY.encode():
                yield entry.name + b"/"
        else:
            what = "a symbolic link" if entry.is_symlink() else "neither a file nor a folder"
            strange(Strange(_shown(folder + entry.name), what))


def _sorted_texts(names: list[bytes], folder: bytes, strange: Callable[[Strange], None]) -> list[bytes]:
    """Sorted names, without those that cannot be keys."""
    try:
        b"".join(names).decode()
    except UnicodeDecodeError:
        for name in names:
            if not _is_text(name):
                strange(Strange(_shown(folder + name.rstrip(b"/")), "something whose name is not UTF-8"))
        names = [name for name in names if _is_text(name)]
    names.sort()
    return names


def _each(block: bytes) -> Iterator[bytes]:
    """The names of a block, made as they are asked for."""
    start = 0
    while start < len(block):
        end = block.find(b"\0", start)
        end = len(block) if end < 0 else end
        yield block[start:end]
        start = end + 1


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")
