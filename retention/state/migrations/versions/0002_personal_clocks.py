"""People with a licence, and the clocks of users, drives, files, groups and packages.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables: no row of an older journal goes into them."""
    op.create_table(
        "people",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(1000), nullable=False),
    )
    op.create_table(
        "objects",
        sa.Column("id", sa.String(1100), primary_key=True),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
