"""Disposing of bags by a plan: what a dry run saw, and nothing else, is removed; then a signed certificate says so.

Rules of this file: the plan is made again and must be the same; that a disposal begins stands in the journal before the first
object goes, so that one that was cut off is known, and goes on by the same command; the journal is read again while objects go:
a hold that somebody lays meanwhile ends it. The certificate names no path and no person's file. Source: issue 10 (7), design §4,
§8, retention-domain §6 (erasable), docs/decisions/0098.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporters.bag.formats import HEAD, MANIFEST, TAGMANIFEST, JsonObject, load_json
from exporters.bag.lines import read_lines
from exporters.clock import Clock, stamp, timestamp
from exporters.errors import ConfigurationError, RunError
from exporters.store.errors import ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.removing import Remover
from exporters.store.segments import ReplacedError
from retention.disposal.keeping import Keeping
from retention.disposal.planning import CLOCKS_APART, Candidate, code_of, examine, safe_now, whole
from retention.disposal.rows import BEGUN, DISPOSED
from retention.evidence.canonical import canonical
from retention.evidence.keys import Signer
from retention.journal import RACES, Journal, actor

PLAN_AGE = timedelta(days=7)
BETWEEN_LOOKS = 1000
"""Objects that go between two looks at the journal."""
CERTIFICATE, LIST = "certificate.json", "payload-sha256.txt"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked: by whom, why, and which plan."""

    plan: str
    by: str
    reason: str
    tenant: str
    product: str


@dataclass(slots=True)
class Done:
    """What went. certificate: key of it; sha256: of the certificate."""

    certificate: str
    sha256: str
    bags: list[JsonObject]


class KeptError(RunError):
    """Something keeps a bag."""

    def __init__(self, bag: str, reasons: list[str]) -> None:
        super().__init__(
            f"{bag} is kept: {'; '.join(reasons)}",
            code="kept",
            action="Nothing more is removed. See `lastcopy dispose --dry-run`, and `lastcopy keep` for what was said.",
        )


def dispose(
    store: Store,
    remover: Remover,
    clock: Clock,
    order: Order,
    *,
    signer: Signer,
    on_removed: Callable[[int, int], None] = lambda objects, size: None,
) -> Done:
    """Carry out a plan. signer: of the certificate; on_removed: told objects and bytes since the last call.

    Raises: ConfigurationError for a plan that is unknown, old or no longer true; KeptError; errors of the store.
    """
    journal, keeping = Journal(store, clock), Keeping()
    _read_news(journal, keeping)
    now = safe_now(store, clock)
    begun = keeping.begun.get(order.plan)
    if begun is None:
        found = _confirmed(store, remover, order, keeping, now)
        begun = _begin(store, journal, keeping, order, found, now)
    for bag in begun["bags"]:
        _remove(store, remover, journal, keeping, now, bag, on_removed)
    return _certify(store, journal, clock, order, begun, signer)


def _confirmed(store: Store, remover: Remover, order: Order, keeping: Keeping, now: datetime) -> list[Candidate]:
    """The plan, made again."""
    planned = keeping.plans.get(order.plan)
    if planned is None:
        raise _no_plan(f"there is no plan {order.plan!r}", "plan_unknown")
    if any(bag in keeping.disposed for bag in planned["bags"]):
        raise _no_plan(f"the plan {order.plan} was carried out already", "plan_done")
    if not -CLOCKS_APART <= now - datetime.fromisoformat(planned["at"]) <= PLAN_AGE:
        raise _no_plan(f"the plan {order.plan} is of {planned['at']}, more than seven days old", "plan_old")
    found = [examine(store, remover, keeping, now, bag) for bag in planned["bags"]]
    for one in found:
        if not one.may_go:
            raise KeptError(one.bag, one.reasons)
    if code_of(order.tenant, found) != order.plan:
        raise _no_plan(f"the plan {order.plan} is no longer true: the bags are not as they were", "plan_changed")
    return found


def _no_plan(message: str, code: str) -> ConfigurationError:
    return ConfigurationError(
        message, code=code, action="Run `lastcopy dispose --dry-run`, read what would go, and use its code."
    )


def _begin(
    store: Store, journal: Journal, keeping: Keeping, order: Order, found: list[Candidate], now: datetime
) -> JsonObject:
    """Write the lists of what goes, then that it begins: right after the rows that were judged, or they are judged again."""
    folder = f"evidence/{stamp(now)}-disposal"
    bags: JsonObject = {}
    for number, one in enumerate(found, start=1):
        key = f"{folder}/{number:05d}-{LIST}"
        stored = store.put(key, _contents_of(store, one.bag), if_absent=True, durable=True)
        bags[one.bag] = {
            "objects": one.objects,
            "bytes": one.bytes,
            "keep_until": timestamp(one.until) if one.until is not None else None,
            "list": {"file": key.rpartition("/")[2], "sha256": stored.sha256},
            **_proof_of(store, one.bag),
        }
    row = {"type": BEGUN, "plan": order.plan, "folder": folder, "bags": bags, "by": order.by, "reason": order.reason}
    for _ in range(RACES):
        try:
            journal.append_here([row])
        except ReplacedError:  # somebody wrote since: it may be a hold
            for one in found:
                _look_again(journal, keeping, now, one.bag)
            continue
        return {**row, "at": timestamp(now)}
    raise RunError("the journal is never free", code="journal_busy", action="Run it again.")


def _contents_of(store: Store, bag: str) -> Iterator[bytes]:
    """The SHA-256 of each file of the payload, by its manifest, a line each; no names."""
    try:
        for line in read_lines(store, f"{bag}/{MANIFEST}"):
            yield line.split(b" ", 1)[0] + b"\n"
    except ObjectMissingError:
        return


def _proof_of(store: Store, bag: str) -> JsonObject:
    """What evidence packages know a bag by: its tagmanifest, and where its ledger was."""
    found: JsonObject = {"tagmanifest_sha256": None, "segment": None, "segment_sha256": None}
    try:
        found["tagmanifest_sha256"] = hashlib.sha256(store.read(f"{bag}/{TAGMANIFEST}")).hexdigest()
        head = load_json(store.read(f"{bag}/{HEAD}"))
        found |= {"segment": head.get("segment"), "segment_sha256": head.get("sha256")}
    except (ObjectMissingError, ValueError):
        return found  # a bag that was never folded, or is damaged, has no more to show
    return found


def _remove(
    store: Store,
    remover: Remover,
    journal: Journal,
    keeping: Keeping,
    now: datetime,
    bag: str,
    on_removed: Callable[[int, int], None],
) -> None:
    """Remove a bag. Twice over the versions: what came while they were listed goes too, or the bag is not empty in the end."""
    for number, version in enumerate(whole(bag, remover)):
        if number % BETWEEN_LOOKS == 0:
            _look_again(journal, keeping, now, bag)
        reason = remover.kept_by(version, now)
        if reason is not None:
            raise KeptError(bag, [f"{version.key}: {reason}"])
        remover.remove(version)
        on_removed(1, version.size)
    remover.tidy(f"{bag}/")
    left = next(whole(bag, remover), None)
    if left is not None:
        raise RunError(
            f"{left.key} came while {bag} was removed",
            code="bag_not_empty",
            action="Make sure that no export is running, and run the same command again.",
        )


def _look_again(journal: Journal, keeping: Keeping, now: datetime, bag: str) -> None:
    """Raises: KeptError if somebody said meanwhile that the bag is kept."""
    _read_news(journal, keeping)
    until = keeping.until(bag)
    reasons = [f"held: {hold.name} ({hold.by}: {hold.reason})" for hold in keeping.holds(bag)]
    if until is None or until.instant > now:
        reasons.append("its keep-until was changed")
    if reasons:
        raise KeptError(bag, reasons)


def _read_news(journal: Journal, keeping: Keeping) -> None:
    for segment in journal.news():
        keeping.read(segment.rows())


def _certify(
    store: Store,
    journal: Journal,
    clock: Clock,
    order: Order,
    begun: JsonObject,
    signer: Signer,
) -> Done:
    """Write the certificate, its signature, and the rows that name it. What an earlier try wrote is kept."""
    folder = begun["folder"]
    certificate = {
        "schema": "lastcopy.disposal/1",
        "tenant": order.tenant,
        "plan": order.plan,
        "by": begun["by"],
        "reason": begun["reason"],
        "actor": actor(),
        "begun": begun["at"],
        "ended": timestamp(clock.now()),
        "bags": {bag: {**facts, "bag": bag} for bag, facts in begun["bags"].items()},
        "left": "source.json of each bag, sources/, journal/, runs/ and evidence/",
        "generator": order.product,
        "signature_algorithm": signer.algorithm,
        "fingerprint": signer.fingerprint,
    }
    data = _put_once(store, f"{folder}/{CERTIFICATE}", canonical(certificate))
    _put_once(store, f"{folder}/public-key.pem", signer.public_pem)
    _put_once(store, f"{folder}/certificate.sig", signer.sign(data))
    sha256 = hashlib.sha256(data).hexdigest()
    rows = [
        {
            "type": DISPOSED,
            "plan": order.plan,
            "bag": bag,
            "items": facts["objects"],
            "bytes": facts["bytes"],
            "by": begun["by"],
            "reason": begun["reason"],
            "certificate": f"{folder}/{CERTIFICATE}",
            "sha256": sha256,
        }
        for bag, facts in begun["bags"].items()
    ]
    journal.append(rows)
    return Done(f"{folder}/{CERTIFICATE}", sha256, rows)


def _put_once(store: Store, key: str, content: bytes) -> bytes:
    """Create an object; return what lies there."""
    try:
        store.put(key, content, if_absent=True, durable=True)
    except ObjectExistsError:
        return store.read(key)
    return content
