"""What is known of the mailbox whose items are composed.

Rules of this file: values only. Source: reference/mapi-mapping.md §1.3 (own addresses), §2 and §4.1 (zone of the mailbox).
"""

from dataclasses import dataclass
from datetime import UTC, tzinfo

from exporters.mail.compose.timezones import named_zone


@dataclass(frozen=True, slots=True)
class Box:
    """own_addresses: the main one first. time_zone: IANA or Windows name, of `mailboxSettings.timeZone`; UTC if it is unknown."""

    own_addresses: tuple[str, ...] = ()
    display_name: str = ""
    time_zone: str = "UTC"

    @property
    def zone(self) -> tuple[tzinfo, str]:
        """The zone, and the key by which Outlook knows it."""
        return named_zone(self.time_zone or "UTC") or (UTC, "UTC")

    def owns(self, address: str) -> bool:
        """Whether an address is one of the mailbox."""
        return address.lower() in (own.lower() for own in self.own_addresses)
