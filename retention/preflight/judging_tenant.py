"""PF-02 to PF-04, PF-06, PF-08, PF-15, PF-20, PF-21, PF-26: subscriptions and people, from what Graph says.

Rules of this file: pure; from facts to findings. What could not be looked at is `not_checked`, with the permission to grant.
Source: retention-domain §3; §1 (K3); graph.md §8.1.
"""

import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.preflight.facts import Administrator, Deleted, Facts, People, Unknown, ids_of
from retention.preflight.finding import Finding, found
from retention.preflight.items import ITEMS
from retention.preflight.stated import attest_command, by_administrators, by_licences

SHOWN = 5
"""So many names stand in a message; all that are kept stand in the proof."""
_LIVE = frozenset({"Enabled", "Warning"})


def not_checked(item: str, unknown: Unknown) -> Finding:
    """An item that could not be looked at."""
    attest = f" Or: {attest_command(item, text='what was looked at, and found')}"
    action = unknown.action + (attest if ITEMS[item].can_be_attested else "")
    proof = {"why_not": unknown.why} | ({"permission": unknown.permission} if unknown.permission else {})
    message = f"{ITEMS[item].title}: not checked, {unknown.why}"
    return found(item, "not_checked", message, action, proof=proof, parts=(unknown.permission, *unknown.names))


def chosen(facts: Facts) -> Finding:
    """PF-02."""
    rows = facts.subscriptions
    if isinstance(rows, Unknown):
        return not_checked("PF-02", rows)
    proof: JsonObject = {"chosen": facts.chosen, "subscriptions": [_row(row) for row in rows]}
    others = [row for row in rows if facts.chosen not in ids_of(row) and row.get("status") in _LIVE]
    names = _named(_name(row) for row in others)
    subscription = facts.subscription
    if not rows:
        message = "The tenant names no subscription: none can be chosen"
        return found("PF-02", "warn", message, "Look under Billing > Your products.", proof=proof)
    if subscription is None:
        if facts.chosen is not None:
            message = f"The tenant names no subscription {facts.chosen}; it names: {_named(map(_name, rows))}"
        else:
            message = (
                f"Which subscription is to be cancelled is not said; there are {len(rows)}: {_named(map(_name, rows))}"
            )
        action = f"lastcopy check --cancel --subscription {shlex.quote(ids_of(rows[0])[0])}"
        return found("PF-02", "warn", message, action, proof=proof, parts=(str(facts.chosen),))
    tail = f"; not touched by it: {names}" if others else ""
    message = f"To be cancelled: {_name(subscription)}, now {subscription.get('status')}{tail}"
    return found("PF-02", "pass", message, proof=proof, parts=(str(facts.chosen),))


def only_one(facts: Facts) -> Finding:
    """PF-03."""
    for seen in (facts.subscriptions, facts.skus):
        if isinstance(seen, Unknown):
            return not_checked("PF-03", seen)
    rows = facts.subscriptions if not isinstance(facts.subscriptions, Unknown) else []
    skus = facts.skus if not isinstance(facts.skus, Unknown) else []
    proof: JsonObject = {"subscriptions": [_row(row) for row in rows], "skus": [_sku(row) for row in skus]}
    others = [row for row in rows if facts.chosen not in ids_of(row) and row.get("status") in _LIVE]
    if facts.chosen is None and len(others) > 1:
        message = f"There are {len(others)} subscriptions; with the last of them the directory goes too"
        return found("PF-03", "notice", message, proof=proof)
    if others and facts.chosen is not None:
        message = f"The tenant goes on with {_named(map(_name, others))}"
        return found("PF-03", "pass", message, proof=proof, parts=tuple(sorted(ids_of(row)[0] for row in others)))
    message = "It is the only subscription: the directory goes with it, with all users, groups and this application"
    action = (
        "Have the directory copied as well (sources.directory: on), and every sign-in that hangs on it moved elsewhere."
    )
    return found("PF-03", "warn", message, action, proof=proof)


def eligible(facts: Facts) -> Finding:
    """PF-04."""
    if isinstance(facts.subscriptions, Unknown):
        return not_checked("PF-04", facts.subscriptions)
    subscription = facts.subscription
    if subscription is None:
        return not_checked("PF-04", Unknown("no subscription is chosen (PF-02)"))
    total = _number(subscription.get("totalLicenses"))
    if total is None:
        return not_checked("PF-04", Unknown("the service does not say how many licences the subscription has"))
    skus = facts.skus if not isinstance(facts.skus, Unknown) else []
    used = next((_number(r.get("consumedUnits")) for r in skus if r.get("skuId") == subscription.get("skuId")), None)
    said = "" if used is None else f"{used:,} of them assigned"
    return by_licences(total, {"totalLicenses": total, "consumedUnits": used}, said)


def administrators(facts: Facts) -> Finding:
    """PF-08: enabled, of the cloud alone, and with a name that stays when the domain goes."""
    people = facts.administrators
    if isinstance(people, Unknown):
        return not_checked("PF-08", people)
    if any(one.is_enabled is None for one in people):
        unread = (
            facts.people if isinstance(facts.people, Unknown) else Unknown("the service does not say who is enabled")
        )
        return not_checked("PF-08", unread)
    custom = {one.name for one in facts.domains} if not isinstance(facts.domains, Unknown) else set()
    told = [
        {"id": one.id, "name": one.name, "roles": list(one.roles), "why_not": _lacks(one, custom)} for one in people
    ]
    good = [one for one in people if not _lacks(one, custom)]
    bad = [f"{one.name} ({_lacks(one, custom)})" for one in people if _lacks(one, custom)]
    said = f"not counted: {_named(bad)}" if bad else ""
    return by_administrators(len(good), {"administrators": told}, said, tuple(sorted(one.id for one in good)))


def _lacks(person: Administrator, custom: Iterable[str]) -> str:
    """Why somebody may not be able to reactivate; empty if nothing is known against it."""
    if person.is_group:
        return "its members are not looked into"
    domain = person.name.rpartition("@")[2].lower()
    if not person.is_enabled:
        return "disabled"
    if person.is_synced:
        return "synchronised from a directory of your own"
    return f"on {domain}, which is to be removed" if domain in custom else ""


def without_service(facts: Facts) -> Finding:
    """PF-15: who has no licence but those that end."""
    for seen in (facts.people, facts.subscriptions):
        if isinstance(seen, Unknown):
            return not_checked("PF-15", seen)
    people = facts.people if not isinstance(facts.people, Unknown) else People()
    subscription = facts.subscription
    if subscription is None:
        return not_checked("PF-15", Unknown("which licences end is not known: no subscription is chosen (PF-02)"))
    ending = _ending_skus(facts, subscription)
    number = sum(n for skus, n in people.by_licences.items() if skus and skus <= ending)
    stay = sum(n for skus, n in people.by_licences.items() if skus - ending)
    proof: JsonObject = {"lose_service": number, "keep_a_licence": stay, "users": people.number}
    if number == 0:
        return found("PF-15", "pass", "No user has only licences that end", proof=proof)
    message = f"{number:,} users lose service: they have no licence but those of {_name(subscription)}"
    action = (
        "Admin center: Users > Active users > the user > Licenses and apps: give those who stay a licence of "
        "another subscription before"
        " cancelling; tell the others (PF-14)."
    )
    return found("PF-15", "warn", message, action, proof=proof, parts=(str(number),))


def _ending_skus(facts: Facts, subscription: JsonObject) -> frozenset[str]:
    """SKUs that no other live subscription has."""
    rows = facts.subscriptions if not isinstance(facts.subscriptions, Unknown) else []
    mine = ids_of(subscription)
    kept = {str(row.get("skuId")) for row in rows if ids_of(row) != mine and row.get("status") in _LIVE}
    return frozenset({str(subscription.get("skuId"))} - kept)


def lost_already(facts: Facts) -> Finding:
    """PF-20."""
    for seen in (facts.people, facts.deleted):
        if isinstance(seen, Unknown):
            return not_checked("PF-20", seen)
    people = facts.people if not isinstance(facts.people, Unknown) else People()
    deleted = facts.deleted if not isinstance(facts.deleted, Unknown) else Deleted()
    restore = timedelta(days=facts.own.deleted_user_days)
    rows = [{**row, "restorable_until": _after(row.get("deleted"), restore)} for row in deleted.first]
    proof: JsonObject = {"deleted": rows, "unlicensed": people.unlicensed}
    proof |= {"deleted_number": deleted.number, "unlicensed_number": people.unlicensed_number}
    if not deleted.number and not people.unlicensed_number:
        return found("PF-20", "pass", "No user is deleted or without a licence", proof=proof)
    told = []
    if deleted.number:
        ends = deleted.earliest + restore if deleted.earliest is not None else None
        word = "can be restored until" if ends is None or ends > facts.now else "could be restored until"
        first = f", the first {word} {timestamp(ends)}" if ends is not None else ""
        told.append(f"{deleted.number:,} deleted user{'' if deleted.number == 1 else 's'}{first}")
    if people.unlicensed_number:
        told.append(
            f"{people.unlicensed_number:,} without a licence (shared mailboxes and rooms among them): their "
            "OneDrives are archived 93 days"
            " after the licence went, which Graph does not date"
        )
    action = (
        "lastcopy export copies what still can be read; restore deleted users whose mailbox is wanted (Users > "
        "Deleted users > Restore"
        " user), before their date."
    )
    parts = (str(deleted.number), str(people.unlicensed_number))
    return found(
        "PF-20", "warn", f"Data is on its way out already: {'; '.join(told)}", action, proof=proof, parts=parts
    )


def synchronised(facts: Facts) -> Finding:
    """PF-26."""
    if isinstance(facts.organization, Unknown):
        return not_checked("PF-26", facts.organization)
    value = facts.organization.get("onPremisesSyncEnabled")
    proof: JsonObject = {"onPremisesSyncEnabled": value}
    if value is not True:
        return found("PF-26", "pass", "The directory is not synchronised from one of your own", proof=proof)
    message = (
        "Directory synchronisation is on: synchronised users cannot be deleted or renamed in the cloud, nor the "
        "account closed"
    )
    action = (
        "Microsoft Graph PowerShell: Update-MgOrganization -OrganizationId ID -BodyParameter "
        "@{onPremisesSyncEnabled=$false}, after the"
        " synchronisation server is stopped; it takes up to 72 hours."
    )
    return found("PF-26", "warn", message, action, proof=proof)


def window(facts: Facts) -> Finding:
    """PF-06, before anybody's word: what the service knows of it."""
    subscription = facts.subscription
    proof: JsonObject = {"checked_at": timestamp(facts.now)}
    if subscription is not None and subscription.get("nextLifecycleDateTime"):
        proof["next"] = subscription["nextLifecycleDateTime"]
    return found("PF-06", "warn", "", proof=proof)


def bought(facts: Facts) -> Finding:
    """PF-05, before anybody's word."""
    proof: JsonObject = {"subscription": facts.chosen}
    if facts.own.watched_channel is not None:
        proof["watched_channel"] = facts.own.watched_channel
    return found("PF-05", "block", "", proof=proof)


def held(facts: Facts) -> Finding:
    """PF-21, before anybody's word."""
    if isinstance(facts.holds, Unknown):
        proof = {"why_not": facts.holds.why} | ({"permission": p} if (p := facts.holds.permission) else {})
        return found("PF-21", "not_checked", "", proof=proof)
    return found("PF-21", "not_checked", "", proof={"holds": facts.holds})


def _row(row: JsonObject) -> JsonObject:
    names = (
        "id",
        "commerceSubscriptionId",
        "skuId",
        "skuPartNumber",
        "status",
        "totalLicenses",
        "nextLifecycleDateTime",
    )
    return {name: row[name] for name in names if row.get(name) is not None}


def _sku(row: JsonObject) -> JsonObject:
    names = ("skuId", "skuPartNumber", "capabilityStatus", "consumedUnits", "subscriptionIds")
    return {name: row[name] for name in names if row.get(name) is not None}


def _name(row: JsonObject) -> str:
    """For people: the product and the id."""
    return f"{row.get('skuPartNumber') or 'a subscription'} ({ids_of(row)[0] if ids_of(row) else 'without an id'})"


def _named(names: Iterable[str]) -> str:
    """The first few, and how many more."""
    every = list(names)
    more = f" and {len(every) - SHOWN:,} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _after(text: object, span: timedelta) -> str | None:
    return timestamp(datetime.fromisoformat(text) + span) if isinstance(text, str) else None
