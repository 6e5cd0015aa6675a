"""How far a plan can be believed: three rehearsals, bound by requests, by units and by the line, each planned and then copied.

Rules of this file: marker `bench`. A small source is copied first, so that something was measured; then `plan --json` says what
the rest takes, and the rest is copied by the same clock. That a day binds is tried by time that is played
(tests/unit/planning/test_prediction.py): what processes tell each other takes too long for a day that passes in minutes.
`LASTCOPY_BENCH_SCALE`: how many times as fast the clock runs where requests or units bind.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporters.rehearsal.service import Settings
from tests.bench.many_mails import made_mail_tenant
from tests.bench.measuring import note
from tests.end_to_end.driving import Product, Tenant
from tests.end_to_end.scaled import ScaledClock, command
from tests.independent import tiny

pytestmark = pytest.mark.bench
SCALE = float(os.environ.get("LASTCOPY_BENCH_SCALE", "3"))
MAIL = {"mail": "all", "onedrive": "none", "sharepoint": "none", "directory": False, "recoverable": "none"}
DRIVES = {"mail": "none", "onedrive": "all", "sharepoint": "none", "directory": False}
LASTING = {"token_seconds": 10**8, "url_seconds": 10**8, "concealed_names": False}


def seconds_of(document: dict[str, Any]) -> float:
    """How long a run took, by its own clock."""
    started, ended = (datetime.fromisoformat(document[name]) for name in ("started", "ended"))
    return (ended - started).total_seconds()


def planned_and_copied(product: Product, name: str, first: str, terms: set[str]) -> None:
    """Copy `first`, plan the rest, copy it: as long as planned, within a quarter. terms: one of which must bind."""
    measured = product.run("export", "--json", "--source", first, code=0, seconds=1800).document
    plan = product.run("plan", "--json", code=0, seconds=600).document
    real = seconds_of(product.run("export", "--json", code=0, seconds=3 * 3600).document)
    expected, low, high = (plan[f"{which}_seconds"] for which in ("expected", "low", "high"))
    note(
        f"\n{name}: expected {expected:,} s, real {real:,.0f} s ({real / expected - 1:+.1%}), between {low:,} and {high:,}"
        f" ({high / low:.2f}-fold), bound by {plan['binding']['term']}; measured first: {seconds_of(measured):,.0f} s"
    )
    note(f"  {json.dumps(plan['rates'])}")
    note(f"  {json.dumps({term['term']: term['seconds'] for term in plan['terms']})} {json.dumps(plan['work'])}")
    assert plan["binding"]["term"] in terms
    assert abs(real / expected - 1) <= 0.25
    assert low <= real <= high
    assert high <= 3 * low


def shared_drives(out: Path, *files: int) -> Path:
    """Drives of so many files each, every one of them shared with somebody: a unit for its bytes, five for who can see it."""
    tiny.make(out, drives=len(files), files=0, odd=False)
    users = [json.loads(line) for line in (out / "users.jsonl").read_text().splitlines()]
    share = [{"id": "link", "roles": ["read"], "link": {"scope": "organization", "type": "view"}}]
    for number, count in enumerate(files):
        drive = tiny.Drive(number, users[number])
        folder = drive.root
        content = drive.put(b"small")
        for n in range(count):
            if n % 500 == 0:
                folder = drive.folder_in(f"folder {n // 500:04}", drive.root)
            drive.file_in(f"file {n:06}.txt", folder, content, shared={"scope": "organization"}, _permissions=share)
        for path in (out / drive.folder).iterdir():
            path.unlink()
        (out / drive.folder).rmdir()
        drive.write(out)
    return out


def test_bound_by_requests(folder: Path) -> None:
    """A mailbox of 22,000 messages: 10,000 requests in ten minutes. Some eight minutes of real time at three times the speed,
    where the machine is quick enough for that."""
    data, clock = two_mailboxes(folder, 22_000, 1_500), ScaledClock(SCALE)
    with Tenant(data, licences=100, clock=clock, settings=Settings(**LASTING)) as tenant:
        product = Product(folder / "work", tenant, sources=MAIL, mail={"fasttransfer": "off"})
        product.command = command(clock)
        planned_and_copied(product, "requests", f"mail/owner1@{tiny.DOMAIN}", {"mail_largest"})


def two_mailboxes(folder: Path, large: int, small: int) -> Path:
    """A tenant with a large mailbox (owner0) and a small one (owner1)."""
    data, other = made_mail_tenant(folder / "tenant", large), made_mail_tenant(folder / "small", small, users=2)
    rows = [json.loads(line) for line in (other / "users.jsonl").read_text().splitlines()]
    (other / "users/u00001").rename(data / "users/u00001")
    tiny.write_rows(data / "users.jsonl", [json.loads((data / "users.jsonl").read_text()), rows[1]])
    return data


def test_bound_by_requests_on_a_busy_machine(folder: Path) -> None:
    """A mailbox of 260 messages that grants 60 requests in ten minutes: an hour, in some two minutes, with next to no work."""
    data, clock = two_mailboxes(folder, 260, 20), ScaledClock(30.0)
    settings = Settings(**LASTING)
    with Tenant(data, licences=100, clock=clock, settings=settings, requests_a_mailbox=60) as tenant:
        product = Product(folder / "work", tenant, sources=MAIL, mail={"fasttransfer": "off"})
        product.command = command(clock, "1250/1200000/60")
        planned_and_copied(product, "requests, few", f"mail/owner1@{tiny.DOMAIN}", {"mail_largest"})


def test_bound_by_units_of_the_minute(folder: Path) -> None:
    """6,000 shared files with their permissions at 1,250 units a minute: some half an hour, a third of that in real time."""
    data, clock = shared_drives(folder / "tenant", 6_000, 1_200), ScaledClock(SCALE)
    with Tenant(data, licences=100, clock=clock, settings=Settings(**LASTING)) as tenant:
        product = Product(
            folder / "work", tenant, sources=DRIVES, drive={"versions": "current", "permissions": "shared"}
        )
        product.command = command(clock)
        planned_and_copied(product, "units of the minute", f"onedrive/person1@{tiny.DOMAIN}", {"units_minute"})


def test_bound_by_the_line(folder: Path) -> None:
    """A line of 16 Mbit/s, and 240 MB to fetch: some two minutes."""
    data = tiny.make(folder / "tenant", drives=2, files=0, odd=False)
    users = [json.loads(line) for line in (folder / "tenant/users.jsonl").read_text().splitlines()]
    for number, count in enumerate((60, 15)):
        drive = tiny.Drive(number, users[number])
        for n in range(count):
            drive.file_in(f"film {n:03}.bin", drive.root, tiny.recipe(f"film {number} {n}", 4_000_000))
        for path in (folder / "tenant" / drive.folder).iterdir():
            path.unlink()
        (folder / "tenant" / drive.folder).rmdir()
        drive.write(folder / "tenant")
    del data
    settings = Settings(**LASTING, bytes_a_second=2e6)
    with Tenant(folder / "tenant", licences=100, clock=ScaledClock(1.0), settings=settings) as tenant:
        product = Product(folder / "work", tenant, sources=DRIVES, drive={"versions": "current", "permissions": "none"})
        product.command = command(ScaledClock(1.0))
        product.configure(plan={"line_mbit": 16})
        planned_and_copied(product, "the line", f"onedrive/person1@{tiny.DOMAIN}", {"line"})
