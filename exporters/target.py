"""A folder on this machine, and the place in it of each path of a tree.

Rules of this file: nothing is made outside of the target, whatever a path says; every component is one that this file system
takes; a place is given out once; what could not keep its name is noted. Source: design §6 (`restore`).
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from exporters.bag.keys import changed
from exporters.bag.verify_rows import PathRow
from exporters.errors import ConfigurationError, RunError

NAMES_KEPT = 1_000
COMPONENT_BYTES = 255
NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

_TAKEN: Final = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR}
_UNFIT: Final = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
_WINDOWS_REFUSED: Final = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


class Noted(NamedTuple):
    """A true path, and what became of it."""

    path: str
    what: str


@dataclass(slots=True)
class Notes:
    """How many in all, and the first 1,000."""

    count: int = 0
    first: list[Noted] = field(default_factory=list)

    def add(self, path: str, what: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.first) < NAMES_KEPT:
            self.first.append(Noted(path, what))


def make_target(to: Path) -> None:
    """Make the folder. Raises: ConfigurationError if it is not empty; RunError."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        is_empty = next(to.iterdir(), None) is None
    except OSError as error:
        raise target_error(str(to), error) from error
    if not is_empty:
        raise ConfigurationError(
            f"the folder {str(to)!r} is not empty", code="target_not_empty", action="Name an empty folder with `--to`."
        )


def target_error(place: str, error: OSError) -> RunError:
    """What is raised where the target cannot be written."""
    return RunError(
        f"{place!r} cannot be written: {error.strerror}",
        code="target_unwritable",
        action="Make room there, or name another folder with `--to`, and run again.",
    )


class Tree:
    """Places below the target, for rows in the order of their paths. folders: how many it made for rows."""

    def __init__(self, root: str, changed_names: Notes, *, windows: bool) -> None:
        """changed_names: notes what could not have its own name. windows: keep to the names that Windows takes."""
        self._root, self._changed_names, self._windows = root, changed_names, windows
        self.folders = 0
        self._moved: dict[str, str] = {}
        """True path → place of each folder that does not stand under its own name."""
        self._known: dict[str, str] = {}
        self._newest = ""

    def folder(self, path: str) -> str:
        """The place of a folder, made now if no row has made it."""
        if path in {"", "/"}:
            return self._root
        place = self._moved.get(path) or self._known.get(path)
        if place is None:
            above, _, name = path.rpartition("/")
            place = self._place(self.folder(above), name)
            if not self._fits(name) or not os.path.isdir(place):  # noqa: PTH112 - `..` is a folder, and never ours
                place = self._make(path, name, path)
            self._remember(path, place)
        return place

    def make_folder(self, row: PathRow) -> None:
        """Make the folder of a row; two rows with the very same path share one."""
        if row.path in {"", "/"} or row.path == self._newest:
            return
        self._newest = row.path
        self._remember(row.path, self._make(row.path, row.name, row.id))
        self.folders += 1

    def make_file(self, row: PathRow) -> str:
        """Reserve the place of a file."""
        above, name = _split(row.path, row.name)
        if row.kind == "version":
            stem, dot, extension = name.rpartition(".")
            name = f"{stem if dot else name} (version {row.id}){dot}{extension if dot else ''}"
        return self._take(row.path, above, name, row.id, _create, told=row.kind != "version")

    def _remember(self, path: str, place: str) -> None:
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[path] = place

    def _make(self, path: str, name: str, item: str) -> str:
        above, name = _split(path, name)
        return self._take(path, above, name, item, os.mkdir, is_folder=True)

    def _take(
        self,
        path: str,
        above: str,
        name: str,
        item: str,
        make: Callable[[str], None],
        *,
        is_folder: bool = False,
        told: bool = True,
    ) -> str:
        """Make something at the first of these names that fits and is free: its own, the changed one, `-2`, `-3`, …"""
        folder = self.folder(above)
        for place in self._candidates(folder, name, item):
            try:
                make(place)
            except OSError as error:
                if error.errno in _TAKEN or error.errno in _UNFIT:
                    continue
                raise target_error(place, error) from error
            if place != self._place(folder, name) or not self._fits(name):
                if is_folder:
                    self._moved[path] = place
                if told:
                    self._changed_names.add(path, os.path.relpath(place, self._root))
            return place
        raise RunError(
            f"no name was found for {path!r} in the target",
            code="target_names",
            action="Restore to another file system.",
        )

    def _candidates(self, folder: str, name: str, item: str) -> Iterator[str]:
        if self._fits(name):
            yield self._place(folder, name)
        other = changed(name, item)
        if self._windows:
            other = _WINDOWS_REFUSED.sub("_", other)
        stem, dot, extension = other.rpartition(".")
        for number in range(1, 1_000):
            yield self._place(
                folder, other if number == 1 else f"{stem}-{number}.{extension}" if dot else f"{other}-{number}"
            )

    @staticmethod
    def _place(folder: str, name: str) -> str:
        return folder + os.sep + name

    def _fits(self, name: str) -> bool:
        """Whether this system can hold `name` as one component; whether it is free is found by trying."""
        if name in {"", ".", ".."} or "/" in name or "\0" in name or os.sep in name:
            return False
        try:
            if len(name.encode()) > COMPONENT_BYTES:  # a lone surrogate has no UTF-8
                return False
        except UnicodeEncodeError:
            return False
        if not self._windows:
            return True
        refused = _WINDOWS_REFUSED.search(name) or _WINDOWS_DEVICE.fullmatch(name)
        return not refused and name[-1] not in " ."


def _split(path: str, name: str) -> tuple[str, str]:
    """(path of the folder, name): by the row's own name, should it hold a `/`."""
    if name and path.endswith("/" + name):
        return path[: -len(name) - 1], name
    above, _, last = path.rpartition("/")
    return above, last


def _create(place: str) -> None:
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666))
