"""What careless people do to the clock, and what others put into names: nothing is silenced, no exit 0 where something failed."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from exporters.bag.formats import dump_json
from retention.cli.main import main
from tests.contracts.clock_cli import CANCEL, Run
from tests.faults.mail_server import MailServer

NOW = ("--now", "2026-03-01T10:20:00Z")
ONE, OTHER = "11111111-2222-3333-4444-55555555555a", "99999999-2222-3333-4444-55555555555b"
TENANT = f"tenant: {{id: {ONE}, client_id: x, credential: {{secret: env:NONE}}}}\n"


@pytest.fixture
def folder(tmp_path: Path, mail: MailServer) -> Path:
    (tmp_path / "ops").write_text(mail.address())
    (tmp_path / "REHEARSAL.txt").write_text("made by rehearse")
    (tmp_path / "lastcopy.yaml").write_text("notify: [{name: ops, to: file:ops, min_severity: info}]\n")
    return tmp_path


def configure(folder: Path, more: str) -> None:
    with (folder / "lastcopy.yaml").open("a") as file:
        file.write(more)


def cancelled(run: Run, name: str = "S1", *more: str) -> None:
    assert run("track", "--state", name, "--channel", "direct", "--event", CANCEL, *more, *NOW).exit == 0


def test_a_policy_file_that_cannot_be_read_does_not_silence_the_clock(run: Run, folder: Path) -> None:
    cancelled(run)
    configure(folder, "retention: {policy_files: [missing.yaml]}\n")
    found = run("sweep", "--offline", "--json", *NOW)
    assert found.exit == 2
    assert "missing.yaml" in found.json["error"]["message"]
    rows = len(list((folder / "lastcopy-journal" / "journal").iterdir()))
    assert run("track", "--state", "S2", "--event", CANCEL, *NOW).exit == 2
    assert len(list((folder / "lastcopy-journal" / "journal").iterdir())) == rows, "exit 2: nothing was written"


def test_a_subscription_that_cannot_be_reckoned_is_a_failure_and_stops_no_other(
    run: Run, folder: Path, mail: MailServer
) -> None:
    from exporters.clock import SystemClock
    from retention.books import opened_books
    from retention.config import load

    cancelled(run)
    with opened_books(load(folder / "lastcopy.yaml"), SystemClock()) as books:  # as an older version may have let it in
        event = {"type": "cancel", "date": "2026-03-01", "id": "cancel#1"}
        books.append(
            [{"type": "stated", "subscription": "S0", "set": {"time_zone": "Mars/Olympus"}, "events": [event]}]
        )
    found = run("sweep", "--offline", "--json", *NOW)
    assert found.exit == 3
    assert [row["subscription"] for row in found.json["failed"]] == ["S0"]
    assert {row["subscription"] for row in found.json["sent"]} == {"S1"}
    assert len(mail.messages) > 0
    assert "cannot be reckoned" in run("sweep", "--offline", *NOW).out


@pytest.mark.parametrize(
    "argv",
    [
        ("--state", "S1", "--time-zone", "Mars/Olympus"),
        ("--state", ""),
        ("--state", " "),
        ("--state", "S1\n✓ all is well"),
        ("--state", "S1\udce4"),
    ],
)
def test_what_would_silence_or_deceive_is_refused(run: Run, argv: tuple[str, ...]) -> None:
    found = run("track", *argv)
    assert found.exit == 2
    assert "No subscription is tracked" in run("status").out


def test_a_name_says_nothing_but_a_name(run: Run, folder: Path, mail: MailServer) -> None:
    name = "Evil\r\n✓ all is well\u202e\udc80 \x1b[2J" + "x" * 500
    statement = {
        "id": "A",
        "name": name,
        "channel": "direct",
        "events": [{"type": "cancel", "at": "2026-03-01T10:15:00Z"}],
    }
    (folder / "many.jsonl").write_text(json.dumps(statement) + "\n")
    assert run("track", "--from", str(folder / "many.jsonl"), *NOW).exit == 0
    cancelled(run, "B")
    assert run("sweep", "--offline", *NOW).exit == 0
    assert len(mail.messages) == 2
    for shown in (run("status"), run("status", "--html"), run("status", "--ics")):
        assert shown.exit == 0
        assert "\n✓ all" not in shown.out
        assert "\u202e" not in shown.out
        assert "x" * 300 not in shown.out
    assert not any("\n✓ all" in taken.text for taken in mail.messages)


def test_a_message_that_cannot_be_made_holds_up_no_other(
    run: Run, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention import texts

    cancelled(run, "A")
    cancelled(run, "B")
    whole = texts._context

    def broken(about: texts.About) -> list[str]:
        if about.name == "A":
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "as if")
        return whole(about)

    monkeypatch.setattr(texts, "_context", broken)
    found = run("sweep", "--offline", "--json", *NOW)
    assert found.exit == 3
    assert {row["subscription"] for row in found.json["failed"]} == {"A"}
    assert {row["subscription"] for row in found.json["sent"]} == {"B"}


def test_a_file_may_come_out_of_a_pipe(run: Run, folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    line = '{"id": "P", "channel": "direct", "events": [{"type": "cancel", "at": "2026-03-01T10:15:00Z"}]}\r\n'
    writer = threading.Thread(target=pipe.write_text, args=("\ufeff" + line,), daemon=True)
    writer.start()
    found = run("track", "--from", str(pipe), "--json")
    writer.join(5)
    assert [row["id"] for row in found.json["subscriptions"]] == ["P"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no subscription"),
        (b"\r\n\r\n", "no subscription"),
        ('{"id": "A", "channel": "direct"}\n'.encode("utf-16"), "UTF-8"),
        (b'{"id": "A"}\n{"id": "a", "events": []}\n', "twice"),
        (b'{"id": "A", "time_zone": "Mars/Olympus"}\n', "no time zone"),
        (b'{"id": "A\\nB"}\n', "one line"),
        (b'{"id": "A", "sources": ["mail/\\udc80"]}\n', "halves of characters"),
        (b'{"id": "A", "events": [{"type": "cancel", "at": "2026-03-01T10:15:00Z", "id": "a\\u0000"}]}\n', "one line"),
    ],
)
def test_a_file_that_says_nothing_or_two_things_is_refused(run: Run, folder: Path, content: bytes, what: str) -> None:
    (folder / "many.jsonl").write_bytes(content)
    found = run("track", "--from", str(folder / "many.jsonl"), "--json")
    assert found.exit == 2
    assert what in found.json["error"]["message"]
    assert found.json["error"]["action"]


def test_without_a_zone_a_date_is_that_date_anywhere(run: Run, folder: Path) -> None:
    """The strictest reading: 50 hours, not the 24 of UTC (retention-domain §2.5)."""
    day = ("track", "--state", "S1", "--channel", "direct", "--event", "cancel=2026-03-10", "--json", *NOW)
    assert run(*day).json["subscriptions"][0]["boundaries"]["access_ends"] == "2026-03-09T10:00:00Z"
    wall = ("track", "--state", "S2", "--channel", "direct", "--event", "cancel=2026-03-10T08:00", "--json", *NOW)
    assert run(*wall).json["subscriptions"][0]["boundaries"]["access_ends"] == "2026-03-09T18:00:00Z"
    configure(folder, "retention: {time_zone: UTC}\n")
    assert run(*day).json["subscriptions"][0]["boundaries"]["access_ends"] == "2026-03-10T00:00:00Z"


def test_a_journal_that_is_gone_is_not_forgotten(run: Run, folder: Path) -> None:
    cancelled(run)
    kept = folder / "kept"
    shutil.move(folder / "lastcopy-journal", kept)
    for argv in (("sweep", "--offline"), ("status",), ("track", "--state", "S2", "--channel", "direct")):
        found = run(*argv, "--json")
        assert (found.exit, found.json["error"]["code"]) == (1, "journal_gone"), argv
    shutil.move(kept, folder / "lastcopy-journal")
    assert [row["id"] for row in run("status", "--json").json["subscriptions"]] == ["S1"]
    shutil.rmtree(folder / "lastcopy-journal")
    assert run("recover").exit == 0
    assert run("status", "--json").json["subscriptions"] == []


def test_the_journal_of_another_store_is_not_taken_for_ours(run: Run, folder: Path) -> None:
    for place in ("one", "two"):
        (folder / place).mkdir()
        root = {"layout": 1, "tenant": {"id": ONE, "domain": "x.example"}, "created": "2026-01-01T00:00:00Z"}
        (folder / place / "lastcopy.json").write_bytes(dump_json(root))
    plain = (folder / "lastcopy.yaml").read_text()
    for place, name in (("one", "S1"), ("two", "S2")):
        (folder / "lastcopy.yaml").write_text(f"{plain}store: {{url: file:./{place}}}\nstate: sqlite:///{place}.db\n")
        cancelled(run, name)
    (folder / "lastcopy.yaml").write_text(f"{plain}store: {{url: file:./two}}\nstate: sqlite:///one.db\n")
    found = run("sweep", "--offline", "--json", *NOW)
    assert (found.exit, found.json["error"]["code"]) == (1, "journal_changed")
    shutil.copytree(folder / "one", folder / "moved")
    (folder / "lastcopy.yaml").write_text(f"{plain}store: {{url: file:./moved}}\nstate: sqlite:///one.db\n")
    assert [row["id"] for row in run("status", "--json").json["subscriptions"]] == ["S1"], "the same one elsewhere"


def test_a_slip_in_the_store_s_address_leaves_another_tenant_s_store_alone(run: Run, folder: Path) -> None:
    cancelled(run)
    (folder / "other").mkdir()
    root = {"layout": 1, "tenant": {"id": OTHER, "domain": "x.example"}, "created": "2026-01-01T00:00:00Z"}
    (folder / "other" / "lastcopy.json").write_bytes(dump_json(root))
    configure(folder, f"{TENANT}store: {{url: file:./other}}\n")
    found = run("status", "--json")
    assert (found.exit, found.json["error"]["code"]) == (2, "store_of_another_tenant")
    assert not (folder / "other" / "journal").exists()


def test_ids_are_compared_without_capitals_and_strange_ones_are_told(run: Run, folder: Path) -> None:
    subscriptions = f"[{{id: {ONE.upper()}, channel: csp_nce}}, {{id: {OTHER}, channel: trial}}]"
    configure(folder, f"retention: {{subscriptions: {subscriptions}}}\n")
    assert run("track", "--state", ONE, "--event", CANCEL, *NOW).exit == 0
    assert run("track", "--state", ONE.upper(), "--name", "E3", *NOW).exit == 0
    (folder / "many.jsonl").write_text(json.dumps({"id": ONE.upper(), "sources": ["mail/anna"]}))
    assert run("track", "--from", str(folder / "many.jsonl"), *NOW).exit == 0
    (one,) = run("status", "--json").json["subscriptions"]
    assert (one["id"], one["name"], one["channel"], one["sources"]) == (ONE, "E3", "csp_nce", 1)
    assert any(OTHER in problem for problem in run("status", "--json").json["problems"])


def test_a_heartbeat_that_cannot_be_sent_changes_no_exit(run: Run, folder: Path) -> None:
    configure(folder, "heartbeat: {url: env:LASTCOPY_NOT_SET}\n")
    cancelled(run)
    found = run("sweep", "--offline", *NOW)
    assert found.exit == 0
    assert "LASTCOPY_NOT_SET" in found.err
    assert "sent:" in found.out


def test_a_watch_that_never_ran_is_not_well(run: Run, folder: Path) -> None:
    assert run("watch", "--health").exit == 3
    (folder / "lastcopy-watch.json").write_text("{")
    assert run("watch", "--health").exit == 3


def test_what_a_mail_server_repeats_of_addresses_is_kept_out(run: Run, folder: Path, mail: MailServer) -> None:
    (folder / "ops").write_text(f"smtp://127.0.0.1:{mail.port}/?to=Anna.Secret@example.com&from=lastcopy@example.com")
    mail.says["RCPT"] = "550 <anna.secret@example.com> is over quota"
    cancelled(run)
    found = run("sweep", "--offline", "--json", *NOW)
    assert found.exit == 3
    assert "anna.secret" not in (found.out + found.err).lower()
    journal = b"".join(path.read_bytes() for path in (folder / "lastcopy-journal" / "journal").iterdir())
    assert b"anna.secret" not in journal.lower()
    assert "over quota" in found.json["failed"][0]["reason"]


def test_one_of_something_is_one(run: Run, folder: Path, mail: MailServer) -> None:
    mail.refuses.add("ops@example.com")
    cancelled(run)
    swept = run("sweep", "--offline", "--json", "--now", "2026-03-20T00:00:00Z")
    number = len(swept.json["failed"])
    assert number == 2
    assert "2 warnings could not be delivered" in run("status").out
    assert run("status", "--json").json["undelivered"] == number
    assert "2 warnings could not be delivered" in run("recover").err


def test_what_is_over_is_told_as_over_and_no_way_back_where_there_is_none(run: Run, mail: MailServer) -> None:
    run("track", "--state", "S1", "--channel", "csp_nce", "--event", CANCEL, *NOW)
    run("track", "--state", "S2", "--channel", "direct", "--event", "cancel=2026-02-10T00:00:00Z", *NOW)
    run("sweep", "--offline", *NOW)
    partner, ours = sorted(mail.messages, key=lambda taken: "S1." not in taken.text)
    assert "deletable_from: every protection ends:" in partner.text
    assert "moment to reactivate" not in partner.text + partner.subject
    assert "access_ends: users have lost access:" in ours.text
    assert "users lose access" not in ours.text
    run("track", "--state", "S2", "--event", "cancel=2026-02-12T00:00:00Z", *NOW)
    run("sweep", "--offline", *NOW)
    (moved,) = [taken.text for taken in mail.messages if "dates changed" in taken.subject]
    assert "- gone_by: by published policy the data are deleted by then:" in moved, "not that they are already"


def test_an_acknowledgement_has_a_name_and_the_first_one_stands(run: Run, mail: MailServer) -> None:
    cancelled(run)
    run("sweep", "--offline", *NOW)
    key = mail.messages[0].keys[0]
    for nobody in ("", "  "):
        assert run("ack", key, "--by", nobody, *NOW).exit == 2
    assert run("ack", key, "--by", "Anna", *NOW).exit == 0
    assert run("ack", key, "--by", "Bert", "--json", *NOW).json["by"] == "Anna"


@pytest.mark.parametrize("name", ["50%20 off", "what?"])
def test_a_folder_may_be_called_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    (place / "lastcopy.yaml").write_text("notify: []\n")
    assert main(["track", "--state", "S1", "--config", str(place / "lastcopy.yaml")]) == 0
    assert (place / "lastcopy.db").is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_what_happened_to_people_and_things_can_be_stated(run: Run, folder: Path) -> None:
    lines = [
        {"id": "anna@contoso.com", "object_event": {"type": "user_deleted", "date": "2026-03-01", "hold": True}},
        {"id": "anna@contoso.com", "object_event": {"type": "licence_removed", "at": "2026-03-01T00:00:00Z"}},
        {"id": "S1", "channel": "direct"},
    ]
    (folder / "many.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = run("track", "--from", str(folder / "many.jsonl"), "--json", *NOW)
    assert (found.json["tracked"], found.json["things"]) == (1, 2)
    assert run("track", "--state", "case 7", "--name", "<b>", "--event", "export_package=2026-03-01", *NOW).exit == 0
    status = run("status", "--json", *NOW).json
    assert {row["mark"] for row in status["personal"]} >= {
        "package_expires",
        "onedrive_archived_from",
        "user_restore_until",
    }
    assert "mailbox_at_risk_from" in {row["mark"] for row in status["personal"] if row["object"].startswith("licence")}
    assert "&lt;b&gt;: the export package" not in run("status", "--html", *NOW).out
    assert "&lt;b&gt;" in run("status", "--html", *NOW).out
    calendar = run("status", "--ics", *NOW).out
    assert "the export package expires" in " ".join(calendar.replace("\n ", "").split())
    (folder / "many.jsonl").write_text(
        json.dumps({"id": "case 7", "object_event": {"type": "export_package", "withdrawn": True}})
    )
    assert run("track", "--from", str(folder / "many.jsonl"), *NOW).exit == 0
    assert "package_expires" not in {row["mark"] for row in run("status", "--json", *NOW).json["personal"]}
    restored = ("--event", "licence_removed=2026-03-01T00:00:00Z", "--event", "licence_restored=2026-03-02T00:00:00Z")
    assert run("track", "--state", "anna@contoso.com", *restored, *NOW).exit == 0
    assert not [row for row in run("status", "--json", *NOW).json["personal"] if row["object"].startswith("licence")]


@pytest.mark.parametrize(
    "events",
    [
        ("licence_removed=2026-03-01", "cancel=2026-03-01"),
        ("licence_removed=2026-03-01", "user_deleted=2026-03-01"),
        ("licence_restored=2026-03-01",),
        ("licence_removed=soon",),
    ],
)
def test_events_that_do_not_belong_together_are_refused(run: Run, events: tuple[str, ...]) -> None:
    argv = [word for event in events for word in ("--event", event)]
    found = run("track", "--state", "anna", *argv, "--json")
    assert found.exit == 2
    assert found.json["error"]["action"]
    assert run("track", "--state", "anna", "--channel", "direct", "--event", "user_deleted=2026-03-01").exit == 2
