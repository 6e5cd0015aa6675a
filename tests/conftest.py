"""What the tests of the whole product share.

Rules of this file: fixtures that make data, none that fakes our own code. Each worker of `-n auto` makes its own.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from tests.independent import tiny, tiny_sites

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SMALL = [
    *("--users", "5", "--drive-items", "30", "--many-small", "20", "--large-file-mb", "3", "--file-scale", "0.1"),
    *("--messages", "0", "--sites", "0", "--changes", "60"),
]

hypothesis.settings.register_profile("ci", max_examples=40, deadline=None)
hypothesis.settings.register_profile("soak", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("LASTCOPY_EXAMPLES", "ci"))
"""How many examples a property gets that says no number of its own. `LASTCOPY_EXAMPLES=soak` for many."""


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenant of two small drives, one of which holds every oddity, and a user without a drive."""
    return tiny.make(tmp_path_factory.mktemp("tiny") / "tenant")


@pytest.fixture(scope="session")
def site_tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny tenant with three sites, lists of odd names, and pages. Nobody changes its files."""
    folder = tmp_path_factory.mktemp("sites") / "tenant"
    tiny_sites.make(folder)
    return folder


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


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command line sets up logging for its process; a test that runs it in ours must not decide what others see."""
    names = (
        "",
        "lastcopy",
        "lastcopy.graph",
        "exporters",
        "retention",
        "requests",
        "asyncio",
        "sqlalchemy",
        "urllib3",
        "urllib3.connectionpool",
        "msal",
        "botocore",
        "boto3",
        "s3transfer",
    )
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.propagate, list(logger.handlers), logger.disabled) for logger in loggers]
    yield
    for logger, (level, propagate, handlers, disabled) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled
        logger.handlers[:] = handlers
    structlog.reset_defaults()
