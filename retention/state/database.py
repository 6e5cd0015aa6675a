"""The local state: a cache that can be lost.

Rules of this file: SQLAlchemy stays in this package, and no error of it leaves; nothing stands here alone (design §2.2): users
without a drive or a mailbox are asked again, and spent units stand in the segments too. Nobody waits for it: where it cannot be
read or written within moments (another process, perhaps a stopped one, holds it), that is logged and the run goes on without it,
and comes back to it later. Source: design §4 (names of bags), §9 (budgets); dependencies.md §2 (SQLAlchemy); docs/decisions/0010.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from exporters.clock import Clock, SystemClock
from exporters.errors import ConfigurationError
from exporters.sources import SourceKind
from retention.state.engines import engine_of
from retention.state.tables import ABSENT_DRIVES, ABSENT_MAILBOXES, METADATA, VERSION

SCHEMA = 3
ASK_AGAIN_AFTER = timedelta(days=7)
BUSY_SECONDS = 1.0
"""Longest that anybody waits for another process: transactions take a few milliseconds."""
AWAY_SECONDS = (1.0, 30.0)
"""After a failure the database is left alone for so long, twice as long after each further one, up to the second figure; so that
ten thousand questions do not wait ten thousand times."""
_ABSENT = {SourceKind.ONEDRIVE: ABSENT_DRIVES, SourceKind.MAIL: ABSENT_MAILBOXES}

_log = logging.getLogger(__name__)


class StateUnusableError(Exception):
    """The database cannot be used just now. Never leaves this package."""


class State:
    """One state database. Safe from many threads and processes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._is_prepared = False
        self._away_until, self._away_seconds = -1.0, 0.0
        self._file: tuple[int, int] | None = None

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def known(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> bool:
        """See `exporters.discovery.Absences`."""
        table = _ABSENT[kind]
        try:
            with self.transaction(writing=False) as connection:
                query = select(table.c.licences, table.c.asked_at).where(table.c.user == owner)
                row = connection.execute(query).first()
        except StateUnusableError:
            return False
        if row is None or row[0] != licences:
            return False
        # what was noted under a clock that was ahead says nothing: it would be believed until that clock's date
        return timedelta(0) <= now - datetime.fromisoformat(row[1]) < ASK_AGAIN_AFTER

    def remember(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> None:
        """See `exporters.discovery.Absences`."""
        table = _ABSENT[kind]
        try:
            with self.transaction() as connection:
                connection.execute(delete(table).where(table.c.user == owner))
                connection.execute(insert(table).values(user=owner, licences=licences, asked_at=now.isoformat()))
        except StateUnusableError:
            pass  # logged; the user is asked again in the next run

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[Connection]:
        """A transaction. writing: it holds the database from its beginning; else it may read beside a writer.

        Raises: StateUnusableError (logged once) if the database fails, or failed a moment ago.
        """
        if self._clock.monotonic() < self._away_until:
            raise StateUnusableError
        try:
            self._follow_file()
            if not self._is_prepared:
                self._prepare()
            with self._engine.connect() as connection:
                connection.info["writing"] = writing
                with connection.begin():
                    yield connection
        except (SQLAlchemyError, ConfigurationError) as error:
            self._go_without(error)
            raise StateUnusableError from None
        if self._away_seconds:
            self._away_until, self._away_seconds = -1.0, 0.0
            _log.info("the state database can be used again")

    def prepare(self) -> None:
        """Make the tables; a database that another process holds is left for later.

        Raises: ConfigurationError if it was made by a newer version; SQLAlchemyError.
        """
        try:
            self._prepare()
        except OperationalError as error:
            if not _is_busy(error):
                raise
            self._go_without(error)

    def _prepare(self) -> None:
        """Make the tables; those of an older schema are made anew (they are a cache). Raises: ConfigurationError."""
        with self._lock, self._engine.connect() as connection:
            connection.info["writing"] = False
            with connection.begin():
                version = _version(connection)
            if version != SCHEMA:
                connection.info["writing"] = True
                with connection.begin():
                    if _version(connection) != SCHEMA:  # another process may have been faster
                        METADATA.drop_all(connection)
                        METADATA.create_all(connection)
                        connection.execute(insert(VERSION).values(version=SCHEMA))
            self._is_prepared, self._file = True, self._identity()

    def _go_without(self, error: Exception) -> None:
        if not self._away_seconds:
            told = str(getattr(error, "orig", None) or error).splitlines()[0]
            _log.warning("the state database cannot be used just now (%s): going on without it", told)
        shortest, longest = AWAY_SECONDS
        self._away_seconds = min(max(shortest, 2 * self._away_seconds), longest)
        self._away_until = self._clock.monotonic() + self._away_seconds

    def _follow_file(self) -> None:
        """Somebody may have deleted the file: then others use a new one, and so must we."""
        if self._is_prepared and self._file is not None and self._identity() != self._file:
            with self._lock:
                self._engine.dispose()
                self._is_prepared = False

    def _identity(self) -> tuple[int, int] | None:
        path = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        try:
            facts = Path(path).stat() if path and path != ":memory:" else None
        except OSError:
            return (0, 0)
        return (facts.st_dev, facts.st_ino) if facts else None


def open_state(url: str, base: Path, clock: Clock | None = None) -> State:
    """Open (and make) the state database. Raises: ConfigurationError."""
    engine = None
    try:
        engine = engine_of(url, base, busy_seconds=BUSY_SECONDS)
        state = State(engine, clock or SystemClock())
        state.prepare()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise ConfigurationError(
            "state: this is no database that Lastcopy can use",
            code="state_unusable",
            action="Write sqlite:///FILE, as in sqlite:///lastcopy.db, or postgresql://HOST/NAME (needs lastcopy[postgresql]).",
        ) from None
    except SQLAlchemyError as error:
        if engine is not None:
            engine.dispose()
        raise ConfigurationError(
            f"the state database cannot be opened ({str(getattr(error, 'orig', error)).splitlines()[0]})",
            code="state_unusable",
            action="Correct `state` in the configuration, or make its folder writable; the file itself may be deleted.",
        ) from None
    except ConfigurationError:
        if engine is not None:
            engine.dispose()
        raise
    return state


def _version(connection: Connection) -> int | None:
    """The schema that is there, None if there is none. Raises: ConfigurationError for a newer one."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    version: int | None = connection.execute(select(func.max(VERSION.c.version))).scalar()
    if version is not None and version > SCHEMA:
        raise ConfigurationError(
            "the state database was made by a newer Lastcopy",
            code="state_newer",
            action="Use the newer Lastcopy, or name another file as `state`: nothing but a cache is lost.",
        )
    return version


def _is_busy(error: DBAPIError) -> bool:
    """Whether another process holds the database."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
