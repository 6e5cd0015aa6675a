"""The tables of the state database.

Rules of this file: names and types, no queries. A change needs a new `database.SCHEMA`: what is there is then made anew.
"""

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

METADATA = MetaData()
VERSION = Table("lastcopy_schema", METADATA, Column("version", Integer, primary_key=True))
ABSENT_DRIVES = Table(
    "absent_drives",
    METADATA,
    Column("user", String, primary_key=True),
    Column("licences", String, nullable=False),
    Column("asked_at", String, nullable=False),
)
ABSENT_MAILBOXES = Table(
    "absent_mailboxes",
    METADATA,
    Column("user", String, primary_key=True),  # or group
    Column("licences", String, nullable=False),
    Column("asked_at", String, nullable=False),
)
ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account", String, primary_key=True),
    Column("made_at", Float, nullable=False),
    Column("has_history", Integer, nullable=False, default=0),
    Column("generation", Integer, nullable=False, default=0),
    Column("pause_until", Float, nullable=False, default=0.0),
    Column("left_units", Integer, nullable=False, default=0),
    Column("left_until", Float, nullable=False, default=0.0),
    Column("left_at", Float, nullable=False, default=0.0),
    Column("told_limit", Integer, nullable=False, default=0),
    Column("told_limit_at", Float, nullable=False, default=0.0),
    Column("doubt_units", Integer, nullable=False, default=0),
    Column("doubt_until", Float, nullable=False, default=0.0),
)
LEASES = Table(
    "leases",
    METADATA,
    Column("account", String, primary_key=True),
    Column("holder", String, primary_key=True),
    Column("units", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Column("hungry", Integer, nullable=False),
)
SPENDS = Table(
    "spends",
    METADATA,
    Column("account", String, primary_key=True),
    Column("slot", Integer, primary_key=True),  # end of a quarter of a second
    Column("units", Integer, nullable=False),
)
MINUTES = Table(
    "spent_minutes",
    METADATA,
    Column("account", String, primary_key=True),
    Column("minute", Integer, primary_key=True),  # end of a minute
    Column("units", Integer, nullable=False),
)
