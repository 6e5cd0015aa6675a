"""What a runbook is about: this tenant's names, domains, dates and people, taken from what the preflight saw and heard.

Rules of this file: no I/O; what is not known is said to be so, never filled in. Source: retention-domain §1, §2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from exporters.clock import timestamp
from retention.preflight.attestation import Attestation
from retention.preflight.facts import Clock, DomainFacts, Facts, Unknown, ids_of
from retention.preflight.judging_domains import mail_is_microsofts, names_are_microsofts
from retention.preflight.recorded import Preflight

NOT_KNOWN = "not known"
BY_PARTNER = frozenset({"csp_nce", "csp_legacy", "vl_enterprise", "open_value"})


@dataclass(frozen=True, slots=True)
class Subject:
    """A tenant and the subscription that is to be cancelled. store: where the copy lies; config: name of the configuration."""

    preflight: Preflight
    facts: Facts
    told: Mapping[str, Attestation]
    zone: ZoneInfo
    config: str
    store: str
    cloud: str
    is_rehearsal: bool = False

    @property
    def tenant(self) -> str:
        return self.facts.initial_domain or self.facts.tenant

    @property
    def name(self) -> str:
        """Of the subscription, for people."""
        row = self.facts.subscription or {}
        return str(row.get("skuPartNumber") or "the subscription")

    @property
    def id(self) -> str:
        return self.facts.chosen or "SUBSCRIPTION-ID"

    @property
    def admin_id(self) -> str:
        """As the admin center shows it."""
        row = self.facts.subscription or {}
        return str(row.get("commerceSubscriptionId") or self.id)

    @property
    def status(self) -> str:
        return str((self.facts.subscription or {}).get("status") or NOT_KNOWN)

    @property
    def licences(self) -> int | None:
        value = (self.facts.subscription or {}).get("totalLicenses")
        return value if isinstance(value, int) else None

    @property
    def term_ends(self) -> str:
        """Day of the next change of the subscription."""
        return str((self.facts.subscription or {}).get("nextLifecycleDateTime") or NOT_KNOWN)[:10]

    def value(self, item: str, name: str) -> str | None:
        """A value that somebody attested."""
        attestation = self.told.get(item)
        return attestation.values.get(name) if attestation is not None else None

    @property
    def channel(self) -> str | None:
        return self.value("PF-05", "channel") or self.facts.own.watched_channel

    @property
    def agreement(self) -> str | None:
        return self.value("PF-05", "agreement")

    @property
    def clock(self) -> Clock | None:
        return self.facts.own.clock

    @property
    def domains(self) -> list[DomainFacts]:
        """Custom domains that were seen."""
        return [] if isinstance(self.facts.domains, Unknown) else self.facts.domains

    @property
    def at_microsoft(self) -> list[DomainFacts]:
        """Those whose mail still goes to Microsoft, as far as is known."""
        return [one for one in self.domains if mail_is_microsofts(one) is not False]

    @property
    def named_by_microsoft(self) -> list[DomainFacts]:
        """Those for which Microsoft's name servers answer."""
        return [one for one in self.domains if names_are_microsofts(one)]

    @property
    def keepers(self) -> list[str]:
        """Who can cancel and reactivate, by PF-08."""
        finding = self.preflight.of("PF-08")
        rows = (finding.proof if finding is not None else {}).get("administrators") or ()
        return [f"{row['name']} ({', '.join(row['roles'])})" for row in rows if not row.get("why_not")]

    @property
    def others(self) -> list[str]:
        """Subscriptions that stay."""
        rows = [] if isinstance(self.facts.subscriptions, Unknown) else self.facts.subscriptions
        return [
            f"{row.get('skuPartNumber')} ({ids_of(row)[0]})" for row in rows if self.facts.chosen not in ids_of(row)
        ]

    def shown(self, at: datetime) -> str:
        """Local time with its offset and zone, and UTC."""
        local = at.astimezone(self.zone)
        utc = at.strftime("%Y-%m-%d %H:%M UTC")
        if self.zone.key == "UTC":
            return utc
        return f"{local:%Y-%m-%d %H:%M %z} {self.zone.key} ({utc})"

    @property
    def made(self) -> str:
        return timestamp(self.facts.now)
