"""A PST as somebody else's program sees it: libpff or libpst where one of them is installed, else our own reader, which says so.

Rules of this file: only counts and names of folders are taken; a file that a reader cannot open, or of which two readers do not
count the same, is an error and never a shorter list. Source: design §1 (`rehearse`); quirk Q-085.
"""

import importlib
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporters.errors import RunError
from exporters.pst import PstError
from exporters.pst.inventory import Inventory

_TOP = "Top of"
_SECONDS = 60
_UNREAD_BY_READPST = "IPM.Task"
"""Kinds that readpst silently leaves out begin with this."""


@dataclass(frozen=True, slots=True)
class OpenedPst:
    """reader: which program opened it; is_independent: whether that is another than ours; folders: (path, items) as it sees
    them, those without items too."""

    reader: str
    is_independent: bool
    folders: tuple[tuple[str, int], ...]

    @property
    def items(self) -> int:
        """In all folders."""
        return sum(number for _, number in self.folders)


def open_pst(path: Path) -> OpenedPst:
    """Have it read, by another program than ours if there is one; what that counts is compared with our own count.

    Raises: RunError if it cannot be opened, or the counts differ.
    """
    own = _by_us(path)
    try:
        opened, left_out = (_by_libpff(path), 0) if _has_libpff() else _by_libpst(path, own)
    except (OSError, subprocess.SubprocessError) as error:
        raise _refused(path, type(error).__name__) from error
    if opened is None:
        return OpenedPst("our own reader", False, tuple(own.folders))
    if opened.items != own.items - left_out:
        raise _refused(path, f"{opened.reader} finds {opened.items:,} items where we wrote {own.items - left_out:,}")
    return opened


@dataclass(frozen=True, slots=True)
class _Own:
    folders: list[tuple[str, int]]
    tasks: int

    @property
    def items(self) -> int:
        return sum(number for _, number in self.folders)


def _by_us(path: Path) -> _Own:
    folders: list[tuple[str, int]] = []
    tasks = 0
    try:
        with path.open("rb") as file:
            for folder in Inventory(file).folders():
                if folder.is_internal and not folder.items:
                    continue
                folders.append(("/".join(folder.path), folder.items))
                tasks += sum(n for kind, n in folder.classes.items() if kind.startswith(_UNREAD_BY_READPST))
    except PstError as error:
        raise _refused(path, str(error)) from error
    return _Own(folders, tasks)


def _has_libpff() -> bool:
    try:
        importlib.import_module("pypff")
    except ImportError:
        return False
    return True


def _by_libpff(path: Path) -> OpenedPst:
    """Raises: OSError."""
    library: Any = importlib.import_module("pypff")
    file = library.file()
    file.open(str(path))
    try:
        found = tuple(_walk(file.get_root_folder(), ""))
        return OpenedPst(f"libpff {library.get_version()}", True, found)
    finally:
        file.close()


def _walk(folder: Any, path: str) -> Iterator[tuple[str, int]]:
    """The folders below the top of personal folders: the others are the store's own."""
    for number in range(folder.get_number_of_sub_folders()):
        below = folder.get_sub_folder(number)
        name = str(below.get_name() or "")
        if not path and not name.startswith(_TOP):
            continue
        inner = f"{path}/{name}".lstrip("/")
        shown = inner.partition("/")[2]
        if shown:
            yield shown, int(below.get_number_of_sub_messages())
        yield from _walk(below, inner)


def _by_libpst(path: Path, own: _Own) -> tuple[OpenedPst | None, int]:
    """None where it is not installed. Raises: OSError, SubprocessError."""
    if shutil.which("readpst") is None:
        return None, 0
    with tempfile.TemporaryDirectory(prefix="lastcopy-readpst-") as name:
        command = ["readpst", "-e", "-D", "-8", "-b", "-j", "0", "-o", name, str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
        files = [file.relative_to(name) for file in Path(name).rglob("*") if file.is_file()]
    counts = Counter("/".join(file.parts[1:-1]) for file in files)
    return OpenedPst("readpst (libpst)", True, tuple(sorted(counts.items()))), own.tasks


def _refused(path: Path, why: str) -> RunError:
    return RunError(
        f"{path.name} cannot be opened as a PST ({why})",
        code="pst_unreadable",
        action="Report it: the originals beside it are whole.",
    )
