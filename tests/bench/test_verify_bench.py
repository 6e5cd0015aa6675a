"""`verify --level full` beside `sha256sum` over the same files, and its memory at ten times the files.

Rules of this file: marker `bench`, never part of `make test`. Both read from a warm cache, in turns; ratios are of medians, CPU
seconds those of all processes. `LASTCOPY_BENCH_FILES=200000` adds a store of that many files.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.bench.made_store import CONFIGURATION, make_store
from tests.conftest import make_tenant_data
from tests.end_to_end.driving import COMMAND, Product, Tenant

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum to compare with"),
]
ROUNDS = 3


class Cost(NamedTuple):
    """What a command took. peaks: KiB of each process at its most, the first one that was started first."""

    wall: float
    cpu: float
    peaks: list[int]


def cost_of(command: list[str], folder: Path, given: str = os.devnull, codes: tuple[int, ...] = (0,)) -> Cost:
    """Run a command to its end. given: the file that it reads as its input."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with Path(given).open("rb") as source:
        process = subprocess.Popen(
            command, cwd=folder, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        peaks.update(_peaks(process.pid))
        time.sleep(0.01)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode in codes
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, list(peaks.values()))


def _peaks(process: int) -> Iterator[tuple[int, int]]:
    """Of a process and those that it started. The last one read counts: before `exec` a child has the memory of its parent."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for number in (process, *map(int, children)):
            status = Path(f"/proc/{number}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+)", status):
                yield number, int(found[1])
    except (FileNotFoundError, ProcessLookupError):
        return


def beside_sha256sum(name: str, folder: Path, codes: tuple[int, ...] = (0,)) -> float:
    """Print both; return how many times as fast as `sha256sum` verify is (medians of the time on the wall)."""
    files = [path for path in (folder / "store").glob("onedrive/*/data/**/*") if path.is_file()]
    given = folder / "names"
    given.write_bytes(b"\0".join(os.fsencode(path) for path in files))
    pairs = []
    for _ in range(ROUNDS):
        theirs = cost_of(["xargs", "-0", "sha256sum", "--"], folder, str(given))
        pairs.append((cost_of([*COMMAND, "verify", "--json"], folder, codes=codes), theirs))
    ours, theirs = (tuple(statistics.median(pair[n][m] for pair in pairs) for m in (0, 1)) for n in (0, 1))
    octets = sum(path.stat().st_size for path in files)
    print(f"\n{name}: {len(files):,} files, {octets / 1e6:,.1f} MB, {os.cpu_count()} cores")
    for label, (wall, cpu) in (("verify", ours), ("sha256sum", theirs)):
        per_file = cpu / len(files) * 1e6
        print(
            f"  {label:10} {wall:6.2f} s, {cpu:6.2f} CPU s ({per_file:,.0f} µs a file, {octets / cpu / 1e6:,.0f} MB per CPU s)"
        )
    print(f"  verify is {theirs[0] / ours[0]:.2f} times as fast; per CPU second {theirs[1] / ours[1]:.2f} times")
    return theirs[0] / ours[0]


def made(folder: Path, files: int, content: bytes = b"small") -> Path:
    """A store of so many files, and a configuration."""
    make_store(folder / "store", files, content)
    (folder / "lastcopy.yaml").write_text(json.dumps(CONFIGURATION))
    return folder


def test_realistic_files(tmp_path: Path) -> None:
    """At least 0.9 of `sha256sum`, on drives as people have them."""
    with Tenant(make_tenant_data(tmp_path / "tenant", ["--users", "5", "--messages", "0"]), throttling=False) as tenant:
        product = Product(tmp_path / "work", tenant, versions="current")
        product.run("export", "--json", seconds=600)
    assert beside_sha256sum("realistic tenant", product.folder) >= 0.9


def test_few_large_files(tmp_path: Path) -> None:
    """2 GB in 8 files."""
    assert beside_sha256sum("large files", made(tmp_path, 8, os.urandom(1 << 28))) >= 0.9


def test_very_many_tiny_files(tmp_path: Path) -> None:
    """Files of 5 bytes: costs per file, and peak memory, do not grow from 10,000 to 100,000 files; under 250 MB in all."""
    peaks, costs = {}, {}
    sizes = [10_000, 100_000, *map(int, os.environ.get("LASTCOPY_BENCH_FILES", "").split())]
    for files in sizes:
        folder = made(tmp_path / str(files), files)
        ratio = beside_sha256sum(f"{files:,} tiny files", folder)
        print(f"  ratio {ratio:.2f}", end="")
        runs = [cost_of([*COMMAND, "verify", "--json"], folder) for _ in range(ROUNDS)]
        peaks[files] = [
            statistics.median(column) for column in ([max(r.peaks) for r in runs], [sum(r.peaks) for r in runs])
        ]
        costs[files] = min(run.cpu for run in runs)
        print(f"; at most {peaks[files][0] / 1024:.0f} MiB in one process, {peaks[files][1] / 1024:.0f} MiB in all")
        shutil.rmtree(folder)
    first, last = sizes[:2]
    for n in range(2):
        assert peaks[last][n] <= 1.10 * peaks[first][n]
    assert all(whole < 250 * 1024 for _, whole in peaks.values())
    per_file = (costs[last] - costs[first]) / (last - first)
    for files in sizes[2:]:  # nothing grows faster than the files
        assert (costs[files] - costs[last]) / (files - last) <= 1.5 * per_file
