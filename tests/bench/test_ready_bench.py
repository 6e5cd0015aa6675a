"""`ready` of a tenant of very many sources, and of one very large one: seconds, and memory that does not grow with them.

Rules of this file: marker `bench`, never part of `make test`. The store is a proven one of a single drive, and copies of its bag
under other names; what is damaged by that is said, and costs no less. `LASTCOPY_BENCH_SOURCES=10000` sets their number.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from exporters.bag.formats import load_json
from exporters.clock import SystemClock
from exporters.store.folder import FolderStore
from retention.journal import Journal
from tests.bench import made_store
from tests.bench.measuring import cost_of

pytestmark = pytest.mark.bench
SOURCES = int(os.environ.get("LASTCOPY_BENCH_SOURCES", "2000"))
FILES = int(os.environ.get("LASTCOPY_BENCH_FILES", "100000"))
COMMAND = [sys.executable, "-m", "retention"]
RUN = "20261125T015556Z-f41904"


def _configured(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lastcopy.yaml").write_text(json.dumps(made_store.CONFIGURATION))
    return folder


def _many(folder: Path, number: int) -> Path:
    """So many drives of ten files, each a source, each read back, all of one complete run."""
    store = _configured(folder) / "store"
    bag = made_store.make_store(store, 10)
    shutil.rmtree(store / "journal")
    head = load_json((bag / "lastcopy/head.json").read_bytes())
    entry = load_json(next((store / "sources").iterdir()).read_bytes())
    tagmanifest = made_store.sha((bag / "tagmanifest-sha256.txt").read_bytes())
    left, rows, sources = {}, [], []
    for one in range(number):
        name, drive = f"onedrive/person{one}@contoso.com" if one else made_store.BAG, f"{made_store.DRIVE}{one}"
        if one:
            shutil.copytree(bag, store / name)
        handle = made_store.sha(f"onedrive {drive}".encode())[:24]
        content = {**entry, "bag": name, "id": drive, "names": [{"name": name, "since": made_store.AT}]}
        (store / f"sources/{handle}.json").write_bytes(made_store.dump(content))
        left[name] = {"segment": head["segment"], "sha256": head["sha256"]}
        verified = {"bag": name, "level": "full", "segment": head["segment"], "tagmanifest": tagmanifest, "findings": 0}
        rows.append(
            {"type": "verified", **verified, "result": "whole", "reconciled": True, "began": "2099-01-01T00:00:00Z"}
        )
        coverage = [{"class": "files", "state": "covered"}, {"class": "recycle_bin", "state": "never possible"}]
        sources.append(
            {"kind": "onedrive", "name": name, "bag": name, "excepted": 0, "pending": 0, "coverage": coverage}
        )
    (store / "runs").mkdir()
    record = made_store.dump({"run": RUN, "sources": sources, "not_asked": []})
    (store / f"runs/{RUN}.json").write_bytes(record)
    journal = Journal(FolderStore(store), SystemClock())
    journal.append([{"type": "run_started", "verb": "export", "asked": {}}], run=RUN)
    journal.append(
        [{"type": "run_ended", "exit": 0, "all_sources": True, "bags": left, "record": made_store.sha(record)}], run=RUN
    )
    for start in range(0, len(rows), 100):
        journal.append(rows[start : start + 100])
    return folder


def _codes(folder: Path) -> set[str]:
    """What the answer on record says."""
    rows = Journal(FolderStore(folder / "store"), SystemClock()).rows()
    return set([row["reasons"] for row in rows if row["type"] == "ready"][-1])


@pytest.mark.parametrize("number", [SOURCES // 10, SOURCES])
def test_many_sources(number: int, tmp_path: Path) -> None:
    folder = _many(tmp_path / "many", number)
    cost = cost_of([*COMMAND, "ready", "--json", "--config", "lastcopy.yaml"], folder, dict(os.environ), codes=(3,))
    codes = _codes(folder)
    assert "not_verified" not in codes and "bag_damaged" not in codes, codes
    print(f"\n{number:,} sources: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, {cost.memory:.0f} MiB ({sorted(codes)})")
    assert cost.cpu < 0.01 * number + 10


@pytest.mark.parametrize("number", [FILES // 10, FILES])
def test_one_large_source(number: int, tmp_path: Path) -> None:
    folder = _configured(tmp_path / "large")
    made_store.make_store(folder / "store", number)
    cost = cost_of([*COMMAND, "ready", "--json", "--config", "lastcopy.yaml"], folder, dict(os.environ), codes=(3,))
    assert "bag_damaged" not in _codes(folder)
    print(f"\n{number:,} files: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, {cost.memory:.0f} MiB")
    assert cost.cpu < number * 1e-4 + 10
