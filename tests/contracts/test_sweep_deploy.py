"""The units and the CronJob that run the clock agree with the command line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from retention.cli.main import _parser

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = DEPLOY / "systemd"


def parsed(words: list[str]) -> str:
    """The verb that a command line means; an error if it cannot be read."""
    return str(_parser(words[0]).parse_args(words).verb)


def test_the_service_runs_a_sweep() -> None:
    text = (UNITS / "lastcopy-sweep.service").read_text()
    command = re.search(r"^ExecStart=(\S+) (.+)$", text, re.M)
    assert command is not None
    assert parsed(command[2].split()) == "sweep"
    assert "User=lastcopy" in text
    assert "SuccessExitStatus" not in text, "exit 3 must be a failure that somebody sees"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/lastcopy/.venv/bin/lastcopy", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / f"lastcopy-sweep.{kind}") for kind in ("timer", "service")]
    ended = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path) not in ended.stderr, ended.stderr


def test_the_cron_job_runs_a_sweep_without_rights() -> None:
    documents = {doc["kind"]: doc for doc in yaml.safe_load_all((DEPLOY / "kubernetes" / "sweep.yaml").read_text())}
    assert set(documents) == {"ConfigMap", "PersistentVolumeClaim", "CronJob"}
    job = documents["CronJob"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert parsed(container["args"]) == "sweep"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_configuration_in_the_cron_job_is_right() -> None:
    from retention.config import parse

    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "sweep.yaml").read_text())
    (text,) = (doc["data"]["lastcopy.yaml"] for doc in documents if doc["kind"] == "ConfigMap")
    settings = parse(text)
    assert settings.state.startswith("sqlite:////state/")
    assert settings.store is None
