"""The first pages of the runbook: what it is about, the dates, what still stands in the way.

Rules of this file: pure; words about this tenant come from `Subject`. Source: retention-domain §2.1, §2.2, §3.
"""

from collections.abc import Iterator

from retention.preflight.finding import GRAVITY
from retention.preflight.runbook.parts import Command, Part, Section, Table, Text, Warn
from retention.preflight.runbook.portal import both
from retention.preflight.runbook.subject import NOT_KNOWN, Subject
from retention.timeline_shown import MEANINGS

_STEPS = {
    "PF-01": "2, 6, 7",
    "PF-04": "11",
    "PF-06": "11",
    "PF-10": "9",
    "PF-11": "9",
    "PF-12": "3, 4",
    "PF-13": "3, 4",
    "PF-14": "1",
    "PF-15": "1",
    "PF-16": "1",
    "PF-17": "1",
    "PF-18": "12",
    "PF-20": "2",
    "PF-21": "2",
    "PF-22": "2",
}
"""In which step an item is settled; all others now, before the first."""


def facts(about: Subject) -> Section:
    """Who and what."""
    licences = NOT_KNOWN if about.licences is None else f"{about.licences:,}"
    rows = [
        ("Tenant", f"{about.tenant} ({about.facts.tenant})"),
        ("Cloud", about.cloud),
        ("Subscription", f"{about.name}, {about.admin_id}"),
        ("Its state in Graph", about.status),
        ("Its licences", licences),
        ("Next date of its term", about.term_ends),
        ("Bought as", _said(about, "PF-05")),
        ("Other subscriptions, which stay", ", ".join(about.others) or "none: the directory goes with this one"),
        ("Custom domains", ", ".join(one.name for one in about.domains) or "none"),
        ("Who can cancel and reactivate", "; ".join(about.keepers) or "nobody that was seen (PF-08)"),
        ("The copy", about.store),
        ("Looked at", about.shown(about.facts.now)),
    ]
    parts: list[Part] = [
        Table(("What", "Here"), tuple(rows)),
        Text(
            "Do the steps in their order, each to its end. Commands are typed in the folder of the "
            "configuration. Names of pages are"
            " printed in English and in Dutch."
        ),
    ]
    return Section("about", "What this is about", tuple(parts))


def _said(about: Subject, item: str) -> str:
    attestation = about.told.get(item)
    if attestation is None:
        return "not attested (PF-05): no date in this runbook can be relied on before it is"
    values = ", ".join(f"{name} {value}" for name, value in attestation.values.items())
    return f"{values} ({attestation.said})"


def dates(about: Subject) -> Section:
    """The boundaries."""
    clock = about.clock
    if clock is None:
        parts: tuple[Part, ...] = (
            Warn("How it was bought is not attested, so no date can be told. Attest it, and make the runbook anew:"),
            Command('lastcopy attest PF-05 --by "YOUR NAME" --value channel=direct --text "invoice"'),
        )
        return Section("dates", "Dates", parts)
    channel = about.channel or "direct"
    rows = [
        (kind, MEANINGS[kind], about.shown(at))
        for kind, at in (
            ("access_ends", clock.access_ends),
            ("at_risk_from", clock.at_risk_from),
            ("deletable_from", clock.deletable_from),
            ("gone_by", clock.gone_by),
        )
    ]
    lead = (
        "The clock runs already. These are its dates:"
        if clock.is_running
        else f"These are the dates if it were cancelled now, {about.shown(about.facts.now)}. Cancelled later, each moves by"
        " the same time. For the day itself:"
    )
    made: list[Part] = [Text(lead)]
    if not clock.is_running:
        zone = about.zone.key
        made.append(
            Command(f"lastcopy timeline --channel {channel} --event cancel=YYYY-MM-DDTHH:MM:SSZ --time-zone {zone}")
        )
    made += [
        Table(("Boundary", "From then on", "When"), tuple(rows)),
        Text(
            "Where Microsoft's pages disagree (30 days or 90) the earlier counts for what has to be done, the "
            "latest (180 days) for what is"
            " said to be erased. Local times move by an hour when clocks change; UTC does not."
        ),
    ]
    return Section("dates", "Dates", tuple(made))


def in_the_way(about: Subject) -> Section:
    """What the preflight found."""
    found = [one for one in about.preflight.findings if one.result != "pass"]
    found.sort(key=lambda one: GRAVITY.index(one.result))
    rows = tuple(
        (one.id, _result(one.result, one.overridden_by), one.message, one.action, _STEPS.get(one.id, "now"))
        for one in found
    )
    number = len(about.preflight.open)
    lead = (
        Warn(f"Do not cancel before these are settled: {', '.join(one.id for one in about.preflight.open)}.")
        if number
        else Text("Nothing that was looked at stands in the way.")
    )
    table = (Table(("Item", "Result", "What is so", "What to do", "Step"), rows),) if rows else ()
    return Section(
        "in-the-way",
        "What stands in the way",
        (lead, *table, Text("Look again at any time:"), Command("lastcopy check --cancel")),
    )


def _result(result: str, by: str | None) -> str:
    word = {"not_checked": "not checked"}.get(result, result)
    return f"{word}, accepted by {by}" if by else word


def states() -> Section:
    """The words for the states."""
    rows = (
        (both("Active"), "Enabled", "as always", "as always"),
        (
            both("Expired"),
            "Warning",
            "work as usual (not in volume licensing)",
            "admin center and data; can reactivate",
        ),
        (
            both("Disabled"),
            "Suspended, LockedOut",
            f"no services, no data; Office read-only: {both('Unlicensed Product')}",
            "sign in, back up data, reactivate; cannot assign licences",
        ),
        (
            f"{both('Deleted')}; on older pages {both('Deprovisioned')}",
            "Deleted, or no row",
            "nothing",
            "other subscriptions only",
        ),
    )
    return Section(
        "states",
        "States, and who can do what",
        (Table(("State", "In Graph", "Users", "Administrators"), rows), *_partner_note()),
    )


def _partner_note() -> Iterator[Part]:
    yield Text(
        "21Vianet shows Cancelled (no Dutch on record) instead of Disabled. Bought from a partner, neither "
        "Expired nor Disabled can be"
        " reactivated, and the partner may see the new state up to 90 days late."
    )
