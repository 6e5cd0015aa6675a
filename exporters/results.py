"""What a run came to on one source, and which classes of content are covered by it.

Rules of this file: values and their derivation only, no I/O. What an exporter told of a class stands as told; of the others
coverage is derived from the counts, and never says more than they do: where nothing was heard of an archive, nobody says
*covered*. Source: design §5, §6; retention-domain §4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.copied import CopyResult
from exporters.drive.settings import DriveSettings
from exporters.errors import LastcopyError
from exporters.mail.settings import MailSettings
from exporters.sharepoint.coverage import TEAM_FILES
from exporters.sources import Source, SourceKind

COVERED, IN_PART, NOT_REACHABLE = "covered", "in part", "not reachable"
NOT_ASKED, NEVER = "not asked", "never possible"
ARCHIVE_UNREADABLE = "archive_unreadable"
PST_INCOMPLETE, PST_FAILED, PST_READ_BACK = "pst_incomplete", "pst_failed", "pst_read_back"
_OF_NO_CLASS = frozenset({ARCHIVE_UNREADABLE, "fasttransfer_unavailable", PST_INCOMPLETE, PST_FAILED, PST_READ_BACK})
"""Problems that say nothing of the originals of the mailbox itself."""
_TOLD_AS = {"mail": "primary_mailbox", "conversations": "group_conversations"}
"""Our names of classes, by those that the exporter of mailboxes has."""
EDISCOVERY = "Purview eDiscovery, before the tenant's access ends"


@dataclass(slots=True)
class SourceResult:
    """What a run came to on one source; counts as in design §6. newest: by code, the runs that found exceptions, and when the
    newest of each. digests: by code of a problem that has content, a digest of it. has_answered: whether the service listed it
    to the end. uncounted_packages: of whose parts it told no count. told: rows of coverage as the exporter told them. problem:
    why it could not be copied (further)."""

    source: Source
    bag: str | None = None
    listed: int = 0
    copied: int = 0
    unchanged: int = 0
    gone: int = 0
    excepted: int = 0
    pending: int = 0
    bytes: int = 0
    downloaded: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    excepted_kinds: dict[str, int] = field(default_factory=dict)
    newest: dict[str, dict[str, datetime]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    has_answered: bool = False
    uncounted_packages: int = 0
    problems: list[str] = field(default_factory=list)
    reconciled: bool = False
    problem: LastcopyError | None = None
    told: list[JsonObject] = field(default_factory=list)
    coverage: list[JsonObject] = field(default_factory=list)
    agreements: dict[str, int] = field(default_factory=dict)
    composing_seconds: float = 0.0
    """That the PST of a mailbox took."""
    was_listed: bool = False
    """Whether an earlier run listed it to the end."""
    has_refused: bool = False
    """Whether the service refuses a source that it once listed."""
    successor: Source | None = None
    """What its owner has in its place, found just now: it is copied next."""
    is_replaced: bool = False
    """Whether the service does not find it, and its owner has another, found now or by an earlier run."""
    segment: int = 0
    segment_sha256: str | None = None
    """The newest segment of the bag when the run left it."""

    @property
    def is_partial(self) -> bool:
        """Whether something of it is missing, moving, or not known to be whole."""
        return bool(self.excepted or self.pending or self.problems or not self.reconciled)

    def take(self, copied: CopyResult) -> None:
        """Take in what an exporter counted."""
        counts = {"listed": 0, "excepted": 0, "pending": 0, "copied": 0, **copied.counts}
        self.listed, self.excepted, self.pending = counts["listed"], counts["excepted"], counts["pending"]
        self.gone, self.bytes = copied.gone_now, copied.bytes_received
        # what is new and then deleted within the run is held, and not listed
        self.copied = min(copied.copied, counts["copied"])
        self.unchanged = counts["copied"] - self.copied
        self.downloaded, self.exceptions, self.problems = copied.downloaded, copied.exceptions, copied.problems
        self.excepted_kinds = copied.excepted_kinds
        self.agreements, self.newest, self.digests = copied.agreements, copied.newest, copied.digests
        self.has_answered = copied.has_answered
        self.reconciled = bool(copied.counts) and copied.unexplained == 0
        self.uncounted_packages = copied.uncounted_packages
        self.told = copied.coverage

    def take_pst(self, cursor: Mapping[str, Any] | None, error: LastcopyError | None) -> None:
        """Take in how the PST of a mailbox stands. cursor: of composing, as the bag has it now; error: why it could not be made.

        The originals are safe whatever became of it; what no PST holds is a finding all the same.
        """
        if error is not None:
            self.problems = [*self.problems, error.code]
            self.told = [*self.told, _row("pst", IN_PART, str(error), code=error.code, alternative=error.action)]
            return
        if cursor is None or cursor.get("kind") != "composed":
            reason = "the run ended before all that is new was put into the PST"
            self.told = [*self.told, _row("pst", IN_PART, reason, alternative="lastcopy compose")]
            return
        lacking = dict(cursor.get("not_composed") or {})
        if lacking:
            self.problems = [*self.problems, PST_INCOMPLETE]
            self.digests = {**self.digests, PST_INCOMPLETE: Hashed.of(dump_json(lacking))}
        reason = f"not in the PST: {_counted(lacking)}; see data/pst/parts.json" if lacking else ""
        row = _row("pst", IN_PART if lacking else COVERED, reason, code=PST_INCOMPLETE if lacking else "")
        row["parts"] = list(cursor.get("parts") or ())
        if cursor.get("superseded"):  # what has changed since; `ready` and the report say so
            row |= {"superseded": cursor["superseded"], "alternative": "lastcopy compose --recompose"}
        self.told = [*self.told, row]


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} × {code}" for code, number in sorted(numbers.items()))


def main_class(source_kind: SourceKind, *, is_group: bool = False) -> str:
    """The class of content that a source is there for: its row of coverage comes first."""
    if source_kind is SourceKind.MAIL:
        return "group_conversations" if is_group else "primary_mailbox"
    names = {SourceKind.SHAREPOINT: "libraries", SourceKind.DIRECTORY: "directory"}
    return names.get(source_kind, "files")


def coverage_of(result: SourceResult, drive: DriveSettings, mail: MailSettings) -> list[JsonObject]:
    """Per class of content: covered, in part, not reachable, not asked or never possible, with the reason."""
    source, problem = result.source, result.problem
    if problem is not None:
        name = main_class(source.kind, is_group=source.is_group)
        return [_row(name, NOT_REACHABLE, str(problem), code=problem.code)]
    if source.kind is SourceKind.MAIL:
        return list(_of_mailbox(result, mail))
    if source.kind is SourceKind.DIRECTORY:
        return result.told or [_row("directory", IN_PART, "the run ended before it was listed to the end")]
    return list(_of_site(result, drive) if source.kind is SourceKind.SHAREPOINT else _of_drive(result, drive))


def _row(name: str, state: str, reason: str = "", *, code: str = "", alternative: str = "") -> JsonObject:
    told = {"reason": reason, "code": code, "alternative": alternative}
    return {"class": name, "state": state, **{key: value for key, value in told.items() if value}}


# ------------------------------------------------------------------------------------------------------- drives


def _of_drive(result: SourceResult, settings: DriveSettings) -> Iterable[JsonObject]:
    yield from _of_files(result, settings, "files", partial=result.is_partial)
    reason = 'Lists that a person keeps for themselves (Microsoft Lists, "My lists") lie beside the files and are not copied.'
    yield _row(
        "personal_lists", NOT_ASKED, reason, alternative="in Microsoft Lists: move them to a site, or export to Excel"
    )


def _of_files(result: SourceResult, settings: DriveSettings, name: str, *, partial: bool) -> Iterable[JsonObject]:
    """name: of the class of the files. partial: whether something of them is missing, or not known to be whole."""
    files = _row(name, IN_PART if partial else COVERED)
    if result.agreements:
        files["agreement"] = result.agreements
    yield files
    if result.uncounted_packages:
        reason = (
            "the service does not say how many parts a notebook has: that it listed them all is not proven by a count"
        )
        counted = {"count": "unavailable", "packages": result.uncounted_packages}
        yield {**_row("notebooks", IN_PART if partial else COVERED, reason), **counted}
    if settings.versions == "all":
        failed = result.excepted_kinds.get("version") or result.excepted_kinds.get("versions")
        yield _row("earlier_versions", IN_PART if failed or partial else COVERED)
    elif settings.versions == "current":
        yield _row("earlier_versions", NOT_ASKED, alternative="drive.versions: all")
    else:
        yield _row("earlier_versions", IN_PART, f"the last {settings.versions}")
    failed = result.excepted_kinds.get("permission")
    asked = IN_PART if failed or partial else COVERED
    yield _row("permissions", NOT_ASKED if settings.permissions == "none" else asked)
    yield _row("recycle_bin", NEVER, "Graph does not list deleted files.")


# -------------------------------------------------------------------------------------------------------- sites


_OF_NO_LIBRARY = frozenset({"list_item", "attachment", "columns", "page", "site"})
"""Kinds of rows whose exceptions say nothing of the files of libraries; of versions and permissions nobody knows."""
_PROBLEMS_OF_NO_LIBRARY = frozenset(
    {"lists_not_listed", "listing_incomplete", "pages_not_listed", "permissions_unread"}
)


def _of_site(result: SourceResult, settings: DriveSettings) -> Iterable[JsonObject]:
    """Its libraries as drives are; what the parts of its copy told of lists, pages and refusals."""
    failed = any(number for kind, number in result.excepted_kinds.items() if kind not in _OF_NO_LIBRARY)
    problems = set(result.problems) - _PROBLEMS_OF_NO_LIBRARY
    partial = bool(failed or problems or result.pending or not result.reconciled)
    rows = list(_of_files(result, settings, "libraries", partial=partial))
    yield from rows
    yield from ({**row, "state": rows[0]["state"]} if row["class"] == TEAM_FILES else row for row in result.told)


# ---------------------------------------------------------------------------------------------------- mailboxes

_KINDS_OF_CLASS = {
    "contacts": ("contact",),
    "calendar": ("event",),
    "tasks": ("task",),
    "settings": ("rule", "category", "setting"),
    "native_streams": ("stream",),
}
"""By class of content, the kinds of rows whose exceptions make it *in part*. All other kinds belong to the main class."""


def _of_mailbox(result: SourceResult, settings: MailSettings) -> Iterable[JsonObject]:
    told = {name: {**row, "class": name} for row in result.told if (name := _TOLD_AS.get(row["class"], row["class"]))}
    rows = [*(_group_classes(result) if result.source.is_group else _user_classes(result, settings))]
    rows = [told.pop(row["class"], row) for row in rows]
    rows += told.values()
    missing = [row for row in rows if row["class"] == "archive" and row["state"] in {IN_PART, NOT_REACHABLE}]
    main = main_class(SourceKind.MAIL, is_group=result.source.is_group)
    for row in rows:
        is_less = missing and row["class"] == main and row["state"] == COVERED
        yield _row(main, IN_PART, "its archive mailbox is not copied, or not in full") if is_less else row


def _user_classes(result: SourceResult, settings: MailSettings) -> Iterable[JsonObject]:
    yield _row("primary_mailbox", _state(result, "primary_mailbox"))
    yield _archive(result, settings)
    if settings.recoverable == "none":
        yield _row("recoverable_items", NOT_ASKED, alternative="sources.recoverable: all")
    else:
        yield _row("recoverable_items", _state(result, "primary_mailbox"))
    for name in ("contacts", "calendar", "tasks", "settings"):
        yield _row(name, _state(result, name))
    reason = "Graph does not say who may open a mailbox."
    yield _row("mailbox_permissions", NEVER, reason, alternative="Get-MailboxPermission in Exchange Online PowerShell")
    if settings.fasttransfer == "off":
        for name in ("native_streams", "notes_and_journal", "contact_groups"):
            yield _row(name, NOT_ASKED, alternative="mail.fasttransfer: auto")


def _archive(result: SourceResult, settings: MailSettings) -> JsonObject:
    if settings.archive == "none":
        return _row("archive", NOT_ASKED, alternative="sources.archive: auto")
    reason = "the archive mailbox cannot be read, or it is not known whether there is one"
    code = ARCHIVE_UNREADABLE if ARCHIVE_UNREADABLE in result.problems else ""
    return _row("archive", NOT_REACHABLE, reason, code=code, alternative=EDISCOVERY)


def _group_classes(result: SourceResult) -> Iterable[JsonObject]:
    yield _row("group_conversations", _state(result, "group_conversations"))
    reason = "An application may not read the calendar of a group."
    yield _row("group_calendar", NOT_REACHABLE, reason, alternative=EDISCOVERY)


def _state(result: SourceResult, name: str) -> str:
    """Covered or in part. Pending work, and a source that is not reconciled, are of no class: all are in part then."""
    if result.pending or not result.reconciled:
        return IN_PART
    own = _KINDS_OF_CLASS.get(name)
    if own is not None:
        return IN_PART if any(result.excepted_kinds.get(kind) for kind in own) else COVERED
    others = {kind for kinds in _KINDS_OF_CLASS.values() for kind in kinds}
    failed = any(number for kind, number in result.excepted_kinds.items() if kind not in others)
    return IN_PART if failed or set(result.problems) - _OF_NO_CLASS else COVERED
