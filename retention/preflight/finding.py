"""What was found about one item, as a value.

Rules of this file: no I/O. message: what is so; action: what to do, as a command or a path in a portal; proof: what it follows
from. The digest names the finding: the same as long as what it says is the same, whatever the day. Source: retention-domain §3,
docs/formats.md (Journal).
"""

from dataclasses import dataclass, field, replace
from typing import Final

from exporters.bag.formats import JsonObject
from retention.acceptance import digest_of
from retention.preflight.items import Result, would_block

GRAVITY: Final[tuple[Result, ...]] = ("block", "not_checked", "warn", "notice", "pass")
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. overridden_by: who accepted it, None while it is open."""

    id: str
    result: Result
    message: str
    action: str = ""
    proof: JsonObject = field(default_factory=dict)
    digest: str = ""
    overridden_by: str | None = None

    @property
    def stands_in_the_way(self) -> bool:
        """A block, or the lack of an answer where it could be one; overridden or not."""
        return self.result == "block" or (self.result == "not_checked" and would_block(self.id))

    @property
    def is_open(self) -> bool:
        """Stands in the way, and nobody has taken that upon them."""
        return self.stands_in_the_way and self.overridden_by is None

    def overridden(self, by: str | None) -> "Finding":
        """The same, accepted by somebody (None: by nobody)."""
        return replace(self, overridden_by=by)

    def as_json(self) -> JsonObject:
        """As in `check --cancel --json` and in a `preflight` row."""
        row: JsonObject = {"id": self.id, "result": self.result, "message": self.message, "digest": self.digest}
        for name, value in (("action", self.action), ("proof", self.proof), ("overridden_by", self.overridden_by)):
            if value:
                row[name] = value
        return row


def found(
    item: str,
    result: Result,
    message: str,
    action: str = "",
    *,
    proof: JsonObject | None = None,
    parts: tuple[str, ...] = (),
) -> Finding:
    """A finding with its digest. parts: what besides item and result makes it another finding (domains, users, …)."""
    return Finding(item, result, message, action, proof or {}, digest_of(item, result, *parts))


def of_row(row: JsonObject) -> Finding:
    """A finding as the journal has it."""
    return Finding(
        str(row["id"]),
        row["result"],
        str(row.get("message", "")),
        str(row.get("action", "")),
        dict(row.get("proof") or {}),
        str(row.get("digest", "")),
        row.get("overridden_by"),
    )
