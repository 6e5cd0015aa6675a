"""The newest preflight on record, as it stands now: with what was attested and accepted since.

Rules of this file: no I/O; the order of rows in the journal decides. What was attested later turns findings by the same rules as
in the check itself; what was accepted covers the very finding (its digest), whenever that was. Source: docs/formats.md (Journal).

    found = latest(journal.rows())
    if found is None or found.open: …          # each open finding has .id, .message, .action
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.preflight.attestation import ATTESTED, Attestation
from retention.preflight.attestation import of_row as attestation_of
from retention.preflight.finding import Finding
from retention.preflight.finding import of_row as finding_of
from retention.preflight.items import ITEMS
from retention.preflight.stated import settle

PREFLIGHT = "preflight"
"""Type of its row in the journal."""
ACCEPTED = "accepted"

Overrides = Mapping[tuple[str, str], str]
"""(item, digest) → who accepted that."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """One look at all 26 items. at: when; run: its name; subscription: that it was for, None if none was chosen."""

    run: str
    at: datetime
    findings: tuple[Finding, ...]
    subscription: str | None = None

    @property
    def open(self) -> tuple[Finding, ...]:
        """What stands in the way and nobody has taken upon them: blocks, and what was not checked and could be one."""
        return tuple(finding for finding in self.findings if finding.is_open)

    @property
    def overridden(self) -> tuple[Finding, ...]:
        """What stands in the way, and who took it upon them."""
        return tuple(one for one in self.findings if one.stands_in_the_way and one.overridden_by is not None)

    def of(self, item: str) -> Finding | None:
        """The finding about one item."""
        return next((finding for finding in self.findings if finding.id == item), None)

    def as_row(self) -> JsonObject:
        """The row of the journal."""
        row: JsonObject = {
            "type": PREFLIGHT,
            "run": self.run,
            "at": timestamp(self.at),
            "findings": [finding.as_json() for finding in self.findings],
            "open_blocks": len(self.open),
        }
        if self.subscription is not None:
            row["subscription"] = self.subscription
        return row


def latest(rows: Iterable[JsonObject]) -> Preflight | None:
    """The newest preflight, None if there was none. rows: of the journal, oldest first."""
    row: JsonObject | None = None
    since: dict[str, Attestation] = {}
    accepted: dict[tuple[str, str], str] = {}
    for one in rows:
        kind = one.get("type")
        if kind == PREFLIGHT:
            row, since = one, {}
        elif kind == ATTESTED and (attestation := attestation_of(one)) is not None:
            since[attestation.item] = attestation
        elif kind == ACCEPTED:
            accepted.update(_override(one))
    if row is None:
        return None
    findings = tuple(finding_of(finding) for finding in row.get("findings") or () if finding.get("id") in ITEMS)
    if since:
        findings = _settled(findings, since)
    at = datetime.fromisoformat(str(row["at"]))
    return Preflight(str(row.get("run")), at, with_overrides(findings, accepted), row.get("subscription"))


def overrides(rows: Iterable[JsonObject]) -> Overrides:
    """What was accepted of preflights, ever. rows: of the journal."""
    accepted: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.get("type") == ACCEPTED:
            accepted.update(_override(row))
    return accepted


def with_overrides(findings: Iterable[Finding], accepted: Overrides) -> tuple[Finding, ...]:
    """Findings, each with who accepted it; what does not stand in the way is not overridden."""
    return tuple(
        replace(one, overridden_by=accepted.get((one.id, one.digest)) if one.stands_in_the_way else None)
        for one in findings
    )


def _override(row: JsonObject) -> Overrides:
    code, digest = row.get("code"), row.get("digest")
    return {(code, digest): str(row.get("by"))} if code in ITEMS and isinstance(digest, str) else {}


def _settled(findings: tuple[Finding, ...], since: Mapping[str, Attestation]) -> tuple[Finding, ...]:
    """One attestation can turn several findings (how it was bought decides on the window): all are judged anew."""
    told = {
        one.id: attestation
        for one in findings
        if (kept := one.proof.get("attestation")) and (attestation := attestation_of(kept, one.id)) is not None
    }
    return tuple(settle(finding, {**told, **since}) for finding in findings)
