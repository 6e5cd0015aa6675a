"""The 26 things that are looked at before cancelling: what each is, how bad it can be, who can say it.

Rules of this file: a table and look-ups, no I/O. Source: retention-domain §3; graph.md §2.1 (least permissions);
docs/decisions/0080 (what can be attested, and for how long).
"""

from datetime import timedelta
from typing import Final, Literal, NamedTuple

from retention.events import CHANNELS, TERMS

Result = Literal["pass", "notice", "warn", "block", "not_checked"]
How = Literal["graph", "dns", "own", "configuration", "stated"]
"""Who says it: Microsoft Graph, the DNS, our own records, our configuration, or a person."""

ATTESTED_FOR: Final = timedelta(days=30)
"""How long a person's word on what is so *today* counts; what was bought or done once stays true."""

USERS = "User.Read.All"
ORGANIZATION = "Organization.Read.All"
LICENCES = "LicenseAssignment.Read.All"
DOMAINS = "Domain.Read.All"
ROLES = "RoleManagement.Read.Directory"
EDISCOVERY = "eDiscovery.Read.All"


class Value(NamedTuple):
    """A KEY=VALUE of an attestation. words: those allowed; kind: how others are read; needed: nothing counts without it."""

    name: str
    words: tuple[str, ...] = ()
    kind: Literal["word", "text", "time", "count"] = "text"
    needed: bool = False

    @property
    def allowed(self) -> str:
        """What may stand there, for people."""
        if self.words:
            return "|".join(self.words)
        return {"time": "TIME", "count": "NUMBER"}.get(self.kind, "TEXT")


class Item(NamedTuple):
    """One item. worst: the worst that it can be; ages: an attestation of it counts for `ATTESTED_FOR`; permissions: that the
    looking needs."""

    id: str
    title: str
    worst: Result
    how: How
    permissions: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    ages: bool = False

    @property
    def can_be_attested(self) -> bool:
        """Whether a person's word counts: always for what only people know, else where it could not be looked at. That of the
        clock ends what rows of the journal say of the time (retention-domain §2.5)."""
        return self.how in {"stated", "graph", "dns"} or self.id == CLOCK


def _word(name: str, *words: str, needed: bool = False) -> Value:
    return Value(name, words, "word", needed)


CLOCK: Final = "PF-25"
ITEMS: Final = {
    item.id: item
    for item in (
        Item("PF-01", "The copy is complete and verified", "block", "own"),
        Item("PF-02", "The subscription is chosen", "warn", "graph", (ORGANIZATION,), ages=True),
        Item("PF-03", "Whether it is the only one", "warn", "graph", (ORGANIZATION, LICENCES), ages=True),
        Item(
            "PF-04",
            "Few enough licences to cancel online",
            "block",
            "graph",
            (ORGANIZATION,),
            (Value("licences", kind="count", needed=True),),
            ages=True,
        ),
        Item(
            "PF-05",
            "How it was bought",
            "block",
            "stated",
            values=(
                _word("channel", *CHANNELS, needed=True),
                _word("agreement", "mca", "mosa", "other"),
                _word("term", *TERMS),
                Value("partner"),
            ),
        ),
        Item(
            "PF-06",
            "The cancellation window",
            "warn",
            "stated",
            (ORGANIZATION,),
            (Value("start", kind="time", needed=True),),
        ),
        Item("PF-07", "What is refunded", "notice", "stated", values=(_word("refund", "prorated", "none"),)),
        Item(
            "PF-08",
            "At least two administrators who can reactivate",
            "block",
            "graph",
            (ROLES, USERS),
            (Value("admins", kind="count", needed=True),),
            ages=True,
        ),
        Item("PF-09", "An owner of the billing account", "warn", "stated", values=(Value("holder", needed=True),)),
        Item("PF-10", "Custom domains are removed", "block", "graph", (DOMAINS,), ages=True),
        Item("PF-11", "Nothing uses the custom domains any more", "block", "graph", (DOMAINS,), ages=True),
        Item("PF-12", "Mail goes elsewhere (MX)", "block", "dns", (DOMAINS,), ages=True),
        Item("PF-13", "Name servers are not Microsoft's (NS)", "block", "dns", (DOMAINS,), ages=True),
        Item(
            "PF-14",
            "Users know the date and the new provider",
            "notice",
            "stated",
            values=(Value("date", kind="time"), Value("provider")),
        ),
        Item("PF-15", "Users have another subscription, or knowingly none", "warn", "graph", (USERS,), ages=True),
        Item("PF-16", "Users saved their own PSTs and synced files", "notice", "stated"),
        Item("PF-17", "Office is uninstalled, or has another licence", "notice", "stated"),
        Item("PF-18", "The payment method stays until the subscription is deleted", "notice", "own"),
        Item("PF-19", "Nobody deletes the subscription or closes the account", "block", "stated", ages=True),
        Item("PF-20", "Users that are unlicensed or deleted already", "warn", "graph", (USERS,), ages=True),
        Item(
            "PF-21",
            "Holds, inactive mailboxes, archives",
            "block",
            "stated",
            (EDISCOVERY,),
            (_word("holds", "none", "exported", "released", needed=True),),
            ages=True,
        ),
        Item(
            "PF-22",
            "Microsoft 365 Backup is not the way out",
            "warn",
            "stated",
            values=(_word("backup", "none", "not_relied_on", needed=True),),
        ),
        Item("PF-23", "Credential, store and warnings outlive the tenant", "block", "configuration"),
        Item("PF-24", "There is time enough", "block", "own"),
        Item("PF-25", "The policy is fresh and the clock right", "warn", "own"),
        Item("PF-26", "Directory synchronisation is off", "warn", "graph", (ORGANIZATION,), ages=True),
    )
}


def would_block(item: str) -> bool:
    """Whether an item can stand in the way of cancelling; then, not looked at, it does."""
    return item in ITEMS and ITEMS[item].worst == "block"
