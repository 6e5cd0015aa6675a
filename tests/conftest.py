"""What the tests of the whole product share.

Rules of this file: fixtures that make data, none that fakes our own code. Each worker of `-n auto` makes its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.independent import tiny

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SMALL = [
    *("--users", "5", "--drive-items", "30", "--many-small", "20", "--large-file-mb", "3", "--file-scale", "0.1"),
    *("--messages", "0", "--sites", "0", "--changes", "60"),
]


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenant of two small drives, one of which holds every oddity, and a user without a drive."""
    return tiny.make(tmp_path_factory.mktemp("tiny") / "tenant")


@pytest.fixture(scope="session")
def plain_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenant of one plain drive that can be copied whole (exit 0)."""
    return tiny.make(tmp_path_factory.mktemp("plain") / "tenant", drives=1, files=12, odd=False)


@pytest.fixture(scope="session")
def five_users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_tenant_data.py --users 5`, scaled, with changes."""
    return make_tenant_data(tmp_path_factory.mktemp("five") / "tenant", SMALL)


def make_tenant_data(out: Path, options: list[str]) -> Path:
    """A tenant of the shared tool; skips where that is not there."""
    tool = SHARED / "tools" / "make_tenant_data.py"
    if not tool.exists():
        pytest.skip("../shared/tools/make_tenant_data.py is not there")
    subprocess.run(
        [sys.executable, str(tool), "make", str(out), *options, "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    return out
