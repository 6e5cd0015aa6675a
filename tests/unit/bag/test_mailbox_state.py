"""The state of a mailbox's bag: the writers' reading of the ledger beside that of `verify`, and the fold beside segment 1."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.bag.appender import ROWS
from exporters.bag.fold import state_from_segments
from exporters.bag.last_fold import LastFold
from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.bag.reconcile import counts, folder_counts, kinds, reconcile
from exporters.bag.state import Heads, State
from exporters.bag.verify import verify_bag
from exporters.clock import ManualClock
from exporters.store.folder import FolderStore
from exporters.store.segments import SegmentLog
from tests.unit.bag import mailbox_bag as box
from tests.unit.bag.mailbox_bag import BAG, SOURCE

SHA = "0" * 64
IDS = st.sampled_from(["", "root", "f1", "f2", "m1", "m2", "m3"])
ITEM_IDS = IDS.filter(bool)
SCOPES = st.sampled_from(["", "MBX:1"])
KINDS = ["folder", "message", "contact", "event", "task", "post", "stream"]
ROUND_SCOPES = st.sampled_from(["", "messages/f1", "messages/f2"])


def _service(total: int | None, children: int | None) -> dict[str, Any]:
    told = {"totalItemCount": total, "childCount": children}
    return {name: number for name, number in told.items() if number is not None}


COUNTS = st.builds(_service, st.none() | st.integers(-1, 3), st.none() | st.integers(0, 2))


def _facts(kind: str, scope: str, item: str, parent: str | None, service: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "scope": scope, "id": item, "parent": parent, "name": item, "service": service}


FACTS = st.builds(_facts, st.sampled_from(KINDS), SCOPES, ITEM_IDS, st.none() | IDS, COUNTS)


def _item(facts: dict[str, Any], outcome: str, number: int) -> dict[str, Any]:
    row = {**facts, "path": "/" + facts["name"], "outcome": outcome, "captured": "t", "run": "r"}
    if outcome in {"excepted", "vanished"}:
        return {**row, "outcome": "excepted", "code": "vanished" if outcome == "vanished" else "refused", "reason": "m"}
    if facts["kind"] == "folder":
        return row
    suffix = "jsonl!" if facts["kind"] in {"contact", "event", "task", "post"} else "zip!a/x "
    key = f"data/originals/{facts['kind']}s-00001.{suffix}{number}"
    return {**row, "key": key, "size": number, "sha256": SHA}


ITEMS = st.builds(_item, FACTS, st.sampled_from(["copied", "gone", "excepted", "vanished"]), st.integers(1, 4))
DELETED = st.builds(
    lambda scope, item, more: {"scope": scope, "id": item, "deleted": True, **more},
    SCOPES,
    ITEM_IDS,
    st.just({})
    | st.builds(lambda kind, parent: {"kind": kind, "name": "n", "parent": parent}, st.sampled_from(KINDS), IDS),
)
OTHERS = st.sampled_from(
    [
        {"kind": "version", "scope": "m1", "id": "t", "parent": "m1", "key": "data/originals/mail-00001.zip!a/x 1"},
        {"kind": "version", "scope": "m2", "id": "t", "parent": "m2", "key": "data/originals/contacts-00001.jsonl!3"},
        {"kind": "version", "scope": "a", "id": "t", "parent": "a", "key": "data/files/holds!a mark"},
        {"kind": "attachment", "scope": "m1", "id": "a1", "key": "data/originals/mail-00001/00000001 a!.pdf"},
        {
            "kind": "original",
            "scope": "",
            "id": "data/originals/mail-00001.zip",
            "key": "data/originals/mail-00001.zip",
        },
        {"kind": "derived", "scope": "", "id": "data/pst/a.pst", "key": "data/pst/a.pst"},
        {"kind": "leftover", "scope": "", "id": "data/pst/a.pst", "key": "data/pst/a.pst"},
        {
            "kind": "leftover",
            "scope": "",
            "id": "data/originals/mail-00001.zip",
            "key": "data/originals/mail-00001.zip",
        },
        {"kind": "rule", "scope": "", "id": "r1", "key": "data/originals/settings-00001.jsonl!1"},
    ]
).map(lambda row: {**row, "size": 1, "sha256": SHA, "outcome": "copied", "captured": "t", "run": "r"})
DERIVED = st.sampled_from(["1" * 64, "2" * 64]).map(
    lambda sha: {"kind": "derived", "scope": "", "id": "data/pst/a.pst", "key": "data/pst/a.pst", "size": 7, "sha256": sha,
                 "outcome": "copied", "captured": "t", "run": "r"}
)  # fmt: skip
ROWS_OF_A_MAILBOX = st.one_of(
    FACTS.map(lambda value: ("listed", value)),
    DELETED.map(lambda value: ("listed", value)),
    st.one_of(ITEMS, OTHERS, DERIVED).map(lambda row: ("item", row)),
    st.builds(lambda scope, ids: ("seen", {"scope": scope, "ids": ids}), ROUND_SCOPES, st.lists(ITEM_IDS, max_size=3)),
    st.builds(
        lambda scope, full: ("round", {"scope": scope, "state": "begun", "full": full}), ROUND_SCOPES, st.booleans()
    ),
    ROUND_SCOPES.map(lambda scope: ("round", {"scope": scope, "state": "ended", "full": True, "link": None})),
    ROUND_SCOPES.map(
        lambda scope: ("cursor", {"scope": scope, "kind": "next", "link": "", "settings": {}, "full": True})
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store")


def _write(store: FolderStore, rows: list[tuple[str, dict[str, Any]]], number: int, reason: str = "complete") -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    run = Run(f"20260101T00000{number}Z-000000", clock, lambda: 0, take_over=True)
    with open_bag(store, BAG, SOURCE, run) as writer:
        if number % 2:
            writer.load()
        for n, (kind, value) in enumerate(rows):
            writer.emit(kind, value)
            if n % 3 == 2:
                writer.flush()
        writer.close(reason)


def _without_found_again(runs: list[list[tuple[str, dict[str, Any]]]]) -> list[list[tuple[str, dict[str, Any]]]]:
    """Without leftovers whose key another row has named: nobody writes those."""
    named: set[str] = set()
    kept: list[list[tuple[str, dict[str, Any]]]] = []
    for rows in runs:
        kept.append([])
        for kind, value in rows:
            key = value.get("key", "")
            if value.get("kind") != "leftover":
                named.add(key)
            elif key in named:
                continue
            kept[-1].append((kind, value))
    return kept


def _seen(state: State) -> list[tuple[str, str]]:
    return [(scope, item) for scope, item in state.db.execute("SELECT scope, id FROM seen ORDER BY scope, id")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(ROWS_OF_A_MAILBOX, max_size=9), min_size=1, max_size=3))
def test_writers_and_verify_read_a_ledger_alike(runs: list[list[tuple[str, dict[str, Any]]]]) -> None:
    """Whatever stands in it: no file of the fold is *changed*, from the last fold or from segment 1; the same was seen."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert claim_source(store, BAG, SOURCE)
        for number, rows in enumerate(_without_found_again(runs)):
            _write(store, rows, number)
        found = verify_bag(store, BAG, refold=True)
        assert found.refolded
        told = [finding for finding in found.changed.first if finding.name.endswith((".json", ".jsonl", ".txt"))]
        odd = [finding for finding in told if "lastcopy/ledger/" in finding.name]
        assert [finding for finding in told if finding not in odd] == []
        from_fold = LastFold(store, BAG, SegmentLog(store, f"{BAG}/lastcopy/ledger/"))
        from_fold.read_head(Heads())
        merged = from_fold.load()
        anew, _, _ = state_from_segments(store, BAG, from_fold.position.number)
        assert merged is not None
        for name in ("round", "since", "cursors", "first_round"):
            assert getattr(merged.heads, name) == getattr(anew.heads, name), name
        if anew.heads.round is not None:
            assert _seen(merged) == _seen(anew)
        merged.close()
        anew.close()


def _state(*rows: tuple[str, dict[str, Any]]) -> State:
    state = State()
    for number, (kind, value) in enumerate(rows, 1):
        state.apply(kind, value, orjson.dumps(value), number)
    return state


def test_a_folder_counts_its_items_and_no_folders() -> None:
    rows = [
        ("item", box.folder("root", None, "/")),
        ("item", box.folder("inbox", "root", "/Inbox", totalItemCount=2)),
        ("item", box.folder("deep", "inbox", "/Inbox/Deep", totalItemCount=0)),
        ("item", box.message("m1", "inbox", "/Inbox/1", f"{box.ZIP_1}!a.eml", b"1")),
        ("item", box.message("m2", "inbox", "/Inbox/2", f"{box.ZIP_1}!b.eml", b"2", outcome="gone")),
    ]
    state = _state(*rows)
    verdicts = {found.id: (found.expected, found.found, found.verdict) for found in folder_counts(state)}
    assert verdicts == {"root": (0, 0, "unavailable"), "inbox": (2, 1, "unexplained"), "deep": (0, 0, "equal")}
    state.apply("listed", {"scope": "", "id": "m3", "kind": "message", "parent": "inbox"}, b'{"kind":"message"}', 9)
    assert {found.id: found.verdict for found in folder_counts(state)}["inbox"] == "equal"
    state.apply("listed", {"scope": "", "id": "m4", "kind": "message", "parent": "inbox"}, b'{"kind":"message"}', 9)
    assert {found.id: found.verdict for found in folder_counts(state)}["inbox"] == "moving"
    (entry,) = reconcile(state)["independent"]
    assert (entry["by"], entry["scope"], entry["unavailable"]) == ("totalItemCount", "", {"folder": 1})


def test_a_mailbox_is_counted_by_items_though_no_folder_tells_them() -> None:
    (entry,) = reconcile(_state(("item", box.folder("root", None, "/"))))["independent"]
    assert (entry["by"], entry["verdict"]) == ("totalItemCount", "unavailable")


def test_a_drive_is_counted_as_before() -> None:
    row = {"kind": "folder", "scope": "d", "id": "R", "path": "/", "outcome": "copied", "service": {"childCount": 0}}
    (entry,) = reconcile(_state(("item", row)))["independent"]
    assert (entry["by"], entry["verdict"]) == ("folder.childCount", "equal")


def test_streams_are_placed_and_are_no_items_of_their_own() -> None:
    row = {**box.held("stream", "s1", f"{box.STREAMS}!00000001.fts", b"s", scope=box.MBX, parent="x"), "of": "m1"}
    state = _state(("item", row))
    assert counts(state)["listed"] == 0 and kinds(state) == {"stream": {"copied": 1}}
    assert (state.item_row(box.MBX, "s1") or {})["of"] == "m1"
    assert state.known(box.MBX, ["s1", "s2"])["s1"][1] is not None


def test_entries_are_no_keys_of_the_payload() -> None:
    mark = {
        "kind": "version",
        "scope": "f",
        "id": "t",
        "key": "data/files/not!an entry",
        "outcome": "copied",
        "size": 2,
    }
    old = {**mark, "id": "u", "key": f"{box.ZIP_1}!Inbox/00000001 a.eml"}
    attachment = {**mark, "kind": "attachment", "key": "data/originals/mail-00001/00000001 a!.zip!b"}
    state = _state(
        ("item", box.message("m1", "inbox", "/Inbox/1", f"{box.ZIP_1}!a.eml", b"1")),
        ("item", box.held("rule", "r", f"{box.SETTINGS}!1", b"1")),
        ("item", {**mark, "sha256": SHA}),
        ("item", {**old, "sha256": SHA}),
        ("item", {**attachment, "sha256": SHA}),
        ("item", box.held("original", box.ZIP_1, box.ZIP_1, b"zip")),
    )
    keys = [key for key, _ in state.manifest()]
    assert keys == ["data/files/not!an entry", "data/originals/mail-00001.zip", attachment["key"]]
    assert state.payload_sum() == (2 + 3 + 2, 3)
    assert state.holds_key(box.ZIP_1) and not state.holds_key(f"{box.ZIP_1}!a.eml")


# -- rounds of several scopes


def _begun(scope: str) -> tuple[str, dict[str, Any]]:
    return "round", {"scope": scope, "state": "begun", "full": True}


def test_what_was_seen_before_another_scope_began_is_not_forgotten(store: FolderStore) -> None:
    """A folder that has to be listed anew in the middle of a round must not make those that were listed before look empty."""
    claim_source(store, BAG, SOURCE)
    _write(store, [_begun(""), ("seen", {"scope": "messages/f1", "ids": ["m1"]})], 0, "stopped")
    news = ("item", box.folder("f2", "", "/f2"))
    _write(store, [_begun("messages/f2"), ("seen", {"scope": "messages/f2", "ids": ["m2"]}), news], 1, "stopped")
    log = SegmentLog(store, f"{BAG}/lastcopy/ledger/")
    fold = LastFold(store, BAG, log)
    fold.read_head(Heads())
    state = fold.load()
    assert state is not None
    assert _seen(state) == [("messages/f1", "m1"), ("messages/f2", "m2")]
    head = orjson.loads(store.read(f"{BAG}/lastcopy/head.json"))
    assert head["since"] < head["round"]
    state.close()


def test_a_round_that_begins_anew_forgets_what_all_scopes_saw() -> None:
    state = _state(
        _begun(""),
        ("seen", {"scope": "messages/f1", "ids": ["m1"]}),
        ("round", {"scope": "", "state": "ended", "full": True}),
    )
    state.apply(*_begun(""), b"{}", 9)
    assert _seen(state) == []


def test_a_round_of_one_scope_has_no_second_number(store: FolderStore) -> None:
    claim_source(store, BAG, SOURCE)
    _write(store, [_begun("d"), ("seen", {"scope": "d", "ids": ["1"]})], 0, "stopped")
    _write(store, [_begun("d"), ("seen", {"scope": "d", "ids": ["2"]})], 1, "stopped")
    assert "since" not in orjson.loads(store.read(f"{BAG}/lastcopy/head.json"))


# -- rows that stand together


def test_rows_that_are_emitted_together_stand_in_one_segment(store: FolderStore) -> None:
    claim_source(store, BAG, SOURCE)
    run = Run("20260101T000000Z-000000", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), lambda: 0)
    with open_bag(store, BAG, SOURCE, run) as writer:
        for group in range(5):
            number = ROWS + 5 if group == 3 else 400
            rows = [
                box.message(f"{group}-{n}", "f", "/f/x", f"{box.ZIP_1}!{group}-{n}.eml", b"x") for n in range(number)
            ]
            writer.emit_together(("item", row) for row in rows)
        writer.close("complete")
    log = SegmentLog(store, f"{BAG}/lastcopy/ledger/")
    found: dict[str, set[int]] = {}
    for number in range(1, 40):
        if log.exists(number):
            for row in log.read(number).rows():
                if "item" in row and row["item"]["kind"] == "message":
                    found.setdefault(row["item"]["id"].partition("-")[0], set()).add(number)
    assert len(found) == 5 and all(len(segments) == 1 for segments in found.values()), found


def test_the_writer_knows_rows_that_it_emitted_together(store: FolderStore) -> None:
    claim_source(store, BAG, SOURCE)
    run = Run("20260101T000000Z-000000", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), lambda: 0)
    with open_bag(store, BAG, SOURCE, run) as writer:
        assert isinstance(writer, BagWriter)
        writer.emit_together([("item", box.message("m", "f", "/f/x", f"{box.ZIP_1}!x.eml", b"x"))])
        assert writer.state.item_row("", "m") is not None
