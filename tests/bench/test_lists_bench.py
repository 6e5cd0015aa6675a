"""What a list of very many items costs: memory that does not grow with it, requests, seconds.

Rules of this file: marker `bench`, never part of `make test`; the tenant is served by another process.
"""

import tempfile
from pathlib import Path

import pytest

from tests.bench.many_files import ServedTenant
from tests.bench.measuring import Cost, cost_of, environment_of, note
from tests.bench.unlimited import COMMAND
from tests.end_to_end.driving import Product
from tests.unit.rehearsal import list_data as data

pytestmark = pytest.mark.bench
SITES_ONLY = {"mail": "none", "onedrive": "none", "sharepoint": "all", "directory": False}
SIZES = (10_000, 100_000)


def costs(items: int) -> dict[str, Cost]:
    """Of a first export, one without news, and a verification in full."""
    with tempfile.TemporaryDirectory(prefix="lastcopy-bench-") as name:
        folder = Path(name)
        with ServedTenant(data.write_tenant(folder / "tenant", many=items)) as tenant:
            product = Product(folder / "product", tenant, versions="current", sources=SITES_ONLY)  # type: ignore[arg-type]
            environment = environment_of(product.environment)
            found = {}
            for what, verb, codes in (
                ("first", "export", (0, 3)),
                ("again", "export", (0, 3)),
                ("verify", "verify", (0,)),
            ):
                tenant.units()
                cost = found[what] = cost_of([*COMMAND, verb, "--json"], product.folder, environment, codes=codes)
                told = f"{cost.wall:.1f} s, {cost.cpu:.1f} s CPU, {cost.memory:.0f} MiB, {tenant.units()} units"
                note(f"{items:,} items, {what}: {told}")
            (table,) = product.store.glob("sharepoint/*/data/lists/Many/items.csv")
            assert table.read_bytes().count(b"\r\n") == items + 1
    return found


def test_ten_times_the_items_in_the_same_memory() -> None:
    small, large = costs(SIZES[0]), costs(SIZES[1])
    for what in small:
        assert large[what].memory <= small[what].memory * 1.25 + 8, what
