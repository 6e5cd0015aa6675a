"""The folder store keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.clock import SystemClock
from exporters.store.folder import FolderStore
from exporters.store.opening import open_store
from exporters.store.protocol import Store
from tests.contracts.store_contract import StoreContract


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = open_store("file:./copy", base=tmp_path, clock=SystemClock())
        yield store
        store.close()

    def leave_unfinished(self, store: Store, key: str) -> None:
        assert isinstance(store, FolderStore)
        root = next(Path(store._root).parent.glob("copy"))
        (root / ".lastcopy-tmp" / f"put-dead-{key}").write_bytes(b"half")
