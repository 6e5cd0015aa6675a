"""Organizer and attendees of a meeting: who they are, and their rows in a table of recipients.

Rules of this file: pure. Source: RFC 5545 3.8.4.1, 3.8.4.3; [MS-OXOCAL] 2.2.4.10 (recipients); reference/mapi-mapping.md §3.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from exporters.mail.compose import people
from exporters.mail.compose.calendar_text import Line
from exporters.pst import Value

REQUIRED, OPTIONAL, RESOURCE = 1, 2, 3
NONE, ORGANIZER, TENTATIVE, ACCEPTED, DECLINED, NOT_RESPONDED = range(6)
FLAGS, _TRACK_STATUS, _TRACK_TIME = 0x5FFD0003, 0x5FFF0003, 0x5FFB0040
SENDABLE, _IS_ORGANIZER = 1, 2
_STATUS = {"TENTATIVE": TENTATIVE, "ACCEPTED": ACCEPTED, "DECLINED": DECLINED}
_RESOURCES = frozenset({"RESOURCE", "ROOM"})
_OPTIONAL_ROLES = frozenset({"OPT-PARTICIPANT", "NON-PARTICIPANT"})


@dataclass(frozen=True)
class Person:
    """An organizer or attendee; `address` may be empty, `status` is one of the response statuses above."""

    name: str
    address: str
    kind: int = REQUIRED
    status: int = NONE
    wants_answer: bool = False
    address_type: str = "SMTP"
    answered: int | None = None  # FILETIME

    @property
    def shown(self) -> str:
        return self.name or self.address


def person(line: Line) -> Person:
    """The person whom an ORGANIZER or ATTENDEE line names."""
    address = line.value.strip()
    scheme, colon, rest = address.partition(":")
    if colon and scheme.lower() == "mailto":
        address = rest.strip()
    elif colon and "@" not in address:  # urn:uuid:, http:, invalid:nomail
        address = ""
    given = line.parameter("EMAIL").strip()
    if given.lower().startswith("mailto:"):
        given = given[7:]
    address = given or address
    if line.parameter("CUTYPE").upper() in _RESOURCES:
        kind = RESOURCE
    else:
        kind = OPTIONAL if line.parameter("ROLE").upper() in _OPTIONAL_ROLES else REQUIRED
    return Person(
        line.parameter("CN").strip(),
        address,
        kind,
        _STATUS.get(line.parameter("PARTSTAT").upper(), NONE),
        line.parameter("RSVP").upper() == "TRUE",
    )


def rows(organizer: Person | None, attendees: Sequence[Person]) -> list[dict[int, Value]]:
    """The organizer first, then the attendees, each once (by address and kind); nobody who has neither name nor address."""
    found: list[dict[int, Value]] = []
    seen: set[tuple[int, str]] = set()
    for one in (*((organizer,) if organizer else ()), *attendees):
        known = one.kind, one.address.lower()
        if not one.shown or (one.address and known in seen):
            continue
        seen.add(known)
        row = dict(people.row(one.kind, False, one.shown, one.address, one.address_type))
        first = one is organizer
        row[FLAGS] = SENDABLE | _IS_ORGANIZER if first else SENDABLE
        row[_TRACK_STATUS] = ORGANIZER if first else one.status
        if one.answered is not None:
            row[_TRACK_TIME] = one.answered
        found.append(row)
    return found


def names(attendees: Sequence[Person], kind: int | None = None) -> str:
    """Names joined as PidLidAllAttendeesString and its kin have them."""
    return "; ".join(one.shown for one in attendees if one.shown and kind in (None, one.kind))
