"""One generated tenant for all tests of the rehearsal: it is only read; changes are made in servers' memory."""

from pathlib import Path

import pytest

from tests.unit.rehearsal.client import lively


@pytest.fixture(scope="session")
def tenant_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively(tmp_path_factory.mktemp("rehearsal"))
