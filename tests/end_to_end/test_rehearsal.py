"""Issue acceptance a and f: the whole story as a newcomer runs it, and the help."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import bagit
import pytest

from retention.cli.main import main
from tests.end_to_end.driving import COMMAND, wait_for
from tests.independent import judge_directory
from tests.independent.differences import Differences
from tests.independent.reader import read_store
from tests.independent.site_bag import read_site_bag

VERBS = (
    "init",
    "check",
    "export",
    "verify",
    "ready",
    "accept",
    "fold",
    "restore",
    "rehearse",
    "track",
    "status",
    "sweep",
    "ack",
    "watch",
)


def test_the_whole_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lastcopy rehearse`: tenant up, check, export, second run after changes, verify, restore; then what to try next. Every step
    is a command that works afterwards too; the folder can be used again, and nobody else's is touched."""
    folder = tmp_path / "rehearsal"
    result = subprocess.run(
        [*COMMAND, "rehearse", "--in", str(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    stores = [path.parent for path in tmp_path.rglob("lastcopy.json")]
    assert len(stores) == 1
    reading = read_store(stores[0])
    judged = ("mail/", "sharepoint/", "directory")  # these have readers of their own
    of_drives = [line for line in reading.differences if not line.startswith(judged)]
    assert of_drives == [], of_drives[:10]
    assert sum(name.startswith("onedrive/") for name in reading.bags) >= 8
    mailboxes = [name for name in reading.bags if name.startswith("mail/")]
    assert len(mailboxes) == 12 and all(list((stores[0] / name / "data" / "pst").glob("*.pst")) for name in mailboxes)
    assert "A mailbox has become a PST" in result.stdout
    answers = re.findall(r"[✓✗] (REHEARSAL: (?:Yes|No)):", result.stdout)
    assert answers == ["REHEARSAL: No", "REHEARSAL: Yes"], "no, the reasons mended one by one, and yes"
    directory = judge_directory.judge(stores[0], judge_directory.read(folder / "tenant"))
    renamed = [line for line in directory if "userPrincipalName" in line]  # two administrators, before cancelling
    assert len(renamed) == 2 and directory == renamed, directory[:10]
    sites = {name for name in reading.bags if name.startswith("sharepoint/")}
    assert sites == {"sharepoint/root", "sharepoint/sites!harbour-wall", "sharepoint/sites!harbour-wall!survey"}
    of_sites = Differences()
    for name in sites:
        read_site_bag(stores[0], name, of_sites)
    assert not of_sites.found and of_sites.agreed["payload"] > 100
    assert "A site has become plain files" in result.stdout and "sites!harbour-wall-2026 " in result.stdout
    assert any(row["outcome"] == "gone" for bag in reading.bags.values() for row in bag.rows.values()), "no second run"
    for name in reading.bags:
        assert bagit.Bag(str(stores[0] / name)).validate()
    assert "lastcopy" in result.stdout and "Traceback" not in result.stderr
    steps = [line.removeprefix("$ ") for line in result.stdout.splitlines() if line.startswith("$ lastcopy ")]
    verbs = [step.split()[1] for step in steps if "accept" not in step]
    of_time = [verb for verb in verbs if verb in ("track", "status", "sweep", "ack")]
    assert [verb for verb in verbs if verb not in of_time] == [
        "check",
        *("export", "export", "export"),
        *("ready", "verify", "check", "attest", "export", "attest", "attest", "plan", "check", "verify", "ready"),
        *("verify", "restore", "report", "verify"),
    ]
    assert (of_time.count("sweep"), of_time.count("ack")) == (13, 8) and of_time[:4] == [
        "track",
        "status",
        "track",
        "status",
    ]
    mails = sorted((folder / "mailbox").iterdir())
    assert len(mails) == 16 and all(b"REHEARSAL" in mail.read_bytes() for mail in mails)
    assert "(exit 3)" in result.stdout and len(list((folder / "copy" / "runs").iterdir())) >= 3
    config = ["--config", str(folder / "lastcopy.yaml")]
    assert main(["verify", "--level", "stored", *config]) == 0
    assert main(["restore", "--to", str(folder / "all"), *config]) == 0
    capsys.readouterr()
    assert main(["rehearse", "--in", str(folder), "--json"]) == 2, "a folder with something that no rehearsal made"
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "target_not_empty"
    assert (folder / "all").is_dir()


def test_the_tenant_alone_says_how_it_is_reached(tmp_path: Path, plain_data: Path) -> None:
    """`rehearse serve` prints one line of JSON with the nine things that a client needs, and ends on SIGTERM."""
    process = subprocess.Popen(
        [*COMMAND, "rehearse", "serve", "--data", str(plain_data)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        info = json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert set(info) == {
        "login",
        "graph",
        "sharepoint",
        "tenant",
        "client_id",
        "secret",
        "certificate",
        "ca_bundle",
        "control",
    }
    wait_for(lambda: process.returncode is not None)


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_says_what_there_is(verb: str | None, tmp_path: Path) -> None:
    arguments = [verb, "--help"] if verb else ["--help"]
    result = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0 and result.stderr == ""
    if verb is None:
        assert all(name in result.stdout for name in VERBS)


def test_help_loads_nothing_slow(tmp_path: Path) -> None:
    """What makes `--help` slow is imports: none of the slow ones is on its way (the time itself: tests/bench)."""
    slow = (
        "requests",
        "boto3",
        "msal",
        "structlog",
        "cryptography",
        "pydantic",
        "sqlalchemy",
        "rich",
        "yaml",
        "orjson",
    )
    code = (
        "import sys; from retention.cli.main import main; code = main(['--help']); "
        f"sys.exit(code or ', '.join(n for n in {slow!r} if n in sys.modules) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
