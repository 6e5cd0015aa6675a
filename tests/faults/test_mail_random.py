"""Whatever goes wrong together, and whatever moves meanwhile: once it is quiet, the copy of a mailbox is that of the truth.

Rules of this file: plans and changes follow from their seed. Left out are refusals for good, which are exceptions then, and
news that a delta does not tell: no count of the service shows what is not one item more or less.
"""

import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from exporters.errors import LastcopyError
from exporters.mail.capture import collections as capture_collections
from exporters.mail.settings import MailSettings
from tests.faults.mail_desk import VALUE, MailDesk, Stopping, mail_desk
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
FIRST = int(os.environ.get("LASTCOPY_MAIL_SEED", "0"))
DELTA, ANY = "users/*/delta", "users/*"
FAULTS: tuple[Row, ...] = (
    {"route": DELTA, "fault": "mail-410"},
    {"route": DELTA, "fault": "mailbox-full"},
    {"route": DELTA, "fault": "duplicate-rows"},
    {"route": DELTA, "fault": "empty-page"},
    {"route": DELTA, "fault": "mail-404"},
    {"route": DELTA, "fault": "status", "status": 403, "code": "ErrorAccessDenied"},
    {"route": "users/*/calendars/*/events", "fault": "missing-row"},
    {"route": "users/*/childFolders", "fault": "500"},
    {"route": "users/*/contactFolders*", "fault": "403"},
    {"route": ANY, "fault": "mail-throttled", "seconds": 1},
    {"route": ANY, "fault": "mail-500"},
    {"route": ANY, "fault": "reset"},
    {"route": ANY, "fault": "503-html"},
    {"route": DELTA, "fault": "truncated-json"},
    {"route": VALUE, "fault": "mail-404"},
    {"route": VALUE, "fault": "reset-mid-body", "after_bytes": 20},
    {"route": VALUE, "fault": "value-error"},
    {"route": "users/*/attachments", "fault": "mail-500"},
    {"route": "users/*/photo/$value", "fault": "504"},
)
PLACES = (data.INBOX, data.ARCHIVE, data.TWIN, data.OTHER_TWIN, data.SLASH, data.HIDDEN, data.HISTORY, data.DELETIONS)


def change(chance: random.Random) -> Row:
    """Something that may happen in a mailbox; nothing if it cannot."""
    n, at = chance.randrange(data.MESSAGES), {"user": data.ADA}
    message = {**at, "kind": "message", "id": made("message", n)}
    contact = {**at, "kind": "contact", "id": made("contact", n % 14)}
    to = made("folder", chance.choice(PLACES))
    return chance.choice(
        [
            {**message, "op": "move", "to": to},
            {**message, "op": "move", "to": to},
            {**message, "op": "move-back", "to": to},
            {**message, "op": "copy", "to": to},
            {**message, "op": "delete"},
            {**message, "op": "update", "set": {"isRead": chance.random() < 0.5}},
            {**message, "op": "update", "set": {"categories": [str(chance.randrange(9))]}},
            {**at, "kind": "folder", "id": to, "op": "rename", "name": f"renamed {chance.randrange(9)}"},
            {**at, "kind": "folder", "op": "create", "name": "new", "to": made("folder", chance.choice(PLACES[:3]))},
            {**at, "kind": "folder", "id": made("folder", data.OTHER_TWIN), "op": "move", "to": made("folder", data.ARCHIVE)},
            {**at, "kind": "folder", "id": made("folder", chance.choice((data.TWIN, data.SLASH))), "op": "delete"},
            {**contact, "op": "delete"},
            {**contact, "op": "update", "set": {"title": "Dr"}},
            {**contact, "op": "update", "set": {"_photo": None}},
            {**at, "kind": "event", "id": made("event", 0), "op": "update", "set": {"subject": str(n)}},
            {**at, "kind": "event", "id": made("event", 3), "op": "delete"},
            {**at, "kind": "task", "id": made("task", n % 3), "op": "update", "set": {"title": str(n)}},
            {**at, "kind": "mailbox", "op": "move-server"},
        ]
    )  # fmt: skip


def plan(chance: random.Random) -> list[Row]:
    rules = [
        {**chance.choice(FAULTS), "probability": chance.choice((0.1, 0.3)), "seed": chance.randrange(99), "count": 9}
        for _ in range(5)
    ]
    while_it_runs = [
        {"route": ANY, "fault": "change", "after": chance.randrange(120), "count": 1, "changes": [change(chance)]}
        for _ in range(6)
    ]
    return while_it_runs + rules


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("random") / "tenant", fill)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 6))
def test_all_is_well_once_it_is_quiet(tenant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(f"mail {seed}")
    for word in ("messages", "contacts", "tasks"):
        monkeypatch.setitem(capture_collections.PAGES, word, chance.choice((2, 5, 100)))
    with mail_desk(tenant, tmp_path / "store") as ada:
        for _ in range(3):
            ada.settings = MailSettings(recoverable=chance.choice(("none", "all")), fasttransfer="off", archive="none")
            ada.faults(*plan(chance))
            stop = threading.Event()
            progress = Stopping(stop, chance.choice((3, 15, 1_000)))
            try:
                ada.run(stop=stop, progress=progress)
            except LastcopyError as error:
                assert error.action or error.code, error
            ada.bag(whole=False, settled=False)
            ada.desk.client.change(*(change(chance) for _ in range(4)))
        finish(ada)


def finish(ada: MailDesk) -> None:
    """Quiet runs: what was not found for once is asked for again after a day."""
    ada.faults()
    ada.settings = MailSettings(recoverable="all", fasttransfer="off", archive="none")
    for _ in range(2):
        ada.clock.advance(25 * 3600)
        result = ada.run()
    assert result.problems == [] and result.unexplained == 0 and result.counts["pending"] == 0
    assert set(result.exceptions) <= {"mime_refused", "vanished"}, result.exceptions
    ada.checked()
    assert ada.run().worked_on == 0
