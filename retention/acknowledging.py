"""Who has taken note of a warning.

Rules of this file: only a warning that was claimed can be acknowledged; twice is once. Source: retention-domain §5
(acknowledgement).
"""

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from retention.books import opened_books
from retention.config import Config


def acknowledge(config: Config, clock: Clock, key: str, by: str, reason: str | None) -> JsonObject:
    """Write an acknowledgement into the journal; return what it is about. Raises: ConfigurationError for an unknown key."""
    if not by.strip():
        raise ConfigurationError("--by is empty", code="usage", action="Give a name: it goes on record.")
    with opened_books(config, clock) as books:
        found = books.index.claim(key.strip().lower())
        if found is None:
            raise ConfigurationError(
                f"there is no warning {key!r}",
                code="key_unknown",
                action="Copy the key from the warning; `lastcopy status` lists those that wait.",
            )
        subscription, claim = found
        row: JsonObject = {"type": "acknowledged", "key": claim.key, "by": by.strip()}
        if reason:
            row["reason"] = reason
        if claim.acknowledged is None:
            books.append([row])
        else:
            row = {"type": "acknowledged", "key": claim.key, **claim.acknowledged}
    about = {"subscription": subscription, "boundary": claim.boundary, "threshold_days": claim.threshold}
    return {**row, **about, "recipient": claim.recipient}
