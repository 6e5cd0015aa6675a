"""Composing that is cut off at any write to the store: the next one makes the same, and nothing stands in the way of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.verify import verify_bag
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored
from tests.unit.mail.mailbox_bag import Mail, MailboxBag, folder_bag, mime

ROOT = Path(__file__).parents[3]
SIZE = 2_000_000
"""Bytes of a part: all mails need two or three."""


class CutOffError(BaseException):
    """The machine is gone."""


class Mortal(FolderStore):
    """A folder whose machine goes down just after, or just before, its nth write."""

    left: int | None = None
    is_after = True

    def put(self, key: str, content: bytes | Iterable[bytes], **options: Any) -> Stored:
        if self.left is None:
            return super().put(key, content, **options)
        if self.left <= 0:
            raise CutOffError
        self.left -= 1
        if self.left == 0 and not self.is_after:
            raise CutOffError
        stored = super().put(key, content, **options)
        if self.left == 0:
            raise CutOffError
        return stored


def mails(numbers: Iterable[int], what: str = "m") -> list[Mail]:
    return [
        Mail(f"id{n:03d}", mime(f"{what}{n}", "x" * 50_000), received=f"2026-11-{n % 28 + 1:02d}T00:00:00Z")
        for n in numbers
    ]


def first(box: MailboxBag) -> None:
    """A bag before its first composition."""
    box.tree()
    box.mails(1, mails(range(30)))


def second(box: MailboxBag) -> None:
    """News after a composition."""
    box.compose()
    box.mails(2, mails(range(25, 35), "again "))
    box.change("message", "id003", parent="sent")
    box.change("message", "id004", outcome="gone", since="2026-11-24T00:00:00Z")


def third(box: MailboxBag) -> None:
    """And once more."""
    second(box)
    box.compose()
    box.change("message", "id005", parent="sent")


def left_in(box: MailboxBag) -> tuple[dict[str, bytes], list[Any], Any]:
    """Objects of the PST, rows without what depends on the run, `parts.json`."""
    prefix = f"{box.bag}/data/pst/"
    files = {info.key[len(prefix) :]: box.store.read(info.key) for info in box.store.list(prefix)}
    rows = [json.loads(line) for line in box.store.read(f"{box.bag}/lastcopy/items.jsonl").splitlines()]
    for row in rows:
        for name in ("run", "captured", "since"):
            row.pop(name, None)
    return files, rows, box.parts_json()


CASES: dict[str, tuple[Callable[[MailboxBag], None], bool]] = {
    "first": (first, False),
    "increment": (lambda box: (first(box), second(box))[-1], False),
    "recompose": (lambda box: (first(box), third(box))[-1], True),
}


def ready(path: Path, prepare: Callable[[MailboxBag], None]) -> MailboxBag:
    box = MailboxBag(Mortal(path))
    with box.run(close="stopped"):
        prepare(box)
    return box


def cut(box: MailboxBag, writes: int, *, is_after: bool, recompose: bool) -> bool:
    """Compose on a machine that goes down; whether it did."""
    store = box.store
    assert isinstance(store, Mortal)
    store.left, store.is_after = writes, is_after
    try:
        with box.run(take_over=True):
            box.compose(recompose=recompose, part_size=SIZE)
    except CutOffError:
        return True
    finally:
        store.left = None
    return False


@pytest.mark.parametrize(
    ("case", "is_after"),
    [
        pytest.param(case, is_after, marks=[pytest.mark.soak] if case == "recompose" and is_after else [])
        for case in CASES
        for is_after in (True, False)
    ],
)
def test_cut_off_at_any_write_the_next_composition_makes_the_same(case: str, is_after: bool, tmp_path: Path) -> None:
    prepare, recompose = CASES[case]
    undisturbed = ready(tmp_path / "undisturbed", prepare)
    with undisturbed.run():
        undisturbed.compose(recompose=recompose, part_size=SIZE)
    wanted = left_in(undisturbed)
    writes = 0
    while True:
        writes += 1
        box = ready(tmp_path / f"{writes}", prepare)
        if not cut(box, writes, is_after=is_after, recompose=recompose):
            break
        with box.run(take_over=True):
            box.compose(recompose=recompose, part_size=SIZE)
        files, rows, parts = left_in(box)
        assert parts == wanted[2] and files.keys() == wanted[0].keys(), f"cut off at write {writes}"
        assert [row for row in rows if row not in wanted[1]] == [row for row in wanted[1] if row not in rows] == []
        assert files == wanted[0], f"cut off at write {writes}"
        found = verify_bag(box.store, box.bag)
        assert not [*found.missing.first, *found.changed.first, *found.unexpected.first]
    assert writes > 4


def test_a_recomposition_that_was_cut_off_is_done_again_by_any_next_one(tmp_path: Path) -> None:
    prepare, _ = CASES["recompose"]
    undisturbed = ready(tmp_path / "undisturbed", prepare)
    with undisturbed.run():
        undisturbed.compose(recompose=True, part_size=SIZE)
    outcomes = set()
    for writes in range(1, 12):
        box = ready(tmp_path / f"{writes}", prepare)
        if not cut(box, writes, is_after=True, recompose=True):
            break
        with box.run(take_over=True):
            box.compose(part_size=SIZE)
        nodes = [row.get("pst") for row in left_in(box)[1] if row["kind"] == "message" and row["outcome"] == "copied"]
        for pst in nodes:
            assert pst is not None and pst["sha256"] == _sha(box, pst["file"])
        outcomes.add(left_in(box)[0].keys() == left_in(undisturbed)[0].keys())
    assert True in outcomes


def _sha(box: MailboxBag, file: str) -> str:
    row = next(row for row in left_in(box)[1] if row["kind"] == "derived" and row["key"] == f"data/pst/{file}")
    return str(row["sha256"])


SCRIPT = """
import sys
from pathlib import Path
from tests.unit.mail.test_compose_cut_off import CASES, SIZE, Killed, MailboxBag
box = MailboxBag(Killed(Path(sys.argv[1])))
box.runs = 50
box.store.left = int(sys.argv[2])
with box.run(take_over=True):
    box.compose(part_size=SIZE)
"""


class Killed(Mortal):
    """Goes down for good."""

    def put(self, key: str, content: bytes | Iterable[bytes], **options: Any) -> Stored:
        try:
            return super().put(key, content, **options)
        except CutOffError:
            os.kill(os.getpid(), signal.SIGKILL)
            raise


def test_a_killed_process_leaves_nothing_that_the_next_does_not_finish(tmp_path: Path) -> None:
    undisturbed = ready(tmp_path / "undisturbed", first)
    with undisturbed.run():
        undisturbed.compose(part_size=SIZE)
    box = folder_bag(tmp_path / "killed")
    with box.run(close="stopped"):
        first(box)
    for writes in (2, 3, 4, 5):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(writes)],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    with box.run(take_over=True):
        box.compose(part_size=SIZE)
    assert left_in(box) == left_in(undisturbed)
