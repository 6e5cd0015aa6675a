"""Words of an event: place, busy state, who organises and attends it, and what they answered.

Rules of this file: pure. Source: reference/mapi-mapping.md §3.1, §3.7.
"""

from exporters.mail.compose import attendees as people
from exporters.mail.compose.graph_item import Item, Record, listing, mapping
from exporters.mail.compose.graph_people import person

BUSY = {"free": 0, "tentative": 1, "busy": 2, "oof": 3, "workingelsewhere": 4, "unknown": 2}
RESPONSES = {
    "none": people.NONE, "organizer": people.ORGANIZER, "tentativelyaccepted": people.TENTATIVE, "accepted": people.ACCEPTED,
    "declined": people.DECLINED, "notresponded": people.NOT_RESPONDED,
}  # fmt: skip
_KINDS = {"required": people.REQUIRED, "optional": people.OPTIONAL, "resource": people.RESOURCE}


def location_of(item: Item, row: Record) -> str:
    """The place, or several joined; "" without one."""
    names = [item.line(mapping(one).get("displayName"), "location") for one in listing(row.get("locations"))]
    names = list(dict.fromkeys(name for name in names if name))
    own = item.line(mapping(row.get("location")).get("displayName"), "location")
    return "; ".join(names) if len(names) > 1 or not own else own


def organizer_of(item: Item, row: Record) -> people.Person | None:
    """Who organises it, if that is said."""
    found = person(item, row.get("organizer"))
    return None if found is None else people.Person(found.name, found.address, address_type=found.kind)


def attendees_of(item: Item, row: Record) -> list[people.Person]:
    """Who is invited, with their answers."""
    found = []
    for value in listing(row.get("attendees")):
        one, answer = person(item, value), mapping(mapping(value).get("status"))
        if one is None:
            continue
        found.append(
            people.Person(
                one.name,
                one.address,
                _KINDS.get(item.line(mapping(value).get("type")).lower(), people.REQUIRED),
                RESPONSES.get(item.line(answer.get("response")).lower(), people.NONE),
                address_type=one.kind,
                answered=item.time(answer.get("time"), "answer of an attendee"),
            )
        )
    return found
