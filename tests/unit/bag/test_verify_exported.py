"""`verify` on bags that the exporter made: they are whole, and one flipped byte anywhere is found (acceptance c)."""

import random
from pathlib import Path

import pytest

from exporters.bag.verify import list_bags, verify_bag, verify_root
from exporters.store.folder import FolderStore
from tests.end_to_end.changes import lively_changes
from tests.end_to_end.driving import Product, Tenant

FLIPS = 200


@pytest.fixture(scope="module")
def exported(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store after two runs, with changes between them."""
    with Tenant(tiny_data) as tenant:
        product = Product(tmp_path_factory.mktemp("exported"), tenant)
        product.export()
        tenant.change(*lively_changes(tenant.truth)[0])
        product.export()
        return product.store


def test_an_exported_store_is_whole_and_folds_again_to_the_same_bytes(exported: Path) -> None:
    store = FolderStore(exported)
    try:
        bags = list(list_bags(store))
        assert len(bags) == len(list(exported.glob("onedrive/*/lastcopy/source.json"))) > 1
        for bag in bags:
            found = verify_bag(store, bag, refold=True)
            assert found.whole and found.refolded and not found.open and not found.in_flight, found
            assert verify_bag(store, bag, level="stored").whole
        assert verify_root(store).whole
    finally:
        store.close()


def test_each_of_200_flipped_bytes_is_found(exported: Path) -> None:
    """Places are drawn file by file, and in the file: so that small tag files are hit as often as large payload."""
    store = FolderStore(exported)
    chance = random.Random(20261123)
    files = [path for path in exported.glob("onedrive/*/**/*") if path.is_file() and path.stat().st_size]
    tags = [path for path in files if "data" not in path.relative_to(exported).parts]
    try:
        for n in range(FLIPS):
            path = chance.choice(tags if n % 2 else files)
            data = path.read_bytes()
            flipped = bytearray(data)
            flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            kind, name, inside = path.relative_to(exported).as_posix().split("/", 2)
            path.write_bytes(flipped)
            found = verify_bag(store, f"{kind}/{name}")
            path.write_bytes(data)
            assert not found.whole and found.changed, (inside, found)
            assert inside in {finding.name for finding in found.changed.first} or inside.startswith("tagmanifest")
    finally:
        store.close()
