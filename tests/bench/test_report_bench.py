"""What a report costs on a store of 1,000,000 rows: under 2 minutes, under 300 MB, a PDF under 20 MB that opens.

Rules of this file: marker `bench`, never part of `make test`. A tenth of the rows must not need less memory than nine tenths of
that: nothing is held. `LASTCOPY_BENCH_ROWS=10000000` takes ten times as many. Source: issue 10 (c).
"""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.bench.made_store import CONFIGURATION, make_rows
from tests.bench.measuring import Cost, cost_of, environment_of, note

pytestmark = pytest.mark.bench
ROWS = int(os.environ.get("LASTCOPY_BENCH_ROWS", "1000000"))


def reported(folder: Path, rows: int) -> tuple[Cost, Path]:
    """A report on a store of so many rows: what it cost, and where it lies."""
    make_rows(folder / "store", rows)
    (folder / "lastcopy.yaml").write_text(json.dumps(CONFIGURATION))
    command = [sys.executable, "-m", "retention", "report", "--json"]
    cost = cost_of(command, folder, environment_of(os.environ))
    package = folder / "store" / json.loads(cost.out[cost.out.index("{") :])["package"]
    pdf = package / "report.pdf"
    pages = len(PdfReader(pdf).pages)
    note(
        f"{rows:,} rows: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, {cost.memory:.0f} MiB at most; PDF"
        f" {pdf.stat().st_size / 1e6:.2f} MB, {pages} pages; HTML {(package / 'report.html').stat().st_size / 1e6:.2f} MB;"
        f" items.csv {(package / 'items.csv').stat().st_size / 1e6:.0f} MB"
    )
    return cost, package


def test_a_million_rows(tmp_path: Path) -> None:
    """Time, memory, size; and every row stands in the table."""
    small, package = reported(tmp_path / "small", ROWS // 10)
    shutil.rmtree(package.parents[1])
    cost, package = reported(tmp_path / "large", ROWS)
    assert cost.wall < 120
    assert cost.memory < 300
    assert cost.memory < 1.1 * small.memory
    assert (package / "report.pdf").stat().st_size < 20_000_000
    with (package / "items.csv").open(encoding="utf-8-sig", newline="") as table:
        assert sum(1 for _ in csv.reader(table)) == ROWS + 1
    with (package / "exceptions.csv").open(encoding="utf-8-sig", newline="") as table:
        assert sum(1 for _ in csv.reader(table)) == ROWS // 100 + 1
