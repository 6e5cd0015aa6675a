"""The state of a bag, derived again from its segments: what it is after any of them.

Rules of this file: hands segments out and puts answers together; what rows mean is told by `verify_derive`. Memory does not grow
with the bag: lines, digests and keys lie in the spool, and come back in the order of the fold. Source: design §4 (the ledger),
docs/formats.md (State).
"""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exporters.bag.formats import LISTED_KINDS, JsonObject
from exporters.bag.verify_derive import CONFLICT, HOLDS_ENTRIES, Items, Keys
from exporters.bag.verify_entries import Entries, Holder
from exporters.bag.verify_folders import FolderCount
from exporters.bag.verify_processes import Processes
from exporters.bag.verify_segments import Facts, sequence_of
from exporters.bag.verify_spool import Place, Run, ranges

Group = list[tuple[int, bytes | None]]
LINES_TOGETHER, KEYS_TOGETHER = 8_192, 4_096
"""What is worked on in one step, and with that the memory of a process."""
_LEFTOVER = b"leftover"


@dataclass(slots=True)
class Heads:
    """What a segment n says of the whole: newest of each. `round`: segment in which an unfinished full round began, the newest of
    those of several `scopes`; `since`: then, where the first of them did."""

    number: int = 0
    sha256: str | None = None
    at: str | None = None
    closed: bool = False
    cursors: dict[str, JsonObject] = field(default_factory=dict)
    round: int | None = None
    since: int | None = None
    scopes: frozenset[str] = frozenset()
    source: JsonObject | None = None
    items: int = 0
    """`item` rows so far."""
    rows: int = 0
    """Rows so far that change more than heads."""
    listed_whole: bool = False
    """Whether a full round has ever ended."""

    def take(self, facts: Facts) -> int:
        """Take in the next segment; return how many of its rows cannot be understood."""
        self.number, self.sha256, self.at = facts.number, facts.sha256, facts.first.get("at")
        self.closed = False
        self.items += facts.items
        self.rows += facts.rows
        unreadable = facts.unreadable
        for kind, value in facts.heads:
            try:
                self._take_row(kind, value, facts.number)
            except (KeyError, TypeError, AttributeError):
                unreadable += 1
        return unreadable

    def _take_row(self, kind: str, value: JsonObject, segment: int) -> None:
        if kind == "cursor":
            self.cursors[value["scope"]] = {name: fact for name, fact in value.items() if name != "scope"}
        elif kind == "round" and value["state"] == "ended":
            self.round, self.since, self.scopes = None, None, frozenset()
            self.listed_whole = self.listed_whole or bool(value["full"])
        elif kind == "round" and value["full"]:
            if self.since is None and self.scopes - {value["scope"]}:
                self.since = self.round
            self.round, self.scopes = segment, self.scopes | {value["scope"]}
            self.cursors.pop(value["scope"], None)  # a full round begins anew: no cursor before it counts (design §4)
        elif kind == "closed":
            self.closed = True
        elif kind == "source" and self.source is None and "id" in value:
            self.source = value


class PayloadRow(NamedTuple):
    """A key as the rows name it. `agrees`: False if two rows name it with different bytes, or one without; `holds`: its object
    holds entries."""

    key: str
    size: int | None
    sha256: str | None
    version: str | None
    captured: str
    agrees: bool
    holds: bool = False

    @classmethod
    def of(cls, key: bytes, size: int, facts: bytes) -> "PayloadRow":
        """From what `verify_derive` says of a key."""
        sha256, version, captured, conflict = (text.decode("utf-8", "surrogatepass") for text in facts.split(b"\0"))
        name = key.decode("utf-8", "surrogatepass")
        agrees, holds = conflict.encode() != CONFLICT, conflict.encode() == HOLDS_ENTRIES
        return cls(name, None if size < 0 else size, sha256 or None, version or None, captured, agrees, holds)


class State:
    """Filled segment by segment with `take`, then asked by views `at(segment)`. One thread only."""

    def __init__(self, processes: Processes, fold_segment: int | None) -> None:
        """fold_segment: the n of the fold, whose heads are kept apart in `fold_heads`; None if there is no fold."""
        self.heads = Heads()
        self.fold_heads: Heads | None = None
        self._processes, self._fold_segment = processes, fold_segment
        self._runs: list[Run] = []
        self._view: View | None = None
        processes.clear()

    def take(
        self, groups: Iterable[Group], root: str | None, folder: str, read: Callable[[int], bytes | None]
    ) -> Iterator[tuple[Facts | int, int]]:
        """Take in segments, in order; yield (facts, rows that cannot be understood) of each; a number: it is not there.

        groups: [(number, bytes)] of some segments each; with `root` (of a folder store) the bytes are read by the processes.
        read: the bytes of one that they could not read, None if it is not there.
        """
        steps = self._processes.in_order("take_segments", ((group, root, folder) for group in groups))
        for answers, run in steps:
            if run is not None:
                self._runs.append(Run(*run))
            for answer in answers:
                yield self._take(answer) if not isinstance(answer, int) else self._take_again(answer, folder, read)

    def _take(self, answer: Any) -> tuple[Facts, int]:
        facts = Facts(*answer)
        unreadable = self.heads.take(facts)
        if facts.number == self._fold_segment:
            self.fold_heads = deepcopy(self.heads)
        return facts, unreadable

    def _take_again(self, number: int, folder: str, read: Callable[[int], bytes | None]) -> tuple[Facts | int, int]:
        data = read(number)
        if data is None:
            return number, 0
        (answer,), run = self._processes.submit("take_segments", [(number, data)], None, folder).result()
        if run is not None:
            self._runs.append(Run(*run))
        return self._take(answer)

    def at(self, segment: int) -> "View":
        """The state after `segment`; no more rows may be taken in."""
        if self.fold_heads is not None and self.fold_heads.rows == self.heads.rows:
            segment = self.heads.number  # nothing that a view shows came after the fold
        if self._view is None or self._view.segment != segment:
            self._view = View(self._processes, self._runs, segment)
        return self._view


class View:
    """The state after one segment. Everything streams, each in the order that the fold has."""

    def __init__(self, processes: Processes, runs: list[Run], segment: int) -> None:
        self.segment = segment
        self._processes, self._spool = processes, processes.spool
        until = b"%d" % sequence_of(segment + 1)
        wanted = ((tuple(one), until) for one in ranges(runs, LINES_TOGETHER))
        self._items = [Items(*answer) for answer in processes.in_order("newest_items", wanted)]
        key_runs = [_run(items.keys) for items in self._items]
        self._keys = [Keys(*answer) for answer in self._each("named_keys", key_runs, KEYS_TOGETHER)]
        entry_runs = [_run(items.entries) for items in self._items]
        self._entries = [Entries(*answer) for answer in self._each("named_entries", entry_runs, LINES_TOGETHER)]
        folder_runs = [_run(items.folders) for items in self._items]
        self._folders: list[Place] = list(self._each("count_folders", folder_runs, LINES_TOGETHER))

    def _each(self, step: str, runs: list[Run | None], lines_each: int) -> Iterator[Any]:
        return self._processes.in_order(step, ((tuple(one),) for one in ranges(runs, lines_each)))

    # -- digests, in the order of the fold

    def rows(self) -> Iterator[bytes]:
        """Digests of the rows, sorted by identity, many at a time."""
        return self._by_kind(lambda items: items.rows, lambda keys: keys.rows)

    def excepted(self) -> Iterator[bytes]:
        """Digests of the rows whose outcome is *excepted*."""
        return self._by_kind(lambda items: items.excepted, lambda keys: keys.excepted)

    def owed(self) -> Iterator[bytes]:
        """Digests of the `listed` values that still owe work, sorted by (scope, id)."""
        return (self._spool.read(items.owed) for items in self._items)

    def permissions(self) -> Iterator[bytes]:
        """Digests of the newest `permissions` value of each item, sorted by (scope, id)."""
        return (self._spool.read(items.permissions) for items in self._items)

    @property
    def has_permissions(self) -> bool:
        """Whether there are any."""
        return any(items.permissions[2] for items in self._items)

    def _by_kind(
        self, of_items: Callable[[Items], dict[bytes, Place]], of_leftovers: Callable[[Keys], Place]
    ) -> Iterator[bytes]:
        kinds = {kind for items in self._items for kind in of_items(items)} | {_LEFTOVER}
        for kind in sorted(kinds):
            if kind == _LEFTOVER:
                yield from (self._spool.read(of_leftovers(keys)) for keys in self._keys)
                continue
            for items in self._items:
                place = of_items(items).get(kind)
                if place is not None:
                    yield self._spool.read(place)

    # -- payload

    def payload(self) -> Iterator[tuple[list[bytes], list[list[Any]]]]:
        """Each key that a row names, once, sorted by its bytes: (keys, [sizes, facts]), many at a time (see PayloadRow.of)."""
        for keys in self._keys:
            named, *columns = self._spool.read_values(keys.payload)
            yield named, columns

    def dropped(self) -> Iterator[str]:
        """Keys that rows named once and none names now: what was captured, and has lost its row."""
        for keys in self._keys:
            yield from map(_text, self._spool.read_values(keys.dropped))

    def manifest(self) -> Iterator[bytes]:
        """The lines of `manifest-sha256.txt`, many at a time."""
        return (self._spool.read(keys.manifest) for keys in self._keys)

    @property
    def octets(self) -> int:
        """Bytes of the payload."""
        return sum(keys.octets for keys in self._keys)

    @property
    def files(self) -> int:
        """Number of keys."""
        return sum(keys.files for keys in self._keys)

    def holders(self) -> Iterator[Holder]:
        """Each object of which rows name entries, or that a row says holds some, sorted by its key."""
        for entries in self._entries:
            for fields in self._spool.read_values(entries.holders):
                yield Holder.of(*fields)

    @property
    def held_octets(self) -> int:
        """Bytes of the objects that hold entries."""
        return sum(entries.octets for entries in self._entries)

    # -- counts

    def kinds(self) -> dict[str, dict[str, int]]:
        """{kind: {outcome: number}} of all rows."""
        kinds: dict[str, dict[str, int]] = {}
        told = [*((_LEFTOVER, keys.outcomes) for keys in self._keys if keys.outcomes)]
        told += [entry for items in self._items for entry in items.kinds.items()]
        for kind, outcomes in told:
            of_kind = kinds.setdefault(_text(kind), {})
            for outcome, number in outcomes.items():
                of_kind[_text(outcome)] = of_kind.get(_text(outcome), 0) + number
        return kinds

    def counts(self) -> dict[str, int]:
        """`counts` of `reconciliation.json`: listed = copied + excepted + pending; gone beside them."""
        copied, excepted = (sum(items.settled.get(o, 0) for items in self._items) for o in (b"copied", b"excepted"))
        pending = sum(items.pending for items in self._items)
        gone = sum(by_outcome.get("gone", 0) for kind, by_outcome in self.kinds().items() if kind in LISTED_KINDS)
        return {
            "listed": copied + excepted + pending,
            "copied": copied,
            "excepted": excepted,
            "pending": pending,
            "gone": gone,
        }

    def folders(self) -> Iterator[FolderCount]:
        """Every folder and package that the service lists, sorted by (scope, id).

        found: the items whose newest facts (owed, else settled) name it as parent and are not deleted.
        """
        for place in self._folders:
            for kind, scope, item, *rest in self._spool.read_values(place):
                yield FolderCount(_text(kind), _text(scope), _text(item), *rest)


def _run(answer: Any) -> Run | None:
    return None if answer is None else Run(*answer)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
