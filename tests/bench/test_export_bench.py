"""Figures, not verdicts: how long `--help` takes, and what CPU and memory an export and a verification cost.

Rules of this file: marker `bench`, never part of `make test`; bounds are those of the issues, with room for a slow machine.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.driving import COMMAND, Product, Tenant
from tests.independent import tiny

pytestmark = pytest.mark.bench


def flat_tenant(out: Path, files: int, *, alike: bool = True) -> Path:
    """One drive with that many small files in folders of 500. alike: all have the same bytes."""
    tiny.make(out, drives=1, files=0, odd=False)
    users = [json.loads(line) for line in (out / "users.jsonl").read_text().splitlines()]
    for path in (out / "drives/u00000").iterdir():
        path.unlink()
    (out / "drives/u00000").rmdir()
    drive = tiny.Drive(0, users[0])
    folder = drive.root
    content = drive.put(b"small")
    for number in range(files):
        if number % 500 == 0:
            folder = drive.folder_in(f"folder {number // 500:04}", drive.root)
        drive.file_in(f"file {number:06}.txt", folder, content if alike else f"file {number}".encode())
    drive.write(out)
    return out


def measured(product: Product, *arguments: str) -> tuple[float, float, int]:
    """(seconds, CPU seconds, peak KiB) of one command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    # VmHWM, not ru_maxrss: the latter begins with what the parent had when it forked
    code = (
        "import re, sys; from retention.cli.main import main; code = main(sys.argv[1:]);"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr); sys.exit(code)"
    )
    environment = product.environment | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=product.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - start, cpu, int(result.stderr.split()[-1])


def test_help_in_300_milliseconds(tmp_path: Path) -> None:
    """(f) The median of ten."""
    took = []
    for _ in range(10):
        start = time.monotonic()
        subprocess.run([*COMMAND, "--help"], cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - start)
    print(f"\n--help: median {statistics.median(took) * 1000:.0f} ms of {os.cpu_count()} cores")
    assert statistics.median(took) < 0.3


def test_cost_and_memory_do_not_grow_with_the_drive(tmp_path: Path) -> None:
    """CPU per 1,000 small files of export, second run and verify; peak memory at 4 times the files within 10 %, under 250 MB."""
    peaks = {}
    for files in (10_000, 40_000):
        with Tenant(flat_tenant(tmp_path / f"tenant{files}", files), throttling=False) as tenant:
            product = Product(
                tmp_path / f"work{files}",
                tenant,
                versions="current",
                drive={"versions": "current", "permissions": "none"},
            )
            for name, arguments in (
                ("export", ["export", "--json"]),
                ("again", ["export", "--json"]),
                ("verify", ["verify", "--json"]),
            ):
                tenant.forget_requests()
                seconds, cpu, peak = measured(product, *arguments)
                cost = sum(row["cost"] for row in tenant.requests())
                peaks[name, files] = peak
                print(
                    f"\n{name} of {files:,}: {seconds:.1f} s, {cpu / files * 1000:.2f} CPU s per 1,000 files,", end=" "
                )
                print(f"{peak / 1024:.0f} MiB at most, {cost / files:.3f} units a file")
                if name == "export":
                    assert cost <= 1.02 * files + 20
    for name in ("export", "again", "verify"):
        assert peaks[name, 40_000] < 250 * 1024
        assert peaks[name, 40_000] <= peaks[name, 10_000] * 1.10, name
