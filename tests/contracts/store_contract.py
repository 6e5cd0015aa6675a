"""What every store keeps. One test per clause of `exporters.store.protocol`; the docstring is the rule.

A store passes by a subclass with the fixture `store` (empty, closed afterwards). Deviations are declared as class
attributes, never skipped in silence. Not collected by itself.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.store.errors import (
    DigestMismatchError,
    KeyRefusedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceLengthError,
)
from exporters.store.probe import probe
from exporters.store.protocol import Store

MIB = 1 << 20
PART = 8 * MIB
ODD_NAMES = [
    "a b", " a", "#1 100% +plus&and=", "q?x", "tilde~", "colon:star*pipe|", "back\\slash", "quote\"'<>", "é", "e\u0301",
    "ﬁ", "日本語", "🗃️", "\ufffd", "%21", "%2F", "a;b", "[x]{y}`^", "\u202eabc", "-dash", "$HOME", "con", "x" * 255, "é" * 127,
]  # fmt: skip
REFUSED = ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "a\0b", "lone\ud800", "x/" * 600 + "y",
           ".lastcopy-tmp/a"]  # fmt: skip
SIZES = [0, 1, MIB, PART - 1, PART, PART + 1, 2 * PART + 5]
_COMPONENT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=20)


def stream(size: int, seed: bytes = b"x", chunk: int = 700_001) -> Iterator[bytes]:
    """So many bytes, the same for the same seed, in chunks that fit no part."""
    block = (hashlib.sha256(seed).digest() * (chunk // 32 + 1))[:chunk]
    for start in range(0, size, chunk):
        yield block[: min(chunk, size - start)]


def keys(store: Store, prefix: str = "", after: str | None = None) -> list[str]:
    return [info.key for info in store.list(prefix, after=after)]


def short(key: str) -> str:
    """A key as the id of a test."""
    return ascii(key)[:24]


class SourceBroke(Exception):
    """What a download raises."""


def breaking(after: int) -> Iterator[bytes]:
    yield from stream(after)
    raise SourceBroke


def winners(work: Callable[[int], object], lost: type[Exception], count: int = 8) -> list[int]:
    """Run `work` side by side; the numbers that did not lose."""
    start = threading.Barrier(count)

    def one(number: int) -> bool:
        start.wait()
        try:
            work(number)
        except lost:
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return [number for number, won in enumerate(pool.map(one, range(count))) if won]


class StoreContract:
    KEEPS_MATCH: ClassVar[bool] = True
    LISTS_UPLOADS: ClassVar[bool] = True
    MANY: ClassVar[int] = 70  # objects that need more than one page

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError
        yield

    def leave_unfinished(self, store: Store, key: str) -> None:
        """Leave behind what a process that dies in the middle of a large put leaves behind."""
        raise NotImplementedError

    # -- bytes

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
    def test_bytes_come_back(self, store: Store, size: int, known: bool) -> None:
        """What was put reads back: length zero, one chunk, one part less one, one part, one part more, several."""
        digest = hashlib.sha256(b"".join(stream(size))).hexdigest()
        stored = store.put("a/b.bin", stream(size), size=size if known else None, sha256=digest if known else None)
        assert (stored.key, stored.size, stored.sha256) == ("a/b.bin", size, digest)
        info = store.stat("a/b.bin")
        assert info is not None
        assert (info.key, info.size, info.etag, info.version_id) == ("a/b.bin", size, stored.etag, stored.version_id)
        with store.open("a/b.bin") as chunks:
            received = list(chunks)
        assert hashlib.sha256(b"".join(received)).hexdigest() == digest
        assert all(0 < len(chunk) <= MIB for chunk in received)

    def test_bytes_may_be_given_whole(self, store: Store) -> None:
        """Content may be bytes, also more than one part; `read` gives a whole object."""
        large = b"".join(stream(PART + 10))
        assert store.put("large", large, size=len(large)).sha256 == hashlib.sha256(large).hexdigest()
        assert store.read("large") == large
        store.put("small", b"hello")
        assert store.read("small") == b"hello"

    def test_tiny_chunks(self, store: Store) -> None:
        """Chunks of any length, also empty ones, are taken in order."""
        expected = b"".join(b"%d," % number for number in range(20_000))
        stored = store.put("tiny", (piece for number in range(20_000) for piece in (b"", b"%d," % number)))
        assert stored.size == len(expected)
        assert store.read("tiny") == expected

    def test_put_replaces(self, store: Store) -> None:
        """Without a condition the last put wins, and the etag changes with the bytes."""
        first = store.put("k", b"one")
        second = store.put("k", b"two")
        assert store.read("k") == b"two"
        assert first.etag != second.etag
        assert keys(store) == ["k"]

    def test_missing(self, store: Store) -> None:
        """What is not there: `stat` gives None, `read`, `open` and `lock_state` raise."""
        store.put("a/b", b"1")
        for key in ("a/c", "a", "a/b/c", "z/z"):
            assert store.stat(key) is None
            with pytest.raises(ObjectMissingError):
                store.read(key)
            with pytest.raises(ObjectMissingError), store.open(key) as chunks:
                next(chunks, None)
            with pytest.raises(ObjectMissingError), store.open(key, 1, 1) as chunks:
                next(chunks, None)
            with pytest.raises(ObjectMissingError):
                store.lock_state(key)

    @pytest.mark.parametrize(
        ("start", "end"),
        [(0, None), (0, 0), (0, 1), (5, 10), (3, 3), (9, 10), (10, None), (11, 20), (4, 99), (10, 11), (0, 10)],
    )
    def test_ranges(self, store: Store, start: int, end: int | None) -> None:
        """A range is [start, end); beyond the end there is nothing; an empty range gives no chunk."""
        store.put("k", b"0123456789")
        with store.open("k", start, end) as chunks:
            received = list(chunks)
        assert b"".join(received) == b"0123456789"[start:end]
        assert all(received)

    def test_range_of_large_object(self, store: Store) -> None:
        """Ranges cross chunks and parts."""
        whole = b"".join(stream(2 * PART))
        store.put("k", whole)
        with store.open("k", PART - 3, PART + 2 * MIB) as chunks:
            assert b"".join(chunks) == whole[PART - 3 : PART + 2 * MIB]

    def test_open_may_be_left_early(self, store: Store) -> None:
        """A stream may be left before its end."""
        store.put("k", stream(3 * MIB))
        with store.open("k") as chunks:
            assert len(next(chunks)) > 0
        assert store.stat("k") is not None

    def test_open_gives_old_bytes_or_fails_when_replaced(self, store: Store) -> None:
        """Replaced while it is read, a stream gives the old bytes or fails; never parts of two."""
        store.put("k", stream(3 * MIB, b"old"))
        old = b"".join(stream(3 * MIB, b"old"))
        with store.open("k") as chunks:
            received = next(chunks)
            store.put("k", stream(3 * MIB, b"new"))
            try:
                received += b"".join(chunks)
            except ObjectChangedError:
                return
        assert received == old

    # -- whole or not at all

    @pytest.mark.parametrize("after", [0, 100, 2 * PART + 1])
    def test_q021_source_breaks(self, store: Store, after: int) -> None:
        """An error out of the content comes out as it is; nothing is stored; what was there stays."""
        store.put("kept", b"before")
        for key in ("new", "kept"):
            with pytest.raises(SourceBroke):
                store.put(key, breaking(after))
        assert keys(store) == ["kept"]
        assert store.read("kept") == b"before"

    @pytest.mark.parametrize("size", [1, PART, PART + 2])
    @pytest.mark.parametrize("wrong", [-1, 1])
    def test_q020_source_of_another_length(self, store: Store, size: int, wrong: int) -> None:
        """A source shorter or longer than announced fails, and stores nothing."""
        store.put("kept", b"before")
        for key in ("new", "kept"):
            with pytest.raises(SourceLengthError):
                store.put(key, stream(size), size=size + wrong)
        assert keys(store) == ["kept"]
        assert store.read("kept") == b"before"

    def test_q020_bytes_of_another_length(self, store: Store) -> None:
        """The same for content given as bytes."""
        with pytest.raises(SourceLengthError):
            store.put("new", b"12345", size=6)
        assert keys(store) == []

    @pytest.mark.parametrize("size", [10, PART + 1])
    def test_wrong_digest(self, store: Store, size: int) -> None:
        """A wrong digest fails *and stores nothing*."""
        store.put("kept", b"before")
        for key in ("new", "kept"):
            with pytest.raises(DigestMismatchError):
                store.put(key, stream(size), sha256="0" * 64)
        assert keys(store) == ["kept"]
        assert store.read("kept") == b"before"

    @pytest.mark.parametrize("size", [3 * MIB, 2 * PART])
    def test_no_partial_object_is_listed(self, store: Store, size: int) -> None:
        """While it is written an object cannot be listed, read or found."""
        seen: list[object] = []

        def content() -> Iterator[bytes]:
            for chunk in stream(size):
                yield chunk
                seen.extend([*keys(store), *([found] if (found := store.stat("new")) else [])])

        store.put("new", content())
        assert seen == []
        assert keys(store) == ["new"]

    # -- conditions

    @pytest.mark.parametrize("size", [5, PART + 1])
    def test_create_if_absent(self, store: Store, size: int) -> None:
        """Create-if-absent creates once; the second fails, also with the same bytes, and changes nothing."""
        first = store.put("k", stream(size), if_absent=True, durable=True)
        for seed in (b"x", b"other"):
            with pytest.raises(ObjectExistsError):
                store.put("k", stream(size, seed), if_absent=True)
        info = store.stat("k")
        assert info is not None
        assert info.etag == first.etag
        assert keys(store) == ["k"]

    @pytest.mark.parametrize("size", [5, PART + 1])
    def test_create_if_absent_has_one_winner(self, store: Store, size: int) -> None:
        """In parallel exactly one create-if-absent wins, and its bytes are there."""
        count = 8 if size < PART else 3
        won = winners(
            lambda number: store.put("k", stream(size, b"%d" % number), if_absent=True), ObjectExistsError, count
        )
        assert len(won) == 1
        assert store.read("k") == b"".join(stream(size, b"%d" % won[0]))

    def test_replace_if_unchanged(self, store: Store) -> None:
        """Replace-if-unchanged takes the etag of `put` or `stat`; with another, or without an object, it fails."""
        if not self.KEEPS_MATCH:
            pytest.skip("declared: this server ignores If-Match, and the probe refuses it")
        first = store.put("k", b"one")
        second = store.put("k", b"two", if_match=first.etag)
        with pytest.raises(ObjectChangedError):
            store.put("k", b"three", if_match=first.etag)
        assert store.read("k") == b"two"
        info = store.stat("k")
        assert info is not None
        assert info.etag == second.etag
        store.put("k", b"four", if_match=info.etag)
        with pytest.raises(ObjectChangedError):
            store.put("absent", b"x", if_match=first.etag)
        with pytest.raises(ObjectChangedError):
            store.put("k", stream(PART + 1), if_match=first.etag)
        assert keys(store) == ["k"]
        assert store.read("k") == b"four"

    def test_replace_if_unchanged_has_one_winner(self, store: Store) -> None:
        """In parallel exactly one replace-if-unchanged with the same etag wins."""
        if not self.KEEPS_MATCH:
            pytest.skip("declared: this server ignores If-Match, and the probe refuses it")
        etag = store.put("k", b"start").etag
        won = winners(lambda number: store.put("k", b"%d" % number, if_match=etag), ObjectChangedError)
        assert len(won) == 1
        assert store.read("k") == b"%d" % won[0]

    def test_conditions_exclude_each_other(self, store: Store) -> None:
        """Both conditions at once are a mistake of the caller."""
        with pytest.raises(ValueError, match="exclude"):
            store.put("k", b"1", if_absent=True, if_match="x")

    def test_probe_accepts_it(self, store: Store) -> None:
        """The probe passes, also a second time, and then writes nothing."""
        if not self.KEEPS_MATCH:
            pytest.skip("declared: this server ignores If-Match, and the probe refuses it")
        probe(store)
        before = list(store.list())
        probe(store)
        assert list(store.list()) == before
        assert len(before) == 1

    def test_probes_side_by_side(self, store: Store) -> None:
        """Probes from several writers at once do not disturb each other."""
        if not self.KEEPS_MATCH:
            pytest.skip("declared: this server ignores If-Match, and the probe refuses it")
        assert len(winners(lambda _: probe(store), ZeroDivisionError, 4)) == 4

    # -- listing

    def test_list_is_sorted_by_bytes(self, store: Store) -> None:
        """A list is sorted by the whole key's UTF-8 bytes, not by components or code units."""
        names = ["a-b", "a/b", "a.b/c", "a/b-c/d", "a/bb/c", "a0", "A", "\U0001f5c3", "\uffee", "é", "z/z/z"]
        for name in names:
            store.put(name, name.encode())
        assert keys(store) == sorted(names, key=str.encode)

    def test_list_prefix_and_after(self, store: Store) -> None:
        """`prefix` may end anywhere, also inside a component; `after` is left out, and need not exist."""
        names = sorted(["a/1", "a/10", "a/2", "a/sub/x", "a/sub/y", "a-z", "b/1"], key=str.encode)
        for name in names:
            store.put(name, b"1")
        for prefix in ["", "a", "a/", "a/1", "a/s", "a/sub/", "a/sub/x", "a/sub/x/", "b/1", "c", "c/d", "a/1/"]:
            wanted = [name for name in names if name.startswith(prefix)]
            assert keys(store, prefix) == wanted
            for after in ["a/10", "a/15", "a/sub", "a/sub/", ""]:
                assert keys(store, prefix, after) == [name for name in wanted if name.encode() > after.encode()]

    def test_list_past_one_page(self, store: Store) -> None:
        """Everything is listed once, however many there are, with the facts that `stat` gives."""
        names = [f"d{number % 3}/f{number:05}" for number in range(self.MANY)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: store.put(name, name.encode()), names))
        listed = list(store.list())
        assert [info.key for info in listed] == sorted(names)
        for info in listed[:: max(1, self.MANY // 5)]:
            facts = store.stat(info.key)
            assert facts is not None
            assert (facts.size, facts.etag, facts.modified) == (info.size, info.etag, info.modified)
        assert keys(store, after=sorted(names)[self.MANY // 2]) == sorted(names)[self.MANY // 2 + 1 :]

    def test_list_is_lazy(self, store: Store) -> None:
        """A list may be left early, and bad prefixes are refused at once."""
        store.put("a", b"1")
        assert next(iter(store.list())).key == "a"
        for prefix in ("/", "../", "a//", ".lastcopy-tmp/", "lone\ud800"):
            with pytest.raises(KeyRefusedError):
                store.list(prefix)

    # -- keys

    @pytest.mark.parametrize("key", REFUSED, ids=short)
    def test_refused_keys(self, store: Store, key: str) -> None:
        """A key that could leave the root, or is not text, is refused by every method, and nothing is stored."""
        calls: list[Callable[[], object]] = [
            lambda: store.put(key, b"1"),
            lambda: store.put(key, b"1", if_absent=True),
            lambda: store.read(key),
            lambda: store.stat(key),
            lambda: store.lock_state(key),
            lambda: store.open(key).__enter__(),
        ]
        for call in calls:
            with pytest.raises(KeyRefusedError):
                call()
        assert keys(store) == []

    @pytest.mark.parametrize("name", ODD_NAMES, ids=short)
    def test_q034_q035_q037_q082_odd_names(self, store: Store, name: str) -> None:
        """Odd names come back code point by code point, as a component at the end and in the middle."""
        for key in (f"d/{name}", f"{name}/x"):
            store.put(key, key.encode(), if_absent=True)
            assert store.read(key) == key.encode()
            info = store.stat(key)
            assert info is not None
            assert info.key == key
        assert sorted(keys(store)) == sorted([f"d/{name}", f"{name}/x"])
        assert keys(store, f"d/{name}") == [f"d/{name}"]

    def test_q036_q082_long_keys(self, store: Store) -> None:
        """Keys of 700 bytes and more, of any characters, are stored, listed and found as they are."""
        for key in ("/".join(["a & b+c: d" * 20] * 3), "🗃️/" + "é" * 120 + "/" + "日" * 80, "/".join("xyz" * 120)):
            assert len(key.encode()) < 800
            store.put(key, key.encode(), if_absent=True)
            assert store.read(key) == key.encode()
            assert keys(store, key) == [key]

    def test_q037_q038_twins_stay_apart(self, store: Store) -> None:
        """Keys that differ in case or normalisation only are different, where the store says so."""
        store.put("made", b"")  # a folder knows only once it was written to
        if not store.features.exact_keys:
            pytest.skip("this file system folds names")
        twins = ["R.docx", "r.docx", "é", "e\u0301"]
        for number, key in enumerate(twins):
            store.put(key, b"%d" % number, if_absent=True)
        assert [store.read(key) for key in twins] == [b"0", b"1", b"2", b"3"]
        assert sorted(keys(store)) == sorted([*twins, "made"])

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(names=st.lists(_COMPONENT, min_size=1, max_size=3))
    def test_any_key_is_refused_or_comes_back(self, store: Store, names: list[str]) -> None:
        """Any text is refused as a key, or comes back from a list exactly."""
        key = "h/" + "/".join(name.ljust(1) for name in names) + "."
        try:
            store.put(key, b"1")
        except KeyRefusedError:
            # A component of dots, or (where the keys of the store before fold) a name that is a folder's already.
            assert any(name in {".", ".."} for name in key.split("/")) or store.stat(key) is None
            return
        assert key in keys(store, "h/")
        assert store.read(key) == b"1"

    # -- the rest

    def test_parallel_writers(self, store: Store) -> None:
        """Many threads may put, read and list at once, also into folders that do not exist yet."""
        names = [f"p{number % 4}/q{number % 7}/f{number}" for number in range(56)]

        def one(name: str) -> bytes:
            store.put(name, name.encode(), if_absent=True)
            assert name in keys(store, name)
            return store.read(name)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, names)) == [name.encode() for name in names]
        assert keys(store) == sorted(names)

    def test_now_is_the_clock_of_modified(self, store: Store) -> None:
        """`now` is aware, UTC, and by the clock that dates the objects."""
        before = store.now()
        store.put("k", b"1")
        info = store.stat("k")
        after = store.now()
        assert info is not None
        assert before.utcoffset() == after.utcoffset() == info.modified.utcoffset() == timedelta(0)
        assert info.modified.tzinfo is UTC
        second = timedelta(seconds=1)  # S3 tells whole seconds
        assert before - second <= info.modified <= after + second
        assert keys(store) == ["k"]

    def test_sync_and_durable(self, store: Store) -> None:
        """`sync` returns, before and after something was put; `durable` puts need none."""
        store.sync()
        store.put("deep/er/k", b"1", if_absent=True, durable=True)
        store.put("deep/er/k", b"2", durable=True)
        store.sync()
        assert store.read("deep/er/k") == b"2"

    def test_confirm_leaves_an_object_as_it_is(self, store: Store) -> None:
        """`confirm` of what the store itself put changes nothing, however often, with and without the version."""
        stored = store.put("k", b"1", if_absent=True)
        for version in (stored.version_id, None, None):
            store.confirm("k", version)
        info = store.stat("k")
        assert info is not None
        assert (info.etag, info.version_id) == (stored.etag, stored.version_id)
        assert store.read("k") == b"1"
        with pytest.raises(KeyRefusedError):
            store.confirm("../k")

    def test_q021_stale_uploads(self, store: Store) -> None:
        """What a writer that died left behind is no object, and is removed when it is old; objects are not."""
        store.put("k", b"1")
        self.leave_unfinished(store, "k")
        self.leave_unfinished(store, "other")
        assert keys(store) == ["k"]
        assert store.stat("other") is None
        assert store.abort_stale_uploads(timedelta(days=365 * 100)) == 0
        assert store.abort_stale_uploads(timedelta(0)) == (2 if self.LISTS_UPLOADS else 0)
        assert store.abort_stale_uploads(timedelta(0)) == 0
        assert store.read("k") == b"1"

    def test_describe(self, store: Store) -> None:
        """`describe` and `features` say what kind of store this is, and agree."""
        description, features = store.describe(), store.features
        assert description.kind == ("folder" if features.local else "s3")
        assert description.url == store.url
        assert features.conditional_writes
        assert bool(description.object_lock) == features.object_lock
        assert description.versioning == features.versioning

    def test_close_twice(self, store: Store) -> None:
        """Closing twice is nothing."""
        store.put("k", b"1")
        store.close()
        store.close()
