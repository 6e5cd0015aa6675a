"""From facts to findings: the numbers and dates at which a finding turns, and that what was not seen never passes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporters.clock import timestamp
from retention.preflight.asking_graph import is_custom
from retention.preflight.attestation import Attestation
from retention.preflight.facts import (
    Administrator,
    Clock,
    Deleted,
    DnsAnswer,
    DomainFacts,
    Facts,
    OwnFacts,
    People,
    Place,
    Receipt,
    Unknown,
)
from retention.preflight.finding import Finding
from retention.preflight.items import ITEMS
from retention.preflight.judging import judge

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BOUGHT = {"id": "s1", "skuId": "sku-1", "skuPartNumber": "SPB", "status": "Enabled", "totalLicenses": 24}


def told(item: str, *, at: datetime = NOW, **values: str) -> dict[str, Attestation]:
    return {item: Attestation(item, "Anna", at, "seen", values)}


def judged(facts: Facts, attested: dict[str, Attestation] | None = None) -> dict[str, Finding]:
    findings = judge(facts, attested or {}, {})
    assert [one.id for one in findings] == list(ITEMS)
    return {one.id: one for one in findings}


def facts(**more: Any) -> Facts:
    made = Facts(NOW, "contoso", "s1", [dict(BOUGHT)])
    for name, value in more.items():
        setattr(made, name, value)
    return made


def own(**more: Any) -> Facts:
    return facts(own=OwnFacts(**more))


def test_what_was_not_seen_is_never_a_pass() -> None:
    nothing = Unknown("no", "Some.Read.All")
    names = ("subscriptions", "skus", "organization", "administrators", "domains", "people", "deleted", "holds")
    found = judged(facts(**dict.fromkeys(names, nothing)))
    looked_at = [item.id for item in ITEMS.values() if item.how in {"graph", "dns"}]
    assert {item: found[item].result for item in looked_at} == dict.fromkeys(looked_at, "not_checked")
    for item in looked_at:
        assert "Some.Read.All" in found[item].action and "lastcopy attest" in found[item].action
    assert {"PF-04", "PF-08", "PF-10", "PF-21"} <= {one.id for one in found.values() if one.is_open}
    assert not found["PF-26"].is_open, "a warning at most"


@pytest.mark.parametrize(
    "name", ["subscriptions", "administrators", "domains", "people", "deleted", "holds", "organization"]
)
def test_each_fact_by_itself(name: str) -> None:
    found = judged(facts(**{name: Unknown("gone")}))
    assert any(one.result == "not_checked" and "gone" in one.message for one in found.values())


@pytest.mark.parametrize(
    ("number", "result"), [(1, "pass"), (24, "pass"), (25, "notice"), (26, "block"), (300, "block")]
)
def test_licences(number: int, result: str) -> None:
    seen = judged(facts(subscriptions=[{**BOUGHT, "totalLicenses": number}]))["PF-04"]
    assert seen.result == result
    unseen = judged(facts(subscriptions=Unknown("no")), told("PF-04", licences=str(number)))["PF-04"]
    assert unseen.result == result, "the same rule for a number that a person says"


@pytest.mark.parametrize(
    ("people", "result"),
    [
        ([], "block"),
        ([("a@x.onmicrosoft.com", True, False)], "warn"),
        ([("a@x.onmicrosoft.com", True, False), ("b@x.onmicrosoft.com", True, False)], "pass"),
        ([("a@x.onmicrosoft.com", True, False), ("b@x.onmicrosoft.com", False, False)], "warn"),
        ([("a@x.onmicrosoft.com", True, True), ("b@x.onmicrosoft.com", True, True)], "block"),
        ([("a@contoso.com", True, False), ("b@x.onmicrosoft.com", True, False)], "warn"),
        ([("a@x.onmicrosoft.com", None, False), ("b@x.onmicrosoft.com", True, False)], "not_checked"),
    ],
)
def test_administrators(people: list[tuple[str, bool | None, bool]], result: str) -> None:
    holders = [Administrator(name, name, ("Global Administrator",), on, synced) for name, on, synced in people]
    domains = [DomainFacts("contoso.com", False, (), [], {}, DnsAnswer(), DnsAnswer())]
    assert judged(facts(administrators=holders, domains=domains))["PF-08"].result == result


@pytest.mark.parametrize(
    ("values", "days", "result"),
    [
        ({"channel": "direct", "agreement": "mosa"}, None, "pass"),
        ({"channel": "direct", "agreement": "mca"}, None, "warn"),
        ({"channel": "direct", "agreement": "mca"}, 6.99, "pass"),
        ({"channel": "direct", "agreement": "mca"}, 7, "warn"),
        ({"channel": "csp_nce", "agreement": "mosa"}, 8, "warn"),
        ({"channel": "csp_nce"}, 1, "pass"),
    ],
)
def test_the_window_of_seven_days(values: dict[str, str], days: float | None, result: str) -> None:
    attested = told("PF-05", **values)
    if days is not None:
        attested |= told("PF-06", start=timestamp(NOW - days * DAY))
    seen = judged(facts(subscriptions=[{**BOUGHT, "nextLifecycleDateTime": "2027-01-31T00:00:00Z"}]), attested)["PF-06"]
    assert seen.result == result
    assert result == "pass" or "2027-01-31" in seen.message + seen.action


def test_a_group_that_holds_the_role_is_named_and_not_counted() -> None:
    person = Administrator("1", "a@x.onmicrosoft.com", ("Global Administrator",), True, False)
    group = Administrator("2", "the group Admins", ("Global Administrator",), True, False, is_group=True)
    found = judged(facts(administrators=[person, group]))["PF-08"]
    assert found.result == "warn" and "the group Admins (its members are not looked into)" in found.message


def mail(*exchanges: str, wanted: str = "contoso-com.mail.protection.outlook.com", ttl: int = 60) -> DomainFacts:
    records = [{"recordType": "Mx", "mailExchange": wanted}]
    return DomainFacts("contoso.com", False, (), records, {}, DnsAnswer(exchanges, ttl), DnsAnswer(("ns.example",)))


@pytest.mark.parametrize(
    ("domain", "result"),
    [
        (mail("contoso-com.mail.protection.outlook.com"), "block"),
        (mail("other.mail.protection.outlook.com", wanted="x"), "block"),
        (mail("contoso-com.k-v1.mx.microsoft"), "block"),
        (mail("mx.new.example", "contoso-com.mail.protection.outlook.com"), "block"),
        (mail("relay.inside.example", wanted="Relay.Inside.Example."), "block"),
        (mail("mx.new.example"), "pass"),
        (mail("mail.protection.outlook.com.evil.example"), "pass"),
        (mail(), "notice"),
    ],
)
def test_where_mail_goes(domain: DomainFacts, result: str) -> None:
    assert judged(facts(domains=[domain]))["PF-12"].result == result


def test_one_domain_that_could_not_be_asked_is_not_passed_over() -> None:
    unasked = replace(mail("mx.new.example"), name="b.com", mx=Unknown("no DNS"))
    assert judged(facts(domains=[mail("mx.new.example"), unasked]))["PF-12"].result == "not_checked"
    still = mail("x.mail.protection.outlook.com")
    assert judged(facts(domains=[unasked, still]))["PF-12"].result == "block", "what is known to be wrong comes first"


def test_who_accepts_that_one_domain_could_not_be_asked_has_not_accepted_it_of_another() -> None:
    first, second = (replace(mail("mx.new.example"), name=name, mx=Unknown("no DNS")) for name in ("b.com", "c.com"))
    one, both = (judged(facts(domains=domains))["PF-12"] for domains in ([first], [first, second]))
    assert one.digest != both.digest
    denied, down = (
        judged(facts(domains=why))["PF-10"] for why in (Unknown("denied", "Domain.Read.All"), Unknown("down"))
    )
    assert denied.digest != down.digest


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("contoso.com", True),
        ("onmicrosoft.contoso.com", True),
        ("contoso.onmicrosoft.com", False),
        ("mail.contoso.onmicrosoft.com", False),
        ("contoso.partner.onmschina.cn", False),
    ],
)
def test_which_domains_have_to_be_removed(name: str, is_own: bool) -> None:
    assert is_custom({"id": name, "isVerified": True}) is is_own


def clock(running: bool, ends: datetime, risk: datetime) -> Clock:
    return Clock(running, "cancel", ends, risk, risk + 60 * DAY, risk + 150 * DAY)


@pytest.mark.parametrize(
    ("needed", "running", "result"),
    [
        (timedelta(0), None, "pass"),
        (5 * DAY, None, "not_checked"),
        (5 * DAY, False, "block"),
        (9 * DAY, True, "pass"),
        (10 * DAY, True, "pass"),
        (10 * DAY + timedelta(seconds=1), True, "block"),
    ],
)
def test_whether_there_is_time(needed: timedelta, running: bool | None, result: str) -> None:
    """Cancelled now, users are locked out at once; a clock that runs leaves ten days."""
    ends = NOW + 10 * DAY if running else NOW
    runs = None if running is None else clock(running, ends, NOW + 30 * DAY)
    known = {"planned_at": NOW - DAY, "is_plan_current": True, "needed": needed, "clock": runs}
    found = judged(own(**known, is_plan_complete=True))["PF-24"]
    assert found.result == result, found
    unsure = judged(own(**known))["PF-24"]
    assert unsure.result == ("block" if result == "block" else "not_checked"), "what could not be counted is no pass"
    if running is False:
        assert timestamp(NOW + needed) in found.message, "the earliest safe cancellation"


@pytest.mark.parametrize(
    ("skew", "old", "result"),
    [
        (0.0, False, "pass"),
        (60.0, False, "pass"),
        (61.0, False, "warn"),
        (-700.0, False, "warn"),
        (0.0, True, "warn"),
        (None, False, "not_checked"),
    ],
)
def test_policy_and_clock(skew: float | None, old: bool, result: str) -> None:
    assert judged(own(skew_seconds=skew, is_policy_old=old, policy_verified="2026-11-23"))["PF-25"].result == result


@pytest.mark.parametrize(
    ("bags", "result", "words"),
    [
        ({}, "block", "There is no copy"),
        ({"mail/a": (True, True), "mail/b": (False, False)}, "block", "not complete: mail/b"),
        ({"mail/a": (True, True), "mail/b": (True, False)}, "block", "since it was written: mail/b"),
        ({"mail/a": (True, True), "mail/b": (True, True)}, "pass", "All 2 sources"),
    ],
)
def test_the_copy(bags: dict[str, tuple[bool, bool]], result: str, words: str) -> None:
    found = judged(own(bags=bags))["PF-01"]
    assert found.result == result and words in found.message


def test_channels() -> None:
    outside, inside = Place("a", "channel"), Place("b", "channel", "it is at Microsoft's")
    sent, failed = Receipt("a", NOW), Receipt("a", error="no connection")
    cases: list[tuple[list[Place], list[Receipt], str]] = [
        ([], [], "block"),
        ([inside], [Receipt("b", NOW)], "block"),
        ([outside, inside], [sent, Receipt("b", NOW)], "warn"),
        ([outside], [sent], "pass"),
        ([outside], [failed], "block"),
        ([outside, Place("c", "channel")], [sent, Receipt("c", error="no")], "warn"),
        ([outside], [], "warn"),
        ([outside, Place("store", "store", "synchronised")], [sent], "block"),
    ]
    for places, receipts, result in cases:
        assert judged(facts(places=places, receipts=receipts))["PF-23"].result == result, (places, receipts)


def test_who_loses_service() -> None:
    people = People(number=4, by_licences={frozenset({"sku-1"}): 2, frozenset({"sku-1", "sku-2"}): 1, frozenset(): 1})
    found = judged(facts(people=people))["PF-15"]
    assert (found.result, found.proof["lose_service"], found.proof["keep_a_licence"]) == ("warn", 2, 1)
    second = {**BOUGHT, "id": "s2"}
    assert judged(facts(people=people, subscriptions=[dict(BOUGHT), second]))["PF-15"].result == "pass"
    ended = {**second, "status": "Suspended"}
    assert judged(facts(people=people, subscriptions=[dict(BOUGHT), ended]))["PF-15"].result == "warn"


def test_holds_that_were_seen_outweigh_a_word_that_there_are_none() -> None:
    seen = facts(holds=["Case: Finance"])
    assert judged(seen)["PF-21"].result == "block"
    assert judged(seen, told("PF-21", holds="none"))["PF-21"].result == "block"
    assert judged(seen, told("PF-21", holds="exported"))["PF-21"].result == "pass"
    assert judged(facts())["PF-21"].result == "not_checked", "an application sees only its own cases"


def test_germany_and_another_channel_than_the_one_that_is_watched_block() -> None:
    assert judged(facts(), told("PF-05", channel="germany"))["PF-05"].result == "block"
    assert judged(own(watched_channel="enterprise"), told("PF-05", channel="direct"))["PF-05"].result == "block"
    assert judged(own(watched_channel="direct"), told("PF-05", channel="direct"))["PF-05"].result == "pass"


def test_deleted_users_have_their_date() -> None:
    gone = Deleted(1, [{"id": "u", "name": "U", "deleted": "2026-11-20T00:00:00Z"}], datetime(2026, 11, 20, tzinfo=UTC))
    found = judged(facts(deleted=gone))["PF-20"]
    assert found.result == "warn" and found.proof["deleted"][0]["restorable_until"] == "2026-12-20T00:00:00Z"


def test_every_finding_that_is_no_pass_says_what_to_do() -> None:
    for found in judged(facts()).values():
        assert found.message
        assert found.result == "pass" or found.action, found
