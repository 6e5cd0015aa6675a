"""All 26 findings, from the facts and from what was attested.

Rules of this file: pure; one finding an item, in the order of the items. Source: retention-domain §3.
"""

from collections.abc import Callable
from typing import Final

from retention.preflight.facts import Facts
from retention.preflight.finding import Finding, found
from retention.preflight.items import ITEMS
from retention.preflight.judging_domains import judge_domains
from retention.preflight.judging_own import fresh, in_time, outlives, payment, verified
from retention.preflight.judging_tenant import (
    administrators,
    bought,
    chosen,
    eligible,
    held,
    lost_already,
    only_one,
    synchronised,
    window,
    without_service,
)
from retention.preflight.recorded import Overrides, with_overrides
from retention.preflight.stated import Told, settle

_RULES: Final[dict[str, Callable[[Facts], Finding]]] = {
    "PF-01": lambda facts: verified(facts.own),
    "PF-02": chosen,
    "PF-03": only_one,
    "PF-04": eligible,
    "PF-05": bought,
    "PF-06": window,
    "PF-08": administrators,
    "PF-15": without_service,
    "PF-18": lambda facts: payment(facts.own),
    "PF-20": lost_already,
    "PF-21": held,
    "PF-23": outlives,
    "PF-24": in_time,
    "PF-25": fresh,
    "PF-26": synchronised,
}


def judge(facts: Facts, told: Told, accepted: Overrides) -> tuple[Finding, ...]:
    """told: what was attested and counts; accepted: what was accepted, ever."""
    domains = {finding.id: finding for finding in judge_domains(facts)}
    findings = [settle(_looked_at(item, facts, domains), told) for item in ITEMS]
    return with_overrides(findings, accepted)


def _looked_at(item: str, facts: Facts, domains: dict[str, Finding]) -> Finding:
    if item in domains:
        return domains[item]
    rule = _RULES.get(item)
    return found(item, ITEMS[item].worst, "") if rule is None else rule(facts)
