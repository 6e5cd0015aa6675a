"""The fold: tag files of a bag as a pure function of its segments.

Rules of this file: `render` asks only the state and the newest segment's own `at` and SHA-256; `head.json` is written first and
`tagmanifest` last, so that a fold that was cut off shows in the one small file that every run reads. Source: design §4 (the
fold), docs/formats.md (fold), RFC 8493.
"""

from collections.abc import Callable, Iterable, Iterator

from exporters.bag.digests import Hashed
from exporters.bag.formats import (
    BAG_INFO,
    BAGIT,
    BAGIT_TEXT,
    EXCEPTIONS,
    HEAD,
    ITEMS,
    LEDGER,
    MANIFEST,
    OWED,
    PERMISSIONS,
    RECONCILIATION,
    SOFTWARE_AGENT,
    SOURCE,
    TAG_FILES,
    TAGMANIFEST,
    dump_json,
    load_json,
    manifest_line,
)
from exporters.bag.reconcile import reconcile
from exporters.bag.state import State
from exporters.errors import RunError
from exporters.store.errors import ObjectChangedError, ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, Segment, SegmentLog

TAG_NAMES = (*TAG_FILES, TAGMANIFEST)
DISTURBANCES = 5
Check = Callable[[], None]
Rendered = Iterator[tuple[str, Callable[[], Iterable[bytes]]]]


def render(state: State, position: Position, at: str, source: bytes) -> Rendered:
    """Yield (name, content) of each tag file but the tagmanifest, `head.json` first.

    position, at: number, SHA-256 and time of the newest segment. source: bytes of `lastcopy/source.json`.
    """
    head = {
        "segment": position.number,
        "sha256": position.sha256,
        "at": at,
        "closed": state.heads.closed,
        "cursors": state.heads.cursors,
        "round": state.heads.round,
    }
    if state.heads.since is not None:
        head["since"] = state.heads.since
    yield HEAD, lambda: [dump_json(head)]
    yield ITEMS, lambda: _lines(state.rows())
    yield EXCEPTIONS, lambda: _lines(state.rows("outcome = 'excepted'"))
    yield OWED, lambda: _lines(state.owed())
    if state.count("SELECT count(*) FROM permissions"):
        yield PERMISSIONS, lambda: _lines(state.permissions())
    yield RECONCILIATION, lambda: [dump_json(reconcile(state))]
    yield MANIFEST, lambda: _lines_of_manifest(state)
    yield SOURCE, lambda: [source]
    yield BAGIT, lambda: [BAGIT_TEXT]
    yield BAG_INFO, lambda: [_bag_info(state, position, at, source)]


def _lines(rows: Iterable[bytes]) -> Iterator[bytes]:
    return _gathered(row + b"\n" for row in rows)


def _lines_of_manifest(state: State) -> Iterator[bytes]:
    return _gathered(manifest_line(sha256, key) for key, sha256 in state.manifest())


def _gathered(lines: Iterable[bytes], most: int = 1 << 18) -> Iterator[bytes]:
    """The same bytes in fewer, larger chunks."""
    buffer = bytearray()
    for line in lines:
        buffer += line
        if len(buffer) >= most:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _bag_info(state: State, position: Position, at: str, source: bytes) -> bytes:
    octets, files = state.payload_sum()
    facts = load_json(source)
    lines = [
        f"Bag-Software-Agent: {SOFTWARE_AGENT}",
        f"Bagging-Date: {at[:10]}",
        f"External-Identifier: {facts['kind']} {facts['id']}",
        f"Lastcopy-Segment: {position.number}",
        f"Payload-Oxum: {octets}.{files}",
    ]
    return ("\n".join(lines) + "\n").encode()


def write_fold(
    store: Store, bag: str, state: State, position: Position, at: str, source: bytes, *, check: Check
) -> str:
    """Write all tag files, the tagmanifest last; return its SHA-256.

    check: raises if this writer has been replaced. Each file takes the place of the one that was there when the fold began, and
    of no other: a writer that slept through its replacement changes nothing. Raises: what `check` raises, errors of the store.
    """
    places = {name: _Place(store, f"{bag}/{name}", check) for name in TAG_NAMES}
    check()
    digests: dict[str, str] = {}
    for name, content in render(state, position, at, source):
        if name == SOURCE:
            digests[name] = Hashed.of(source)  # created with the bag, never replaced
        else:
            digests[name] = places[name].fill(content)
    store.sync()
    tagmanifest = b"".join(manifest_line(digests[name], name) for name in sorted(digests, key=str.encode))
    return places[TAGMANIFEST].fill(lambda: [tagmanifest], durable=True)


class _Place:
    """Where a tag file goes: made when the fold begins, so that it knows what it will replace."""

    def __init__(self, store: Store, key: str, check: Check) -> None:
        self._store, self._key, self._check = store, key, check
        self._look()

    def _look(self) -> None:
        info = self._store.stat(self._key)
        self._etag = info.etag if info is not None else None

    def fill(self, content: Callable[[], Iterable[bytes]], *, durable: bool = False) -> str:
        """Put the file; return its SHA-256. Who is still the bag's writer prevails over one who is not any more."""
        for _ in range(DISTURBANCES):
            self._check()
            hashed = Hashed(content())
            try:
                self._store.put(self._key, hashed, if_absent=self._etag is None, if_match=self._etag, durable=durable)
            except (ObjectExistsError, ObjectChangedError):
                self._check()
                self._look()
            else:
                return hashed.sha256
        raise FoldDisturbedError(self._key)


class FoldDisturbedError(RunError):
    """A tag file was replaced by somebody who is not the bag's writer."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key!r} was replaced by somebody else while the bag was folded",
            code="fold_disturbed",
            action="Make sure that nothing else writes to this store, and run again: the fold is made anew.",
        )


def state_from_segments(store: Store, bag: str, until: int | None = None) -> tuple[State, Position, str]:
    """The state after segment `until` (None: the newest), from segment 1; with its position and time.

    Raises: SegmentDamagedError.
    """
    state, position, at = State(), START, ""
    try:
        for segment in SegmentLog(store, f"{bag}/{LEDGER}").follow(START):
            apply_segment(state, segment)
            position, at = segment.position, str(segment.first["at"])
            if position.number == until:
                break
    except BaseException:
        state.close()
        raise
    return state, position, at


def apply_segment(state: State, segment: Segment) -> None:
    """Take a whole segment into the state."""
    state.heads.begin_segment()
    state.apply_lines(segment.lines, segment.position.number)


def read_tagmanifest(store: Store, bag: str) -> dict[str, str] | None:
    """{name: SHA-256} of the tagmanifest; None if there is none, or it is no manifest."""
    try:
        text = store.read(f"{bag}/{TAGMANIFEST}").decode()
    except (ObjectMissingError, UnicodeDecodeError):
        return None
    digests = {}
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        if not name:
            return None
        digests[name] = digest
    return digests
