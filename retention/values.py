"""What a value in the configuration can look like: switches, sizes, durations, references to secrets.

Rules of this file: pure functions and pydantic types, no I/O; the message of an error says what is allowed and never repeats
the value, which may be a secret put in the wrong place. Loaded only when a configuration is read. Source: design §7.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"": 1, "B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}
_SIZES |= {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_ON, _OFF = frozenset({"on", "yes", "true"}), frozenset({"off", "no", "false"})


def switch(value: Any) -> Any:
    """`on`, `off`, `yes`, `no` as a bool, whether YAML made it one (1.1) or left it a word (1.2)."""
    if isinstance(value, str) and value.lower() in _ON | _OFF:
        return value.lower() in _ON
    if isinstance(value, bool):
        return value
    raise ValueError("allowed: on, off, yes, no, true, false")


def word_for_switch(on: str, off: str) -> BeforeValidator:
    """Where a word is wanted: what YAML 1.1 made of `on`/`yes` and `off`/`no` becomes the words `on` and `off`."""

    def back(value: Any) -> Any:
        if value is True or (isinstance(value, str) and value.lower() in _ON):
            return on
        if value is False or value is None or (isinstance(value, str) and value.lower() in _OFF):
            return off
        return value

    return BeforeValidator(back)


def names(value: Any) -> Any:
    """A list of names; what YAML took for a switch or a number must be quoted."""
    if not isinstance(value, list):
        raise ValueError("allowed: a list of names")  # noqa: TRY004 - pydantic takes ValueError for its own
    if any(not isinstance(name, str) or not name for name in value):
        raise ValueError("allowed: a list of names; put names such as no, on or 12 into quotes")
    return value


def seconds(value: Any) -> timedelta:
    """`90s`, `15m`, `24h`, `30d`, `2w` as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("allowed: a whole number and a unit, as in 90s, 15m, 24h, 30d or 2w")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def size_bytes(value: Any) -> int:
    """`10GiB`, `500 MB` or a number of bytes, as bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = re.fullmatch(r"([0-9]{1,15})\s*([A-Za-z]*)", value) if isinstance(value, str) else None
    if match is None or match[2] not in _SIZES or int(match[1]) == 0:
        raise ValueError("allowed: a size such as 10GiB, 500MiB or 2GB")
    return int(match[1]) * _SIZES[match[2]]


def time_of_day(value: Any) -> time:
    """`20:00` as a time; unquoted it reaches us as the number 1200 (YAML 1.1 counts in sixties)."""
    if isinstance(value, time):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return time(value // 60, value % 60)
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("allowed: a time of day such as '20:00'")
    return time(int(match[1]), int(match[2]))


def instant(value: Any) -> datetime:
    """A date (its first moment in UTC) or an instant with its offset, as an aware datetime in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("allowed: a date such as 2030-01-31, or an instant with its offset") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            midnight = value.time() == time(0)
            if not midnight:
                raise ValueError("allowed: an instant with its offset, as in 2030-01-31T00:00:00Z")
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("allowed: a date such as 2030-01-31, or an instant with its offset")


def reference(value: Any) -> str:
    """`env:NAME`, `file:PATH` or `keyring:NAME`: where a secret is, never the secret itself."""
    if isinstance(value, str):
        kind, colon, rest = value.partition(":")
        if colon and rest.strip() and kind in {"env", "file", "keyring"}:
            return value
    raise ValueError("allowed: where the secret is (env:NAME, file:PATH or keyring:NAME), never the secret itself")


def file_reference(value: Any) -> str:
    """`file:PATH`."""
    if isinstance(value, str) and value.startswith("file:") and value[5:].strip():
        return value
    raise ValueError("allowed: file:PATH")


def signing_reference(value: Any) -> str:
    """`file:PATH`, `env:NAME`, `keyring:NAME`, or `awskms:KEY_ID`: a key that signs where it lies."""
    if isinstance(value, str) and value.startswith("awskms:") and re.fullmatch(r"[A-Za-z0-9:/_-]+", value[7:]):
        return value
    try:
        return reference(value)
    except ValueError:
        raise ValueError("allowed: where the key is (file:PATH, env:NAME, keyring:NAME or awskms:KEY_ID)") from None


def fingerprint(value: Any) -> str:
    """The SHA-256 of a public key as 64 small hex digits; colons and capitals are taken too."""
    text = value.replace(":", "").lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("allowed: fingerprints of keys, 64 hex digits each, in quotes")
    return text


def fingerprints(value: Any) -> Any:
    """A list of fingerprints."""
    return [fingerprint(one) for one in names(value)]


def https_address(value: str) -> str:
    """An address that begins with https://."""
    if not re.fullmatch(r"https://[^/\s?#@]+(/[^\s?#]*)?", value):
        raise ValueError("allowed: an address that begins with https://")
    return value


def time_zone(value: str) -> str:
    """The name of a time zone in the IANA database."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("allowed: a name of the IANA time zone database, such as Europe/Amsterdam") from None
    return value


Switch = Annotated[bool, BeforeValidator(switch)]
Names = Annotated[list[str], BeforeValidator(names)]
Duration = Annotated[timedelta, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(size_bytes)]
TimeOfDay = Annotated[time, BeforeValidator(time_of_day)]
Instant = Annotated[datetime, BeforeValidator(instant)]
Reference = Annotated[str, BeforeValidator(reference)]
FileReference = Annotated[str, BeforeValidator(file_reference)]
SigningReference = Annotated[str, BeforeValidator(signing_reference)]
Fingerprints = Annotated[list[str], BeforeValidator(fingerprints)]
HttpsAddress = Annotated[str, AfterValidator(https_address)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
