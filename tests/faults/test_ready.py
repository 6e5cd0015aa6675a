"""`ready` says no for each single thing that is missing, and yes for the whole (issue 9, acceptance a).

One proven copy, made once by the real commands; each row of the table spoils one thing of a copy of it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from exporters.bag.fence import Process
from exporters.bag.formats import dump_json, load_json
from exporters.clock import SystemClock, timestamp
from exporters.store.folder import FolderStore
from retention.acceptance import digest_of
from retention.config import load
from retention.readiness.gate import ask
from tests.faults.ready_desk import (
    BY,
    DRIVES,
    MAILBOX,
    OTHER_HOST,
    Desk,
    Stages,
    edited,
    now,
    preflight,
    prepare,
    rewrite,
)

Row = dict[str, Any]
ANNA, BOB = DRIVES
RUN = "20260101T000000Z-000000"


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    with prepare(tmp_path_factory.mktemp("ready")) as made:
        yield made


@pytest.fixture
def desk(stages: Stages, tmp_path: Path) -> Desk:
    """A copy that is ready."""
    return stages.proven.copied(tmp_path / "copy")


def test_the_whole_is_ready(desk: Desk) -> None:
    document = desk.ready()
    assert document["ready"] and not [r for r in document["reasons"] if r["severity"] == "block"], document
    row = desk.newest("ready")
    assert row["ready"] is True and row["reasons"] == [] and row["run"]


# ------------------------------------------------------------------------------------------------------- payload


def a_byte_is_changed(desk: Desk) -> None:
    data = desk.payload().read_bytes()
    desk.payload().write_bytes(bytes([data[0] ^ 1]) + data[1:])


def an_object_is_longer_and_looks_as_old_as_before(desk: Desk) -> None:
    rewrite(desk.payload(), desk.payload().read_bytes() + b"x")


def an_object_is_gone(desk: Desk) -> None:
    desk.payload().unlink()


def an_object_is_there_that_no_row_names(desk: Desk) -> None:
    strange = desk.payload().with_name("strange")
    strange.write_bytes(b"")
    os.utime(strange, (0, 0))


def the_pst_is_gone(desk: Desk) -> None:
    for path in (desk.bag(MAILBOX) / "data/pst").glob("*.pst"):
        path.unlink()


def a_bag_is_gone(desk: Desk) -> None:
    shutil.rmtree(desk.bag(BOB))


# ------------------------------------------------------------------------------------------------------- fold and ledger


def a_line_of_the_manifest_is_gone(desk: Desk) -> None:
    manifest = desk.bag() / "manifest-sha256.txt"
    rewrite(manifest, b"".join(manifest.read_bytes().splitlines(keepends=True)[1:]))


def the_tagmanifest_is_edited(desk: Desk) -> None:
    tagmanifest = desk.bag() / "tagmanifest-sha256.txt"
    rewrite(tagmanifest, tagmanifest.read_bytes().replace(b"0", b"1", 1))


def a_tag_file_is_gone(desk: Desk) -> None:
    (desk.bag() / "lastcopy/owed.jsonl").unlink()


def the_fold_is_gone(desk: Desk) -> None:
    for path in [*(desk.bag() / "lastcopy").glob("*.json*"), *desk.bag().glob("*.txt")]:
        if path.name != "source.json":
            path.unlink()


def captured_items_stand_after_the_fold(desk: Desk) -> None:
    rows = (desk.bag() / "lastcopy/items.jsonl").read_bytes().splitlines()
    item = next(row for row in map(load_json, rows) if row["kind"] == "folder")
    desk.append_segment(ANNA, [{"item": {**item, "name": "renamed"}}, {"closed": {"reason": "complete"}}])


def listed_items_stand_after_the_fold(desk: Desk) -> None:
    listed = {"id": "new", "scope": "drive", "kind": "file", "name": "new.txt", "parent": None, "service": {"size": 1}}
    desk.append_segment(ANNA, [{"listed": listed}, {"closed": {"reason": "complete"}}])


def a_writer_elsewhere_is_at_work(desk: Desk) -> None:
    desk.append_segment(ANNA, [])


def a_writer_elsewhere_was_cut_off(desk: Desk) -> None:
    segment = desk.append_segment(ANNA, [])
    old = (now() - timedelta(hours=1)).timestamp()
    os.utime(segment, (old, old))


def a_segment_of_the_ledger_is_gone(desk: Desk) -> None:
    min((desk.bag() / "lastcopy/ledger").iterdir()).unlink()


def the_newest_segment_of_a_ledger_is_gone(desk: Desk) -> None:
    max((desk.bag() / "lastcopy/ledger").iterdir()).unlink()


def a_listing_never_ended(desk: Desk) -> None:
    desk.forge(ANNA, head=edited(round=1))


# ------------------------------------------------------------------------------------------------------- what is open


def items_are_pending(desk: Desk) -> None:
    def pending(data: bytes) -> bytes:
        found = load_json(data)
        return dump_json(found | {"counts": found["counts"] | {"pending": 1}})

    desk.forge(ANNA, reconciliation=pending)


def an_item_is_owed(desk: Desk) -> None:
    desk.forge(ANNA, owed=lambda data: data + b'{"id":"x","scope":"y"}\n')


def a_count_differs(desk: Desk) -> None:
    def differs(data: bytes) -> bytes:
        found = load_json(data)
        entry = {**found["independent"][0], "unexplained": 1, "verdict": "unexplained", "expected": 999}
        return dump_json(found | {"independent": [entry, *found["independent"][1:]]})

    desk.forge(ANNA, reconciliation=differs)


def the_last_verification_doubts_the_counts(desk: Desk) -> None:
    row = desk.newest("verified", bag=ANNA, level="full")
    desk.say({k: v for k, v in row.items() if k not in {"at", "actor", "previous"}} | {"reconciled": False})


def an_exception_is_new(desk: Desk) -> None:
    line = next(iter((desk.bag() / "lastcopy/exceptions.jsonl").read_bytes().splitlines()))
    new = load_json(line) | {"id": "another", "run": RUN, "captured": timestamp(now())}
    desk.forge(ANNA, exceptions=lambda data: data + dump_json(new) + b"\n")


def an_exception_has_another_code(desk: Desk) -> None:
    desk.forge(ANNA, exceptions=lambda data: data.replace(b'"code":"malware"', b'"code":"locked"', 1))


def a_later_run_finds_something_about_a_source(desk: Desk) -> None:
    later_run(desk, wholes={ANNA: {"parts_not_listed": digest_of("parts_not_listed")}})


def what_was_accepted_of_a_source_is_another_thing_now(desk: Desk) -> None:
    later_run(desk, wholes={ANNA: {"parts_not_listed": "one"}})
    desk.run("accept", "parts_not_listed", *BY, code=0)
    assert desk.blocks() == set(), "accepted"
    later_run(desk, wholes={ANNA: {"parts_not_listed": "another"}})


def a_source_was_discovered_and_never_copied(desk: Desk) -> None:
    later_run(desk, wholes={"name:onedrive/carol@contoso.com": {"access_denied": digest_of("access_denied")}})


def later_run(desk: Desk, **more: Any) -> None:
    """A run of all sources, just now, whose record is that of the last one."""
    before = desk.newest("run_ended", all_sources=True)
    asked = desk.newest("run_started")["asked"]
    record = desk.store / f"runs/{RUN[:-6]}{len(list((desk.store / 'runs').iterdir())):06x}.json"
    shutil.copy(desk.store / f"runs/{before['run']}.json", record)
    ended = {name: value for name, value in before.items() if name not in {"at", "actor", "previous", "run", "wholes"}}
    run = record.name.removesuffix(".json")
    desk.say({"type": "run_started", "verb": "export", "asked": asked}, run=run)
    desk.say({**ended, **more}, run=run)


# ------------------------------------------------------------------------------------------------------- mail


def mail_was_never_composed(desk: Desk) -> None:
    desk.forge(MAILBOX, head=lambda data: pst_cursor(data, kind="composing"))


def a_message_stands_in_no_pst(desk: Desk) -> None:
    def without(data: bytes) -> bytes:
        rows = [load_json(line) for line in data.splitlines()]
        row = next(row for row in rows if row["kind"] == "message" and "pst" in row)
        del row["pst"]
        return b"".join(dump_json(row) + b"\n" for row in rows)

    desk.forge(MAILBOX, items=without)


def a_message_changed_after_it_was_composed(desk: Desk) -> None:
    def changed(data: bytes) -> bytes:
        rows = [load_json(line) for line in data.splitlines()]
        next(row for row in rows if row["kind"] == "message" and "pst" in row)["sha256"] = "0" * 64
        return b"".join(dump_json(row) + b"\n" for row in rows)

    desk.forge(MAILBOX, items=changed)


def rows_name_a_pst_that_does_not_count(desk: Desk) -> None:
    desk.forge(MAILBOX, head=lambda data: pst_cursor(data, parts=[]))


def the_pst_leaves_out_what_no_run_showed(desk: Desk) -> None:
    desk.forge(MAILBOX, head=lambda data: pst_cursor(data, not_composed={"internal": 1}))


def pst_cursor(data: bytes, **changes: Any) -> bytes:
    head = load_json(data)
    return dump_json(head | {"cursors": head["cursors"] | {"pst": head["cursors"]["pst"] | changes}})


# ------------------------------------------------------------------------------------------------------- verification


def the_verification_is_too_old(desk: Desk) -> None:
    desk.configure(ready={"verify_age": "1s"})
    time.sleep(1.1)


def a_later_look_found_a_difference(desk: Desk) -> None:
    """And somebody put the object back since, just as it was."""
    kept = desk.folder / "kept"
    desk.payload().rename(kept)
    place = next(path for path in (desk.bag() / "data/files").rglob("*") if path.is_dir())
    desk.run("verify", "--level", "stored", "--source", ANNA, code=3)
    manifest = (desk.bag() / "manifest-sha256.txt").read_text().splitlines()
    sha256 = hashlib.sha256(kept.read_bytes()).hexdigest()
    missing = [
        desk.bag() / line.partition("  ")[2]
        for line in manifest
        if line.startswith(sha256) and not (desk.bag() / line.partition("  ")[2]).exists()
    ]
    assert place
    kept.rename(missing[0])


def an_earlier_version_verified_it(desk: Desk) -> None:
    row = desk.newest("verified", bag=ANNA, level="full")
    dropped = {"at", "actor", "previous", "began", "findings", "reconciled"}
    desk.say({k: v for k, v in row.items() if k not in dropped})


# ------------------------------------------------------------------------------------------------------- runs


def the_last_run_is_too_old(desk: Desk) -> None:
    desk.configure(ready={"max_age": "1s"})
    time.sleep(1.1)
    desk.say(preflight(at=now() + timedelta(minutes=5)))  # that is not too old


def a_run_elsewhere_has_not_ended(desk: Desk) -> None:
    journal = desk.journal()
    for _ in journal.news():
        pass
    object.__setattr__(journal, "_writer", Elsewhere())
    journal.append_here([{"type": "run_started", "verb": "export", "asked": {}}], run=RUN)


class Elsewhere:
    described: ClassVar = OTHER_HOST


def the_record_of_the_last_run_is_edited(desk: Desk) -> None:
    record = max((desk.store / "runs").iterdir())
    rewrite(record, record.read_bytes().replace(b'"not asked"', b'"covered"'))


def the_record_of_the_last_run_is_gone(desk: Desk) -> None:
    max((desk.store / "runs").iterdir()).unlink()


def no_run_is_complete(desk: Desk) -> None:
    """Each went through some sources alone."""
    rewrite_journal(desk, lambda row: {k: v for k, v in row.items() if k != "all_sources"})


def mail_is_asked_for_of_everybody(desk: Desk) -> None:
    desk.configure(sources={**desk.settings["sources"], "mail": "all"})


def sites_are_asked_for(desk: Desk) -> None:
    desk.configure(sources={**desk.settings["sources"], "sharepoint": "all"})


def less_is_asked_for(desk: Desk) -> None:
    desk.configure(sources={**desk.settings["sources"], "mail": "none"})


def a_source_is_excluded(desk: Desk) -> None:
    desk.configure(sources={**desk.settings["sources"], "exclude": [ANNA]})


def recoverable_items_are_asked_for(desk: Desk) -> None:
    desk.configure(sources={**desk.settings["sources"], "recoverable": "all"})


def fewer_versions_are_asked_for(desk: Desk) -> None:
    desk.configure(drive={"versions": "current", "permissions": "shared"})


# ------------------------------------------------------------------------------------------------------- the ground


def a_byte_of_the_journal_is_flipped(desk: Desk) -> None:
    segment = min((desk.store / "journal").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(segment, bytes(data))


def the_end_of_the_journal_is_gone(desk: Desk) -> None:
    desk.say({"type": "acknowledged", "key": "x"})
    desk.run("status", code=0)  # this machine has read it
    max((desk.store / "journal").iterdir()).unlink()


def the_end_of_the_journal_is_gone_and_the_state_as_well(desk: Desk) -> None:
    """Of the run that ended last only the beginning is known."""
    segments = sorted((desk.store / "journal").iterdir())
    last = next(path for path in reversed(segments) if b'"run_ended"' in path.read_bytes())
    for path in segments[segments.index(last) :]:
        path.unlink()
    for path in desk.folder.glob("lastcopy.db*"):
        path.unlink()


def a_segment_amid_the_journal_is_gone(desk: Desk) -> None:
    sorted((desk.store / "journal").iterdir())[1].unlink()


def the_clock_was_wrong_when_the_service_last_answered(desk: Desk) -> None:
    desk.say({"type": "observation", "service_date": timestamp(now() - timedelta(minutes=11)), "skew_seconds": 660})


def the_clock_was_set_back(desk: Desk) -> None:
    desk.say({"type": "acknowledged", "key": "x", "at": timestamp(now() + timedelta(hours=2))})


def the_store_is_another_tenants(desk: Desk) -> None:
    root = desk.store / "lastcopy.json"
    rewrite(
        root,
        edited(tenant={"id": "00000000-0000-0000-0000-00000000beef", "domain": "other.example"})(root.read_bytes()),
    )


def the_root_cannot_be_read(desk: Desk) -> None:
    rewrite(desk.store / "lastcopy.json", b"{")


def another_tenant_is_configured(desk: Desk) -> None:
    desk.configure(tenant={**desk.settings["tenant"], "id": "00000000-0000-0000-0000-00000000beef"})


def an_entry_of_a_source_is_gone(desk: Desk) -> None:
    max((desk.store / "sources").iterdir()).unlink()


def an_entry_of_a_source_is_edited(desk: Desk) -> None:
    entry = max((desk.store / "sources").iterdir())
    rewrite(entry, entry.read_bytes().replace(b'"since":"2', b'"since":"1'))


# ------------------------------------------------------------------------------------------------------- preflight


def the_preflight_is_too_old(desk: Desk) -> None:
    desk.say(preflight(at=now() - timedelta(hours=25)))


def a_domain_is_still_in_use(desk: Desk) -> None:
    desk.say(preflight("PF-11"))


CLOCK_SET_RIGHT = {"type": "attested", "item": "PF-25", "by": "Anna", "text": "set right"}


def the_last_run_is_of_a_time_to_come(desk: Desk) -> None:
    """By a clock that ran ahead; that a person has looked at it since makes nothing young."""
    row = {k: v for k, v in desk.newest("run_ended").items() if k not in {"actor", "previous"}}
    desk.say({**row, "at": timestamp(now() + timedelta(days=300))}, run=row["run"])
    desk.say(CLOCK_SET_RIGHT | {"at": timestamp(now())}, preflight())


def the_preflight_tells_nothing_of_an_item(desk: Desk) -> None:
    row = preflight()
    desk.say({**row, "findings": [one for one in row["findings"] if one["id"] != "PF-10"]})


def something_could_not_be_checked(desk: Desk) -> None:
    desk.say(preflight("PF-24", result="not_checked"))


# ------------------------------------------------------------------------------------------------------- the table

Spoil = Callable[[Desk], None]
UNSAFE: list[tuple[Spoil, set[str]]] = [
    (a_byte_is_changed, {"changed_since_verified"}),
    (an_object_is_longer_and_looks_as_old_as_before, {"object_changed"}),
    (an_object_is_gone, {"object_missing"}),
    (an_object_is_there_that_no_row_names, {"object_unexpected"}),
    (the_pst_is_gone, {"object_missing"}),
    (a_bag_is_gone, {"bag_missing", "store_damaged"}),
    (a_line_of_the_manifest_is_gone, {"bag_damaged"}),
    (the_tagmanifest_is_edited, {"bag_damaged"}),
    (a_tag_file_is_gone, {"bag_damaged"}),
    (the_fold_is_gone, {"bag_open"}),
    (captured_items_stand_after_the_fold, {"bag_open"}),
    (listed_items_stand_after_the_fold, {"bag_open"}),
    (a_writer_elsewhere_is_at_work, {"writer_at_work"}),
    (a_writer_elsewhere_was_cut_off, {"bag_open"}),
    (a_segment_of_the_ledger_is_gone, {"bag_damaged"}),
    (the_newest_segment_of_a_ledger_is_gone, {"bag_damaged", "store_damaged"}),
    (a_listing_never_ended, {"listing_unfinished"}),
    (items_are_pending, {"pending"}),
    (an_item_is_owed, {"pending"}),
    (a_count_differs, {"not_reconciled"}),
    (the_last_verification_doubts_the_counts, {"not_reconciled"}),
    (an_exception_is_new, {"exceptions_not_accepted"}),
    (an_exception_has_another_code, {"exceptions_not_accepted"}),
    (a_later_run_finds_something_about_a_source, {"finding_not_accepted"}),
    (what_was_accepted_of_a_source_is_another_thing_now, {"finding_not_accepted"}),
    (a_source_was_discovered_and_never_copied, {"source_not_copied"}),
    (mail_was_never_composed, {"not_composed"}),
    (a_message_stands_in_no_pst, {"not_composed"}),
    (a_message_changed_after_it_was_composed, {"not_composed"}),
    (rows_name_a_pst_that_does_not_count, {"not_composed"}),
    (the_pst_leaves_out_what_no_run_showed, {"finding_not_accepted"}),
    (the_verification_is_too_old, {"verification_too_old"}),
    (a_later_look_found_a_difference, {"verification_found_differences"}),
    (an_earlier_version_verified_it, {"not_verified"}),
    (the_last_run_is_too_old, {"run_too_old"}),
    (a_run_elsewhere_has_not_ended, {"run_unfinished"}),
    (the_record_of_the_last_run_is_edited, {"run_record_changed", "store_damaged"}),
    (the_record_of_the_last_run_is_gone, {"run_record_changed", "store_damaged"}),
    (mail_is_asked_for_of_everybody, {"scope_changed"}),
    (sites_are_asked_for, {"scope_changed"}),
    (less_is_asked_for, {"scope_changed", "class_not_accepted"}),
    (a_source_is_excluded, {"scope_changed"}),
    (recoverable_items_are_asked_for, {"scope_changed"}),
    (fewer_versions_are_asked_for, {"scope_changed"}),
    (the_end_of_the_journal_is_gone, {"journal_cut"}),
    (the_clock_was_wrong_when_the_service_last_answered, {"clock_in_doubt"}),
    (the_clock_was_set_back, {"clock_in_doubt"}),
    (the_store_is_another_tenants, {"store_of_another_tenant", "store_damaged"}),
    (the_root_cannot_be_read, {"store_of_another_tenant", "store_damaged"}),
    (another_tenant_is_configured, {"store_of_another_tenant", "scope_changed"}),
    (an_entry_of_a_source_is_gone, {"store_damaged"}),
    (an_entry_of_a_source_is_edited, {"store_damaged"}),
    (the_preflight_is_too_old, {"preflight_too_old"}),
    (a_domain_is_still_in_use, {"preflight_open"}),
    (something_could_not_be_checked, {"preflight_open"}),
    (the_last_run_is_of_a_time_to_come, {"run_too_old", "exceptions_not_accepted"}),
    (the_preflight_tells_nothing_of_an_item, {"preflight_too_old"}),
]


@pytest.mark.parametrize(("spoil", "codes"), UNSAFE, ids=[spoil.__name__ for spoil, _ in UNSAFE])
def test_each_single_thing_makes_it_unsafe(desk: Desk, spoil: Spoil, codes: set[str]) -> None:
    spoil(desk)
    assert desk.blocks() == codes
    assert desk.newest("ready")["ready"] is False


def test_a_preflight_of_a_time_to_come_is_not_young(desk: Desk) -> None:
    desk.say(preflight(at=now() + timedelta(days=300)), CLOCK_SET_RIGHT | {"at": timestamp(now())})
    reasons = desk.run("ready", "--json", code=3).document["reasons"]
    assert "preflight_too_old" in {reason["code"] for reason in reasons}


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (a_byte_of_the_journal_is_flipped, "journal_damaged"),
        (a_segment_amid_the_journal_is_gone, "store_damaged"),
        (the_end_of_the_journal_is_gone_and_the_state_as_well, "run_unfinished"),
    ],
)
def test_a_journal_that_cannot_be_relied_on_makes_it_unsafe(desk: Desk, spoil: Spoil, code: str) -> None:
    """Much follows from it; whatever else is said, that is said too."""
    spoil(desk)
    assert code in desk.blocks()


MENDED: list[Spoil] = [
    a_line_of_the_manifest_is_gone,
    a_tag_file_is_gone,
    the_fold_is_gone,
    a_writer_elsewhere_was_cut_off,
    an_earlier_version_verified_it,
]


@pytest.mark.parametrize("spoil", MENDED, ids=[spoil.__name__ for spoil in MENDED])
def test_the_commands_that_are_named_mend_it(desk: Desk, spoil: Spoil) -> None:
    """From the top, as a person would: no command is named in vain."""
    spoil(desk)
    for _ in range(4):
        first = next((r for r in desk.ready()["reasons"] if r["severity"] == "block"), None)
        if first is None:
            return
        desk.run(*first["action"].split()[1:], code=0)
    raise AssertionError(desk.ready())


# ------------------------------------------------------------------------------------------------------- earlier moments


def test_what_was_never_verified_is_not_verified_by_looking_or_by_a_sample(stages: Stages, tmp_path: Path) -> None:
    desk = stages.exported.copied(tmp_path / "copy")
    desk.say(preflight())
    for words in (("--level", "stored"), ("--sample", "100%"), ("--since", "2020-01-01")):
        desk.run("verify", *words, code=0)
        assert "not_verified" in desk.blocks(), words
    desk.run("verify", "--new", code=0)
    assert not {"not_verified", "changed_since_verified"} & desk.blocks()


def test_the_gate_without_acceptances_and_without_a_preflight(stages: Stages, tmp_path: Path) -> None:
    desk = stages.verified.copied(tmp_path / "copy")
    assert desk.blocks() == {"exceptions_not_accepted", "class_not_accepted", "preflight_missing"}
    open_now = {
        r["message"].partition(" ")[0] for r in desk.ready()["reasons"] if r["code"] == "exceptions_not_accepted"
    }
    assert open_now == {f"{ANNA}:", f"{BOB}:"}


def test_one_class_and_one_source_at_a_time(stages: Stages, tmp_path: Path) -> None:
    """What is accepted for one source is open at the others; what is accepted for the tenant is accepted once."""
    desk = stages.verified.copied(tmp_path / "copy")
    others = [
        label for label in json.loads(max((desk.store / "runs").iterdir()).read_text())["not_asked"] if "mail" in label
    ]
    before = {reason["action"] for reason in desk.ready()["reasons"] if reason["code"] == "class_not_accepted"}
    assert "lastcopy accept forms --by NAME --reason TEXT" in before
    desk.run("accept", "forms", "planner", *BY, code=0)
    after = {reason["action"] for reason in desk.ready()["reasons"] if reason["code"] == "class_not_accepted"}
    assert {action.split()[2] for action in before - after} == {"forms", "planner"}
    row = desk.run("accept", "primary_mailbox", "--source", others[0], *BY, "--json", code=0).document["accepted"]
    assert len(row["places"]) == 1 and row["class"] is True
    left = [r["message"] for r in desk.ready()["reasons"] if "(primary_mailbox)" in r["message"]]
    assert f"at {len(others) - 1} sources" in left[0]
    desk.run("accept", "primary_mailbox", *BY, code=0)
    assert not [r for r in desk.ready()["reasons"] if "(primary_mailbox)" in r["message"]]
    desk.run("accept", "calendar", *BY, code=2)  # covered: nothing is accepted in advance


def test_a_source_that_is_left_out_later_is_another_one(desk: Desk) -> None:
    """Who accepted that these are not copied has not accepted the next."""
    record = load_json(max((desk.store / "runs").iterdir()).read_bytes())
    later_run(desk)
    newest = max((desk.store / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    rewrite(newest, dump_json({**record, "not_asked": [*record["not_asked"], "mail/carol@contoso.com"]}))
    sha256 = hashlib.sha256(newest.read_bytes()).hexdigest()
    run = newest.name.removesuffix(".json")
    ended = {k: v for k, v in desk.newest("run_ended").items() if k not in {"at", "actor", "previous", "run"}}
    desk.say({**ended, "record": sha256}, run=run)
    assert desk.blocks() == {"class_not_accepted"}


def test_an_export_under_way_on_this_machine(desk: Desk) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        own = Process.of_this_machine()
        started = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19]
        journal = desk.journal()
        for _ in journal.news():
            pass
        writer = type(
            "Writer",
            (),
            {"described": {"id": "0", "boot": own.boot, "host": own.host, "pid": other.pid, "started": started}},
        )
        object.__setattr__(journal, "_writer", writer)
        journal.append_here([{"type": "run_started", "verb": "export", "asked": {}}], run=RUN)
        assert desk.blocks() == {"run_under_way"}
        other.kill()
    assert desk.blocks() == {"run_unfinished"}


def rewrite_journal(desk: Desk, change: Callable[[Row], Row]) -> None:
    """The same journal but for what `change` makes of its rows."""
    rows = [change(row) for row in desk.journal().rows()]
    shutil.rmtree(desk.store / "journal")
    for row in rows:
        desk.say({k: v for k, v in row.items() if k not in {"previous"}}, run=row.get("run"))
    for path in desk.folder.glob("lastcopy.db*"):
        path.unlink()


def test_runs_for_some_sources_do_not_make_a_complete_one(desk: Desk) -> None:
    no_run_is_complete(desk)
    assert "no_complete_run" in desk.blocks()


def a_later_run_of_everything_failed(desk: Desk) -> None:
    desk.say({"type": "run_started", "verb": "export", "asked": {"sources": []}}, run=RUN)
    desk.say({"type": "run_ended", "exit": 1, "totals": {}, "bags": {}}, run=RUN)


def the_store_was_copied_to_another_disk(desk: Desk) -> None:
    """With all its times, as `rsync -a` does; not a byte was read there."""
    desk.store.rename(desk.store.with_name("disk"))
    desk.configure(store={"url": "file:./disk"})
    desk.store = desk.store.with_name("disk")


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [(a_later_run_of_everything_failed, {"run_failed"}), (the_store_was_copied_to_another_disk, {"not_verified"})],
)
def test_what_a_sceptic_tried(desk: Desk, spoil: Spoil, codes: set[str]) -> None:
    spoil(desk)
    assert desk.blocks() == codes


def test_an_export_for_one_source_that_failed_says_nothing_of_the_others(desk: Desk) -> None:
    desk.say({"type": "run_started", "verb": "export", "asked": {"sources": [ANNA]}}, run=RUN)
    desk.say({"type": "run_ended", "exit": 1, "totals": {}, "bags": {}}, run=RUN)
    assert desk.blocks() == set()


def test_what_goes_on_record_while_it_is_asked(desk: Desk) -> None:
    """An export that begins just after the journal was read."""
    config, store = load(desk.folder / "lastcopy.yaml"), FolderStore(desk.store, url="file:./store")

    def begin(bags: int) -> None:
        rows = [row for row in desk.journal().rows() if row.get("run") == RUN]
        if not rows:
            desk.say({"type": "run_started", "verb": "export", "asked": {}}, run=RUN)

    codes = {
        reason.code
        for reason in ask(config, store, SystemClock(), progress=begin).reasons
        if reason.severity == "block"
    }
    assert codes == {"changed_meanwhile"}


# ------------------------------------------------------------------------------------------------------- the tenant goes on


def test_what_the_tenant_brings_later(stages: Stages, tmp_path: Path) -> None:
    """New files, a source that refuses, a name that nobody has: each is no until it is mended by the commands that are named."""
    desk = stages.proven.copied(tmp_path / "copy")
    tenant = desk.tenant
    tenant.faults({"fault": "404", "route": "drives/*/root/delta"})
    desk.run("export", code=3)
    assert "finding_not_accepted" in desk.blocks()
    tenant.faults()
    desk.configure(
        sources={**desk.settings["sources"], "onedrive": [*desk.settings["sources"]["onedrive"], "nobody@x.example"]}
    )
    desk.run("export", code=3)
    assert "source_not_copied" in desk.blocks()
    changes = (tenant.data / "changes.jsonl").read_bytes()
    tenant.control("POST", "changes", changes)
    desk.run("accept", "source_not_found", *BY, code=0)
    desk.run("export")
    assert "not_verified" in desk.blocks()
    desk.run("verify", "--new", code=0)
    assert not {"not_verified", "source_not_copied", "finding_not_accepted"} & desk.blocks()
