"""PF-10 to PF-13: custom domains, what still uses them, and where their mail and their name servers are.

Rules of this file: pure. A name server or mail exchange is Microsoft's if the tenant's own records name it, or if it lies
below one of Microsoft's zones; a domain of which the DNS could not be asked is not moved. Source: retention-domain §3;
graph.md §8.1.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from exporters.bag.formats import JsonObject
from retention.preflight.facts import DnsAnswer, DomainFacts, Facts, Unknown
from retention.preflight.finding import Finding, found
from retention.preflight.judging_tenant import not_checked

MAIL_ZONES: Final = (
    "mail.protection.outlook.com",
    "mx.microsoft",
    "mail.protection.partner.outlook.cn",
    "mail.protection.office365.us",
    "eo.outlook.com",
)
NAME_ZONES: Final = ("microsoftonline.com", "partner.microsoftonline.cn")
"""ns1.bdm.microsoftonline.com and its like."""


def mail_is_microsofts(domain: DomainFacts) -> bool | None:
    """Whether mail still goes to Microsoft; None where that is not known."""
    if isinstance(domain.mx, Unknown):
        return None
    named = () if isinstance(domain.wanted, Unknown) else (str(row.get("mailExchange") or "") for row in domain.wanted)
    wanted = {name.rstrip(".").lower() for name in named if name}
    return any(name in wanted or _below(name, MAIL_ZONES) for name in domain.mx.names)


def names_are_microsofts(domain: DomainFacts) -> bool | None:
    """Whether Microsoft's name servers answer for it; None where that is not known."""
    return None if isinstance(domain.ns, Unknown) else any(_below(name, NAME_ZONES) for name in domain.ns.names)


def judge_domains(facts: Facts) -> tuple[Finding, ...]:
    """PF-10 to PF-13."""
    if isinstance(facts.domains, Unknown):
        unknown = facts.domains
        return tuple(not_checked(item, unknown) for item in ("PF-10", "PF-11", "PF-12", "PF-13"))
    if not facts.domains:
        message = "There is no custom domain"
        return tuple(found(item, "pass", message) for item in ("PF-10", "PF-11", "PF-12", "PF-13"))
    return _removed(facts.domains), _unused(facts.domains), _mail(facts, facts.domains), _servers(facts.domains)


def _removed(domains: list[DomainFacts]) -> Finding:
    names = [domain.name for domain in domains]
    message = f"Custom domains are still in the tenant: {', '.join(names)}; they cannot be used elsewhere until they are removed"
    action = (
        "When mail is moved and nothing uses them any more (PF-11 to PF-13): Admin center: Settings > Domains > "
        "the domain > Remove domain."
        " It renames all users: run lastcopy export once more after it."
    )
    proof: JsonObject = {
        "domains": [{"id": one.name, "isDefault": one.is_default, "services": list(one.services)} for one in domains]
    }
    return found("PF-10", "block", message, action, proof=proof, parts=tuple(sorted(names)))


def _unused(domains: list[DomainFacts]) -> Finding:
    if (unknown := _unknown(domains, lambda one: one.references)) is not None:
        return not_checked("PF-11", unknown)
    counts = {one.name: dict(one.references) for one in domains if not isinstance(one.references, Unknown)}
    used = {name: kinds for name, kinds in counts.items() if kinds}
    if not used:
        return found("PF-11", "pass", f"Nothing uses {', '.join(counts)} any more", proof={"references": counts})
    told = "; ".join(f"{name}: {kinds_told(kinds)}" for name, kinds in used.items())
    action = (
        "Admin center: Users > Active users > select all > Change domains, to the onmicrosoft.com one; likewise "
        "Teams & groups and shared"
        " mailboxes. Removing the domain offers to do the same for users."
    )
    parts = tuple(f"{name} {kind} {n}" for name, kinds in sorted(used.items()) for kind, n in sorted(kinds.items()))
    proof: JsonObject = {"references": counts}
    return found("PF-11", "block", f"Custom domains are still in use: {told}", action, proof=proof, parts=parts)


def _mail(facts: Facts, domains: list[DomainFacts]) -> Finding:
    proof = {"answers": {one.name: _answer(one.mx) for one in domains}}
    still = [one for one in domains if mail_is_microsofts(one)]
    if still:
        clock = facts.own.clock
        when = (
            "from the moment of cancelling"
            if clock is None or not clock.is_running
            else f"from {clock.access_ends:%Y-%m-%d %H:%M} UTC"
        )
        message = "; ".join(f"mail to {one.name} is lost {when}: its MX is Microsoft's" for one in still)
        waits = ", ".join(f"{one.name} {_ttl(one.mx)}" for one in still)
        action = (
            f"At your DNS host: point the MX record of each to the new provider, then wait for its TTL ({waits}); "
            "the runbook has the"
            " records (lastcopy check --cancel --runbook DIR)."
        )
        return found(
            "PF-12", "block", _capital(message), action, proof=proof, parts=tuple(sorted(o.name for o in still))
        )
    if (unknown := _unknown(domains, lambda one: one.mx)) is not None:
        return not_checked("PF-12", unknown)
    nowhere = [one.name for one in domains if isinstance(one.mx, DnsAnswer) and not one.mx.names]
    if nowhere:
        message = f"No MX record: mail to {', '.join(nowhere)} goes nowhere"
        action = "If mail is expected there, set an MX record at your DNS host."
        return found("PF-12", "notice", message, action, proof=proof, parts=tuple(sorted(nowhere)))
    return found("PF-12", "pass", f"Mail to {', '.join(one.name for one in domains)} goes elsewhere", proof=proof)


def _servers(domains: list[DomainFacts]) -> Finding:
    proof = {"answers": {one.name: _answer(one.ns) for one in domains}}
    still = [one.name for one in domains if names_are_microsofts(one)]
    if still:
        message = f"Microsoft's name servers answer for {', '.join(still)}: MX records set elsewhere have no effect"
        action = (
            "At a new DNS host: enter all records first (the runbook has them), then at your registrar move the "
            "name servers (NS) to it, and"
            " wait until lastcopy check --cancel sees them."
        )
        return found("PF-13", "block", message, action, proof=proof, parts=tuple(sorted(still)))
    if (unknown := _unknown(domains, lambda one: one.ns)) is not None:
        return not_checked("PF-13", unknown)
    return found("PF-13", "pass", "No custom domain has Microsoft's name servers", proof=proof)


def _unknown(domains: Iterable[DomainFacts], answer: Callable[[DomainFacts], object]) -> Unknown | None:
    """Why some could not be asked, with their names: who accepts that has accepted it of these alone."""
    unasked = {one.name: told for one in domains if isinstance(told := answer(one), Unknown)}
    if not unasked:
        return None
    first = next(iter(unasked.values()))
    return replace(first, why=f"{first.why} ({', '.join(unasked)})", names=tuple(sorted(unasked)))


def _below(name: str, zones: Iterable[str]) -> bool:
    return any(name == zone or name.endswith(f".{zone}") for zone in zones)


def _answer(answer: DnsAnswer | Unknown) -> JsonObject:
    return {"why_not": answer.why} if isinstance(answer, Unknown) else {"names": list(answer.names), "ttl": answer.ttl}


def _ttl(answer: DnsAnswer | Unknown) -> str:
    return "unknown" if isinstance(answer, Unknown) else f"{answer.ttl:,} s"


def kinds_told(kinds: dict[str, int]) -> str:
    """2 groups, 11 users."""
    return ", ".join(f"{number:,} {kind}{'' if number == 1 else 's'}" for kind, number in sorted(kinds.items()))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
