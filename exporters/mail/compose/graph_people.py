"""Persons of Graph's JSON as the fields of a mail name them.

Rules of this file: pure; a person may lack a name, an address, or both (Q-075). Source: reference/mapi-mapping.md §1.2, §1.3.
"""

from collections.abc import Iterator

from exporters.mail.compose.addresses import Address
from exporters.mail.compose.graph_item import Item, listing, mapping

_RECIPIENTS = (("to", "toRecipients"), ("cc", "ccRecipients"), ("bcc", "bccRecipients"))


def person(item: Item, value: object) -> Address | None:
    """The person of a `recipient` (or bare `emailAddress`); None for one without name and address."""
    found = mapping(mapping(value).get("emailAddress", value))
    name, address = item.line(found.get("name"), "name"), item.line(found.get("address"), "address")
    if not name and not address:
        return None
    kind = "EX" if address.lower().startswith("/o=") else "SMTP"
    return Address("" if name == address else name, address, kind)


def recipients(item: Item) -> Iterator[tuple[str, Address]]:
    """All recipients with their fields: To, Cc, Bcc."""
    for field, name in _RECIPIENTS:
        for value in listing(item.graph.get(name)):
            if (found := person(item, value)) is not None:
                yield field, found


def persons(item: Item) -> dict[str, list[Address]]:
    """All persons of a mail, by field."""
    found: dict[str, list[Address]] = {}
    for field, name in (("from", "from"), ("sender", "sender")):
        if (one := person(item, item.graph.get(name))) is not None:
            found[field] = [one]
    for field, one in recipients(item):
        found.setdefault(field, []).append(one)
    replies = [one for value in listing(item.graph.get("replyTo")) if (one := person(item, value)) is not None]
    return found | ({"reply-to": replies} if replies else {})
