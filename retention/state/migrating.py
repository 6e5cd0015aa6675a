"""Brings the index to the form that this version knows, by Alembic.

Rules of this file: Alembic is imported only where the version that is there is another one (it takes half a second); one process
migrates, the others wait for it. An index of a newer version is refused. Source: dependencies.md §2 (alembic).
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from exporters.errors import ConfigurationError

VERSION_TABLE = "index_version"
NEWEST = "0002"
_LOCK = 0x6C617374  # an advisory lock of PostgreSQL
_FOLDER = Path(__file__).parent / "migrations"


def is_current(connection: Connection) -> bool:
    """Whether the index has the form of this version. Raises: ConfigurationError if a newer version made it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    if found is not None and found > NEWEST:
        raise ConfigurationError(
            "the state database was made by a newer Lastcopy",
            code="state_newer",
            action="Use the newer Lastcopy, or name another database as `state` and run `lastcopy recover`.",
        )
    return bool(found == NEWEST)


def migrate(connection: Connection) -> None:
    """Bring the index to this version's form, inside the transaction of `connection`, which holds the database."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if is_current(connection):  # somebody was faster
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)
