"""Which mailboxes there are: every user and Microsoft 365 group is asked for once, and what we hold stays a source.

Rules of this file: a real session at the simulated tenant of `mailbox_data`: Ada, Bo (a room), Cy (a guest), Di (inactive), Ed
(on-premises), the group Harbour, and a security group.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporters.discovery import Source, Undiscovered
from exporters.sources import SourceKind
from tests.unit.discovery_desk import Desk, desk_at
from tests.unit.rehearsal.mailbox_data import ADA, BO, CY, GROUP, write_tenant

BOTH = (SourceKind.ONEDRIVE, SourceKind.MAIL)
ABSENT = {f"mail/{name}@rehearsal.example" for name in ("cy", "di", "ed")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tenant(tmp_path_factory.mktemp("data") / "tenant")


@pytest.fixture
def desk(data: Path, tmp_path: Path) -> Iterator[Desk]:
    with desk_at(data, tmp_path) as made:
        yield made


def test_users_rooms_and_groups_are_sources_by_their_ids(desk: Desk) -> None:
    found = desk.sources()
    assert {(source.label, source.id, source.owner, source.is_group) for source in found.values()} == {
        ("mail/ada@rehearsal.example", ADA, None, False),
        ("mail/bo@rehearsal.example", BO, None, False),
        ("mail/harbour@rehearsal.example", GROUP, None, True),
    }


def test_q057_a_user_without_a_mailbox_is_said_and_asked_once_a_week(desk: Desk) -> None:
    """Guests, on-premises, inactive: no mailbox, by the service's own word; the week over, or licences changed: asked again."""
    assert desk.absent() == ABSENT
    assert len(desk.asked()) == 6  # five users and one group; what is there is asked again as long as no bag has it
    assert desk.absent() == ABSENT
    assert len(desk.asked()) == 3
    desk.clock.advance(timedelta(days=7).total_seconds())
    assert desk.absent() == ABSENT
    assert len(desk.asked()) == 6
    desk.fault(
        fault="edit", route="users", edits=[{"at": "value/*/assignedLicenses", "to": [{"skuId": "x"}], "add": True}]
    )
    assert desk.absent() == ABSENT
    assert len(desk.asked()) == 6


def test_q046_a_mailbox_that_we_hold_is_not_asked_for(desk: Desk) -> None:
    for source in desk.sources().values():
        desk.hold(source)
    desk.asked()
    assert len(desk.sources()) == 3
    assert desk.asked() == []


@pytest.mark.parametrize("code", ["ErrorInvalidUser", "Request_ResourceNotFound", "ResourceNotFound"])
def test_q058_whatever_exchange_calls_a_user_that_it_does_not_know(code: str, desk: Desk) -> None:
    """The directory has the user, Exchange does not: no mailbox. A directory that has not says so: a finding, and no absence."""
    route = f"users/{ADA}/mailFolders"
    desk.fault(fault="status", route=route, status=404, code=code, message="The requested user is invalid.")
    assert "mail/ada@rehearsal.example" in desk.absent()


def test_q058_a_user_who_left_between_two_requests_is_a_finding(desk: Desk) -> None:
    rules = [
        {"fault": "status", "route": f"users/{ADA}/mailFolders", "status": 404, "code": "ErrorInvalidUser"},
        {"fault": "status", "route": f"users/{ADA}", "status": 404, "code": "Request_ResourceNotFound"},
    ]
    desk.client.control("POST", "faults", rules)
    assert desk.problems() == {"mail/ada@rehearsal.example": "not_found"}
    desk.client.control("POST", "faults", [])
    assert "mail/ada@rehearsal.example" in desk.sources()


def test_q057_a_plain_not_found_leaves_nobody_out(desk: Desk) -> None:
    """404 in words that say nothing of mailboxes, twice: a finding; asked again in the next run, not in a week."""
    desk.fault(fault="404", route=f"users/{ADA}/mailFolders")
    assert desk.problems() == {"mail/ada@rehearsal.example": "not_found"}
    desk.client.control("POST", "faults", [])
    assert "mail/ada@rehearsal.example" in desk.sources()


def test_a_mailbox_over_its_quota_is_there(desk: Desk) -> None:
    desk.fault(fault="mailbox-full", route=f"users/{ADA}/mailFolders")
    assert "mail/ada@rehearsal.example" in desk.sources()


def test_a_mailbox_that_may_not_be_read_is_a_finding_with_its_reason(desk: Desk) -> None:
    desk.fault(fault="status", route=f"users/{BO}/mailFolders", status=403, code="ErrorAccessDenied")
    found = [one for one in desk.found() if isinstance(one, Undiscovered)]
    assert [(one.label, one.code) for one in found] == [("mail/bo@rehearsal.example", "permission_missing")]
    assert "Mail.Read" in found[0].action


def test_groups_that_may_not_be_listed_are_one_finding(desk: Desk) -> None:
    desk.fault(fault="status", route="groups", status=403, code="Authorization_RequestDenied")
    assert desk.problems() == {"mail/groups": "permission_missing"}
    assert "mail/ada@rehearsal.example" in desk.sources()


def test_a_user_who_is_gone_stays_a_source_and_a_group_is_still_known_as_one(desk: Desk) -> None:
    """By the store alone: the directory lists neither."""
    gone = Source(SourceKind.MAIL, "0000000f-0000-4000-8000-000000000000", "gone@rehearsal.example")
    group = Source(SourceKind.MAIL, "0000000e-0000-4000-8000-000000000000", "old@rehearsal.example", is_group=True)
    desk.hold(gone, archive="auto")
    desk.hold(group, group=True)
    found = desk.sources()
    assert found[gone.label] == gone
    assert found[group.label] == group


def test_kinds_are_found_in_one_pass_over_the_users(desk: Desk) -> None:
    desk.client.control("POST", "reset-requests", {})
    found = desk.found(*BOTH)
    rows = desk.client.control("GET", "requests")
    assert sum(row["path"].endswith("/v1.0/users") for row in rows) == 1
    assert {one.kind for one in found} == {SourceKind.MAIL}  # nobody here has a drive
    assert sum(row["path"].endswith("/drive") for row in rows) == 5
    desk.client.control("POST", "reset-requests", {})
    desk.found(SourceKind.ONEDRIVE)
    assert desk.asked() == []


def test_a_guest_with_a_mailbox_is_not_passed_over(desk: Desk) -> None:
    """Neither kind of user nor licence decides: the service does."""
    body = {"value": [{"id": "x"}]}
    desk.fault(fault="status", route=f"users/{CY}/mailFolders", status=200, body=body)
    assert "mail/cy@rehearsal.example" in desk.sources()


def test_the_directory_is_one_source_found_first_and_without_the_users(desk: Desk) -> None:
    def asked() -> list[str]:
        rows = desk.client.control("GET", "requests")
        desk.client.control("POST", "reset-requests", {})
        return [row["path"] for row in rows if row["host"] == "graph"]

    tenant = desk.client.info["tenant"]
    asked()
    (source,) = desk.found(SourceKind.DIRECTORY)
    assert (source.kind, source.id, source.label) == (SourceKind.DIRECTORY, tenant, "directory/directory")
    assert asked() == ["/v1.0/organization"]
    assert desk.hold(source) == "directory"
    assert desk.found(SourceKind.DIRECTORY) == [source] and asked() == []
    assert desk.found(SourceKind.MAIL, SourceKind.DIRECTORY)[0] == source


def test_a_directory_that_does_not_say_whose_it_is_is_a_finding_and_stops_no_other(desk: Desk) -> None:
    desk.fault(fault="status", route="organization", status=403, code="Authorization_RequestDenied")
    first, *others = desk.found(SourceKind.MAIL, SourceKind.DIRECTORY)
    assert isinstance(first, Undiscovered) and (first.label, first.code) == (
        "directory/directory",
        "permission_missing",
    )
    assert len(others) == 6
