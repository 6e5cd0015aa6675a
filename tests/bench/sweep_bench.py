"""How long a sweep takes with 10,000 subscriptions and 100,000 sources: `make bench-sweep`.

Rules of this file: whole processes, from start to exit, as cron starts them; an SMTP server and an HTTP server on loopback count
what arrives. Prints a line for each figure and a summary; exits 1 if one is over its limit. Source: issue 8, acceptance (c).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults import databases
from tests.faults.mail_server import MailServer
from tests.faults.web_server import WebServer

SUBSCRIPTIONS, SOURCES_EACH, ONE_IN = 10_000, 10, 100
DUE_SECONDS, IDLE_SECONDS = 5.0, 1.0


def statements(now: datetime) -> str:
    """JSON lines: one in a hundred was cancelled a minute ago, the terms of the others end later."""
    lines = []
    for number in range(SUBSCRIPTIONS):
        ends = now + timedelta(days=200, minutes=number)
        event = {"type": "term_end", "at": ends.isoformat()}
        if number % ONE_IN == 0:
            event = {"type": "cancel", "at": (now - timedelta(minutes=1)).isoformat()}
        lines.append(
            json.dumps(
                {
                    "id": f"subscription-{number:05d}",
                    "name": f"Customer {number}",
                    "channel": "direct",
                    "events": [event],
                    "sources": [f"mail/user{one}@customer{number}.example" for one in range(SOURCES_EACH)],
                }
            )
        )
    return "\n".join(lines) + "\n"


def run(folder: Path, *argv: str) -> tuple[float, int, str]:
    """(seconds, exit, standard output) of a command; what it took of the processor is printed beside."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-m", "retention", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.stderr.write(ended.stderr[-2000:])
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"    {argv[0]}: {seconds:.2f} s, of which {spent:.2f} s of one processor")
    return seconds, ended.returncode, ended.stdout


def measure(name: str, url: str) -> list[str]:
    """Figures of one database; returns what is over its limit."""
    over: list[str] = []
    with tempfile.TemporaryDirectory() as place, MailServer() as mail, WebServer() as web:
        folder = Path(place)
        (folder / "smtp").write_text(mail.address())
        (folder / "http").write_text(web.address)
        (folder / "lastcopy.yaml").write_text(
            f"state: {url}\nnotify:\n  - {{name: ops, to: file:smtp, min_severity: info}}\n"
            "  - {name: hook, to: file:http, min_severity: info}\n"
        )
        now = datetime.now(UTC)
        (folder / "many.jsonl").write_text(statements(now))
        seconds, status, _ = run(folder, "track", "--from", "many.jsonl")
        print(
            f"{name}: track --from, {SUBSCRIPTIONS:,} subscriptions, {SUBSCRIPTIONS * SOURCES_EACH:,} sources: {seconds:.2f} s"
        )
        assert status == 0
        seconds, status, out = run(folder, "sweep", "--json", "--offline")
        found = json.loads(out)
        deliveries = len(mail.messages) + len(web.bodies)
        wanted = 2 * SUBSCRIPTIONS // ONE_IN  # one message to each of two, with two keys
        fine = status == 0 and len(found["sent"]) == 2 * wanted and deliveries == wanted and not found["failed"]
        print(
            f"{name}: sweep, 1 % due, {deliveries} of {wanted} messages delivered: {seconds:.2f} s (limit {DUE_SECONDS:.0f})"
        )
        if seconds > DUE_SECONDS or not fine:
            over.append(
                f"{name}: sweep with 1 % due {seconds:.2f} s, {deliveries} of {wanted} delivered, exit {status}"
            )
        seconds, status, out = min(run(folder, "sweep", "--json", "--offline") for _ in range(3))
        print(f"{name}: sweep, nothing due: {seconds:.2f} s (limit {IDLE_SECONDS:.0f})")
        if seconds > IDLE_SECONDS or status or json.loads(out)["due"]:
            over.append(f"{name}: sweep with nothing due {seconds:.2f} s, exit {status}")
    return over


def main() -> int:
    over = measure("SQLite", "sqlite:///lastcopy.db")
    if databases.WHY_NOT:
        print(f"PostgreSQL: not measured: {databases.WHY_NOT}")
    else:
        with databases.Postgresql() as server:
            over += measure("PostgreSQL", server.new_database())
    print("bench-sweep: " + ("all within their limits" if not over else "OVER: " + "; ".join(over)))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
