"""The chained log: whole or not there, chained, one winner per number."""

import random
from pathlib import Path

import pytest

from exporters.store.errors import ObjectMissingError
from exporters.store.folder import FolderStore
from exporters.store.segments import START, ReplacedError, SegmentDamagedError, SegmentLog, parse

FIRST = {"run": "r", "at": "2026-01-01T00:00:00Z", "writer": {"id": "a", "host": "h", "pid": 1}}


def log_in(folder: Path) -> SegmentLog:
    return SegmentLog(FolderStore(folder), "log/")


def test_segments_follow_each_other(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    one = log.append(START, [b'{"a":1}\n'], FIRST)
    two = log.append(one, [b'{"b":2}\n', b'{"c":"\\ud800"}\n'], FIRST)
    read = list(log.follow(START))
    assert [s.position for s in read] == [one, two]
    assert [list(s.rows()) for s in read] == [[{"a": 1}], [{"b": 2}, {"c": "\ud800"}]]
    assert list(log.follow(two)) == []


def test_a_second_writer_of_a_number_is_told_who_won(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(START, [b'{"a":1}\n'], FIRST)
    other = {**FIRST, "writer": {"id": "b", "host": "other", "pid": 2}}
    with pytest.raises(ReplacedError) as caught:
        log.append(START, [b'{"a":2}\n'], other)
    assert caught.value.first["writer"]["id"] == "a"


def test_a_lost_answer_to_our_own_write_is_success(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    assert log.append(START, [b'{"a":1}\n'], FIRST) == log.append(START, [b'{"a":1}\n'], FIRST)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(START, [b'{"a":1}\n'] * 20, FIRST)
    data = FolderStore(tmp_path).read("log/000000001.jsonl")
    chance = random.Random(7)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << chance.randrange(8)
        with pytest.raises(SegmentDamagedError):
            parse("k", 1, bytes(flipped))


@pytest.mark.parametrize("cut", [1, 10, 60, 100])
def test_a_cut_segment_does_not_exist(tmp_path: Path, cut: int) -> None:
    log_in(tmp_path).append(START, [b'{"a":1}\n'], FIRST)
    data = FolderStore(tmp_path).read("log/000000001.jsonl")
    with pytest.raises(SegmentDamagedError):
        parse("k", 1, data[:-cut])


def test_a_segment_that_does_not_name_its_predecessor_is_damaged(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    one = log.append(START, [], FIRST)
    log.append(one, [], FIRST)
    with pytest.raises(SegmentDamagedError, match="before it"):
        log.read(2, previous="0" * 64, check_previous=True)
    with pytest.raises(ObjectMissingError):
        log.read(3)
