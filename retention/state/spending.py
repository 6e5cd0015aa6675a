"""Where processes that spend under one tenant and client id meet: spends, leases, and what the service told.

Rules of this file: one exchange is one transaction, of a few milliseconds; what a lease may hold is decided by the caller, from
rows read in that transaction. Nothing raises: what cannot be had now is None. Spends stand in quarters of a second for two
minutes, and by the minute for a day, each at its end: later than they were is the safe side. Statements are built once, since
building them costs more than running them. Source: design §9; `exporters.graph.sharing`; docs/decisions/0009.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlalchemy import (
    BindParameter,
    Connection,
    Delete,
    Insert,
    RowMapping,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from exporters.graph.sharing import (
    DAY,
    LEASE_SECONDS,
    MINUTE,
    Doubt,
    History,
    Left,
    Picture,
    Report,
    merged_left,
)
from retention.state.database import State, StateUnusableError
from retention.state.tables import ACCOUNTS, LEASES, MINUTES, SPENDS

_SLOTS_A_SECOND = 4
_AHEAD_SECONDS = 5.0  # a spend that lies further in the future was noted before the calendar was set back

_mine: BindParameter[str] = bindparam("mine")
_holder: BindParameter[str] = bindparam("me")
_NEWS = (
    "pause_until", "left_units", "left_until", "left_at", "told_limit", "told_limit_at", "doubt_units"
)  # fmt: skip
_ACCOUNT = select(ACCOUNTS).where(ACCOUNTS.c.account == _mine).with_for_update()
_NEW_ACCOUNT = insert(ACCOUNTS)
_TELL = update(ACCOUNTS).where(ACCOUNTS.c.account == _mine).values({name: bindparam(name) for name in _NEWS})
_FILLED_IN = (
    update(ACCOUNTS)
    .where(ACCOUNTS.c.account == _mine)
    .values({name: bindparam(name) for name in ("has_history", "generation", "doubt_units", "doubt_until")})
)
_ALL_LEASES = select(LEASES.c.holder, LEASES.c.units, LEASES.c.until, LEASES.c.hungry).where(LEASES.c.account == _mine)
_LEASE = (LEASES.c.account == _mine) & (LEASES.c.holder == _holder)
_END_LEASE = delete(LEASES).where(_LEASE)
_KEEP_LEASE = update(LEASES).where(_LEASE).values({n: bindparam(n) for n in ("units", "until", "hungry")})
_NEW_LEASE = insert(LEASES)
_PULL_LEASES_BACK = (
    update(LEASES).where(LEASES.c.account == _mine, LEASES.c.until > bindparam("far")).values(until=bindparam("until"))
)


class _Spans:
    """The statements for one table of units by spans of time. end: spans a second."""

    def __init__(self, table: Table, column: str, end: float, kept: float) -> None:
        at, units = table.c[column], table.c.units
        mine = table.c.account == _mine
        ahead = mine & (at > bindparam("far"))
        self.table, self.column, self.end, self.kept = table, column, end, kept
        self.add: Update = update(table).where(mine, at == bindparam("span")).values(units=units + bindparam("more"))
        self.new: Insert = insert(table)
        self.since = select(at, units).where(mine, at > bindparam("since")).order_by(at)
        self.forget: Delete = delete(table).where(mine, at < bindparam("past"))
        self.ahead, self.forget_ahead = select(func.sum(units)).where(ahead), delete(table).where(ahead)


_SPENDS = _Spans(SPENDS, "slot", _SLOTS_A_SECOND, 2 * MINUTE)
_MINUTES = _Spans(MINUTES, "minute", 1 / MINUTE, DAY + MINUTE)


class SharedBudget:
    """One process's seat among those that share an account. See `exporters.graph.sharing.BudgetStore`."""

    def __init__(self, state: State, account: str) -> None:
        self._state, self._account = state, account
        self._holder = secrets.token_hex(8)
        self._cleaned_at = 0.0

    def exchange(self, report: Report, decide: Callable[[Picture], int]) -> Picture | None:
        """Report, look, lease."""
        try:
            with self._state.transaction() as connection:
                known = self._tell(connection, report)
                others = self._others(connection, report.at)
                self._spend(connection, report.spends, report.at)
                picture = self._picture(connection, known, others, report)
                self._lease(connection, report, decide(picture))
                self._clean(connection, report.at)
        except StateUnusableError:
            return None
        return picture

    def remember(self, history: History) -> bool:
        """Fill in the past, once."""
        try:
            with self._state.transaction() as connection:
                row = connection.execute(_ACCOUNT, {"mine": self._account}).mappings().first()
                if row is None or row["has_history"]:
                    return True
                self._spend(connection, history.spends, row["made_at"])
                for at, units in history.unrecorded:
                    self._add(connection, _MINUTES, at, units)
                doubt = history.doubt(row["made_at"]) or Doubt(0, 0.0)
                new = {"has_history": 1, "generation": row["generation"] + 1}
                new |= {"doubt_units": doubt.units, "doubt_until": doubt.until}
                connection.execute(_FILLED_IN, {"mine": self._account, **new})
        except StateUnusableError:
            return False
        return True

    # -- parts of an exchange ---------------------------------------------------------------------------------------

    def _tell(self, connection: Connection, report: Report) -> Picture:
        """What is known of the account besides units, with the report's news in it."""
        row = self._account_row(connection, report.at)
        ahead = report.at + _AHEAD_SECONDS  # what was told later than that would hold until the clock has caught up
        before = Left(row["left_units"], row["left_until"], row["left_at"])
        is_known = before.until > report.at and before.at <= ahead
        left = merged_left(before if is_known else None, report.left) or Left(0, 0.0, 0.0)
        known = (row["told_limit_at"], row["told_limit"]) if row["told_limit_at"] <= ahead else (0.0, 0)
        told_at, told = max(known, (report.told_limit_at, report.told_limit))
        in_doubt = report.at < row["doubt_until"] <= ahead + MINUTE
        doubt = Doubt(row["doubt_units"] if in_doubt else 0, row["doubt_until"])
        if report.doubt is not None or report.generation == row["generation"]:
            doubt = doubt._replace(units=min(doubt.units, report.doubt.units if report.doubt is not None else 0))
        pause = min(max(row["pause_until"], report.pause_until), report.at + DAY)
        news = (pause, *left, told, told_at, doubt.units)
        if news != tuple(row[name] for name in _NEWS):
            connection.execute(_TELL, {"mine": self._account, **dict(zip(_NEWS, news, strict=True))})
        return Picture(
            pause_until=pause,
            left=left if left.until > 0 else None,
            told_limit=told,
            told_limit_at=told_at,
            doubt=doubt if doubt.units else None,
            has_history=bool(row["has_history"]),
            made_at=row["made_at"],
            generation=row["generation"],
        )

    def _account_row(self, connection: Connection, now: float) -> RowMapping:
        row = connection.execute(_ACCOUNT, {"mine": self._account}).mappings().first()
        if row is not None:
            return row
        connection.execute(_NEW_ACCOUNT, {"account": self._account, "made_at": now})
        return connection.execute(_ACCOUNT, {"mine": self._account}).mappings().one()

    def _others(self, connection: Connection, now: float) -> list[tuple[int, float, int]]:
        """(units, until, hungry) of each other lease.

        One that ended counts as spent when it ended: its holder may have used it to the last unit.
        """
        others = []
        for holder, units, until, hungry in connection.execute(_ALL_LEASES, {"mine": self._account}).all():
            if until <= now:
                self._spend(connection, [(until, units)], now)
                connection.execute(_END_LEASE, {"mine": self._account, "me": holder})
            elif holder != self._holder:
                others.append((units, until, hungry))
        return others

    def _spend(self, connection: Connection, spends: Iterable[tuple[float, int]], now: float) -> None:
        for at, units in spends:
            if units > 0:
                if at > now - 2 * MINUTE:
                    self._add(connection, _SPENDS, at, units)
                self._add(connection, _MINUTES, at, units)

    def _add(self, connection: Connection, spans: _Spans, at: float, units: int) -> None:
        """To the span of time that holds `at`, named by its end."""
        span = -int(-at * spans.end // 1)
        if not connection.execute(spans.add, {"mine": self._account, "span": span, "more": units}).rowcount:
            connection.execute(spans.new, {"account": self._account, spans.column: span, "units": units})

    def _picture(
        self, connection: Connection, known: Picture, others: list[tuple[int, float, int]], report: Report
    ) -> Picture:
        now = report.at
        since = 0.0 if report.generation != known.generation else report.minutes_since
        mine = {"mine": self._account}
        slots = connection.execute(_SPENDS.since, {**mine, "since": (now - MINUTE) * _SPENDS.end}).all()
        minutes = connection.execute(_MINUTES.since, {**mine, "since": max(since, now - DAY) * _MINUTES.end}).all()
        return replace(
            known,
            spends=[(slot / _SLOTS_A_SECOND, units) for slot, units in slots],
            minutes=[(minute * MINUTE, units) for minute, units in minutes],
            minutes_since=since,
            held=[(units, until) for units, until, _ in others],
            hungry=sum(1 for _, _, hungry in others if hungry),
        )

    def _lease(self, connection: Connection, report: Report, granted: int) -> None:
        mine = {"mine": self._account, "me": self._holder}
        values = {"units": report.kept + granted, "until": report.at + LEASE_SECONDS, "hungry": int(report.hungry)}
        if not (values["units"] or values["hungry"]):
            connection.execute(_END_LEASE, mine)
        elif not connection.execute(_KEEP_LEASE, {**mine, **values}).rowcount:
            connection.execute(_NEW_LEASE, {"account": self._account, "holder": self._holder, **values})

    def _clean(self, connection: Connection, now: float) -> None:
        """Once a minute: what counts no longer goes, and what lies in the future counts from now on."""
        if 0 <= now - self._cleaned_at < MINUTE:
            return
        self._cleaned_at = now
        mine = {"mine": self._account}
        for spans in (_SPENDS, _MINUTES):
            connection.execute(spans.forget, {**mine, "past": (now - spans.kept) * spans.end})
            far = {**mine, "far": (now + _AHEAD_SECONDS) * spans.end + 1}
            units = connection.execute(spans.ahead, far).scalar()
            if units:
                connection.execute(spans.forget_ahead, far)
                self._add(connection, spans, now, units)
        until = now + LEASE_SECONDS
        connection.execute(_PULL_LEASES_BACK, {**mine, "far": until + _AHEAD_SECONDS, "until": until})
