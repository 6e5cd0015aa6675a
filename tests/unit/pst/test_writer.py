"""The writer's surface: sinks, parts, determinism, refusals, memory."""

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import pytest

from exporters.pst import (
    Attachment,
    FileSink,
    Folder,
    FolderRefused,
    Message,
    NamedProperty,
    PartsSink,
    PstError,
    SinkFailed,
    SpillFailed,
    ValueRefused,
    Writer,
    WriterUnusable,
)
from tests.unit.pst import samples
from tests.unit.pst.judges import Checked
from tests.unit.pst.samples import DELIVERED, OWN, TIME, plain

ROOT = Path(__file__).parents[3]


def to_memory(**options: int) -> tuple[io.BytesIO, Writer]:
    file = io.BytesIO()
    return file, Writer(lambda part: FileSink(file), seed=b"seed", display_name="Store", **options)


def test_the_same_input_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    hashes = set()
    for seed in ("0", "4711"):
        command = [sys.executable, "-m", "tests.unit.pst.samples", str(tmp_path / seed)]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PATH": ""}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
        hashes.add(ran.stdout)
    assert len(hashes) == 1


def test_another_seed_changes_keys_alone() -> None:
    files = []
    for seed in (b"a", b"b"):
        file = io.BytesIO()
        with Writer(lambda part, file=file: FileSink(file), seed=seed, display_name="x") as writer:  # type: ignore[misc]
            writer.add_message(writer.top, plain())
        files.append(file.getvalue())
    assert len(files[0]) == len(files[1])
    assert files[0] != files[1]


class Parts:
    """An object store that takes parts in any order."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.order: list[int] = []

    def __call__(self, number: int, data: bytes) -> None:
        assert number not in self.parts
        self.parts[number] = data
        self.order.append(number)

    def whole(self) -> bytes:
        return b"".join(self.parts[number] for number in sorted(self.parts))


@pytest.mark.parametrize("part_size", [1 << 16, 253952, 1 << 20, 1 << 26])
def test_parts_put_together_are_the_file(part_size: int) -> None:
    file, writer = to_memory()
    parts = Parts()
    uploading = Writer(lambda part: PartsSink(parts, part_size=part_size), seed=b"seed", display_name="Store")
    for each in (writer, uploading):
        samples.build(each)
        each.close()
    assert parts.whole() == file.getvalue()
    assert parts.order[-1] == 1
    assert all(len(parts.parts[number]) == part_size for number in sorted(parts.parts)[:-1])


def test_free_maps_arrive_late_in_a_file_and_in_parts(tmp_path: Path) -> None:
    """The first FMap page lies at 32 MB; the part that holds it waits until its sections are known."""
    path = tmp_path / "a.pst"
    parts = Parts()
    with path.open("w+b") as file:
        for sink in (FileSink(file), PartsSink(parts, part_size=1 << 20)):
            with Writer(lambda part, sink=sink: sink, seed=b"s", display_name="x") as writer:  # type: ignore[misc]
                for number in range(5):
                    data = (bytes([number]) * 100_003 for _ in range(80))
                    writer.add_message(writer.top, Message({DELIVERED: TIME}, (), [Attachment({}, data=data)]))
    Checked(path)
    assert parts.whole() == path.read_bytes()
    assert parts.order == [*range(2, 32), *range(33, 40), 32, 40, 1]  # 32 has the FMap page


def test_part_sizes_keep_pages_whole() -> None:
    with pytest.raises(ValueError, match="512"):
        PartsSink(lambda number, data: None, part_size=1000)


def test_a_limit_begins_new_files_with_the_same_folders(tmp_path: Path) -> None:
    files: list[BinaryIO] = []

    def begin(part: int) -> FileSink:
        assert part == len(files) + 1
        files.append((tmp_path / f"{part}.pst").open("w+b"))
        return FileSink(files[-1])

    limit = 2_000_000
    with Writer(begin, seed=b"s", display_name="Mail", part_limit=limit) as writer:
        inbox = writer.add_folder(writer.top, "Inbox")
        places = [writer.add_message(inbox, samples.rich(1 + n % 9)) for n in range(40)]
        late = writer.add_folder(inbox, "late", properties={samples.NamedProperty(OWN, "n", 0x001F): "v"})
        places += [writer.add_message(late, plain(n)) for n in range(400)]
        places.append(writer.add_message(inbox, Message({DELIVERED: TIME, 0x10130102: bytes(3_000_000)})))
        places.append(writer.add_message(inbox, plain()))
        parts = writer.close()
    for file in files:
        file.close()
    assert [part.number for part in parts] == list(range(1, len(files) + 1))
    assert len(parts) > 3
    assert len({part.record_key for part in parts}) == len(parts)
    sizes = [part.size for part in parts]
    assert sizes == [(tmp_path / f"{part.number}.pst").stat().st_size for part in parts]
    assert sum(size > limit for size in sizes) == 1  # the message that is larger by itself
    for part in parts:
        checked = Checked(tmp_path / f"{part.number}.pst")
        assert checked.folders()["/Top of Outlook data file/Inbox"] == inbox.nid
        assert checked.stats["messages"] == part.messages
        assert all(place.nid in checked.ndb.nbt for place in places if place.part == part.number)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "0 characters"), ("x" * 256, "256 characters"), ("a\0", "NUL"), ("\ud800", "lone surrogate"),
        ("INBOX", "of that name"), ("deleted items", "of that name"),
    ],
)  # fmt: skip
def test_folders_that_are_refused(name: str, reason: str) -> None:
    _, writer = to_memory()
    writer.add_folder(writer.top, "Inbox")
    with pytest.raises(PstError, match=reason) as caught:
        writer.add_folder(writer.top, name)
    assert isinstance(caught.value, FolderRefused | ValueRefused)
    assert "folder " in str(caught.value)


def test_folders_of_others_are_refused() -> None:
    _, writer = to_memory()
    with pytest.raises(FolderRefused, match="not a folder of this writer"):
        writer.add_folder(Folder(0x9002, 0x8022, "x"), "y")
    with pytest.raises(FolderRefused, match="not a folder of this writer"):
        writer.add_message(Folder(0x9002, 0x8022, "x"), plain())
    with pytest.raises(ValueRefused, match="set twice"):
        writer.add_folder(writer.top, "y", properties={0x3001001F: "z"})


def test_many_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.pst"
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"s", display_name="x") as writer:
        parent = writer.top
        for number in range(600):
            folder = writer.add_folder(parent, f"folder {number}")
            parent = folder if number < 100 else parent  # 100 deep, then 500 side by side
    assert Checked(path).stats["folders"] == 606


class Failing:
    """A sink that takes some appends and then none; `at` may also name another call."""

    def __init__(self, at: int | str) -> None:
        self.at = at
        self.appends = 0
        self.aborted = False

    def append(self, data: bytes | bytearray) -> None:
        self.appends += 1
        if self.at == self.appends:
            raise ConnectionResetError("gone")

    def reserve(self, offset: int, length: int) -> bool:
        return False

    def amend(self, offset: int, data: bytes) -> None: ...

    def finish(self, beginning: bytes) -> None:
        if self.at == "finish":
            raise ConnectionResetError("gone")

    def abort(self) -> None:
        self.aborted = True


def test_a_sink_that_fails_ends_the_writer() -> None:
    sink = Failing(2)
    writer = Writer(lambda part: sink, seed=b"s", display_name="x")
    with pytest.raises(SinkFailed, match="gone"):
        writer.add_message(writer.top, Message({DELIVERED: TIME, 0x10130102: bytes(1_000_000)}))
    assert sink.aborted
    for call in (
        writer.close,
        lambda: writer.add_folder(writer.top, "x"),
        lambda: writer.add_message(writer.top, plain()),
    ):
        with pytest.raises(WriterUnusable):
            call()


@pytest.mark.parametrize("at", [1, "finish"])
def test_a_sink_that_fails_at_the_end_leaves_no_whole_file(at: int | str) -> None:
    sink = Failing(at)
    writer = Writer(lambda part: sink, seed=b"s", display_name="x")
    with pytest.raises(SinkFailed, match="gone"):
        writer.close()
    assert sink.aborted


def test_a_part_that_cannot_be_begun() -> None:
    def refuse(part: int) -> FileSink:
        raise PermissionError("no")

    with pytest.raises(SinkFailed, match="part 1 cannot be begun: no"):
        Writer(refuse, seed=b"s", display_name="x")


def test_a_temporary_folder_that_fails_ends_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.pst.messaging.store._ROWS_IN_MEMORY", 20_000)
    writer = Writer(lambda part: Failing(0), seed=b"s", display_name="x", temporary=tmp_path / "missing")
    with pytest.raises(SpillFailed):
        for number in range(1_000):
            writer.add_message(writer.top, plain(number))
    with pytest.raises(WriterUnusable):
        writer.close()


def test_an_error_of_the_caller_gives_the_file_up() -> None:
    file, writer = to_memory()

    def fail() -> None:
        with writer:
            writer.add_message(writer.top, plain())
            raise KeyError("of the caller")

    with pytest.raises(KeyError):
        fail()
    assert not file.getvalue()[:4].strip(b"\0")
    with pytest.raises(WriterUnusable):
        writer.close()


def test_an_empty_store_has_the_size_of_outlooks(tmp_path: Path) -> None:
    path = tmp_path / "a.pst"
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"", display_name="") as writer:
        (part,) = writer.close()
    assert part.size == path.stat().st_size == 271_360
    assert Checked(path).stats == {"folders": 6}


_MANY = """
import resource, sys
from exporters.pst import FileSink, Writer
from tests.unit.pst.samples import plain
with open(sys.argv[1], "w+b") as file, Writer(lambda part: FileSink(file), seed=b"s", display_name="x") as writer:
    folders = [writer.add_folder(writer.top, f"folder {n}") for n in range(10)]
    for number in range(int(sys.argv[2])):
        writer.add_message(folders[number % 10], plain(number))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.soak
def test_memory_does_not_grow_with_the_number_of_messages(tmp_path: Path) -> None:
    peaks = []
    for count in (20_000, 100_000):
        command = [sys.executable, "-c", _MANY, str(tmp_path / "a.pst"), str(count)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
        peaks.append(int(ran.stdout))
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 150 << 10  # KiB


@pytest.mark.parametrize("misuse", ["add", "close", "abort"])
def test_the_streams_of_a_message_do_not_use_the_writer(misuse: str, tmp_path: Path) -> None:
    file, writer = to_memory()

    def stream() -> Iterator[bytes]:
        yield b"x" * 10_000
        if misuse == "add":
            writer.add_message(writer.top, plain())
        elif misuse == "close":
            writer.close()
        else:
            writer.abort()

    with pytest.raises(WriterUnusable):
        writer.add_message(writer.top, replace(plain(), attachments=[Attachment({}, data=stream())]))
    if misuse == "abort":
        assert not any(file.getvalue()[:4])
        return
    writer.add_message(writer.top, plain())
    writer.close()
    path = tmp_path / "x.pst"
    path.write_bytes(file.getvalue())
    assert Checked(path)


@pytest.mark.parametrize(
    "key",
    [
        NamedProperty("no set", "a", 0x001F),  # type: ignore[arg-type]
        NamedProperty(UUID(int=1), None, 0x001F),  # type: ignore[arg-type]
        NamedProperty(UUID(int=1), "a", 0x10001F),
        NamedProperty(UUID(int=1), "a", -1),
        "0x0037001F",
        None,
    ],
)
def test_what_is_no_key_of_a_property_is_refused_and_the_writer_goes_on(key: NamedProperty, tmp_path: Path) -> None:
    file, writer = to_memory()
    message = plain()
    with pytest.raises(ValueRefused):
        writer.add_message(writer.top, replace(message, properties={**message.properties, key: "x"}))
    writer.add_message(writer.top, replace(message, properties={**message.properties, 0x001A001F: ""}))
    writer.close()
    (tmp_path / "x.pst").write_bytes(file.getvalue())
    assert Checked(tmp_path / "x.pst")  # the empty class, too: the checker asks for one
