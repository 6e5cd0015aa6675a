"""One small odd tenant on a hurried clock, served to all cases of a module one after another."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from exporters.rehearsal.service import Settings
from tests.end_to_end.driving import Tenant
from tests.faults.desk import CLOCK, Desk
from tests.independent import tiny


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One odd drive."""
    return tiny.make(tmp_path_factory.mktemp("small") / "tenant", drives=1, files=4)


@pytest.fixture(scope="module")
def served(small: Path) -> Iterator[Tenant]:
    """The tenant; its truth never changes."""
    with Tenant(small, clock=CLOCK) as up:
        yield up


@pytest.fixture(scope="module")
def undisturbed(served: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """What an export without faults comes to."""
    product = Desk(tmp_path_factory.mktemp("undisturbed"), served)
    product.document = product.export()  # type: ignore[attr-defined]
    return product


@pytest.fixture
def tenant(served: Tenant) -> Iterator[Tenant]:
    """For one case, which leaves it as it was."""
    before = {f.name: getattr(served.rehearsal.settings, f.name) for f in fields(Settings)}
    yield served
    served.faults()
    for name, value in before.items():
        setattr(served.rehearsal.settings, name, value)
