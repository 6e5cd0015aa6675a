"""Composes the PSTs of one mailbox from the originals in its bag.

Rules of this file: the story, in order: what is to be composed, where it goes, the order, the files, the rows. No network, no
tenant. The same originals and settings give the same bytes, whatever objects they lie in and whatever cut an earlier composition
off: a composition counts when the cursor `pst` names its files, which is written last; until then its rows are as if they were
not there. What cannot be composed is named, and stops nothing else.
Source: design §5 (compose); docs/formats.md (PST); docs/decisions/0044.
"""

import contextlib
import sqlite3
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import structlog

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock
from exporters.copied import Progress
from exporters.errors import ItemError, SourceError
from exporters.mail.compose.bag_reading import Originals
from exporters.mail.compose.choosing import choose
from exporters.mail.compose.errors import MimeError
from exporters.mail.compose.items import Conversion, box_of
from exporters.mail.compose.order import Item, Order
from exporters.mail.compose.parts import Parts, part_file
from exporters.mail.compose.parts_json import write_parts_json
from exporters.mail.compose.placed import KINDS, superseded
from exporters.mail.compose.placed_rows import PlacedRows
from exporters.mail.originals import COMPOSED, COMPOSING, PST_CURSOR, RECOMPOSING, entry_of
from exporters.mail.settings import MailSettings
from exporters.pst import Folder, PstError, SinkFailed, SpillFailed, Writer
from exporters.scratch import scratch_error
from exporters.store.protocol import Store

CURSOR = PST_CURSOR
DEFECTS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
    NotImplementedError,
)
"""What a mistake of ours in a conversion raises. Nothing that tells of the machine, the store or the temporary folder."""
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)


@dataclass(slots=True)
class Composed:
    """What came of it. messages: composed now; parts: rows of the files that make up the PST; not_composed, losses (of all
    parts), superseded: numbers by code, by code and by reason; bytes: put into the store now."""

    messages: int = 0
    parts: list[JsonObject] = field(default_factory=list)
    not_composed: dict[str, int] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    superseded: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    stopped: bool = False


def needs_composing(writer: BagWriter) -> bool:
    """Whether there may be something to compose: rows changed in this run, or the last composition did not come to its end.
    Asks no rows."""
    return writer.is_loaded or writer.heads.cursors.get(CURSOR, {}).get("kind") != COMPOSED


def compose_bag(
    writer: BagWriter,
    store: Store,
    settings: MailSettings,
    clock: Clock,
    *,
    recompose: bool = False,
    progress: Progress,
    stop: threading.Event,
) -> Composed:
    """Put what is new into the next part of the PST, or (recompose) make all of it anew; the bag stays open.

    Raises: ReplacedError; TemporaryFolderError; SourceError (pst_failed, pst_read_back); errors of the store.
    """
    held = writer.orphans_possible
    try:
        with (
            tempfile.TemporaryDirectory(prefix="lastcopy-pst-") as name,
            contextlib.closing(Order(Path(name))) as order,
        ):
            composed = _Composition(writer, store, settings, clock, order, Path(name), progress, stop, recompose).run()
    except (OSError, sqlite3.Error, PstError) as error:
        known = scratch_error(error.__cause__ if isinstance(error.__cause__, OSError) else error)
        if known is not None:
            raise known from error
        if not isinstance(error, PstError):
            raise
        raise SourceError(
            f"the PST could not be written ({error.code}: {error.reason})",
            code="pst_failed",
            action="Run `lastcopy compose` again with -v; the originals are whole.",
        ) from error
    if not composed.stopped:
        writer.orphans_possible = held
    return composed


def _place_of(error: BaseException) -> str:
    """Where an unexpected error arose, without any value."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


class _Composition:
    """One composition of one bag."""

    def __init__(
        self,
        writer: BagWriter,
        store: Store,
        settings: MailSettings,
        clock: Clock,
        order: Order,
        folder: Path,
        progress: Progress,
        stop: threading.Event,
        recompose: bool,
    ) -> None:
        self._writer, self._store, self._settings, self._clock = writer, store, settings, clock
        self._order, self._folder, self._progress, self._stop = order, folder, progress, stop
        writer.load()
        cursor = writer.heads.cursors.get(CURSOR, {})
        self._recompose = recompose or cursor.get("kind") == RECOMPOSING
        self._rows = PlacedRows(writer)
        self._files = self._counting(cursor.get("parts", ()))
        self._is_marked = cursor.get("kind") == RECOMPOSING
        self._made: list[str] = []
        self._parts = Parts(writer, clock, folder, {"part_size": settings.part_size})
        self._result = Composed()

    def run(self) -> Composed:
        """All of it. Stopped before it began, the bag says that there is something to compose."""
        if self._stop.is_set():
            self._mark(COMPOSING)
            self._result.stopped = True
            return self._result
        self._tree = choose(self._writer, self._order, self._rows, None if self._recompose else self._files)
        if self._has_work():
            self._mark(COMPOSING)
            if not self._write():
                self._result.stopped = True
                return self._result
        self._rows.write(self._order, self._now(), None if self._recompose else self._files)
        if self._recompose:
            self._rows.forget(self._order)
        self._finish()
        return self._result

    # -- what, and where --------------------------------------------------------------------------------------------

    def _file_row(self, name: str) -> JsonObject | None:
        row = self._writer.state.row(("derived", "", f"data/pst/{name}"))
        return row if row is not None and row.get("outcome") == "copied" else None

    def _counting(self, names: Iterable[object]) -> dict[str, str]:
        """Name → SHA-256 of files, by their rows."""
        rows = ((str(name), self._file_row(str(name))) for name in names)
        return {name: str(row["sha256"]) for name, row in rows if row is not None}

    def _now(self) -> dict[str, str]:
        """The files that make up the PST from now on."""
        return self._counting(self._made if self._recompose else [*self._files, *self._made])

    def _has_work(self) -> bool:
        return self._recompose or not self._files or self._order.count() > 0

    # -- the files --------------------------------------------------------------------------------------------------

    def _write(self) -> bool:
        """Write the parts, each put when it is whole; False if it was stopped."""
        self._progress.listed(self._order.count())
        self._order.want()
        first = 1 if self._recompose or not self._files else 1 + max(map(self._number, self._files))
        paths = frozenset(place.path for place in self._tree.places)
        with (
            contextlib.closing(self._parts),
            Originals(self._store, self._writer.bag, self._order, self._folder) as originals,
        ):
            conversion = self._conversion(originals)
            for holder in self._order.holders():
                if self._stop.is_set():
                    return False
                originals.index(holder)
            pst = Writer(
                self._parts.open,
                seed=f"{self._source['kind']} {self._source['id']}".encode(),
                display_name=self._writer.bag.rpartition("/")[2],
                part_limit=self._settings.part_size,
                temporary=self._folder,
                first_part=first,
            )
            try:
                folders = self._tree.create(pst)
                number = first
                for item in self._order.items():
                    if self._stop.is_set():
                        return False
                    self._compose(item, pst, folders, conversion)
                    while number < pst.part:
                        self._put(number, paths)
                        number += 1
                if self._result.messages or self._recompose or not self._files:  # else all that is new was refused
                    pst.close()
                    self._put(number, paths)
            finally:
                pst.abort()
        return True

    @property
    def _source(self) -> JsonObject:
        return load_json(self._writer.source_bytes)

    def _number(self, file: str) -> int:
        row = self._file_row(file)
        return int(row["pst"]["number"]) if row is not None else 0

    def _conversion(self, originals: Originals) -> Conversion:
        """With what the bag says of the mailbox itself."""
        rows = [load_json(data) for data in self._writer.state.rows("kind = 'setting' AND outcome = 'copied'")]
        entries = [(entry_of(row["key"]), row) for row in rows if isinstance(row.get("key"), str)]
        self._order.want_also(entry for entry, _ in entries)
        for holder in sorted({entry.key for entry, _ in entries}):
            originals.index(holder)
        lines = []
        for entry, _ in entries:
            with contextlib.suppress(
                ItemError, ValueError
            ):  # verify tells of it; what it says of the mailbox is not needed
                lines.append(load_json(originals.line(entry, None, None)))
        box = box_of(lines, self._writer.bag.rpartition("/")[2])
        return Conversion(originals, box, str(self._source["id"]), self._key_of)

    def _key_of(self, item_id: str, attachment_id: str) -> str | None:
        """Where the bytes of an attachment lie."""
        row = self._writer.state.row(("attachment", item_id, attachment_id))
        return None if row is None else row.get("key")

    def _compose(self, item: Item, pst: Writer, folders: Sequence[Folder], conversion: Conversion) -> None:
        """One item, into its folder; what cannot be is named."""
        place = self._tree.places[item.ordinal]
        row = self._writer.state.row((item.kind, item.scope, item.id))
        try:
            if row is None:
                raise ItemError("its row is gone", code="internal")
            with conversion.message(item, row, place) as converted:
                written = pst.add_message(folders[item.ordinal], converted.message)
        except (SinkFailed, SpillFailed):
            raise
        except (PstError, MimeError) as error:
            self._order.put_refused(*item[1:4], error.code, error.reason)
        except ItemError as error:
            self._order.put_refused(*item[1:4], error.code, str(error))
        except (
            DEFECTS
        ) as error:  # the edge of a unit of work: one item that we cannot handle does not take the others with it
            structlog.get_logger().warning("defect", at=_place_of(error), error=type(error).__name__)
            self._order.put_refused(*item[1:4], "internal", f"an unexpected error ({type(error).__name__})")
        else:
            facts = self._parts.facts[written.part]
            (facts.hidden if converted.message.associated else facts.items)[place.path] += 1
            facts.losses.update(loss.code for loss in converted.losses)
            self._order.put_composed(item, part_file(self._writer.bag, written.part), place.shown, written.nid)
            self._result.messages += 1
        self._progress.finished(1)

    def _put(self, number: int, paths: frozenset[tuple[str, ...]]) -> None:
        """Put a whole part; its row follows at once, so that an object that was replaced is as its row says."""
        with self._parts.finished(number, paths) as part:
            known = self._file_row(part.name)
            if known is not None and known["sha256"] != part.sha256 and part.name in self._files:
                self._mark(RECOMPOSING)  # from here on, what rows say of places in the old file is not true any more
            row = self._parts.put(part)
            if row != known:
                self._writer.emit("item", row)
            self._made.append(part.name)

    def _mark(self, state: str) -> None:
        """Have the cursor say how far we are. A composition that replaces files must be done again whole if it is cut off."""
        if state == RECOMPOSING:
            if self._is_marked:
                return
            self._is_marked = True
        elif self._is_marked:
            return
        self._writer.emit("cursor", self._cursor(state, self._files))
        if state == RECOMPOSING:
            self._writer.flush()

    def _cursor(self, state: str, files: Iterable[str]) -> JsonObject:
        settings = {"part_size": self._settings.part_size}
        return {
            "scope": CURSOR,
            "kind": state,
            "link": "",
            "parts": list(files),
            "settings": settings,
        }

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """`parts.json`, its row, and the cursor that makes this composition count."""
        files = self._now()
        for data in self._writer.state.rows(f"kind IN ({_KINDS}, 'version')"):
            listed = load_json(data)
            place = self._tree.of(str(listed["scope"]), listed.get("parent"))
            self._order.put_superseded(superseded(listed, place.shown, files))
        result = self._result
        result.parts = [row for name in files if (row := self._file_row(name)) is not None]
        losses = Counter(self._tree.losses)
        for row in result.parts:
            losses.update(row.get("pst", {}).get("losses", {}))
        result.losses = dict(sorted(losses.items()))
        result.not_composed, result.superseded = self._order.refused_counts(), self._order.superseded_counts()
        written = write_parts_json(self._writer, self._clock, self._order, self._folder, files, result.losses)
        cursor = {**self._cursor(COMPOSED, files), "not_composed": result.not_composed, "superseded": result.superseded}
        rows: list[tuple[str, JsonObject]] = [] if written is None else [("item", written)]
        if self._writer.heads.cursors.get(CURSOR) != {name: value for name, value in cursor.items() if name != "scope"}:
            rows.append(("cursor", cursor))
        if rows:
            self._writer.emit_together(rows)
        result.bytes = self._parts.put_bytes
        structlog.get_logger().debug("composed", messages=result.messages, parts=len(files), run=self._writer.run.id)
