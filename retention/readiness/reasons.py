"""Why it is not safe to cancel: one reason is one thing, with the command that mends it.

Rules of this file: data and order, no I/O. A `block` makes `ready` say no; a `notice` is to be known and stands in no way.
Source: design §6 (`ready --json`); docs/formats.md (`ready`); docs/operating.md (*May I cancel*).
"""

import shlex
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from exporters.bag.formats import JsonObject

Severity = Literal["block", "notice"]

EXPORT: Final = "lastcopy export"
VERIFY_NEW: Final = "lastcopy verify --new"
VERIFY: Final = "lastcopy verify"
FOLD: Final = "lastcopy fold"
COMPOSE: Final = "lastcopy compose"
CHECK: Final = "lastcopy check --cancel"
BY: Final = "--by NAME --reason TEXT"

ORDER: Final = (
    # the ground that all else stands on
    "journal_damaged", "journal_cut", "store_of_another_tenant", "store_damaged", "clock_in_doubt",
    # the copy
    "changed_meanwhile", "no_complete_run", "run_record_changed", "run_under_way", "run_unfinished", "run_failed",
    "scope_changed", "run_too_old", "writer_at_work", "source_not_copied", "bag_missing", "bag_damaged", "bag_open",
    "listing_unfinished", "pending", "not_reconciled", "finding_not_accepted", "exceptions_not_accepted", "not_composed",
    # its proof
    "object_missing", "object_unexpected", "object_changed", "not_verified", "verification_found_differences",
    "changed_since_verified", "verification_too_old", "lock_not_read_back",
    # what it does not hold, and what else stands in the way
    "class_not_accepted", "preflight_missing", "preflight_too_old", "preflight_open",
    # to be known
    "pst_superseded", "pst_leaves_out", "rehearsal",
)  # fmt: skip
"""Every code that there is, in the order in which they are shown: what comes first is mended first."""
_PLACE = {code: number for number, code in enumerate(ORDER)}


class Reason(NamedTuple):
    """One reason. action: the very command; subject: what to put together when many are shown (a class, a code), else empty."""

    code: str
    severity: Severity
    message: str
    action: str
    subject: str = ""

    def as_json(self) -> JsonObject:
        """As in `ready --json`."""
        return {name: getattr(self, name) for name in ("code", "severity", "message", "action")}


def block(code: str, message: str, action: str, subject: str = "") -> Reason:
    """A reason that makes it unsafe."""
    return Reason(code, "block", message, action, subject)


def notice(code: str, message: str, action: str, subject: str = "") -> Reason:
    """Something to be known."""
    return Reason(code, "notice", message, action, subject)


def accept(code: str, source: str | None = None) -> str:
    """The command with which a person accepts something."""
    of = "" if source is None else f" --source {shlex.quote(source)}"
    return f"lastcopy accept {code}{of} {BY}"


def in_order(reasons: Iterable[Reason]) -> list[Reason]:
    """What comes first is mended first."""
    return sorted(reasons, key=lambda reason: _PLACE[reason.code])
