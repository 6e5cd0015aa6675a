"""Rows of a bag → the tree as it was named, in a folder.

Rules of this file: asks the store alone; where things stand in the folder is the business of `target`; every restored file is
hashed, and one that differs from its row is a failure and is not left lying there. What lies in an object with others (messages,
contacts) is put down, and written when all places are known; then links in the HTML of pages follow what they lead to. Source:
design §4 (payload is append-only), §6 (`restore`), docs/formats.md.

    found = restore_source(store, "onedrive/anna@contoso.com", Path("out"))
    found.whole, found.files, found.changed_names.first, found.failures.first
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from exporters.bag.formats import ENTRY_KINDS, entry_of
from exporters.bag.verify_rows import AsOf, PathRow, PathRows
from exporters.bag.verify_segments import is_entry
from exporters.entries import Later, Written, write_entries
from exporters.entries import Wanted as WantedEntry
from exporters.errors import ItemError, TransientError
from exporters.ordered import in_order
from exporters.restored_links import RestoredLinks
from exporters.store.errors import ObjectMissingError, StoreUnwritableError
from exporters.store.protocol import Store
from exporters.target import NO_FOLLOW, Notes, Tree, make_target, target_error

Progress = Callable[[int, int], None]
"""Told (files, bytes) that were restored since the last call."""

WORKERS = 4
TASK_FILES = 64
TASK_BYTES = 4 << 20

_WITH_BYTES: Final = frozenset({"file", "version", "derived", "attachment", "page"}) | (ENTRY_KINDS - {"stream"})
"""Kinds of rows that become files. A stream is a second capture of what is restored by its own row."""
_OF_SITES: Final = "sharepoint/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class RestoreResult:
    """What a restore did. segment: the newest whose rows it shows. bytes: of files written.
    changed_names: (true path, place below the target) of what this file system could not hold, or held already.
    failures: files that are missing, cannot be read or differ from their row; they are not in the tree. excepted (with code),
    shortcuts, packages: rows that have no bytes. problems: what is wrong with the ledger. undated: times that this file system
    refused.
    """

    bag: str
    run: str | None = None
    segment: int = 0
    files: int = 0
    folders: int = 0
    bytes: int = 0
    undated: int = 0
    changed_names: Notes = field(default_factory=Notes)
    failures: Notes = field(default_factory=Notes)
    excepted: Notes = field(default_factory=Notes)
    shortcuts: Notes = field(default_factory=Notes)
    packages: Notes = field(default_factory=Notes)
    problems: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Every file that the rows name was restored with the right bytes, and the ledger could be read."""
        return not self.failures.count and not self.problems

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return asdict(self)


class _Job(NamedTuple):
    row: PathRow
    place: str


class _Done(NamedTuple):
    path: str
    size: int
    fault: str | None
    undated: bool


def restore_source(
    store: Store,
    bag: str,
    to: Path,
    *,
    as_of: AsOf | None = None,
    include_gone: bool = False,
    versions: bool = False,
    under: str = "/",
    drill: int | None = None,
    seed: str | None = None,
    workers: int = WORKERS,
    progress: Progress | None = None,
    windows: bool = os.name == "nt",
) -> RestoreResult:
    """Restore the tree of one bag into `to`, which must be empty or absent.

    as_of: the tree as it was when this run ended (None: as it is now, of an open bag too). include_gone: also what the source
    has deleted. versions: also earlier bytes, as `name (version …).ext`. under: only what stands at or below this path. drill:
    only so many files, chosen by chance (the same seed chooses the same). windows: keep to the names that Windows takes.
    Raises: ConfigurationError (`to` is not empty); RunError (`to` cannot be written, the store not be read).
    """
    result = RestoreResult(bag, as_of.run if as_of is not None else None)
    make_target(to)
    with (
        PathRows(store, bag, as_of=as_of) as rows,
        Later() as later,
        RestoredLinks() as links,
        ThreadPoolExecutor(workers, thread_name_prefix="lastcopy-restore") as pool,
    ):
        result.segment, result.problems = rows.segment, rows.problems
        tree = Tree(os.path.abspath(to), result.changed_names, windows=windows)  # noqa: PTH100 - a link is the operator's choice
        lines = as_of is not None or drill is not None
        chosen = _Chosen(result, include_gone=include_gone, versions=versions, under=under.rstrip("/"), lines=lines)
        jobs = _jobs(
            chosen.of(rows.by_path(drill=drill, seed=seed)), tree, later, links if bag.startswith(_OF_SITES) else None
        )
        for done in in_order(
            pool, lambda task: [_write(store, bag, job) for job in task], _tasks(jobs), ahead=workers * 2
        ):
            _count(result, done, progress)
        for written in in_order(
            pool, lambda of: [_dated(one) for one in write_entries(store, bag, *of)], later.by_holder(), ahead=workers
        ):
            _count(result, written, progress)
        links.rewrite(tree.folder)
        result.folders = tree.folders
        if drill is None:
            for row in chosen.folders(rows.by_path(descending=True)):
                result.undated += not _date(tree.folder(row.path), row.modified)
    return result


class _Chosen:
    """Which rows are asked for; what has no bytes is noted."""

    def __init__(
        self, result: RestoreResult, *, include_gone: bool, versions: bool, under: str, lines: bool = False
    ) -> None:
        """lines: items of lists become files of their own; else the tables made of them tell all of them."""
        self._result, self._gone, self._versions, self._under = result, include_gone, versions, under
        self._lines = lines

    def of(self, rows: Iterator[PathRow]) -> Iterator[PathRow]:
        """Files (and versions) with their bytes, and folders."""
        notes = {"shortcut": self._result.shortcuts, "package": self._result.packages}
        for row in rows:
            if not self._is_asked(row) or (row.kind == "version" and not self._versions):
                continue
            if row.outcome == "excepted":
                self._result.excepted.add(row.path, row.code or "")
            elif row.kind in notes:
                notes[row.kind].add(row.path, "it has no bytes of its own")
            elif row.kind == "derived" and self._result.run is not None:
                continue  # what a PST, or a table, was then has been made anew since
            elif row.kind == "list_item" and not self._lines:
                continue
            elif row.kind == "folder" or row.kind in _WITH_BYTES:
                yield row

    def folders(self, rows: Iterator[PathRow]) -> Iterator[PathRow]:
        """The folders alone, without a word about the others."""
        return (row for row in rows if row.kind == "folder" and row.path != "/" and self._is_asked(row))

    def _is_asked(self, row: PathRow) -> bool:
        if row.gone and not self._gone:
            return False
        return not self._under or row.path == self._under or row.path.startswith(self._under + "/")


def _jobs(rows: Iterator[PathRow], tree: Tree, later: Later, links: RestoredLinks | None) -> Iterator[_Job]:
    """Files to write now; entries of objects are put down in `later`. links: is told where files stand."""
    for row in rows:
        if row.kind == "folder":
            tree.make_folder(row)
        elif row.key is not None and is_entry(row.kind, row.key):
            holder, entry = entry_of(row.key) or (row.key.partition("!")[0], row.key.partition("!")[2])
            place = tree.make_file(_as_file(row, entry))
            later.add(WantedEntry(holder, entry, row.sha256, row.path, place, row.modified))
        elif row.key is not None:
            place = tree.make_file(row)
            if links is not None:
                links.note(row, place)
            yield _Job(row, place)


def _as_file(row: PathRow, entry: str) -> PathRow:
    """The row under the name of its file: that of its entry; of a line its own, with `.json`."""
    is_line = "/" not in entry and entry.isdigit()
    if row.name and row.path.endswith("/" + row.name):
        above, own = row.path.removesuffix("/" + row.name), row.name
    else:  # an item of a list is named by its id, and not by its title
        above, _, own = row.path.rpartition("/")
    name = f"{own or row.kind}.json" if is_line else entry.rpartition("/")[2]
    return row._replace(path=f"{above}/{name}", name=name)


def _tasks(jobs: Iterator[_Job]) -> Iterator[list[_Job]]:
    task: list[_Job] = []
    held = 0
    for job in jobs:
        task.append(job)
        held += job.row.size or 0
        if len(task) >= TASK_FILES or held >= TASK_BYTES:
            yield task
            task, held = [], 0
    if task:
        yield task


def _write(store: Store, bag: str, job: _Job) -> _Done:
    """Write one file into its reserved place; what is not the row's bytes is removed again."""
    row, digest, size, fault = job.row, hashlib.sha256(), 0, None
    try:
        with (
            open(os.open(job.place, os.O_WRONLY | NO_FOLLOW), "wb", buffering=0) as file,  # noqa: PTH123
            store.open(f"{bag}/{row.key}") as chunks,
        ):
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                _write_all(file.fileno(), chunk, job.place)
        if digest.hexdigest() != row.sha256:
            fault = "the bytes in the store have another SHA-256 than the row says"
    except ObjectMissingError:
        fault = f"the store has no {row.key!r}"
    except (ItemError, TransientError, StoreUnwritableError) as error:
        fault = f"it cannot be read: {error}"
    except OSError as error:
        raise target_error(job.place, error) from error
    if fault is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(job.place)  # noqa: PTH108
        return _Done(row.path, 0, fault, False)
    return _Done(row.path, size, None, not _date(job.place, row.modified))


def _write_all(fd: int, chunk: bytes, place: str) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except OSError as error:
            raise target_error(place, error) from error


def _date(place: str, modified: str | None) -> bool:
    """Set the time of a file or folder; whether that was possible (or not asked)."""
    if modified is None:
        return True
    try:
        at = datetime.fromisoformat(modified)
        moment = (at - _EPOCH) // timedelta(microseconds=1) * 1_000
        os.utime(place, ns=(moment, moment))
    except (ValueError, TypeError, OverflowError, OSError):
        return False
    return True


def _dated(written: Written) -> _Done:
    one = written.wanted
    undated = written.fault is None and not _date(one.place, one.modified)
    return _Done(one.path, written.size, written.fault, undated)


def _count(result: RestoreResult, done: list[_Done], progress: Progress | None) -> None:
    for one in done:
        if one.fault is not None:
            result.failures.add(one.path, one.fault)
            continue
        result.files += 1
        result.bytes += one.size
        result.undated += one.undated
    if progress is not None:
        progress(sum(one.fault is None for one in done), sum(one.size for one in done))
