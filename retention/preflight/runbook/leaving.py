"""Steps 9 to 12, and the way back: removing the domain, cancelling, and what comes after.

Rules of this file: pure; the way to cancel is that of the cloud, of the channel and of the agreement; Microsoft Cloud Germany is
refused. Source: SEED and C24 (steps), DOM, RE, CL, CN, PC; retention-domain §1, §2.2, §3 ("Steps to show").
"""

import shlex
from collections.abc import Iterator

from retention.preflight.facts import Unknown
from retention.preflight.judging_domains import kinds_told
from retention.preflight.runbook.parts import Command, Part, Section, Table, Text, Tick, Warn
from retention.preflight.runbook.portal import both, path
from retention.preflight.runbook.subject import BY_PARTNER, Subject
from retention.preflight.stated import ONLINE_AT_MOST

CHINA, TRIAL = "vianet21", "trial"
PORTALS = {CHINA: "https://portal.partner.microsoftonline.cn"}
WORLDWIDE_PORTAL = "https://admin.microsoft.com"


def remove_domain(about: Subject) -> Section:
    """Step 9."""
    if not about.domains:
        return Section("remove-domain", "Remove the domain", (Text("There is no custom domain: nothing to do."),), 9)
    rows = tuple((one.name, _uses(one.references), "yes" if one.is_default else "no") for one in about.domains)
    parts: tuple[Part, ...] = (
        Text("Only when mail goes elsewhere (step 4). A domain that is not removed cannot be used in another tenant."),
        Table(("Domain", "Still used by", "Default domain"), rows),
        Text(f"1. Users, all of them, to {about.tenant}:"),
        path("Users", "Active users", "Change domains"),
        Text("2. Yourself, if you are on it; then sign out, and in again under the new name with the same password:"),
        path("Users", "Active users", "the user", "Account", "Manage username"),
        Text("3. Groups and distribution lists, each one:"),
        path("Groups", "Groups"),
        Text(
            "4. Applications whose identifier uses it: Entra admin center > App registrations > the application > Expose an API."
        ),
        *_default(about),
        Text("5. The domain:"),
        path("Settings", "Domains", "the domain", "Remove", "Close"),
        Text("It takes from 5 minutes to a day. Users are renamed by it; their bags in the copy keep their names."),
        Tick("lastcopy check --cancel: PF-10 and PF-11 pass"),
    )
    return Section("remove-domain", "Remove the domain", parts, 9)


def _default(about: Subject) -> Iterator[Part]:
    if any(domain.is_default for domain in about.domains):
        yield Text(f"A default domain cannot be removed: make {about.tenant} the default one first.")
        yield path("Settings", "Domains", "the domain", "Set as default")


def _uses(references: object) -> str:
    if isinstance(references, Unknown):
        return f"not known ({references.why})"
    found = dict(references) if isinstance(references, dict) else {}
    return kinds_told(found) or "nothing"


def one_more_run(about: Subject) -> Section:
    """Step 10."""
    parts: tuple[Part, ...] = (
        Text("Removing the domain has renamed users: the directory and some settings are new."),
        Command("lastcopy export"),
        Command("lastcopy verify --new"),
        Command("lastcopy check --cancel"),
        Command("lastcopy ready"),
        Warn("Go on only when ready says yes."),
    )
    return Section("one-more-run", "One more short run", parts, 10)


def cancel(about: Subject) -> Section:
    """Step 11."""
    parts: list[Part] = [
        Warn(
            f"Cancel. Never {both('Delete subscription')}, never close the account: either deletes SharePoint and "
            "OneDrive at once, without"
            " a way back."
        ),
        Text(
            f"Sign in at {PORTALS.get(about.channel or '', WORLDWIDE_PORTAL)} as {both('Global admin')} or "
            f"{both('Billing admin')}"
            f"{_owner(about)}: {'; '.join(about.keepers) or 'nobody is named by PF-08'}."
        ),
        *_way(about),
        Text(
            "Write down the moment of the confirmation, and the dates that the page shows: they are the best proof of the start."
        ),
        Tick("Cancelled on ____________ at ____________ (time with zone), by ____________________"),
        Command(
            f"lastcopy track --state {shlex.quote(about.id)} --channel {about.channel or 'CHANNEL'}"
            " --event cancel=YYYY-MM-DDTHH:MM:SS+00:00"
        ),
        Tick(
            "Its status reads Cancelled (no Dutch on record)"
            if about.channel == CHINA
            else f"Its status reads {both('Disabled')}"
            if about.channel not in BY_PARTNER
            else "The partner has confirmed it in writing"
        ),
    ]
    return Section("cancel", "Cancel", tuple(parts), 11)


def _owner(about: Subject) -> str:
    return (
        ""
        if about.agreement == "mosa"
        else " (under the Microsoft Customer Agreement also owner or contributor of the billing account)"
    )


def _way(about: Subject) -> Iterator[Part]:
    if about.channel in BY_PARTNER:
        partner = about.value("PF-05", "partner") or "your partner"
        yield Text(f"Bought from a partner: {partner} has to cancel it, nobody else can.")
        yield Text(
            "New commerce can be cancelled only within 7 days of purchase or renewal, and then goes straight to "
            "Deleted, with 7 days to back"
            " up; after that, have recurring billing turned off: it ends with its term."
        )
        return
    if about.channel == CHINA:
        yield Text("Operated by 21Vianet; any size within 30 days of purchase; a termination fee is possible.")
        yield path("Billing", "Subscriptions", "the subscription", "More actions", "Cancel subscription")
        yield Text("Review the important dates, say why, choose Cancel subscription again.")
        return
    if about.channel == TRIAL:
        yield Text("A trial ends by itself when recurring billing is off, and is not charged:")
        yield path("Billing", "Your products", "the subscription", "Recurring billing", "Edit", "Turn off")
    number = about.licences
    if number is not None and number > ONLINE_AT_MOST:
        yield Warn(
            f"It has {number:,} licences: with more than 25 it cannot be cancelled online. Reduce them, or call support:"
        )
        yield path("Billing", "Your products", "the subscription", "Remove licenses")
        yield path("Help & support")
    yield Text("Newer admin center:")
    yield path("Billing", "Your products", "the subscription", "Cancel subscription")
    if about.agreement != "mosa":
        yield Text(
            "Under the Microsoft Customer Agreement this is offered only within 7 days of purchase or renewal; "
            "later only recurring billing"
            f" can be turned off: then it ends with its term ({about.term_ends}), and the clock starts there."
        )
        yield path("Billing", "Your products", "the subscription", "Recurring billing", "Edit", "Turn off")
        yield Text("Then, instead of the cancellation below, take down:")
        yield Command(
            f"lastcopy track --state {shlex.quote(about.id)} --event recurring_off=YYYY-MM-DDTHH:MM:SS+00:00"
            " --event term_end=YYYY-MM-DD"
        )
    if about.agreement != "mca":
        yield Text(
            "Under the Online Subscription Agreement (MOSA) it asks whether to cancel now, or before the next renewal: now."
        )
    yield Text("Older admin center (then a reason, and Save):")
    yield path(
        "Billing", "Your products", "Products", "the subscription", "More actions", "Cancel subscription", "Save"
    )


def reminders(about: Subject) -> Section:
    """Step 12."""
    parts: list[Part] = [
        Text(
            "Warnings come by the channels that PF-23 tried, as long as this runs every hour (deploy/systemd, deploy/kubernetes):"
        ),
        Command("lastcopy sweep"),
        Text("The dates for a calendar, and how it stands:"),
        Command("lastcopy status --ics > lastcopy.ics"),
        Command("lastcopy status"),
    ]
    if about.clock is not None:
        clock = about.clock
        when = "" if clock.is_running else ", if it were cancelled now"
        parts += [
            Text(f"To do on these days{when}:"),
            Table(
                ("When", "What"),
                (
                    (about.shown(clock.at_risk_from), "Be done with everything that is still read from the tenant"),
                    (
                        about.shown(clock.deletable_from),
                        "Last moment to reactivate is before this; from then on remove the payment method",
                    ),
                    (
                        about.shown(clock.gone_by),
                        "Microsoft says that all is erased: take that into the evidence (lastcopy report)",
                    ),
                ),
            ),
        ]
    parts += [
        Text("Only when the state is Deleted can the payment method be removed:"),
        path("Billing", "Bills & payments", "Payment methods"),
    ]
    return Section("reminders", "Reminders", tuple(parts), 12)


def reactivate(about: Subject) -> Section:
    """The way back."""
    parts: list[Part] = []
    if about.channel in {"csp_nce", "csp_legacy"}:
        parts.append(
            Warn(
                "Bought from a partner it cannot be reactivated once it is Expired or Disabled."
                " A new purchase does not bring data back."
            )
        )
        return Section("reactivate", "How to go back (reactivate)", tuple(parts))
    who = "; ".join(about.keepers) or "nobody is named by PF-08"
    parts.append(Text(f"Who: {both('Global admin')} or {both('Billing admin')}: {who}."))
    if about.channel in {"vl_enterprise", "open_value"}:
        parts.append(Text("Where: at the partner who sold it; not in the admin center."))
    else:
        parts += [
            Text("Where:"),
            path(
                "Billing",
                "Your products",
                "Products",
                "the subscription",
                "More actions",
                "Reactivate this subscription",
            ),
            Text(
                "Choose a payment method, or Add payment method (Dutch: Betalingswijze toevoegen), then Save. If "
                "the button is missing, call"
                " support."
            ),
        ]
    if about.clock is not None:
        prefix = "" if about.clock.is_running else "if it were cancelled now, "
        parts.append(
            Warn(
                f"Until when: {prefix}before {about.shown(about.clock.deletable_from)}. That instant itself is too late."
            )
        )
    parts += [
        Text(
            "Payment method: keep the old one valid until then; a card that has run out is the usual reason why "
            "nobody can go back. Only who"
            " added a card can use it."
        ),
        Text("Afterwards: give users back their licences, unblock their sign-in, and take it down:"),
        Command(f"lastcopy track --state {shlex.quote(about.id)} --event reactivate=YYYY-MM-DDTHH:MM:SS+00:00"),
        Text("After 30 days some data may be gone all the same: run lastcopy export, and compare."),
    ]
    return Section("reactivate", "How to go back (reactivate)", tuple(parts))
