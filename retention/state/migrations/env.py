"""Run by Alembic for each migration: on the connection that it is given, in its transaction.

Rules of this file: no connection of its own; started by `retention.state.migrating` alone.
"""

from alembic import context

from retention.state.index_tables import INDEX
from retention.state.migrating import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=INDEX,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
)
context.run_migrations()
