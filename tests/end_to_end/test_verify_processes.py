"""What `verify` starts ends with it: however it ends, and an answer that does not come is never taken for a good one."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.made_store import CONFIGURATION, make_store
from tests.end_to_end.driving import COMMAND, wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or len(os.sched_getaffinity(0)) == 1,
    reason="processes are looked up in /proc, and there are none with one core",
)
FILES = 5_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration and a store whose ledger is long enough for processes."""
    made = tmp_path_factory.mktemp("processes")
    make_store(made / "store", FILES)
    (made / "lastcopy.yaml").write_text(json.dumps(CONFIGURATION))
    return made


@pytest.fixture
def verify(folder: Path, tmp_path: Path) -> Iterator["Verify"]:
    started = Verify(folder, tmp_path)
    yield started
    started.end()


class Verify:
    """A `verify` under way, and the processes that it has started. `spill`: where its temporary files go."""

    def __init__(self, folder: Path, spill: Path) -> None:
        self.spill = spill
        environment = {**os.environ, "TMPDIR": str(spill), "SQLITE_TMPDIR": str(spill)}
        self.process = subprocess.Popen(
            [*COMMAND, "verify", "--json"], cwd=folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.helpers: list[int] = []
        wait_for(lambda: self.process.poll() is not None or self._found())
        assert self.helpers, self.process.communicate()
        time.sleep(0.5)  # it takes note of the last one a moment after we see it

    def _found(self) -> bool:
        number = self.process.pid
        try:
            self.helpers = [int(n) for n in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
        except FileNotFoundError:
            return False
        self.helpers = [helper for helper in self.helpers if b"serve" in _command(helper)]  # not before its `exec`
        for helper in self.helpers:
            os.kill(helper, signal.SIGSTOP)  # so that none can end its work before something happens to it
        return len(self.helpers) == min(8, len(os.sched_getaffinity(0)))

    def result(self, seconds: float = 30) -> tuple[int, dict[str, object]]:
        out, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, json.loads(out)

    def helpers_live(self) -> bool:
        return any(Path(f"/proc/{helper}").exists() and _state(helper) not in "ZX" for helper in self.helpers)

    def end(self) -> None:
        for helper in self.helpers:
            if self.helpers_live():
                os.kill(helper, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def test_a_killed_process_is_exit_1(verify: Verify) -> None:
    os.kill(verify.helpers[0], signal.SIGKILL)
    for helper in verify.helpers[1:]:
        os.kill(helper, signal.SIGCONT)
    code, document = verify.result()
    assert code == 1 and document["error"]["code"] == "process_lost"  # type: ignore[index]
    assert not verify.helpers_live() and not list(verify.spill.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_all_that_it_started(verify: Verify, number: signal.Signals) -> None:
    verify.process.send_signal(number)
    code, document = verify.result(10)
    assert code == 1 and document["error"]["code"] == "interrupted"  # type: ignore[index]
    assert not verify.helpers_live() and not list(verify.spill.iterdir())


def test_ctrl_c_is_for_all_of_the_terminal_and_yet_ends_without_noise(verify: Verify) -> None:
    """A terminal sends it to the whole process group: those who help must not answer it."""
    for helper in verify.helpers:
        os.kill(helper, signal.SIGCONT)
    os.killpg(verify.process.pid, signal.SIGINT)
    out, noise = verify.process.communicate(timeout=30)
    assert verify.process.returncode == 1 and json.loads(out)["error"]["code"] == "interrupted"
    assert b"Traceback" not in noise and not verify.helpers_live()


def test_killed_it_leaves_no_process_and_no_file(verify: Verify) -> None:
    for helper in verify.helpers:
        os.kill(helper, signal.SIGCONT)
    verify.process.kill()
    wait_for(lambda: not verify.helpers_live())
    assert not list(verify.spill.iterdir())


def test_undisturbed_it_finds_the_same_as_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The made store is whole, and a damaged file is found by the processes and named by its reason."""
    from retention.cli.main import main

    monkeypatch.chdir(folder)
    path = folder / "store/onedrive/anna@contoso.com/data/files/folder 000003/file 0001777.txt"
    changes: list[tuple[Callable[[], object], str]] = [
        (lambda: path.write_bytes(b"smell"), "its bytes have another SHA-256 than its row says"),
        (lambda: path.write_bytes(b"larger"), "it has 6 bytes where its row says 5"),
        (path.unlink, "a row names it, and the store does not have it"),
        (
            lambda: (path.unlink(), path.symlink_to("file 0001778.txt")),
            "a row names it, and the store does not have it",
        ),
    ]
    assert main(["verify", "--json", "--refold"]) == 0
    for change, why in changes:
        change()
        capsys.readouterr()
        assert main(["verify", "--json"]) == 3
        document = json.loads(capsys.readouterr().out)
        told = {finding["why"] for finding in document["findings"]}
        assert why in told and document["files"] >= FILES
        if path.is_symlink():
            path.unlink()
        path.write_bytes(b"small")
    assert main(["verify", "--json"]) == 0
