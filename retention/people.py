"""Who has lost a licence, and who was deleted: what the tenant's directory tells of personal clocks.

Rules of this file: the listing is laid by in a file while it is asked for, and read once: nothing holds all of it. Only a change
between two looks is an event, with the range between them: who never had a licence has no clock. A user who is listed again has
none either. Nobody is taken for deleted because a listing lacks them. Source: retention-domain §2.3; graph.md §8.1;
docs/decisions/0076.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from exporters.bag.formats import JsonObject
from exporters.clock import instant_of, timestamp
from retention.tracked import Personal, one_line

if TYPE_CHECKING:
    from exporters.graph.session import GraphSession
    from retention.state.index import Index

_PAGE = "999"
_KEPT_IN_MEMORY = 1 << 20
_AT_A_TIME = 500
LOST, DELETED = "licence_removed", "user_deleted"


class People:
    """A listing of users that was read to its end. deleted: whether deleted ones could be read too."""

    def __init__(self) -> None:
        self._kept: IO[bytes] = tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY)  # noqa: SIM115 - `close` does
        self.deleted = False

    def add(self, user: JsonObject) -> None:
        self._kept.write(json.dumps(user).encode() + b"\n")

    def __iter__(self) -> Iterator[JsonObject]:
        self._kept.seek(0)
        return (json.loads(line) for line in self._kept)

    def close(self) -> None:
        self._kept.close()


def listed(graph: "GraphSession") -> People:
    """Ask for users, and for deleted ones where that is permitted. Raises: SourceError, ItemError, …: then nothing is known."""
    from exporters.errors import ItemError, SourceError
    from exporters.graph.answers import identifier_of, objects_of, text_of
    from exporters.graph.limits import Cost

    found = People()
    names = "id,userPrincipalName,userType,assignedLicenses"
    for page in graph.pages("/users", params={"$select": names, "$top": _PAGE}, cost=Cost.USERS):
        for row in page:
            if (user := identifier_of(row.get("id"))) is not None:
                has = bool(objects_of(row.get("assignedLicenses")))
                found.add({"id": user, "name": _name(row, user), "licensed": has})
    path, names = "/directory/deletedItems/microsoft.graph.user", "id,userPrincipalName,userType,deletedDateTime"
    try:
        for page in graph.pages(path, params={"$select": names, "$top": _PAGE}, cost=Cost.DIRECTORY):
            for row in page:
                user, at = identifier_of(row.get("id")), text_of(row.get("deletedDateTime"))
                if (
                    user is not None
                    and at is not None
                    and instant_of(at) is not None
                    and row.get("userType") != "Guest"
                ):
                    found.add({"id": user, "name": _name(row, user), "deleted": at})
        found.deleted = True
    except (ItemError, SourceError):
        pass  # not permitted: whoever is deleted is told as far as `check` sees it
    return found


def rows_of(people: People, index: "Index", now: datetime, looked: datetime | None) -> Iterator[list[JsonObject]]:
    """The rows of the journal that say what is new, some at a time: what happened to whom, and then who has a licence, so that a
    crash in between says something twice and passes over nothing. looked: when that was done before, None: never."""
    known = {one.id: one for one in index.personal()}
    for some in _chunks(people):
        gained, lost, objects = list[list[str]](), list[str](), list[JsonObject]()
        before = index.licensed([str(user["id"]) for user in some])
        for user in some:
            who, name = str(user["id"]), str(user["name"])
            if "deleted" in user:
                objects += _deleted(who, name, user, known)
                continue
            objects += _back(who, name, user, known, now)
            if user["licensed"] and who not in before:
                gained.append([who, name])
            elif not user["licensed"] and who in before:
                lost.append(who)
                since = timestamp(min(looked or now, now))
                event = {"type": LOST, "between": [since, timestamp(now)]}
                objects.append(
                    {"type": "object", "object": f"{LOST} {who}", "name": name, "event": event, "origin": "observed"}
                )
        if gained or lost:
            objects.append({"type": "observation", "what": "licences", "gained": gained, "lost": lost})
        if objects:
            yield objects


def _deleted(who: str, name: str, user: JsonObject, known: dict[str, Personal]) -> Iterator[JsonObject]:
    event = {"type": DELETED, "at": user["deleted"]}
    before = known.get(f"{DELETED} {who}")
    if before is None or before.event.get("at") != user["deleted"]:
        yield {"type": "object", "object": f"{DELETED} {who}", "name": name, "event": event, "origin": "observed"}


def _back(who: str, name: str, user: JsonObject, known: dict[str, Personal], now: datetime) -> Iterator[JsonObject]:
    """A user who is there again, or has a licence again."""
    if f"{DELETED} {who}" in known:
        yield {"type": "object", "object": f"{DELETED} {who}", "name": name, "event": None, "origin": "observed"}
    before = known.get(f"{LOST} {who}")
    if user["licensed"] and before is not None and "restored_at" not in before.event:
        event = {**before.event, "restored_at": timestamp(now)}
        yield {"type": "object", "object": before.id, "name": name, "event": event, "origin": "observed"}


def _chunks(people: People) -> Iterator[Sequence[JsonObject]]:
    some: list[JsonObject] = []
    for user in people:
        some.append(user)
        if len(some) == _AT_A_TIME:
            yield some
            some = []
    if some:
        yield some


def _name(row: JsonObject, user: str) -> str:
    name: Any = row.get("userPrincipalName")
    return one_line(name) if isinstance(name, str) and name else user
