"""What the benches share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that is removed at once: a million files are not left for the next three runs."""
    with tempfile.TemporaryDirectory(prefix="lastcopy-bench-", dir=os.environ.get("LASTCOPY_BENCH_TEMP")) as path:
        yield Path(path)
