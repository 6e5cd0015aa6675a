"""`lastcopy timeline` and `lastcopy policies` through the command line: no state, no tenant, no file (design §6)."""

import json
from pathlib import Path
from typing import Any

import pytest

from retention.cli.main import main

CASES = Path(__file__).parents[1] / "unit" / "retention" / "timeline-cases.json"
CANCEL = ["timeline", "--channel", "direct", "--event", "cancel=2026-03-01T10:15:00Z"]
NOW = ["--now", "2026-03-15T00:00:00Z"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LASTCOPY_CONFIG", raising=False)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(list(argv))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def document(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> Any:
    ended, out, _ = run(capsys, *argv, "--json")
    assert ended == status
    return json.loads(out)


def test_a_timeline_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, *CANCEL, *NOW, "--time-zone", "Europe/Amsterdam")
    assert (found["now"], found["phase"], found["days_left"], found["flags"]) == (
        "2026-03-15T00:00:00Z",
        "Disabled",
        16,
        [],
    )
    assert {row["kind"]: row["at"] for row in found["boundaries"]} == {
        "access_ends": "2026-03-01T10:15:00Z",
        "at_risk_from": "2026-03-31T10:15:00Z",
        "deletable_from": "2026-05-30T10:15:00Z",
        "gone_by": "2026-08-28T10:15:00Z",
        "reactivate_until": "2026-05-30T10:15:00Z",
    }
    (risk,) = [row for row in found["boundaries"] if row["kind"] == "at_risk_from"]
    assert (risk["local"], risk["basis"], risk["source"]) == (
        "2026-03-31T12:15:00+02:00",
        "stated",
        "SEED: Save your data",
    )
    assert risk["alternative"] == {"days": 90, "source": "W24"}
    assert found["next"] == {"boundary": "at_risk_from", "at": "2026-03-17T10:15:00Z", "threshold_days": 14}
    assert found["policy"]["id"] == "lastcopy-retention-2026-11"
    assert len(found["policy"]["sha256"]) == 64


def test_a_timeline_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *CANCEL, *NOW, "--time-zone", "Europe/Amsterdam")
    assert status == 0
    first = out.splitlines()[0]
    assert "Disabled: 16 days left until at_risk_from" in first
    assert "2026-03-31 12:15 +02:00" in out
    assert "2026-03-31T10:15:00Z" in out
    assert "Do not delete the subscription" in out
    assert "lastcopy-retention-2026-11" in out


def test_times_of_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    for when, earliest, latest in [
        ("2026-03-10", "2026-03-09T23:00:00Z", "2026-03-11T00:00:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("2026-03-01T00:00Z..2026-03-02", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
        ("2026-03-01T11:15:00+01:00", "2026-03-01T10:15:00Z", "2026-03-01T10:15:00Z"),
    ]:
        argv = ["timeline", "--channel", "direct", "--event", f"cancel={when}", "--time-zone", "Europe/Amsterdam"]
        assert document(capsys, *argv)["clock_start"] == {"earliest": earliest, "latest": latest}


def test_a_reduction(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["timeline", "--channel", "direct", "--event", "reduce_quantity=2026-04-01T00:00:00Z"]
    assert document(capsys, *argv)["resolve_overassignment_by"] == "2026-06-30T00:00:00Z"
    assert document(capsys, *argv, "--add-on")["resolve_overassignment_by"] == "2026-04-01T00:00:00Z"


def test_a_case_file_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "timeline", "--cases", str(CASES))
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    assert found.keys() == {case["id"] for case in cases}
    for case in cases:
        assert found[case["id"]].keys() == case["expect"].keys()
        assert found[case["id"]]["flags"] == case["expect"]["flags"]
    status, out, _ = run(capsys, "timeline", "--cases", str(CASES))
    assert status == 0
    assert "RT001" in out


def test_a_closed_cloud_has_no_dates(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "timeline", "--channel", "germany", "--event", "cancel=2026-03-01", status=3)
    assert (found["phase"], found["boundaries"], found["flags"]) == (None, [], ["cloud_closed_refuse"])


@pytest.mark.parametrize(
    "argv",
    [
        ["timeline"],
        ["timeline", "--channel", "shop"],
        [*CANCEL, "--event", "cancel"],
        [*CANCEL, "--event", "stop=2026-03-01"],
        [*CANCEL, "--event", "term_end=yesterday"],
        [*CANCEL, "--time-zone", "Europe/Nowhere"],
        [*CANCEL, "--now", "2026-03-01..2026-03-02"],
        [*CANCEL, "--cases", "x.json"],
        [*CANCEL, "--config", "missing.yaml"],
        ["timeline", "--cases", "missing.json"],
        ["timeline", "--cases", "."],
        ["policies", "nothing-of-that-name"],
        ["policies", "--now", "2026-03-01"],
    ],
)
def test_what_is_wrong_is_told_in_two_sentences(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    error = document(capsys, *argv, status=2)["error"]
    assert error["code"]
    assert error["message"]
    assert error["action"]


def test_policies_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "policies")
    assert status == 0
    assert "csp-nce-suspended-term-end" in out
    status, out, _ = run(capsys, "policies", "direct-cancel")
    assert status == 0
    assert "at_risk_from: day 30 (stated, SEED: Save your data); W24 says 90" in out
    assert "2024-03-29" in out
    found = document(capsys, "policies")
    assert found["policy_id"] == "lastcopy-retention-2026-11"
    assert {"K1", "K16"} <= found["conflicts"].keys()
    (part,) = document(capsys, "policies", "trial-cancel")["parts"]
    assert part["basis"] == "inferred"


def test_rules_of_ones_own_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        """
schema: lastcopy.retention.policy/1
policy_id: contract-7
windows:
  - id: direct-cancel
    applies_to: {channel: direct, trigger: cancel}
    source: SEED
    verified_on: 2026-11-28
    windows:
      stages: [{state: Disabled, days: 45, reactivate: true}]
      at_risk: {days: 20, source: SEED}
      gone_by: {days: 180, source: SEED}
""",
        encoding="utf-8",
    )
    (tmp_path / "lastcopy.yaml").write_text(
        "retention: {policy_files: [own.yaml], time_zone: Asia/Tokyo}\n", encoding="utf-8"
    )
    found = document(capsys, *CANCEL, *NOW)
    (risk,) = [row for row in found["boundaries"] if row["kind"] == "at_risk_from"]
    assert (risk["at"], risk["local"]) == ("2026-03-21T10:15:00Z", "2026-03-21T19:15:00+09:00")
    assert found["policy"]["id"] == "lastcopy-retention-2026-11+contract-7"
    own.write_text(own.read_text(encoding="utf-8").replace("days: 45", "days: 95"), encoding="utf-8")
    error = document(capsys, *CANCEL, *NOW, status=2)["error"]
    assert "deletable_from 90 → 95 days" in error["message"]
    assert "accept_risk" in error["action"]
