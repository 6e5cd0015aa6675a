"""Opens databases: SQLite files (one for this machine) and PostgreSQL (several machines work on one state).

Rules of this file: SQLAlchemy stays in this package; a URL as the configuration has it, relative paths relative to its folder.
Source: design §3, §7 (`state`); dependencies.md §2.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

SQLITE = "sqlite:///"
_DRIVERS = {"postgresql://": "postgresql+psycopg://", "postgres://": "postgresql+psycopg://"}
CONNECT_SECONDS = 10


def engine_of(
    url: str, base: Path, *, busy_seconds: float, synchronous: str = "NORMAL", is_brief: bool = False
) -> Engine:
    """An engine whose transactions hold SQLite from their beginning, unless `connection.info["writing"]` is False.

    busy_seconds: longest wait for another process. synchronous: FULL where a commit has to survive a loss of power. is_brief: it
    is used for moments, so that a connection need not be asked before each use whether it is still there.
    Raises: ArgumentError, NoSuchModuleError, ModuleNotFoundError for what is no database that can be used.
    """
    file = sqlite_file(url, base)
    if file is None:
        for start, driver in _DRIVERS.items():
            if url.startswith(start):
                url = driver + url.removeprefix(start)
        options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS} if url.startswith("postgresql") else {}
        if url.startswith("postgresql+psycopg"):
            return create_engine(url, connect_args=options, pool_pre_ping=not is_brief, use_native_hstore=False)
        return create_engine(url, connect_args=options, pool_pre_ping=not is_brief)
    # not `timeout` alone: the pragma of each connection says the same, whatever the driver makes of it
    engine = create_engine(
        url if str(file) == ":memory:" else URL.create("sqlite", database=str(file)),  # a folder may be called `100%?`
        connect_args={"timeout": busy_seconds, "check_same_thread": False},
    )

    def set_pragmas(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would be a deferred one
        for pragma in (f"busy_timeout={busy_seconds * 1000:.0f}", "journal_mode=WAL", f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}").close()

    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_file(url: str, base: Path) -> Path | None:
    """The file of a SQLite URL; None if it is another database."""
    if not url.startswith(SQLITE):
        return None
    return Path(url.removeprefix(SQLITE)) if url.startswith(f"{SQLITE}/") else base / url.removeprefix(SQLITE)


def _begin(connection: Connection) -> None:
    """A writer takes the database at once: whoever reads first and writes then may find that it has changed."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writing", True) else "BEGIN")
