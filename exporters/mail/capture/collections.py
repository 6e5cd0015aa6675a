"""What is listed in a mailbox: one collection of items for each folder.

Rules of this file: data and look-ups, no I/O. A collection is known by the scope of its cursor, so that a run without news need
not read what folders there are. Source: docs/formats.md (bag of a mailbox, cursors); graph.md §3.3, §3.6; quirk Q-008.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from exporters.graph.calls import segment
from exporters.mail.capture.asked import (
    CONTACT_EXPANDS,
    EVENT,
    EVENT_EXPANDS,
    EVENT_LISTED,
    MESSAGE,
    MESSAGE_EXPANDS,
    TASK_EXPANDS,
)
from exporters.mail.capture.facts import digest
from exporters.mail.capture.walk import CONTACTS

_KINDS = {"messages": "message", "contacts": "contact", "tasks": "task", "events": "event", "threads": "post"}
_OF_CLASS = {"mail": "messages", "contacts": "contacts", "tasks": "tasks", "calendar": "events", "threads": "threads"}
PAGES = {"messages": 100, "contacts": 100, "tasks": 100, "events": 1000, "threads": 100}
"""Rows of a page that is asked for."""


class First(NamedTuple):
    """The first request of a listing. where: a path below the mailbox, or a link; size: rows of a page of a delta; None: it is
    none."""

    where: str
    params: tuple[tuple[str, str], ...] = ()
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """Items of one folder. word: messages, contacts, tasks, events or threads; folder: its id; is_recoverable: of Recoverable
    Items, and so asked for only on demand."""

    word: str
    folder: str
    is_recoverable: bool = False

    @property
    def scope(self) -> str:
        """Of its cursor, and of `seen` rows."""
        return f"{self.word}/{self.folder}"

    @property
    def kind(self) -> str:
        """Of the rows of its items."""
        return _KINDS[self.word]

    @property
    def has_delta(self) -> bool:
        """Whether the service tells what changed; else all is listed, and compared."""
        return self.word in {"messages", "contacts", "tasks"}

    @property
    def path(self) -> str:
        """Where its listing begins, below the mailbox."""
        at = segment(self.folder)
        if self.word == "contacts" and self.folder == CONTACTS:
            return "/contacts/delta"
        return {
            "messages": f"/mailFolders/{at}/messages/delta",
            "contacts": f"/contactFolders/{at}/contacts/delta",
            "tasks": f"/todo/lists/{at}/tasks/delta",
            "events": f"/calendars/{at}/events",
            "threads": f"/threads/{at}/posts",
        }[self.word]

    @property
    def plain_path(self) -> str:
        """The same without delta, which not every mailbox gives at all times (Q-007)."""
        return self.path.removesuffix("/delta")

    @property
    def asked(self) -> str:
        """Stands for all that is asked of the listing and of each item: what was read with less is read again (Q-009)."""
        item = [EVENT, *EVENT_EXPANDS] if self.word == "events" else []
        return digest({"params": self.params(None), "expands": list(self.expands), "item": item})[:16]

    @property
    def expands(self) -> tuple[str | None, ...]:
        """What to expand, from all to none."""
        found: dict[str, tuple[str | None, ...]] = {
            "messages": MESSAGE_EXPANDS,
            "contacts": CONTACT_EXPANDS,
            "tasks": TASK_EXPANDS,
        }
        return found.get(self.word, (None,))

    def params(self, expand: str | None) -> dict[str, str]:
        """Parameters of the first request."""
        params: dict[str, str] = {}
        if self.word == "messages":
            params["$select"] = MESSAGE
        elif self.word in {"events", "threads"}:
            params |= {"$select": EVENT_LISTED, "$top": str(PAGES[self.word])}
        if expand is not None:
            params["$expand"] = expand
        return params

    def plain_params(self, expand: str | None) -> dict[str, str]:
        """The same for `plain_path`."""
        return {**self.params(expand), "$top": str(PAGES[self.word])}

    def fits(self, cursor: Mapping[str, Any]) -> bool:
        """Whether a listing was made with what we ask for today (Q-009); `expand` says which of the expansions the service
        took."""
        return bool(cursor.get("settings", {}).get("asked") == self.asked)

    def link_at(self, cursor: Mapping[str, Any]) -> str | None:
        """The link to go on with, None if the listing begins at its start."""
        link = cursor.get("link")
        is_good = link and cursor.get("kind") != "dropped" and self.fits(cursor)
        return str(link) if is_good else None

    def from_the_start(self, expand: str | None) -> First:
        """The first request of a listing from the start."""
        size = PAGES[self.word] if self.has_delta else None
        return First(self.path, tuple(self.params(expand).items()), size)

    def first(self, cursor: Mapping[str, Any], *, anew: bool) -> First:
        """The request with which it will be listed. cursor: its own, may be empty. anew: from the start."""
        link = self.link_at(cursor) if self.has_delta and not anew else None
        if link is not None:
            return First(link, size=PAGES[self.word])
        return self.from_the_start(self.expands[0] if self.has_delta else None)


def collection_of(facts: Mapping[str, Any]) -> Collection | None:
    """The collection of a folder, None for one that holds nothing of its own."""
    word = _OF_CLASS.get(str(facts.get("service", {}).get("class")))
    return None if word is None else Collection(word, str(facts["id"]), bool(facts["service"].get("recoverable")))


def collection_at(scope: str, cursor: Mapping[str, Any]) -> Collection | None:
    """The collection with this scope and cursor, None if it is no collection's."""
    word, mark, folder = scope.partition("/")
    return Collection(word, folder, bool(cursor.get("recoverable"))) if mark and word in _KINDS else None
