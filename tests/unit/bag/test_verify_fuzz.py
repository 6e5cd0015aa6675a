"""Whatever is done to the bytes and objects of a store, `verify` does not call it whole; with processes and without them alike.

What nothing repeats cannot be missed, and is left alone here: `created` and `domain` of the root, `first_copied`, the names in
`sources/`, the newest segment of the journal (its end is known from outside only), and whatever begins with `lastcopy-probe`.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from exporters.bag.verify import Processes, verify_bag
from exporters.clock import ManualClock
from exporters.store.folder import FolderStore
from retention.verification import VerifyRequest, verify_store
from tests.unit.bag.handmade_bag import HandmadeBag, dump, sha, usual_bag
from tests.unit.bag.test_verify_root import handle, journal_of

RUN = "20261123T100000Z-aaaaaa"
CLOCK = ManualClock(datetime(2026, 11, 25, tzinfo=UTC))
UNREPEATED = re.compile(rb'"(?:first_copied|created|domain)":"[^"]*"|"names":\[[^\]]*\]')


def open_bag(name: str) -> HandmadeBag:
    """Rows stand after its fold."""
    made = usual_bag(name, source_id=f"drive of {name}")
    made.segment([made.file("P", "F2", "/Empty/late.txt", b"late"), made.folder("F2", "R", "/Empty", 1)], run=RUN)
    made.segment([{"closed": {"reason": "stopped"}}], run=RUN)
    return made


def whole_store() -> dict[str, bytes]:
    """Two bags, one of them open; journal and run record as a run leaves them."""
    bags = [usual_bag("onedrive/anna", source_id="drive of onedrive/anna"), open_bag("onedrive/anna-b")]
    tenant = {"domain": "contoso.com", "id": "tenant-1"}
    root = {"created": "2026-11-23T10:00:00Z", "layout": 1, "product": "lastcopy", "tenant": tenant}
    record = dump({"run": RUN, "exit": 0, "totals": {"copied": 12}})
    found = {"lastcopy.json": dump(root), f"runs/{RUN}.json": record}
    left = {}
    for made in bags:
        found |= {f"{made.bag}/{name}": data for name, data in made.objects.items()}
        entry = {"bag": made.bag, "id": made.source["id"], "kind": "onedrive", "owner": "user-1",
                 "names": [{"name": made.bag, "since": "2026-11-23T10:00:00Z"}]}  # fmt: skip
        found[f"sources/{handle('onedrive', str(made.source['id']))}.json"] = dump(entry)
        left[made.bag] = {"segment": len(made.segments), "sha256": made.segments[-1][0]}
    row = {"at": "t", "actor": {"host": "h", "user": "u"}, "run": RUN}
    ended = {**row, "type": "run_ended", "bags": left, "record": sha(record)}
    return found | journal_of([[{**row, "type": "run_started"}], [ended], [{**row, "type": "accepted", "code": "x"}]])


OBJECTS = whole_store()
KEYS = sorted(OBJECTS)
LAST_OF_JOURNAL = "journal/000000003.jsonl"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed") / "store"


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2) as made:
        made.start()
        yield made


def write(root: Path, objects: dict[str, bytes]) -> None:
    if root.exists():
        shutil.rmtree(root)
    for key, data in objects.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def damaged(draw: st.DrawFn, objects: dict[str, bytes]) -> None:
    """Do one thing to the objects."""
    key = draw(st.sampled_from([key for key in KEYS if key in objects]))
    data = objects[key]
    act = draw(st.sampled_from(["flip", "cut", "insert", "swap", "remove", "add", "move", "repeat"]))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    if act == "flip" and data:
        assume(not any(start <= at < end for start, end in (m.span() for m in UNREPEATED.finditer(data))))
        objects[key] = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
    elif act == "cut":
        objects[key] = data[:at]
    elif act == "insert":
        objects[key] = (
            data[:at] + draw(st.binary(min_size=1, max_size=9).filter(lambda new: new.strip(b"\n"))) + data[at:]
        )
        assume(UNREPEATED.sub(b"", objects[key]) != UNREPEATED.sub(b"", data))
    elif act == "swap":
        other = draw(st.sampled_from([key for key in KEYS if key in objects]))
        objects[key], objects[other] = objects[other], data
    elif act == "remove" and key != LAST_OF_JOURNAL:
        del objects[key]
    elif act == "add":
        name = draw(st.sampled_from(["x", " ", "~", ".jsonl", "0", "-2"]))
        place = draw(st.sampled_from([key + name, key.rpartition("/")[0] + f"/{name}"]))
        objects[place.lstrip("/")] = draw(st.sampled_from([b"", b"{}", data]))
    elif act == "move" and key != LAST_OF_JOURNAL:
        objects[f"{key.rpartition('.')[0]}-moved.{key.rpartition('.')[2]}"] = objects.pop(key)
    elif act == "repeat":  # a line once more
        lines = data.splitlines(keepends=True)
        objects[key] = b"".join([*lines, *lines[-1:]])


@st.composite
def damages(draw: st.DrawFn) -> dict[str, bytes | None]:
    """{key: bytes that are there now, None: gone}."""
    objects = dict(OBJECTS)
    for _ in range(draw(st.integers(1, 3))):
        damaged(draw, objects)
    assume(objects != OBJECTS)
    return {key: objects.get(key) for key in {*objects, *OBJECTS} if objects.get(key) != OBJECTS.get(key)}


def test_the_store_is_whole_before_anything_is_done_to_it(root: Path) -> None:
    write(root, OBJECTS)
    store = FolderStore(root)
    found = verify_store(store, VerifyRequest(refold=True), CLOCK)
    store.close()
    assert found.exit == 0, found.as_json()
    assert found.as_json()["open_bags"] == ["onedrive/anna-b"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(done=damages())
def test_no_damage_is_called_whole(root: Path, processes: Processes, done: dict[str, bytes | None]) -> None:
    write(root, {key: data for key, data in (OBJECTS | done).items() if data is not None})
    store = FolderStore(root)
    try:
        for bag in ("onedrive/anna", "onedrive/anna-b"):
            alone = verify_bag(store, bag, processes=Processes(0))
            assert verify_bag(store, bag, processes=processes).as_json() == alone.as_json()
        found = verify_store(store, VerifyRequest(), CLOCK)
    finally:
        store.close()
    document: dict[str, Any] = found.as_json()
    assert document["exit"] == 3, document
    assert document["findings"] or document["reasons"]
