"""What the journal tells a report: runs, verifications, what people accepted, attested and held, and the chain of its rows.

Rules of this file: the journal is read once, row by row; of what may be very many the newest are kept and the rest is counted.
A row of a type that this version does not know stands in the chain all the same. Source: design §4 (the journal), §8;
retention-domain §6; docs/formats.md (Journal).
"""

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.store.protocol import Store
from retention.acceptance import Acceptances
from retention.disposal.keeping import Keeping
from retention.disposal.rows import DISPOSED
from retention.history import History
from retention.journal import Journal

KEPT = 1_000
"""Rows of the chain, and of each list of deeds, that a report names; the newest."""


@dataclass(slots=True)
class Run:
    """A run of `export`, `fold` or `compose`. record: SHA-256 of its record; ended, exit: None while it has no end."""

    id: str
    verb: str
    started: str | None
    by: JsonObject
    sources: list[str] = field(default_factory=list)
    software: str | None = None
    ended: str | None = None
    exit: int | None = None
    record: str | None = None
    skew_seconds: float | None = None
    """How far the clock of its machine was ahead of the service's."""
    is_of_all: bool = False
    """Whether it went through all sources that the configuration asked for, to its end."""

    @property
    def asks_for_all(self) -> bool:
        return self.verb == "export" and not self.sources

    def as_json(self) -> JsonObject:
        return {
            "run": self.id, "verb": self.verb, "started": self.started, "ended": self.ended, "exit": self.exit,
            "sources": self.sources, "all_sources": self.is_of_all, "software": self.software, "actor": self.by,
            "record_sha256": self.record,
            "skew_ms": None if self.skew_seconds is None else round(self.skew_seconds * 1000),
        }  # fmt: skip


@dataclass(slots=True)
class Told:
    """All of it. history: what `ready` reads too; looked: by bag the newest run that looked there; verified: by bag its newest
    row `verified`; drills: rows of that type, the newest last, each with its hash; keeping:
    what keeps bags; disposed: by bag the newest row, also of one that was copied anew since."""

    history: History = field(default_factory=History)

    rows: int = 0
    last: str | None = None
    segment: int = 0
    readied_after: str | None = None
    """The run that had ended last when `ready` was asked last."""
    last_ended: str | None = None
    first_at: str | None = None
    is_rehearsal: bool = False
    runs: dict[str, Run] = field(default_factory=dict)
    looked: dict[str, str] = field(default_factory=dict)
    verified: dict[str, JsonObject] = field(default_factory=dict)
    verifications: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many bags, by (instant, level, result)."""
    accepted: deque[JsonObject] = field(default_factory=lambda: deque(maxlen=KEPT))
    attested: dict[str, JsonObject] = field(default_factory=dict)
    ready: JsonObject | None = None
    drills: deque[JsonObject] = field(default_factory=lambda: deque(maxlen=KEPT))
    keeping: Keeping = field(default_factory=Keeping)
    disposed: dict[str, JsonObject] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    """Of each delivery of a warning that arrived: when."""
    chain: deque[JsonObject] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def acceptances(self) -> Acceptances:
        return self.history.acceptances

    @property
    def newest_of_all(self) -> Run | None:
        """The newest run that went through all sources to its end."""
        return next((run for run in reversed(self.runs.values()) if run.is_of_all), None)

    @property
    def last_asked_for_all(self) -> Run | None:
        """The newest export that was asked for everything, however it ended."""
        return next((run for run in reversed(self.runs.values()) if run.asks_for_all), None)


def read_journal(store: Store, clock: Clock) -> Told:
    """Read all of it. Raises: SegmentDamagedError; errors of the store."""
    told = Told()
    for segment in Journal(store, clock).segments():
        writer = dict(segment.first.get("writer") or {})
        for line, row in zip(segment.lines, segment.rows(), strict=True):
            told.rows += 1
            told.last = hashlib.sha256(line).hexdigest()
            told.first_at = told.first_at or row.get("at")
            told.chain.append(_link(row, told.last))
            told.history.take(row, writer)
            told.keeping.read([row])
            _take(told, row, told.last)
        told.segment = segment.position.number
    return told


def _link(row: JsonObject, digest: str) -> JsonObject:
    """A row of the journal as custody names it."""
    about = ("bag", "code", "item", "key", "subscription", "run", "delivery", "package", "seed")
    return {
        "at": row.get("at"), "actor": row.get("actor"), "by": row.get("by"), "action": row.get("type"),
        "object": next((str(row[name]) for name in about if row.get(name) is not None), None),
        "prev_hash": row.get("previous"), "hash": digest,
    }  # fmt: skip


def _take(told: Told, row: JsonObject, digest: str) -> None:
    kind = row.get("type")
    if kind == "run_started":
        told.runs[str(row.get("run"))] = _started(row)
    elif kind in {"run_ended", "folded", "composed"}:
        _end(told, row)
    elif kind == "verified":
        _verify(told, row)
    elif kind == "accepted":
        told.accepted.append(row)
    elif kind == "attested":
        told.attested[str(row.get("item"))] = row
    elif kind == "ready":
        told.ready, told.readied_after = row, told.last_ended
    elif kind == "drilled":
        told.drills.append({**row, "hash": digest})
    elif kind == DISPOSED:
        told.disposed[str(row.get("bag"))] = row
    elif kind == "warning_sent":
        told.sent.setdefault(str(row.get("delivery")), str(row.get("at")))
    elif kind == "rehearsal":
        told.is_rehearsal = True


def _started(row: JsonObject) -> Run:
    asked = row.get("asked") or {}
    return Run(
        str(row.get("run")),
        str(row.get("verb")),
        row.get("at"),
        dict(row.get("actor") or {}),
        sources=list(asked.get("sources") or []),
        software=row.get("software"),
    )


def _end(told: Told, row: JsonObject) -> None:
    name, kind = str(row.get("run")), str(row["type"])
    verb = {"run_ended": "export", "folded": "fold", "composed": "compose"}[kind]
    run = told.runs.setdefault(name, Run(name, verb, None, dict(row.get("actor") or {})))
    run.ended = row.get("at")
    run.exit = row.get("exit", 0 if kind != "run_ended" else None)
    run.record = row.get("record")
    run.skew_seconds = row.get("skew_seconds")
    run.is_of_all = run.asks_for_all and bool(row.get("all_sources"))
    told.last_ended = name
    if kind == "run_ended":
        told.looked.update(dict.fromkeys(row.get("bags") or {}, name))


def _verify(told: Told, row: JsonObject) -> None:
    told.verified[str(row.get("bag"))] = row
    told.verifications[str(row.get("at")), level_of(row), str(row.get("result"))] += 1


def level_of(verified: JsonObject) -> str:
    """How much was read: full, stored, sample or since."""
    parts = [name for name in ("sample", "since") if name in verified]
    return parts[0] if parts else str(verified.get("level"))
