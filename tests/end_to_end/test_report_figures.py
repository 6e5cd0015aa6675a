"""Every figure of a report is recomputed from the store alone, and equal (issue 10, acceptance g).

Rules of this file: the figures come from `tests/independent`, which shares nothing with the product; evidence.json, both tables
and the page of HTML are held against them.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.end_to_end.changes import Script, lively_changes
from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import InProcess
from tests.faults.mail_server import MailServer
from tests.independent.report_figures import Figures, Page, figures_of

OUTCOMES = ("listed", "copied", "excepted", "pending", "gone")


class Reported:
    """A store, the package that a report made of it, and what the store comes to by other code."""

    def __init__(self, store: Path, name: str) -> None:
        self.package = store / name
        self.document: Row = json.loads((self.package / "evidence.json").read_bytes())
        self.page = Page((self.package / "report.html").read_text(encoding="utf-8"))
        self.figures: Figures = figures_of(store, before=name)

    def table(self, name: str) -> list[Row]:
        with (self.package / name).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reported(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """Two runs with changes between them, one code accepted and the others not, a verification, a cancellation, warnings."""
    folder = tmp_path_factory.mktemp("figures")
    with MailServer() as mail, Tenant(tiny_data) as tenant:
        desk = InProcess(folder, tenant)
        (folder / "ops").write_text(mail.address())
        desk.configure(notify=[{"name": "ops", "to": "file:ops", "min_severity": "info"}])
        desk.export(code=3)
        infected = Script(tenant.truth).ids["/virus.txt"]  # it stays, so that something is left that can be accepted
        tenant.change(*(row for row in lively_changes(tenant.truth)[0] if row.get("id") != infected))
        desk.export(code=3)
        desk.run("accept", "malware", "--by", "Mina Holm", "--reason", "looked at", code=0)
        desk.run("verify", code=0)
        desk.run("track", "--state", "sub-1", "--channel", "direct", "--event", "cancel=2026-03-01T10:15:00Z", code=0)
        desk.run("sweep", "--offline", code=0)
        key = next(row["keys"][0]["key"] for row in figures_of(desk.store).of("warning_claimed") if row.get("delivery"))
        desk.run("ack", key, "--by", "Mina Holm", code=0)
        name = str(desk.run("report", "--json", "--by", "Mina Holm", code=0).document["package"])
        yield Reported(desk.store, name)


def test_totals(reported: Reported) -> None:
    figures, totals = reported.figures, reported.document["totals"]
    bags = figures.bags.values()
    for name in OUTCOMES:
        assert totals[name] == figures.total(name), name
    assert totals["bags"] == len(figures.bags)
    assert totals["files"] == sum(bag.files for bag in bags)
    assert totals["bytes"] == sum(bag.octets for bag in bags)
    assert totals["rows"] == sum(len(bag.rows) for bag in bags)
    kinds: Counter[tuple[str, str]] = sum((bag.kinds for bag in bags), Counter())
    assert {(k, o): n for k, of in totals["kinds"].items() for o, n in of.items()} == dict(kinds)
    agreement = Counter(
        row["agreement"] for bag in bags for row in bag.rows if "agreement" in row and row["outcome"] != "excepted"
    )
    assert totals["agreement"] == dict(agreement)
    exceptions, accepted = figures.exceptions(), figures.accepted()
    vanished = sum(number for (_, code), number in exceptions.items() if code == "vanished")
    assert totals["vanished"] == vanished
    assert totals["exceptions_accepted"] == sum(n for (_, code), n in accepted.items() if code != "vanished") > 0
    assert totals["exceptions_open"] == exceptions.total() - vanished - totals["exceptions_accepted"] > 0
    assert totals["runs"] == len(figures.of("run_started")) == len(reported.document["runs"])


def test_what_each_bag_holds_and_how_it_is_proven(reported: Reported) -> None:
    figures, document = reported.figures, reported.document
    assert [row["bag"] for row in document["reconciliation"]] == list(figures.bags)
    for row in document["reconciliation"]:
        bag = figures.bags[row["bag"]]
        assert {name: row[name] for name in OUTCOMES} == bag.counts
        assert (row["files"], row["bytes"]) == (bag.files, bag.octets)
        told = json.loads((reported.figures.store / bag.place / "lastcopy/reconciliation.json").read_bytes())[
            "independent"
        ]
        for name in ("expected", "found", "equal", "unexplained", "moving"):
            assert [one[name] for one in row["independent"]] == [one[name] for one in told]
    for row in document["integrity"]["bags"]:
        bag = figures.bags[row["path"]]
        assert (row["tagmanifest_sha256"], row["segment"], row["segment_sha256"]) == (
            bag.tagmanifest,
            bag.segment,
            bag.segment_sha256,
        )
    proven = figures.proven()
    assert {row["path"]: row["proven_at"] for row in document["integrity"]["proofs"]} == proven
    assert len(proven) == len(figures.bags)
    assert document["integrity"]["verified_files"] == sum(figures.bags[place].files for place in proven)
    assert document["integrity"]["verified_items"] == sum(len(figures.bags[place].rows) for place in proven)
    assert [row["bags"] for row in document["verifications"]] == [len(figures.of("verified"))]


def test_coverage(reported: Reported) -> None:
    rows = [row for row in reported.document["coverage"] if row["principal"] != "tenant"]
    assert Counter((row["class"], row["status"]) for row in rows) == reported.figures.coverage()
    counted = [row for row in rows if row["source_count"] is not None]
    assert sum(row["source_count"] for row in counted) == reported.figures.total("listed")
    assert sum(row["copied"] for row in counted) == reported.figures.total("copied")
    assert sum(row["bytes"] for row in counted) == reported.document["totals"]["bytes"]


def test_exceptions(reported: Reported) -> None:
    exceptions, accepted = reported.figures.exceptions(), reported.figures.accepted()
    rows = reported.document["exceptions_by_code"]
    assert {(row["bag"], row["code"]): row["count"] for row in rows} == dict(exceptions)
    told = {(row["bag"], row["code"]): row["count"] for row in rows if row["accepted_by"]}
    assert told == {place: number for place, number in accepted.items() if place[1] != "vanished"}
    assert Counter((row["bag"], row["code"]) for row in reported.document["exceptions"]) == exceptions


def test_the_tables(reported: Reported) -> None:
    items = reported.table("items.csv")
    every = [(bag.place, row) for bag in reported.figures.bags.values() for row in bag.rows]
    assert len(items) == len(every)
    for line, (place, row) in zip(items, every, strict=True):
        assert (line["bag"], line["kind"], line["outcome"]) == (place, row["kind"], row["outcome"])
        assert line["size"] == ("" if row.get("size") is None else str(row["size"]))
        assert line["sha256"] == (row.get("sha256") or "")
        assert line["path"].removeprefix("'") == (row.get("path") or "").encode(errors="backslashreplace").decode()
    excepted = Counter((line["bag"], line["code"]) for line in reported.table("exceptions.csv"))
    assert excepted == reported.figures.exceptions()


def test_the_clock(reported: Reported) -> None:
    figures, document = reported.figures, reported.document
    (one,) = document["subscriptions"]
    boundaries = figures.boundaries()
    shown = {row[0].partition(":")[0]: row[2] for row in reported.page.rows(f"Boundaries of {one['name']}")}
    assert {kind: at for kind, at in shown.items() if kind in boundaries} == boundaries
    claimed, sent, seen = figures.warnings()
    assert document["warnings_total"] == claimed == len(document["warnings"])
    assert sum(row["sent"] is not None for row in document["warnings"]) == sent > 0
    assert sum(row["ack"] is not None for row in document["warnings"]) == seen == 1


def test_the_chain_of_the_journal(reported: Reported) -> None:
    rows = reported.figures.journal
    chain = reported.document["custody"]
    assert [(link["hash"], link["prev_hash"], link["action"]) for link in chain] == [
        (digest, row["previous"], row["type"]) for row, digest in rows
    ]
    assert reported.document["journal"]["rows"] == len(rows)
    assert reported.document["journal"]["last_row"] == rows[-1][1]


def test_the_page_says_the_same(reported: Reported) -> None:
    figures, page = reported.figures, reported.page
    copied, listed = figures.total("copied"), figures.total("listed")
    assert f"{len(figures.bags)} OneDrives: {copied:,} items" in page.answers["What was copied?"]
    whole = page.answers["Is it whole?"]
    assert f"{copied:,} of {listed:,} items" in whole
    assert f"{figures.total('excepted'):,} could not be, {figures.total('pending'):,} are pending" in whole
    assert f"{len(figures.proven())} of {len(figures.bags)} bags" in whole
    for kind in ("at_risk_from", "deletable_from"):
        assert f"{figures.boundaries()[kind]} ({kind})" in page.answers["Until when could the original be deleted?"]
    counts = {row[0]: row[1:6] for row in page.rows("Counts of each source, beside those of the service")}
    names = {row["bag"]: row["principal"] for row in reported.document["reconciliation"]}
    assert counts == {names[p]: [f"{bag.counts[name]:,}" for name in OUTCOMES] for p, bag in figures.bags.items()}
    kinds: Counter[tuple[str, str]] = sum((bag.kinds for bag in figures.bags.values()), Counter())
    assert {row[0]: row[1:] for row in page.rows("Rows by kind and outcome")} == {
        kind: [f"{kinds[kind, outcome]:,}" for outcome in ("copied", "gone", "excepted")]
        for kind in {k for k, _ in kinds}
    }
    by_code = {(row[1], row[0]): row[2] for row in page.rows("How many, why, and who accepted them")}
    assert by_code == {place: f"{number:,}" for place, number in figures.exceptions().items()}
    hashes = {row[0]: (row[1], row[2]) for row in page.rows("Each bag, its hash, and when it was read")}
    assert hashes == {place: (bag.tagmanifest, str(bag.segment)) for place, bag in figures.bags.items()}
    states = ("covered", "in part", "not reachable", "not asked", "never possible")
    assert {(row[0].replace(" ", "_"), state): int(cell) for row in page.rows("Number of sources")
            for state, cell in zip(states, row[1:], strict=True) if cell != "–"} == dict(figures.coverage())  # fmt: skip
    assert [row[-1] for row in page.rows("The newest rows first")] == [
        digest for _, digest in reversed(figures.journal)
    ]


def test_the_pdf_says_the_same_on_its_first_page(reported: Reported) -> None:
    pdf = PdfReader(reported.package / "report.pdf")
    first = " ".join(pdf.pages[0].extract_text().split())
    figures = reported.figures
    assert f"{figures.total('copied'):,} of {figures.total('listed'):,} items that the service lists" in first
    assert reported.document["verdict"]["result"].upper() in first
    assert len(pdf.outline) == 14


def test_the_verdict_is_no_kinder_than_the_store(reported: Reported) -> None:
    verdict = reported.document["verdict"]
    codes = {reason["code"]: reason["count"] for reason in verdict["reasons"]}
    assert verdict["result"] == "incomplete"
    assert codes["exceptions_open"] == reported.document["totals"]["exceptions_open"]
    assert codes["ready_not_asked"] == 1
