"""One idempotent pass: what is due, claimed as one segment of the journal, sent, and written down.

Rules of this file: a thin loop; `claims` decides, `delivering` sends, `books` keeps. Everything is claimed durably before
anything is sent; of two sweeps one wins, and the other reads what the winner claimed. Nothing due: nothing is written.
Source: design §4 (the journal), §6 (`sweep`); retention-domain §5.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from exporters.bag.fence import Process, is_known_dead
from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError, RunError
from retention.books import Books
from retention.claim_rows import Moment, Plan
from retention.clock_doubt import Reading, Verdict, judge
from retention.config import Config
from retention.journal import RACES
from retention.reckoning import Reckoning
from retention.tracked import Delivery, Standing, Subscription
from retention.verdicts import Exit

if TYPE_CHECKING:  # a sweep with nothing due needs none of them
    from retention.timeline import Timeline

_AT_ONCE = datetime.fromtimestamp(0, UTC)
HELD_FOR = timedelta(minutes=10)
"""A claim without a result belongs to its sweep so long, by the store's clock (retention-domain §5)."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A boundary, as `retention.planning.recorded` looks at one."""

    kind: str
    at: datetime


@dataclass(slots=True)
class SweepResult:
    """What a sweep came to, as `sweep --json` shows it. notes: for people; next_due: (subscription, when) that comes next;
    standing: what stands open after it."""

    now: datetime
    due: list[JsonObject] = field(default_factory=list)
    sent: list[JsonObject] = field(default_factory=list)
    failed: list[JsonObject] = field(default_factory=list)
    suppressed: list[JsonObject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next_due: tuple[str, datetime] | None = None
    standing: Standing | None = None

    @property
    def exit(self) -> Exit:
        return Exit.PARTIAL if self.failed else Exit.COMPLETE

    def as_json(self) -> JsonObject:
        """The document of `sweep --json` (design §6)."""
        lists = {name: getattr(self, name) for name in ("due", "sent", "failed", "suppressed")}
        return {"now": timestamp(self.now), **lists}


class Sweep:
    """One sweep. service: (the service's clock, ours when it answered) of an observation of just now; notes: of that."""

    def __init__(
        self,
        config: Config,
        books: Books,
        clock: Clock,
        *,
        service: tuple[datetime, datetime] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._config, self._books, self._clock = config, books, clock
        self._reckoning = Reckoning(config)
        self._service, self._notes = service, list(notes)
        self._me = Process.of_this_machine()
        self._timelines: dict[str, tuple[Subscription, Timeline]] = {}
        self._looked: list[object] | None = None
        self._unread: dict[str, LastcopyError] = {}

    def go(self, *, dry_run: bool = False) -> SweepResult:
        """The whole pass. Raises: ConfigurationError, RunError, errors of the store."""
        for _ in range(RACES):
            verdict = self._verdict()
            plans = self._plans(verdict)
            aside = self._aside(verdict, {str(row["recipient"]) for plan in plans.values() for row in plan.claims})
            result = self._judged(verdict, [*plans.values(), aside])
            rows = [row for plan in [*plans.values(), aside] for row in plan.rows]
            if dry_run:
                return result
            if not rows or self._claimed(rows):
                break
        else:
            raise RunError("the journal is never free", code="journal_busy", action="Run it again.")
        if self._looked is not None:
            self._books.index.note("local.aside", self._looked)
        claims = [row for plan in [*plans.values(), aside] for row in plan.claims]
        self._settle({name: plan for name, plan in plans.items() if not plan.rows}, verdict)
        if claims:
            self._send(claims, result, verdict)
        again = [name for name, plan in plans.items() if plan.rows]
        if again:
            verdict = self._verdict()
            self._settle(self._plan_these(self._books.index.subscriptions(again), verdict), verdict)
        soonest = self._books.index.soonest()
        result.next_due = (soonest[0], max(soonest[1], result.now)) if soonest is not None else None
        return result

    def schedule(self) -> int:
        """Work out when each subscription that was changed has to be looked at; claim and send nothing. Returns how many."""
        verdict = self._verdict()
        plans = self._plans(verdict)
        self._settle(plans, verdict)
        return len(plans)

    def _claimed(self, rows: Sequence[JsonObject]) -> bool:
        """Claim; False if somebody was faster. What was claimed and cannot be sent, because the state fails, is given back at
        once."""
        try:
            return self._books.try_append(rows)
        except RunError as error:
            reason = {"reason": f"it was not sent: {error}"}
            claims = [row["delivery"] for row in rows if row["type"] == "warning_claimed"]
            self._books.give_back([{"type": "warning_failed", "delivery": name, **reason} for name in claims])
            raise

    # -- judging ------------------------------------------------------------------------------------------------------

    def _verdict(self) -> Verdict:
        own, service, index = self._clock.now(), None, self._books.index
        if self._service is not None:
            there, here = self._service
            service = there + (own - here)
        newest, last = index.fact("newest_row"), index.fact("service_date")
        return judge(
            Reading(
                own,
                service,
                datetime.fromisoformat(last) if last else None,
                datetime.fromisoformat(newest) if newest else None,
            )
        )

    def _plans(self, verdict: Verdict) -> dict[str, Plan]:
        by = max(verdict.now, verdict.ahead or verdict.now)
        return self._plan_these(self._books.index.due(by, self._reckoning.computed_with), verdict)

    def _plan_these(self, subscriptions: Sequence[Subscription], verdict: Verdict) -> dict[str, Plan]:
        if not subscriptions:
            return {}
        from retention.claims import plan_for

        self._reckoning.policy  # noqa: B018 - raises: without the rules in force nothing may pass for done
        said = self._books.index.said([one.id for one in subscriptions])
        moment, contacts = self._moment(verdict), self._reckoning.contacts
        plans = {}
        for one in subscriptions:
            try:
                timeline = self._reckoning.timeline(one)
            except LastcopyError as error:  # one that cannot be read must not silence the others
                self._unread[one.id] = error
                continue
            self._timelines[one.id] = (one, timeline)
            plans[one.id] = plan_for(moment, contacts, one, timeline, said[one.id])
        return plans

    def _moment(self, verdict: Verdict) -> Moment:
        return Moment(
            tenant=self.tenant,
            now=verdict.now,
            every=self._config.settings.retention.sweep_every,
            quiet=self._reckoning.quiet,
            ahead=verdict.ahead,
            in_doubt=verdict.in_doubt,
            is_held=self._is_held,
            is_proven=self._is_proven,
            is_too_late=lambda kind, at: self._is_too_late(kind, at, verdict.now),
        )

    @property
    def tenant(self) -> str:
        """The tenant's name in keys and messages: as configured, so that a dark tenant keeps it."""
        tenant = self._config.settings.tenant
        return tenant.id if tenant is not None else "tenant"

    def _aside(self, verdict: Verdict, busy: Collection[str]) -> Plan:
        """What has to be said that is about no subscription."""
        index, contacts, computed = self._books.index, self._reckoning.contacts, self._reckoning.computed_with
        rows, looked = index.fact("rows"), index.fact("local.aside")
        is_known = looked is not None and looked[1:] == [rows, computed] and not verdict.in_doubt
        if not contacts or (is_known and verdict.now < datetime.fromisoformat(looked[0])):
            return Plan()
        from retention.disposal.notices import marks_of_bags
        from retention.side_messages import Surroundings, next_look, plan_side

        known, moment = index.aside(), self._moment(verdict)
        around = Surroundings(
            marks=cache(lambda: [*self._reckoning.marks(known.things), *marks_of_bags(*known.copies)]),
            rows=known.rows,
            zone=self._reckoning.zone,
            since=known.since,
            heard=known.heard,
            busy=busy,
            wants_tests=not known.is_rehearsed,
        )
        plan = plan_side(moment, contacts, around, known.said)
        if not plan.rows and not busy and not verdict.in_doubt:
            until = next_look(moment, contacts, around, known.said, has_things=bool(known.things or known.copies[0]))
            self._looked = [timestamp(until), rows, computed] if until is not None else None
        return plan

    def _judged(self, verdict: Verdict, plans: Sequence[Plan]) -> SweepResult:
        result = SweepResult(verdict.now, notes=[*verdict.notes, *self._notes])
        for plan in plans:
            result.due += plan.due
            result.suppressed += plan.suppressed
        result.failed += [_unjudged(name, error) for name, error in self._unread.items()]
        if not self._reckoning.contacts:
            result.notes.append("nobody is warned: `notify` is empty in the configuration")
        return result

    def _is_held(self, made: Delivery) -> bool:
        """Whether a claim without a result still belongs to its sweep."""
        if made.writer.get("id") == self._books.writer["id"]:
            return False
        if is_known_dead(made.writer, self._me):
            return False
        written = self._books.written_at(made.segment)
        return written is not None and self._store_now - written < HELD_FOR

    @cached_property
    def _store_now(self) -> datetime:
        return self._books.store_now()

    # -- what is copied -----------------------------------------------------------------------------------------------

    def _is_proven(self, subscription: Subscription) -> bool:
        if not subscription.sources or not self._bags:
            return False
        places = self._places([subscription.id])[subscription.id]
        return all(self._bags.get(place, (False, False))[1] for place in places)

    @cached_property
    def _plan(self) -> JsonObject | None:
        row: JsonObject | None = self._books.index.fact("planned")
        return row

    def _is_too_late(self, kind: str, at: datetime, now: datetime) -> bool:
        """Whether the newest `lastcopy plan` says that what is left does not fit before a boundary any more."""
        if self._plan is None:
            return False
        from retention.planning.recorded import fits

        return fits(self._plan, Deadline(kind, at), now) is False

    def _needed(self, now: datetime) -> timedelta | None:
        """How long the copy takes by the newest plan, None if there is none, or it is too old."""
        if self._plan is None:
            return None
        from retention.planning.recorded import MAX_AGE, needed_of

        is_old = now - datetime.fromisoformat(str(self._plan["at"])) > MAX_AGE
        return None if is_old else needed_of(self._plan)

    @cached_property
    def _bags(self) -> dict[str, tuple[bool, bool]]:
        return self._books.index.bags()

    def all_missing(self, names: Sequence[str]) -> dict[str, list[str] | None]:
        """The sources of subscriptions that are not copied, or in which something is open; None if none are known."""
        return {
            name: [place for place in places if not self._bags.get(place, (False, False))[0]] if places else None
            for name, places in self._places(names).items()
        }

    def _places(self, names: Sequence[str]) -> dict[str, list[str]]:
        sources = self._books.index.sources(names)
        return {name: [f"{kind}/{of}" if kind else of for kind, of in sources[name]] for name in names}

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send(self, claims: Sequence[JsonObject], result: SweepResult, verdict: Verdict) -> None:
        from retention.delivering import deliver

        shown: dict[str, list[JsonObject]] = {}
        held = {entry["key"] for entry in result.suppressed}
        for entry in result.due:
            if entry["key"] not in held:
                shown.setdefault(entry["key"], []).append(entry)
        compose, waiting = self._composer(verdict), list(claims)
        failure: RunError | None = None
        while waiting:
            left: list[JsonObject] = []
            for some in deliver(waiting, self._channel, compose, self._clock, self._clock.monotonic()):
                left += [one.row for one in some if one.left]
                ended = [one for one in some if not one.left]
                failure = self._record([one.as_row() for one in ended], failure)
                for one in ended:
                    rows = [entry for key in one.row["keys"] for entry in shown.get(key["key"], [])]
                    if one.error is None:
                        result.sent += rows
                    else:
                        result.failed += [{**entry, "reason": str(one.error)} for entry in rows]
            if failure is not None:
                raise failure
            waiting = self._claim_again(left)

    def _record(self, rows: Sequence[JsonObject], failure: RunError | None) -> RunError | None:
        """Write results down: into the journal alone once the index has failed, so that none is lost; return that failure."""
        if not rows:
            return failure
        if failure is not None:
            self._books.give_back(rows)
            return failure
        try:
            self._books.append(rows)
        except RunError as error:
            return error
        return None

    def _claim_again(self, left: Sequence[JsonObject]) -> list[JsonObject]:
        """Claims that got too old before they were sent are made anew, if they are still ours."""
        rows = [{**row, "again": True} for row in left]
        while rows and not self._books.try_append(rows):
            said = self._books.index.said(sorted({str(row["subscription"]) for row in rows}))
            mine = {
                made.id
                for one in said.values()
                for made in one.deliveries
                if made.status == "claimed" and made.writer.get("id") == self._books.writer["id"]
            }
            rows = [row for row in rows if row["delivery"] in mine]
        return rows

    def _composer(self, verdict: Verdict) -> Callable[[Mapping[str, Any]], Any]:
        from retention.side_texts import Around, compose_side
        from retention.texts import About, compose

        observed = self._books.index.fact("observed") or {}
        notes = [*verdict.notes]
        if observed.get("reached") is False:
            since = observed.get("since") or observed.get("at")
            notes.append(
                f"the tenant has not been reachable since {since}: dates are reckoned from what was known, by this"
                " machine's clock"
            )
        rehearsal = bool(self._books.index.fact("rehearsal"))
        reported = self._books.index.fact("reported")
        missing = self.all_missing(list(self._timelines))
        needed = self._needed(verdict.now)

        def composed(row: Mapping[str, Any]) -> Any:
            if not row["subscription"]:
                policy = self._reckoning.policy
                words = policy.policy_id, policy.sha256
                tenant, zone, config = self.tenant, self._reckoning.zone, self._config.file.name
                return compose_side(
                    row, Around(verdict.now, tenant, zone, config, words, notes, is_rehearsal=rehearsal)
                )
            subscription, timeline = self._timelines[str(row["subscription"])]
            about = About(
                now=verdict.now,
                tenant=self.tenant,
                name=subscription.name,
                timeline=timeline,
                zone=self._reckoning.zone,
                config=self._config.file.name,
                missing=missing[subscription.id],
                notes=notes,
                is_rehearsal=rehearsal,
                needed=needed,
                too_late=[
                    name
                    for name, at in timeline.instants().items()
                    if at > verdict.now and self._is_too_late(name, at, verdict.now)
                ],
                evidence=(reported["package"], reported["evidence"]) if reported else None,
            )
            return compose(row, about)

        return composed

    def _channel(self, name: str) -> Any:
        from retention.notify import channel_for
        from retention.references import read_secret

        entry = next(one for one in self._config.settings.notify if one.name == name)
        return channel_for(name, read_secret(entry.to, self._config.base, f"notify.{name}.to"))

    def _settle(self, plans: Mapping[str, Plan], verdict: Verdict) -> None:
        """Write down when each has to be looked at next; while the clock is in doubt that is at once."""
        if verdict.in_doubt:
            return
        rows = []
        for name, plan in plans.items():
            at_once = plan.next_due is not None and plan.next_due <= verdict.now
            when = _AT_ONCE if at_once else plan.next_due
            rows.append((name, when, self._reckoning.computed_from(self._timelines[name][0])))
        self._books.index.set_next_due(self._books.head, self._books.place.name, rows, self._reckoning.computed_with)


def _unjudged(name: str, error: LastcopyError) -> JsonObject:
    """A subscription whose dates cannot be told: what is due of it is not known, and not delivered."""
    nothing: JsonObject = dict.fromkeys(
        ("boundary", "threshold_days", "due_utc", "send_utc", "kind", "severity", "key")
    )
    return {**nothing, "subscription": name, "recipient": None, "possible_repeat": False, "reason": str(error)}
