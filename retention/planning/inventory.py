"""What there is to copy, source by source: from usage reports where they may be read and name who is meant, else by asking.

Rules of this file: streams; a source comes once, as counted, or as one that could not be asked, with the reason. What the store
holds is taken off. A report whose names are concealed serves for a kind of source of which all is asked for and nothing is held:
then it matters not whose a mailbox is. What a report cannot be used for is asked for one by one, and why is said.
Source: retention-domain §7; graph.md §9.2; docs/decisions/0086.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from exporters.bag.catalogue import Catalogue
from exporters.bag.formats import JsonObject
from exporters.bag.keys import folded
from exporters.clock import Clock
from exporters.copied import Progress
from exporters.discovery import GROUP_SELECT, UNIFIED, discover
from exporters.errors import ConfigurationError, ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import JsonObject as Row
from exporters.graph.errors import AccessDeniedError, PermissionMissingError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.ordered import in_order
from exporters.sources import Source, SourceKind
from exporters.undiscovered import Undiscovered, Without
from retention.config import Config
from retention.planning.held import NOTHING, Held, held_of
from retention.planning.listing import Asked, Means, ask
from retention.planning.quantities import Certainty, Quantity
from retention.planning.usage_reports import PERMISSION, REPORTS, Usage, read_report
from retention.selection import Names, chosen, is_asked, kinds_asked, kinds_of, means
from retention.settings import SourcesSettings
from retention.state.database import State

AT_ONCE: Final = 8
BAND: Final = 1.1
"""A report that says so much more than the copy holds says that there is more; less than that may be how it counts."""
_PAGE: Final = "999"


@dataclass(frozen=True, slots=True)
class Counted:
    """One source. label: kind/NAME, None where the name is concealed; left_items, left_bytes: of what the store does not hold;
    parts: folders, drives, lists that each cost a request; runs_out: why it may be lost before others, empty if it is not."""

    kind: SourceKind
    label: str | None
    items: Quantity
    bytes: Quantity
    left_items: int
    left_bytes: int
    parts: int = 1
    lists: int = 0
    has_archive: bool = False
    is_held: bool = False
    runs_out: str = ""


@dataclass(frozen=True, slots=True)
class Unasked:
    """A source that could not be asked: it will not be copied either, as long as that is so."""

    kind: SourceKind
    label: str
    code: str
    reason: str
    action: str


@dataclass(slots=True)
class Notes:
    """What is to be said of the inventory as a whole. by_report: kinds that reports served; why_not: by kind, why one did not;
    left_out: sources that the configuration does not ask for."""

    by_report: list[str] = field(default_factory=list)
    why_not: dict[str, str] = field(default_factory=dict)
    lacks_permission: bool = False
    is_concealed: bool = False
    left_out: int = 0
    users: Quantity = field(default_factory=lambda: Quantity.unknown("not asked for"))

    def as_json(self) -> JsonObject:
        told = {"reports": self.by_report, "not_by_report": self.why_not, "users": self.users.as_json()}
        return {**told, "left_out_sources": self.left_out}


@dataclass(slots=True)
class Inventory:
    """One pass through a tenant. wanted: names of --source, empty for all that the configuration asks for."""

    config: Config
    graph: GraphSession
    catalogue: Catalogue
    state: State
    clock: Clock
    progress: Progress
    averages: Means = field(default_factory=Means)
    wanted: Sequence[str] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    notes: Notes = field(default_factory=Notes)
    _unlicensed: set[str] = field(default_factory=set)
    _held: dict[str, JsonObject] = field(default_factory=dict)
    _labels: Names = field(init=False)
    _met: set[str] = field(default_factory=set)

    def each(self) -> Iterator[Counted | Unasked]:
        """Every source that is asked for. Raises: ConfigurationError for a name of --source that nobody has; RunError,
        SourceError if the tenant cannot be listed."""
        self._labels = Names(self.catalogue.records())
        self._held = {
            folded(f"{record['kind']}/{entry['name']}"): record
            for record in self.catalogue.records()
            for entry in record["names"]
        }
        kinds = self._kinds()
        if SourceKind.ONEDRIVE in kinds:
            self._look_for_unlicensed()
        by_asking = []
        for kind in kinds:
            rows = self._report_of(kind)
            if rows is None:
                by_asking.append(kind)
            else:
                yield from self._by_report(kind, rows)
        if by_asking:
            yield from self._by_asking(by_asking)
        if SourceKind.MAIL in kinds and SourceKind.MAIL not in by_asking:
            yield from self._groups()
        for name in self.wanted:
            if name not in self._met:
                raise ConfigurationError(
                    f"there is no source {name!r}",
                    code="source_unknown",
                    action="Name one as kind/NAME, such as onedrive/anna@contoso.com or mail/anna@contoso.com.",
                )

    # -- what is meant ------------------------------------------------------------------------------------------------

    @property
    def _settings(self) -> SourcesSettings:
        return self.config.settings.sources

    def _kinds(self) -> list[SourceKind]:
        kinds = kinds_asked(self._settings)
        if self.wanted:
            kinds = sorted({kind for name in self.wanted for kind in kinds_of(name, self._settings)})
        return [kind for kind in kinds if kind is not SourceKind.DIRECTORY]

    def _is_asked(self, labels: frozenset[str], kind: SourceKind) -> bool:
        if self.wanted:
            hits = {name for name in self.wanted if kind in kinds_of(name, self._settings) and means(name, labels)}
            self._met |= hits
            return bool(hits)
        is_asked_for = is_asked(labels, self._settings, kind)
        self.notes.left_out += not is_asked_for
        return is_asked_for

    def _wants_all(self, kind: SourceKind) -> bool:
        return not self.wanted and chosen(self._settings, kind) == "all" and not self._settings.exclude

    # -- by report ----------------------------------------------------------------------------------------------------

    def _report_of(self, kind: SourceKind) -> Iterator[Usage] | None:
        """The rows of a report that can be used; None if there is none, and the notes say why."""
        holds_any = any(record["kind"] == kind for record in self.catalogue.records())
        if kind is SourceKind.SHAREPOINT and (holds_any or not self._wants_all(kind)):
            self.notes.why_not[kind] = "a report knows site collections alone, and subsites are sources of their own"
            return None
        try:
            report = read_report(self.graph, kind)
        except (ItemError, SourceError) as error:
            self.notes.why_not[kind] = str(error)
            self.notes.lacks_permission |= isinstance(error, PermissionMissingError | AccessDeniedError)
            return None
        if report.is_concealed and (holds_any or not self._wants_all(kind)):
            self.notes.why_not[kind] = (
                "the tenant conceals names in its reports (displayConcealedNames), and here it matters whose they are"
            )
            return None
        if report.is_concealed:
            self.notes.is_concealed = True
            return (Usage(None, *_told(row)) for row in report.rows)
        return report.rows

    def _by_report(self, kind: SourceKind, rows: Iterator[Usage]) -> Iterator[Counted]:
        self.notes.by_report.append(kind.value)
        asked = (row for row in rows if self._is_wanted(kind, row))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lastcopy-plan") as pool:
            for found in in_order(pool, lambda row: self._of_usage(kind, row), asked, ahead=4 * AT_ONCE):
                self.progress.finished(1)
                yield found

    def _is_wanted(self, kind: SourceKind, row: Usage) -> bool:
        self.progress.listed(1)
        return row.name is None or self._is_asked(self._labels_of(f"{kind}/{row.name}"), kind)

    def _labels_of(self, label: str) -> frozenset[str]:
        record = self._held.get(folded(label))
        return frozenset({label}) | (self._labels.labels_of_bag(record["bag"]) if record else frozenset())

    def _of_usage(self, kind: SourceKind, row: Usage) -> Counted:
        label = None if row.name is None else f"{kind}/{row.name}"
        record = None if label is None else self._held.get(folded(label))
        source = f"usage report of {row.refreshed}" if row.refreshed else "usage report"
        why = "the usage report does not say"
        number = row.items
        if number is not None and kind is SourceKind.MAIL and self._settings.recoverable == "all":
            number += row.deleted_items
        items = Quantity.unknown(why) if number is None else Quantity.estimated(number, source)
        size = Quantity.unknown(why) if row.size is None else Quantity.estimated(row.size, source)
        held = NOTHING if record is None else held_of(self.catalogue.store, record["bag"])
        return self._counted(
            kind,
            label,
            Asked(items, size),
            held,
            record is not None,
            has_archive=row.has_archive,
        )

    # -- by asking ----------------------------------------------------------------------------------------------------

    def _by_asking(self, kinds: Sequence[SourceKind]) -> Iterator[Counted | Unasked]:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lastcopy-plan") as pool:
            for found in in_order(pool, self._asked, self._sources(kinds), ahead=4 * AT_ONCE):
                self.progress.finished(1)
                yield found

    def _sources(self, kinds: Sequence[SourceKind]) -> Iterator[Source | Undiscovered]:
        """Those that are asked for, and what could not be discovered of them."""
        for found in discover(self.graph, self.catalogue, self.clock, self.state, kinds):
            if self.stop.is_set():
                return
            if isinstance(found, Without):
                continue
            labels = self._labels.labels_of(found) if isinstance(found, Source) else frozenset({found.label})
            if self._is_asked(labels, found.kind):
                self.progress.listed(1)
                yield found

    def _asked(self, source: Source | Undiscovered) -> Counted | Unasked:
        if isinstance(source, Undiscovered):
            return _unasked(source.kind, source.label, source)
        record = self._held.get(folded(source.label))
        held = NOTHING if record is None else held_of(self.catalogue.store, record["bag"])
        try:
            asked = ask(self.graph, source, self.averages)
        except (ItemError, SourceError) as error:
            return _unasked(source.kind, source.label, error)
        return self._counted(source.kind, source.label, asked, held, record is not None, owner=source.owner)

    def _groups(self) -> Iterator[Counted | Unasked]:
        """Mailboxes of groups, which stand in no report."""
        params = {"$filter": UNIFIED, "$select": GROUP_SELECT, "$top": _PAGE}
        try:
            for page in self.graph.pages("/groups", params=params, cost=Cost.DIRECTORY):
                for row in page:
                    source = _group_of(row)
                    if source is not None and self._is_asked(self._labels.labels_of(source), SourceKind.MAIL):
                        found = self._asked(source)
                        if not isinstance(found, Unasked) or found.code != "no_mailbox":
                            yield found
        except (ItemError, SourceError) as error:
            yield _unasked(SourceKind.MAIL, "mail/groups", error)

    # -- both ---------------------------------------------------------------------------------------------------------

    def _counted(
        self,
        kind: SourceKind,
        label: str | None,
        asked: Asked,
        held: Held,
        is_held: bool,
        *,
        has_archive: bool = False,
        owner: str | None = None,
    ) -> Counted:
        left, items = left_of(asked, held, kind), items_of(asked, held)
        share = left / items.value if items.value else 0.0
        return Counted(
            kind,
            label,
            items,
            asked.bytes,
            left,
            round((asked.bytes.value or 0) * min(share, 1.0)),
            asked.parts,
            asked.lists,
            has_archive,
            is_held,
            self._runs_out(kind, label, owner),
        )

    def _runs_out(self, kind: SourceKind, label: str | None, owner: str | None) -> str:
        """Drives whose own clock may run while the tenant lives (retention-domain §2.3)."""
        if kind is not SourceKind.ONEDRIVE or label is None:
            return ""
        name = folded(label.partition("/")[2])
        if name in self._unlicensed or (owner or "") in self._unlicensed:
            return "its user has no licence: read-only 60 days after it was taken, out of reach after 93"
        return "" if "@" in name else "its user is gone: kept 30 days by default, or out of reach after 93"

    def _look_for_unlicensed(self) -> None:
        """Users (no guests) without any licence, by name and id; and how many users there are. Nothing if they cannot be listed:
        who copies says so."""
        params = {"$select": "id,userPrincipalName,userType,assignedLicenses", "$top": _PAGE}
        users = 0
        try:
            for page in self.graph.pages("/users", params=params, cost=Cost.USERS):
                for row in page:
                    users += 1
                    if not row.get("assignedLicenses") and row.get("userType") != "Guest":
                        self._unlicensed |= {str(row.get("id")), folded(str(row.get("userPrincipalName")))}
        except (ItemError, SourceError) as error:
            self.notes.users = Quantity.unknown(str(error))
        else:
            self.notes.users = Quantity.exact(users, "the directory's list")


def left_of(asked: Asked, held: Held, kind: SourceKind) -> int:
    """Items that are still to be copied. Where the source was listed to its end, what it owed then, and what is more by now."""
    there = asked.items.value
    of_kind = {SourceKind.MAIL: held.messages, SourceKind.ONEDRIVE: held.files}.get(kind, held.settled)
    if there is None:
        return held.pending
    if not held.is_listed:
        return max(held.pending, there - of_kind)
    known = of_kind + held.pending
    if not asked.is_counted:
        size = asked.bytes.value or 0
        grown = there * (1 - held.bytes / size) if size > BAND * held.bytes and kind is not SourceKind.MAIL else 0.0
        return held.pending + round(grown)
    is_more = there > known if asked.items.certainty is Certainty.EXACT else there > BAND * known
    return held.pending + (there - known if is_more else 0)


def items_of(asked: Asked, held: Held) -> Quantity:
    """The number to show: where nobody counts the items, the copy's own listing knows best."""
    if asked.is_counted or not held.is_listed:
        return asked.items
    return Quantity.estimated(held.settled + held.pending, f"the copy's own listing of {held.at[:10]}")


def _told(row: Usage) -> tuple[int | None, int | None, bool, int, str]:
    return row.items, row.size, row.has_archive, row.deleted_items, row.refreshed


def _unasked(kind: SourceKind, label: str, error: LastcopyError) -> Unasked:
    return Unasked(kind, label, error.code, str(error), error.action)


def _group_of(row: Row) -> Source | None:
    group, kinds = identifier_of(row.get("id")), row.get("groupTypes")
    if group is None or (isinstance(kinds, list) and "Unified" not in kinds):
        return None
    name = identifier_of(row.get("mail")) or identifier_of(row.get("mailNickname")) or group
    return Source(SourceKind.MAIL, group, name, is_group=True)


def better_with(notes: Notes) -> str:
    """What would make the inventory quicker and better; empty if nothing would."""
    if notes.lacks_permission:
        return (
            f"Grant {PERMISSION} (application permission of Microsoft Graph, with admin consent): then {len(REPORTS)} requests"
            " count the whole tenant, with the size of each mailbox, in place of some for each source."
        )
    if notes.is_concealed or any("conceals" in why for why in notes.why_not.values()):
        return "Show names in usage reports (admin center, Settings, Org settings, Reports), so that they tell what is whose."
    return ""
