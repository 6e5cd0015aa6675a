"""The runbook: its order, this tenant's own words, both languages, each way to cancel, and nothing of the tenant as markup."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporters.clock import timestamp
from exporters.errors import ConfigurationError
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
    Unknown,
)
from retention.preflight.items import ITEMS
from retention.preflight.judging import judge
from retention.preflight.recorded import Preflight
from retention.preflight.runbook.contents import runbook_of
from retention.preflight.runbook.markdown import markdown_of
from retention.preflight.runbook.page import page_of
from retention.preflight.runbook.parts import Command, Portal, Runbook, Section
from retention.preflight.runbook.portal import PAGES, WORDS, both, path
from retention.preflight.runbook.subject import Subject
from retention.timeline import BOUNDARIES, REACTIVATE

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = [
    "tell-users",
    "last-export",
    "move-mx",
    "wait-ttl",
    "stop-sign-in",
    "last-run",
    "verify",
    "ready",
    "remove-domain",
    "one-more-run",
    "cancel",
    "reminders",
]
SUBSCRIPTION = {
    "id": "sub-1",
    "commerceSubscriptionId": "commerce-1",
    "skuPartNumber": "SPB",
    "status": "Enabled",
    "totalLicenses": 12,
    "nextLifecycleDateTime": "2027-03-01T00:00:00Z",
}
MX = {
    "recordType": "Mx",
    "label": "contoso.com",
    "mailExchange": "contoso-com.mail.protection.outlook.com",
    "preference": 0,
    "ttl": 3600,
}
NAME = {
    "recordType": "CName",
    "label": "autodiscover.contoso.com",
    "canonicalName": "autodiscover.outlook.com",
    "ttl": 3600,
}
CLOCK = Clock(False, "cancel", NOW, NOW + 30 * DAY, NOW + 90 * DAY, NOW + 180 * DAY)


def domain(name: str = "contoso.com", **more: Any) -> DomainFacts:
    made = DomainFacts(
        name,
        True,
        ("Email",),
        [MX, NAME],
        {"user": 3},
        DnsAnswer((MX["mailExchange"],), 7200),
        DnsAnswer(("ns.example",), 60),
    )
    return replace(made, **more)


def facts(**more: Any) -> Facts:
    keepers = [
        Administrator(str(n), f"admin{n}@contoso.onmicrosoft.com", ("Global Administrator",), True, False)
        for n in (1, 2)
    ]
    made = Facts(
        NOW, "tenant-id", "sub-1", [dict(SUBSCRIPTION)], [], {}, keepers, [domain()], "contoso.onmicrosoft.com"
    )
    made.people, made.deleted, made.holds = People(), Deleted(), []
    made.own = OwnFacts(policy_id="policy-1", policy_verified="2026-11-23", clock=CLOCK)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def subject(found: Facts | None = None, *, zone: str = "Europe/Amsterdam", **values: str) -> Subject:
    found = found or facts()
    told = {
        "PF-05": Attestation("PF-05", "Anna Berg", NOW, "invoice", values or {"channel": "direct", "agreement": "mca"})
    }
    preflight = Preflight("run-1", NOW, judge(found, told, {}), "sub-1")
    return Subject(preflight, found, told, ZoneInfo(zone), "lastcopy.yaml", "s3://copy", "worldwide")


def text_of(section: Section) -> str:
    return markdown_of(Runbook("t", "s", (section,))).replace("\\", "")


def section(book: Runbook, anchor: str) -> str:
    return text_of(next(one for one in book.sections if one.anchor == anchor))


def test_the_steps_are_those_of_the_issue_in_their_order() -> None:
    steps = [one for one in runbook_of(subject()).sections if one.number is not None]
    assert [one.anchor for one in steps] == STEPS
    assert [one.number for one in steps] == list(range(1, 13))


def test_it_has_this_tenants_names_dates_and_records() -> None:
    book = runbook_of(subject())
    whole = markdown_of(book).replace("\\", "")
    for word in (
        "contoso.onmicrosoft.com",
        "commerce-1",
        "SPB",
        "admin1@contoso.onmicrosoft.com",
        "attested by Anna Berg",
        "s3://copy",
    ):
        assert word in whole, word
    assert "2026-12-29 14:00 +0100 Europe/Amsterdam (2026-12-29 13:00 UTC)" in section(book, "dates")
    moved = section(book, "move-mx")
    assert "| @ | MX | 0 contoso-com.mail.protection.outlook.com | ____________________ | 3600 s |" in moved
    assert "| autodiscover | CNAME | autodiscover.outlook.com |" in moved
    assert "7,200 s (2.0 h)" in section(book, "wait-ttl")
    assert "3 users" in section(book, "remove-domain") and "Set as default" in section(book, "remove-domain")
    assert "before 2027-02-27 14:00 +0100" in section(book, "reactivate")


def test_name_servers_of_microsoft_are_moved_after_the_records() -> None:
    found = facts(domains=[domain(ns=DnsAnswer(("ns1.bdm.microsoftonline.com",), 60))])
    told = section(runbook_of(subject(found)), "move-mx")
    assert (
        told.index("autodiscover.outlook.com") < told.index("First enter ALL records") < told.index("New name servers")
    )
    assert "name servers (NS)" not in section(runbook_of(subject()), "move-mx")


def test_without_a_domain_its_steps_are_empty_and_the_others_stand() -> None:
    book = runbook_of(subject(facts(domains=[])))
    for anchor in ("move-mx", "wait-ttl", "remove-domain"):
        assert "There is no custom domain" in section(book, anchor)
    assert [one.anchor for one in book.sections if one.number] == STEPS


@pytest.mark.parametrize(
    ("values", "wanted", "never"),
    [
        (
            {"channel": "direct", "agreement": "mca"},
            [
                "Newer admin center",
                "only within 7 days",
                "Terugkerende facturering",
                "(2027-03-01)",
                "owner or contributor",
                "Older",
            ],
            ["asks whether to cancel now", "partner"],
        ),
        (
            {"channel": "direct", "agreement": "mosa"},
            ["asks whether to cancel now", "More actions"],
            ["only within 7 days"],
        ),
        (
            {"channel": "csp_nce", "partner": "Fabrikam"},
            ["Fabrikam has to cancel it", "straight to Deleted", "partner has confirmed"],
            ["Newer admin center", "reads Disabled"],
        ),
        (
            {"channel": "vianet21"},
            [
                "21Vianet",
                "Billing > Subscriptions",
                "Abonnementen",
                "important dates",
                "reads Cancelled",
                "partner.microsoftonline.cn",
            ],
            ["Newer admin center", "reads Disabled"],
        ),
        ({"channel": "trial"}, ["A trial ends by itself"], []),
    ],
)
def test_each_way_to_cancel(values: dict[str, str], wanted: list[str], never: list[str]) -> None:
    told = section(runbook_of(subject(**values)), "cancel")
    assert [word for word in wanted if word not in told] == [], told
    assert [word for word in never if word in told] == [], told
    assert f"--channel {values['channel']}" in told and "--state sub-1" in told


def test_germany_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="closed on 2021-10-29"):
        runbook_of(subject(channel="germany"))


def test_more_than_25_licences_are_reduced_first() -> None:
    found = facts(subscriptions=[{**SUBSCRIPTION, "totalLicenses": 26}])
    assert "26 licences" in section(runbook_of(subject(found)), "cancel")
    assert "Reduce them" not in section(runbook_of(subject()), "cancel")


def test_nobody_reactivates_what_a_partner_sold() -> None:
    assert "cannot be reactivated" in section(runbook_of(subject(channel="csp_nce")), "reactivate")
    assert "partner who sold it" in section(runbook_of(subject(channel="open_value")), "reactivate")


def test_what_is_not_known_is_said_to_be_so() -> None:
    nothing = Unknown("the tenant cannot be asked")
    found = facts(
        subscriptions=nothing, domains=nothing, administrators=nothing, people=nothing, deleted=nothing, holds=nothing
    )
    found.chosen, found.own.clock = None, None
    about = replace(subject(found), told={})
    book = runbook_of(about)
    assert "no date can be told" in section(book, "dates")
    assert "not attested" in section(book, "about")
    assert "PF-08 names nobody" in section(book, "stop-sign-in")


def test_each_path_is_printed_in_english_and_in_dutch_or_says_that_it_is_not_on_record() -> None:
    portals = [part for one in runbook_of(subject()).sections for part in one.parts if isinstance(part, Portal)]
    assert len(portals) >= 12
    for portal in portals:
        assert portal.english.startswith("Admin center: ")
        assert portal.dutch is None or portal.dutch.startswith("Beheercentrum: ")
    told = path("Billing", "Your products", "the subscription", "Remove licenses")
    assert told.dutch == "Beheercentrum: Facturering > Mijn producten > het abonnement > Remove licenses"
    assert "no Dutch on record for Remove licenses" in told.note and "Uw producten" in told.note
    assert path("Help & support").dutch is None
    assert both("Disabled") == "Disabled (Dutch: Uitgeschakeld)"
    with pytest.raises(KeyError):
        path("A page that nobody has read of")


def test_each_dutch_word_names_the_page_that_prints_it() -> None:
    assert {word.page for word in WORDS.values() if word.dutch} == set(PAGES)
    assert not any(word.page for word in WORDS.values() if word.dutch is None)


def test_each_command_is_one_that_there_is() -> None:
    from retention.cli.main import VERBS

    commands = [part.line for one in runbook_of(subject()).sections for part in one.parts if isinstance(part, Command)]
    verbs = {line.split()[1] for line in commands}
    assert all(line.startswith("lastcopy ") for line in commands)
    assert verbs - set(VERBS) <= {"ready", "plan", "report"}, "those are built beside this"
    assert not any("|" in line for line in commands), "a shell would take it for a pipe"


NASTY = '<script>alert(1)</script> | `x` **b** [a](http://evil.example) "q" \n# heading'


def test_nothing_of_the_tenant_becomes_markup() -> None:
    found = facts(
        initial_domain=NASTY, domains=[domain(name=NASTY)], subscriptions=[{**SUBSCRIPTION, "skuPartNumber": NASTY}]
    )
    book = runbook_of(subject(found))
    html, markdown = page_of(book), markdown_of(book)
    seen = _Seen()
    seen.feed(html)
    assert "script" not in seen.tags and not seen.outside, seen.outside
    assert "default-src 'none'" in seen.policy and "script-src" not in seen.policy
    for line in markdown.splitlines():
        assert not re.search(r"(?<!\\)<script|(?<!\\)\[a(?<!\\)\]|^# heading", line), line
    cells = {line.count("|") - line.count("\\|") for line in markdown.splitlines() if line.startswith("|")}
    assert cells <= {3, 4, 5, 6}, "no name makes a cell of its own"


class _Seen(HTMLParser):
    """Tags, whatever leads out of the page, and its policy."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        self.outside += [v or "" for k, v in attrs if k in {"src", "href", "action"} and not (v or "").startswith("#")]


def test_markdown_and_html_say_the_same() -> None:
    book = runbook_of(subject())
    html, markdown = page_of(book), markdown_of(book).replace("\\", "")
    for one in book.sections:
        assert f'<section id="{one.anchor}">' in html
        assert one.title in markdown
    for part in (part for one in book.sections for part in one.parts if isinstance(part, Command)):
        assert part.line in markdown


def test_each_place_of_the_table_in_the_docs_exists() -> None:
    lines = (ROOT / "docs/preflight.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 15
    anchors = {one.anchor for one in runbook_of(subject()).sections}
    named: set[str] = set()
    for _statement, source, items, places, boundaries in rows:
        assert source
        found = set(re.findall(r"PF-\d\d", items))
        assert found <= ITEMS.keys()
        assert set(re.findall(r"`([a-z-]+)`", places)) <= anchors, places
        assert set(re.findall(r"`([a-z_]+)`", boundaries)) <= {*BOUNDARIES, REACTIVATE}
        assert found or places != "–" or boundaries != "–"
        named |= found
    assert named == set(ITEMS), "each item follows from a statement"
    told = " ".join(row[0].lower() for row in rows)
    for word in (
        "eligibility",
        "refund",
        "roles",
        "domain",
        "mx",
        "ns:",
        "save your data",
        "uninstall",
        "payment",
        "close account",
        "reactivate",
    ):
        assert word in told, word


def test_dates_are_those_of_the_clock_that_runs() -> None:
    found = facts()
    found.own.clock = replace(CLOCK, is_running=True)
    told = section(runbook_of(subject(found)), "dates")
    assert "The clock runs already" in told and "lastcopy timeline" not in told
    assert timestamp(NOW)[:10] in told
