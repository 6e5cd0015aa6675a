"""A simulated tenant and the real command line, for the contract tests of the CLI."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.generate import generate
from exporters.rehearsal.server import Rehearsal
from retention.cli.main import main

QUIET_SOURCES = "sources: {mail: none, sharepoint: none, directory: off}\n"


@dataclass
class Result:
    """What a command line came to."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        return json.loads(lines[0])


@dataclass
class Desk:
    """Where an administrator sits: a folder with a configuration, and a tenant that answers."""

    folder: Path
    tenant: Rehearsal
    capsys: pytest.CaptureFixture[str] | None

    def configure(self, *, more: str = QUIET_SOURCES, **changes: str) -> Path:
        """Write the configuration; changes: values of the tenant's keys, or `store`."""
        info = {**self.tenant.info, **changes}
        (self.folder / "secret").write_text(self.tenant.info["secret"])
        (self.folder / "secret").chmod(0o600)
        credential = changes.get("credential", "{secret: file:./secret}")
        store = changes.get("store", "file:./copy")
        file = self.folder / "lastcopy.yaml"
        file.write_text(
            f"tenant:\n  id: {info['tenant']}\n  cloud: custom\n  login: {info['login']}\n  graph: {info['graph']}\n"
            f"  sharepoint: {info['sharepoint']}\n  download_hosts: [localhost]\n  ca_bundle: file:{info['ca_bundle']}\n"
            f"  client_id: {info['client_id']}\n  credential: {credential}\nstore: {{url: {store}}}\n{more}"
        )
        return file

    def run(self, *argv: str) -> Result:
        """Run a command line with this configuration."""
        assert self.capsys is not None
        self.capsys.readouterr()
        status = main([*argv, "--config", str(self.folder / "lastcopy.yaml")])
        captured = self.capsys.readouterr()
        return Result(status, captured.out, captured.err)

    @property
    def copy(self) -> Path:
        return self.folder / "copy"

    def files(self) -> dict[str, bytes]:
        """All objects of the store."""
        files = (path for path in self.copy.rglob("*") if path.is_file() and ".lastcopy-tmp" not in path.parts)
        return {str(path.relative_to(self.copy)): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def tenant_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lively tenant of about 12 people; read only."""
    return generate(tmp_path_factory.mktemp("data") / "tenant")


@pytest.fixture(scope="module")
def tenant(tenant_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """It, served; shared by the tests of a module, which leave it as it was."""
    state = tmp_path_factory.mktemp("server") / "state"
    with Rehearsal(tenant_data, clock=SystemClock(), licences=60_000, state=state) as served:
        yield served


@pytest.fixture
def desk(tmp_path: Path, tenant: Rehearsal, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A folder with a right configuration."""
    made = Desk(tmp_path, tenant, capsys)
    made.configure()
    return made
