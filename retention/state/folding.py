"""From segments of the journal to rows of the index.

Rules of this file: rows are taken in the order of the journal, which decides, not clocks; a row that says again what is known
changes nothing (after a crash a segment may be copied twice); what a row touches has to be looked at by the next sweep. Kinds of
rows that are not about the clock are passed over. Source: design §4 (the journal), docs/formats.md (Journal).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, insert, select, update

from exporters.bag.formats import JsonObject
from exporters.store.segments import Segment
from retention.disposal.rows import DISPOSED, STATED
from retention.state.index_tables import (
    BAGS,
    CLAIMS,
    DELIVERIES,
    FACTS,
    OBJECTS,
    OBSERVATIONS,
    PEOPLE,
    SOURCES,
    SUBSCRIPTIONS,
)
from retention.tracked import CLAIMED, DROPPED, FAILED, SENT, SUPERSEDED, WITHDRAWN

CHUNK = 500
T = TypeVar("T")


def chunks(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The things, so many at a time."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def fact(connection: Connection, name: str) -> Any:
    """A fact, None if there is none."""
    found = connection.execute(select(FACTS.c.value).where(FACTS.c.name == name)).scalar()
    return None if found is None else json.loads(found)


def put_fact(connection: Connection, name: str, value: Any) -> None:
    """Write a fact down, in place of what was there."""
    connection.execute(delete(FACTS).where(FACTS.c.name == name))
    connection.execute(insert(FACTS).values(name=name, value=_json(value)))


class Folding:
    """One transaction's worth of segments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stated: dict[str, JsonObject] = {}
        self._touched: set[str] = set()
        self._newest: str = fact(connection, "newest_row") or ""
        self._first: str = fact(connection, "first_row") or ""
        self._number: int = fact(connection, "rows") or 0
        self._locks: dict[str, list[Any]] = {}
        self._segment, self._line = 0, 0
        self._writer: Mapping[str, Any] = {}
        self._kinds: dict[str, Callable[[JsonObject], None]] = {
            "stated": self._state,
            "inferred": self._state,
            "observation": self._observe,
            "object": self._object,
            "warning_claimed": self._claim,
            "warning_superseded": self._supersede,
            "warning_withdrawn": self._withdraw,
            "warning_sent": self._sent,
            "warning_failed": self._failed,
            "acknowledged": self._acknowledge,
            "run_ended": self._run_ended,
            "verified": self._verified,
            **dict.fromkeys(STATED, self._kept),
            "attested": self._attested,
            "planned": self._planned,
            "rehearsal": self._rehearsal,
            "reported": self._reported,
        }

    def take(self, segment: Segment) -> None:
        """Take in one segment."""
        first = segment.first
        self._segment, self._writer = segment.position.number, first.get("written_by") or first.get("writer") or {}
        for self._line, row in enumerate(segment.rows()):
            self._first = self._first or str(row.get("at") or "")
            self._number += 1
            self._newest = max(self._newest, str(row.get("at") or ""))
            act = self._kinds.get(str(row.get("type")))
            if act is None:
                continue
            if act != self._state:
                self._write_stated()
            act(row)

    def flush(self) -> None:
        """Write what is still held back."""
        self._write_stated()
        for some in chunks(sorted(self._touched), CHUNK):
            self._connection.execute(update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id.in_(some)).values(next_due=None))
        if self._locks:
            put_fact(self._connection, "locks", {**(fact(self._connection, "locks") or {}), **self._locks})
        put_fact(self._connection, "newest_row", self._newest)
        put_fact(self._connection, "rows", self._number)
        put_fact(self._connection, "first_row", self._first)

    # -- subscriptions ------------------------------------------------------------------------------------------------

    def _state(self, row: JsonObject) -> None:
        """Gathered: ten thousand come at a time."""
        name = str(row["subscription"])
        before = self._stated.get(name)
        kept: JsonObject = {key: row[key] for key in ("set", "events", "sources") if key in row}
        if before is None:
            self._stated[name] = {**kept, "at": row["at"]} if "events" in row else kept
            return
        merged = {**before, **kept, "set": {**before.get("set", {}), **kept.get("set", {})}}
        self._stated[name] = {**merged, "at": row["at"]} if "events" in row else merged

    def _write_stated(self) -> None:
        for names in chunks(sorted(self._stated), CHUNK):
            self._write_some({name: self._stated[name] for name in names})
        self._stated = {}

    def _write_some(self, stated: Mapping[str, JsonObject]) -> None:
        run, table = self._connection.execute, SUBSCRIPTIONS
        known = {row.id: row for row in run(select(table).where(table.c.id.in_(list(stated))))}
        rows, sources = [], []
        for name, news in stated.items():
            before = known.get(name)
            body = {**(json.loads(before.body) if before else {}), **news.get("set", {})}
            events = news.get("events", json.loads(before.events) if before else [])
            changed = before is None or json.loads(before.events) != events
            named = [(str(kind), str(of)) for kind, of in news.get("sources") or ()]
            sources += [{"subscription": name, "kind": kind, "name": of} for kind, of in dict.fromkeys(named)]
            rows.append(
                {
                    "id": name,
                    "body": _json(body),
                    "observed": before.observed if before else "{}",
                    "events": _json(events),
                    "known_at": str(news.get("at") or "") if changed else before.known_at if before else "",
                    "sources": len(dict.fromkeys(named)) if "sources" in news else before.sources if before else 0,
                    "next_due": None,
                    "computed_from": "",
                    "computed_with": "",
                }
            )
        if known:
            run(delete(table).where(table.c.id.in_(list(known))))
        run(insert(table), rows)
        replaced = [name for name, news in stated.items() if "sources" in news and name in known]
        if replaced:
            run(delete(SOURCES).where(SOURCES.c.subscription.in_(replaced)))
        if sources:
            run(insert(SOURCES), sources)

    def _observe(self, row: JsonObject) -> None:
        if row.get("what") == "licences":
            self._licences(row)
        if row.get("what") != "subscriptions":
            return
        at = str(row["at"])
        tenant: JsonObject = {
            key: row[key]
            for key in ("reached", "code", "since", "service_date", "skew_seconds", "tenant")
            if key in row
        }
        put_fact(self._connection, "observed", {**tenant, "at": at})
        if row.get("service_date"):
            put_fact(self._connection, "service_date", row["service_date"])
        if row.get("tenant"):
            put_fact(self._connection, "tenant", row["tenant"])
        self._note("", at, {**tenant, "at": at})
        for seen in row.get("subscriptions") or ():
            self._observed(str(seen["subscription"]), at, seen)
        for name, since in (row.get("missing") or {}).items():
            self._observed(str(name), at, {"missing_since": since})

    def _licences(self, row: JsonObject) -> None:
        """Who has a licence now, and who not any more."""
        run, table = self._connection.execute, PEOPLE
        gained = {str(user): str(name) for user, name in row.get("gained") or ()}
        for some in chunks([*gained, *map(str, row.get("lost") or ())], CHUNK):
            run(delete(table).where(table.c.id.in_(some)))
        if gained:
            run(insert(table), [{"id": user, "name": name} for user, name in gained.items()])
        put_fact(self._connection, "licences_at", row["at"])

    def _object(self, row: JsonObject) -> None:
        """What happened to one thing; nothing any more, if there is no event."""
        run, name = self._connection.execute, str(row["object"])
        run(delete(OBJECTS).where(OBJECTS.c.id == name))
        if row.get("event"):
            shown = str(row.get("name") or name)
            run(insert(OBJECTS).values(id=name, name=shown, event=_json(row["event"]), number=self._number))

    def _observed(self, name: str, at: str, seen: JsonObject) -> None:
        facts = {key: value for key, value in seen.items() if key != "subscription"}
        run, table = self._connection.execute, SUBSCRIPTIONS
        before = run(select(table).where(table.c.id == name)).first()
        if before is None:
            self._write_some({name: {"set": {"name": seen.get("sku")} if seen.get("sku") else {}}})
            before = run(select(table).where(table.c.id == name)).first()
        known = json.loads(before.observed) if before else {}
        if "missing_since" in facts:
            facts = {**known, **facts}
        facts["at"] = at
        self._note(name, at, facts)
        run(update(table).where(table.c.id == name).values(observed=_json(facts)))
        self._touched.add(name)

    def _note(self, subscription: str, at: str, body: JsonObject) -> None:
        self._connection.execute(
            insert(OBSERVATIONS).values(
                segment=self._segment, line=self._line, subscription=subscription, at=at, body=_json(body)
            )
        )

    # -- what was said ------------------------------------------------------------------------------------------------

    def _claim(self, row: JsonObject) -> None:
        run, made = self._connection.execute, str(row["delivery"])
        self._touched.add(str(row["subscription"]))
        before = run(select(DELIVERIES.c.status).where(DELIVERIES.c.id == made)).scalar()
        if before == SENT and not row.get("again"):
            return  # a segment that was copied twice
        run(delete(DELIVERIES).where(DELIVERIES.c.id == made))
        run(
            insert(DELIVERIES).values(
                id=made,
                subscription=row["subscription"],
                recipient=row["recipient"],
                event=row["event"],
                status=CLAIMED,
                segment=self._segment,
                number=self._number,
                at=row["at"],
                writer=_json(self._writer),
                body=_json({key: value for key, value in row.items() if key not in {"actor", "previous"}}),
                is_uncertain=0,
            )
        )
        keys = [self._claim_row(row, key, made, CLAIMED) for key in row["keys"]]
        self._drop_replaced([key["key"] for key in keys], made)
        self._put_claims(keys)

    def _drop_replaced(self, keys: Sequence[str], made: str) -> None:
        """Keys that are claimed anew in another delivery leave the old one, which is over."""
        run = self._connection.execute
        old = set(run(select(CLAIMS.c.delivery).where(CLAIMS.c.key.in_(keys), CLAIMS.c.delivery != made)).scalars()) - {
            ""
        }
        for name in old:
            run(update(DELIVERIES).where(DELIVERIES.c.id == name, DELIVERIES.c.status != SENT).values(status=DROPPED))

    def _supersede(self, row: JsonObject) -> None:
        """Keys that a smaller threshold, or another date, has made needless."""
        self._touched.add(str(row["subscription"]))
        keys = [self._claim_row(row, key, "", SUPERSEDED) for key in row["keys"]]
        known = self._statuses([key["key"] for key in keys])
        self._end([key["key"] for key in keys if known.get(key["key"]) in {CLAIMED, FAILED}], SUPERSEDED)
        self._put_claims([key for key in keys if known.get(key["key"], SUPERSEDED) == SUPERSEDED])

    def _withdraw(self, row: JsonObject) -> None:
        self._touched.add(str(row["subscription"]))
        known = self._statuses(list(row["keys"]))
        self._end([key for key in row["keys"] if known.get(key) in {CLAIMED, FAILED}], WITHDRAWN)

    def _end(self, keys: Sequence[str], status: str) -> None:
        """Keys that are not to be said any more; a delivery that has no other key is dropped."""
        run = self._connection.execute
        for some in chunks(keys, CHUNK):
            made = set(run(select(CLAIMS.c.delivery).where(CLAIMS.c.key.in_(some))).scalars())
            run(update(CLAIMS).where(CLAIMS.c.key.in_(some)).values(status=status))
            alive = select(CLAIMS.c.delivery).where(CLAIMS.c.status.in_((CLAIMED, FAILED)))
            run(
                update(DELIVERIES)
                .where(DELIVERIES.c.id.in_(made), DELIVERIES.c.status != SENT, DELIVERIES.c.id.not_in(alive))
                .values(status=DROPPED)
            )

    def _statuses(self, keys: Sequence[str]) -> dict[str, str]:
        query = select(CLAIMS.c.key, CLAIMS.c.status)
        found: dict[str, str] = {}
        for some in chunks(keys, CHUNK):
            found.update({row[0]: row[1] for row in self._connection.execute(query.where(CLAIMS.c.key.in_(some)))})
        return found

    def _claim_row(self, row: JsonObject, key: JsonObject, made: str, status: str) -> dict[str, Any]:
        return {
            "key": key["key"],
            "delivery": made,
            "subscription": row["subscription"],
            "event": row["event"],
            "boundary": key["boundary"],
            "instant": key["instant"],
            "threshold": str(key["threshold_days"]),
            "step": key.get("step", 0),
            "recipient": row["recipient"],
            "severity": key["severity"],
            "status": status,
            "is_doubtful": int(bool(row.get("doubtful"))),
        }

    def _put_claims(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        for some in chunks([row["key"] for row in rows], CHUNK):
            self._connection.execute(delete(CLAIMS).where(CLAIMS.c.key.in_(some)))
        self._connection.execute(insert(CLAIMS), list({row["key"]: row for row in rows}.values()))

    def _sent(self, row: JsonObject) -> None:
        run, made, at = self._connection.execute, row["delivery"], str(row["at"])
        run(
            update(DELIVERIES)
            .where(DELIVERIES.c.id == made)
            .values(status=SENT, ended_at=at, error=None, is_uncertain=0)
        )
        run(
            update(CLAIMS)
            .where(CLAIMS.c.delivery == made, CLAIMS.c.status.in_((CLAIMED, FAILED)))
            .values(status=SENT, sent_at=at)
        )
        self._touch_delivery(made)

    def _failed(self, row: JsonObject) -> None:
        run, made = self._connection.execute, row["delivery"]
        values = {"status": FAILED, "ended_at": row["at"], "error": row.get("reason") or "it failed"}
        values["is_uncertain"] = int(bool(row.get("uncertain")))
        run(update(DELIVERIES).where(DELIVERIES.c.id == made, DELIVERIES.c.status == CLAIMED).values(**values))
        run(update(CLAIMS).where(CLAIMS.c.delivery == made, CLAIMS.c.status == CLAIMED).values(status=FAILED))
        self._touch_delivery(made)

    def _touch_delivery(self, made: str) -> None:
        query = select(DELIVERIES.c.subscription).where(DELIVERIES.c.id == made)
        self._touched.update(self._connection.execute(query).scalars())

    def _acknowledge(self, row: JsonObject) -> None:
        told = {name: row[name] for name in ("by", "at", "reason") if name in row}
        where = CLAIMS.c.key == row["key"]
        self._connection.execute(update(CLAIMS).where(where).values(acknowledged=_json(told)))
        self._touched.update(self._connection.execute(select(CLAIMS.c.subscription).where(where)).scalars())

    # -- the copy, and the rest ---------------------------------------------------------------------------------------

    def _run_ended(self, row: JsonObject) -> None:
        bags = row.get("bags") or {}
        broken = {place for place, found in (row.get("wholes") or {}).items() if found}
        broken |= {*(row.get("refused") or ()), *(row.get("unanswered") or ()), *(row.get("open") or ())}
        if row.get("exit") != 0 and "open" not in row:  # nobody can tell in which something is open
            broken |= set(bags)
        before = fact(self._connection, "kept") or []
        again = sorted(bags.keys() & {one.get("bag") for one in before if one["type"] == DISPOSED})
        if again:  # copied anew
            news = {"type": "run_ended", "bags": dict.fromkeys(again), "number": self._number}
            put_fact(self._connection, "kept", [*before, news])
        for place in {*bags, *broken}:
            left = bags.get(place) or {}
            self._put_bag(place, copied=int(left.get("segment") or 0), is_open=place in broken)

    def _kept(self, row: JsonObject) -> None:
        """What people said of how long copies are kept: few rows, kept as they are, each with its number."""
        before = fact(self._connection, "kept") or []
        put_fact(self._connection, "kept", [*before, {**row, "number": self._number}])
        if row["type"] == DISPOSED:
            self._connection.execute(delete(BAGS).where(BAGS.c.place == row["bag"]))

    def _verified(self, row: JsonObject) -> None:
        if row.get("result") == "whole" and isinstance(row.get("lock"), dict):
            self._locks[str(row["bag"])] = [row["lock"]["until"], self._number]
        if row.get("level") != "full" or "sample" in row or "since" in row:
            return
        whole = row.get("result") == "whole"
        self._put_bag(str(row["bag"]), verified=int(row.get("segment") or 0) if whole else 0)

    def _put_bag(
        self, place: str, *, copied: int | None = None, verified: int | None = None, is_open: bool | None = None
    ) -> None:
        run = self._connection.execute
        before = run(select(BAGS).where(BAGS.c.place == place)).first()
        run(delete(BAGS).where(BAGS.c.place == place))
        run(
            insert(BAGS).values(
                place=place,
                copied_segment=copied or (before.copied_segment if before else 0),
                verified_segment=verified if verified is not None else before.verified_segment if before else 0,
                is_open=int(is_open if is_open is not None else bool(before and before.is_open)),
            )
        )

    def _attested(self, row: JsonObject) -> None:
        """A person has looked at the clock: what rows said of the time before does not count any more."""
        if row.get("item") in {"clock", "PF-25"}:
            self._newest = str(row["at"])

    def _planned(self, row: JsonObject) -> None:
        put_fact(self._connection, "planned", row)

    def _reported(self, row: JsonObject) -> None:
        """The newest package of evidence, which every message names."""
        if not row.get("redacted"):
            put_fact(self._connection, "reported", {name: row.get(name) for name in ("package", "evidence")})

    def _rehearsal(self, row: JsonObject) -> None:
        put_fact(self._connection, "rehearsal", True)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
