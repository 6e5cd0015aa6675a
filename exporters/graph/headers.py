"""Headers that say when, how much and why: read once, here.

Rules of this file: pure; what cannot be read, or cannot be meant (a pause of more than a day), is None, never an
exception. Source: reference graph.md 7.1, 7.3, 11.2;
RFC 9110 10.2.3; quirk Q-052.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

LONGEST_SECONDS = 86_400.0
"""The longest window of the service is a day: whoever tells of a longer wait is not to be believed."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`RateLimit-*` headers: units granted, units left, seconds until they are renewed (each None if not told)."""

    limit: int | None
    remaining: int | None
    reset: float | None


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Value of a header, whatever the case of its name (batch answers are plain dictionaries)."""
    value = headers.get(name)
    if value is not None or not isinstance(headers, dict):  # all others know no case, and most headers are not there
        return value
    lowered = name.lower()
    return next((value for key, value in headers.items() if key.lower() == lowered), None)


def is_set(headers: Mapping[str, str], name: str) -> bool:
    """Whether a header says yes: it is there, and says neither false nor 0."""
    return (header(headers, name) or "").strip().lower() not in ("", "false", "0", "no")


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait as `Retry-After` says it: integer, decimal, or HTTP date.

    A date is measured from the server's own `Date`, or without one from `now`. None: no header, not readable, or
    longer than `LONGEST_SECONDS`. Source: RFC 9110 10.2.3; reference graph.md 7.1.
    """
    value = (header(headers, "Retry-After") or "").strip()
    if not value:
        return None
    if re.fullmatch(r"\d+(\.\d*)?|\.\d+", value):
        return _believed(float(value))
    until = _http_date(value)
    if until is None:
        return None
    base = _http_date(header(headers, "Date") or "") or now
    return _believed(max(0.0, (until - base).total_seconds()))


def _believed(seconds: float) -> float | None:
    return seconds if seconds <= LONGEST_SECONDS else None


@lru_cache(maxsize=16)  # answers of one second say the same
def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def server_date(headers: Mapping[str, str]) -> datetime | None:
    """The service's own clock, from `Date`."""
    return _http_date(header(headers, "Date") or "")


def parse_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """The `RateLimit-*` headers, if there is any. Source: graph.md 7.3."""

    def number(name: str) -> float | None:
        match = re.match(r"\s*(\d{1,15}(?:\.\d+)?)(?!\d)", header(headers, name) or "")
        return float(match[1]) if match else None

    limit, remaining, reset = (number(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))
    reset = None if reset is None else _believed(reset)
    if limit is None and remaining is None and reset is None:
        return None
    return RateLimit(None if limit is None else int(limit), None if remaining is None else int(remaining), reset)


def parse_claims(challenge: str | None) -> str | None:
    """JSON text of the claims in a `WWW-Authenticate` header, or None.

    The value is base64 (either alphabet, padded or not) in a quoted parameter and holds `=` itself (Q-052).
    """
    for name, value in re.findall(r'([A-Za-z_]+)\s*=\s*"((?:[^"\\]|\\.)*)"', challenge or ""):
        if name.lower() != "claims":
            continue
        plain = value.strip().replace("-", "+").replace("_", "/").rstrip("=")
        try:
            text = base64.b64decode(plain + "=" * (-len(plain) % 4)).decode()
            if isinstance(json.loads(text), dict):
                return text
        except (binascii.Error, ValueError):
            continue
    return None
