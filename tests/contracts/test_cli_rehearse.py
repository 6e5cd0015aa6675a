"""`lastcopy rehearse`: the whole story by itself, and the tenant alone (design §1, §6)."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from retention.cli.main import main

ROOT = Path(__file__).parents[2]


def test_a_folder_of_somebody_else_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "precious").write_text("mine")
    assert main(["rehearse", "--in", str(tmp_path)]) == 2
    assert (tmp_path / "copy" / "precious").read_text() == "mine"
    assert capsys.readouterr().err


def test_serve_prints_one_line_and_ends_with_a_signal(plain_data: Path) -> None:
    command = [sys.executable, "-m", "retention", "rehearse", "serve", "--data", str(plain_data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        info = json.loads(process.stdout.readline())
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
        context = ssl.create_default_context(cafile=info["ca_bundle"])
        address = f"{info['login']}/{info['tenant']}/v2.0/.well-known/openid-configuration"
        with urllib.request.urlopen(address, context=context) as answer:
            assert "token_endpoint" in json.loads(answer.read())
        process.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_C_EVENT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (0, "")


@pytest.mark.parametrize("argv", [["--data", "nowhere"], ["--port", "1", "--faults", "nowhere.json"]])
def test_serve_refuses_what_is_not_there(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["rehearse", "serve", *argv, "--json"])
    assert status in (1, 2)
    assert json.loads(capsys.readouterr().out)["error"]["action"]
