"""`lastcopy --help` loads nothing slow, and only the verb that was asked for (design §6; dependencies.md §2)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from retention.cli.main import VERBS

ROOT = Path(__file__).parents[2]
SLOW = {
    "requests",
    "msal",
    "boto3",
    "botocore",
    "structlog",
    "pydantic",
    "sqlalchemy",
    "cryptography",
    "rich",
    "yaml",
    "keyring",
    "tenacity",
}
PROBE = """
import json, sys
from retention.cli.main import main
status = main(sys.argv[1:])
sys.stderr.write(json.dumps([status, sorted(name for name in sys.modules)]))
"""


def modules_after(*argv: str) -> tuple[int, set[str]]:
    ended = subprocess.run([sys.executable, "-c", PROBE, *argv], cwd=ROOT, capture_output=True, text=True, check=True)
    status, modules = json.loads(ended.stderr.splitlines()[-1])
    return status, set(modules)


def test_help_loads_no_slow_package() -> None:
    status, modules = modules_after("--help")
    assert status == 0
    assert not {name.partition(".")[0] for name in modules} & SLOW


def test_help_loads_no_verb() -> None:
    _, modules = modules_after("--help")
    assert not {f"retention.cli.{verb.module}" for verb in VERBS.values()} & modules


def test_wrong_command_lines_load_nothing_slow_either() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, "exprot"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    status, modules = json.loads(ended.stderr.splitlines()[-1])
    assert status == 2
    assert not {name.partition(".")[0] for name in modules} & SLOW


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from retention.cli.main import main

    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"lastcopy {verb}" in shown.partition("examples:")[2]
