"""The local state: a cache that can be lost.

Rules of this file: the only importer of SQLAlchemy; nothing stands here alone (design §2.2): users without a drive are asked again,
and spent units stand in the segments too. Source: design §4 (names of bags), §9 (budgets).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from exporters.errors import ConfigurationError
from exporters.graph.budget import BudgetState

ASK_AGAIN_AFTER = timedelta(days=7)
DAY_SECONDS = 86_400.0

_metadata = MetaData()
_absent = Table(
    "absent_drives",
    _metadata,
    Column("user", String, primary_key=True),
    Column("licences", String, nullable=False),
    Column("asked_at", String, nullable=False),
)
_spends = Table(
    "spends",
    _metadata,
    Column("account", String, primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("units", Integer, nullable=False),
)
_pauses = Table(
    "pauses", _metadata, Column("account", String, primary_key=True), Column("until", Float, nullable=False)
)


class State:
    """One state database. Safe from many threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def known(self, user_id: str, licences: str, now: datetime) -> bool:
        """See `exporters.discovery.AbsentDrives`."""
        with self._engine.connect() as connection:
            query = select(_absent.c.licences, _absent.c.asked_at).where(_absent.c.user == user_id)
            row = connection.execute(query).first()
        return row is not None and row[0] == licences and now - datetime.fromisoformat(row[1]) < ASK_AGAIN_AFTER

    def remember(self, user_id: str, licences: str, now: datetime) -> None:
        """See `exporters.discovery.AbsentDrives`."""
        with self._engine.begin() as connection:
            connection.execute(delete(_absent).where(_absent.c.user == user_id))
            connection.execute(insert(_absent).values(user=user_id, licences=licences, asked_at=now.isoformat()))

    def budget(self, account: str, now: Callable[[], float]) -> "SharedBudget":
        """The spends under one tenant and client id. now: seconds since 1970."""
        return SharedBudget(self._engine, account, now)


class SharedBudget:
    """Spends of SharePoint units by the minute, kept for a day. See `exporters.graph.budget.BudgetStore`."""

    def __init__(self, engine: Engine, account: str, now: Callable[[], float]) -> None:
        self._engine, self._account, self._now = engine, account, now

    def load(self) -> BudgetState:
        """All spends of the last 24 hours."""
        since = int((self._now() - DAY_SECONDS) // 60)
        with self._engine.connect() as connection:
            query = select(_spends.c.minute, _spends.c.units).where(
                _spends.c.account == self._account, _spends.c.minute >= since
            )
            spends: list[Any] = [(float(minute) * 60, units) for minute, units in connection.execute(query)]
            until = connection.execute(select(_pauses.c.until).where(_pauses.c.account == self._account)).scalar()
        return BudgetState.from_json({"spends": spends, "pause_until": until})

    def spend(self, units: int, at: float) -> None:
        """Note units spent."""
        minute = int(at // 60)
        mine = (_spends.c.account == self._account) & (_spends.c.minute == minute)
        with self._engine.begin() as connection:
            changed = connection.execute(update(_spends).where(mine).values(units=_spends.c.units + units))
            if changed.rowcount == 0:
                connection.execute(insert(_spends).values(account=self._account, minute=minute, units=units))
                connection.execute(delete(_spends).where(_spends.c.minute < minute - DAY_SECONDS / 60))

    def pause(self, until: float) -> None:
        """Note an announced pause; an earlier one than is known changes nothing."""
        with self._engine.begin() as connection:
            query = select(func.max(_pauses.c.until)).where(_pauses.c.account == self._account)
            known = connection.execute(query).scalar()
            if known is None or until > known:
                connection.execute(delete(_pauses).where(_pauses.c.account == self._account))
                connection.execute(insert(_pauses).values(account=self._account, until=until))


def open_state(url: str, base: Path) -> State:
    """Open (and make) the state database. Raises: ConfigurationError."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith("sqlite:////"):
        url = f"{prefix}{base / url.removeprefix(prefix)}"
    try:
        engine = create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite") else {})
        if url.startswith("sqlite"):
            event.listen(engine, "connect", _set_pragmas)
        _metadata.create_all(engine)
    except SQLAlchemyError as error:
        raise ConfigurationError(
            f"the state database cannot be opened: {str(error).splitlines()[0]}",
            code="state_unusable",
            action="Correct `state` in the configuration, or make its folder writable; the file itself may be deleted.",
        ) from error
    return State(engine)


def _set_pragmas(connection: Any, _: object) -> None:
    for pragma in ("journal_mode=WAL", "busy_timeout=30000", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()
