"""Where processes that spend under one tenant and client id meet: spends, leases, and what the service told.

Rules of this file: one exchange is one transaction, of a few milliseconds; what a lease may hold is decided by the caller, from
rows read in that transaction. Nothing raises: what cannot be had now is None. Spends stand in quarters of a second for two
minutes, and by the minute for a day, each at its end: later than they were is the safe side. Source: design §9;
`exporters.graph.sharing`; docs/decisions/0009.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlalchemy import Connection, Table, delete, func, insert, select, update

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
                account = self._account_row(connection, report)
                self._end_leases(connection, report.at)
                self._spend(connection, report.spends, report.at)
                picture = self._picture(connection, account, report)
                self._lease(connection, report, decide(picture))
                self._clean(connection, report.at)
        except StateUnusableError:
            return None
        return picture

    def remember(self, history: History) -> bool:
        """Fill in the past, once."""
        mine = ACCOUNTS.c.account == self._account
        try:
            with self._state.transaction() as connection:
                row = connection.execute(select(ACCOUNTS).where(mine)).mappings().first()
                if row is None or row["has_history"]:
                    return True
                self._spend(connection, history.spends, row["made_at"])
                for at, units in history.unrecorded:
                    self._add(connection, MINUTES, "minute", _minute_of(at), units)
                new = {"has_history": 1, "generation": row["generation"] + 1}
                doubt = history.doubt(row["made_at"])
                if doubt is not None:
                    new |= {"doubt_units": doubt.units, "doubt_until": doubt.until}
                connection.execute(update(ACCOUNTS).where(mine).values(**new))
        except StateUnusableError:
            return False
        return True

    # -- parts of an exchange ---------------------------------------------------------------------------------------

    def _account_row(self, connection: Connection, report: Report) -> Picture:
        """What is known of the account besides units, with the report's news in it."""
        mine = ACCOUNTS.c.account == self._account
        row = connection.execute(select(ACCOUNTS).where(mine).with_for_update()).mappings().first()
        if row is None:
            connection.execute(insert(ACCOUNTS).values(account=self._account, made_at=report.at))
            row = connection.execute(select(ACCOUNTS).where(mine)).mappings().one()
        known = Left(row["left_units"], row["left_until"], row["left_at"])
        left = merged_left(known if known.until > report.at else None, report.left)
        told = max((row["told_limit_at"], row["told_limit"]), (report.told_limit_at, report.told_limit))
        doubt = Doubt(row["doubt_units"], row["doubt_until"])
        if report.doubt is not None or report.generation == row["generation"]:
            doubt = doubt._replace(units=min(doubt.units, report.doubt.units if report.doubt is not None else 0))
        pause = min(max(row["pause_until"], report.pause_until), report.at + DAY)
        new = {
            "pause_until": pause,
            "left_units": left.units if left is not None else 0,
            "left_until": left.until if left is not None else 0.0,
            "left_at": left.at if left is not None else 0.0,
            "told_limit_at": told[0],
            "told_limit": told[1],
            "doubt_units": doubt.units if doubt.until > report.at else 0,
        }
        if any(row[name] != value for name, value in new.items()):
            connection.execute(update(ACCOUNTS).where(mine).values(**new))
        return Picture(
            pause_until=pause,
            left=left,
            told_limit=told[1],
            told_limit_at=told[0],
            doubt=doubt if doubt.units and doubt.until > report.at else None,
            has_history=bool(row["has_history"]),
            made_at=row["made_at"],
            generation=row["generation"],
        )

    def _end_leases(self, connection: Connection, now: float) -> None:
        """A lease that ended counts as spent when it ended: its holder may have used it to the last unit."""
        mine = LEASES.c.account == self._account
        ended = connection.execute(
            select(LEASES.c.holder, LEASES.c.units, LEASES.c.until).where(mine, LEASES.c.until <= now)
        ).all()
        for holder, units, until in ended:
            self._spend(connection, [(until, units)], now)
            connection.execute(delete(LEASES).where(mine, LEASES.c.holder == holder))

    def _spend(self, connection: Connection, spends: Iterable[tuple[float, int]], now: float) -> None:
        for at, units in spends:
            if units > 0:
                if at > now - 2 * MINUTE:
                    self._add(connection, SPENDS, "slot", -int(-at * _SLOTS_A_SECOND // 1), units)
                self._add(connection, MINUTES, "minute", _minute_of(at), units)

    def _add(self, connection: Connection, table: Table, name: str, value: int, units: int) -> None:
        row = (table.c.account == self._account) & (table.c[name] == value)
        if not connection.execute(update(table).where(row).values(units=table.c.units + units)).rowcount:
            connection.execute(insert(table).values(account=self._account, units=units, **{name: value}))

    def _picture(self, connection: Connection, known: Picture, report: Report) -> Picture:
        now = report.at
        since = 0.0 if report.generation != known.generation else report.minutes_since
        held = connection.execute(
            select(LEASES.c.units, LEASES.c.until, LEASES.c.hungry).where(
                LEASES.c.account == self._account, LEASES.c.holder != self._holder
            )
        ).all()
        slots = connection.execute(
            select(SPENDS.c.slot, SPENDS.c.units)
            .where(SPENDS.c.account == self._account, SPENDS.c.slot > (now - MINUTE) * _SLOTS_A_SECOND)
            .order_by(SPENDS.c.slot)
        ).all()
        minutes = connection.execute(
            select(MINUTES.c.minute, MINUTES.c.units)
            .where(MINUTES.c.account == self._account, MINUTES.c.minute * 60 > max(since, now - DAY))
            .order_by(MINUTES.c.minute)
        ).all()
        return replace(
            known,
            spends=[(slot / _SLOTS_A_SECOND, units) for slot, units in slots],
            minutes=[(minute * 60.0, units) for minute, units in minutes],
            minutes_since=since,
            held=[(units, until) for units, until, _ in held],
            hungry=sum(1 for _, _, hungry in held if hungry),
        )

    def _lease(self, connection: Connection, report: Report, granted: int) -> None:
        row = (LEASES.c.account == self._account) & (LEASES.c.holder == self._holder)
        values = {"units": report.kept + granted, "until": report.at + LEASE_SECONDS, "hungry": int(report.hungry)}
        if not (values["units"] or values["hungry"]):
            connection.execute(delete(LEASES).where(row))
        elif not connection.execute(update(LEASES).where(row).values(**values)).rowcount:
            connection.execute(insert(LEASES).values(account=self._account, holder=self._holder, **values))

    def _clean(self, connection: Connection, now: float) -> None:
        """Once a minute: what counts no longer goes, and what lies in the future counts from now on."""
        if 0 <= now - self._cleaned_at < MINUTE:
            return
        self._cleaned_at = now
        for table, column, end in (
            (SPENDS, SPENDS.c.slot, _SLOTS_A_SECOND),
            (MINUTES, MINUTES.c.minute, 1 / MINUTE),
        ):
            mine = table.c.account == self._account
            kept = 2 * MINUTE if table is SPENDS else DAY + MINUTE
            connection.execute(delete(table).where(mine, column < (now - kept) * end))
            ahead = mine & (column > (now + _AHEAD_SECONDS) * end + 1)
            units = connection.execute(select(func.sum(table.c.units)).where(ahead)).scalar()
            if units:
                connection.execute(delete(table).where(ahead))
                self._add(connection, table, column.name, int(now * end) + 1, units)
        ahead = (LEASES.c.account == self._account) & (LEASES.c.until > now + LEASE_SECONDS + _AHEAD_SECONDS)
        connection.execute(update(LEASES).where(ahead).values(until=now + LEASE_SECONDS))


def _minute_of(at: float) -> int:
    """The number of the minute at whose end a spend counts."""
    return int(-(-at // 60))
