"""`lastcopy init`: a configuration that is right, never over one that is there, never with a secret in it (design §6, §7)."""

import json
from pathlib import Path

import pytest

from retention.cli.main import main
from retention.config import load

ANSWERS = [
    "--tenant",
    "contoso.onmicrosoft.com",
    "--client-id",
    "0d5a",
    "--store",
    "s3://bucket/contoso",
    "--region",
    "eu-west-1",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "lastcopy.yaml"


def test_with_options_nobody_is_asked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *ANSWERS, "--certificate", "file:./key.pem", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "deploy/entra/register-app.sh" in shown
    assert "Files.Read.All" in shown
    config = load(file)
    assert (config.tenant.id, config.tenant.credential.certificate) == ("contoso.onmicrosoft.com", "file:./key.pem")
    assert (config.store.url, config.store.region) == ("s3://bucket/contoso", "eu-west-1")


def test_it_asks_on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["", "contoso.example", "0d5a", "file:/srv/copy", "key.pem"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert main(["init", "--config", str(file)]) == 0
    assert load(file).tenant.credential.certificate == "file:key.pem"
    assert capsys.readouterr().err == ""


def test_nobody_to_ask(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["init", "--tenant", "a.example", "--config", str(file), "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "--client-id" in error["message"]
    assert "--tenant" not in error["message"]
    assert not file.exists()


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lastcopy.yaml"
    file.write_text("precious: yes\n")
    argv = ["init", *ANSWERS, "--secret", "env:S", "--config", str(file)]
    assert main(argv) == 2
    assert file.read_text() == "precious: yes\n"
    assert main([*argv, "--force"]) == 0
    assert load(file).tenant.credential.secret == "env:S"
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--secret", "hunter2"],
        ["--secret", "env:S", "--tenant", "a.example\nstore: {url: x}"],
        ["--secret", "env:S", "--cloud", "germany"],
        ["--secret", "env:S", "--cloud", "mars"],
        ["--secret", "env:S", "--certificate", "file:x"],
    ],
)
def test_nothing_wrong_is_written(file: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *ANSWERS, *wrong, "--config", str(file), "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["action"]
    assert "hunter2" not in shown.out + shown.err
    assert not file.exists()
