"""The verbs of the clock on the command line, with a mail server that takes the warnings. `folder`: of the test module, with its
configuration."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retention.cli.main import main
from tests.contracts.cli_tenant import Result
from tests.faults.mail_server import MailServer

Run = Callable[..., Result]
CANCEL = "cancel=2026-03-01T10:15:00Z"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command line with the configuration of the folder."""

    def command(*argv: str) -> Result:
        capsys.readouterr()
        status = main([*argv, "--config", str(folder / "lastcopy.yaml")])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return command
