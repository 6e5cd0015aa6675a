"""The tables of the index of the journal: what is tracked, and what was said to whom.

Rules of this file: names and types, no queries. Every row follows from the journal (design §4), `next_due`, `computed_*` and the
facts `local.*` apart, which are made again. A change needs a migration beside this file.
"""

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

INDEX = MetaData()

FACTS = Table(
    "index_facts",
    INDEX,
    Column("name", String(200), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)
SUBSCRIPTIONS = Table(
    "subscriptions",
    INDEX,
    Column("id", String(200), primary_key=True),
    Column("body", Text, nullable=False),  # JSON: name, channel, term, segment, services, time_zone
    Column("observed", Text, nullable=False),  # JSON: what the service last said of it
    Column("events", Text, nullable=False),  # JSON list
    Column("known_at", String(40), nullable=False),  # when its events were last changed
    Column("sources", Integer, nullable=False),
    Column("next_due", Float),  # seconds since 1970; null: must be looked at
    Column("computed_from", String(64), nullable=False),  # SHA-256 of events and body
    Column("computed_with", String(64), nullable=False),  # SHA-256 of settings and policies
)
Index("subscriptions_due", SUBSCRIPTIONS.c.next_due)
SOURCES = Table(
    "sources",
    INDEX,
    Column("subscription", String(200), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("name", String(1000), primary_key=True),
)
OBSERVATIONS = Table(
    "observations",
    INDEX,
    Column("segment", Integer, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("subscription", String(200), primary_key=True),  # empty: of the tenant
    Column("at", String(40), nullable=False),
    Column("body", Text, nullable=False),
)
PEOPLE = Table(
    "people",
    INDEX,
    Column("id", String(100), primary_key=True),  # of users that had a licence when they were last looked at
    Column("name", String(1000), nullable=False),
)
OBJECTS = Table(
    "objects",
    INDEX,
    Column("id", String(1100), primary_key=True),  # `<type> <of whom>`
    Column("name", String(1000), nullable=False),
    Column("event", Text, nullable=False),  # JSON, as a case's object_event
    Column("number", Integer, nullable=False),  # of the row of the journal that says so
)
BAGS = Table(
    "bags",
    INDEX,
    Column("place", String(1100), primary_key=True),
    Column("copied_segment", Integer, nullable=False),  # 0: never
    Column("verified_segment", Integer, nullable=False),
    Column("is_open", Integer, nullable=False),  # something is wrong with the whole, or it did not answer
)
DELIVERIES = Table(
    "deliveries",
    INDEX,
    Column("id", String(64), primary_key=True),
    Column("subscription", String(200), nullable=False),
    Column("recipient", String(200), nullable=False),
    Column("event", String(200), nullable=False),
    Column("status", String(20), nullable=False),  # claimed, sent, failed, dropped
    Column("segment", Integer, nullable=False),
    Column("number", Integer, nullable=False),  # of the row that claimed it last, over the whole journal
    Column("at", String(40), nullable=False),
    Column("writer", Text, nullable=False),  # JSON
    Column("body", Text, nullable=False),  # JSON: the row that claimed it
    Column("is_uncertain", Integer, nullable=False),  # it failed, and may have arrived all the same
    Column("ended_at", String(40)),
    Column("error", Text),
)
Index("deliveries_subscription", DELIVERIES.c.subscription)
Index("deliveries_status", DELIVERIES.c.status)
CLAIMS = Table(
    "claims",
    INDEX,
    Column("key", String(64), primary_key=True),
    Column("delivery", String(64), nullable=False),  # empty: superseded without having been sent
    Column("subscription", String(200), nullable=False),
    Column("event", String(200), nullable=False),
    Column("boundary", String(40), nullable=False),
    Column("instant", String(40), nullable=False),
    Column("threshold", String(20), nullable=False),  # days, `moved` or `all_clear`
    Column("step", Integer, nullable=False),
    Column("recipient", String(200), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("status", String(20), nullable=False),  # claimed, sent, failed, superseded, withdrawn
    Column("is_doubtful", Integer, nullable=False),
    Column("sent_at", String(40)),
    Column("acknowledged", Text),  # JSON: by, at, reason
)
Index("claims_subscription", CLAIMS.c.subscription)
Index("claims_delivery", CLAIMS.c.delivery)
