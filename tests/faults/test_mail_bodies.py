"""Bodies with success and the right headers that are not the message that was asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.mail_desk import MailDesk, mail_desk
from tests.unit.rehearsal import mailbox_data as data

ONE = "users/*/messages/*/$value"
PAGE = "<!DOCTYPE html><html><body>Sign in to go on</body></html>"
ANOTHER = "From: eve@rehearsal.example\r\nMessage-ID: <666@rehearsal.example>\r\n\r\nBody of another.\r\n"
HEADLESS = "These are other bytes. "


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("bodies") / "tenant")


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


@pytest.mark.parametrize("text", [PAGE, ANOTHER, HEADLESS, '{"error": {"code": "x"}}'])
def test_a_body_that_is_another_for_once_is_not_kept(ada: MailDesk, text: str) -> None:
    ada.faults({"route": ONE, "fault": "wrong-bytes", "text": text, "count": 1})
    ada.run()
    assert ada.fired() == 1
    ada.checked()


def test_a_page_is_never_a_message(ada: MailDesk) -> None:
    ada.faults({"route": ONE, "fault": "wrong-bytes", "text": PAGE})
    ada.run()
    bag = ada.bag()
    assert not [row for row in bag.of("message") if row["outcome"] == "copied"]
    assert {row["code"] for row in bag.of("message")} == {"download_failed"}
    ada.faults()
    ada.run()
    ada.checked()


def test_a_message_that_comes_twice_alike_under_another_id_is_kept(ada: MailDesk) -> None:
    """The service makes headers of its own for some."""
    (one,) = [row for row in ada.truth() if row["kind"] == "message" and row["row"]["subject"] == "message 5"]
    ada.faults({"route": f"users/*/messages/{one['immutableId']}/$value", "fault": "wrong-bytes", "text": ANOTHER})
    ada.run()
    assert ada.fired() == 2
    copied = [row["outcome"] == "copied" for row in ada.bag().of("message")]
    assert copied.count(False) == 1, "the S/MIME message"


def test_a_sound_message_is_asked_for_once(ada: MailDesk) -> None:
    asked = ada.asked_by(ada.run)
    refused = 3  # one that is S/MIME, tried three times
    sound = [row for row in ada.bag().of("message") if row["outcome"] == "copied"]
    assert asked["users/{user}/messages/{message}/$value"] == len(sound) + refused
