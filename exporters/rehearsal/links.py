"""Opaque tokens of links, and pre-authenticated download addresses.

Rules of this file: a token says all that the server must know to go on, so that a restarted server takes it; it is sealed,
so one that was cut, decoded twice or rebuilt is refused; it holds `#`, `%` and `+`, because real ones may (Q-011).
Source: reference/graph.md 5.2, quirks Q-011, Q-014.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from exporters.rehearsal.documents import parse, render


class LinkError(Exception):
    """A token that this server did not make, or that was damaged on its way."""


class Links:
    """Makes and reads sealed tokens. key: what this tenant's tokens are sealed with; the same data gives the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, *values: Any) -> str:
        """A token that `open` turns back into `values` (JSON values); not yet percent-encoded."""
        text = base64.b64encode(render(list(values))).decode()
        return f"{text}#%{self._mac(text)}+"

    def open(self, token: str) -> list[Any]:
        """Raises LinkError."""
        text, _, rest = token.partition("#%")
        if not rest.endswith("+") or not hmac.compare_digest(rest[:-1], self._mac(text)):
            raise LinkError("The token of the link is malformed. Use links exactly as they were given.")
        values: list[Any] = parse(base64.b64decode(text))
        return values

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True)
class Ticket:
    """What a pre-authenticated address opens: an item of a drive, or one of its earlier versions, until `expires`."""

    drive: str  # folder of the drive
    item: int
    version: str | None
    expires: int  # seconds since the epoch


class Tickets:
    """Pre-authenticated addresses on the download port."""

    def __init__(self, links: Links, base: str) -> None:
        """base: scheme, host and port of the download host."""
        self._links, self._base = links, base

    def url(self, ticket: Ticket, unique_id: str) -> str:
        """The address; a credential as long as it lasts."""
        sealed = self._links.seal(ticket.drive, ticket.item, ticket.version, ticket.expires)
        tempauth = "v1." + base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")
        query = f"UniqueId={quote(unique_id)}&Translate=false&tempauth={tempauth}&ApiVersion=2.0"
        return f"{self._base}/personal/{ticket.drive.rpartition('/')[2]}/_layouts/15/download.aspx?{query}"

    def read(self, query: str) -> Ticket:
        """The ticket of an address. Raises LinkError."""
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if name == "tempauth":
                text = unquote(value).removeprefix("v1.")
                try:
                    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
                except ValueError as error:
                    raise LinkError("The tempauth of the address is malformed.") from error
                return Ticket(*self._links.open(sealed))
        raise LinkError("The address has no tempauth.")
