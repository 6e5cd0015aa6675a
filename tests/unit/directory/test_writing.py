"""The exporter on a folder store that dies at a chosen write; terms that stand in several sets, or in a circle."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import Run, open_bag
from exporters.bag.verify import verify_bag
from exporters.clock import timestamp
from exporters.copied import CopyResult, Progress
from exporters.directory.exporter import DirectoryExporter
from exporters.export import new_run_id
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored
from tests.faults.desk import HurriedClock
from tests.faults.directory_desk import guid, make
from tests.independent.judge_directory import rows_of
from tests.unit.graph.mailbox_tenant import Desk, desk_at

CLOCK = HurriedClock()


class PowerLostError(BaseException):
    """Nothing after it happens."""


class DyingStore(FolderStore):
    """Loses power just after an object whose key ends so was written."""

    dies_at = "nowhere"

    def put(self, key: str, content: "bytes | Iterable[bytes]", **options: Any) -> Stored:
        stored = super().put(key, content, **options)
        if key.endswith(self.dies_at):
            raise PowerLostError
        return stored


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("directory") / "tenant", people=14)


@pytest.fixture
def desk(data: Path) -> Iterator[Desk]:
    with desk_at(data, CLOCK) as found:
        yield found


def copier(desk: Desk, folder: Path) -> Callable[..., CopyResult]:
    """Runs the exporter; `dies_at`: where power is lost."""
    folder.mkdir()

    def copy(dies_at: str = "nowhere") -> CopyResult:
        store = DyingStore(folder)
        store.dies_at = dies_at
        source = Source(SourceKind.DIRECTORY, guid("tenant"), "directory")
        bag = Catalogue(store).bag_of(source, cloud="custom", at=timestamp(CLOCK.now()))
        row = {
            "kind": "directory",
            "id": source.id,
            "owner": None,
            "cloud": "custom",
            "name": "directory",
            "settings": {},
        }
        run = Run(new_run_id(CLOCK), CLOCK, lambda: 0, take_over=True)
        with open_bag(store, bag, row, run) as writer:
            exporter = DirectoryExporter(source, desk.graph, writer, CLOCK, progress=Progress(), stop=threading.Event())
            return exporter.run()

    return copy


@pytest.mark.parametrize(
    "dies_at",
    [
        "users-00001.jsonl",
        "groups-00001.jsonl",
        "terms-00001.jsonl",
        "data/directory/users.csv",
        "members.csv",
        "about.txt",
    ],
)
def test_power_is_lost_between_an_object_and_its_rows(desk: Desk, tmp_path: Path, dies_at: str) -> None:
    copy = copier(desk, tmp_path / "store")
    with pytest.raises(PowerLostError):
        copy(dies_at)
    result = copy()
    assert not result.problems and not result.exceptions and result.unexplained == 0
    report = verify_bag(FolderStore(tmp_path / "store"), "directory", refold=True)
    assert not (report.missing or report.changed or report.unexpected or report.open) and report.reconciled, report
    left = [row["key"] for row in rows_of(tmp_path / "store/directory") if row["kind"] == "leftover"]
    assert left == ([f"data/originals/{dies_at}"] if dies_at.endswith("jsonl") else [])


def test_a_table_whose_row_was_lost_is_put_again_though_all_is_as_it_was(desk: Desk, tmp_path: Path) -> None:
    copy, path = copier(desk, tmp_path / "store"), tmp_path / "store/directory/data/directory/members.csv"
    copy()
    held, group = path.read_bytes(), guid("group", 3)
    desk.client.change({"kind": "group", "op": "members", "id": group, "set": [guid("user", 1)]})
    with pytest.raises(PowerLostError):
        copy("members.csv")
    assert path.read_bytes() != held
    desk.client.change({"kind": "group", "op": "members", "id": group, "set": []})
    copy()
    assert path.read_bytes() == held
    report = verify_bag(FolderStore(tmp_path / "store"), "directory")
    assert not (report.changed or report.open), report


def test_terms_in_several_sets_and_in_a_circle(desk: Desk, tmp_path: Path) -> None:
    store = desk.client.rehearsal.service.tenant.directory.term_store
    (group,) = store["_groups"]
    first = group["_sets"][0]
    europe = first["_terms"][0]
    europe["_children"][0]["_children"] = [europe]  # leads back
    group["_sets"].append({**first, "id": guid("set"), "localizedNames": [], "_terms": [europe]})
    copier(desk, tmp_path / "store")()
    rows = [row for row in rows_of(tmp_path / "store/directory") if row["kind"] == "term"]
    terms = [row for row in rows if row["service"]["class"] == "term"]
    assert len([row for row in terms if row["id"] == europe["id"]]) == 2
    assert len(terms) == 5 + 4 and len({(row["scope"], row["id"]) for row in terms}) == len(terms)
