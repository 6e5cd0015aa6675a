"""`track`, `status`, `sweep`, `ack`, `recover`, `watch` on the command line: their JSON, their exits, what they refuse
(design §6)."""

import json
from pathlib import Path

import pytest

from retention.cli.main import main
from tests.contracts.clock_cli import CANCEL, Run
from tests.faults.mail_server import MailServer


@pytest.fixture
def folder(tmp_path: Path, mail: MailServer) -> Path:
    (tmp_path / "ops").write_text(mail.address())
    notify = "notify: [{name: ops, to: file:ops, min_severity: info}]"
    (tmp_path / "lastcopy.yaml").write_text(f"retention: {{time_zone: Europe/Amsterdam}}\n{notify}\n")
    (tmp_path / "REHEARSAL.txt").write_text("made by rehearse")
    return tmp_path


def test_tracked_swept_acknowledged_and_recovered(run: Run, mail: MailServer) -> None:
    """The whole day of an administrator."""
    at = ("--now", "2026-03-01T10:20:00Z")
    found = run("track", "--state", "S1", "--name", "E3", "--channel", "direct", "--event", CANCEL, "--json", *at)
    assert found.exit == 0
    (one,) = found.json["subscriptions"]
    assert (one["id"], one["state"], one["boundaries"]["at_risk_from"]) == ("S1", "Disabled", "2026-03-31T10:15:00Z")
    swept = run("sweep", "--offline", "--json", *at)
    assert swept.exit == 0
    assert set(swept.json) == {"now", "due", "sent", "failed", "suppressed"}
    wanted = {
        "boundary",
        "threshold_days",
        "due_utc",
        "send_utc",
        "kind",
        "severity",
        "subscription",
        "recipient",
        "key",
    }
    assert all(set(entry) >= wanted | {"possible_repeat"} for entry in swept.json["sent"])
    (taken,) = mail.messages
    assert sorted(taken.keys) == sorted(entry["key"] for entry in swept.json["sent"])
    key = next(entry["key"] for entry in swept.json["sent"] if entry["severity"] == "critical")
    assert key in run("status", "--now", "2026-03-02T00:00:00Z").out
    acknowledged = run("ack", key, "--by", "Anna", "--json", "--now", "2026-03-01T11:00:00Z")
    assert acknowledged.json["by"] == "Anna"
    assert key not in run("status", "--now", "2026-03-02T00:00:00Z").out
    before = run("status", "--json", "--now", "2026-03-20T12:00:00Z").json
    assert run("recover", "--json").json == {
        "segments": 4,
        "subscriptions": 1,
        "sources": 0,
        "observations": 0,
        "warnings": 8,
    }
    after = run("status", "--json", "--now", "2026-03-20T12:00:00Z").json
    assert {**before, "now": ""} == {**after, "now": ""}


def test_status_json_is_as_the_design_says(run: Run) -> None:
    run("track", "--state", "S1", "--channel", "direct", "--event", CANCEL, "--now", "2026-03-01T10:20:00Z")
    document = run("status", "--json", "--now", "2026-03-20T12:00:00Z").json
    (one,) = document["subscriptions"]
    assert {"id", "name", "policy", "phase", "boundaries", "next", "days_left", "uncovered_sources"} <= set(one)
    assert (one["phase"], one["days_left"], one["policy"]) == ("Disabled", 10, "lastcopy-retention-2026-11")
    assert one["next"] == {"boundary": "at_risk_from", "at": "2026-03-24T10:15:00Z", "threshold_days": 7}
    kinds = {row["kind"]: row for row in one["boundaries"]}
    assert set(kinds) == {"access_ends", "at_risk_from", "deletable_from", "gone_by", "reactivate_until"}
    assert all({"kind", "at", "earliest", "latest", "local", "basis", "source"} <= set(row) for row in kinds.values())
    assert kinds["deletable_from"]["local"] == "2026-05-30T12:15:00+02:00"
    assert run("status", "--json", "--now", "2026-04-02T10:14:00Z").json["subscriptions"][0]["days_left"] == 58
    assert run("status", "--json", "--now", "2027-04-02T10:15:00Z").json["subscriptions"][0]["days_left"] == 0


def test_many_from_a_file(run: Run, folder: Path) -> None:
    rows = [
        {
            "id": "A",
            "name": "Anna's",
            "channel": "direct",
            "events": [{"type": "cancel", "at": "2026-03-01T10:15:00Z"}],
        },
        {
            "id": "B",
            "channel": "trial",
            "events": [],
            "sources": ["mail/anna@contoso.com", {"kind": "onedrive", "name": "a"}],
        },
    ]
    (folder / "many.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = run("track", "--from", str(folder / "many.jsonl"), "--json")
    assert (found.json["tracked"], found.json["sources"]) == (2, 2)
    status = {row["id"]: row for row in run("status", "--json").json["subscriptions"]}
    assert status["B"]["uncovered_sources"] == ["mail/anna@contoso.com", "onedrive/a"]
    assert status["A"]["name"] == "Anna's"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[1]", "line 2 is no JSON object"),
        ('{"id": "x", "chanel": "direct"}', "unknown key 'chanel'"),
        ('{"id": "x", "channel": "shop"}', "the channel 'shop'; allowed: direct"),
        ('{"id": "x", "events": [{"type": "cancel"}]}', "an event that cannot be read"),
        ('{"name": "x"}', "needs an id"),
    ],
)
def test_a_file_with_a_wrong_line_writes_nothing(run: Run, folder: Path, line: str, what: str) -> None:
    (folder / "many.jsonl").write_text('{"id": "A", "channel": "direct"}\n' + line)
    found = run("track", "--from", str(folder / "many.jsonl"))
    assert found.exit == 2
    assert what in found.err
    assert not list(folder.glob("lastcopy-journal/**/*.jsonl"))


@pytest.mark.parametrize(
    "argv",
    [
        ("track", "--event", CANCEL),
        ("track", "--state", "S", "--channel", "shop"),
        ("track", "--state", "S", "--event", "cancel"),
        ("track", "--state", "S", "--event", "cancelled=2026-03-01"),
        ("track", "--state", "S", "--event", "cancel=yesterday"),
        ("track", "--state", "S", "--from", "x.jsonl"),
        ("track", "--from", "missing.jsonl"),
        ("status", "--ics", "--html"),
        ("ack", "nothing", "--by", "Anna"),
        ("sweep", "--now", "tomorrow"),
    ],
)
def test_what_is_wrong_is_exit_2(run: Run, argv: tuple[str, ...]) -> None:
    found = run(*argv, "--json")
    assert found.exit == 2
    assert found.json["error"]["action"]


@pytest.mark.parametrize(
    "argv", [("sweep",), ("track", "--state", "S", "--event", CANCEL), ("ack", "k", "--by", "A"), ("watch",)]
)
def test_verbs_that_send_or_record_refuse_now_without_a_rehearsal(
    run: Run, folder: Path, argv: tuple[str, ...]
) -> None:
    (folder / "REHEARSAL.txt").unlink()
    run("track", "--state", "S1", "--channel", "direct", "--event", CANCEL)
    (folder / "REHEARSAL.txt").write_text("put there later")
    found = run(*argv, "--now", "2026-03-01T00:00:00Z", "--json")
    assert found.exit == 2
    assert "rehearsal" in found.json["error"]["message"]
    assert run("sweep", "--dry-run", "--now", "2026-03-20T00:00:00Z").exit == 0
    assert run("status", "--now", "2026-03-20").exit == 0


def test_what_cannot_be_delivered_is_shown_by_every_command(run: Run, mail: MailServer, folder: Path) -> None:
    mail.refuses.add("ops@example.com")
    run("track", "--state", "S1", "--channel", "direct", "--event", CANCEL, "--now", "2026-03-01T10:20:00Z")
    swept = run("sweep", "--offline", "--now", "2026-03-01T10:20:00Z")
    assert swept.exit == 3
    for argv in (("track", "--state", "S2", "--channel", "trial"), ("status",)):
        shown = run(*argv)
        assert "could not be delivered" in shown.err + shown.out, argv
    (folder / "copy").mkdir()
    with (folder / "lastcopy.yaml").open("a") as file:
        file.write("store: {url: file:./copy}\n")
    assert "could not be delivered" in run("fold").err


def test_an_address_that_cannot_be_used_fails_alone(run: Run, folder: Path) -> None:
    (folder / "ops").write_text("gopher://example.com")
    run("track", "--state", "S1", "--channel", "direct", "--event", CANCEL, "--now", "2026-03-01T10:20:00Z")
    swept = run("sweep", "--offline", "--json", "--now", "2026-03-01T10:20:00Z")
    assert swept.exit == 3
    assert "gopher" not in swept.out + swept.err
    assert "neither SMTP nor Apprise" in swept.json["failed"][0]["reason"]


def test_the_calendar_file_is_one(folder: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from icalendar import Calendar

    config = ("--config", str(folder / "lastcopy.yaml"))
    main(["track", "--state", "S1", "--channel", "direct", "--event", CANCEL, *config])
    capsysbinary.readouterr()
    main(["status", "--ics", "--now", "2026-03-15", *config])
    raw = capsysbinary.readouterr().out
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    calendar = Calendar.from_ical(raw)
    events = {str(event["summary"]): event for event in calendar.walk("VEVENT")}
    assert len(events) == 4
    risk = next(event for name, event in events.items() if "data may be deleted" in name)
    assert risk["dtstart"].dt.isoformat() == "2026-03-31T10:15:00+00:00"
    assert [alarm["trigger"].dt.days for alarm in risk.walk("VALARM")] == [-14, -7, -3, -1, 0]
    assert len({str(event["uid"]) for event in events.values()}) == 4


def test_the_page_needs_nothing_and_escapes_everything(run: Run) -> None:
    from html.parser import HTMLParser

    name = '<script>alert(1)</script>"&'
    run("track", "--state", "S1", "--name", name, "--channel", "direct", "--event", CANCEL)
    page = run("status", "--html", "--now", "2026-03-15").out
    assert "<script" not in page
    assert "&lt;script&gt;" in page

    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            names = {key for key, _ in attrs}
            assert not names & {"src", "href", "onload", "onclick"}, (tag, attrs)

    Reader().feed(page)
    assert {"main", "h1", "table", "article"} <= set(tags)
    assert "default-src &#x27;none&#x27;" in page
    assert "16 days" in page or "15 days" in page


def test_watch_sweeps_and_leaves_a_word_of_its_health(folder: Path, mail: MailServer) -> None:
    import threading

    from exporters.clock import ManualClock
    from retention.config import load
    from retention.sweeping import health_of, watch
    from retention.tracking import state_one
    from tests.faults.watchman import CANCELLED, DAY

    config, clock, seen = load(folder / "lastcopy.yaml"), ManualClock(CANCELLED), []
    state_one(config, clock, "S1", {"channel": "direct"}, [CANCEL], None)
    assert health_of(config, clock.now()) is None, "none was ever started"
    watch(config, clock, threading.Event(), seen.append, seen.append, offline=True, passes=3)
    assert [len(result.sent) for result in seen] == [2, 0, 0]
    assert (clock.now() - CANCELLED).total_seconds() >= 2 * 3600
    assert health_of(config, clock.now()) is None
    assert "has not swept since" in str(health_of(config, clock.now() + DAY))
