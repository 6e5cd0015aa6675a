"""What one command costs: seconds, CPU seconds, memory.

Rules of this file: it runs and looks, judges nothing; CPU seconds are those of the command and of all processes it waited for;
memory is the most that each process ever had, added up.
"""

import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a command took. memory: MiB, of all its processes."""

    wall: float
    cpu: float
    memory: float
    code: int
    out: str


def cost_of(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *, codes: tuple[int, ...] = (0,)
) -> Cost:
    """Run a command to its end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a fair part of the machine, whatever else this terminal runs
        )
        while process.poll() is None:
            peaks.update(_peaks(process.pid))
            time.sleep(0.05)
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        out.seek(0)
        text = out.read().decode(errors="replace")
    assert process.returncode in codes, f"exit {process.returncode}: {text[-3000:]}"
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, sum(peaks.values()) / 1024, process.returncode, text)


def _peaks(process: int) -> Iterator[tuple[int, int]]:
    """(process, KiB) of a process and those that it started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for number in (process, *map(int, children)):
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{number}/status").read_text())
            if found:
                yield number, int(found[1])
    except (FileNotFoundError, ProcessLookupError):
        return


def disk(folder: Path) -> tuple[int, int]:
    """(bytes on disk, bytes of contents) of a folder."""
    held = subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, text=True, check=True)
    apparent = subprocess.run(["du", "-sb", folder], capture_output=True, text=True, check=True)
    return int(held.stdout.split()[0]), int(apparent.stdout.split()[0])


def environment_of(given: Mapping[str, str], **more: str) -> dict[str, str]:
    """An environment in which subprocesses find this work tree."""
    return {**given, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def note(line: str) -> None:
    """A figure: on stdout, and at the end of the file that LASTCOPY_BENCH_LOG names, so that a long run can be watched."""
    print(line, flush=True)
    if log := os.environ.get("LASTCOPY_BENCH_LOG"):
        with Path(log).open("a") as file:
            file.write(line + "\n")
