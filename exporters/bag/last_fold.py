"""The last fold of a bag, as the next writer reads it: its head first, all else only when it is needed.

Rules of this file: nothing of a fold is believed that is not as the tagmanifest says; a fold that is damaged does not exist, and
the state is made again from segment 1; the segment of which a fold is made must be there, since what follows is chained to it.
Source: design §4 (the fold).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.fold import read_tagmanifest
from exporters.bag.formats import HEAD, ITEMS, OWED, PERMISSIONS, TAG_FILES, JsonObject, load_json
from exporters.bag.lines import read_lines
from exporters.bag.state import Heads, State
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, SegmentDamagedError, SegmentLog


class LastFold:
    """What the last fold says. `position`: its segment, START if there is none; `first`: the first line of that segment;
    `is_damaged`: a file is not as it was written."""

    def __init__(self, store: Store, bag: str, log: SegmentLog) -> None:
        self._store, self._bag, self._log = store, bag, log
        self._digests: dict[str, str] = {}
        self._proven: set[str] = set()
        self._head: JsonObject = {}
        self.position: Position = START
        self.first: Mapping[str, Any] | None = None
        self.is_damaged = False

    @property
    def exists(self) -> bool:
        """Whether there is a fold, and nothing is known against it."""
        return bool(self.position.number) and not self.is_damaged

    def read_head(self, heads: Heads) -> None:
        """Read the head, and take over what it says into `heads`. Raises: SegmentDamagedError if its segment is lost."""
        self._digests = read_tagmanifest(self._store, self._bag) or {}
        try:
            data = self._store.read(f"{self._bag}/{HEAD}")
        except ObjectMissingError:
            self.is_damaged = self._log.exists(1)
            return
        if self._digests.get(HEAD) != Hashed.of(data):
            self.is_damaged = True
            return
        self._head = load_json(data)
        self.position = Position(self._head["segment"], self._head["sha256"])
        self.first = self._segment_of_it()
        self._set(heads)

    def _segment_of_it(self) -> Mapping[str, Any]:
        number = self.position.number
        try:
            segment = self._log.read(number)
        except ObjectMissingError:
            raise SegmentDamagedError(self._log.key(number), "the fold is made from it, and it is gone") from None
        if segment.position != self.position:
            raise SegmentDamagedError(self._log.key(number), "it is not the one from which the fold is made")
        return segment.first

    def _set(self, heads: Heads) -> None:
        head = self._head
        heads.cursors, heads.round, heads.closed = dict(head["cursors"]), head["round"], head["closed"]
        heads.since = head.get("since")
        heads.scopes = set() if heads.round is None else self._scopes_begun(heads.round)

    def _scopes_begun(self, number: int) -> set[str]:
        """Of the rounds that begin in a segment, the scopes of those that do not end there: the head does not say whose it is."""
        heads = Heads()
        try:
            for row in self._log.read(number).rows():
                if "round" in row:
                    heads.apply("round", row["round"], number)
        except ObjectMissingError:
            raise SegmentDamagedError(
                self._log.key(number), "an unfinished round began in it, and it is gone"
            ) from None
        return heads.scopes

    def lines(self, name: str) -> Iterator[JsonObject]:
        """Rows of a small file of the fold, read once before for its digest; none if the fold is damaged."""
        if not self.exists or (name not in self._proven and not self._prove(name)):
            return
        for line in read_lines(self._store, f"{self._bag}/{name}"):
            yield load_json(line)

    def prove(self) -> bool:
        """Whether every tag file is there and as the tagmanifest says; if not, there is no fold."""
        if self.exists:
            is_named = {*TAG_FILES} - {PERMISSIONS} <= self._digests.keys()
            self.is_damaged = not (is_named and all(self._prove(name) for name in sorted(self._digests)))
        return self.exists

    def _prove(self, name: str) -> bool:
        hashed = Hashed(())
        try:
            for _ in read_lines(self._store, f"{self._bag}/{name}", hashed):
                pass
            is_there = True
        except ObjectMissingError:
            is_there = False  # an empty file has a digest too
        if not is_there or hashed.sha256 != self._digests.get(name):
            self.is_damaged = True
            return False
        self._proven.add(name)
        return True

    def load(self) -> State | None:
        """The state at the fold's segment; None if a file does not match the tagmanifest."""
        if not self.exists:
            return None
        state = State()
        takers: dict[str, Callable[[Iterator[bytes]], None]] = {
            ITEMS: state.put_rows,
            OWED: state.put_all_listed,
            PERMISSIONS: state.put_all_permissions,
        }
        for name, take in takers.items():
            if name == PERMISSIONS and name not in self._digests:
                continue
            hashed = Hashed(())
            try:
                take(read_lines(self._store, f"{self._bag}/{name}", hashed))
            except (ObjectMissingError, ValueError):
                hashed = Hashed(())
            if hashed.sha256 != self._digests.get(name):
                self.is_damaged = True
                state.close()
                return None
        self._set(state.heads)
        if state.heads.first_round is not None:
            self._mark_seen(state, state.heads.first_round)
        return state

    def _mark_seen(self, state: State, begun: int) -> None:
        """What the unfinished full rounds have listed stands in their segments alone."""
        heads = Heads()  # a round before them may have ended in the first of these segments
        for number in range(begun, self.position.number + 1):
            for row in self._log.read(number).rows():
                ((kind, value),) = row.items()
                if kind == "round" and value["full"] and value["state"] == "begun":
                    state.forget_seen(None if heads.begins_anew(value["scope"]) else value["scope"])
                if kind == "round":
                    heads.apply(kind, value, number)
                elif heads.round is None:
                    continue
                elif kind == "seen":
                    state.mark_seen(value["scope"], value["ids"])
                elif kind == "listed" and value.get("deleted"):
                    state.unmark_seen(value["scope"], value["id"])
                elif kind == "listed":
                    state.mark_seen(value["scope"], (value["id"],))
