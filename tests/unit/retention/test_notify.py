"""How a message gets to one recipient: addresses, and what is known when it fails (retention-domain §5, channels)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from exporters.errors import ConfigurationError
from retention.notify import MailChannel, Message, NotDeliveredError, as_mail, channel_for, mail_route
from tests.faults.mail_server import MailServer

MESSAGE = Message(
    "d" * 40, "Subject\nof two lines", "Text ü\n.\nmore", ("k1", "k2"), datetime(2026, 3, 1, tzinfo=UTC), True
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.mark.parametrize(
    ("address", "route"),
    [
        (
            "smtp://mail.example.com/?to=a@x.org&from=b@y.org",
            ("mail.example.com", 25, None, "b@y.org", "a@x.org", False, False),
        ),
        (
            "smtps://u:p@mail.example.com/?to=a@x.org",
            ("mail.example.com", 465, "u", "u@mail.example.com", "a@x.org", True, False),
        ),
        (
            "mailtos://u%40x.org:p@mail.x.org:2587/a@x.org",
            ("mail.x.org", 2587, "u@x.org", "u@x.org", "a@x.org", False, True),
        ),
        ("mailto://ops:p@x.org", ("x.org", 25, "ops", "ops@x.org", "ops@x.org", False, False)),
        ("mailto://ops:p@x.org?smtp=relay.y.org", ("relay.y.org", 25, "ops", "ops@x.org", "ops@x.org", False, False)),
    ],
)
def test_addresses(address: str, route: tuple[object, ...]) -> None:
    found = mail_route("ops", address)
    assert (found.host, found.port, found.user, found.sender, found.to, found.is_tls, found.must_upgrade) == route


@pytest.mark.parametrize(
    "address",
    [
        "smtp://mail.example.com",
        "smtp:///?to=a@x.org",
        "smtp://mail.example.com/?to=a@x.org,b@x.org",
        "smtp://mail.example.com/a@x.org/b@x.org",
        "smtp://mail.example.com:port/?to=a@x.org",
        "smtp://mail.example.com/?to=a@x.org&from=nobody",
        "nonsense",
        "gopher://x",
    ],
)
def test_addresses_that_cannot_be_used_are_told_without_them(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        channel_for("ops", address)
    assert "'ops'" in str(caught.value)
    assert "x.org" not in str(caught.value)


def test_a_mail_has_our_id_and_arrives_as_it_was(server: MailServer) -> None:
    with MailChannel(mail_route("ops", server.address())) as channel:
        for _ in range(2):
            channel.send(MESSAGE)
    first, second = server.messages
    assert first.raw == second.raw, "the same message has the same bytes"
    assert first.id == f"<{'d' * 40}@lastcopy.invalid>"
    assert (first.subject, first.keys) == ("Subject of two lines", ["k1", "k2"])
    assert first.text.replace("\r\n", "\n") == "Text ü\n.\nmore\n"
    assert first.mail["Importance"] == "high"
    assert b"\n" not in as_mail(MESSAGE, route=mail_route("ops", server.address())).replace(b"\r\n", b"")


@pytest.mark.parametrize(("trouble", "is_uncertain"), [("refuses", False), ("busy", False), ("hangs_up", True)])
def test_what_is_known_when_it_fails(server: MailServer, trouble: str, is_uncertain: bool) -> None:
    getattr(server, trouble).add("ops@example.com")
    with MailChannel(mail_route("ops", server.address())) as channel:
        with pytest.raises(NotDeliveredError) as caught:
            channel.send(MESSAGE)
        assert caught.value.is_uncertain == is_uncertain
        assert "ops@example.com" not in str(caught.value)
        getattr(server, trouble).clear()
        channel.send(MESSAGE)  # a new connection
    assert len(server.messages) == 1 + is_uncertain


def test_nobody_there_is_known_not_to_have_arrived() -> None:
    with MailServer() as gone:
        address = gone.address()
    with MailChannel(mail_route("ops", address)) as channel, pytest.raises(NotDeliveredError) as caught:
        channel.send(MESSAGE)
    assert not caught.value.is_uncertain


def test_starttls_or_nothing(server: MailServer) -> None:
    """A server that does not offer it gets no message, and no password."""
    address = server.address().replace("smtp://", "mailtos://user:secret@")
    with MailChannel(mail_route("ops", address)) as channel, pytest.raises(NotDeliveredError):
        channel.send(MESSAGE)
    assert server.messages == []
