"""How much of what the service grants a mailbox is used, and what a message costs: seconds, CPU, memory.

Rules of this file: marker `bench`, never part of `make test`; the tenant is served by another process, and its ledger judges.
`LASTCOPY_BENCH_LOG=FILE` also writes the figures there as they come; `LASTCOPY_BENCH_TEMP=DIR` is for a disk with room.
"""

import json
import os
import pstats
import shutil
import subprocess
import threading
import time
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.bench.many_files import ServedTenant
from tests.bench.many_mails import made_mail_tenant
from tests.bench.measuring import Cost, cost_of, environment_of, note
from tests.bench.unlimited import COMMAND
from tests.end_to_end.driving import Product
from tests.end_to_end.scaled import ScaledClock, command
from tests.independent import tiny

pytestmark = pytest.mark.bench
MAIL_ONLY = {"mail": "all", "onedrive": "none", "sharepoint": "none", "directory": False, "recoverable": "none"}
GRANTED, WINDOW = 10_000, 600.0
"""Requests of an app to a mailbox in so many seconds (graph.md §7.2)."""
VERBS = ("export", "again", "compose", "verify")


def product_of(folder: Path, tenant: ServedTenant) -> Product:
    """A configuration for that tenant: mail by the first capture."""
    return Product(folder, tenant, sources=MAIL_ONLY, mail={"fasttransfer": "off"})  # type: ignore[arg-type]


def summary_of(tenant: ServedTenant) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tenant.control("GET", "summary"))
    return found


def mail_requests(tenant: ServedTenant) -> list[tuple[float, dict[str, Any]]]:
    """(seconds since 1970, request) of all that a mailbox counted."""
    rows = [json.loads(line) for line in tenant.control("GET", "requests").splitlines()]
    return [(datetime.fromisoformat(row["at"]).timestamp(), row) for row in rows if "mailbox" in row]


# -- limits that bind ---------------------------------------------------------------------------------------------------


class Places:
    """Looks at how the places of the one mailbox are used, from the first message that is fetched to the last."""

    def __init__(self, tenant: ServedTenant) -> None:
        self._tenant, self._ended = tenant, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.first: list[float] = []
        self.last: list[float] = []
        self.whole: list[float] = []
        self.most = 0

    def __enter__(self) -> "Places":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        fetched = 0
        while not self._ended.wait(0.5):
            summary = summary_of(self._tenant)
            now = sum(
                count for route, count in summary["routes"].items() if route.endswith("/messages/{message}/$value")
            )
            for place in summary["mailboxes"].values():
                self.whole, self.most = place["seconds"], place["most"]
                if now and not self.first:
                    self.first = self.whole
                if now > fetched:
                    self.last = self.whole
            fetched = now

    @property
    def fetching(self) -> list[float]:
        """Seconds with 0, 1, 2, 3 and 4 requests at work, of the time in which messages were fetched."""
        return [after - before for before, after in zip(self.first, self.last, strict=True)]


def told(name: str, seconds: list[float]) -> float:
    """Print how four places were used; return the share of the time in which all of them were."""
    total = sum(seconds)
    busy = sum(n * part for n, part in enumerate(seconds)) / (4 * total)
    note(f"  {name}: {total:.0f} s, all four places busy {seconds[4] / total:.1%}, places used {busy:.1%}")
    return seconds[4] / total


@pytest.mark.parametrize("answer", [0.15, 0.3], ids=["150-ms", "300-ms"])
def test_four_places_are_busy(folder: Path, answer: float) -> None:
    """(e) Answers that take their time: the four places bind."""
    messages = 3_000
    data, clock = made_mail_tenant(folder / "tenant", messages), ScaledClock(1.0)
    with ServedTenant(data, clock) as tenant:
        tenant.control("POST", "settings", json.dumps({"mailbox_seconds": answer}).encode())
        product = product_of(folder / "work", tenant)
        with Places(tenant) as places:
            cost = cost_of([*COMMAND, "export", "--json"], product.folder, environment_of(product.environment))
        summary, took = summary_of(tenant), sum(places.fetching)
    note(f"\n{messages:,} messages, each answer {answer * 1000:.0f} ms: export {cost.wall:.0f} s, {cost.cpu:.0f} CPU s")
    share = told("while messages are fetched", places.fetching)
    told("from the first request to the last", places.whole)
    note(f"  {messages / took:.1f} messages a second, at most {places.most} at once, {summary['throttled']} refused")
    assert (summary["throttled"], summary["avoidable"]) == (0, 0)
    assert places.most == 4
    assert share >= 0.95


def test_ten_thousand_requests_in_ten_minutes(folder: Path) -> None:
    """(e) Answers that come at once: the requests bind. A clock that runs four times as fast; some ten minutes."""
    clock = ScaledClock(float(os.environ.get("LASTCOPY_BENCH_SCALE", "4")))
    data = made_mail_tenant(folder / "tenant", 36_000)
    with ServedTenant(data, clock) as tenant:
        product = product_of(folder / "work", tenant)
        cost_of([*command(clock), "export", "--json"], product.folder, environment_of(product.environment))
        rows, summary = mail_requests(tenant), summary_of(tenant)
    fetched = [at for at, row in rows if row["route"].endswith("/messages/{message}/$value")]
    first, whole = fetched[0], int((fetched[-1] - fetched[0]) // WINDOW)
    spans = [
        sum(first + n * WINDOW <= at < first + (n + 1) * WINDOW and row["status"] < 400 for at, row in rows)
        for n in range(whole)
    ]
    note(f"\nrequests in each span of {WINDOW:.0f} s from the first message on: {spans} of {GRANTED:,}")
    note(f"  {summary['throttled']} refused, {summary['avoidable']} avoidable")
    assert (summary["throttled"], summary["avoidable"]) == (0, 0)
    assert whole >= 3 and sum(spans) >= 0.95 * whole * GRANTED


# -- what a message costs -----------------------------------------------------------------------------------------------


def test_messages_a_second_with_one_process_and_with_two(folder: Path) -> None:
    """(e) Figures: without limits, one mailbox; two mailboxes by one process; two by two; and composing alone."""
    messages = 5_000
    with ServedTenant(made_mail_tenant(folder / "tenant", messages, users=2)) as tenant:
        one = product_of(folder / "one", tenant)
        environment = environment_of(one.environment)
        source = [f"mail/owner{number}@{tiny.DOMAIN}" for number in range(2)]
        alone = cost_of([*COMMAND, "export", "--json", "--source", source[0]], one.folder, environment)
        composed = cost_of([*COMMAND, "compose", "--json", "--recompose"], one.folder, environment)
        together = cost_of([*COMMAND, "export", "--json"], product_of(folder / "both", tenant).folder, environment)
        two = product_of(folder / "two", tenant)
        began = time.monotonic()
        crew = [threading.Thread(target=_export, args=(two, name, environment)) for name in source]
        before = os.times()
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        wall, after = time.monotonic() - began, os.times()
        assert not _failed
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    note(f"\n{messages:,} messages a mailbox, {os.cpu_count()} cores")
    for name, count, seconds, used in (
        ("export of one", messages, alone.wall, alone.cpu),
        ("compose of one, alone", messages, composed.wall, composed.cpu),
        ("export of two, one process", 2 * messages, together.wall, together.cpu),
        ("export of two, two processes", 2 * messages, wall, cpu),
    ):
        note(f"  {name:30} {count / seconds:6.0f} messages a second, {used / count * 1000:6.2f} CPU s per 1,000")


_failed: list[str] = []


def _export(product: Product, source: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "export", "--json", "--source", source],
        cwd=product.folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        _failed.append(done.stderr.decode()[-2000:])


def test_where_a_mailbox_spends_its_time(folder: Path) -> None:
    """No verdict: the CPU time of an export of 2,000 messages, by function, of all threads."""
    with ServedTenant(made_mail_tenant(folder / "tenant", 2_000)) as tenant:
        product = product_of(folder / "work", tenant)
        out = folder / "profile"
        environment = environment_of(product.environment, LASTCOPY_BENCH_PROFILE=str(out))
        cost_of([*COMMAND, "export", "--json"], product.folder, environment)
    for order in ("tottime", "cumtime"):
        text = StringIO()
        pstats.Stats(str(out), stream=text).strip_dirs().sort_stats(order).print_stats(40)
        note("\n".join(line for line in text.getvalue().splitlines() if line.strip()))


# -- memory -------------------------------------------------------------------------------------------------------------


def story(folder: Path, messages: int) -> dict[str, Cost]:
    """Export, second run, composition from nothing and verify of one mailbox of that many messages."""
    start = time.monotonic()
    data = made_mail_tenant(folder / "tenant", messages)
    note(f"\n{messages:,} messages made in {time.monotonic() - start:.0f} s")
    costs = {}
    with ServedTenant(data) as tenant:
        product = product_of(folder / "work", tenant)
        environment = environment_of(product.environment, TMPDIR=str(folder))
        for verb in VERBS:
            arguments = {"again": ["export"], "compose": ["compose", "--recompose"]}.get(verb, [verb])
            cost = costs[verb] = cost_of([*COMMAND, *arguments, "--json"], product.folder, environment)
            note(
                f"  {verb:7} {cost.wall:8.1f} s  {cost.cpu:8.1f} CPU s  {cost.cpu / messages * 1000:7.2f} CPU s per 1,000"
                f"  {cost.memory:6.1f} MiB"
            )
    shutil.rmtree(folder / "work")
    shutil.rmtree(folder / "tenant")
    return costs


def test_memory_does_not_grow_with_the_mailbox(folder: Path) -> None:
    """(f) Peak memory at 100,000 messages within 10 % of that at 10,000."""
    few, many = (story(folder / str(messages), messages) for messages in (10_000, 100_000))
    for verb in VERBS:
        assert many[verb].memory <= 1.10 * few[verb].memory, verb


def test_a_message_of_150_megabytes(folder: Path) -> None:
    """(f) Captured, composed, verified."""
    data = made_mail_tenant(folder / "tenant", 60, huge=110 << 20)
    rows = [json.loads(line) for line in (data / "users/u00000/messages.jsonl").read_text().splitlines()]
    assert rows[-1]["_mime"]["len"] >= 150 << 20
    with ServedTenant(data) as tenant:
        product = product_of(folder / "work", tenant)
        environment = environment_of(product.environment, TMPDIR=str(folder))
        note("")
        for verb in (["export"], ["compose", "--recompose"], ["verify", "--level", "full"]):
            cost = cost_of([*COMMAND, *verb, "--json"], product.folder, environment)
            note(f"  150 MiB, {verb[0]:8} {cost.wall:6.1f} s  {cost.cpu:6.1f} CPU s  {cost.memory:7.1f} MiB")
    kept = [json.loads(line) for path in product.store.glob("mail/*/lastcopy/items.jsonl") for line in path.open()]
    digests = {row.get("sha256"): row for row in kept if row["kind"] == "message"}
    assert {row["_mime"]["sha256"] for row in rows} == digests.keys()
    assert all(row["outcome"] == "copied" and "pst" in row for row in digests.values())
