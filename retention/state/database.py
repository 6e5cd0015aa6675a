"""The local state: a cache that can be lost.

Rules of this file: the only importer of SQLAlchemy, and no error of it leaves; nothing stands here alone (design §2.2): users
without a drive are asked again, and spent units stand in the segments too. Where it cannot be read or written in mid-run, that is
logged and the run goes on without it. Source: design §4 (names of bags), §9 (budgets); dependencies.md §2 (SQLAlchemy).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
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
    inspect,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from exporters.errors import ConfigurationError
from exporters.graph.budget import EMPTY_STATE, BudgetState

SCHEMA = 1
ASK_AGAIN_AFTER = timedelta(days=7)
DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)
_metadata = MetaData()
_schema = Table("lastcopy_schema", _metadata, Column("version", Integer, primary_key=True))
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
        with _transaction(self._engine) as connection:
            query = select(_absent.c.licences, _absent.c.asked_at).where(_absent.c.user == user_id)
            row = connection.execute(query).first()
            return row is not None and row[0] == licences and now - datetime.fromisoformat(row[1]) < ASK_AGAIN_AFTER
        return False  # type: ignore[unreachable] # the transaction may have been given up

    def remember(self, user_id: str, licences: str, now: datetime) -> None:
        """See `exporters.discovery.AbsentDrives`."""
        with _transaction(self._engine) as connection:
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
        with _transaction(self._engine) as connection:
            query = select(_spends.c.minute, _spends.c.units).where(
                _spends.c.account == self._account, _spends.c.minute >= since
            )
            # A minute's units count from its end on: later than they were spent is the safe side.
            latest = self._now()
            spends: list[Any] = [
                (min(minute * 60.0 + 60.0, latest), units) for minute, units in connection.execute(query)
            ]
            until = connection.execute(select(_pauses.c.until).where(_pauses.c.account == self._account)).scalar()
            return BudgetState.from_json({"spends": spends, "pause_until": until or 0.0})
        return EMPTY_STATE  # type: ignore[unreachable] # the transaction may have been given up

    def spend(self, units: int, at: float) -> None:
        """Note units spent."""
        minute = int(at // 60)
        mine = (_spends.c.account == self._account) & (_spends.c.minute == minute)
        with _transaction(self._engine) as connection:
            changed = connection.execute(update(_spends).where(mine).values(units=_spends.c.units + units))
            if changed.rowcount == 0:
                connection.execute(insert(_spends).values(account=self._account, minute=minute, units=units))
                connection.execute(delete(_spends).where(_spends.c.minute < minute - DAY_SECONDS / 60))

    def pause(self, until: float) -> None:
        """Note an announced pause; an earlier one than is known changes nothing."""
        with _transaction(self._engine) as connection:
            query = select(func.max(_pauses.c.until)).where(_pauses.c.account == self._account)
            known = connection.execute(query).scalar()
            if known is None or until > known:
                connection.execute(delete(_pauses).where(_pauses.c.account == self._account))
                connection.execute(insert(_pauses).values(account=self._account, until=until))


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that is given up, with a warning, if the database fails: the cache is not worth a run."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        _log.warning("the state database cannot be used just now: %s", str(error).splitlines()[0])


def open_state(url: str, base: Path) -> State:
    """Open (and make) the state database. Raises: ConfigurationError."""
    prefix = "sqlite:///"
    is_sqlite = url.startswith(prefix)
    if is_sqlite and not url.startswith("sqlite:////"):
        url = f"{prefix}{base / url.removeprefix(prefix)}"
    engine = None
    try:
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False} if is_sqlite else {})
        if is_sqlite:
            event.listen(engine, "connect", _set_pragmas)
            event.listen(engine, "begin", _begin_immediate)
        _prepare(engine)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise ConfigurationError(
            "state: this is no database that Lastcopy can use",
            code="state_unusable",
            action="Write sqlite:///FILE, as in sqlite:///lastcopy.db.",
        ) from None
    except SQLAlchemyError as error:
        if engine is not None:
            engine.dispose()
        raise ConfigurationError(
            f"the state database cannot be opened ({str(getattr(error, 'orig', error)).splitlines()[0]})",
            code="state_unusable",
            action="Correct `state` in the configuration, or make its folder writable; the file itself may be deleted.",
        ) from None
    return State(engine)


def _prepare(engine: Engine) -> None:
    """Make the tables; those of an older schema are made anew (they are a cache). Raises: ConfigurationError."""
    with engine.begin() as connection:
        there = inspect(connection).has_table(_schema.name)
        version = connection.execute(select(func.max(_schema.c.version))).scalar() if there else None
        if version is not None and version > SCHEMA:
            raise ConfigurationError(
                "the state database was made by a newer Lastcopy",
                code="state_newer",
                action="Use the newer Lastcopy, or name another file as `state`: nothing but a cache is lost.",
            )
        if version != SCHEMA:
            _metadata.drop_all(connection)
            _metadata.create_all(connection)
            connection.execute(insert(_schema).values(version=SCHEMA))


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would be a deferred one
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
