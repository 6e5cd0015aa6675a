"""Half a year in seconds, with two sweepers at once that are killed again and again: what is due arrives, and never twice
without a word (retention-domain §5, exactly once)."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.clock import ManualClock
from retention.books import opened_books
from retention.reminders import THRESHOLDS
from retention.tracked import SENT, SUPERSEDED
from tests.faults import databases
from tests.faults.mail_server import MailServer
from tests.faults.sweeping_process import HurriedClock
from tests.faults.watchman import Watchman
from tests.faults.web_server import WebServer

BASE = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SERVER = pytest.mark.skipif(databases.WHY_NOT != "", reason=databases.WHY_NOT or "-")


@contextmanager
def sweepers(folder: Path, started: float, speed: float) -> Iterator["subprocess.Popen[str]"]:
    argv = [
        sys.executable,
        "-m",
        "tests.faults.sweeping_process",
        str(folder),
        BASE.isoformat(),
        str(started),
        str(speed),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def another(process: "subprocess.Popen[str]") -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def live(folder: Path, state: str, kills: int, seconds: float, mail: MailServer, web: WebServer) -> Watchman:
    """Half a year with two sweepers, so many kills, and a week in which nobody sweeps."""
    chance, speed = random.Random(kills), 181 * 86400 / seconds
    man = Watchman(
        folder,
        {"ops": (mail.address(), "min_severity: info"), "hook": (web.address, "")},
        ManualClock(BASE),
        state=state,
    )
    man.config  # noqa: B018 - writes it
    man.track("cancel=2026-03-01T10:15:00Z")
    man.track("term_end=2026-04-20T00:00:00Z", name="S2")
    with sweepers(folder, 0, 1) as process:  # to have the time that it takes to load behind us
        os.kill(another(process), signal.SIGKILL)
    started = time.time()
    with sweepers(folder, started, speed) as process:
        alive = [another(process), another(process)]
        for number in range(kills):
            time.sleep(chance.uniform(0.2, 1.8) * max(seconds - (time.time() - started), 0.1) / (kills - number + 1))
            victim = alive.pop(chance.randrange(len(alive)))
            os.kill(victim, signal.SIGKILL)
            if number == kills // 2:  # a week of downtime
                os.kill(alive.pop(), signal.SIGKILL)
                time.sleep(7 * 86400 / speed)
                alive.append(another(process))
            alive.append(another(process))
        while time.time() - started < seconds:
            time.sleep(0.05)
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
    man.clock = ManualClock(HurriedClock(BASE, started, speed).now())
    man.sweep()
    return man


def check(man: Watchman, mail: MailServer, web: WebServer, at_least: int) -> None:
    config = man.config
    with opened_books(config, man.clock) as books:
        said = books.index.said(["S1", "S2"])
    for name, one in said.items():
        for contact, boundary in [(c, b) for c in ("ops", "hook") for b in THRESHOLDS]:
            found = {
                c.threshold: c.status
                for c in one.claims
                if (c.recipient, c.boundary) == (contact, boundary) and not c.step
            }
            assert set(found.values()) <= {SENT, SUPERSEDED}, (name, contact, boundary, found)
            if name == "S1" and not (contact == "hook" and boundary == "gone_by"):
                assert set(found) == set(THRESHOLDS[boundary]), (contact, boundary, found)
                assert found[0] == SENT, (contact, boundary, found)
    sent = {c.key for one in said.values() for c in one.claims if c.status == SENT}
    heard = Counter[str]()
    plain = Counter[str]()
    for taken in mail.messages:
        heard.update(taken.keys)
        if "possible repeat" not in taken.subject:
            plain.update(taken.keys)
    for text in web.texts:
        keys = text.rpartition("Keys: ")[2].split(", ")
        heard.update(key.strip() for key in keys)
        if "possible repeat" not in text:
            plain.update(key.strip() for key in keys)
    assert sent <= set(heard), "what is said to be sent has arrived"
    assert max(plain.values()) == 1, [key for key, number in plain.items() if number > 1]
    assert len(sent) >= at_least


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_few_kills(tmp_path: Path, database: str) -> None:
    with MailServer() as mail, WebServer() as web:
        man = live(tmp_path, "sqlite:///lastcopy.db", kills=5, seconds=5, mail=mail, web=web)
        check(man, mail, web, at_least=7)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=SERVER)])
def test_two_hundred_kills(tmp_path: Path, database: str) -> None:
    with MailServer() as mail, WebServer() as web:
        if database == "sqlite":
            man = live(tmp_path, "sqlite:///lastcopy.db", kills=200, seconds=90, mail=mail, web=web)
            check(man, mail, web, at_least=7)
            return
        with databases.Postgresql() as server:
            man = live(tmp_path, server.new_database(), kills=200, seconds=90, mail=mail, web=web)
            check(man, mail, web, at_least=7)
