"""MIME to a message of a PST.

Rules of this file: order of work only; what each kind of thing becomes stands in the modules beside. Nothing is dropped without a
loss. Never raises for any bytes, but for more than a PST can hold. Source: reference/mapi-mapping.md §0, §1.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporters.mail.compose import headers, html, names, payloads, reports, tnef
from exporters.mail.compose.attachments import Shown, attachments, is_protected, named, size_hint
from exporters.mail.compose.bodies import Body, Contents, contents, joined
from exporters.mail.compose.charsets import codec, decode, storable, unescaped
from exporters.mail.compose.errors import MimeRefused
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.losses import Loss, Losses
from exporters.mail.compose.meetings import meeting
from exporters.mail.compose.parsing import Entity, Raw, Source
from exporters.mail.compose.people import people, received_by
from exporters.mail.compose.property_sets import Properties, overlay
from exporters.mail.compose.secured import CONTENT_TYPE, Secured, secured
from exporters.pst import Attachment, Message, NamedProperty, Value

MAX_BYTES = (1 << 31) - 1  # a value of a PST
MAX_DEPTH = 30  # messages inside each other that the writer takes
_CLASS, _FLAGS, _HAS_ATTACHMENTS, _SEARCH_KEY = 0x001A001F, 0x0E070003, 0x0E1B000B, 0x300B0102
_BODY, _HTML, _CODEPAGE, _NATIVE = 0x1000001F, 0x10130102, 0x3FDE0003, 0x10160003
_BODY_ID, _BODY_LOCATION = 0x1015001F, 0x1014001F
_ADDRESS = 0x3003001F
_MEETING = "IPM.SCHEDULE."
_READ, _DRAFT, _FROM_ME = 0x01, 0x08, 0x20
_UTF_8 = 65001
_SIDE_EFFECTS = NamedProperty(headers.COMMON, 0x8510, 0x0003)
_CONTENT_CLASS = NamedProperty(headers.INET, "content-class", 0x001F)
_SHOWN_PERSONS = frozenset({0x0E02001F, 0x0E03001F, 0x0E04001F})
_LEVELS, _SENSITIVITY, _TOPIC, _INDEX = frozenset({0x00170003, 0x00260003}), 0x00360003, 0x0070001F, 0x00710102
# What every mail gets, whatever its headers say: winmail.dat knows better
_DERIVED: frozenset[int | NamedProperty] = frozenset(
    {_CLASS, _CODEPAGE, _SIDE_EFFECTS, _SENSITIVITY, _TOPIC, _INDEX, *_LEVELS}
)
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_INSIDE = Facts()


@dataclass(frozen=True)
class Converted:
    """A mail as a message, and what of it became different."""

    message: Message
    losses: tuple[Loss, ...]


def embedded(raw: bytes, losses: Losses, fallback: datetime, *, depth: int = 1) -> Message:
    """A mail inside an item that is not MIME, `depth` messages deep. `fallback`: for a mail without any date.

    Raises MimeRefused over 2 GiB.
    """
    if len(raw) > MAX_BYTES:
        raise MimeRefused(f"{len(raw)} bytes are more than a PST can hold")
    source = Source(raw)
    return _Composer(source, source.root, _INSIDE, losses, depth, fallback).message()


def convert(raw: Raw, *, facts: Facts | None = None) -> Converted:
    """A mail (RFC 5322, MIME, well-formed or not) as a message for exporters.pst.

    Without `facts` it is read, no draft, and dated by its headers (1970-01-01 if they have none).
    Raises MimeRefused over 2 GiB.
    """
    facts = facts or Facts()
    if len(raw) > MAX_BYTES:
        raise MimeRefused(f"{len(raw)} bytes are more than a PST can hold", item=facts.label)
    losses = Losses()
    source = Source(raw)
    message = _Composer(source, source.root, facts, losses, 0, headers.EPOCH).message()
    return Converted(message, losses.all())


class _Composer:
    """Makes one message: the mail itself (`depth` 0) or one inside it."""

    def __init__(
        self, source: Source, entity: Entity, facts: Facts, losses: Losses, depth: int, fallback: datetime
    ) -> None:
        self._source = source
        self._entity = entity
        self._facts = facts
        self._losses = losses
        self._depth = depth
        self._fallback = fallback
        self._properties: Properties = {_CLASS: "IPM.Note", _CODEPAGE: _UTF_8, _SIDE_EFFECTS: 0}

    def message(self) -> Message:
        """The whole message."""
        facts, properties = self._facts, self._properties
        headers.set_texts(self._entity, facts, properties, self._losses)
        self._delivered = headers.set_times(self._entity, facts, self._fallback, properties, self._losses)
        persons = people(
            self._entity,
            facts.own_addresses,
            is_draft=facts.is_draft,
            properties=properties,
            losses=self._losses,
            more=facts.recipients,
            sender=facts.sender,
        )
        from_me = persons.from_me if facts.from_me is None else facts.from_me
        if facts.own_addresses and not from_me and not facts.is_draft:
            received_by(next(iter(facts.own_addresses)), properties)
        self._rows = persons.rows
        self._set_header_block()
        self._hint = 0
        found = self._contents()
        properties = self._properties  # of winmail.dat, they are others now
        flags = _READ * facts.is_read | _DRAFT * facts.is_draft | _FROM_ME * from_me
        properties[_FLAGS] = flags | facts.more_flags
        properties[_HAS_ATTACHMENTS] = bool(found)
        if facts.message_class:
            properties[_CLASS] = facts.message_class
        if facts.search_key is not None:
            properties[_SEARCH_KEY] = facts.search_key
        elif not self._depth:
            properties[_SEARCH_KEY] = hashlib.sha256(self._source.raw).digest()[:16]
        overlay(properties, facts.properties)
        return Message(properties, self._rows, found, label=facts.label, size_hint=self._hint)

    def _set_header_block(self) -> None:
        if self._entity is self._source.root:
            block = self._source.header_block()
        else:
            lines = [f"{name}: {value}\r\n" for name, value in self._entity.raw_items()]
            block = "".join(lines).encode("ascii", "surrogateescape")
        headers.set_block(block, self._properties, self._losses)

    def _contents(self) -> list[Attachment]:
        """Set the bodies and what depends on the kind of mail; the attachments."""
        if not self._source.whole and self._entity is self._source.root:
            return self._unparsed()
        protected = secured(self._source, self._entity, self._losses)
        if protected is not None:
            return self._secured(protected)
        if self._entity.get_content_type() in _TNEF:
            return self._tnef()
        self._report()
        return self._parts(contents(self._source, self._entity, self._losses))

    def _parts(self, found: Contents) -> list[Attachment]:
        body = joined(found, self._losses)
        self._set_body(body)
        shown = Shown(frozenset(), frozenset())
        if body.html is not None and found.files:
            located = any("content-location" in part.fields for part in found.files)
            shown = Shown(html.references(body.html), html.quoted(body.html) if located else frozenset())
        self._meeting(found.files)
        self._hint += size_hint(found.files)
        made = attachments(self._source, found.files, shown, self._embed, self._losses)
        if any(is_protected(part.properties) for part in made):
            self._properties[_CONTENT_CLASS] = "rpmsg.message"
        return made

    def _set_body(self, body: Body) -> None:
        properties = self._properties
        if body.text:
            properties[_BODY] = headers.with_crlf(body.text)
        if not body.html:  # libpff refuses an empty binary value
            properties[_NATIVE] = 1
            return
        properties[_HTML] = html.stored(body.html)
        properties[_NATIVE] = 3
        if body.html_part is None:
            return
        for field, tag in (("content-id", _BODY_ID), ("content-location", _BODY_LOCATION)):
            value = body.html_part.fields.get(field)
            if value is not None:
                text = storable(unescaped(value).strip(), self._losses, field)
                properties[tag] = text.strip("<>") if tag == _BODY_ID else text

    def _embed(self, source: Source, entity: Entity) -> Message | None:
        """A message inside this one; None if that is one too many inside each other."""
        if self._depth == MAX_DEPTH:
            return None
        inner = _Composer(source, entity, _INSIDE, self._losses, self._depth + 1, self._delivered)
        made = inner.message()
        self._hint += made.size_hint
        return made

    def _secured(self, protected: Secured) -> list[Attachment]:
        self._properties[_CLASS] = protected.message_class
        if protected.content_type:
            self._properties[CONTENT_TYPE] = protected.content_type
        if protected.readable is not None:
            self._set_body(joined(contents(self._source, protected.readable, self._losses), self._losses))
        return [protected.attachment]

    def _unparsed(self) -> list[Attachment]:
        """Parts too deep inside each other: the mail as a file, below its own headers."""
        self._losses.add("too-deep", "the whole mail")
        name = names.file_name("", 1, "message/rfc822", self._losses)
        return [Attachment(named(name, "message/rfc822"), self._source.raw[:])]

    def _tnef(self) -> list[Attachment]:
        """The whole mail is winmail.dat: its properties, with the persons and dates of the MIME headers.

        What is set for every mail (code page, importance) or derived from the headers yields to what the file says.
        """
        try:
            content = tnef.read(payloads.decoded(self._entity, self._losses), depth=self._depth)
        except tnef.TnefRefused as error:
            self._losses.add("tnef-unreadable", f"the whole mail is winmail.dat: {error}")
            return self._parts(Contents(files=[self._entity]))
        self._losses.extend(content.losses)
        mine = self._properties
        self._properties = {key: value for key, value in content.properties.items() if key != _FLAGS}
        kind = self._properties.get(_CLASS)
        yielding = _DERIVED.intersection(self._properties)
        if not self._rows and content.recipients:
            yielding |= _SHOWN_PERSONS.intersection(self._properties)
        if self._facts.importance is not None:
            yielding -= _LEVELS
        if self._facts.conversation_index:
            yielding -= {_INDEX}
        overlay(self._properties, {key: value for key, value in mine.items() if key not in yielding})
        self._properties[_CLASS] = kind or "IPM.Note"
        self._rows = self._rows or list(content.recipients)
        return list(content.attachments)

    def _report(self) -> None:
        """A delivery or read report. As in Outlook's own, the table holds those whom the report was sent to and no others."""
        if self._entity.get_content_type() == "multipart/report" and (content := reports.report(self._entity)):
            self._properties[_CLASS] = content.message_class
            self._losses.extend(content.losses)
            overlay(self._properties, content.properties)
            self._complete_rows(content.recipients)

    def _complete_rows(self, facts: Iterable[Mapping[int, Value]]) -> None:
        """Add to the rows of the mail's own recipients what is known of the same addresses."""
        known = {str(row.get(_ADDRESS, "")).lower(): row for row in facts}
        known.pop("", None)
        self._rows = [{**known.get(str(row.get(_ADDRESS, "")).lower(), {}), **row} for row in self._rows]

    def _meeting(self, files: list[Entity]) -> None:
        """An invitation or answer: the mail's own rows stay, completed by what the calendar says of the same persons."""
        part = next((part for part in files if part.get_content_type() == "text/calendar" and not part.parts), None)
        if part is None or self._properties[_CLASS] != "IPM.Note":
            return
        if not (self._facts.message_class or _MEETING).upper().startswith(_MEETING):
            return  # the mailbox knows that it is none: the calendar is a file like others
        calendar = payloads.decoded(part, self._losses)
        label = part.content_type.plain("charset")
        if not calendar.isascii() and codec(label) not in (None, "utf-8", "ascii"):
            calendar = decode(calendar, label, self._losses, "calendar").encode()
        content = meeting(calendar, method=part.content_type.plain("method").upper())
        if content is None:
            return
        self._properties[_CLASS] = content.message_class
        self._losses.extend(content.losses)
        overlay(self._properties, content.properties)
        self._complete_rows(content.recipients)
        if content.description and _BODY not in self._properties and _HTML not in self._properties:
            self._properties[_BODY] = headers.with_crlf(storable(content.description, self._losses, "description"))
