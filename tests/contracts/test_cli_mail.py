"""Mailboxes through the command line: which are copied, what is said of each, and what a person may accept (design §5, §6).

Rules of this file: the small tenant of `mailbox_data` (Ada, Bo: a room, Cy: a guest, Di: inactive, Ed: on-premises, one group),
without what nobody can read, so that a run takes a second.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.export_truth import mailbox_id
from exporters.rehearsal.mailbox_rows import made_id
from exporters.rehearsal.server import Rehearsal
from exporters.rehearsal.service import DEFAULT_ROLES, Settings
from tests.contracts.cli_tenant import Desk
from tests.unit.rehearsal.client import Client
from tests.unit.rehearsal.mailbox_data import ADA, BO, MailboxWriter, made, write_tenant

MAIL_ALONE = (
    "sources: {mail: all, onedrive: none, sharepoint: none, directory: off, archive: none}\nmail: {fasttransfer: off}\n"
)
EVERYBODY = ["ada@rehearsal.example", "bo@rehearsal.example", "harbour@rehearsal.example"]
NEVER_HERE = ["mail/cy@rehearsal.example", "mail/di@rehearsal.example", "mail/ed@rehearsal.example"]


def places(writer: MailboxWriter) -> None:
    """The folders that every mailbox has beside those of mail, with one contact."""
    folder = made("contactFolder", 0, writer.user)
    writer.rows("calendars", [{"id": made("calendar", 0, writer.user), "name": "Calendar", "isDefaultCalendar": True}])
    writer.rows("contactFolders", [{"id": folder, "displayName": "Contacts", "_default": True}])
    writer.rows("contacts", [{"id": made("contact", 0, writer.user), "parentFolderId": folder, "displayName": "Zoë"}])
    writer.rows("todoLists", [{"id": made("list", 0, writer.user), "displayName": "Tasks"}])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tenant(tmp_path_factory.mktemp("data") / "tenant", places)
    for messages in folder.glob("users/*/messages.jsonl"):
        messages.write_text(messages.read_text().replace("smime-opaque", "plain"))
    return folder


@pytest.fixture
def mail(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """A tenant of its own for each test, which may change it."""
    with Rehearsal(data, clock=SystemClock(), state=tmp_path / "server") as served:
        desk = Desk(tmp_path, served, capsys)
        desk.configure(more=MAIL_ALONE)
        yield desk


def faults(desk: Desk, *rules: dict[str, Any]) -> None:
    Client(desk.tenant).control("POST", "faults", rules)


def change(desk: Desk, **row: Any) -> None:
    assert "skipped" not in Client(desk.tenant).change(row)


def sources(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in document["sources"]}


def states(row: dict[str, Any]) -> dict[str, str]:
    return {entry["class"]: entry["state"] for entry in row["coverage"]}


def record(desk: Desk, document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((desk.copy / "runs" / f"{document['run']}.json").read_text())
    return found


def exported(desk: Desk, status: int = 0) -> dict[str, Any]:
    """The document of an export of everything, which must end so."""
    result = desk.run("export", "--json")
    assert result.exit == status, result.out
    document: dict[str, Any] = result.json
    return document


# ------------------------------------------------------------------------------------------------------- which


def test_every_mailbox_becomes_originals_and_a_pst(mail: Desk) -> None:
    document = exported(mail)
    assert [row["name"] for row in document["sources"]] == EVERYBODY
    assert {row["kind"] for row in document["sources"]} == {"mail"}
    for row in document["sources"]:
        assert row["copied"] > 0 and row["pending"] == 0
        names = {path.name for path in (mail.copy / row["bag"] / "data" / "pst").iterdir()}
        assert names == {f"{row['name']}.pst", "parts.json"}
    assert list((mail.copy / "mail" / EVERYBODY[0] / "data" / "originals").glob("mail-*.zip"))
    assert mail.run("verify", "--json").exit == 0


def test_q057_who_has_no_mailbox_is_named_and_is_no_finding(mail: Desk) -> None:
    document = exported(mail)
    assert record(mail, document)["without_mailbox"] == NEVER_HERE
    assert "without_mailbox" not in document
    assert not {"cy@rehearsal.example", "di@rehearsal.example"} & sources(document).keys()


def test_names_choose_mailboxes(mail: Desk) -> None:
    def chosen(*names: str) -> list[str]:
        given = [word for name in names for word in ("--source", name)]
        return [f"{row['kind']}/{row['name']}" for row in mail.run("export", "--json", *given).json["sources"]]

    assert chosen("mail/bo@rehearsal.example") == ["mail/bo@rehearsal.example"]
    assert chosen("ADA@rehearsal.example") == ["mail/ada@rehearsal.example"]
    assert chosen("mail/harbour@rehearsal.example") == ["mail/harbour@rehearsal.example"]
    for nobody in ("onedrive/ada@rehearsal.example", "mail/nobody@rehearsal.example"):
        refused = mail.run("export", "--json", "--source", nobody)
        assert (refused.exit, refused.json["error"]["code"]) == (2, "source_unknown")
    guest = mail.run("export", "--json", "--source", "mail/cy@rehearsal.example")
    assert (guest.exit, guest.json["error"]["code"]) == (2, "no_mailbox")


def test_the_configuration_chooses_mailboxes(mail: Desk) -> None:
    def asked(more: str) -> tuple[list[str], dict[str, Any]]:
        mail.configure(more=f"sources: {{onedrive: none, sharepoint: none, directory: off, archive: none, {more}}}\n")
        document = mail.run("export", "--json").json
        return [row["name"] for row in document["sources"]], record(mail, document)

    names, kept = asked("mail: [BO@rehearsal.example]")
    assert names == ["bo@rehearsal.example"]
    assert kept["not_asked"] == ["mail/ada@rehearsal.example", "mail/harbour@rehearsal.example"]
    names, kept = asked("mail: all, exclude: [mail/ada@rehearsal.example, harbour@rehearsal.example]")
    assert names == ["bo@rehearsal.example"]
    assert "2 mailboxes are not asked for by the configuration." in mail.run("export").out
    names, kept = asked("mail: [mail/bo@rehearsal.example, nobody@rehearsal.example, cy@rehearsal.example]")
    lost = [row["name"] for row in kept["sources"] if row["coverage"][0].get("code") == "source_not_found"]
    assert lost == ["cy@rehearsal.example", "nobody@rehearsal.example"] and kept["exit"] == 3


def test_a_renamed_user_keeps_the_bag_and_is_found_by_either_name(mail: Desk) -> None:
    exported(mail)
    change(mail, kind="user", op="rename", id=ADA, userPrincipalName="ada@new.example")
    row = sources(mail.run("export", "--json").json)["ada@new.example"]
    assert row["bag"] == "mail/ada@rehearsal.example" and row["copied"] == 0
    for name in ("mail/ada@new.example", "ada@rehearsal.example"):
        assert [one["bag"] for one in mail.run("export", "--json", "--source", name).json["sources"]] == [row["bag"]]


def test_a_tenant_of_which_nobody_has_a_mailbox_is_not_complete(mail: Desk) -> None:
    """Nothing copied is not everything copied, until a person says that there is nothing."""
    faults(mail, {"fault": "no-mailbox", "route": "re:^(users/[^/]+/mailFolders|groups/[^/]+/threads)$"})
    found = mail.run("export", "--json")
    assert found.exit == 3
    assert [(row["kind"], row["name"], row["coverage"][0]["code"]) for row in found.json["sources"]] == [
        ("mail", "mail", "no_mailbox")
    ]
    assert mail.run("accept", "no_mailbox", "--source", "mail/mail", "--by", "A", "--reason", "so it is").exit == 0
    assert mail.run("export").exit == 0


# ---------------------------------------------------------------------------------------------------- coverage


def test_what_was_not_asked_for_is_said_of_each_mailbox(mail: Desk) -> None:
    row = sources(exported(mail))
    ada = states(row["ada@rehearsal.example"])
    assert ada["archive"] == ada["recoverable_items"] == ada["native_streams"] == "not asked"
    assert ada["contacts"] == ada["tasks"] == ada["calendar"] == "covered"
    assert ada["primary_mailbox"] == ada["pst"] == "covered"
    group = states(row["harbour@rehearsal.example"])
    assert group["group_conversations"] == "covered" and group["group_calendar"] == "not reachable"
    assert "primary_mailbox" not in group
    first = [found["coverage"][0]["class"] for found in row.values()]
    assert first == ["primary_mailbox", "primary_mailbox", "group_conversations"]


def test_what_no_application_reaches_is_said_in_every_run(mail: Desk) -> None:
    kept = record(mail, exported(mail))
    rows = {row["class"]: row for row in kept["coverage"]}
    assert {"public_folders", "inactive_mailboxes"} <= rows.keys()
    assert all(row["state"] == "never possible" and row["reason"] and row["alternative"] for row in rows.values())
    assert "public_folders" in mail.run("export").out


WITH_ARCHIVE = MAIL_ALONE.replace("archive: none", "archive: auto")


def found_of(document: dict[str, Any], name: str = EVERYBODY[0]) -> dict[str, dict[str, Any]]:
    return {entry["class"]: entry for entry in sources(document)[name]["coverage"]}


def test_an_archive_that_is_read_is_covered(mail: Desk) -> None:
    """Ada has one; Bo has none, and that is said."""
    mail.configure(more=WITH_ARCHIVE)
    document = exported(mail)
    ada, bo = found_of(document), found_of(document, EVERYBODY[1])
    assert ada["archive"]["state"] == bo["archive"]["state"] == "covered"
    assert "no archive" in bo["archive"]["reason"] and "no archive" not in ada["archive"]["reason"]
    assert ada["primary_mailbox"]["state"] == bo["primary_mailbox"]["state"] == "covered"


def test_q059_a_mailbox_whose_archive_cannot_be_read_is_in_part_until_a_person_accepts_it_by_name(mail: Desk) -> None:
    """Exit 3; in the coverage with what to do; the acceptance is of that mailbox, and ends when the archive goes on to refuse
    otherwise. `archive: none` is the other way."""
    mail.configure(more=WITH_ARCHIVE)
    archive = mailbox_id(mail.tenant.tenant, "users/u00005")
    refusal = {"fault": "status", "status": 403, "code": "ErrorAccessDenied"}
    faults(mail, {**refusal, "route": f"re:mailboxes/{re.escape(archive)}/|mailboxes/{re.escape(quote(archive))}/"})
    document = exported(mail, 3)
    ada = found_of(document)
    assert ada["archive"]["state"] == "not reachable" and ada["archive"]["code"] == "archive_unreadable"
    assert "eDiscovery" in ada["archive"]["alternative"]
    assert ada["primary_mailbox"]["state"] == "in part"
    assert sources(document)["ada@rehearsal.example"]["pending"] == 0
    assert "archive" in mail.run("export").out
    mail.configure(more=MAIL_ALONE)
    assert found_of(exported(mail))["primary_mailbox"]["state"] == "covered"
    mail.configure(more=WITH_ARCHIVE)
    exported(mail, 3)
    wrong = mail.run(
        "accept", "archive_unreadable", "--source", "mail/bo@rehearsal.example", "--by", "A", "--reason", "r"
    )
    assert wrong.exit == 2
    right = mail.run(
        "accept", "archive_unreadable", "--source", "mail/ada@rehearsal.example", "--by", "A", "--reason", "PST"
    )
    assert right.exit == 0
    accepted = found_of(exported(mail))
    assert accepted["primary_mailbox"]["state"] == "in part"
    assert accepted["whole"]["accepted"] == ["A"]


def lack(desk: Desk, *missing: str) -> None:
    """Take permissions away from the application."""
    client = Client(desk.tenant)
    client.control("POST", "settings", {"roles": sorted(DEFAULT_ROLES - {*missing})})
    client.control("POST", "revoke-tokens", {})


@pytest.mark.parametrize("missing", ["MailboxItem.Export.All", "MailboxItem.Read.All"])
def test_an_archive_that_may_be_listed_and_not_read_is_one_finding_with_one_acceptance(
    mail: Desk, missing: str
) -> None:
    """The folders of the archive tell their counts all the same: that nothing of them is held is no difference of counts."""
    mail.configure(more=WITH_ARCHIVE)
    lack(mail, missing)
    ada = found_of(exported(mail, 3))
    assert ada["archive"]["code"] == "archive_unreadable"
    assert ada["whole"]["code"] == "archive_unreadable"
    assert "not_reconciled" not in {row.get("code") for row in sources(exported(mail, 3))[EVERYBODY[0]]["coverage"]}
    text = mail.run("export").out
    assert missing in text and "Grant MailboxItem.Export.All" in text
    accepted = mail.run("accept", "archive_unreadable", "--by", "A", "--reason", "exported by eDiscovery")
    assert accepted.exit == 0, accepted.err
    exported(mail)
    assert mail.run("verify").exit == 0
    lack(mail)
    assert found_of(exported(mail))["archive"]["state"] == "covered"
    assert mail.run("verify").exit == 0


def test_a_second_capture_that_may_not_be_had_is_no_difference_of_counts(mail: Desk) -> None:
    """`fasttransfer: auto`: not a finding, and said in the text with what to do."""
    mail.configure(more=MAIL_ALONE.replace("fasttransfer: off", "fasttransfer: auto"))
    lack(mail, "MailboxItem.Export.All")
    result = mail.run("export")
    assert result.exit == 0, result.out
    assert "native_streams: not reachable (2 sources)" in result.out and "MailboxItem.Export.All" in result.out


@pytest.mark.parametrize(
    ("missing", "of"),
    [("Contacts.Read", "contacts"), ("MailboxSettings.Read", "settings"), ("Tasks.Read.All", "tasks")],
)
def test_a_part_that_may_not_be_read_is_named_in_the_text_with_its_permission(
    mail: Desk, missing: str, of: str
) -> None:
    lack(mail, missing)
    result = mail.run("export")
    assert result.exit == 3
    told = result.out[result.out.index(f"! {of}: ") :]
    assert f"Grant {missing}" in told


# ----------------------------------------------------------------------------------------- refusals, acceptances


def test_a_mailbox_that_goes_away_is_said_until_a_person_accepts_it(mail: Desk) -> None:
    """Held or soft-deleted after it was copied: nothing is marked gone; another acceptance of items does not cover it."""
    exported(mail)
    change(mail, kind="mailbox", op="deactivate", user=BO)
    result = mail.run("export", "--json")
    assert result.exit == 3
    row = sources(result.json)["bo@rehearsal.example"]
    codes = {entry.get("code") for entry in row["coverage"]}
    assert {"no_mailbox", "mass_disappearance"} <= codes and row["gone"] == 0
    accepted = mail.run("accept", "no_mailbox", "--source", "bo@rehearsal.example", "--by", "A", "--reason", "has left")
    assert accepted.exit == 0
    assert mail.run("export").exit == 0
    assert mail.run("verify").exit == 0


def test_an_item_of_mail_is_accepted_as_any_other(mail: Desk) -> None:
    """By its code and for its mailbox; the same code in another mailbox stays open."""
    ids = "|".join(made_id("message", user, 5, "data", immutable=True) for user in (0, 1))
    faults(mail, {"fault": "mime-failed", "route": f"re:/messages/({ids})/.value$"})
    first = exported(mail, 3)
    (code,) = first["exceptions"]
    assert code == "mime_refused"
    both = [row["name"] for row in first["sources"] if row["excepted"]]
    assert both == EVERYBODY[:2]
    for name, status in zip(both, (3, 0), strict=True):
        assert mail.run("accept", code, "--source", f"mail/{name}", "--by", "A", "--reason", "S/MIME").exit == 0
        exported(mail, status)


def test_a_mailbox_that_may_not_be_read_does_not_stop_the_others(data: Path, tmp_path: Path, capsys: Any) -> None:
    settings = Settings(denied_mailboxes=frozenset({BO}))
    with Rehearsal(data, clock=SystemClock(), state=tmp_path / "server", settings=settings) as served:
        desk = Desk(tmp_path, served, capsys)
        desk.configure(more=MAIL_ALONE)
        result = desk.run("export", "--json")
        assert result.exit == 3
        found = sources(result.json)
        assert found["bo@rehearsal.example"]["coverage"][0]["code"] in {"permission_missing", "access_denied"}
        assert found["ada@rehearsal.example"]["copied"] > 0 and found["harbour@rehearsal.example"]["copied"] > 0


@pytest.mark.parametrize(
    ("lacking", "status", "says"),
    [("Mail.Read", 1, "Mail.Read"), ("Group.Read.All", 3, "Group.Read.All"), ("Contacts.Read", 3, "Contacts.Read")],
)
def test_a_missing_permission_is_named(
    lacking: str, status: int, says: str, data: Path, tmp_path: Path, capsys: Any
) -> None:
    """Without mail itself nothing begins; without another one that part of each mailbox is a finding, by `check` as well."""
    settings = Settings(roles=DEFAULT_ROLES - {lacking})
    with Rehearsal(data, clock=SystemClock(), state=tmp_path / "server", settings=settings) as served:
        desk = Desk(tmp_path, served, capsys)
        desk.configure(more=MAIL_ALONE)
        checked = desk.run("check", "--json")
        bad = [check["message"] for check in checked.json["checks"] if check["mark"] == "bad"]
        assert checked.exit == status and len(bad) == 1 and says in bad[0]
        result = desk.run("export", "--json")
        assert result.exit == status
        if status == 1:
            assert says in result.json["error"]["message"] and "sources.mail: none" in result.json["error"]["action"]
            assert not (desk.copy / "lastcopy.json").exists()
        else:
            assert says in json.dumps(result.json["sources"])
        if lacking == "Group.Read.All":
            accepted = desk.run("accept", "permission_missing", "--source", "mail/groups", "--by", "A", "--reason", "r")
            assert accepted.exit == 0
            assert exported(desk)["exit"] == 0


def test_mail_that_is_not_asked_for_needs_no_permission(data: Path, tmp_path: Path, capsys: Any) -> None:
    settings = Settings(roles=DEFAULT_ROLES - {"Mail.Read"})
    with Rehearsal(data, clock=SystemClock(), state=tmp_path / "server", settings=settings) as served:
        desk = Desk(tmp_path, served, capsys)
        desk.configure(more="sources: {mail: none, sharepoint: none, directory: off}\n")
        assert desk.run("export", "--json").json["sources"][0]["coverage"][0]["code"] == "no_drive"
        assert not [row for row in Client(served).control("GET", "requests") if "mailFolders" in row["path"]]


def test_the_tenant_of_now_beside_the_copy(mail: Desk) -> None:
    exported(mail)
    assert mail.run("verify", "--against-tenant").exit == 0
    first = json.loads((mail.tenant.tenant.folder / "users/u00001/messages.jsonl").read_text().splitlines()[0])
    change(mail, kind="message", op="delete", user=BO, id=first["id"])
    found = mail.run("verify", "--against-tenant", "--json")
    assert found.exit == 3
    rows = {row["bag"]: row for row in found.json["against_tenant"]}
    assert rows["mail/bo@rehearsal.example"]["unexpected"] == 1
    assert rows["mail/ada@rehearsal.example"]["listed"] > 20 and rows["mail/harbour@rehearsal.example"]["listed"] > 0
    assert all(row["problem"] is None for row in rows.values())


def drilled(desk: Desk, to: Path, *more: str) -> tuple[int, dict[str, Any]]:
    result = desk.run("restore", "--to", str(to), "--json", *more)
    found: dict[str, Any] = json.loads(result.out)["drill"]
    return result.exit, found


def test_a_drill_opens_what_it_restores_and_goes_on_record(mail: Desk, tmp_path: Path) -> None:
    """(issue 10, 5) N items of each source and every PST are taken out and opened; the same seed takes the same; a PST that is
    another one fails; the journal says who tested what."""
    exported(mail)
    asked = ("--drill", "3", "--seed", "s1", "--by", "Anna Berg")
    first, second = drilled(mail, tmp_path / "one", *asked), drilled(mail, tmp_path / "two", *asked)
    assert first == second and first[0] == 0 and first[1]["failed"] == 0
    assert any("libpff" in reader for reader in first[1]["readers"])
    trees = [{path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")} for name in ("one", "two")]
    assert trees[0] == trees[1]
    lines = [line for path in sorted((mail.copy / "journal").iterdir()) for line in path.read_bytes().splitlines()]
    rows = [json.loads(line) for line in lines if b'"drilled"' in line]
    assert [row["by"] for row in rows] == ["Anna Berg"] * 2
    assert rows[0]["passed"] == first[1]["passed"] == len(rows[0]["items"])
    assert {item["opened"] for item in rows[0]["items"]} >= {"mail", "pst"}
    pst = next(mail.copy.glob("mail/ada*/data/pst/*.pst"))
    pst.write_bytes(pst.read_bytes()[:-1] + b"?")
    status, document = drilled(mail, tmp_path / "three", "--drill", "1")
    assert status == 3 and [what for what, _ in document["failures"]] == [str(pst.relative_to(mail.copy))]
