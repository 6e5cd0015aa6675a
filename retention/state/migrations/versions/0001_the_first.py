"""The first form of the index.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables as they were first."""
    op.create_table(
        "index_facts",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("observed", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("known_at", sa.String(40), nullable=False),
        sa.Column("sources", sa.Integer, nullable=False),
        sa.Column("next_due", sa.Float),
        sa.Column("computed_from", sa.String(64), nullable=False),
        sa.Column("computed_with", sa.String(64), nullable=False),
    )
    op.create_index("subscriptions_due", "subscriptions", ["next_due"])
    op.create_table(
        "sources",
        sa.Column("subscription", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(1000), primary_key=True),
    )
    op.create_table(
        "observations",
        sa.Column("segment", sa.Integer, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("subscription", sa.String(200), primary_key=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "bags",
        sa.Column("place", sa.String(1100), primary_key=True),
        sa.Column("copied_segment", sa.Integer, nullable=False),
        sa.Column("verified_segment", sa.Integer, nullable=False),
        sa.Column("is_open", sa.Integer, nullable=False),
    )
    _what_was_said()


def _what_was_said() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("subscription", sa.String(200), nullable=False),
        sa.Column("recipient", sa.String(200), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("segment", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("writer", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("is_uncertain", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.String(40)),
        sa.Column("error", sa.Text),
    )
    op.create_index("deliveries_subscription", "deliveries", ["subscription"])
    op.create_index("deliveries_status", "deliveries", ["status"])
    op.create_table(
        "claims",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("delivery", sa.String(64), nullable=False),
        sa.Column("subscription", sa.String(200), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("boundary", sa.String(40), nullable=False),
        sa.Column("instant", sa.String(40), nullable=False),
        sa.Column("threshold", sa.String(20), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("recipient", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("is_doubtful", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.String(40)),
        sa.Column("acknowledged", sa.Text),
    )
    op.create_index("claims_subscription", "claims", ["subscription"])
    op.create_index("claims_delivery", "claims", ["delivery"])


def downgrade() -> None:
    """Take them away: `lastcopy recover` makes them again from the journal."""
    for table in ("claims", "deliveries", "bags", "observations", "sources", "subscriptions", "index_facts"):
        op.drop_table(table)
