"""One item of the bag → the message that goes into the PST: which conversion, of which originals.

Rules of this file: MIME first; where it is refused the second capture, else the JSON; what cannot be composed is an error with a
code, never a lesser message without one. Errors name items by kind and id, never by what they say.
Source: reference/mapi-mapping.md §0 (three sources); docs/formats.md (bag of a mailbox).
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from exporters.bag.formats import JsonObject, load_json
from exporters.errors import ItemError
from exporters.mail.compose.bag_reading import OriginalError, Originals
from exporters.mail.compose.box import Box
from exporters.mail.compose.contact import contact_message
from exporters.mail.compose.event import event_message
from exporters.mail.compose.folders import SENT, Place
from exporters.mail.compose.listed_attachments import with_listed
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.message_facts import facts_of
from exporters.mail.compose.mime import Converted, convert
from exporters.mail.compose.order import Item
from exporters.mail.compose.post import post_message
from exporters.mail.compose.refused import refused_message
from exporters.mail.compose.stream_errors import StreamRefused
from exporters.mail.compose.stream_message import Expected, stream_message
from exporters.mail.compose.task import task_message

PHOTO = "photo"
"""Id of the row of a contact's photo."""
_OF_LINES: Mapping[str, Callable[..., Converted]] = {
    "contact": contact_message,
    "event": event_message,
    "task": task_message,
}


class Conversion:
    """Makes messages of items. mailbox: id of the source."""

    def __init__(
        self,
        originals: Originals,
        box: Box,
        mailbox: str,
        key_of: Callable[[str, str], str | None] = lambda item_id, attachment_id: None,
    ) -> None:
        """key_of: gives the key of the bytes of an attachment, by the ids of its item and its own."""
        self._key_of = key_of
        self._originals, self._box, self._mailbox = originals, box, mailbox

    @contextlib.contextmanager
    def message(self, item: Item, row: JsonObject, place: Place) -> Iterator[Converted]:
        """The message of an item, to be written while the context lasts (its attachments are read then). place: its folder.

        Raises: ItemError, MimeError, errors of the store.
        """
        if item.kind != "message":
            yield self._of_line(item, row, place)
        elif item.key is None:
            with self._without_mime(item, row, place) as converted:
                yield converted
        elif item.scope:
            with self._originals.open(item.key, row.get("size"), row.get("sha256")) as file:
                yield stream_message(file, label=_label(item), expected=_expected(row))
        else:
            yield self._of_mime(item, row, place)

    def _of_mime(self, item: Item, row: JsonObject, place: Place) -> Converted:
        if item.key is None or item.records is None:
            raise OriginalError("record_missing", "the row of a message names no record")
        record = _loaded(self._originals.record(item.records, item.id), item.records)
        graph = _graph(record)
        losses = Losses()
        facts = facts_of(
            graph,
            self._box,
            losses,
            sent_items=place.well_known == SENT,
            search_key=self._search_key(item),
            label=_label(item),
        )
        raw = self._originals.read(item.key, row.get("size"), row.get("sha256"))
        converted = convert(raw, facts=facts)
        losses.extend(converted.losses)
        return Converted(with_listed(converted.message, record, self._box, losses), losses.all())

    @contextlib.contextmanager
    def _without_mime(self, item: Item, row: JsonObject, place: Place) -> Iterator[Converted]:
        """A message whose MIME is refused: of its second capture, if there is one that can be read, else of its JSON."""
        if item.stream is not None:
            with contextlib.ExitStack() as stack:
                try:
                    file = stack.enter_context(self._originals.open(item.stream, None, None))
                    converted = stream_message(file, label=_label(item), expected=_expected(row))
                except (StreamRefused, OriginalError):
                    if item.records is None:
                        raise
                else:
                    yield converted
                    return
        if item.records is None:
            raise ItemError("nothing of it was captured", code=str(row.get("code") or "not_captured"))
        record = self._placed(item, _loaded(self._originals.record(item.records, item.id), item.records))
        is_sent, key = place.well_known == SENT, self._search_key(item)
        yield refused_message(record, self._box, self._originals.bytes_of, sent_items=is_sent, search_key=key)

    def _of_line(self, item: Item, row: JsonObject, place: Place) -> Converted:
        if item.key is None:
            raise OriginalError("original_missing", "the row of an item names no line")
        line = self._originals.line(item.key, row.get("size"), row.get("sha256"))
        record = self._placed(item, _loaded(line, item.key.key))
        open_bytes, key = self._originals.bytes_of, self._search_key(item)
        if item.kind == "post":
            return post_message(record, self._box, open_bytes, topic=place.name, search_key=key)
        return _OF_LINES[item.kind](record, self._box, open_bytes, search_key=key)

    def _placed(self, item: Item, record: JsonObject) -> JsonObject:
        """A record that says where the bytes of what hangs on it lie: rows tell that; a record is the same wherever it is."""
        placed = dict(record)
        if isinstance(record.get("attachments"), list):
            placed["attachments"] = [self._with_key(item, entry) for entry in record["attachments"]]
        if isinstance(record.get("photo"), dict):
            placed["photo"] = self._with_key(item, {"id": PHOTO, **record["photo"]})
        return placed

    def _with_key(self, item: Item, entry: Any) -> Any:
        if not isinstance(entry, dict) or "sha256" not in entry:
            return entry
        key = self._key_of(item.id, str(entry.get("id")))
        return entry if key is None else {**entry, "key": key}

    def _search_key(self, item: Item) -> bytes:
        return hashlib.sha256(f"{self._mailbox}{item.id}".encode("utf-8", "replace")).digest()[:16]


def box_of(settings: Iterable[Mapping[str, Any]], name: str) -> Box:
    """What is known of the mailbox. settings: lines of kind `setting`. name: of its bag."""
    addresses: dict[str, None] = {}
    display_name, zone = "", ""
    for line in settings:
        graph = _graph(line)
        zone = zone or _text(graph.get("timeZone"))
        display_name = display_name or _text(graph.get("displayName"))
        own = [_text(graph.get(key)) for key in ("mail", "userPrincipalName")]
        proxies = graph.get("proxyAddresses")
        for proxy in sorted(proxies, key=str) if isinstance(proxies, list) else ():
            kind, _, address = _text(proxy).partition(":")
            own += [address] if kind.casefold() == "smtp" else []
        addresses |= dict.fromkeys(address for address in own if "@" in address)
    if not addresses and "@" in name:
        addresses[name] = None
    return Box(tuple(addresses), display_name or name, zone or "UTC")


def _expected(row: Mapping[str, Any]) -> Expected:
    """What the listing said of an item, to hold its stream against."""
    service = row.get("service") or {}
    try:
        created = datetime.fromisoformat(str(row.get("created")))
    except ValueError:
        created = None
    return Expected(
        message_class=_text(service.get("class")) or None,
        created=created if created is not None and created.tzinfo is not None else None,
    )


def _label(item: Item) -> str:
    return f"{item.kind} {item.id}"


def _loaded(line: bytes, holder: str) -> JsonObject:
    try:
        return load_json(line)
    except ValueError:
        raise OriginalError("original_damaged", f"a line of {holder} cannot be read") from None


def _graph(record: Mapping[str, Any]) -> Mapping[str, Any]:
    graph = record.get("graph")
    return graph if isinstance(graph, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
