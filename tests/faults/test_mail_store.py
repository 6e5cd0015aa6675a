"""The store fails while originals of a mailbox are put: nothing half stays under a key, and the next run ends equal."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.bag import objects as bag_objects
from exporters.mail.capture import objects
from exporters.store.errors import KeyRefusedError, ObjectExistsError, StoreFullError
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored
from tests.faults.mail_desk import MailDesk, mail_desk
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
CUT = 5  # bytes; nothing of the data is as long


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("stores") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


class OddStore(FolderStore):
    """Fails once on the first object whose key has the pattern; how: `cut` in the middle, `taken` by somebody else, `refused`."""

    def __init__(self, root: Path, pattern: str, how: str, times: int = 1) -> None:
        super().__init__(root)
        self._pattern, self._how, self.left = re.compile(pattern), how, times

    def put(self, key: str, content: bytes | Iterable[bytes], **named: Any) -> Stored:
        if not self.left or not self._pattern.search(key):
            return super().put(key, content, **named)
        self.left -= 1
        if self._how == "refused":
            raise KeyRefusedError(key, "no such name is taken today")
        if self._how == "taken":
            super().put(key, b"somebody else's")
            return super().put(key, content, **named)
        return super().put(key, _cut(content), **named)


def _cut(content: bytes | Iterable[bytes]) -> Iterator[bytes]:
    chunks = iter([content] if isinstance(content, bytes) else content)
    yield next(chunks)[:CUT]
    raise StoreFullError("There is no room left.", code="store_full")


OBJECTS = [
    r"mail-\d+\.zip",
    r"contacts-\d+\.jsonl",
    r"events-\d+\.jsonl",
    r"settings-\d+\.jsonl",
    r"events-\d+/",
    r"contacts-\d+/",
]


@pytest.mark.parametrize("pattern", OBJECTS)
def test_a_store_that_fails_in_the_middle_of_an_object(ada: MailDesk, pattern: str) -> None:
    store = OddStore(ada.folder, pattern, "cut")
    with pytest.raises(StoreFullError):
        ada.run(store=store)
    assert store.left == 0
    store.close()
    ada.run(take_over=True)
    bag = ada.checked()
    assert not [path for path in (bag.folder / "data").rglob("*") if path.is_file() and path.stat().st_size == CUT]
    assert ada.run().worked_on == 0


@pytest.mark.parametrize("pattern", OBJECTS)
def test_a_key_that_somebody_else_took_is_left_alone(ada: MailDesk, pattern: str) -> None:
    store = OddStore(ada.folder, pattern, "taken")
    with pytest.raises(ObjectExistsError):
        ada.run(store=store)
    store.close()
    ada.run(take_over=True)
    bag = ada.checked()
    (other,) = [
        row for row in bag.rows.values() if row["kind"] == "leftover" and row["size"] == len(b"somebody else's")
    ]
    assert (bag.folder / other["key"]).read_bytes() == b"somebody else's"


def test_a_store_that_refuses_one_attachment_costs_that_one(ada: MailDesk) -> None:
    store = OddStore(ada.folder, r"events-\d+/", "refused")
    assert ada.run(store=store).exceptions == {"mime_refused": 1, "store_refused": 1}
    store.close()
    bag = ada.checked()
    (row,) = [row for row in bag.of("attachment") if row["outcome"] == "excepted"]
    assert row["code"] == "store_refused"
    assert ada.run().exceptions == {"mime_refused": 1}
    ada.checked()


def test_objects_that_were_cut_off_are_leftovers_and_their_numbers_are_not_used_again(
    ada: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object is whole in the store, and its rows were never written."""

    keep = objects.MailZip.keep

    def cut(self: Any) -> int:
        with monkeypatch.context() as silent:
            silent.setattr(self._writer, "emit_together", lambda rows: 0)
            keep(self)  # waits for the store
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(objects.MailZip, "keep", cut)
        with pytest.raises(KeyboardInterrupt):
            ada.run()
    ada.run(take_over=True)
    bag = ada.checked()
    assert ("leftover", "", "data/originals/mail-00001.zip") in bag.rows
    assert {row["key"].partition("!")[0] for row in bag.of("message") if "key" in row} == {
        "data/originals/mail-00002.zip"
    }


@pytest.mark.parametrize("items", [1, 4, 7])
def test_objects_are_closed_at_their_number_of_items(
    ada: MailDesk, monkeypatch: pytest.MonkeyPatch, items: int
) -> None:
    monkeypatch.setattr(bag_objects, "ENTRIES", items)
    ada.run()
    bag = ada.bag_folder
    zips = sorted((bag / "data/originals").glob("mail-*.zip"))
    assert len(zips) >= (data.DELETED - 1) // items
    report = ada.run()
    assert report.worked_on == 0


def test_an_object_is_closed_at_its_size(ada: MailDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bag_objects, "BYTES", 1 << 10)
    ada.run()
    assert len([*(ada.bag_folder / "data/originals").glob("mail-*.zip")]) > 1
    ada.checked()
