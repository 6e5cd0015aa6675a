"""What a converted mail lost or changed, as codes for the exceptions ledger.

Rules of this file: every code that this package can give stands in CODES with its meaning; `Losses.add` refuses others.
A loss says what became different in the PST; the MIME kept beside it still has it.
Source: reference/mapi-mapping.md §6; the codes without a row there are named in CODES as "own".
"""

from dataclasses import dataclass

CODES = {
    "address-missing": "own: a sender or recipient has a name but no address",
    "address-x500": "an address is an X.500 name of the old organisation, and no SMTP address is known",
    "alternative-attached": "own: a second text or HTML of a multipart/alternative became an attachment",
    "attachment-renamed": "a file name was missing, too long, or held characters that no file name may have",
    "body-joined": "several text parts were joined to one body",
    "charset-fallback": "own: the named character set is unknown or wrong, and another was used",
    "date-fallback": "the delivery time is not the one of the mail: another date had to be taken",
    "date-unreadable": "own: a date cannot be read, or is outside the years 1601 to 4500; it was left out",
    "encoding-damaged": "own: base64 or uuencode with text that does not belong to it; some of it may be left out",
    "encoding-unknown": "own: a transfer encoding that is unknown or broken; the bytes were kept as they came",
    "external-body": "own: the part names contents that are elsewhere (message/external-body); only the reference is kept",
    "irm": "rights-managed: the contents cannot be read without a licence",
    "outside-parts": "own: text before the first or after the last part of a multipart is not shown",
    "partial-message": "own: the part is a fragment of a message (message/partial), kept as it is",
    "sender-dropped": "own: a mail from several persons; only the first is the sender",
    "signature-detached": "own: a signed part inside another part was taken apart; its signature can no longer be checked",
    "structure-unreadable": "own: a multipart without usable boundary; its text is kept as one body or file",
    "text-replaced": "characters that cannot be stored or decoded became U+FFFD",
    "tnef-unreadable": "own: winmail.dat cannot be decoded; it is kept as an attachment",
    "timezone-approximate": "an event's time zone changes in ways that Outlook's structures cannot say",
    "too-deep": "own: parts inside each other too deeply; what is below is kept as a file with its raw bytes",
}
# Given by tnef.py, reports.py and meetings.py beside those above
CODES |= {
    "attachment-by-reference": "own: winmail.dat names a file elsewhere; only the reference is kept",
    "attachment-method": "own: winmail.dat has an attachment of an unknown method",
    "calendar-attachment": "own: a file inside a calendar is not taken out; it is in the attached calendar",
    "calendar-line": "own: lines of a calendar that are none",
    "calendar-number": "own: a number of a calendar that cannot be read",
    "calendar-several": "own: a second event of the same identity is not shown",
    "charset-unknown": "own: winmail.dat names a code page that nobody knows",
    "date-without-zone": "own: a local time was taken as UTC",
    "embedded-raw": "own: messages of winmail.dat too deep inside each other; kept as the TNEF that they are",
    "event-detail": "a detail of an event that Outlook's properties cannot say",
    "event-exception": "an exception of a series that cannot be stored",
    "event-recurrence": "own: a rule of recurrence that cannot be stored; shown as a single event",
    "event-without-start": "own: an event without a start",
    "event-without-uid": "own: an event without identity; its updates cannot be joined",
    "recipient-without-name": "own: a recipient of winmail.dat with neither name nor address",
    "report-key": "own: the correlation key of a report cannot be read",
    "report-recipient": "own: recipients of a report with a milder outcome have no row",
    "tnef-attribute": "own: an attribute of winmail.dat that cannot be read",
    "tnef-checksum": "own: an attribute of winmail.dat with a wrong checksum",
    "tnef-garbage": "own: bytes after the last attribute of winmail.dat",
    "tnef-property": "own: a property of winmail.dat that cannot be stored",
    "tnef-truncated": "own: winmail.dat ends too early",
}
# Given by the modules that read streams of exportItems (reference/fasttransfer.md)
CODES |= {
    "ft-attachments-missing": "own: an item says that it has attachments, and its stream holds none",
    "ft-attachment": "own: an attachment's method and what it holds do not go together",
    "ft-class-differs": "own: the listing of a folder names another class than the stream of the item",
    "ft-class-missing": "own: an item without a message class; stored as a mail",
    "ft-date": "own: a date outside the years 1601 to 4500 stands among the properties",
    "ft-duplicate": "a property stands twice in one list of a stream; the last value is kept",
    "ft-name": "own: a named property whose name no PST can hold is left out",
    "ft-order": "a property comes after recipients or attachments of its object",
    "ft-recipient": "own: a property of a recipient that has no place in the table of recipients",
    "ft-type-dropped": "a property of a type that no PST stores is left out",
    "ft-unknown-record": "the container of a stream holds a record of an unknown kind",
    "ft-warning": "the service wrote a warning into the stream",
    "text-cut": "own: text behind a NUL is left out",
}
# Given for what comes as JSON
CODES |= {
    "attachment-unreadable": "the service refused the contents of an attachment; a text says so in its place",
    "checklist-in-body": "steps and links of a task have no property; they stand at the end of its text",
    "contact-detail": "details of a contact that Outlook has no field for; they stand at the end of its notes",
    "contact-email-4+": "more than three e-mail addresses; the others stand at the end of the notes",
    "date-without-day": "own: a time of a flag or contact that is no midnight of any known zone; the day may be the one beside",
    "draft-partial": "an unsent draft that was composed from JSON: what only its sender's program knew is lost",
    "mime-refused": "own: the service refused the MIME of a mail; it was composed from its JSON, with the body that gives",
    "property-unreadable": "own: an extended property whose name or value cannot be read",
    "recipients-joined": "own: recipients that no header names, but the mailbox does, were added",
    "reference-no-url": "a link to a file in the cloud whose address is not known",
    "task-date-zone": "a date of a task is no midnight, neither in UTC nor in the mailbox's zone; the day may be the one beside",
    "task-detail": "a detail of a task that Outlook's properties cannot say",
}
_MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that the PST does not hold as the mail had it. `code` is one of CODES; `detail` says where and what."""

    code: str
    detail: str


class Losses:
    """Collects the losses of one mail, embedded ones included; each is kept once, in order."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def add(self, code: str, detail: str) -> None:
        """Note a loss. Raises KeyError for a code that is not in CODES: a mistake of the programmer."""
        if code not in CODES:
            raise KeyError(code)
        if len(detail) > _MAX_DETAIL:
            detail = detail[:_MAX_DETAIL] + "…"
        self._found[Loss(code, detail)] = None

    def extend(self, losses: tuple[Loss, ...]) -> None:
        """Note what another module found (its codes are its own)."""
        self._found.update(dict.fromkeys(losses))

    def all(self) -> tuple[Loss, ...]:
        """All, in order."""
        return tuple(self._found)
