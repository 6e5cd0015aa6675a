"""SIGINT and SIGTERM end an export in order (design §4, the ledger; §6)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.cli_tenant import Desk


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_and_the_next_run_goes_on(desk: Desk, number: signal.Signals) -> None:
    """Exit 3, every bag that was begun is closed, `verify` finds no difference; then all of it comes."""
    command = [
        sys.executable,
        "-m",
        "retention",
        "export",
        "--json",
        "-v",
        "--config",
        str(desk.folder / "lastcopy.yaml"),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        while not list(desk.copy.glob("onedrive/*/data/files")) and process.poll() is None:
            pass
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    document = json.loads(out)
    assert process.returncode == document["exit"] == 3
    assert desk.run("verify", "--json").json["changed"] == 0
    ends = [
        path.read_text()
        for path in sorted((desk.copy / "journal").iterdir())
        if '"type":"run_ended"' in path.read_text()
    ]
    assert len(ends) == 1
    assert '"exit":3' in ends[0]
    whole = desk.run("export", "--json").json
    assert whole["totals"]["pending"] == 0
    assert desk.run("verify", "--json").exit == 0
