"""The PST writer: memory that does not grow, speed beside other makers, two mailboxes at once, and where the time goes.

Rules of this file: ratios within one run, in turns. LASTCOPY_BENCH_MESSAGES: more sizes for (c), e.g. 1000000. Others
are measured where they are: LASTCOPY_BENCH_ASPOSE names an interpreter that has `aspose-email-for-python-via-net`,
LASTCOPY_BENCH_EML2PST a clone of TremendousTurtle/eml2pst; the mails are those of ../shared/data/mail.
"""

import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.bench.measuring import note

pytestmark = pytest.mark.bench
ROOT = Path(__file__).parents[2]
MAILS = ROOT.parent / "shared" / "data" / "mail" / "eml"
ROUNDS = 5


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **more}


def many(path: Path, messages: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.many_messages", "many", str(path), str(messages)]
    run = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    path.unlink()
    return dict(json.loads(run.stdout))


def test_memory_does_not_grow_with_messages(tmp_path: Path) -> None:
    """(c) Within 10 % of that at 100,000 messages, and under 150 MB."""
    sizes = [100_000, *map(int, os.environ.get("LASTCOPY_BENCH_MESSAGES", "").split())]
    facts = {size: many(tmp_path / "many.pst", size) for size in sizes}
    for size, fact in facts.items():
        note(f"{size:,} messages: {fact['cpu']:.0f} CPU s, {fact['memory_mib']:.1f} MiB, {fact['bytes']:,} bytes")
        assert fact["memory_mib"] < 143
        assert fact["memory_mib"] <= 1.10 * facts[100_000]["memory_mib"]


def maker(name: str) -> list[str]:
    """The command of a maker. Skips where it is not there."""
    script = str(ROOT / "tests" / "bench" / "rival_writers.py")
    if name == "aspose":
        if "LASTCOPY_BENCH_ASPOSE" not in os.environ:
            pytest.skip("LASTCOPY_BENCH_ASPOSE is not set: Aspose.Email is not there")
        return [os.environ["LASTCOPY_BENCH_ASPOSE"], script, name]
    if name == "eml2pst" and "LASTCOPY_BENCH_EML2PST" not in os.environ:
        pytest.skip("LASTCOPY_BENCH_EML2PST is not set: eml2pst is not there")
    return [sys.executable, script, name]


def timed(name: str, out: Path, times: int = 1) -> dict[str, Any]:
    path = f"{ROOT}{os.pathsep}{os.environ.get('LASTCOPY_BENCH_EML2PST', '')}"
    command = [*maker(name), str(MAILS), str(out), str(times)]
    run = subprocess.run(command, env=environment(PYTHONPATH=path), capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.skipif(not MAILS.is_dir(), reason="../shared/data/mail is not there")
@pytest.mark.parametrize(("rival", "goal"), [("aspose", 3.0), ("eml2pst", 1.0)])
def test_speed_beside_others(tmp_path: Path, rival: str, goal: float) -> None:
    """(f) CPU seconds for the same mails, from `.eml` to a closed PST, in turns; the median of the ratios."""
    maker(rival)
    ratios = []
    for number in range(ROUNDS):
        times = {name: timed(name, tmp_path / f"{name}{number}.pst") for name in ("ours", rival)}
        ratios.append(times[rival]["cpu"] / times["ours"]["cpu"])
        for name, fact in times.items():
            rate, size = fact["mails"] / fact["cpu"], fact["bytes"] / 1e6 / fact["cpu"]
            note(f"{name}: {rate:.0f} mails a CPU second, {size:.2f} MB a CPU second, {fact['refused']} refused")
    note(f"{rival} takes {statistics.median(ratios):.2f} times as long as ours {[round(ratio, 2) for ratio in ratios]}")
    assert statistics.median(ratios) >= goal


@pytest.mark.skipif(not MAILS.is_dir(), reason="../shared/data/mail is not there")
def test_two_mailboxes_at_once(tmp_path: Path) -> None:
    """(f) Two processes for two mailboxes do 1.8 times the work of one in the same time."""
    command = [*maker("ours"), str(MAILS)]
    gains = []
    for _ in range(ROUNDS):
        alone = timed("ours", tmp_path / "alone.pst", 4)["seconds"]
        pair = [
            subprocess.Popen([*command, str(tmp_path / f"pair{n}.pst"), "4"], env=environment(), stdout=subprocess.PIPE)
            for n in range(2)
        ]
        both = [json.loads(process.communicate()[0])["seconds"] for process in pair]
        gains.append(2 * alone / max(both))
    note(f"two processes do {statistics.median(gains):.2f} times the work of one {[round(gain, 2) for gain in gains]}")
    assert statistics.median(gains) >= 1.8


@pytest.mark.skipif(not MAILS.is_dir(), reason="../shared/data/mail is not there")
def test_where_the_time_goes(tmp_path: Path) -> None:
    """No verdict: the profile of mails into a PST."""
    from tests.bench.rival_writers import ours

    mails = sorted(MAILS.rglob("*.eml"))
    profile = cProfile.Profile()
    profile.runcall(ours, mails, tmp_path / "profile.pst")
    for order in ("tottime", "cumtime"):
        text = StringIO()
        pstats.Stats(profile, stream=text).strip_dirs().sort_stats(order).print_stats(30)
        note("\n".join(line for line in text.getvalue().splitlines() if line.strip()))
