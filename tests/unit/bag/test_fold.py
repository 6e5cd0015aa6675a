"""The fold is a pure function of the segments: merged with the last fold, or made from segment 1, it is the same bytes."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.bag.fold import render, state_from_segments
from exporters.bag.formats import TAG_FILES
from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.clock import ManualClock
from exporters.store.folder import FolderStore

SOURCE = {"kind": "onedrive", "id": "D", "owner": "O", "cloud": "custom", "first_copied": "2026-01-01T00:00:00Z"}
IDS = st.sampled_from(["root", "a", "b", "c", "d", "e"])
SHA = "0" * 64


def _listed(item: str, parent: str, name: str, size: int, folder: bool) -> dict[str, Any]:
    service: dict[str, Any] = {"childCount": size} if folder else {"size": size, "eTag": str(size)}
    facts = {"scope": "D", "id": item, "name": name, "parent": None if item == "root" else parent, "service": service}
    return {**facts, "kind": "folder" if folder or item == "root" else "file"}


LISTED = st.builds(_listed, IDS, IDS, st.text(min_size=1, max_size=4), st.integers(0, 3), st.booleans())
DELETED = IDS.map(lambda item: {"scope": "D", "id": item, "deleted": True})


def _item(facts: dict[str, Any], outcome: str) -> dict[str, Any]:
    row = {**facts, "path": "/" + facts["name"], "outcome": outcome, "captured": "t", "run": "r"}
    if outcome == "excepted":
        return {**row, "code": "malware", "reason": "m"}
    if facts["kind"] == "file":
        row.update(key=f"data/files/{facts['id']}", sha256=SHA, size=facts["service"]["size"])
    return row


ROWS = st.one_of(
    LISTED.map(lambda v: ("listed", v)),
    DELETED.map(lambda v: ("listed", v)),
    st.builds(_item, LISTED, st.sampled_from(["copied", "gone", "excepted"])).map(lambda v: ("item", v)),
    st.lists(IDS, max_size=3).map(lambda ids: ("seen", {"scope": "D", "ids": ids})),
    st.booleans().map(lambda full: ("round", {"scope": "D", "state": "begun", "full": full})),
    st.just(("round", {"scope": "D", "state": "ended", "full": True, "link": "https://x"})),
    st.text(max_size=3).map(lambda link: ("cursor", {"scope": "D", "kind": "next", "link": link, "settings": {}})),
    IDS.map(lambda item: ("permissions", {"scope": "D", "id": item, "captured": "t", "permissions": []})),
)


def _write(store: FolderStore, rows: list[tuple[str, dict[str, Any]]], number: int) -> None:
    run = Run(
        f"20260101T00000{number}Z-000000", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), lambda: 0, take_over=True
    )
    with open_bag(store, "onedrive/x", SOURCE, run) as writer:
        if number % 2:
            writer.load()  # with the state at hand, or read when the fold needs it
        for kind, value in rows:
            writer.emit(kind, value)
        writer.close("complete")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=8), min_size=1, max_size=4))
def test_the_merged_fold_equals_the_fold_from_segment_1(runs: list[list[tuple[str, dict[str, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert claim_source(store, "onedrive/x", SOURCE)
        for number, rows in enumerate(runs):
            _write(store, rows, number)
        head_segment = BagWriter(
            store, "onedrive/x", Run("r", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), lambda: 0)
        )
        head_segment._fold.read_head(head_segment.heads)
        state, position, at = state_from_segments(store, "onedrive/x", head_segment._fold.position.number)
        source = store.read("onedrive/x/lastcopy/source.json")
        rendered = {name: b"".join(content()) for name, content in render(state, position, at, source)}
        state.close()
        for name, content in rendered.items():
            assert store.read(f"onedrive/x/{name}") == content, name
        assert {i.key[len("onedrive/x/") :] for i in store.list("onedrive/x/")} >= set(rendered)
        assert set(rendered) <= set(TAG_FILES)
