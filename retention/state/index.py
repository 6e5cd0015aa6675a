"""The index of the journal: subscriptions, what was observed of them, and what was said to whom.

Rules of this file: all of it follows from the journal and is made again from it (`lastcopy recover`, or by itself where it is
missing); segments are applied in order, each together with the head, so that a crash or a second process leaves it behind, never
wrong. SQLAlchemy stays in this package. Source: design §4 (the journal); dependencies.md §2; docs/decisions/0070.

    with closing(open_index(url, base)) as index:
        index.apply(place, journal.head, journal.news())
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from exporters.bag.formats import JsonObject
from exporters.errors import ConfigurationError, RunError
from exporters.store.segments import Position, Segment
from retention.journal import Head
from retention.state.engines import engine_of
from retention.state.folding import CHUNK, Folding, chunks, fact, put_fact
from retention.state.index_tables import (
    BAGS,
    CLAIMS,
    DELIVERIES,
    FACTS,
    INDEX,
    OBJECTS,
    OBSERVATIONS,
    PEOPLE,
    SOURCES,
    SUBSCRIPTIONS,
)
from retention.state.migrating import is_current, migrate
from retention.tracked import (
    ALL_CLEAR,
    DIGEST,
    FAILED,
    MOVED,
    SENT,
    TEST,
    Aside,
    Claim,
    Delivery,
    Personal,
    Said,
    Standing,
    Subscription,
)

BUSY_SECONDS = 10.0
"""Longest wait for another process: a sweep of ten thousand subscriptions holds it for a second."""
HEAD = "head"


class Index:
    """One index. Safe from many processes; one thread uses one object."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_prepared = False

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def transaction(self, *, writing: bool) -> Iterator[Connection]:
        """A transaction. writing: it holds the database from its beginning. Raises: RunError."""
        try:
            if not self._is_prepared:
                self._prepare()
            with self._engine.connect() as connection:
                connection.info["writing"] = writing
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise _unusable(error) from None

    def is_made(self) -> bool:
        """Whether there is an index of this version's form: nothing is made. Raises: RunError, ConfigurationError."""
        try:
            with self._engine.connect() as connection:
                connection.info["writing"] = False
                with connection.begin():
                    self._is_prepared = is_current(connection)
        except SQLAlchemyError as error:
            raise _unusable(error) from None
        return self._is_prepared

    def _prepare(self) -> None:
        with self._engine.connect() as connection:
            connection.info["writing"] = False
            with connection.begin():
                current = is_current(connection)
            if not current:
                connection.info["writing"] = True
                with connection.begin():
                    migrate(connection)
        self._is_prepared = True

    # -- the journal --------------------------------------------------------------------------------------------------

    def head(self, place: str) -> Head:
        """How far the journal of a place is in the index; the start if the index is of another journal."""
        with self.transaction(writing=False) as connection:
            return _head_of(fact(connection, HEAD), place)

    def head_elsewhere(self, place: str) -> tuple[str, Head] | None:
        """Another place whose journal the index was made from, and how far; None if there is none."""
        with self.transaction(writing=False) as connection:
            value = fact(connection, HEAD)
        return None if not value or value[0] == place or not value[1] else (str(value[0]), _head_of(value, value[0]))

    def apply(self, place: str, before: Head, news: Iterable[tuple[Segment, Head]]) -> bool:
        """Take in the segments after `before`, each with the head that it leads to; False if another process was faster (then ask
        `head` again). A start at the beginning empties the index first. Raises: RunError."""
        with self.transaction(writing=True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(FACTS).where(FACTS.c.name == HEAD).with_for_update())
            if _head_of(fact(connection, HEAD), place) != before:
                return False
            if before == Head():
                self._empty(connection)
            folding, head = Folding(connection), before
            for segment, reached in news:
                folding.take(segment)
                head = reached
            folding.flush()
            put_fact(connection, HEAD, [place, head.number, head.position.sha256, head.last_line])
        return True

    def wipe(self) -> None:
        """Forget all of it: the next `apply` begins at the start of the journal."""
        with self.transaction(writing=True) as connection:
            self._empty(connection)

    def _empty(self, connection: Connection) -> None:
        for table in INDEX.sorted_tables:
            if table is not FACTS:
                connection.execute(delete(table))
        connection.execute(delete(FACTS).where(FACTS.c.name.not_like("local.%")))

    # -- reading ------------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> Any:
        """A fact, None if there is none."""
        with self.transaction(writing=False) as connection:
            return fact(connection, name)

    def note(self, name: str, value: Any) -> None:
        """A fact that does not come from the journal and may be lost. name: begins with `local.`."""
        with self.transaction(writing=True) as connection:
            put_fact(connection, name, value)

    def subscriptions(self, ids: Sequence[str] | None = None) -> list[Subscription]:
        """All, or those named, sorted by id."""
        with self.transaction(writing=False) as connection:
            if ids is None:
                rows = list(connection.execute(select(SUBSCRIPTIONS)))
            else:
                rows = _in(connection, SUBSCRIPTIONS, SUBSCRIPTIONS.c.id, ids)
        return sorted((_subscription(row) for row in rows), key=lambda found: found.id)

    def due(self, by: datetime, computed_with: str) -> list[Subscription]:
        """Those that have to be looked at by then: their time has come, or what it was computed from is not as it was."""
        when = or_(
            SUBSCRIPTIONS.c.next_due.is_(None),
            SUBSCRIPTIONS.c.next_due <= by.timestamp(),
            SUBSCRIPTIONS.c.computed_with != computed_with,
        )
        with self.transaction(writing=False) as connection:
            rows = list(connection.execute(select(SUBSCRIPTIONS).where(when).order_by(SUBSCRIPTIONS.c.id)))
        return [_subscription(row) for row in rows]

    def soonest(self) -> tuple[str, datetime] | None:
        """The subscription whose time comes first, and when; None if none has one."""
        with self.transaction(writing=False) as connection:
            found = connection.execute(
                select(SUBSCRIPTIONS.c.id, SUBSCRIPTIONS.c.next_due)
                .where(SUBSCRIPTIONS.c.next_due.is_not(None))
                .order_by(SUBSCRIPTIONS.c.next_due, SUBSCRIPTIONS.c.id)
                .limit(1)
            ).first()
        return None if found is None or found[1] > _NEVER else (found[0], datetime.fromtimestamp(found[1], UTC))

    def said(self, ids: Sequence[str]) -> dict[str, Said]:
        """What was claimed about these subscriptions."""
        claims: dict[str, list[Claim]] = {}
        deliveries: dict[str, list[Delivery]] = {}
        with self.transaction(writing=False) as connection:
            for row in _in(connection, CLAIMS, CLAIMS.c.subscription, ids):
                claims.setdefault(row.subscription, []).append(_claim(row))
            for row in _in(connection, DELIVERIES, DELIVERIES.c.subscription, ids):
                deliveries.setdefault(row.subscription, []).append(_delivery(row))
        return {
            name: Said(
                tuple(sorted(claims.get(name, []), key=lambda claim: claim.key)),
                tuple(sorted(deliveries.get(name, []), key=lambda made: made.number)),
            )
            for name in ids
        }

    def claim(self, key: str) -> tuple[str, Claim] | None:
        """The claim with this key, and its subscription."""
        with self.transaction(writing=False) as connection:
            row = connection.execute(select(CLAIMS).where(CLAIMS.c.key == key)).first()
        return None if row is None else (row.subscription, _claim(row))

    def sources(self, ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """(kind, name) of the sources of each subscription, sorted."""
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in ids}
        with self.transaction(writing=False) as connection:
            for row in _in(connection, SOURCES, SOURCES.c.subscription, ids):
                found[row.subscription].append((row.kind, row.name))
        return {name: sorted(rows) for name, rows in found.items()}

    def personal(self) -> list[Personal]:
        """What happened to users, drives, files, groups and packages."""
        with self.transaction(writing=False) as connection:
            rows = list(connection.execute(select(OBJECTS).order_by(OBJECTS.c.id)))
        return [Personal(row.id, row.name, json.loads(row.event), row.number) for row in rows]

    def licensed(self, users: Sequence[str]) -> set[str]:
        """Those of these users who had a licence when they were last looked at."""
        with self.transaction(writing=False) as connection:
            return {row.id for row in _in(connection, PEOPLE, PEOPLE.c.id, users)}

    def aside(self) -> Aside:
        """What messages that belong to no subscription follow from."""
        last = select(DELIVERIES.c.recipient, func.max(DELIVERIES.c.ended_at)).where(DELIVERIES.c.status == SENT)
        with self.transaction(writing=False) as connection:
            things = list(connection.execute(select(OBJECTS).order_by(OBJECTS.c.id)))
            claims = list(connection.execute(select(CLAIMS).where(CLAIMS.c.subscription == "").order_by(CLAIMS.c.key)))
            made = DELIVERIES.c.subscription == ""
            deliveries = list(connection.execute(select(DELIVERIES).where(made).order_by(DELIVERIES.c.number)))
            heard = connection.execute(last.group_by(DELIVERIES.c.recipient)).all()
            first, rows, rehearsed = (fact(connection, name) for name in ("first_row", "rows", "rehearsal"))
            kept, locks = fact(connection, "kept") or [], fact(connection, "locks") or {}
            bags = list(connection.execute(select(BAGS.c.place)).scalars()) if kept else []
        return Aside(
            tuple(Personal(row.id, row.name, json.loads(row.event), row.number) for row in things),
            Said(tuple(map(_claim, claims)), tuple(map(_delivery, deliveries))),
            {row[0]: datetime.fromisoformat(row[1]) for row in heard if row[1]},
            _instant(first or None),
            rows or 0,
            bool(rehearsed),
            (kept, locks, bags),
        )

    def bags(self) -> dict[str, tuple[bool, bool]]:
        """{place: (is copied, and is verified since)} of all that runs have looked at."""
        with self.transaction(writing=False) as connection:
            rows = list(connection.execute(select(BAGS)))
        return {
            row.place: (
                bool(row.copied_segment) and not row.is_open,
                bool(row.copied_segment) and not row.is_open and row.verified_segment >= row.copied_segment,
            )
            for row in rows
        }

    def observations(self, subscription: str) -> list[JsonObject]:
        """What the service said of a subscription, oldest first."""
        table = OBSERVATIONS
        query = select(table.c.body).where(table.c.subscription == subscription)
        with self.transaction(writing=False) as connection:
            return [json.loads(row[0]) for row in connection.execute(query.order_by(table.c.segment, table.c.line))]

    def standing(self, contacts: int) -> Standing:
        """What every command has to show. contacts: how many there are to ask."""
        with self.transaction(writing=False) as connection:
            failed = connection.execute(
                select(DELIVERIES.c.recipient, DELIVERIES.c.error)
                .where(DELIVERIES.c.status == FAILED)
                .order_by(DELIVERIES.c.number)
            ).all()
            undelivered = connection.execute(
                select(func.count())
                .select_from(CLAIMS.join(DELIVERIES, CLAIMS.c.delivery == DELIVERIES.c.id))
                .where(CLAIMS.c.status == FAILED, DELIVERIES.c.status == FAILED)
            ).scalar_one()
            critical = CLAIMS.c.severity == "critical"
            rows = connection.execute(select(CLAIMS).where(critical, CLAIMS.c.threshold.not_in(_NO_DAYS))).all()
            over = set(connection.execute(select(CLAIMS.c.event).where(CLAIMS.c.threshold == ALL_CLEAR)).scalars())
        groups: dict[tuple[Any, ...], list[Row[Any]]] = {}
        for row in rows:
            groups.setdefault((row.subscription, row.event, row.boundary, row.instant, row.threshold), []).append(row)
        waiting = 0
        for group in groups.values():
            asked = max((row.step for row in group if row.status == SENT), default=-1)
            known = any(row.acknowledged for row in group)
            waiting += asked >= contacts - 1 and not known and group[0].event not in over
        example = f"{failed[0].recipient}: {failed[0].error}" if failed else ""
        return Standing(undelivered, waiting, example)

    # -- what is computed ---------------------------------------------------------------------------------------------

    def set_next_due(
        self, head: Head, place: str, rows: Sequence[tuple[str, datetime | None, str]], computed_with: str
    ) -> None:
        """Write down when each has to be looked at next. rows: (subscription, when, hash of what it was computed from); when is
        None: never, as things are. Nothing is written if the journal went on meanwhile: then they are looked at again."""
        if not rows:
            return
        with self.transaction(writing=True) as connection:
            if _head_of(fact(connection, HEAD), place) != head:
                return
            statement = (
                update(SUBSCRIPTIONS)
                .where(SUBSCRIPTIONS.c.id == bindparam("which"))
                .values(next_due=bindparam("due"), computed_from=bindparam("hash"), computed_with=computed_with)
            )
            connection.execute(
                statement,
                [
                    {"which": name, "due": _NEVER * 2 if due is None else due.timestamp(), "hash": computed_from}
                    for name, due, computed_from in rows
                ],
            )

    def counts(self) -> Mapping[str, int]:
        """How many subscriptions, sources, observations and claims there are."""
        tables = {"subscriptions": SUBSCRIPTIONS, "sources": SOURCES, "observations": OBSERVATIONS, "warnings": CLAIMS}
        with self.transaction(writing=False) as connection:
            return {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in tables.items()
            }


_NEVER = 4102444800.0 * 2
_NO_DAYS = (MOVED, ALL_CLEAR, DIGEST, TEST)


def open_index(url: str, base: Path, *, busy_seconds: float = BUSY_SECONDS) -> Index:
    """Open the index in the state database. Raises: ConfigurationError."""
    try:
        return Index(engine_of(url, base, busy_seconds=busy_seconds, synchronous="FULL", is_brief=True))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise ConfigurationError(
            "state: this is no database that Lastcopy can use",
            code="state_unusable",
            action="Write sqlite:///FILE, as in sqlite:///lastcopy.db, or postgresql://HOST/NAME (needs lastcopy[postgresql]).",
        ) from None


def _unusable(error: SQLAlchemyError) -> RunError:
    told = str(getattr(error, "orig", None) or error).splitlines()[0]
    if "locked" in told or "busy" in told:
        return RunError(
            "another process holds the state database",
            code="state_locked",
            action="Wait until it has ended and run this again; nothing is lost: the journal holds all that was claimed.",
        )
    return RunError(
        f"the state database cannot be used ({told})",
        code="state_unusable",
        action="Start it, or correct `state`; a database that is lost is made again by `lastcopy recover`.",
    )


def _head_of(value: Any, place: str) -> Head:
    if not value or value[0] != place:
        return Head()
    return Head(Position(int(value[1]), value[2]), value[3])


def _in(connection: Connection, table: Any, column: Any, names: Sequence[str]) -> list[Row[Any]]:
    return [row for some in chunks(names, CHUNK) for row in connection.execute(select(table).where(column.in_(some)))]


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        row.id,
        json.loads(row.body),
        tuple(json.loads(row.events)),
        _instant(row.known_at),
        json.loads(row.observed),
        row.sources,
        None if row.next_due is None or row.next_due > _NEVER else datetime.fromtimestamp(row.next_due, UTC),
    )


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        row.key,
        row.delivery,
        row.event,
        row.boundary,
        datetime.fromisoformat(row.instant),
        row.threshold if row.threshold in _NO_DAYS else int(row.threshold),
        row.step,
        row.recipient,
        row.severity,
        row.status,
        bool(row.is_doubtful),
        _instant(row.sent_at),
        json.loads(row.acknowledged) if row.acknowledged else None,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id,
        row.subscription,
        row.recipient,
        row.event,
        row.status,
        row.segment,
        row.number,
        datetime.fromisoformat(row.at),
        json.loads(row.writer),
        json.loads(row.body),
        bool(row.is_uncertain),
        _instant(row.ended_at),
        row.error,
    )
