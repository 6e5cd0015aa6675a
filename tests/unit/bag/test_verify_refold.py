"""`verify --refold` on a bag that the writers did not make: the two implementations of the fold meet here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.bag.verify import verify_bag
from exporters.store.folder import FolderStore
from tests.unit.bag.handmade_bag import HandmadeBag, usual_bag


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    (tmp_path / "store").mkdir()
    made = FolderStore(tmp_path / "store")
    yield made
    made.close()


def owing_bag() -> HandmadeBag:
    """Stopped in the middle: owed rows, an unfinished full round, an unexplained and a moving count."""
    made = usual_bag()
    made.segment(
        [
            {"round": {"scope": "b!drive-1", "state": "begun", "full": True}},
            made.listed("Q", "F1", "new.txt"),
            {"listed": {"deleted": True, "id": "N", "scope": "b!drive-1"}},
            made.folder("F2", "R", "/Empty", 3),
            {"closed": {"reason": "stopped"}},
        ]
    )
    made.fold()
    return made


@pytest.mark.parametrize("made", [usual_bag(), owing_bag()], ids=["whole", "owing"])
def test_the_fold_from_segment_1_is_the_fold_that_is_there(
    store: FolderStore, tmp_path: Path, made: HandmadeBag
) -> None:
    made.write(tmp_path / "store")
    found = verify_bag(store, made.bag, refold=True)
    assert found.refolded and not found.changed and not found.missing, found


def test_a_fold_that_is_not_the_one_from_segment_1_is_found(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    name = "lastcopy/reconciliation.json"
    made.objects[name] = made.objects[name].replace(b'"path":"/"', b'"path":"/other"')  # nothing else looks at this
    made.seal()
    made.write(tmp_path / "store")
    assert verify_bag(store, made.bag).whole
    found = verify_bag(store, made.bag, refold=True)
    assert [(f.name, f.why) for f in found.changed.first] == [(name, "the fold from segment 1 gives other bytes")]


def test_a_bag_that_is_open_is_refolded_to_its_fold(store: FolderStore, tmp_path: Path) -> None:
    made = usual_bag()
    made.segment([made.file("P", "F2", "/Empty/late.txt", b"late"), made.folder("F2", "R", "/Empty", 1)])
    made.write(tmp_path / "store")
    found = verify_bag(store, made.bag, refold=True)
    assert found.whole and found.open and found.refolded, found
