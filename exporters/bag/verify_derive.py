"""What follows from the rows of a bag: the newest of each identity, what is owed, what the folders hold, which keys are named.

Rules of this file: a pure function of lines that `verify_segments` made; each step works on one range of sorted lines, knows no
other range, and leaves what it found in the spool (runs for the next step, and digests in the order of the fold). No code of the
writers. Source: design §4 (the ledger, Whole), docs/formats.md (State, Fold).
"""

from binascii import unhexlify
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from exporters.bag.formats import LISTED_KINDS, segment_key
from exporters.bag.verify_segments import (
    CAPTURED,
    CHILDREN,
    CODE,
    DELETED,
    DIGEST,
    ID,
    ITEM,
    KEY,
    KIND,
    LISTED,
    LISTED_CHILDREN,
    LISTED_DIGEST,
    LISTED_PARENT,
    OUTCOME,
    PARENT,
    PERMISSIONS_DIGEST,
    SCOPE,
    SEQUENCE,
    SHA256,
    SIZE,
    SORT,
    VERSION,
    facts_of,
)
from exporters.bag.verify_spool import Place, Range, Run, Spool
from exporters.store.local import LocalReader

Fields = list[bytes]
_ITEMS = frozenset(kind.encode() for kind in LISTED_KINDS)
_LEFTOVER = b"leftover"
_NEWEST, _OLDER = b"N", b"O"
CONFLICT = b"!"
"""Last fact of a key that rows name with different bytes, or without size and SHA-256."""


class Items(NamedTuple):
    """What a range of identities comes to. `rows`, `excepted`: {kind: digests, sorted}; `owed`, `permissions`: digests;
    `kinds`: {(kind, outcome): number}; `settled`: {outcome: number} of live items that owe nothing; `keys`, `folders`: runs."""

    rows: dict[bytes, Place]
    excepted: dict[bytes, Place]
    owed: Place
    pending: int
    permissions: Place
    kinds: dict[tuple[bytes, bytes], int]
    settled: dict[bytes, int]
    keys: tuple[Any, ...] | None
    folders: tuple[Any, ...] | None


class Keys(NamedTuple):
    """What a range of keys comes to. `payload`: ([key], [size], [facts]); `manifest`: its lines; `rows`, `excepted`: digests
    of leftovers; `outcomes`: {outcome: number} of them."""

    payload: Place
    manifest: Place
    files: int
    octets: int
    rows: Place
    excepted: Place
    outcomes: dict[bytes, int]


def take_segments(
    spool: Spool, segments: Iterable[tuple[int, bytes | None]], root: str | None, folder: str
) -> tuple[list[Any], Any]:
    """Take segments apart; the lines of their rows become one run. Returns ([fields of Facts, or a number], run).

    segments: (number, bytes; None: not there). root: of a folder store; then the bytes are read here, from below `folder`,
    and a number whose segment is not there, or cannot be read, comes back alone.
    """
    found: list[Any] = []
    lines: list[str] = []
    for number, data in segments if root is None else _read_all(root, folder, segments):
        found.append(number if data is None else tuple(facts_of(number, data, lines)))
    return found, _plain(spool.write_run([line.encode("utf-8", "surrogatepass") for line in lines]))


def _read_all(
    root: str, folder: str, segments: Iterable[tuple[int, bytes | None]]
) -> Iterator[tuple[int, bytes | None]]:
    with LocalReader(root) as reader:
        for number, _ in segments:
            try:
                yield number, reader.read(segment_key(folder, number).encode())
            except OSError:
                yield number, None


def _plain(run: Run | None) -> tuple[Any, ...] | None:
    """A run as it can be told to another process."""
    return None if run is None else tuple(run)


# -- rows by identity


def newest_items(spool: Spool, wanted: Range, until: bytes) -> tuple[Any, ...]:
    """Reduce a range of identities to their newest rows, of those whose sequence is less than `until`: fields of Items."""
    taken = _Taken()
    for group in _groups(spool.lines(wanted), until):
        taken.take(group)
    found = Items(
        rows={kind: spool.write(b"".join(digests)) for kind, digests in taken.rows.items()},
        excepted={kind: spool.write(b"".join(digests)) for kind, digests in taken.excepted.items()},
        owed=spool.write(b"".join(taken.owed)),
        pending=len(taken.owed),
        permissions=spool.write(b"".join(taken.permissions)),
        kinds=dict(taken.kinds),
        settled=dict(taken.settled),
        keys=_plain(spool.write_run(taken.keys)),
        folders=_plain(spool.write_run(taken.folder_lines())),
    )
    return tuple(found)


def _groups(lines: list[bytes], until: bytes) -> Iterator[list[Fields]]:
    """Lines of the same scope and id, oldest first."""
    group: list[Fields] = []
    for line in lines:
        fields = line.split(b"\0")
        if fields[SEQUENCE] >= until:
            continue
        if group and (group[0][ID] != fields[ID] or group[0][SCOPE] != fields[SCOPE]):
            yield group
            group = []
        group.append(fields)
    if group:
        yield group


class _Taken:
    """What has been taken in of a range."""

    def __init__(self) -> None:
        self.rows: dict[bytes, list[bytes]] = {}
        self.excepted: dict[bytes, list[bytes]] = {}
        self.owed: list[bytes] = []
        self.permissions: list[bytes] = []
        self.kinds: Counter[tuple[bytes, bytes]] = Counter()
        self.settled: Counter[bytes] = Counter()
        self.keys: list[bytes] = []
        self._expected: list[bytes] = []
        self._children: dict[bytes, list[int]] = {}

    def take(self, group: list[Fields]) -> None:
        """Take in all lines of one scope and id."""
        rows: dict[bytes, Fields] = {}
        listed = permissions = None
        for fields in group:
            sort = fields[SORT]
            if sort == ITEM:
                kind = fields[KIND]
                if kind in rows and rows[kind][KEY] not in {b"", fields[KEY]}:
                    self.keys.append(b"\0".join((rows[kind][KEY], rows[kind][SEQUENCE], _OLDER)))
                rows[kind] = fields
            elif sort == LISTED:
                listed = fields
            else:
                permissions = fields
        if permissions is not None:
            self.permissions.append(unhexlify(permissions[PERMISSIONS_DIGEST]))
        items = [fields for kind, fields in rows.items() if kind in _ITEMS]
        if listed is not None and items and max(fields[SEQUENCE] for fields in items) > listed[SEQUENCE]:
            listed = None
        if listed is not None:
            self.owed.append(unhexlify(listed[LISTED_DIGEST]))
        for fields in rows.values():
            self._take_newest(fields, listed is not None)
        self._place(items, listed)

    def _take_newest(self, fields: Fields, owes: bool) -> None:
        kind, outcome = fields[KIND], fields[OUTCOME]
        if fields[KEY]:
            facts = (fields[KEY], fields[SEQUENCE], _NEWEST, fields[SIZE], fields[SHA256], fields[VERSION], fields[CAPTURED])
            if kind == _LEFTOVER:  # whether it still is one is told by all rows that name its key
                self.keys.append(b"\0".join((*facts, outcome, fields[DIGEST])))
                return
            self.keys.append(b"\0".join(facts))
        digest = unhexlify(fields[DIGEST])
        self.rows.setdefault(kind, []).append(digest)
        self.kinds[kind, outcome] += 1
        if outcome == b"excepted":
            self.excepted.setdefault(kind, []).append(digest)
        if not owes and _is_live(fields):
            self.settled[outcome] += 1

    def _place(self, items: list[Fields], listed: Fields | None) -> None:
        """Count the item in its folder by its newest facts; note what the service says that it holds itself."""
        if not items and (listed is None or listed[DELETED]):
            return
        # An item that changed its kind has two rows; the live one, or else the newest, says where it is.
        if listed is not None and not listed[DELETED]:
            who, parent, counts = listed, listed[LISTED_PARENT], (1, 0, 1)
        else:
            who = max(items, key=lambda fields: (_is_live(fields), fields[SEQUENCE]))
            owed = int(listed is not None)
            live = 0 if owed else int(_is_live(who))
            parent, counts = who[PARENT], (live, int(who[CODE] == b"vanished"), owed)
        if parent != who[ID]:
            sums = self._children.setdefault(who[SCOPE] + b"\0" + parent, [0, 0, 0])
            for n, count in enumerate(counts):
                sums[n] += count
        for folder in items:
            if folder[KIND] == b"folder" and _is_live(folder) and not (listed and listed[DELETED]):
                told = listed[LISTED_CHILDREN] if listed else folder[CHILDREN]
                if told:
                    self._expected.append(b"\0".join((folder[SCOPE], folder[ID], b"E", told)))

    def folder_lines(self) -> list[bytes]:
        """What the service says of folders, and what we have found in them."""
        found = [b"%b\0F\0%d\0%d\0%d" % (folder, *sums) for folder, sums in self._children.items()]
        return self._expected + found


def _is_live(fields: Fields) -> bool:
    return fields[KIND] in _ITEMS and fields[OUTCOME] != b"gone" and fields[CODE] != b"vanished"




# -- keys


def named_keys(spool: Spool, wanted: Range) -> tuple[Any, ...]:
    """Reduce a range of keys to one each, with what the rows say of its bytes: fields of Keys."""
    payload: tuple[list[bytes], list[int], list[bytes]] = ([], [], [])
    manifest: list[bytes] = []
    leftovers: list[bytes] = []
    excepted: list[bytes] = []
    outcomes: Counter[bytes] = Counter()
    for group in _groups_by_first(spool.lines(wanted)):
        named = [fields for fields in group if fields[2] == _NEWEST]
        if len(group) > 1:
            named = _without_adopted(group, named)
        for fields in named:
            if len(fields) > 7:  # a leftover
                leftovers.append(unhexlify(fields[8]))
                outcomes[fields[7]] += 1
                if fields[7] == b"excepted":
                    excepted.append(leftovers[-1])
        if named:
            size, facts, line = _bytes_of(named)
            payload[0].append(named[0][0])
            payload[1].append(size)
            payload[2].append(facts)
            manifest.append(line)
    found = Keys(
        payload=spool.write_values(payload),
        manifest=spool.write(b"".join(manifest)),
        files=len(manifest),
        octets=sum(size for size in payload[1] if size > 0),
        rows=spool.write(b"".join(leftovers)),
        excepted=spool.write(b"".join(excepted)),
        outcomes=dict(outcomes),
    )
    return tuple(found)


def _groups_by_first(lines: list[bytes]) -> Iterator[list[Fields]]:
    group: list[Fields] = []
    for line in lines:
        fields = line.split(b"\0")
        if group and group[0][0] != fields[0]:
            yield group
            group = []
        group.append(fields)
    if group:
        yield group


def _without_adopted(group: list[Fields], named: list[Fields]) -> list[Fields]:
    """A leftover whose object a later row names is no leftover any more."""
    newest = max((fields[1] for fields in group if len(fields) <= 7), default=b"")
    return [fields for fields in named if len(fields) <= 7 or fields[1] > newest]


def _bytes_of(named: Sequence[Fields]) -> tuple[int, bytes, bytes]:
    """(size, -1 if no row tells it; facts of the key; line of the manifest) of all rows that name it."""
    key, _, _, size, sha256, version, captured, *_ = named[0]
    conflict = b"" if size and sha256 else CONFLICT
    if len(named) > 1:
        hashes, sizes = {fields[4] for fields in named}, {int(fields[3]) for fields in named if fields[3]}
        conflict = b"" if len(hashes) == 1 == len(sizes) and sha256 else CONFLICT
        sha256, size = min(hashes - {b""}, default=b""), b"%d" % min(sizes) if sizes else b""
        version = max(fields[5] for fields in named)
        captured = max((fields[6] for fields in named), key=lambda at: at.rstrip(b"Z"))
    facts = b"\0".join((sha256, version, captured, conflict))
    return int(size) if size else -1, facts, b"%b  %b\n" % (sha256 or b"None", key)


# -- folders


def count_folders(spool: Spool, wanted: Range) -> Place:
    """Each folder that the service lists and whose count we know: [(scope, id, expected, found, verdict)], sorted."""
    counted: list[tuple[bytes, bytes, int, int, str]] = []
    group: list[Fields] = []
    for fields in [*(line.split(b"\0") for line in spool.lines(wanted)), []]:
        if group and (not fields or group[0][:2] != fields[:2]):
            counted += _counted(group)
            group = []
        group.append(fields)
    return spool.write_values(counted)


def _counted(group: list[Fields]) -> list[tuple[bytes, bytes, int, int, str]]:
    told = [int(fields[3]) for fields in group if fields[2] == b"E"]
    if not told:
        return []
    found, vanished, owed = (sum(int(fields[n]) for fields in group if fields[2] == b"F") for n in (3, 4, 5))
    return [(group[0][0], group[0][1], told[0], found, _verdict(told[0], found, vanished, owed))]


def _verdict(expected: int, found: int, vanished: int, owed: int) -> str:
    if expected == found:
        return "equal"
    if vanished and found < expected <= found + vanished:
        return "explained"
    return "moving" if owed else "unexplained"


STEPS: dict[str, Any] = {
    step.__name__: step for step in (take_segments, newest_items, named_keys, count_folders)
}
"""What a process can be asked for by name."""
