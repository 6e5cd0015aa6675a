"""What coverage says of a mailbox: never more than the counts and the exporter do (design §5)."""

from typing import Any

import pytest

from exporters.copied import CopyResult
from exporters.drive.settings import DriveSettings
from exporters.errors import SourceError
from exporters.mail.settings import MailSettings
from exporters.results import SourceResult, coverage_of
from exporters.sources import Source, SourceKind
from retention.acceptance import Acceptances
from retention.findings import found_of

ANNA = Source(SourceKind.MAIL, "u1", "anna@contoso.com")
GROUP = Source(SourceKind.MAIL, "g1", "board@contoso.com", is_group=True)
COUNTS = {"listed": 10, "copied": 10, "excepted": 0, "pending": 0}


def result_of(source: Source = ANNA, **told: Any) -> SourceResult:
    result = SourceResult(source, bag=source.label)
    result.take(CopyResult(**{"counts": dict(COUNTS), "has_answered": True, **told}))
    return result


def rows(result: SourceResult, **asked: Any) -> dict[str, dict[str, Any]]:
    found = coverage_of(result, DriveSettings(), MailSettings(**asked))
    assert len({row["class"] for row in found}) == len(found), "a class is told once"
    return {row["class"]: row for row in found}


def test_nothing_heard_of_an_archive_is_not_covered() -> None:
    found = rows(result_of())
    assert found["archive"]["state"] == "not reachable" and found["archive"]["alternative"]
    assert found["primary_mailbox"]["state"] == "in part"


@pytest.mark.parametrize(
    ("state", "primary"), [("covered", "covered"), ("not reachable", "in part"), ("in part", "in part")]
)
def test_a_primary_mailbox_is_covered_only_with_its_archive(state: str, primary: str) -> None:
    told = [{"class": "mail", "state": "covered"}, {"class": "archive", "state": state}]
    found = rows(result_of(coverage=told))
    assert (found["archive"]["state"], found["primary_mailbox"]["state"]) == (state, primary)


def test_an_archive_that_nobody_asked_for_takes_nothing_away() -> None:
    found = rows(result_of(), archive="none")
    assert (found["archive"]["state"], found["primary_mailbox"]["state"]) == ("not asked", "covered")


@pytest.mark.parametrize(
    ("kind", "in_part"),
    [
        ("message", "primary_mailbox"),
        ("attachment", "primary_mailbox"),
        ("contact", "contacts"),
        ("event", "calendar"),
        ("task", "tasks"),
        ("rule", "settings"),
        ("stream", "native_streams"),
    ],
)
def test_an_exception_makes_its_own_class_partial(kind: str, in_part: str) -> None:
    result = result_of(counts={**COUNTS, "excepted": 1}, excepted_kinds={kind: 1})
    found = {name: row for name, row in rows(result, archive="none").items() if row["state"] == "in part"}
    assert set(found) == ({in_part} if in_part != "native_streams" else set())


@pytest.mark.parametrize("told", [{"counts": {**COUNTS, "pending": 1}}, {"unexplained": 1}, {"counts": {}}])
def test_what_is_of_no_class_makes_all_partial(told: dict[str, Any]) -> None:
    found = rows(result_of(**told), archive="none", recoverable="all")
    for name in ("primary_mailbox", "recoverable_items", "contacts", "calendar", "tasks", "settings"):
        assert found[name]["state"] == "in part", name


def test_a_mailbox_that_could_not_be_copied_says_so_in_its_first_row() -> None:
    for source, name in ((ANNA, "primary_mailbox"), (GROUP, "group_conversations")):
        result = result_of(source)
        result.problem = SourceError("no", code="permission_missing", action="a")
        (row,) = coverage_of(result, DriveSettings(), MailSettings())
        assert (row["class"], row["state"], row["code"]) == (name, "not reachable", "permission_missing")


def test_a_pst_that_lacks_something_is_a_finding_that_lasts() -> None:
    """By the cursor of the bag: also in a run that composed nothing. Another number is another finding."""
    digests = []
    for number in (1, 1, 2):
        result = result_of()
        result.take_pst({"kind": "composed", "parts": ["a.pst"], "not_composed": {"mime-refused": number}}, None)
        row = rows(result)["pst"]
        assert row["state"] == "in part" and row["parts"] == ["a.pst"]
        found = found_of(result, Acceptances())
        assert "pst_incomplete" in found.open_wholes
        digests.append(found.wholes["pst_incomplete"])
    assert digests[0] == digests[1] != digests[2]


def test_a_pst_that_could_not_be_made_does_not_take_the_copy_away() -> None:
    result = result_of()
    result.take_pst(None, SourceError("it could not be written", code="pst_failed", action="lastcopy compose"))
    found = rows(result, archive="none")
    assert found["primary_mailbox"]["state"] == "covered"
    assert (found["pst"]["state"], found["pst"]["code"]) == ("in part", "pst_failed")
    assert found_of(result, Acceptances()).is_open


def test_what_a_pst_does_not_show_yet_is_told() -> None:
    result = result_of()
    result.take_pst({"kind": "composed", "parts": ["a.pst"], "not_composed": {}, "superseded": {"moved": 3}}, None)
    row = rows(result)["pst"]
    assert row["state"] == "covered" and row["superseded"] == {"moved": 3} and "recompose" in row["alternative"]
    assert not [code for code in found_of(result, Acceptances()).open_wholes if code.startswith("pst")]


@pytest.mark.parametrize(
    "cursor", [None, {"kind": "composing", "parts": []}, {"kind": "recomposing", "parts": ["a.pst"]}]
)
def test_a_pst_that_was_not_finished_is_not_covered(cursor: dict[str, Any] | None) -> None:
    result = result_of()
    result.take_pst(cursor, None)
    assert rows(result)["pst"]["state"] == "in part"


def test_a_directory_is_covered_as_its_exporter_says() -> None:
    source = Source(SourceKind.DIRECTORY, "t1", "directory")
    told = [{"class": "directory", "state": "covered"}, {"class": "term_store", "state": "not reachable"}]
    assert {name: row["state"] for name, row in rows(result_of(source, coverage=told)).items()} == {
        "directory": "covered",
        "term_store": "not reachable",
    }
    assert rows(result_of(source))["directory"]["state"] == "in part"  # nothing was told
    refused = result_of(source)
    refused.problem = SourceError("no", code="permission_missing")
    assert rows(refused)["directory"]["state"] == "not reachable"


def test_a_onedrive_says_that_lists_beside_it_are_not_copied() -> None:
    found = rows(result_of(Source(SourceKind.ONEDRIVE, "d1", "anna@contoso.com")))
    assert found["files"]["state"] == "covered" and found["personal_lists"]["state"] == "not asked"
    assert found["personal_lists"]["reason"] and found["personal_lists"]["alternative"]
