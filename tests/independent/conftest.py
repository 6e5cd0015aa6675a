"""What tests of judges share."""

from pathlib import Path

import pytest

from tests.independent import tiny_sites


@pytest.fixture(scope="session")
def site_tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny tenant with three sites. Nobody changes it."""
    folder = tmp_path_factory.mktemp("sites") / "tenant"
    tiny_sites.make(folder)
    return folder
