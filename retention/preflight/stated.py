"""What follows from the word of a person: for the items that nobody else can say, and for those that could not be looked at.

Rules of this file: pure. A person's word never outweighs what was looked at. `settle` turns a finding and what was attested into
a finding, again and again with the same result, so that what is attested after a `check --cancel` counts without another one.
Source: retention-domain §3 (PF-05 to PF-09, PF-14, PF-16, PF-17, PF-19, PF-21, PF-22), §1 (K3, K4, K5).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.preflight.attestation import Attestation
from retention.preflight.finding import Finding, found
from retention.preflight.items import ITEMS

CANCEL_WITHIN: Final = timedelta(days=7)
"""After purchase or renewal, under the Microsoft Customer Agreement and in new commerce (C24, PC)."""
ONLINE_AT_MOST = 25
"""More licences than these are not cancelled online (C24); SEED says "fewer than 25", so 25 itself is a notice (K3)."""
_PARTNER: Final = frozenset({"csp_nce", "csp_legacy", "vl_enterprise", "open_value"})

Told = Mapping[str, Attestation]


def settle(finding: Finding, told: Told) -> Finding:
    """The finding, with what was attested. told: by item, those that count."""
    item, attestation = ITEMS[finding.id], told.get(finding.id)
    facts = {name: value for name, value in finding.proof.items() if name != "attestation"}
    if item.how == "stated":
        made = _STATED[item.id](attestation, told, facts)
    elif attestation is not None and (finding.result == "not_checked" or "attestation" in finding.proof):
        made = _instead(attestation, facts)
    else:
        return finding
    proof = made.proof | ({"attestation": attestation.as_json()} if attestation is not None else {})
    return replace(made, proof=proof, overridden_by=finding.overridden_by if made.digest == finding.digest else None)


def by_licences(count: int, proof: JsonObject, said: str = "") -> Finding:
    """PF-04: whether so many licences can be cancelled online (K3)."""
    parts, tail = (str(count),), f" ({said})" if said else ""
    reduce = (
        "Admin center: Billing > Your products > the subscription > Remove licenses, down to 25 or fewer; or let "
        "Microsoft support cancel"
        " it (Help & support)."
    )
    if count > ONLINE_AT_MOST:
        message = f"The subscription has {count:,} licences{tail}: with more than 25 it cannot be cancelled online"
        return found("PF-04", "block", message, reduce, proof=proof, parts=parts)
    if count == ONLINE_AT_MOST:
        message = (
            f"The subscription has exactly 25 licences{tail}: Microsoft's pages disagree on whether that can be "
            "cancelled online"
        )
        return found("PF-04", "notice", message, f"If the button is missing: {reduce}", proof=proof, parts=parts)
    return found("PF-04", "pass", f"{count:,} licences{tail}: it can be cancelled online", proof=proof, parts=parts)


def by_administrators(count: int, proof: JsonObject, said: str = "", parts: tuple[str, ...] = ()) -> Finding:
    """PF-08: whether enough people can cancel and reactivate."""
    tail = f" ({said})" if said else ""
    action = (
        "Admin center: Users > Active users > Add a user with an onmicrosoft.com name, then Roles > Global "
        "Administrator; sign in with it"
        " once."
    )
    parts = parts or (str(count),)
    if count == 0:
        message = (
            f"Nobody is left who can cancel or reactivate{tail}: no enabled cloud-only Global or Billing Administrator"
        )
        return found("PF-08", "block", message, action, proof=proof, parts=parts)
    if count == 1:
        message = f"Only one administrator can cancel or reactivate{tail}: if that sign-in is lost, nobody can"
        return found("PF-08", "warn", message, action, proof=proof, parts=parts)
    return found("PF-08", "pass", f"{count:,} administrators can cancel and reactivate{tail}", proof=proof, parts=parts)


def _instead(attestation: Attestation, facts: JsonObject) -> Finding:
    """An item that could not be looked at, by the word of a person."""
    item, values = ITEMS[attestation.item], attestation.values
    if item.id == "PF-04":
        return by_licences(int(values["licences"]), facts, attestation.said)
    if item.id == "PF-08":
        return by_administrators(int(values["admins"]), facts, attestation.said)
    return found(item.id, "pass", f"{item.title}: {attestation.said}", proof=facts, parts=("attested",))


def attest_command(item: str, *, text: str = "…") -> str:
    """The command that attests an item, with the first word of each value that is needed, and what else may stand there."""
    needed = [value for value in ITEMS[item].values if value.needed]
    values = "".join(f" --value {value.name}={value.words[0] if value.words else value.allowed}" for value in needed)
    others = "; ".join(f"{value.name} may also be {', '.join(value.words[1:])}" for value in needed if value.words)
    return f'lastcopy attest {item} --by "YOUR NAME"{values} --text "{text}"' + (f" ({others})" if others else "")


def _channel(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
    del told
    if attestation is None:
        message = (
            "Nobody has said how the subscription was bought: all dates depend on it, and Microsoft Graph does not tell"
        )
        command = attest_command("PF-05", text="invoice or admin center")
        action = f"{command}; with --value agreement=mca or agreement=mosa, as under Billing > Billing accounts"
        return found("PF-05", "block", message, action, proof=facts)
    channel, agreement = attestation.values.get("channel", ""), attestation.values.get("agreement", "not stated")
    parts = (channel, agreement)
    if channel == "germany":
        message = "Microsoft Cloud Germany was closed on 2021-10-29: there is nothing left to cancel or to copy there"
        action = "Attest the channel under which the tenant is billed today (lastcopy attest PF-05 …)."
        return found("PF-05", "block", message, action, proof=facts, parts=parts)
    watched = facts.get("watched_channel")
    if watched is not None and watched != channel:
        message = f"It is attested as {channel} and watched as {watched}: the warnings count by the wrong windows"
        action = (
            f"lastcopy track --state {facts.get('subscription') or 'ID'} --channel {channel}"
            f" (or `retention.subscriptions` in the configuration), or attest PF-05 anew"
        )
        return found("PF-05", "block", message, action, proof=facts, parts=(*parts, str(watched)))
    bought = f"bought as {channel}" + (f", agreement {agreement}" if "agreement" in attestation.values else "")
    partner = f", from {attestation.values['partner']}" if "partner" in attestation.values else ""
    who = " The partner has to cancel it." if channel in _PARTNER else ""
    return found("PF-05", "pass", f"{bought}{partner}: {attestation.said}.{who}", proof=facts, parts=parts)


def _window(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
    """PF-06. facts: `next` (nextLifecycleDateTime), `checked_at`."""
    bought = told.get("PF-05")
    values = bought.values if bought is not None else {}
    channel, agreement = values.get("channel"), values.get("agreement")
    following = facts.get("next")
    ends = f"ends {str(following)[:10]}" if following else "ends with its term (the admin center shows the date)"
    off = f"Admin center: Billing > Your products > the subscription > Edit recurring billing > Turn off; it {ends}."
    if agreement == "mosa" and channel not in _PARTNER:
        message = "Under the Online Subscription Agreement (MOSA) it can be cancelled at any time"
        return found("PF-06", "pass", message, proof=facts, parts=("mosa",))
    if attestation is None:
        message = (
            "Under the Microsoft Customer Agreement, and from a partner, it can be cancelled only within 7 days of "
            "purchase or renewal,"
            " and nobody has said when its term began"
        )
        action = f"{attest_command('PF-06')}; after those 7 days, turn off recurring billing: it {ends}."
        return found("PF-06", "warn", message, action, proof=facts)
    start, now = datetime.fromisoformat(attestation.values["start"]), datetime.fromisoformat(str(facts["checked_at"]))
    last = start + CANCEL_WITHIN
    if now < last:
        message = f"It can be cancelled until {timestamp(last)}, 7 days after its term began ({attestation.said})"
        return found("PF-06", "pass", message, proof=facts, parts=(timestamp(start),))
    message = f"The 7 days in which it can be cancelled ended {timestamp(last)}: turn off recurring billing, {ends}"
    return found("PF-06", "warn", message, off, proof=facts, parts=(timestamp(start), "over"))


def _refund(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
    del told
    rule = (
        "Microsoft credits the rest of the term in the next billing cycle where it is cancelled within the window; "
        "outside of it nothing"
        " comes back"
    )
    if attestation is None:
        return found("PF-07", "notice", rule, f"Read the last invoice, then: {attest_command('PF-07')}", proof=facts)
    return found("PF-07", "pass", f"Refund: {attestation.said}", proof=facts, parts=("attested",))


def _billing_owner(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
    bought = told.get("PF-05")
    agreement = bought.values.get("agreement") if bought is not None else None
    if agreement == "mosa":
        return found("PF-09", "pass", "Under MOSA the directory roles are enough (PF-08)", proof=facts, parts=("mosa",))
    if attestation is None:
        message = (
            "Under the Microsoft Customer Agreement the billing account has owners and contributors of its own: "
            "nobody has said who"
        )
        action = f"Admin center: Billing > Billing accounts > the account > Roles; then {attest_command('PF-09')}"
        return found("PF-09", "warn", message, action, proof=facts)
    holder = attestation.values.get("holder", "")
    message = f"Billing account owner or contributor: {holder} ({attestation.said})"
    return found("PF-09", "pass", message, proof=facts, parts=(holder,))


def _said(item: str, message: str, action: str) -> "Rule":
    """An item that passes once a person says that it is done; until then it is as bad as it can be."""

    def judged(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
        del told
        if attestation is None:
            return found(item, ITEMS[item].worst, message, f"{action} {attest_command(item)}".strip(), proof=facts)
        details = ", ".join(f"{name} {value}" for name, value in attestation.values.items())
        tail = f" ({details})" if details else ""
        return found(
            item, "pass", f"{ITEMS[item].title}{tail}: {attestation.said}", proof=facts, parts=("attested", details)
        )

    return judged


def _holds(attestation: Attestation | None, told: Told, facts: JsonObject) -> Finding:
    """PF-21. facts: `holds` that Graph showed (an application sees only its own cases), or `why_not` it could not be asked."""
    del told
    seen = [str(name) for name in facts.get("holds") or ()]
    said = attestation.values.get("holds") if attestation is not None else None
    action = (
        "Purview portal > eDiscovery > Cases > Hold policies, and Exchange admin center > Recipients > Inactive "
        "mailboxes: export what"
        f" must be kept, then {attest_command('PF-21')}"
    )
    if seen and said in {None, "none"}:
        told_wrong = " although it was attested that there are none" if said == "none" else ""
        message = f"Holds end with the tenant, and what they hold is deleted with it: {', '.join(seen[:5])}{told_wrong}"
        return found("PF-21", "block", message, action, proof=facts, parts=tuple(seen))
    if attestation is None:
        why = facts.get("why_not") or "an application sees only the eDiscovery cases that it made itself"
        message = f"Whether there are holds, inactive mailboxes or archives is not known ({why}); all of them end with the tenant"
        return found("PF-21", "not_checked", message, action, proof=facts)
    message = f"Holds, inactive mailboxes, archives: {said}, {attestation.said}"
    return found("PF-21", "pass", message, proof=facts, parts=(str(said), *seen))


Rule = Callable[[Attestation | None, Told, JsonObject], Finding]
_STATED: Final[dict[str, Rule]] = {
    "PF-05": _channel,
    "PF-06": _window,
    "PF-07": _refund,
    "PF-09": _billing_owner,
    "PF-14": _said(
        "PF-14",
        "Users should know the date and the new provider before mail is moved",
        "The runbook has a text for them (lastcopy check --cancel --runbook DIR); then",
    ),
    "PF-16": _said(
        "PF-16",
        "What users keep in PST files, synchronised folders or on their own disks is in no copy",
        "Let them save it while they can sign in; then",
    ),
    "PF-17": _said(
        "PF-17",
        "Office apps that were installed with these licences will only read and print, and say Unlicensed Product",
        "Uninstall them, or install them anew under another licence; then",
    ),
    "PF-19": _said(
        "PF-19",
        "Deleting the subscription, or closing the account, deletes SharePoint and OneDrive at once: nobody has "
        "said that it will not be"
        " done before the last export",
        "Tell all administrators: cancel, never delete. Then",
    ),
    "PF-21": _holds,
    "PF-22": _said(
        "PF-22",
        "Microsoft 365 Backup lies inside Microsoft 365 and ends with it: it is no way out",
        "If it is in use, do not count on it. Then",
    ),
}
