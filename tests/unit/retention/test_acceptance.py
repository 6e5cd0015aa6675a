"""What an acceptance covers, by the rows of the journal alone (docs/decisions/0022)."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.formats import dump_json
from exporters.clock import ManualClock
from exporters.errors import ConfigurationError
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from retention.acceptance import Acceptances, digest_of, place_of
from retention.accepting import accept
from retention.journal import Journal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANNA, BOB = "onedrive/anna@contoso.com", "onedrive/bob@contoso.com"
LOCKED = digest_of("locked")
Row = dict[str, Any]


def started(run: str) -> Row:
    return {"type": "run_started", "run": run, "at": "2026-11-23T11:00:00Z"}


def ended(run: str, **more: Any) -> Row:
    return {"type": "run_ended", "run": run, "at": "2026-11-23T11:30:00Z", "bags": {ANNA: {}, BOB: {}}, **more}


def accepted(code: str, **more: Any) -> Row:
    return {"type": "accepted", "code": code, "by": "Anna Berg", "reason": "r", "at": "2026-11-23T12:00:00Z", **more}


# ------------------------------------------------------------------------------------------------------------- items


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_of_items_the_order_of_the_journal_decides_and_no_clock(hours: int) -> None:
    found = {"r1": NOW + timedelta(hours=hours)}
    assert Acceptances.of([started("r1"), ended("r1"), accepted("malware")]).of_items("malware", ANNA, found)
    assert not Acceptances.of([accepted("malware"), started("r1"), ended("r1")]).of_items("malware", ANNA, found)
    assert not Acceptances.of([started("r1"), accepted("malware"), ended("r1")]).of_items("malware", ANNA, found)
    assert not Acceptances.of([accepted("malware")]).of_items("malware", ANNA, found), "the run that is under way"


def test_of_a_run_that_was_cut_off_counts_what_it_found_before_the_acceptance() -> None:
    rows = [started("cut"), started("r2"), ended("r2"), accepted("malware")]
    acceptances = Acceptances.of([*rows, started("r3")])
    assert acceptances.of_items("malware", ANNA, {"cut": NOW - timedelta(hours=1)})
    assert not acceptances.of_items("malware", ANNA, {"cut": NOW + timedelta(seconds=1)})
    assert not acceptances.of_items("malware", ANNA, {"r3": NOW - timedelta(hours=1)}), "it began later"


def test_what_no_run_has_shown_of_a_bag_is_not_accepted_with_what_was_shown_of_another() -> None:
    """A run that failed, or was cut off, found something in a bag of which neither it nor a later one has told."""
    found = {"r1": NOW - timedelta(hours=1)}
    failed = [started("r1"), {**ended("r1"), "bags": {ANNA: {}}}, accepted("malware")]
    assert Acceptances.of(failed).of_items("malware", ANNA, found)
    assert not Acceptances.of(failed).of_items("malware", BOB, found)
    shown = [*failed, started("r2"), ended("r2"), accepted("malware", by="Bo Carl")]
    assert Acceptances.of(shown).of_items("malware", BOB, found) == ["Bo Carl"]
    cut = [started("r0"), ended("r0"), started("r1"), accepted("malware")]
    assert not Acceptances.of(cut).of_items("malware", ANNA, found)


def test_each_run_that_found_items_has_to_be_covered_by_some_acceptance() -> None:
    rows = [started("r1"), ended("r1"), accepted("malware"), started("r2"), ended("r2")]
    both = {"r1": NOW, "r2": NOW}
    assert not Acceptances.of(rows).of_items("malware", ANNA, both)
    by = Acceptances.of([*rows, accepted("malware", by="Bo Carl", source=ANNA)])
    assert by.of_items("malware", ANNA, both) == ["Anna Berg", "Bo Carl"]
    assert not by.of_items("malware", BOB, both)
    assert not by.of_items("irm_protected", ANNA, both)


# ----------------------------------------------------------------------------------------------------- whole sources


def of_locked(*rows: Row) -> list[str]:
    """Who accepted that Anna's drive is locked, after a run has shown it and somebody has accepted it."""
    first = [started("r1"), ended("r1", wholes={ANNA: {"locked": LOCKED}}, refused=[ANNA])]
    return Acceptances.of([*first, accepted("locked", wholes={ANNA: LOCKED}), *rows]).of_whole(ANNA, "locked", LOCKED)


def test_a_refusal_is_accepted_as_long_as_runs_show_it() -> None:
    shows: Row = {"wholes": {ANNA: {"locked": LOCKED}}, "refused": [ANNA]}
    assert of_locked() == ["Anna Berg"]
    assert of_locked(ended("r2", **shows), ended("r3", **shows))
    assert not of_locked(ended("r2")), "it answered"
    assert not of_locked(ended("r2"), ended("r3", **shows)), "and is locked again"
    assert not of_locked(ended("r2", wholes={ANNA: {"not_found": "d"}}, refused=[ANNA])), "it refuses otherwise"


def test_a_run_that_learnt_nothing_ends_nothing() -> None:
    assert of_locked(ended("r2", wholes={ANNA: {"connection_failed": "d"}}, unanswered=[ANNA]))
    assert of_locked(ended("r2", unanswered=[ANNA]))
    assert of_locked({**ended("r2"), "bags": {BOB: {}}})
    assert of_locked(started("r2"))


def test_a_refusal_leaves_what_was_accepted_of_the_content() -> None:
    rows = [
        ended("r1", wholes={ANNA: {"not_reconciled": "d1"}}),
        accepted("not_reconciled", wholes={ANNA: "d1"}),
        ended("r2", wholes={ANNA: {"locked": LOCKED}}, refused=[ANNA]),
    ]
    assert Acceptances.of(rows).of_whole(ANNA, "not_reconciled", "d1")
    assert not Acceptances.of(rows).of_whole(ANNA, "not_reconciled", "d2")
    assert not Acceptances.of(rows).of_whole(BOB, "not_reconciled", "d1")
    later = [*rows, ended("r3", wholes={ANNA: {"not_reconciled": "d2"}})]
    assert not Acceptances.of(later).of_whole(ANNA, "not_reconciled", "d1"), "another difference took its place"


def test_what_no_run_showed_is_covered_by_no_row() -> None:
    rows = [ended("r1"), accepted("locked", wholes={ANNA: LOCKED})]
    assert not Acceptances.of(rows).of_whole(ANNA, "locked", LOCKED)
    old = [ended("r1", wholes={ANNA: {"locked": LOCKED}}), accepted("locked", source=ANNA)]
    assert not Acceptances.of(old).of_whole(ANNA, "locked", LOCKED)


def test_a_name_without_a_bag_is_another_place_than_the_bag_of_that_name() -> None:
    name = place_of(None, "onedrive/Anna@contoso.com")
    rows = [
        {**ended("r1", wholes={name: {"not_found": "d"}}, refused=[name]), "bags": {}},
        accepted("not_found", wholes={name: "d"}),
    ]
    assert Acceptances.of(rows).of_whole(name, "not_found", "d")
    assert not Acceptances.of(rows).of_whole(ANNA, "not_found", "d")
    partly, through = {**ended("r2"), "bags": {}}, {**ended("r2", all_sources=True), "bags": {}}
    assert Acceptances.of([*rows, partly]).of_whole(name, "not_found", "d")
    assert not Acceptances.of([*rows, through]).of_whole(name, "not_found", "d"), "nobody of that name was missed"


# ---------------------------------------------------------------------------------------------------------- the verb


def entry_of(drive: str) -> str:
    """The key of the record of a OneDrive."""
    return f"sources/{hashlib.sha256(f'onedrive {drive}'.encode()).hexdigest()[:24]}.json"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store of two sources, one of whom has had the name of the other."""
    made = FolderStore(tmp_path / "store", url="file:store")
    for number, (bag, names) in enumerate(
        [(ANNA, ["anna@contoso.com", "former@contoso.com"]), (BOB, ["bob@contoso.com"])]
    ):
        record = {
            "kind": "onedrive",
            "id": f"d{number}",
            "owner": "u",
            "bag": bag,
            "names": [{"name": n, "since": "2026-01-01T00:00:00Z"} for n in names],
        }
        made.put(entry_of(f"d{number}"), dump_json(record), if_absent=True)
    return made


def journal(store: FolderStore, *rows: Row) -> None:
    for row in rows:
        Journal(store, ManualClock(NOW)).append([row], run=row.get("run"))


def give(store: FolderStore, code: str, source: str | None = None) -> Row:
    return accept(store, ManualClock(NOW), code=code, source=source, by="Anna Berg", reason="r")[0]


def test_the_row_says_what_it_covers(store: FolderStore) -> None:
    journal(store, ended("r1", wholes={ANNA: {"locked": LOCKED}, BOB: {"locked": LOCKED, "not_reconciled": "d"}}))
    assert give(store, "locked")["wholes"] == {ANNA: LOCKED, BOB: LOCKED}
    assert give(store, "locked", "bob@contoso.com")["wholes"] == {BOB: LOCKED}
    assert give(store, "not_reconciled") == {
        "type": "accepted", "code": "not_reconciled", "by": "Anna Berg", "reason": "r", "wholes": {BOB: "d"}
    }  # fmt: skip


@pytest.mark.parametrize("code", ["malware", "permission_missing", "mass_disappearance", "source_not_found"])
def test_nothing_is_accepted_in_advance(code: str, store: FolderStore) -> None:
    journal(store, ended("r1", wholes={ANNA: {"locked": LOCKED}}))
    with pytest.raises(ConfigurationError) as caught:
        give(store, code)
    assert caught.value.code == "code_not_shown" and "locked" in caught.value.action
    with pytest.raises(ConfigurationError) as caught:
        give(store, "locked", BOB)
    assert caught.value.code == "code_not_shown" and "nothing" in caught.value.action


@pytest.mark.parametrize("code", ["pending", "moving"])
def test_what_passes_is_not_accepted(code: str, store: FolderStore) -> None:
    with pytest.raises(ConfigurationError) as caught:
        give(store, code)
    assert caught.value.code == "not_acceptable"


def test_save_what_is_known_beforehand(store: FolderStore) -> None:
    """What a version does not copy, and a name of the configuration that nobody has: until somebody has it."""
    assert "source" not in give(store, "not_in_this_version", None)
    name = place_of(None, "onedrive/nobody@contoso.com")
    assert give(store, "source_not_found", "onedrive/Nobody@contoso.com")["source"] == name
    told = Acceptances.of(Journal(store, ManualClock(NOW)).rows())
    assert told.of_class("whatever comes")
    assert told.of_whole(name, "source_not_found", digest_of("source_not_found"))
    for code, source in (
        ("not_in_this_version", ANNA),
        ("not_in_this_version", "mail"),
        ("not_in_this_version", "sharepoint"),
        ("not_in_this_version", "directory"),
        ("locked", "sharepoint"),
        ("source_not_found", ANNA),
    ):
        with pytest.raises(ConfigurationError):
            give(store, code, source)


def test_a_name_of_several_sources_is_refused_and_an_id_is_not(store: FolderStore) -> None:
    record = {
        "kind": "onedrive",
        "id": "d9",
        "owner": "u",
        "bag": f"{ANNA}~1",
        "names": [{"name": "anna@contoso.com", "since": ""}],
    }
    store.put(entry_of("d9"), dump_json(record), if_absent=True)
    journal(store, ended("r1", wholes={ANNA: {"locked": LOCKED}, f"{ANNA}~1": {"locked": LOCKED}}))
    for name in (ANNA, "anna@contoso.com"):
        with pytest.raises(ConfigurationError) as caught:
            give(store, "locked", name)
        assert caught.value.code == "source_ambiguous"
        assert "d0 (bag" in caught.value.action and "d9 (bag" in caught.value.action
    assert give(store, "locked", "d9")["source"] == f"{ANNA}~1"
    assert give(store, "locked", "former@contoso.com")["source"] == ANNA


def test_a_name_of_a_drive_and_a_mailbox_means_the_one_that_shows_the_code(store: FolderStore) -> None:
    """One person, two sources: only the mailbox has an archive; what both show has to be named with its kind."""
    mailbox = "mail/anna@contoso.com"
    record = {
        "kind": "mail",
        "id": "u1",
        "owner": None,
        "bag": mailbox,
        "names": [{"name": "anna@contoso.com", "since": ""}],
    }
    key = Source(SourceKind.MAIL, "u1", "").key
    store.put(key, dump_json(record), if_absent=True)
    archive, locked = digest_of("archive_unreadable"), digest_of("locked")
    journal(
        store,
        ended("r1", wholes={mailbox: {"archive_unreadable": archive, "locked": locked}, ANNA: {"locked": locked}}),
    )
    row = give(store, "archive_unreadable", "anna@contoso.com")
    assert row["source"] == mailbox and row["wholes"] == {mailbox: archive}
    with pytest.raises(ConfigurationError) as caught:
        give(store, "locked", "anna@contoso.com")
    assert caught.value.code == "source_ambiguous"
    assert give(store, "locked", mailbox)["source"] == mailbox
