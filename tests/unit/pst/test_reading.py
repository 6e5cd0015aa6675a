"""What a PST is said to hold: counted by the checker's own walk of the same files, Outlook's and ours; and damage by name."""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest

from exporters.pst import FileSink, Message, Unreadable, Writer
from exporters.pst.__main__ import main
from exporters.pst.inventory import FolderContents, Inventory
from exporters.pst.ndb import crc
from tests.unit.pst.judges import SAMPLES, checker
from tests.unit.pst.samples import CREATED, SUBJECT, TIME, write_sample

OUTLOOKS = sorted(SAMPLES.glob("*.pst")) if SAMPLES.is_dir() else []


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading") / "sample.pst"
    write_sample(path)
    return path


def contents(path: Path) -> Sequence[FolderContents]:
    with path.open("rb") as file:
        return list(Inventory(file).folders())


def test_our_sample_is_counted(sample: Path) -> None:
    found = {"/".join(folder.path): folder for folder in contents(sample) if not folder.is_internal}
    assert {path: (folder.items, folder.hidden) for path, folder in found.items()} == {
        "Deleted Items": (1, 0),
        "Inbox": (8, 1),
        "Inbox/Projekte ä": (16, 0),
        "Inbox/Projekte ä/leer": (0, 0),
        "Contacts": (1, 0),
    }
    assert found["Contacts"].classes == {"IPM.Contact": 1}
    assert all(folder.told == folder.items for folder in found.values())


@pytest.mark.parametrize("path", OUTLOOKS or [None], ids=lambda path: path.stem if path else "none")
def test_counts_are_those_of_the_checker(path: Path | None) -> None:
    if path is None:
        pytest.skip("../shared/data/pst is not there")
    tool = checker()
    try:
        folders = contents(path)
    except Unreadable as error:
        assert "ANSI" in str(error) or "ansi" in path.stem, path
        return
    _, _, messaging = tool.check_file(str(path), None, True)
    assert sum(folder.items for folder in folders) == messaging.stats["messages"]


def test_a_large_table_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "large.pst"
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"s", display_name="L") as writer:
        inbox = writer.add_folder(writer.top, "Inbox")
        for number in range(3000):
            writer.add_message(inbox, Message({SUBJECT: f"{number}", CREATED: TIME, 0x1000001F: "x" * (number * 4)}))
    assert [folder.items for folder in contents(path) if folder.path == ("Inbox",)] == [3000]


def test_what_is_no_pst_has_a_name(sample: Path) -> None:
    whole = sample.read_bytes()
    cases = {
        "behind the end": b"",
        "are not those of one": b"From ann@example.com\r\n" * 100,
        "not finished": bytes(0x4400) + whole[0x4400:],
        "checksum of the header": whole[:300] + b"\x55" + whole[301:],
        "cut off": whole[:-512],
        "ANSI": whole[:10] + b"\x0e\0" + whole[12:],
        "OST": whole[:10] + b"\x24\0" + whole[12:],
    }
    for reason, data in cases.items():
        with pytest.raises(Unreadable, match=reason):
            Inventory(BytesIO(data))


def test_damage_is_found_or_changes_nothing_that_is_told(sample: Path) -> None:
    """1,000 single bytes: the inventory is the same, or the damage is named; never another count, never another error."""
    whole = bytearray(sample.read_bytes())
    right = [vars(folder) for folder in contents(sample)]
    draw = random.Random(7)
    named = 0
    for _ in range(1000):
        at = draw.randrange(len(whole))
        change = draw.randrange(1, 256)
        whole[at] ^= change
        try:
            assert [vars(folder) for folder in Inventory(BytesIO(whole)).folders()] == right, hex(at)
        except Unreadable:
            named += 1
        whole[at] ^= change
    assert 10 < named < 990


def test_damage_behind_right_checksums_is_named_too(sample: Path) -> None:
    """Bytes of blocks changed, with checksums made anew: whoever wrote nonsense gets a sentence, not a traceback."""
    tool = checker()
    whole = sample.read_bytes()
    _, ndb, _ = tool.check_file(str(sample), None, False)
    draw = random.Random(11)
    places = [(ib, size) for ib, size, _ in ndb.bbt.values()]
    for _ in range(1500):
        ib, size = draw.choice(places)
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            data[ib + draw.randrange(size)] = draw.randrange(256)
        end = ib + ((size + 16 + 63) & ~63)
        data[end - 12 : end - 8] = crc(bytes(data[ib : ib + size])).to_bytes(4, "little")
        try:
            list(Inventory(BytesIO(bytes(data))).folders())
        except Unreadable:
            continue


def test_the_command(sample: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", str(sample)]) == 0
    out = capsys.readouterr().out
    assert "25 IPM.Note" in out and "  Projekte ä" in out
    assert main(["info", "--json", str(sample)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["items"], told["classes"]) == (26, {"IPM.Contact": 1, "IPM.Note": 25})
    assert main(["info", str(tmp_path / "none.pst")]) == 1
    assert capsys.readouterr().err.endswith("none.pst: No such file or directory\n")
    run = subprocess.run([sys.executable, "-m", "exporters.pst", "--help"], capture_output=True, text=True, check=True)
    assert "examples:" in run.stdout


def test_names_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.pst"
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"s", display_name="\x1b[2J") as writer:
        writer.add_folder(writer.top, "red \x1b[31m")
    assert main(["info", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
