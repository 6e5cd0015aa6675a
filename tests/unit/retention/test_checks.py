"""What `check` makes of what it finds (design §6)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.errors import ConfigurationError, RunError
from retention.checks import Check, _clock, _permissions, _versioning, failed, verdict
from retention.config import Config, parse
from retention.permissions import BASE, DIRECTORY, DRIVES, EXPORT_API, GROUPS, MAIL, TASKS, needs_of
from retention.verdicts import Exit

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROLES = frozenset({"User.Read.All", "Organization.Read.All", "Files.Read.All", "LicenseAssignment.Read.All"})


@pytest.mark.parametrize(
    ("seconds", "mark", "status"),
    [(0, "good", 0), (60, "good", 0), (-61, "doubtful", 0), (600, "doubtful", 0), (-601, "bad", 3), (90_000, "bad", 3)],
)
def test_clock_difference(seconds: int, mark: str, status: int) -> None:
    (check,) = _clock("clock", lambda: (NOW, NOW + timedelta(seconds=seconds)))
    assert (check.mark, check.exit) == (mark, status)
    assert (check.mark == "good") == (not check.action)


def test_a_clock_that_nobody_knows_is_no_line() -> None:
    assert list(_clock("clock", lambda: None)) == []


@pytest.mark.parametrize(
    ("roles", "marks"),
    [
        (ROLES, ["good", "good", "good"]),
        (ROLES - {"Files.Read.All"}, ["good", "good", "bad"]),
        (ROLES - {"Files.Read.All"} | {"Sites.Read.All"}, ["good", "good", "good"]),
        (ROLES - {"LicenseAssignment.Read.All", "Organization.Read.All"}, ["good", "good", "good", "doubtful"]),
        (ROLES | {"Files.ReadWrite.All"}, ["good", "good", "good", "doubtful"]),
        (frozenset(), ["doubtful"]),
    ],
)
def test_permissions(roles: frozenset[str], marks: list[str]) -> None:
    checks = list(_permissions(roles))
    assert [check.mark for check in checks] == marks
    assert verdict(checks) == (Exit.FAILED if "bad" in marks else Exit.COMPLETE)


MAIL_ROLES = {need.name for need in (*MAIL, TASKS, GROUPS, *EXPORT_API)}


@pytest.mark.parametrize(
    ("lacking", "status"),
    [
        (set(), Exit.COMPLETE),
        ({"Mail.Read"}, Exit.FAILED),
        ({"Contacts.Read"}, Exit.PARTIAL),
        ({"Group.Read.All"}, Exit.PARTIAL),
        ({"MailboxItem.Export.All", "Tasks.Read.All"}, Exit.PARTIAL),
        ({"MailboxFolder.Read.All"}, Exit.COMPLETE),
    ],
)
def test_permissions_of_mail(lacking: set[str], status: Exit) -> None:
    """Each that is missing is named, with what it is for; only without mail itself is there nothing to begin."""
    checks = list(_permissions(ROLES | MAIL_ROLES - lacking, (*BASE, *DRIVES, *MAIL, TASKS, GROUPS, *EXPORT_API)))
    told = [check for check in checks if check.mark != "good"]
    assert {check.message.partition(" ")[0] for check in told} == lacking
    assert all(" to " in check.message and check.action for check in told)
    assert verdict(checks) == status


def test_what_is_asked_for_by_name_is_not_merely_welcome() -> None:
    """`mail.fasttransfer: on`: without its permissions the copy is not what was asked for."""
    tenant = "tenant: {id: contoso.com, client_id: x, credential: {secret: env:X}}\nmail: {fasttransfer: on}\n"
    checks = list(_permissions(ROLES | {"Mail.Read"}, needs_of(Config(Path("lastcopy.yaml"), parse(tenant)))))
    bad = {check.message.partition(" ")[0] for check in checks if check.mark == "bad"}
    assert bad >= {need.name for need in EXPORT_API}
    assert verdict(checks) == Exit.PARTIAL


def needs(text: str, cloud: str = "worldwide") -> set[str]:
    tenant = f"tenant: {{id: contoso.com, cloud: {cloud}, client_id: x, credential: {{secret: env:X}}}}\n"
    return {need.name for need in needs_of(Config(Path("lastcopy.yaml"), parse(tenant + text)))}


def test_permissions_follow_what_is_asked_for_and_what_the_cloud_has() -> None:
    base = {"User.Read.All", "Organization.Read.All"}
    sites, off = {"Sites.Read.All"}, "directory: off"
    assert needs(f"sources: {{mail: none, {off}}}") == base | {"Files.Read.All"} | sites
    assert needs(f"sources: {{mail: none, sharepoint: none, {off}}}") == base | {"Files.Read.All"} | sites
    assert needs(f"sources: {{mail: none, onedrive: none, {off}}}") == base | sites
    none = f"sharepoint: none, {off}"
    assert needs(f"sources: {{onedrive: none, {none}}}") == base | MAIL_ROLES
    assert needs(f"sources: {{mail: none, onedrive: none, {none}}}") == base
    export = {need.name for need in EXPORT_API}
    quiet = f"sources: {{onedrive: none, archive: none, {none}}}\nmail: {{fasttransfer: off}}"
    assert needs(quiet) == base | MAIL_ROLES - export
    assert needs(f"sources: {{onedrive: none, {none}}}", "usgov_l4") == base | MAIL_ROLES - export
    assert needs(f"sources: {{onedrive: none, {none}}}", "china") == base | MAIL_ROLES - export - {"Tasks.Read.All"}
    directory = {need.name for need in DIRECTORY}
    assert needs("sources: {mail: none, onedrive: none, sharepoint: none}") == base | directory


@pytest.mark.parametrize("sources", ["mail: none, onedrive: none", "mail: none, sharepoint: none"])
def test_the_lack_of_sites_read_all_is_partial_and_says_what_for(sources: str) -> None:
    """Sites, or the OneDrives of people who left, stay uncovered: the rest is copied."""
    text = f"tenant: {{id: contoso.com, client_id: x, credential: {{secret: env:X}}}}\nsources: {{{sources}, directory: off}}\n"
    config = Config(Path("lastcopy.yaml"), parse(text))
    have = frozenset({"User.Read.All", "Organization.Read.All", "Files.Read.All", "LicenseAssignment.Read.All"})
    found = [check for check in _permissions(have | {"Sites.Selected"}, needs_of(config)) if check.mark == "bad"]
    assert [check.message.partition(" ")[0] for check in found] == ["Sites.Read.All"] and verdict(found) == Exit.PARTIAL
    for role in ("Sites.Read.All", "Sites.FullControl.All"):
        assert verdict(list(_permissions(have | {role}, needs_of(config)))) == Exit.COMPLETE


@pytest.mark.parametrize(
    ("versioning", "lock", "mark"),
    [(True, None, "good"), (None, None, "doubtful"), (False, False, "doubtful"), (False, True, "bad")],
)
def test_versioning(versioning: bool | None, lock: bool | None, mark: str) -> None:
    assert _versioning(versioning, lock).mark == mark


def test_wrong_configuration_weighs_more_than_failure() -> None:
    wrong = failed("store", ConfigurationError("m", code="c", action="a"))
    refused = failed("sign-in", RunError("m", code="c", action="a"))
    assert verdict([Check("x", "good", "m"), refused, wrong]) == Exit.USAGE
    assert verdict([refused, Check("clock", "bad", "m", "a", Exit.PARTIAL)]) == Exit.FAILED
    assert verdict([Check("x", "doubtful", "m")]) == Exit.COMPLETE
