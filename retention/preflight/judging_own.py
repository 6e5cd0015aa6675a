"""PF-01, PF-18, PF-23 to PF-25: what our own records, configuration and clock say.

Rules of this file: pure. Nothing here can be attested: who wants to cancel all the same accepts the finding by name.
Source: retention-domain §3, §2.5 (clock source), §5 (channels), §7.
"""

from dataclasses import replace
from datetime import timedelta

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.clock_doubt import NOTED, TOO_FAR
from retention.preflight.facts import Facts, OwnFacts, Receipt
from retention.preflight.finding import Finding, found

_SHOWN = 5
_OUTSIDE = "Name under `notify` at least two addresses that do not hang on this tenant: a mailbox elsewhere, a webhook, a pager."


def verified(own: OwnFacts) -> Finding:
    """PF-01."""
    if not own.bags:
        message = "There is no copy: no export has ended"
        return found("PF-01", "block", message, "lastcopy export, then lastcopy verify", parts=("none",))
    open_ = sorted(bag for bag, (is_copied, _) in own.bags.items() if not is_copied)
    unread = sorted(bag for bag, (is_copied, is_verified) in own.bags.items() if is_copied and not is_verified)
    proof: JsonObject = {
        "bags": len(own.bags),
        "copied": len(own.bags) - len(open_),
        "verified": len(own.bags) - len(open_) - len(unread),
        "tagmanifests": {bag: row.get("tagmanifest") for bag, row in sorted(own.verified.items())},
    }
    if open_:
        message = f"The copy is not complete: {_some(open_)}"
        action = "lastcopy export; what nobody can copy: lastcopy accept CODE"
        return found("PF-01", "block", message, action, proof=proof, parts=("open", *open_))
    if unread:
        message = f"Not all of the copy was read and hashed since it was written: {_some(unread)}"
        return found("PF-01", "block", message, "lastcopy verify --new", proof=proof, parts=("unread", *unread))
    message = f"All {len(own.bags):,} sources are copied, and every byte was read and hashed since"
    return found("PF-01", "pass", message, proof=proof)


def payment(own: OwnFacts) -> Finding:
    """PF-18: always said."""
    message = (
        "The payment method can be removed only once the subscription is Deleted; until then it is needed to reactivate"
    )
    clock = own.clock
    proof: JsonObject = {}
    if own.is_tracked and clock is not None and clock.is_running:
        proof = {"reminder": {"boundary": "deletable_from", "at": timestamp(clock.deletable_from)}}
        action = (
            f"Nothing now: lastcopy sweep reminds of {timestamp(clock.deletable_from)} (deletable_from), lastcopy "
            "status --ics has it too."
        )
    else:
        action = "When it is cancelled: lastcopy track --state ID --event cancel=TIME; the warnings then tell of deletable_from."
    return found("PF-18", "notice", message, action, proof=proof)


def outlives(facts: Facts) -> Finding:
    """PF-23: whether credential, store and warnings outlive the tenant."""
    channels = [place for place in facts.places if place.what == "channel"]
    proof: JsonObject = {
        "places": [{"name": one.name, "what": one.what, "inside": one.inside} for one in facts.places],
        "receipts": [_receipt(one) for one in facts.receipts],
    }
    if not channels:
        message = "Nobody is warned: `notify` names no channel"
        return found("PF-23", "block", message, _OUTSIDE, proof=proof, parts=("no channel",))
    others = [place for place in facts.places if place.what != "channel" and place.inside]
    inside = [place for place in channels if place.inside]
    parts = tuple(sorted(place.name for place in (*others, *inside)))
    told = "; ".join(f"{place.name}: {place.inside}" for place in (*others, *inside))
    if others:
        action = "Move it to where the tenant does not reach."
        return found("PF-23", "block", f"Not all of it outlives the tenant: {told}", action, proof=proof, parts=parts)
    if len(inside) == len(channels):
        message = f"Every warning goes dark with the tenant: {told}"
        return found("PF-23", "block", message, _OUTSIDE, proof=proof, parts=parts)
    outside = {place.name for place in channels} - {place.name for place in inside}
    tried = _tried(facts, outside, proof, parts)
    if not inside or tried.result == "block":
        return tried
    message = f"{len(inside)} of {len(channels)} channels go dark with the tenant: {told}"
    if tried.result == "pass":
        return found("PF-23", "warn", message, _OUTSIDE, proof=proof, parts=parts)
    return replace(tried, message=f"{message}. {tried.message}", action=f"{_OUTSIDE} {tried.action}")


def _tried(facts: Facts, outside: set[str], proof: JsonObject, parts: tuple[str, ...]) -> Finding:
    """What the test messages say. outside: channels outside the tenant."""
    failed = [receipt for receipt in facts.receipts if receipt.error]
    reached = {receipt.channel for receipt in facts.receipts if receipt.at is not None}
    failures = "; ".join(f"{one.channel}: {one.error}" for one in failed)
    parts = (*parts, *(one.channel for one in failed))
    action = "Correct its address, then lastcopy check --cancel."
    if failed and not outside & reached:
        message = f"No test message reached a channel outside the tenant: {failures}"
        return found("PF-23", "block", message, action, proof=proof, parts=parts)
    if failed:
        return found("PF-23", "warn", f"A test message failed: {failures}", action, proof=proof, parts=parts)
    untried = sorted(outside - reached)
    if untried:
        message = f"Whether these channels work was not tried in the last 7 days: {_some(untried)}"
        again = "lastcopy check --cancel, without --no-messages"
        return found("PF-23", "warn", message, again, proof=proof, parts=(*parts, "untried", *untried))
    when = " within the last 7 days" if facts.are_receipts_old else ""
    message = (
        f"Credential, store and warnings outlive the tenant; a test message reached {_some(sorted(reached))}{when}"
    )
    return found("PF-23", "pass", message, proof=proof)


def _receipt(receipt: Receipt) -> JsonObject:
    told = {"delivered": timestamp(receipt.at)} if receipt.at is not None else {"error": receipt.error}
    return {"channel": receipt.channel, **told}


def in_time(facts: Facts) -> Finding:  # noqa: PLR0911 - one return a verdict
    """PF-24: by the newest plan. Cancelling counts as done now where no clock runs."""
    own = facts.own
    if own.planned_at is None or not own.is_plan_current or own.needed is None:
        why = (
            "there is no plan"
            if own.planned_at is None
            else f"the plan of {timestamp(own.planned_at)} is older than 7 days"
        )
        if own.planned_at is not None and own.is_plan_current:
            why = "the newest plan could not tell how long it takes"
        return found("PF-24", "not_checked", f"Whether there is time enough is not known: {why}", "lastcopy plan")
    proof: JsonObject = {"planned_at": timestamp(own.planned_at), "needed_seconds": int(own.needed.total_seconds())}
    if own.needed == timedelta(0) and own.is_plan_complete:
        return found("PF-24", "pass", "By the newest plan nothing is left to copy", proof=proof)
    if own.clock is None:
        return found(
            "PF-24", "not_checked", "How long there is, is not known (PF-05)", "lastcopy attest PF-05", proof=proof
        )
    target = min(own.clock.access_ends, own.clock.at_risk_from)
    start_by = target - own.needed
    proof |= {"target": timestamp(target), "start_by": timestamp(start_by)}
    if facts.now <= start_by:
        if not own.is_plan_complete:
            return _incomplete(proof)
        message = f"The copy needs {_length(own.needed)}; started by {timestamp(start_by)} it is done before {timestamp(target)}"
        return found("PF-24", "pass", message, proof=proof)
    again = (
        "lastcopy export, then lastcopy plan" if not own.exported_since else "lastcopy plan: an export has ended since"
    )
    if own.clock.is_running:
        message = f"Time does not suffice: the copy needs {_length(own.needed)}, and the latest start was {timestamp(start_by)}"
        return found("PF-24", "block", message, f"{again}; it says what to cut", proof=proof, parts=("late",))
    earliest = facts.now + own.needed
    proof["earliest_cancellation"] = timestamp(earliest)
    message = (
        f"Cancelled now, access ends before the copy is done: it needs {_length(own.needed)}, so not before "
        f"{timestamp(earliest)}"
    )
    return found("PF-24", "block", message, again, proof=proof, parts=("early",))


def _incomplete(proof: JsonObject) -> Finding:
    message = "Whether there is time enough is not known: the newest plan could not count everything"
    action = "lastcopy plan; it says what it could not ask, and what to do"
    return found("PF-24", "not_checked", message, action, proof=proof, parts=("incomplete",))


def fresh(facts: Facts) -> Finding:
    """PF-25."""
    own = facts.own
    proof: JsonObject = {"policy": own.policy_id, "verified_on": own.policy_verified, "skew_seconds": own.skew_seconds}
    told, what = [], []
    if own.is_policy_old:
        told.append(f"the policy {own.policy_id} was last compared with Microsoft's pages on {own.policy_verified}")
        what.append(
            "Install the newest Lastcopy, or compare the pages that lastcopy policies names, and lay a file of your own over it."
        )
    if own.skew_seconds is not None and abs(own.skew_seconds) > NOTED.total_seconds():
        grave = ", so much that ready and report refuse" if abs(own.skew_seconds) > TOO_FAR.total_seconds() else ""
        side = "ahead of" if own.skew_seconds > 0 else "behind"
        told.append(f"this machine's clock is {abs(own.skew_seconds):,.0f} s {side} the service's{grave}")
        what.append("Set the clock of this machine (switch NTP on).")
    if told:
        message = "; ".join(told)
        parts = ("policy",) * own.is_policy_old + ("clock",) * (len(told) - own.is_policy_old)
        return found("PF-25", "warn", message[:1].upper() + message[1:], " ".join(what), proof=proof, parts=parts)
    if own.skew_seconds is None:
        message = (
            f"The policy is of {own.policy_verified}; the service told no time to compare this machine's clock with"
        )
        return found("PF-25", "not_checked", message, "Run it again when the tenant answers.", proof=proof)
    return found("PF-25", "pass", f"The policy is of {own.policy_verified}, and the clock is right", proof=proof)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _length(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return (
        f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {int(span.total_seconds() % 3600 // 60)} min"
    )
