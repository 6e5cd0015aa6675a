"""What follows from the rows of a bag: the newest of each identity, what is owed, what lies in folders, which keys are named.

Rules of this file: a pure function of lines that `verify_segments` made; each step works on one range of sorted lines, knows no
other range, and leaves what it found in the spool (runs for the next step, and digests in the order of the fold). No code of the
writers. Source: design §4 (the ledger, Whole), docs/formats.md (State, Fold).
"""

from binascii import unhexlify
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from exporters.bag.formats import ENTRY_KINDS, LISTED_KINDS, ORIGINALS, PLACED_KINDS, entry_of, segment_key
from exporters.bag.verify_segments import (
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
    LISTED_KIND,
    LISTED_PARENT,
    OUTCOME,
    PARENT,
    PERMISSIONS_DIGEST,
    SCOPE,
    SEQUENCE,
    SIZE,
    SORT,
    VERSION,
    facts_of,
    is_entry,
)
from exporters.bag.verify_spool import Place, Range, Run, Spool
from exporters.store.local import LocalReader

Fields = list[bytes]
_HOLDING = frozenset({b"folder", b"package"})
_IN_FOLDERS = (b"\0F", b"\0D")
"""What follows folder and scope where items are counted in it: no folders, and folders."""
_ITEMS = frozenset(kind.encode() for kind in LISTED_KINDS)
_ENTRIES = frozenset(kind.encode() for kind in ENTRY_KINDS)
_PLACED = frozenset(kind.encode() for kind in PLACED_KINDS)
_LEFTOVER, _DERIVED, _ORIGINAL, _FOLDER = b"leftover", b"derived", b"original", b"folder"
NEWEST, OLDER, HOLDER = b"N", b"O", b"H"
_NEWEST_DERIVED, _OLDER_DERIVED, _OLDER_LEFTOVER, _NEWEST_ORIGINAL = b"n", b"o", b"l", b"H"
_NEWESTS = frozenset({NEWEST, _NEWEST_DERIVED, _NEWEST_ORIGINAL})
_MARKS = {
    _DERIVED: (_NEWEST_DERIVED, _OLDER_DERIVED),
    _LEFTOVER: (NEWEST, _OLDER_LEFTOVER),
    _ORIGINAL: (_NEWEST_ORIGINAL, OLDER),
}
CONFLICT = b"!"
"""Last fact of a key that rows name with different bytes, be it one after the other, or without size and SHA-256."""
HOLDS_ENTRIES = b"o"
"""Last fact of a key whose object holds entries: it is read where these are looked at."""
_ORIGINALS = ORIGINALS.encode()


class Items(NamedTuple):
    """What a range of identities comes to. `rows`, `excepted`: {kind: digests, sorted}; `owed`, `permissions`: digests;
    `kinds`: {kind: {outcome: number}}; `settled`: {outcome: number} of live items that owe nothing; `keys`, `entries`, `folders`:
    runs."""

    rows: dict[bytes, Place]
    excepted: dict[bytes, Place]
    owed: Place
    pending: int
    permissions: Place
    kinds: dict[bytes, dict[bytes, int]]
    settled: dict[bytes, int]
    keys: tuple[Any, ...] | None
    entries: tuple[Any, ...] | None
    folders: tuple[Any, ...] | None


class Keys(NamedTuple):
    """What a range of keys comes to. `payload`: ([key], [size], [facts]); `dropped`: keys that only older rows name; `manifest`:
    its lines; `rows`, `excepted`: digests of leftovers; `outcomes`: {outcome: number} of them."""

    payload: Place
    dropped: Place
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
    lines: list[bytes] = []
    for number, data in segments if root is None else _read_all(root, folder, segments):
        if data is None:
            found.append(number)
            continue
        facts, more = facts_of(number, data)
        found.append(tuple(facts))
        lines += more
    return found, _plain(spool.write_run(lines, 2))


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
    taken = _Taken(until)
    group: list[bytes] = []
    who = b"\n"  # no line begins with that
    for line in spool.lines(wanted):
        if not line.startswith(who):
            taken.take(who, group)
            group = []
            who = line[: line.index(b"\0", line.index(b"\0") + 1) + 1]
        group.append(line)
    taken.take(who, group)
    return taken.found(spool)


class _Taken:
    """What has been taken in of a range. Digests are kept as hexadecimal digits, sorted as they come."""

    def __init__(self, until: bytes) -> None:
        self._until = until
        self._rows: dict[bytes, list[bytes]] = {}
        self._excepted: dict[bytes, list[bytes]] = {}
        self._owed: list[bytes] = []
        self._permissions: list[bytes] = []
        self._outcomes: dict[bytes, list[bytes]] = {}
        self._settled: list[bytes] = []
        self._keys: list[bytes] = []
        self._entries: list[bytes] = []
        self._expected: list[bytes] = []
        self._living: list[bytes] = []
        self._others: dict[bytes, list[int]] = {}
        """Folder, and whether it is of its folders → [items that live in it, items that owe work]."""

    def take(self, who: bytes, group: list[bytes]) -> None:
        """Take in all lines of one scope and id, oldest first. who: what they begin with."""
        if not group:
            return
        last = group[-1].split(b"\0")
        sort_at = len(who) + len(last[SEQUENCE]) + 1
        if (
            last[SORT] == ITEM
            and last[KIND] in _PLACED
            and last[SEQUENCE] < self._until
            and all(line[sort_at : sort_at + 1] == LISTED for line in group[:-1])
        ):  # listed, and then captured: nearly all are like that
            self._take_newest(last, owes=False)
            self._place([last], None)
            return
        self._take_any([line.split(b"\0") for line in group])

    def _take_any(self, group: list[Fields]) -> None:
        rows: dict[bytes, Fields] = {}
        listed = permissions = None
        for fields in group:
            if fields[SEQUENCE] >= self._until:
                continue
            sort = fields[SORT]
            if sort == ITEM:
                kind = fields[KIND]
                if kind in rows and rows[kind][KEY] and rows[kind][KEY:VERSION] != fields[KEY:VERSION]:
                    self._name(rows[kind], is_newest=False)
                rows[kind] = fields
            elif sort == LISTED:
                listed = fields
            else:
                permissions = fields
        if permissions is not None:
            self._permissions.append(permissions[PERMISSIONS_DIGEST])
        items = [fields for kind, fields in rows.items() if kind in _PLACED]
        if listed is not None and items and max(fields[SEQUENCE] for fields in items) > listed[SEQUENCE]:
            listed = None
        if listed is not None:
            self._owed.append(listed[LISTED_DIGEST])
        for fields in rows.values():
            self._take_newest(fields, owes=listed is not None)
        if items or (listed is not None and listed[DELETED] != b"1"):
            self._place(items, listed)

    def _take_newest(self, fields: Fields, *, owes: bool) -> None:
        """Take in the newest row of an identity."""
        kind, outcome, key, digest = fields[KIND], fields[OUTCOME], fields[KEY], fields[DIGEST]
        if key:
            self._name(fields, is_newest=True)
            if kind == _LEFTOVER:  # whether it still is one is told by all rows that name its key
                self._keys[-1] += b"\0".join((b"", outcome, digest))
                return
        if kind not in self._rows:
            self._rows[kind], self._outcomes[kind] = [], []
        self._rows[kind].append(digest)
        self._outcomes[kind].append(outcome)
        if outcome == b"excepted":
            self._excepted.setdefault(kind, []).append(digest)
        if not owes and kind in _ITEMS and _is_live(fields):
            self._settled.append(outcome)

    def _name(self, fields: Fields, *, is_newest: bool) -> None:
        """Note a key: that of an object, or of an entry in one."""
        kind, key = fields[KIND], fields[KEY]
        if kind in _ENTRIES or (kind == b"version" and is_entry("version", key.decode("utf-8", "surrogatepass"))):
            holder, name = _parts_of(key)
            mark = NEWEST if is_newest else OLDER
            self._entries.append(b"\0".join((holder, name, fields[SEQUENCE], mark, *fields[SIZE:VERSION])))
            return
        newest, older = _MARKS.get(kind, (NEWEST, OLDER))
        if not is_newest:
            self._keys.append(b"\0".join((key, fields[SEQUENCE], older, *fields[SIZE:VERSION])))
            return
        self._keys.append(b"\0".join((key, fields[SEQUENCE], newest, *fields[SIZE:PARENT])))
        if kind == _ORIGINAL:
            self._entries.append(b"\0".join((key, b"", fields[SEQUENCE], HOLDER, *fields[SIZE:PARENT])))

    def _place(self, items: list[Fields], listed: Fields | None) -> None:
        """Count the item in its folder by its newest facts; note what the service says that it holds itself."""
        # An item that changed its kind has two rows; the live one, or else the newest, says where it is.
        row = items[0] if len(items) == 1 else max(items, key=lambda f: (_is_live(f), f[SEQUENCE]), default=None)
        if listed is not None and listed[DELETED] != b"1":
            live = int(not listed[DELETED])
            self._add(listed[SCOPE], listed[ID], listed[LISTED_PARENT], listed[LISTED_KIND], (live, 1))
        elif row is not None and listed is None and _is_live(row):
            if row[PARENT] != row[ID]:
                self._living.append(row[SCOPE] + b"\0" + row[PARENT] + _IN_FOLDERS[row[KIND] == _FOLDER])
        elif row is not None:
            self._add(row[SCOPE], row[ID], row[PARENT], row[KIND], (0, int(listed is not None)))
        for folder in items:
            if folder[KIND] in _HOLDING and _is_live(folder) and not (listed and listed[DELETED]):
                told = listed[LISTED_CHILDREN] if listed else folder[CHILDREN]
                self._expected.append(b"\0".join((folder[SCOPE], folder[ID], b"E", folder[KIND], told)))

    def _add(self, scope: bytes, item: bytes, parent: bytes, kind: bytes, counts: tuple[int, int]) -> None:
        if parent != item:
            sums = self._others.setdefault(scope + b"\0" + parent + _IN_FOLDERS[kind == _FOLDER], [0, 0])
            for n, count in enumerate(counts):
                sums[n] += count

    def found(self, spool: Spool) -> tuple[Any, ...]:
        """All of it, as fields of Items."""
        kinds = {kind: dict(Counter(outcomes)) for kind, outcomes in self._outcomes.items()}
        items = Items(
            rows={kind: _digests(spool, digests) for kind, digests in self._rows.items()},
            excepted={kind: _digests(spool, digests) for kind, digests in self._excepted.items()},
            owed=_digests(spool, self._owed),
            pending=len(self._owed),
            permissions=_digests(spool, self._permissions),
            kinds=kinds,
            settled=dict(Counter(self._settled)),
            keys=_plain(spool.write_run(self._keys, 1)),
            entries=_plain(spool.write_run(self._entries, 1)),
            folders=_plain(spool.write_run([*self._folder_lines()], 2)),
        )
        return tuple(items)

    def _folder_lines(self) -> Iterator[bytes]:
        """What the service says of folders, and what we have found in them."""
        yield from self._expected
        for folder, number in Counter(self._living).items():
            yield b"%b\0%d\x000" % (folder, number)
        for folder, (live, owed) in self._others.items():
            yield b"%b\0%d\0%d" % (folder, live, owed)


def _is_live(fields: Fields) -> bool:
    return fields[KIND] in _PLACED and fields[OUTCOME] != b"gone" and fields[CODE] != b"vanished"


def _digests(spool: Spool, digits: list[bytes]) -> Place:
    return spool.write(unhexlify(b"".join(digits)))


# -- keys


def named_keys(spool: Spool, wanted: Range) -> tuple[Any, ...]:
    """Reduce a range of keys to one each, with what the rows say of its bytes: fields of Keys."""
    payload: tuple[list[bytes], list[int], list[bytes]] = ([], [], [])
    manifest: list[bytes] = []
    dropped: list[bytes] = []
    leftovers: list[bytes] = []
    excepted: list[bytes] = []
    outcomes: Counter[bytes] = Counter()
    for group in _groups_by_first(spool.lines(wanted)):
        named = [fields for fields in group if fields[2] in _NEWESTS]
        if len(group) > 1:
            named = _without_adopted(group, named)
        older = [fields for fields in group if fields not in named] if len(group) > len(named) else []
        for fields in named:
            if _is_leftover(fields):
                leftovers.append(unhexlify(fields[8]))
                outcomes[fields[7]] += 1
                if fields[7] == b"excepted":
                    excepted.append(leftovers[-1])
        if named:
            size, facts, line = _bytes_of(named, older)
            payload[0].append(named[0][0])
            payload[1].append(size)
            payload[2].append(facts)
            manifest.append(line)
        else:
            dropped.append(group[0][0])
    found = Keys(
        payload=spool.write_values(payload),
        dropped=spool.write_values(dropped),
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
    newest = max((fields[1] for fields in group if not _is_leftover(fields)), default=b"")
    return [fields for fields in named if not _is_leftover(fields) or fields[1] > newest]


def _is_leftover(fields: Fields) -> bool:
    return len(fields) > 7


def _bytes_of(named: Sequence[Fields], older: Sequence[Fields]) -> tuple[int, bytes, bytes]:
    """(size, -1 if no row tells it; facts of the key; line of the manifest) of all rows that name it.

    older: rows that named it once: what is captured is never overwritten, so they must have said the same.
    """
    key, _, _, size, sha256, version, captured, *_ = named[0]
    conflict = b"" if size and sha256 else CONFLICT
    if len(named) > 1:
        hashes, sizes = {fields[4] for fields in named}, {int(fields[3]) for fields in named if fields[3]}
        conflict = b"" if len(hashes) == 1 == len(sizes) and sha256 else CONFLICT
        sha256, size = min(hashes - {b""}, default=b""), b"%d" % min(sizes) if sizes else b""
        version = max(fields[5] for fields in named)
        captured = max((fields[6] for fields in named), key=lambda at: at.rstrip(b"Z"))
    if any(fields[3:5] != [size, sha256] for fields in older) and not _is_rebuilt([*named, *older]):
        conflict = CONFLICT
    if not conflict and any(fields[2] == _NEWEST_ORIGINAL for fields in named):
        conflict = HOLDS_ENTRIES
    facts = b"\0".join((sha256, version, captured, conflict))
    return int(size) if size else -1, facts, b"%b  %b\n" % (sha256 or b"None", key)


def _is_rebuilt(group: list[Fields]) -> bool:
    """Whether a key was only ever named as derived (or found left over): then it may get other bytes."""
    rebuilt = {_NEWEST_DERIVED, _OLDER_DERIVED, _OLDER_LEFTOVER}
    return all(fields[2] in rebuilt or _is_leftover(fields) for fields in group)


STEPS: dict[str, Any] = {step.__name__: step for step in (take_segments, newest_items, named_keys)}
"""What a process can be asked for by name."""


def _parts_of(key: bytes) -> tuple[bytes, bytes]:
    """Object and entry of a key."""
    found = None if key.startswith(_ORIGINALS) else entry_of(key.decode("utf-8", "surrogatepass"))
    if found is None:  # of a mailbox; and a key that names no entry, which other checks tell
        holder, _, name = key.partition(b"!")
        return holder, name
    return found[0].encode("utf-8", "surrogatepass"), found[1].encode("utf-8", "surrogatepass")
