"""Delivers one message to one recipient: mail by SMTP, everything else by Apprise.

Rules of this file: an address is a secret: it is read at the last moment, and stands in no error and no log; one call is one
delivery to one recipient. A failure says whether the message may have arrived all the same. Source: retention-domain §5 (exactly
once, channels); dependencies.md §4 (apprise).

    with channel_for("ops", address) as channel:
        channel.send(Message(subject, text, message_id))       # raises NotDeliveredError
"""

import logging
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Protocol, Self
from urllib.parse import parse_qs, unquote, urlsplit

from exporters.errors import ConfigurationError, LastcopyError

TIMEOUT_SECONDS = 30.0
MAIL_SCHEMES = frozenset({"mailto", "mailtos", "smtp", "smtps"})
_PORTS = {"mailto": 25, "smtp": 25, "mailtos": 587, "smtps": 465}
MESSAGE_DOMAIN = "lastcopy.invalid"
_LOG = logging.getLogger("apprise")
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. id: of the delivery, which the Message-ID is made of; keys: for `lastcopy ack`."""

    id: str
    subject: str
    text: str
    keys: tuple[str, ...]
    at: datetime
    is_urgent: bool = False


class NotDeliveredError(LastcopyError):
    """A message was not delivered. is_uncertain: it may have arrived all the same."""

    def __init__(self, why: str, *, is_uncertain: bool) -> None:
        super().__init__(why, code="not_delivered")
        self.is_uncertain = is_uncertain


class Channel(Protocol):
    """A way to one recipient; `with` closes it. Used by one thread."""

    def send(self, message: Message) -> None:
        """Deliver. Raises: NotDeliveredError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def channel_for(name: str, address: str) -> Channel:
    """The channel to an address. name: of the `notify` entry. Raises: ConfigurationError for an address nobody can use."""
    scheme = address.partition(":")[0].lower()
    if scheme in MAIL_SCHEMES:
        return MailChannel(mail_route(name, address))
    return AppriseChannel(name, address)


@dataclass(frozen=True, slots=True, repr=False)
class MailRoute:
    """How a mail gets to one address. is_tls: from the first byte; must_upgrade: STARTTLS or nothing."""

    host: str
    port: int
    user: str | None
    password: str | None
    sender: str
    to: str
    is_tls: bool
    must_upgrade: bool


def mail_route(name: str, address: str) -> MailRoute:
    """Read `smtp(s)://` or `mailto(s)://[USER:PASSWORD@]HOST[:PORT]/?to=ADDRESS&from=ADDRESS`. Raises: ConfigurationError."""
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise _unusable(name, "it cannot be read as an address") from None
    options = {key.lower(): values[-1] for key, values in parse_qs(parts.query).items()}
    if not host:
        raise _unusable(name, "it names no server")
    user = unquote(parts.username) if parts.username else None
    whole = user if user and "@" in user else f"{user}@{host}" if user else None
    path = [unquote(part) for part in parts.path.split("/") if part]
    targets = path or ([options["to"]] if "to" in options else [whole] if whole else [])
    if len(targets) != 1 or not _ADDRESS.fullmatch(targets[0]):
        raise _unusable(
            name, "it has to name exactly one mail address, as in smtps://USER:PASSWORD@HOST/?to=ops@example.com"
        )
    sender = options.get("from") or whole or f"lastcopy@{socket.gethostname() or 'localhost'}"
    if not _ADDRESS.fullmatch(sender):
        raise _unusable(name, "its from= is no mail address")
    server = options.get("smtp") or host
    return MailRoute(
        server,
        port or _PORTS[scheme],
        options.get("user") or user,
        unquote(parts.password) if parts.password else None,
        sender,
        targets[0],
        is_tls=scheme == "smtps" or options.get("mode") == "ssl",
        must_upgrade=scheme == "mailtos" or options.get("mode") == "starttls",
    )


class MailChannel:
    """One SMTP connection, kept for the messages of a sweep and made again when the server has closed it."""

    def __init__(self, route: MailRoute) -> None:
        self._route = route
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def send(self, message: Message) -> None:
        """See `Channel.send`. What the server refused, or never got, is known not to be delivered; a connection that is lost
        after the body was sent leaves it open."""
        mail, route = as_mail(message, route=self._route), self._route
        try:
            server = self._connected()
            for code, answer in (server.mail(route.sender), server.rcpt(route.to)):
                if code not in {250, 251}:
                    self._refused((code, answer))
        except NotDeliveredError:
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise NotDeliveredError(self._masked(_said(error)), is_uncertain=False) from None
        try:
            code, answer = server.data(mail)
        except smtplib.SMTPDataError as error:  # the server did not want the body, which it never got
            self._hang_up()
            raise NotDeliveredError(self._masked(_said(error)), is_uncertain=False) from None
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            told = self._masked(_said(error))
            raise NotDeliveredError(f"{told}, after the message was sent", is_uncertain=True) from None
        if code != 250:
            self._refused((code, answer))

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            try:
                if self._server.rset()[0] == 250:
                    return self._server
            except (OSError, smtplib.SMTPException):
                pass
            self._hang_up()
        route, context = self._route, ssl.create_default_context()
        if route.is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(route.host, route.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(route.host, route.port, timeout=TIMEOUT_SECONDS)
        self._server = server
        server.ehlo_or_helo_if_needed()
        if not route.is_tls and (route.must_upgrade or server.has_extn("starttls")):
            server.starttls(context=context)
            server.ehlo()
        if route.user is not None and route.password is not None:
            server.login(route.user, route.password)
        return server

    def _refused(self, answer: tuple[int, bytes]) -> None:
        code, text = answer
        self._hang_up()
        told = text.decode(errors="replace").splitlines()[0][:200] if text else ""
        raise NotDeliveredError(self._masked(f"the mail server refused it ({code} {told})"), is_uncertain=False)

    def _masked(self, text: str) -> str:
        """Servers like to repeat addresses and names; none of that may stand in a journal."""
        route = self._route
        for secret in sorted(
            {route.to, route.sender, route.user or "", route.password or "", route.host} - {""}, key=len, reverse=True
        ):
            text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
        return text

    def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (OSError, smtplib.SMTPException):
                server.close()


def as_mail(message: Message, *, route: MailRoute) -> bytes:
    """The mail, with our own Message-ID."""
    mail = EmailMessage()
    mail["From"], mail["To"] = route.sender, route.to
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = message_id(message.id)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Lastcopy-Key"] = " ".join(message.keys)
    if message.is_urgent:
        mail["Importance"] = "high"
    mail.set_content(message.text)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def message_id(delivery: str) -> str:
    """The Message-ID of a delivery."""
    return f"<{delivery}@{MESSAGE_DOMAIN}>"


class AppriseChannel:
    """Everything that Apprise knows; plain http(s):// addresses that no service owns get JSON."""

    def __init__(self, name: str, address: str) -> None:
        import apprise

        _keep_to_ourselves(_LOG)
        made = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if made is None and address.lower().startswith(("http://", "https://")):
            made = apprise.Apprise.instantiate("json" + address[len("http") :], suppress_exceptions=True)
        if made is None:
            raise _unusable(name, "neither SMTP nor Apprise knows it")
        self._service: Any = (
            made  # asked itself: `Apprise.notify` hands it to a thread, whose log would not be told apart
        )
        made.socket_connect_timeout = made.socket_read_timeout = TIMEOUT_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, message: Message) -> None:
        """See `Channel.send`. Apprise only says that it failed; what it logs tells whether an answer came."""
        heard = _Heard()
        _LOG.addHandler(heard)
        try:
            done = self._service.notify(
                title=message.subject, body=message.text, notify_type="failure" if message.is_urgent else "warning"
            )
        finally:
            _LOG.removeHandler(heard)
        if not done:
            raise NotDeliveredError(heard.reason, is_uncertain=heard.is_uncertain)


def _keep_to_ourselves(log: logging.Logger) -> None:
    """What Apprise logs holds addresses: it goes to no log of ours, and to `_Heard` whole."""
    log.propagate = False
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        log.addHandler(logging.NullHandler())


class _Heard(logging.Handler):
    """Takes what Apprise logs of this thread's delivery, instead of a log."""

    _ANSWERED = re.compile(r"error=(\d{3})\b")
    _NEVER_SENT = re.compile(
        r"NewConnectionError|Connection refused|NameResolution|getaddrinfo|ConnectTimeout|No route|unreachable",
        re.IGNORECASE,
    )

    def __init__(self) -> None:
        import threading

        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._texts.append(record.getMessage())

    @property
    def _code(self) -> str | None:
        found = [match[1] for text in self._texts if (match := self._ANSWERED.search(text))]
        return found[-1] if found else None

    @property
    def is_uncertain(self) -> bool:
        never = any(self._NEVER_SENT.search(text) for text in self._texts)
        return self._code is None and not never

    @property
    def reason(self) -> str:
        if self._code is not None:
            return f"the service answered {self._code}"
        return "the connection was lost, perhaps after the message was sent" if self.is_uncertain else "no connection"


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = (
            error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        )
        return f"the mail server refused it ({error.smtp_code} {text.splitlines()[0][:200] if text else ''})"
    if isinstance(error, smtplib.SMTPException):
        return f"the mail server cannot be used ({type(error).__name__})"
    return f"no connection to the mail server ({getattr(error, 'strerror', None) or type(error).__name__})"


def _unusable(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"notify: the address of {name!r} cannot be used: {why}",
        code="address_unusable",
        action="Write smtps://USER:PASSWORD@HOST/?to=ADDRESS&from=ADDRESS, or an address that Apprise knows, such as json://HOST.",
    )
