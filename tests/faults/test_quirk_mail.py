"""Quirks of mailboxes."""

from collections.abc import Iterator
from pathlib import Path
import pytest
from tests.faults.mail_desk import MailDesk, mail_desk
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.test_rehearsal_calendar import fill


@pytest.fixture(scope="module")
def tenant(tmp_path_factory):
    return data.write_tenant(tmp_path_factory.mktemp("mail") / "tenant", fill)


@pytest.fixture
def ada(tenant, tmp_path):
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


def test_first(ada):
    result = ada.run()
    print(result)
    bag = ada.checked()
    for r in bag.rows.values():
        if r["kind"] not in ("message",):
            print(r["kind"], r["id"][-8:], r.get("path"), r["outcome"], r.get("code"), r.get("key"))
    print(ada.asked_by(ada.run))
