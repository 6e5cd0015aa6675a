"""Dates of headers to instants.

Rules of this file: never raises; a date without a usable zone is UTC. What is outside the years 1601 to 4500 is no date: no
reader shows it. The usual form is read here, anything else by `email.utils`, so that both agree.
Source: RFC 5322 sections 3.3, 4.3; reference/mapi-mapping.md §0 (empty against absent), §1.4.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache

_USUAL = re.compile(
    r"\s*(?:[A-Za-z]{3},\s*)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+(\d\d):(\d\d)(?::(\d\d))?\s+([+-]\d\d)(\d\d)\s*(?:\([^()]*\)\s*)?\Z"
)
_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)  # noqa: SIM905
}
_COMMENT, _AROUND_COLON = re.compile(r"\([^()]*\)"), re.compile(r"\s*:\s*")
_GMT_OFFSET = re.compile(r"\b(?:GMT|UTC)\s?([+-])0?(\d)(?::?00)?\b")
_COLON_OFFSET = re.compile(r"([+-]\d\d):(\d\d)(?=\s*(?:\(|\Z))")
_MAX_LENGTH = 500
FIRST, LAST = datetime(1601, 1, 1, tzinfo=UTC), datetime(4500, 12, 31, tzinfo=UTC)


def parsed(value: str) -> datetime | None:
    """The instant of a Date header (also of the end of a Received one), in UTC; None if it is no date that can be stored."""
    if len(value) > _MAX_LENGTH:
        return None
    match = _USUAL.match(value)
    moment = None
    if match is not None:
        moment = _moment(match)
    if moment is None:
        moment = _lenient(value)
    return moment if moment is not None and FIRST < moment <= LAST else None


def _moment(match: re.Match[str]) -> datetime | None:
    day, month, year, hour, minute, second, zone_hours, zone_minutes = match.groups()
    number = _MONTHS.get(month.lower())
    if number is None:
        return None
    zone = _zone(zone_hours, zone_minutes)
    if zone is None:
        return None
    try:
        local = datetime(int(year), number, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _zone(hours: str, minutes: str) -> timezone | None:
    offset = timedelta(hours=int(hours[1:]), minutes=int(minutes))
    if offset >= timedelta(days=1):
        return None
    return timezone(-offset if hours[0] == "-" else offset)


def _lenient(value: str) -> datetime | None:
    value = _COLON_OFFSET.sub(r"\1\2", _GMT_OFFSET.sub(r" \g<1>0\g<2>00", value.replace(" at ", " ")))
    if "(" in value:
        value = _AROUND_COLON.sub(":", _COMMENT.sub(" ", value))
    try:
        found = parsedate_tz(value)
    except Exception:  # noqa: BLE001  # email.utils raises of various kinds on what is no date
        return None
    if found is None:
        return None
    year, month, day, hour, minute, second = found[:6]
    offset = found[9] or 0
    try:
        local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return local - timedelta(seconds=offset)
    except (ValueError, OverflowError, TypeError):
        return None
