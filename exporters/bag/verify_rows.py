"""The rows of a bag as they were after any segment, read by the checkers' own code, in the order of their paths.

Rules of this file: shares `formats` alone with the writers; a damaged fold is passed over for the segments, a damaged segment is
told in `problems` and read as far as it goes; memory does not grow with the bag. Source: design §4, docs/formats.md.
"""

import hashlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple

from exporters.bag.formats import HEAD, ITEMS, LEDGER, ORIGINALS, PAGES, TAGMANIFEST, JsonObject, dump_json, segment_key
from exporters.bag.verify_reading import SEGMENT_NAME, Lines, loaded, read_chain
from exporters.scratch_database import ScratchDatabase
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

_BATCH = 2_000
_PST = "data/pst/"
_COLUMNS = "path, gone, kind, name, id, outcome, code, key, size, sha256, modified"


class AsOf(NamedTuple):
    """The end of a run. `earlier`: runs that had ended by then, or had been cut off: what they wrote was there.

    The order is that of the journal, which all runs write into one after the other; ids are made by clocks, and those go wrong.
    """

    run: str
    earlier: frozenset[str] = frozenset()


class PathRow(NamedTuple):
    """What a restore needs of a row. path: what has none gets one: `/PST/…`, `/Attachments/…` (as its key goes on) and
    `/Settings/…` of a mailbox; a page is `/Site Pages/….json` beside its file."""

    path: str
    gone: bool
    kind: str
    name: str
    id: str
    outcome: str
    code: str | None
    key: str | None
    size: int | None
    sha256: str | None
    modified: str | None


class PathRows:
    """The rows of one bag that stand in a tree. Use as a context manager; one thread only.

    segment: the newest that was read (0: none); problems: sentences.
    """

    def __init__(self, store: Store, bag: str, *, as_of: AsOf | None = None) -> None:
        """as_of: the rows as they were when this run ended. None: as they are now."""
        self._store, self._bag, self._as_of = store, bag, as_of
        self.segment = 0
        self.problems: list[str] = []
        self._batch: list[tuple[Any, ...]] = []

    def __enter__(self) -> "PathRows":
        schema = f"CREATE TABLE row (identity BLOB PRIMARY KEY, {_COLUMNS}) WITHOUT ROWID"
        self._scratch = ScratchDatabase("rows", schema, cache_kib=16_000)
        self._db = self._scratch.db
        try:
            self._read()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def by_path(
        self, *, descending: bool = False, drill: int | None = None, seed: str | None = None
    ) -> Iterator[PathRow]:
        """Rows sorted by path: folders before what is in them (after it, if descending), what is there before what is gone, what
        was served before what we made.

        drill: only so many rows that become files of their own and are neither versions nor gone, by chance. seed: the
        same one chooses the same of the same rows.
        """
        order = "path DESC" if descending else "path, gone, kind = 'folder' DESC, kind = 'derived', kind, id"
        chosen = ""
        if drill is not None:
            others = "'version', 'derived', 'leftover', 'original', 'stream'"
            files = f"SELECT identity FROM row WHERE kind NOT IN ({others}) AND key IS NOT NULL AND NOT gone"  # noqa: S608
            chosen = f"WHERE identity IN ({files} ORDER BY drawn(identity, ?) LIMIT ?)"
            self._db.create_function("drawn", 2, _drawn, deterministic=True)
        values = () if drill is None else (seed if seed is not None else secrets.token_hex(8), drill)
        for row in self._db.execute(f"SELECT {_COLUMNS} FROM row {chosen} ORDER BY {order}", values):  # noqa: S608
            path, gone, kind, name, item, *rest = row
            yield PathRow(_text(path), bool(gone), kind, _text(name), _text(item), *rest)

    # -- reading

    def _read(self) -> None:
        numbers = self._segments()
        if self._as_of is not None:
            until = self._last_by(numbers, self._as_of)
            numbers = [number for number in numbers if number <= until]
        base = self._read_fold() if self._as_of is None else 0
        if numbers and numbers[-1] < base:
            self.problems.append(f"the ledger ends before segment {base}, from which the fold was made")
        wanted = [number for number in numbers if number >= max(base, 1)]
        gaps = set(range(max(base, 1), wanted[-1] + 1 if wanted and wanted[-1] < 10**7 else 0)) - {*wanted}
        self.problems += [f"segment {number} is missing" for number in sorted(gaps)[:100]]
        self.segment = base
        with ThreadPoolExecutor(4) as pool:
            for segment in read_chain(self._store, f"{self._bag}/{LEDGER}", wanted, pool):
                if isinstance(segment, int):
                    self.problems.append(f"segment {segment} is missing")
                    continue
                self.problems += [f"segment {segment.number}: {problem}" for problem in segment.problems]
                for line in segment.lines if segment.number > base else ():
                    if line.startswith(b'{"item"'):
                        self._take((loaded(line) or {}).get("item"))
                self.segment = segment.number
        self._flush()

    def _segments(self) -> list[int]:
        folder = f"{self._bag}/{LEDGER}"
        names = (info.key[len(folder) :] for info in self._store.list(folder))
        return [int(match[1]) for match in map(SEGMENT_NAME.fullmatch, names) if match is not None and int(match[1])]

    def _last_by(self, numbers: list[int], as_of: AsOf) -> int:
        """The last segment that was there when the run ended: its own, or one of a run before it (0: there was none yet)."""
        there = {as_of.run, *as_of.earlier}
        return next((number for number in reversed(numbers) if self._run_of(number) in there), 0)

    def _run_of(self, number: int) -> str:
        for line in Lines(self._store, segment_key(f"{self._bag}/{LEDGER}", number)):
            return str((loaded(line) or {}).get("run", ""))
        return ""

    def _read_fold(self) -> int:
        """Take the rows of the fold if its files agree; return its segment, 0 if it is passed over."""
        digests: dict[str, str] = {}
        head: JsonObject | None = None
        try:
            for line in Lines(self._store, f"{self._bag}/{TAGMANIFEST}"):
                digest, _, name = line.decode("utf-8", "replace").rstrip("\n").partition("  ")
                digests[name] = digest
            lines = Lines(self._store, f"{self._bag}/{HEAD}")
            head = loaded(b"".join(lines))
            agrees = lines.sha256 == digests.get(HEAD)
            lines = Lines(self._store, f"{self._bag}/{ITEMS}")
            for line in lines:
                self._take(loaded(line))
            agrees = agrees and lines.sha256 == digests.get(ITEMS)
        except ObjectMissingError:
            agrees = False
        self._flush()
        number = (head or {}).get("segment")
        if agrees and isinstance(number, int):
            return number
        self._db.execute("DELETE FROM row")
        return 0

    def _take(self, row: JsonObject | None) -> None:
        if row is None or (row := _in_tree(row)) is None:
            return
        try:
            identity = _bytes("\0".join(str(row[name]) for name in ("kind", "scope", "id")))
            facts = (_bytes(row["path"]), int(row["outcome"] == "gone"), str(row["kind"]))
            texts = (
                _bytes(str(row.get("name", ""))),
                _bytes(str(row["id"])),
                str(row["outcome"]),
                row.get("code"),
            )
        except (KeyError, ValueError):
            self.problems.append(f"a row cannot be understood: {dump_json(row)[:200]!r}")
            return
        self._batch.append((identity, *facts, *texts, *(row.get(n) for n in ("key", "size", "sha256", "modified"))))
        if len(self._batch) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._db.executemany(f"INSERT OR REPLACE INTO row VALUES ({','.join('?' * 12)})", self._batch)  # noqa: S608
        self._batch = []


def _in_tree(row: JsonObject) -> JsonObject | None:
    """The row, with a path; None if it stands in no tree."""
    kind, key = row.get("kind"), str(row.get("key") or "")
    placed = (
        ("derived", _PST, "/PST/"),
        ("derived", f"{PAGES}/", "/Site Pages/"),
        ("attachment", ORIGINALS, "/Attachments/"),
    )
    for of_kind, start, folder in placed:
        if kind == of_kind and key.startswith(start):
            below = key.removeprefix(start)
            return {**row, "path": folder + below, "name": below.rpartition("/")[2]}
    if isinstance(row.get("path"), str):
        is_page = kind == "page"  # beside its file, which has the same path
        return {**row, "path": row["path"] + ".json", "name": f"{row.get('name', '')}.json"} if is_page else row
    if kind in {"rule", "category", "setting"}:
        name = str(row.get("name") or row.get("id"))
        return {**row, "path": f"/Settings/{name}", "name": name}
    return None


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _drawn(identity: bytes | str, seed: str) -> bytes:
    """Where a row stands in the order of a seed."""
    data = identity.encode("utf-8", "surrogatepass") if isinstance(identity, str) else identity
    return hashlib.sha256(seed.encode() + data).digest()
