"""A plan: what there is, how long it takes, when to begin, in which order, and what to leave out where time is short.

Rules of this file: puts the parts together; asks the tenant by the real clock and reckons with `now`, which may be told; writes
nothing but what `write_down` is called for. Source: design §6 (`plan`); retention-domain §7; issue 9.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from exporters.bag.catalogue import Catalogue
from exporters.bag.formats import JsonObject, load_json
from exporters.clock import Clock
from exporters.copied import Progress
from exporters.errors import ConfigurationError, RunError
from exporters.export import new_run_id
from exporters.graph.calls import Observer
from exporters.sources import SourceKind
from exporters.store.protocol import Store
from retention.books import Books, opened_books
from retention.config import Config
from retention.opening import configured_store, opened_state, read_root, refuse_foreign
from retention.permissions import EXPORT_API, WORLDWIDE
from retention.planning import feasibility
from retention.planning.deadlines import Clocked, dues, verdict
from retention.planning.document import Cut, Plan, Total
from retention.planning.feasibility import Rates, Work
from retention.planning.inventory import Counted, Inventory, Unasked, better_with
from retention.planning.listing import Means
from retention.planning.measured import Measured, measured
from retention.planning.not_covered import not_covered
from retention.planning.ordering import Order
from retention.planning.work import Costs, without_permissions, without_versions
from retention.reckoning import Reckoning
from retention.runs import mail_settings
from retention.tenants import Tenant, opened_tenant

RUNS_READ = 20
NAMED = 50
"""So many sources that could not be asked are named; the others are counted."""


def make_plan(
    config: Config,
    clock: Clock,
    now: datetime,
    *,
    sources: Sequence[str] = (),
    subscriptions: Sequence[str] = (),
    progress: Progress,
    observer: Observer | None,
    stop: threading.Event,
) -> Plan:
    """Ask, and reckon. sources: names of --source; subscriptions: those whose deadlines count, empty for all that are tracked.

    Raises: ConfigurationError, RunError, SourceError, errors of the store.
    """
    with opened_books(config, clock) as books:
        clocked, ends = _clocked(config, books, subscriptions)
    store = configured_store(config, clock)
    try:
        root = read_root(store)
        with opened_state(config) as state, opened_tenant(config, state, store, clock, observer, stop) as tenant:
            refuse_foreign(root, tenant.identity)
            rates = Rates.of_tenant(tenant.licences, config.settings.plan.line_mbit)
            found = measured(_records(store), _asked(config), rates)
            catalogue = Catalogue(store)
            inventory = Inventory(config, tenant.graph, catalogue, state, clock, progress, _means(found), sources, stop)
            gathered = _Gathered(Costs(config, found, _with_streams(config, tenant)), found.applied(rates), Order(ends))
            gathered.take(inventory.each())
            if stop.is_set():  # a part of a tenant is no plan
                raise RunError(
                    "the plan was stopped before everything was counted", code="stopped", action="Run it again."
                )
            _, spent = tenant.graph.budget.used(clock.monotonic())
            rates = replace(gathered.rates, spent=float(spent))
            return _made(config, now, tenant, inventory, gathered, rates, found, clocked)
    finally:
        store.close()


def write_down(config: Config, clock: Clock, plan: Plan) -> None:
    """Put the plan into the journal. Raises: errors of the store."""
    with opened_books(config, clock) as books:
        books.append([plan.for_journal()])


# -- parts ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Gathered:
    """What one pass through the inventory adds up to."""

    costs: Costs
    rates: Rates
    order: Order
    totals: dict[str, Total] = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    unasked: list[Unasked] = field(default_factory=list)
    unasked_others: int = 0

    def take(self, found: Iterator[Counted | Unasked]) -> None:
        for one in found:
            if isinstance(one, Unasked):
                if len(self.unasked) < NAMED:
                    self.unasked.append(one)
                else:
                    self.unasked_others += 1
                continue
            self.totals.setdefault(one.kind.value, Total()).add(one)
            before = self.work.files.units
            self.costs.add(self.work, one)
            if one.left_items:
                self.order.add(one.kind, one.label, self._seconds(one, before), one.runs_out)

    def _seconds(self, one: Counted, units_before: float) -> float:
        if one.kind is SourceKind.MAIL:
            boxes = self.work.boxes
            return feasibility.box_seconds(boxes.requests[-1], boxes.items[-1], boxes.sizes[-1], self.rates)
        return max(feasibility.units_seconds(self.work.files.units - units_before, self.rates))


def _made(
    config: Config,
    now: datetime,
    tenant: Tenant,
    inventory: Inventory,
    gathered: _Gathered,
    rates: Rates,
    found: Measured,
    clocked: Sequence[Clocked],
) -> Plan:
    safety = feasibility.safety_of(found.seconds)
    is_left = any(total.left_items for total in gathered.totals.values())
    span = feasibility.span(gathered.work, rates)
    planned = feasibility.planned(span.expected.seconds, safety) if is_left else 0.0
    plan = Plan(
        run=new_run_id(inventory.clock),
        now=now,
        tenant=tenant.identity,
        licences=tenant.licences,
        totals=gathered.totals,
        inventory=inventory.notes.as_json(),
        work=gathered.work,
        rates=rates,
        measured=found,
        span=span,
        safety=safety,
        planned_seconds=planned,
        dues=[],
        cuts=[],
        order=gathered.order.first(),
        others=gathered.order.others,
        unasked=gathered.unasked,
        unasked_others=gathered.unasked_others,
        not_covered=not_covered(config),
        unknown=_unknown(config, gathered, by_report=SourceKind.MAIL.value in inventory.notes.by_report),
        better=better_with(inventory.notes),
        has_clock=any(one.timeline.boundaries and not one.timeline.possible for one in clocked),
    )
    plan.dues = dues(clocked, planned, now, is_complete=plan.is_complete)
    bare = span.high_seconds if is_left else 0.0
    plan.fits_bare = verdict(dues(clocked, bare, now, is_complete=plan.is_complete))
    plan.cuts = list(_cuts(plan, clocked))
    return plan


def _cuts(plan: Plan, clocked: Sequence[Clocked]) -> Iterator[Cut]:
    """What could be left out or added, the least harmful first; only what gains something."""
    tried: list[tuple[str, str, Work, Rates]] = []
    files = plan.work.files
    if files.permissions:
        says = "copy content first, permissions after (drive.permissions: none, then shared)"
        tried.append(("permissions", says, without_permissions(plan.work), plan.rates))
    if files.versions or files.listings:
        says = "copy current contents first, earlier versions after (drive.versions: current, then all)"
        tried.append(("earlier_versions", says, without_versions(plan.work), plan.rates))
    if files.permissions and (files.versions or files.listings):
        says = "current contents alone first: neither permissions nor earlier versions"
        tried.append(("content_alone", says, without_versions(without_permissions(plan.work)), plan.rates))
    if plan.span.expected.binding.name == "line":
        wider = replace(plan.rates, line=plan.rates.line * 2)
        tried.append(("line", "copy from a machine with twice the line (plan.line_mbit)", plan.work, wider))
    for what, says, work, rates in tried:
        estimate = feasibility.estimate(work, rates)
        if estimate.seconds < 0.99 * plan.span.expected.seconds:
            planned = feasibility.planned(estimate.seconds, plan.safety)
            fits = verdict(dues(clocked, planned, plan.now, is_complete=plan.is_complete))
            yield Cut(what, says, estimate, planned, fits)


def _unknown(config: Config, gathered: _Gathered, *, by_report: bool) -> list[str]:
    """What is not in the numbers, in sentences. by_report: whether mailboxes were counted by their report."""
    found = [
        f"{kind}: how many items {total.items.unknown:,} of {total.sources:,} sources have is not known"
        for kind, total in gathered.totals.items()
        if total.items.unknown
    ]
    mail = gathered.totals.get(SourceKind.MAIL.value)
    if mail is not None and config.settings.sources.archive == "auto":
        if mail.archives:
            found.append(f"mail: {mail.archives:,} mailboxes have an archive, whose size no report tells")
        elif not by_report:
            found.append("mail: which mailboxes have an archive is not known, nor how much lies there")
    return found


def _clocked(config: Config, books: Books, wanted: Sequence[str]) -> tuple[list[Clocked], dict[str, datetime]]:
    """The tracked subscriptions, and by label of a source when the clock of its own runs out. Raises: ConfigurationError."""
    reckoning, found = Reckoning(config), list[Clocked]()
    known = books.index.subscriptions()
    for name in wanted:
        if not any(name in (one.id, one.name) for one in known):
            raise ConfigurationError(
                f"no subscription {name!r} is tracked",
                code="subscription_unknown",
                action="`lastcopy status` lists those that are; `lastcopy track` begins to track.",
            )
    ends: dict[str, datetime] = {}
    for one in known:
        if wanted and not {one.id, one.name} & {*wanted}:
            continue
        timeline = reckoning.timeline(one)
        found.append(Clocked(one.id, one.name, timeline))
        boundary = timeline.boundary("at_risk_from")
        if boundary is not None and one.sources and not timeline.possible:
            for kind, name in books.index.sources([one.id]).get(one.id, []):
                label = f"{kind}/{name}"
                ends[label] = min(boundary.at, ends.get(label, boundary.at))
    return found, ends


def _records(store: Store) -> Iterator[JsonObject]:
    """Of the newest runs."""
    newest = deque((info.key for info in store.list("runs/")), maxlen=RUNS_READ)
    for key in newest:
        try:
            record = load_json(store.read(key))
        except ValueError:
            continue  # `verify` tells of it
        if isinstance(record, dict):
            yield record


def _asked(config: Config) -> JsonObject:
    drive = config.settings.drive
    return {"versions": drive.versions, "permissions": drive.permissions, **mail_settings(config).as_kept()}


def _means(found: Measured) -> Means:
    """What an item has: as earlier runs measured it, else as assumed."""
    means = Means()
    if found.message_bytes is not None:
        means = replace(means, message=found.message_bytes, message_source="mean of the messages that were copied")
    if found.file_bytes:
        means = replace(means, file=found.file_bytes, file_source="mean of the files that were copied")
    return means


def _with_streams(config: Config, tenant: Tenant) -> bool:
    """Whether a second capture of each message is to be expected."""
    cloud = config.tenant.cloud.strip().lower().replace("-", "_")
    allowed = all(need.met_by(tenant.graph.roles()) for need in EXPORT_API)
    return config.settings.mail.fasttransfer != "off" and cloud in WORLDWIDE and allowed
