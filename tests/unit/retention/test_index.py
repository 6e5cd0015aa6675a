"""The index of the journal: what follows from the rows, whatever way they come in (design §4; retention-domain §5)."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import ManualClock
from exporters.errors import ConfigurationError
from exporters.store.folder import FolderStore
from retention.books import Books, opened_books
from retention.config import Config, parse
from retention.journal import Journal
from retention.journal_places import local_folder, move
from retention.state.index import open_index
from retention.tracked import CLAIMED, DROPPED, FAILED, SENT, SUPERSEDED, WITHDRAWN
from tests.faults import databases

NOW = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(databases.WHY_NOT != "", reason=databases.WHY_NOT or "-")),
]


@pytest.fixture(params=DATABASES)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Config]:
    url = "sqlite:///lastcopy.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    yield Config(tmp_path / "lastcopy.yaml", parse(f"state: {url}\n"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Postgresql]:
    with databases.Postgresql() as server:
        yield server


def stated(name: str, **more: Any) -> dict[str, Any]:
    events = [{"id": "cancel#1", "type": "cancel", "at": "2026-03-01T10:15:00Z"}]
    return {"type": "stated", "subscription": name, "set": {"channel": "direct"}, "events": events, **more}


def key(name: str, days: int = 30, **more: Any) -> dict[str, Any]:
    instant = "2026-03-31T10:15:00Z"
    made = {"key": name, "boundary": "at_risk_from", "instant": instant, "threshold_days": days, "severity": "notice"}
    return {**made, **more}


def claimed(delivery: str, *keys: dict[str, Any], subscription: str = "s1", **more: Any) -> dict[str, Any]:
    row = {"type": "warning_claimed", "delivery": delivery, "recipient": "ops", "subscription": subscription}
    return {**row, "event": "cancel#1", "kind": "scheduled", "keys": list(keys), **more}


ENABLED = {"subscription": "s9", "status": "Enabled"}
STORY = [
    [stated("s1", sources=[["mail", "anna"], ["onedrive", "anna"]]), stated("s2")],
    [claimed("d1", key("k30")), {"type": "run_started", "verb": "export"}],
    [{"type": "warning_failed", "delivery": "d1", "reason": "550 no"}],
    [
        {
            "type": "warning_superseded",
            "subscription": "s1",
            "event": "cancel#1",
            "recipient": "ops",
            "keys": [key("k30")],
        }
    ],
    [claimed("d2", key("k14", 14), key("k7", 7, severity="critical"), kind="catch_up")],
    [
        {"type": "warning_sent", "delivery": "d2"},
        {"type": "acknowledged", "key": "k14", "by": "Anna", "reason": "seen"},
    ],
    [
        claimed("d3", key("k3", 3)),
        {"type": "warning_withdrawn", "subscription": "s1", "event": "x", "keys": ["k3", "k7"]},
    ],
    [
        {
            "type": "observation",
            "what": "subscriptions",
            "reached": True,
            "subscriptions": [{"subscription": "s9", "status": "Enabled"}],
        }
    ],
    [
        {
            "type": "run_ended",
            "exit": 0,
            "bags": {"mail/anna": {"segment": 3}},
            "wholes": {"onedrive/anna": {"locked": "x"}},
        }
    ],
    [{"type": "verified", "bag": "mail/anna", "level": "full", "segment": 3, "result": "whole"}],
]


def told(books: Books) -> Any:
    """All that the index answers."""
    ids = [found.id for found in books.index.subscriptions()]
    return books.index.subscriptions(), books.index.said(ids), books.index.sources(ids), books.index.bags()


def test_what_the_rows_say(config: Config) -> None:
    with opened_books(config, ManualClock(NOW)) as books:
        for rows in STORY:
            books.append(rows)
        subscriptions, said, sources, bags = told(books)
        assert [found.id for found in subscriptions] == ["s1", "s2", "s9"]
        assert subscriptions[0].known_at == NOW
        assert subscriptions[0].sources == 2
        assert sources["s1"] == [("mail", "anna"), ("onedrive", "anna")]
        assert {made.id: made.status for made in said["s1"].deliveries} == {"d1": DROPPED, "d2": SENT, "d3": DROPPED}
        statuses = {claim.key: claim.status for claim in said["s1"].claims}
        assert statuses == {"k30": SUPERSEDED, "k14": SENT, "k7": SENT, "k3": WITHDRAWN}
        acknowledged = {claim.key for claim in said["s1"].claims if claim.acknowledged}
        assert acknowledged == {"k14"}
        assert bags == {"mail/anna": (True, True), "onedrive/anna": (False, False)}
        assert books.index.observations("s9")[0]["status"] == "Enabled"


def test_an_index_that_is_lost_comes_back_as_it_was(config: Config) -> None:
    clock = ManualClock(NOW)
    with opened_books(config, clock) as books:
        for rows in STORY:
            books.append(rows)
            clock.advance(60)
        before = told(books)
    with opened_books(config, clock, anew=True) as books:
        assert told(books) == before


def test_two_that_write_see_each_other(config: Config) -> None:
    """Who loses a number reads what came first, and judges anew."""
    with opened_books(config, ManualClock(NOW)) as one, opened_books(config, ManualClock(NOW)) as other:
        assert one.try_append([stated("s1")])
        assert not other.try_append([stated("s2")])
        assert [found.id for found in other.index.subscriptions()] == ["s1"]
        assert other.try_append([stated("s2")])
        one.catch_up()
        assert told(one) == told(other)


def test_what_is_due_is_read_alone(config: Config) -> None:
    with opened_books(config, ManualClock(NOW)) as books:
        books.append([stated(f"s{number}") for number in range(4)])
        assert len(books.index.due(NOW, "with")) == 4, "what was never looked at is due"
        rows = [("s0", NOW, "a"), ("s1", NOW + timedelta(hours=1), "b"), ("s2", None, "c"), ("s3", NOW, "d")]
        books.index.set_next_due(books.head, books.place.name, rows, "with")
        assert [found.id for found in books.index.due(NOW, "with")] == ["s0", "s3"]
        assert len(books.index.due(NOW, "other settings")) == 4
        books.append([claimed("d1", key("k30"), subscription="s2")])
        assert [found.id for found in books.index.due(NOW, "with")] == ["s0", "s2", "s3"], "a row that touches it"
        books.index.set_next_due(books.head, books.place.name, [("s2", None, "c")], "with")
        assert books.index.soonest() == ("s0", NOW)


def test_nothing_is_put_off_by_what_was_computed_before_the_journal_went_on(config: Config) -> None:
    with opened_books(config, ManualClock(NOW)) as books:
        books.append([stated("s1")])
        before = books.head
        books.append([stated("s1", events=[])])
        books.index.set_next_due(before, books.place.name, [("s1", None, "a")], "with")
        assert [found.id for found in books.index.due(NOW, "with")] == ["s1"]


def test_the_first_store_takes_over_the_journal(tmp_path: Path) -> None:
    """Its rows become the store's first segments, and the old one ends with `moved` (design §4)."""
    clock = ManualClock(NOW)
    beside = Config(tmp_path / "lastcopy.yaml", parse("state: sqlite:///lastcopy.db\n"))
    stored = Config(tmp_path / "lastcopy.yaml", parse("state: sqlite:///lastcopy.db\nstore: {url: file:./copy}\n"))
    with opened_books(beside, clock) as books:
        for rows in STORY[:4]:
            books.append(rows)
        before = told(books)
    with opened_books(stored, clock) as books:
        assert books.place.is_local, "no export has made it a store yet"
        assert told(books) == before
        store = FolderStore(tmp_path / "copy", url="file:./copy")
        store.put("lastcopy.json", json.dumps({"layout": 1, "tenant": {"id": "t"}}).encode())
        assert move(stored, store, clock) == 4
        books.append(STORY[4])  # a sweep that was under way follows
        assert not books.place.is_local
    for row in Journal(store, clock).rows():
        assert row["at"] == "2026-03-01T10:15:00Z"
    assert move(stored, store, clock) == 0
    with opened_books(stored, clock) as books:
        assert [made.id for made in books.index.said(["s1"])["s1"].deliveries] == ["d1", "d2"]
    assert [row["type"] for row in Journal(FolderStore(local_folder(stored)), clock).rows()][-1] == "moved"
    with pytest.raises(ConfigurationError, match=r"went on in file:\./copy"), opened_books(beside, clock):
        pass


def test_a_move_that_was_cut_off_is_done_again_and_leaves_nothing_out(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    stored = Config(tmp_path / "lastcopy.yaml", parse("state: sqlite:///lastcopy.db\nstore: {url: file:./copy}\n"))
    with opened_books(stored, clock) as books:
        for rows in STORY:
            books.append(rows)
        before = told(books)
    store = FolderStore(tmp_path / "copy", url="file:./copy")
    store.put("lastcopy.json", json.dumps({"layout": 1, "tenant": {"id": "t"}}).encode())
    kept = tmp_path / "kept"
    shutil.copytree(local_folder(stored), kept)
    move(stored, store, clock)
    shutil.rmtree(local_folder(stored))
    shutil.copytree(kept, local_folder(stored))  # as if `moved` had never been written
    assert move(stored, store, clock) == 0, "each segment is there already"
    with opened_books(stored, clock) as books:
        assert told(books)[1:] == before[1:]


def test_a_journal_that_was_put_back_makes_the_index_anew(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    config = Config(tmp_path / "lastcopy.yaml", parse("state: sqlite:///lastcopy.db\n"))
    with opened_books(config, clock) as books:
        for rows in STORY:
            books.append(rows)
    (local_folder(config) / "journal" / "000000010.jsonl").unlink()
    with opened_books(config, clock) as books:
        assert books.index.bags()["mail/anna"] == (True, False)


def test_an_index_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    config = Config(tmp_path / "lastcopy.yaml", parse("state: sqlite:///lastcopy.db\n"))
    with opened_books(config, ManualClock(NOW)):
        pass
    with sqlite3.connect(tmp_path / "lastcopy.db") as direct:
        direct.execute("UPDATE index_version SET version_num = '9999'")
    index = open_index("sqlite:///lastcopy.db", tmp_path)
    with pytest.raises(ConfigurationError, match="newer Lastcopy"):
        index.head("local")
    index.close()


def test_migrations_lead_to_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from retention.state.index_tables import INDEX

    index = open_index("sqlite:///lastcopy.db", tmp_path)
    with index.transaction(writing=False) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "index_version"})
        assert compare_metadata(context, INDEX) == []
    index.close()


def test_claims_that_failed_are_shown_by_every_command(config: Config) -> None:
    with opened_books(config, ManualClock(NOW)) as books:
        books.append([stated("s1"), claimed("d1", key("k30"))])
        assert books.index.standing(1).undelivered == 0
        assert books.index.said(["s1"])["s1"].deliveries[0].status == CLAIMED
        books.append([{"type": "warning_failed", "delivery": "d1", "reason": "550 no", "uncertain": True}])
        standing = books.index.standing(1)
        assert (standing.undelivered, standing.example) == (1, "ops: 550 no")
        made = books.index.said(["s1"])["s1"].deliveries[0]
        assert (made.status, made.is_uncertain) == (FAILED, True)
