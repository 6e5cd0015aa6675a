"""Steps 1 to 8: while everything still works, up to the gate.

Rules of this file: pure; each step can be done as written. Source: SEED (change custom domain settings, save your data, uninstall
Office), C24; retention-domain §3; issue text (the order).
"""

from exporters.bag.formats import JsonObject
from retention.preflight.facts import DnsAnswer, DomainFacts, Unknown
from retention.preflight.runbook.parts import Command, Letter, Part, Section, Table, Text, Tick, Warn
from retention.preflight.runbook.portal import both, path
from retention.preflight.runbook.subject import Subject

BLANK = "____________________"
_BY = '--by "YOUR NAME"'


def tell_users(about: Subject) -> Section:
    """Step 1."""
    names = ", ".join(one.name for one in about.domains) or about.tenant
    letter = [
        f"Subject: {names}: Microsoft 365 ends on {BLANK} (date)",
        "",
        f"On {BLANK} (date) mail to {names} moves to {BLANK} (new provider). From then on sign in there: {BLANK} (address).",
        "From that day on you can no longer sign in to the Outlook, OneDrive, SharePoint and Teams that you use today.",
        "",
        "Before that day, please:",
        "- save what lies only on your own computer: PST files, files that OneDrive has not synchronised (no "
        "green tick), local notes;",
        "- tell us of folders that nobody but you knows of, and of mailboxes that you open beside your own;",
        "- if you want your old mail in the new mailbox, export it from Outlook (File > Open & Export > "
        "Import/Export > Outlook data"
        " file (.pst)), or ask us;",
        "- uninstall Office afterwards, unless you are told that you have another licence: it will only read and print, and say"
        " Unlicensed Product.",
        "",
        "We make a copy of all mailboxes, OneDrives and sites. Ask us, not Microsoft, if you miss something later.",
    ]
    parts: tuple[Part, ...] = (
        Text("Send this to all users before any MX record is changed, with the date and the new provider filled in."),
        Letter(tuple(letter)),
        Tick("Sent to all users, and to who answers the telephone"),
        Command(
            f'lastcopy attest PF-14 {_BY} --value date=YYYY-MM-DD --value provider=NAME --text "sent to all users"'
        ),
        Text("When they have saved their own files, and Office is uninstalled or has another licence:"),
        Command(f'lastcopy attest PF-16 {_BY} --text "…"'),
        Command(f'lastcopy attest PF-17 {_BY} --text "…"'),
        Text("Who stays with Microsoft 365 gets a licence of another subscription now:"),
        path("Users", "Active users", "the user", "Licenses and apps"),
    )
    return Section("tell-users", "Tell the users", parts, 1)


def last_export(about: Subject) -> Section:
    """Step 2."""
    lost = about.preflight.of("PF-20")
    parts: list[Part] = [
        Text(f"Copies everything that is new into {about.store}. It can be repeated and stopped at any time."),
        Command("lastcopy export"),
        Text("It ends with exit 0, or says what is missing. What nobody can copy is accepted by name, with its code:"),
        Command(f'lastcopy accept CODE {_BY} --reason "…"'),
    ]
    if lost is not None and lost.result == "warn":
        parts += [
            Warn(f"{lost.message}. Restore whom you still want, and export again:"),
            path("Users", "Deleted users", "the user", "Restore user"),
        ]
    parts += [
        Text(
            "Holds, inactive mailboxes and what is only in eDiscovery end with the tenant: export from the "
            "Purview portal (eDiscovery >"
            " Cases) what must be kept. Teams chats, Planner, Forms, Loop, Viva Engage and Power Apps are in no "
            "copy: see lastcopy plan."
        ),
        Text("Then say so; holds is none, exported or released:"),
        Command(f'lastcopy attest PF-21 {_BY} --value holds=none --text "…"'),
        Text(
            "Microsoft 365 Backup is no way out: it lies inside Microsoft 365 and ends with it. Say that there is none, or"
            " that nobody relies on it (backup=not_relied_on):"
        ),
        Command(f'lastcopy attest PF-22 {_BY} --value backup=none --text "…"'),
        Text("Files with sensitivity labels that encrypt have to be decrypted now: their keys end with the tenant."),
    ]
    return Section("last-export", "Last export", tuple(parts), 2)


def move_mail(about: Subject) -> Section:
    """Step 3."""
    if not about.domains:
        return Section("move-mx", "Move MX", (Text("There is no custom domain: nothing to do. Go on with step 5."),), 3)
    parts: list[Part] = [
        Text(
            "Records that Microsoft 365 has wanted, and what takes their place. Fill in the new ones at your DNS host."
        )
    ]
    for domain in about.domains:
        parts += _records(domain)
    named = about.named_by_microsoft
    if named:
        names = ", ".join(one.name for one in named)
        parts += [
            Warn(
                f"Microsoft's own name servers answer for {names}: changes of MX elsewhere have no effect until "
                "the name servers (NS) are"
                " moved. First enter ALL records above at the new DNS host; then, at the registrar, change NS to "
                "it; then wait as in step"
                " 4."
            ),
            Table(
                ("Domain", "Name servers now", "New name servers"),
                tuple((one.name, _names(one.ns), BLANK) for one in named),
            ),
        ]
    parts += [
        Text(
            "A day before, lower the TTL of the MX record to 300 if your DNS host allows it: then step 4 takes minutes."
        ),
        Tick("MX of each domain points to the new provider"),
        Tick("SPF (the TXT record that begins with v=spf1) names the new provider"),
        Tick("autodiscover points to the new provider, or is deleted"),
    ]
    return Section("move-mx", "Move MX", tuple(parts), 3)


def _records(domain: DomainFacts) -> list[Part]:
    if isinstance(domain.wanted, Unknown):
        return [Warn(f"The records of {domain.name} could not be read ({domain.wanted.why}).")]
    rows = tuple(
        (_label(row, domain.name), str(row.get("recordType")).upper(), _value(row), BLANK, f"{row.get('ttl')} s")
        for row in domain.wanted
    )
    seen = (
        ""
        if isinstance(domain.mx, Unknown)
        else f" The DNS answers now: MX {_names(domain.mx)}, TTL {domain.mx.ttl:,} s."
    )
    lead = f"{domain.name}{' (the default domain)' if domain.is_default else ''}.{seen}"
    return [Text(lead), Table(("Name", "Type", "Old", "New", "TTL"), rows)]


def _label(row: JsonObject, domain: str) -> str:
    label = str(row.get("label") or domain)
    return "@" if label == domain else label.removesuffix(f".{domain}")


def _value(row: JsonObject) -> str:
    match str(row.get("recordType")).upper():
        case "MX":
            return f"{row.get('preference')} {row.get('mailExchange')}"
        case "SRV":
            return f"{row.get('priority')} {row.get('weight')} {row.get('port')} {row.get('nameTarget')}"
        case "CNAME":
            return str(row.get("canonicalName"))
        case _:
            return str(row.get("text") or "")


def _names(answer: DnsAnswer | Unknown) -> str:
    if isinstance(answer, Unknown):
        return f"not known ({answer.why})"
    return ", ".join(answer.names) or "none"


def wait_for_ttl(about: Subject) -> Section:
    """Step 4."""
    if not about.domains:
        return Section("wait-ttl", "Wait for its TTL", (Text("There is no custom domain: nothing to do."),), 4)
    rows = tuple(
        (
            one.name,
            "not known" if isinstance(one.mx, Unknown) else f"{one.mx.ttl:,} s ({_hours(one.mx.ttl)})",
            "from the change of NS: allow two days" if one in about.named_by_microsoft else "from the change of MX",
        )
        for one in about.domains
    )
    parts: tuple[Part, ...] = (
        Text(
            "Until the TTL of the old record has passed, some senders still deliver to Microsoft. A TTL that was "
            "told by a cache is what was"
            " left of it: your DNS host shows the whole."
        ),
        Table(("Domain", "TTL of MX", "Counts"), rows),
        Text("It is over when PF-12 and PF-13 pass:"),
        Command("lastcopy check --cancel --no-messages"),
        Tick("A mail from outside to each domain arrives at the new provider"),
    )
    return Section("wait-ttl", "Wait for its TTL", parts, 4)


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, seconds // 60)} min"


def stop_sign_in(about: Subject) -> Section:
    """Step 5."""
    keep = "; ".join(about.keepers)
    parts: tuple[Part, ...] = (
        Text("So that nobody writes anything that is in no copy. Not for those who can cancel and reactivate:"),
        Warn(
            f"Leave these as they are: {keep}"
            if keep
            else "PF-08 names nobody: settle that first, or you lock everybody out."
        ),
        path("Users", "Active users", "the user", "Block this user", "Block the user from signing in", "Save"),
        Text(
            "Several at once: tick them in the list first. It can take up to 24 hours until everybody is out (a "
            "token is good for an hour)."
            " Lastcopy signs in by itself and is not touched by it."
        ),
        Tick("All users are blocked but the administrators above"),
    )
    return Section("stop-sign-in", "Stop sign-in for users", parts, 5)


def last_run(about: Subject) -> Section:
    """Step 6."""
    parts: tuple[Part, ...] = (
        Text(
            "Brings what was written since step 2: minutes, not days. Export again until it says that nothing is new."
        ),
        Command("lastcopy export"),
    )
    return Section("last-run", "Last short run", parts, 6)


def prove(about: Subject) -> Section:
    """Step 7."""
    parts: tuple[Part, ...] = (
        Text(f"Reads and hashes every byte in {about.store} that was not read since it was written."),
        Command("lastcopy verify --new"),
        Tick("It ended with exit 0"),
    )
    return Section("verify", "Prove it: verify --new", parts, 7)


def gate(about: Subject) -> Section:
    """Step 8."""
    parts: tuple[Part, ...] = (
        Text(
            "Says yes (exit 0), or each reason why not, with the command that mends it. Findings of this runbook count too."
        ),
        Command("lastcopy ready"),
        Text(
            "While the custom domain is still there, PF-10 and PF-11 are open: step 9 closes them. Everything "
            "else has to be settled now."
            if about.domains
            else "It has to say yes."
        ),
        Text(f"When Office tells users {both('Unlicensed Product')} later, that is as expected."),
    )
    return Section("ready", "The gate: ready", parts, 8)
