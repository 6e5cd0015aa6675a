"""A report on a store that is damaged says so, and is not kinder than what lies there."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from retention.config import load
from retention.evidence.collecting import collected
from retention.evidence.contents import Seal
from retention.opening import configured_store
from tests.bench.made_store import CONFIGURATION, Ledger, dump, make_rows, sha

BAG = "onedrive/user0000@contoso.com"
ITEMS, TAGS = "lastcopy/items.jsonl", "tagmanifest-sha256.txt"
SEAL = Seal("evidence/20261123T154017Z", "ed25519", "ab" * 32)
SOUND = {"exceptions_open", "gap", "never_possible", "no_clock", "ready_not_asked"}
"""What is wrong with the store before anything is done to it."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    make_rows(tmp_path / "store", 200, 2)
    (tmp_path / "lastcopy.yaml").write_text(json.dumps(CONFIGURATION))
    yield tmp_path


def reported(folder: Path) -> dict[str, Any]:
    """The document, after each file of the report was written too."""
    store = configured_store(load(folder / "lastcopy.yaml"), SystemClock())
    with collected(store, load(folder / "lastcopy.yaml"), SystemClock(), SEAL) as contents:
        for _, write in contents.files:
            write(io.BytesIO())
        return contents.document


def _remake_tagmanifest(bag: Path) -> None:
    names = [line.partition("  ")[2] for line in (bag / TAGS).read_text().splitlines()]
    (bag / TAGS).write_text("".join(f"{hashlib.sha256((bag / n).read_bytes()).hexdigest()}  {n}\n" for n in names))


def _flip(bag: Path) -> None:
    data = bytearray((bag / ITEMS).read_bytes())
    data[5_000] ^= 1
    (bag / ITEMS).write_bytes(data)


def _without_a_row(bag: Path) -> None:
    (bag / ITEMS).write_bytes(b"".join((bag / ITEMS).read_bytes().splitlines(keepends=True)[1:]))


def _odd_rows(bag: Path) -> None:
    (bag / ITEMS).write_bytes(b'{}\n{"kind":["file"]}\n[]\n')


def _other_counts(bag: Path) -> None:
    file = bag / "lastcopy/reconciliation.json"
    told = json.loads(file.read_bytes())
    told["counts"]["copied"] += 1
    file.write_bytes(dump(told))
    _remake_tagmanifest(bag)


def _rows_after_the_fold(bag: Path) -> None:
    ledger = Ledger.__new__(Ledger)
    first = bag / "lastcopy/ledger/000000001.jsonl"
    ledger.folder, ledger.number, ledger.sha256 = first.parent, 1, sha(first.read_bytes())  # type: ignore[assignment]
    ledger.write([dump({"item": {"kind": "file"}})])


def _remove(name: str) -> Callable[[Path], None]:
    return lambda bag: (bag / name).unlink()


def _root(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda bag: (bag.parents[1] / name).write_bytes(content) and None


CASES: list[tuple[str, Callable[[Path], None], set[str]]] = [
    ("nothing", lambda bag: None, set()),
    ("a bit of the rows", _flip, {"fold_damaged"}),
    ("a row less", _without_a_row, {"fold_damaged"}),
    ("rows that are none", _odd_rows, {"fold_damaged"}),
    ("no rows", _remove(ITEMS), {"fold_damaged"}),
    ("no head", _remove("lastcopy/head.json"), {"fold_damaged"}),
    ("no tagmanifest", _remove(TAGS), {"no_fold"}),
    ("no ledger", _remove("lastcopy/ledger/000000001.jsonl"), {"ledger_damaged", "root_differs"}),
    ("other counts", _other_counts, {"counts_differ_from_rows", "not_verified"}),
    ("rows after the fold", _rows_after_the_fold, {"bag_open", "not_verified"}),
    ("another record", _root("runs/20261125T015556Z-f41904.json", b"{}"), {"run_record_differs", "no_run_tells"}),
    ("a stray", _root("onedrive/notes.txt", b"mine"), {"root_differs"}),
    ("another root", _root("lastcopy.json", b'{"created":"x","layout":1,"product":"lastcopy","tenant":{"id":"t"}}'),
     {"root_differs"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "act", "codes"), CASES, ids=[case[0] for case in CASES])
def test_damage_is_told(folder: Path, name: str, act: Callable[[Path], None], codes: set[str]) -> None:
    act(folder / "store" / BAG)
    verdict = reported(folder)["verdict"]
    found = {reason["code"] for reason in verdict["reasons"]}
    assert codes <= found
    assert verdict["result"] == "incomplete"
    if not codes:
        assert found == SOUND
