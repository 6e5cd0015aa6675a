"""The last pages of the runbook: money, licences, Office, holds, closing the account, and where all of it is from.

Rules of this file: pure. Source: SEED, C24, CL, W24, EX15; retention-domain §1 (K3 to K6), §2.3.
"""

from retention.preflight.runbook.parts import Part, Section, Table, Text, Warn
from retention.preflight.runbook.portal import PAGES, path
from retention.preflight.runbook.subject import Subject


def money(about: Subject) -> Section:
    """Billing and refund."""
    agreed = about.agreement or "not attested (PF-05)"
    parts: tuple[Part, ...] = (
        Text(f"Agreement: {agreed}. Which one it is stands here:"),
        path("Billing", "Billing accounts"),
        Table(
            ("Agreement", "Cancel", "Refund"),
            (
                (
                    "MCA (modern)",
                    "within 7 days of purchase or renewal; later recurring billing off",
                    "prorated within the 7 days; then none",
                ),
                ("MOSA (older)", "at any time", "a prorated credit in the next billing cycle"),
                ("Partner, new commerce", "within 7 days, by the partner", "prorated within the 7 days; then none"),
                ("21Vianet", "within 30 days of purchase any size", "a termination fee is possible"),
            ),
        ),
        Text("Recurring billing off is no cancellation: it runs to the end of the term, and the clock starts there."),
        Text(
            "A domain that was bought through Microsoft 365 is a subscription of its own: turn off its recurring billing as well."
        ),
        Text("Keep the last invoices: with the tenant the admin center goes too."),
    )
    return Section("money", "Billing, refund, agreement", parts)


def licences(about: Subject) -> Section:
    """Licences and Office."""
    number = "not known" if about.licences is None else f"{about.licences:,}"
    parts: tuple[Part, ...] = (
        Text(
            f"This subscription has {number} licences. 24 or fewer: online. 25: Microsoft's pages disagree, so "
            "try. More than 25: reduce to 25"
            " or fewer, or have support cancel it."
        ),
        path("Billing", "Your products", "the subscription", "Remove licenses"),
        Text(
            "Cancelling one subscription leaves others of the same product alone. To move users, give them a licence of the"
            " other first."
        ),
        Text(
            "Office that was installed with these licences goes read-only: uninstall it, or sign in to it under another licence."
        ),
    )
    return Section("licences", "Licences and Office", parts)


def held(about: Subject) -> Section:
    """Holds, and what they do not do."""
    finding = about.preflight.of("PF-21")
    parts: tuple[Part, ...] = (
        Text(f"Here: {finding.message if finding is not None else 'not looked at'}."),
        Text(
            "No hold, no retention policy and no inactive mailbox survives the tenant. Exports of eDiscovery are "
            "kept by Microsoft for 14 days"
            " only: download them."
        ),
        Text(
            "An application sees only the eDiscovery cases that it made itself: look in the Purview portal as a person."
        ),
    )
    return Section("holds", "Holds", parts)


def closing(about: Subject) -> Section:
    """Closing the account."""
    parts: tuple[Part, ...] = (
        Warn(
            "Not part of this runbook, and never before gone_by is no question any more: closing the account "
            "deletes users, cancels all"
            " subscriptions, deletes them, and deletes the directory; data is gone at the first step."
        ),
        Text(
            "If it has to be: switch directory synchronisation off first (PF-26), delete all users but one "
            "administrator, cancel and delete"
            " each subscription, then Entra admin center > Overview > Manage tenants > Delete."
        ),
    )
    return Section("close-account", "Closing the account", parts)


def sources(about: Subject) -> Section:
    """Where it is from."""
    own = about.facts.own
    pages = tuple((f"{title} (Dutch)", day) for title, day in PAGES.values())
    rows = (
        ("Cancel your subscription / Uw abonnement opzeggen", "2021-02-05"),
        ("Cancel your subscription in the Microsoft 365 admin center", "2024-09-10"),
        ("What happens to my data and access when my Microsoft 365 for business subscription ends?", "2024-03-29"),
        ("Reactivate your subscription; Close your account; Remove a domain", "undated, 2020 to 2023"),
        ("Partner Center, Subscription lifecycle states", "2023-08-04"),
        *pages,
    )
    parts: tuple[Part, ...] = (
        Text(
            "Microsoft's pages, by their titles and dates. The Dutch ones are Microsoft's own machine "
            "translations: buttons may read a little"
            " differently. Where no Dutch words are on record, the English ones are printed."
        ),
        Table(("Page", "Date"), rows),
        Text(
            f"Policy {own.policy_id}, last compared with those pages on {own.policy_verified}. Made by run {about.preflight.run}."
        ),
    )
    return Section("sources", "Where this is from", parts)
