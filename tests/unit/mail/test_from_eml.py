"""A tree of mails into a PST, by the command as a person types it."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.mail.from_eml import _time, part_size
from exporters.pst.inventory import Inventory
from tests.unit.pst.judges import Checked

MAIL = (
    b"From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: %s\r\n"
    b"Date: Tue, 2 Jan 2024 03:04:05 +0000\r\n\r\nHello\r\n"
)


def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "exporters.pst", "from-eml", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders that differ in case alone, an empty one, a file that is no mail, names that are no UTF-8."""
    top = tmp_path / "Mails of Ann"
    for name in ("a/1.eml", "a/2.EML", "A/3.eml", "a/deep/er/4.eml", "5.eml"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAIL % name.encode())
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (top / "empty").mkdir()
    (top / "notes.txt").write_text("no mail")
    return top


def folders_of(path: Path) -> dict[str, int]:
    with path.open("rb") as file:
        return {"/".join(folder.path): folder.items for folder in Inventory(file).folders() if not folder.is_internal}


def test_the_tree_is_in_the_pst(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "ann.pst"
    told = run(tree, out)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{out}: 5 mails, {out.stat().st_size:,} bytes\n"
    assert "1 other files were not read" in told.stderr
    assert "folder renamed: 'a' -> a (2)" in told.stderr
    assert folders_of(out) == {
        "Deleted Items": 0,
        "Mails of Ann": 1,
        "Mails of Ann/A": 1,
        "Mails of Ann/a (2)": 2,
        "Mails of Ann/a (2)/deep": 0,
        "Mails of Ann/a (2)/deep/er": 1,
    }
    Checked(out)


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.pst"
        assert run(tree, out, PYTHONHASHSEED=seed).returncode == 0
        digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_mail_that_cannot_be_read_is_named(tree: Path, tmp_path: Path) -> None:
    (tree / "a" / "gone.eml").symlink_to("nowhere")
    losses = tmp_path / "losses.jsonl"
    told = run(tree, tmp_path / "ann.pst", "--losses", losses)
    assert told.returncode == 3
    assert "NOT IN THE PST: a/gone.eml: No such file or directory" in told.stderr
    rows = [json.loads(line) for line in losses.read_text().splitlines()]
    assert {"file": "a/gone.eml", "code": "refused", "detail": "No such file or directory"} in rows
    assert sum(folders_of(tmp_path / "ann.pst").values()) == 5


def test_pipes_and_devices_are_no_mails(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "a" / "pipe.eml")
    (tree / "a" / "zero.eml").symlink_to("/dev/zero")
    told = run(tree, tmp_path / "ann.pst")
    assert told.returncode == 3
    assert told.stderr.count("no regular file") == 2


def test_what_is_there_is_replaced_only_when_told_to(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "ann.pst"
    out.write_text("mine")
    told = run(tree, out)
    assert (told.returncode, out.read_text()) == (2, "mine")
    assert "--force replaces it" in told.stderr
    assert run(tree, out, "--force").returncode == 0
    assert sum(folders_of(out).values()) == 5


def test_the_losses_replace_no_file_unless_told_to(tree: Path, tmp_path: Path) -> None:
    mine, out = tree / "a" / "1.eml", tmp_path / "ann.pst"
    before = mine.read_bytes()
    told = run(tree, out, "--losses", mine)
    assert (told.returncode, mine.read_bytes(), out.exists()) == (2, before, False)
    assert run(tree, out, "--losses", out).returncode == 2 and not out.exists()
    assert run(tree, out, "--losses", "/dev/null").returncode == 0


def test_two_runs_do_not_write_the_same_file(tree: Path, tmp_path: Path) -> None:
    out, draft = tmp_path / "ann.pst", tmp_path / ".ann.pst.writing"
    draft.write_bytes(b"left by a run that was killed" * 100_000)
    with draft.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        told = run(tree, out)
        assert told.returncode == 1 and "another run is writing" in told.stderr
        assert draft.stat().st_size == 2_900_000
    assert run(tree, out).returncode == 0
    Checked(out)
    assert not draft.exists()


def test_parts(tree: Path, tmp_path: Path) -> None:
    for number in range(60):
        body = b"".join(hashlib.sha256(b"%d %d" % (number, n)).hexdigest().encode() + b"\r\n" for n in range(600))
        (tree / f"large {number:02}.eml").write_bytes(MAIL % b"large" + body)
    out = tmp_path / "ann.pst"
    told = run(tree, out, "--part-size", "2MiB")
    assert told.returncode == 0, told.stderr
    parts = sorted(tmp_path.glob("*.pst"))
    assert [path.name for path in parts][:2] == ["ann-2.pst", "ann-3.pst"] and out in parts
    assert all(path.stat().st_size <= 2 << 20 for path in parts)
    assert sum(sum(folders_of(path).values()) for path in parts) == 65
    for path in parts:
        Checked(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none", "out.pst"], "none is no folder"),
        ([".", "no/where.pst"], "the folder no is not there"),
        ([".", "."], ". is a folder; name a file"),
        ([".", "out.pst", "--part-size", "big"], "allowed is a size such as 10GiB"),
        ([".", "out.pst", "--part-size", "1"], "holds nothing"),
    ],
)
def test_usage(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[3]
    monkeypatch.chdir(tmp_path)
    told = run(*arguments, PYTHONPATH=str(root))
    assert told.returncode == 2
    assert words in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_gives_an_empty_pst(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert run(tmp_path / "none", tmp_path / "none.pst").returncode == 0
    assert folders_of(tmp_path / "none.pst") == {"Deleted Items": 0}


def test_nothing_is_left_where_the_disk_is_full(tree: Path) -> None:
    told = run(tree, "/dev/full")
    assert told.returncode in (1, 2)
    assert "Traceback" not in told.stderr


def test_times_and_sizes_beyond_all_bounds() -> None:
    assert _time(1e12) is None and _time(float(1 << 62)) is None
    assert part_size("9" * 400) > 1 << 60


def test_a_thousand_folders_inside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top").mkdir()
    monkeypatch.chdir(tmp_path / "top")
    for _ in range(1100):
        Path("a").mkdir()
        os.chdir("a")
    Path("deep.eml").write_bytes(MAIL % b"deep")
    os.chdir(tmp_path)
    out = tmp_path / "deep.pst"
    told = run(tmp_path / "top", out, PYTHONPATH=str(Path(__file__).parents[3]))
    subprocess.run(["rm", "-rf", "top"], check=True)  # Python cannot: it recurses
    assert told.returncode == 0, told.stderr
    assert "folder renamed" in told.stderr and "(too deep)" in told.stderr
    assert max(path.count("/") for path, items in folders_of(out).items() if items) == 199


def test_info_where_the_terminal_lacks_the_letters(tmp_path: Path) -> None:
    (tmp_path / "Привет 😀").mkdir()
    out = tmp_path / "x.pst"
    assert run(tmp_path / "Привет 😀", out).returncode == 0
    for options in ([], ["--json"]):
        command = [sys.executable, "-m", "exporters.pst", "info", *options, str(out)]
        environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        told = subprocess.run(command, capture_output=True, check=False, env=environment)
        assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["name"] == "Привет 😀"


def test_a_link_to_a_folder_is_named(tree: Path, tmp_path: Path) -> None:
    """What lies behind it is not in the PST, so the exit status says so."""
    (tree / "round").symlink_to(tree)
    told = run(tree, tmp_path / "ann.pst")
    assert told.returncode == 3
    assert "round: a link to a folder, which is not followed" in told.stderr
