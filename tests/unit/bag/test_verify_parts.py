"""The parts of `verify` that stand alone: sorted runs, merged streams, comparisons, processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.bag import verify_processes
from exporters.bag.verify_compare import lines_fault, rows_fault
from exporters.bag.verify_matching import matched
from exporters.bag.verify_processes import Processes, ProcessLostError
from exporters.bag.verify_reading import Lines
from exporters.bag.verify_segments import digest_of
from exporters.bag.verify_spool import Range, Spool, first_from, ranges

PARTS = st.binary(max_size=3).map(lambda data: data.replace(b"\0", b"1").replace(b"\n", b"2"))


@pytest.fixture
def spool() -> Iterator[Spool]:
    made = Spool.of(1)
    yield made
    made.close()


# -- runs


@given(st.lists(PARTS, max_size=40), PARTS)
def test_the_first_line_from_a_bound(lines: list[bytes], bound: bytes) -> None:
    lines.sort()
    text = b"".join(line + b"\n" for line in lines)
    assert text[first_from(text, bound) :].split(b"\n")[:-1] == [line for line in lines if line >= bound]


@given(
    st.lists(st.lists(st.tuples(PARTS, PARTS, PARTS), max_size=60), max_size=6), st.integers(1, 30), st.integers(1, 40)
)
def test_ranges_hold_each_line_once_in_order_and_cut_no_start_apart(
    runs: list[list[tuple[bytes, bytes, bytes]]], lines_each: int, sample_bytes: int
) -> None:
    spool = Spool.of(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exporters.bag.verify_spool._SAMPLE_BYTES", sample_bytes)
        written = [spool.write_run([b"\0".join(line) for line in run], 2) for run in runs]
        found = [spool.lines(one) for one in ranges(written, lines_each)]
    spool.close()
    assert [line for part in found for line in part] == sorted(b"\0".join(line) for run in runs for line in run)
    starts = [{tuple(line.split(b"\0")[:2]) for line in part} for part in found]
    assert all(one.isdisjoint(other) for n, one in enumerate(starts) for other in starts[:n])


def test_ranges_become_larger_not_more(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.bag.verify_spool._SAMPLE_BYTES", 1)
    run = spool.write_run([b"%05d\0" % n for n in range(5_000)], 1)
    assert len(list(ranges([run], 1))) <= 2 * 256


def test_nothing_stays_behind_in_the_spool(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = spool.write(b"some")
    assert spool.read(place) == b"some" and spool.read(spool.write(b"")) == b""
    spool.clear()
    assert [os.fstat(file).st_size for file in spool.files] == [0]
    with pytest.raises(OSError, match="ended"):
        spool.read(place)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    other = Spool.of(3)
    assert list(tmp_path.iterdir()) == []
    other.close()
    other.close()


# -- streams


def _pieces(keys: list[bytes], each: int, *columns: list[int]) -> Iterator[tuple[list[bytes], list[list[int]]]]:
    for start in range(0, len(keys), each):
        yield keys[start : start + each], [column[start : start + each] for column in columns]


@given(st.sets(PARTS), st.sets(PARTS), st.integers(1, 5), st.integers(1, 5))
def test_streams_are_merged_as_sets_are(ours: set[bytes], theirs: set[bytes], each: int, other: int) -> None:
    named, there = sorted(ours), sorted(theirs)
    rows = _pieces(named, each, [len(key) for key in named])
    missing: list[bytes] = []
    strays: list[bytes] = []
    found = list(matched(rows, _pieces(there, other), missing.append, strays.append))
    both = sorted(ours & theirs)
    assert [key for piece in found for key in piece.keys] == both
    assert [size for piece in found for size in piece.named[0]] == [len(key) for key in both]
    assert (missing, strays) == (sorted(ours - theirs), sorted(theirs - ours))


class Texts:
    """An object that is served in chunks of any length."""

    def __init__(self, text: bytes, each: int) -> None:
        self.chunks = [text[start : start + each] for start in range(0, len(text), each)]

    def open(self, _: str) -> "Texts":
        return self

    def __enter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def __exit__(self, *_: object) -> None:
        pass


WORDS = st.lists(st.sampled_from([b"a", b"bb", b""]), max_size=8)


@given(WORDS, WORDS, st.booleans(), st.integers(1, 5), st.integers(1, 5))
def test_a_file_is_right_if_it_is_the_expected_one(
    found: list[bytes], wanted: list[bytes], cut: bool, each: int, other: int
) -> None:
    """By lines and by their digests, whatever the chunks; the whole is read, whatever is found."""
    text = b"".join(line + b"\n" for line in found)
    text = text[:-1] if cut else text
    expected = b"".join(line + b"\n" for line in wanted)
    lines = Lines(Texts(text, each), "")  # type: ignore[arg-type]
    fault = lines_fault(lines, iter(expected[at : at + other] for at in range(0, len(expected), other)))
    assert (fault is None) == (text == expected) and lines.size == len(text)
    digests = b"".join(digest_of(line) for line in wanted)
    lines = Lines(Texts(text, each), "")  # type: ignore[arg-type]
    with Processes(0) as processes:
        told = rows_fault(lines, iter(digests[at : at + 7] for at in range(0, len(digests), 7)), processes)
    assert (told is None) == (text == expected) and lines.size == len(text)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([b"a", b"b"], None),
        ([b"a", b"x"], "row 2 is not the one that the segments give at this place"),
        ([b"a"], "it ends before row 2, and the segments have more rows"),
        ([b"a", b"b", b"c"], "row 3 and what follows is in no segment"),
        ([], "it ends before row 1, and the segments have more rows"),
    ],
)
def test_the_first_wrong_row_is_told(found: list[bytes], fault: str | None) -> None:
    text = b"".join(line + b"\n" for line in found)
    with Processes(0) as processes:
        digests = iter([digest_of(b"a") + digest_of(b"b")])
        assert rows_fault(Lines(Texts(text, 9), ""), digests, processes) == fault  # type: ignore[arg-type]


# -- processes


def test_processes_answer_in_order_and_leave_nothing(tmp_path: Path) -> None:
    with Processes(2) as processes:
        processes.start()
        pids = [process.pid for process in processes.started]
        lines = [b"%d\n" % n * 1000 for n in range(50)]
        answers = list(processes.in_order("digest_lines", ((piece,) for piece in lines)))
        assert answers == [digest_of(piece[: piece.index(b"\n")]) * 1000 for piece in lines]
        assert len(pids) == 2
    assert not [pid for pid in pids if _lives(pid)]
    processes.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_is_killed_is_an_error_not_an_answer() -> None:
    with Processes(2) as processes:
        processes.start()
        for process in processes.started:
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ProcessLostError):
            for _ in range(100):
                processes.submit("digest_lines", b"a\n").result()


def test_a_step_that_fails_is_an_error_not_an_answer() -> None:
    with Processes(1) as processes:
        processes.start()
        with pytest.raises(ProcessLostError, match="KeyError"):
            processes.submit("no_such_step").result()
        with pytest.raises(ProcessLostError, match="TypeError"):
            processes.submit("digest_lines").result()
        assert processes.submit("digest_lines", b"").result() == b""


def test_a_process_without_memory_is_an_error_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with Processes(1) as processes:
        monkeypatch.setattr(
            verify_processes, "_PRELUDE", "import resource; resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2);"
        )
        processes.start()
        with pytest.raises(ProcessLostError):
            processes.submit("digest_lines", b"x\n" * (100 << 20)).result()


def test_a_spool_without_room_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Processes(0) as processes:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(ProcessLostError, match="No space left"):
            processes.submit("count_folders", Range(b"", None, [])).result()
