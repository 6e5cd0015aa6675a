"""What of one bag stands in the way: judged from what lies there, what the journal says of it, and what a person accepted.

Rules of this file: no I/O; whatever cannot be shown to be well is a reason; each reason names the command that mends it, and
each of these commands ends what it is named for. Source: design §4 (Whole), §6 (`ready`), docs/decisions/0022, 0089.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporters.bag.digests import Hashed
from exporters.bag.fence import ALIVE_FOR, Process, is_known_dead
from exporters.bag.formats import dump_json
from exporters.bag.reconcile import difference_of
from exporters.outcomes import ExceptionCode
from exporters.results import PST_INCOMPLETE
from exporters.store.protocol import LockPolicy
from retention.acceptance import MASS, UNRECONCILED, Acceptances, digest_of
from retention.history import History
from retention.read_back import Proof
from retention.readiness.clocks import is_too_old
from retention.readiness.looking import Look
from retention.readiness.reasons import COMPOSE, EXPORT, FOLD, VERIFY, VERIFY_NEW, Reason, accept, block, notice


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bag is measured by. now: by our clock; store_now: by the store's; own: this process; store: where it lies;
    verify_age: how old its reading may be; lock: that the configuration asks for."""

    history: History
    now: datetime
    store_now: datetime
    own: Process
    store: str
    verify_age: timedelta
    lock: LockPolicy | None


def judge(look: Look, terms: Terms, written: datetime | None) -> Iterator[Reason]:
    """Every reason about one bag. written: when its newest segment was, by the store's clock."""
    if not look.is_there:
        message = f"{look.bag}: the journal or `sources/` knows this bag, and nothing of it is in the store"
        yield block("bag_missing", f"{message}; put it back from a second copy", VERIFY)
        return
    if not look.segments and look.fold is None:
        yield block("source_not_copied", f"{look.bag}: nothing of it has been copied yet", EXPORT)
        return
    yield from _state(look, terms, written)
    if look.fold is None:
        return
    yield from _payload(look)
    yield from _accepted(look, terms.history.acceptances, terms.history.read_back.of(look.bag, *look.fold, terms.store))
    yield from _mail(look, terms.history.acceptances)
    yield from _proof(look, terms)


# ------------------------------------------------------------------------------------------------------- its state


def _state(look: Look, terms: Terms, written: datetime | None) -> Iterator[Reason]:
    """Whether its fold speaks for the whole of it, and nobody is at work on it."""
    for why in look.damage[:3]:
        yield block(
            "bag_damaged", f"{look.bag}: {why}", FOLD if "ledger" not in why and "segment" not in why else _verify(look)
        )
    if look.fold is None and not look.damage:
        yield block("bag_open", f"{look.bag}: it has never been closed and folded", FOLD)
        return
    if look.last_segment is not None and not look.heads.closed:
        writer = dict(look.last_segment.first.get("writer") or {})
        is_young = written is not None and terms.store_now - written < ALIVE_FOR
        if is_young and not is_known_dead(writer, terms.own):
            told = f"host {writer.get('host')}, process {writer.get('pid')}"
            yield block("writer_at_work", f"{look.bag}: a writer is at work on it ({told}); wait for its end", EXPORT)
        else:
            yield block("bag_open", f"{look.bag}: its last writer was cut off", FOLD)
    elif look.has_tail:
        yield block("bag_open", f"{look.bag}: its ledger holds rows that are not folded yet", FOLD)
    if look.heads.round is not None:
        yield block("listing_unfinished", f"{look.bag}: its last listing never came to an end", EXPORT)


def _payload(look: Look) -> Iterator[Reason]:
    """The payload, as the store lists it, beside the manifest."""
    back = "put it back from the store's versions or a second copy"
    if look.missing.count:
        message = f"{look.bag}: {look.missing.count:,} objects are gone: {look.missing}; {back}"
        yield block("object_missing", message, _verify(look))
    if look.has_tail or not look.heads.closed:
        return  # what the fold does not tell yet may be there
    if look.unexpected.count:
        message = f"{look.bag}: {look.unexpected.count:,} objects are there that no row names: {look.unexpected}"
        yield block("object_unexpected", f"{message}; take them out of the store", _verify(look))
    if not look.missing.count and not look.unexpected.count and look.oxum != (look.octets, look.files):
        expected = "unknown" if look.oxum is None else f"{look.oxum[0]:,}"
        message = f"{look.bag}: its payload has {look.octets:,} bytes, by its rows {expected}; {back}"
        yield block("object_changed", message, _verify(look))


def _verify(look: Look) -> str:
    return f"{VERIFY} --source {shlex.quote(look.bag)}"


# ------------------------------------------------------------------------------------------------------- what is open


def _accepted(look: Look, told: Acceptances, proof: Proof | None) -> Iterator[Reason]:
    """Pending work, counts, exceptions: none, or taken by a person upon them."""
    counts = look.reconciliation.get("counts") or {}
    pending = max(int(counts.get("pending") or 0), look.owed)
    is_left = bool(pending) and _is_left(look.bag, pending, told)
    if pending and not is_left:
        yield block("pending", f"{look.bag}: {pending:,} listed items are not copied yet", EXPORT)
    difference = difference_of(look.reconciliation.get("independent") or ())
    if difference is not None and told.shown.get(look.bag, {}).get(UNRECONCILED) != difference:
        yield block("not_reconciled", f"{look.bag}: {_differing(look)}; no run has shown that", EXPORT)
    elif any(entry.get("moving") for entry in look.reconciliation.get("independent") or ()) and not is_left:
        yield block("not_reconciled", f"{look.bag}: it changed while it was counted", EXPORT)
    elif proof is not None and proof.reconciled is False and difference is None and not is_left:
        message = f"{look.bag}: by its last verification it is not reconciled"
        yield block("not_reconciled", f"{message}; that says why", _verify(look))
    for code, excepted in sorted(look.exceptions.items()):
        if code != ExceptionCode.VANISHED and not told.of_items(code, look.bag, excepted.runs):
            message = (
                f"{look.bag}: {excepted.count:,} items could not be copied ({code}), and not all of them are accepted"
            )
            yield block("exceptions_not_accepted", message, accept(code, look.bag), code)


def _differing(look: Look) -> str:
    entries = look.reconciliation.get("independent") or ()
    numbers = [(entry["expected"], entry["found"]) for entry in entries if entry.get("unexplained")]
    told = ", ".join(f"{expected:,} by the service, {found:,} in our rows" for expected, found in numbers[:3])
    return f"independent counts differ ({told})"


def _is_left(bag: str, pending: int, told: Acceptances) -> bool:
    """Whether what is pending is part of a refusal that a person accepted, with this very number (docs/decisions/0022)."""
    shown = told.shown.get(bag, {})
    left = f"{pending} pending"
    refusals = [code for code, digest in shown.items() if code != MASS and digest == digest_of(code, left)]
    mass = shown.get(MASS)
    return any(
        told.of_whole(bag, code, shown[code]) or (mass is not None and told.of_whole(bag, MASS, mass))
        for code in refusals
    )


def _mail(look: Look, told: Acceptances) -> Iterator[Reason]:
    """Whether all that can be composed stands in the PST, and in which state that is."""
    composed = look.composed
    if composed is None:
        return
    if composed.problem is not None:
        yield block("not_composed", f"{look.bag}: {composed.problem}", f"{COMPOSE} --source {shlex.quote(look.bag)}")
        return
    if composed.left_out:
        number = ", ".join(f"{n:,} × {code}" for code, n in sorted(composed.left_out.items()))
        message = f"{look.bag}: not in its PST, but named in parts.json and in the originals: {number}"
        digest = Hashed.of(dump_json(composed.left_out))
        yield notice("pst_leaves_out", message, "")
        if told.shown.get(look.bag, {}).get(PST_INCOMPLETE) != digest:
            message = f"{look.bag}: what its PST leaves out is not what the last run showed"
            yield block("finding_not_accepted", message, EXPORT, PST_INCOMPLETE)
    if composed.superseded:
        number = ", ".join(f"{n:,} {why}" for why, n in sorted(composed.superseded.items()))
        message = (
            f"{look.bag}: its PST has items as they were before ({number}); their newest state is in the originals"
        )
        yield notice("pst_superseded", message, f"{COMPOSE} --recompose --source {shlex.quote(look.bag)}")


# ------------------------------------------------------------------------------------------------------- its proof


def _proof(look: Look, terms: Terms) -> Iterator[Reason]:
    """Whether every byte was read back since it was put, and the locks with them."""
    read_back = terms.history.read_back
    proof = None if look.fold is None else read_back.of(look.bag, *look.fold, terms.store)
    if proof is None:
        if look.bag in read_back.different:
            message = f"{look.bag}: its last verification found differences; mend them, then read all of it again"
            yield block("verification_found_differences", message, _verify(look))
        else:
            message = f"{look.bag}: as it is now, it was never read back in full"
            yield block("not_verified", message, VERIFY_NEW)
        return
    if proof.began is None:
        yield block("not_verified", f"{look.bag}: an earlier version verified it, and did not say when", VERIFY_NEW)
    elif look.newest is None or look.newest > proof.began:
        message = f"{look.bag}: objects of it were put after it was last read back in full"
        yield block("changed_since_verified", message, VERIFY_NEW)
    elif any(is_too_old(at, terms.now, terms.verify_age) for at in (proof.at, proof.began)):
        message = f"{look.bag}: it was read back on {proof.at:%Y-%m-%d}, not within the last {_span(terms.verify_age)}"
        yield block("verification_too_old", message, VERIFY)
    if terms.lock is not None:
        yield from _lock(look, terms, terms.lock)


def _lock(look: Look, terms: Terms, wanted: LockPolicy) -> Iterator[Reason]:
    found = terms.history.read_back.locks.get(look.bag)
    told = f"{wanted.mode} until {wanted.until:%Y-%m-%d}"
    if found is None or found[1].until < wanted.until or found[1].mode not in {wanted.mode, "compliance"}:
        message = f"{look.bag}: that each object is locked ({told}) was not read back"
        yield block("lock_not_read_back", message, VERIFY_NEW)
    elif is_too_old(found[0], terms.now, terms.verify_age):
        message = f"{look.bag}: its locks ({told}) were not read back within the last {_span(terms.verify_age)}"
        yield block("lock_not_read_back", message, VERIFY_NEW)


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
