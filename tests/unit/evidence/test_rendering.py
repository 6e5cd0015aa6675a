"""The report as HTML and as PDF: nothing runs, nothing is loaded, nothing is left out, and both say the same."""

import io
import re
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader

from retention.evidence.blocks import Table
from retention.evidence.chapters import chapters_of
from retention.evidence.page import POLICY, html_page
from retention.evidence.pdf import ROWS, pdf_pages
from retention.evidence.pdf_text import shown
from retention.evidence.redaction import NameVeil
from retention.evidence.sentences import fixed_sentences
from tests.independent.report_figures import Page
from tests.unit.evidence.documents import ODD, SEAL, complete, full

TITLES = [
    "Verdict", "Scope and tenant", "Timeline", "Coverage", "Reconciliation", "Exceptions", "Integrity and time stamps",
    "Storage and immutability", "Preflight and readiness", "Warnings and acknowledgements", "Test restores", "People and custody",
    "Software, policy, clock", "Verifying without this software",
]  # fmt: skip


def page_of(document: dict[str, Any]) -> str:
    out = io.BytesIO()
    html_page(document, SEAL, out)
    return out.getvalue().decode()


def pdf_of(document: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pdf_pages(document, SEAL, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(full())


@pytest.fixture(scope="module")
def pdf() -> PdfReader:
    return PdfReader(io.BytesIO(pdf_of(full())))


@pytest.fixture(scope="module")
def text(pdf: PdfReader) -> str:
    """Of the PDF, its white space made one."""
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


def test_nothing_runs_and_nothing_is_loaded(page: str) -> None:
    assert f'content="{POLICY}"' in unescape(page)
    assert POLICY.startswith("default-src 'none'")
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert not re.findall(r"url\(|@import|http-equiv=\"refresh\"|\son\w+=", page.partition("</style>")[2])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_headings_go_down_by_one(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(page).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [text for tag, text in Page(page).headings if tag == "h2"] == [f"{n} {t}" for n, t in enumerate(TITLES, 1)]


def test_tables_are_read_by_their_heads(page: str) -> None:
    tables = re.findall(r"<table>.*?</table>", page, re.DOTALL)
    assert len(tables) > 15
    for table in tables:
        assert "<caption>" in table
        assert re.search(r'<thead><tr>(<th scope="col">[^<]+</th>)+</tr></thead>', table)
        rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table, re.DOTALL)
        assert len(rows) == table.count("<tr>") - 1
    assert len(set(re.findall(r'<caption>|id="([^"]+)"', page))) == len(re.findall(r'id="[^"]+"', page)) + 1
    assert all(one.count("<title") == one.count("<desc") == 1 for one in re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    for landmark in ("<header>", "<nav aria-label=", "<main>", "<footer>", '<html lang="en">'):
        assert landmark in page


def test_what_is_cut_is_said(page: str, text: str) -> None:
    assert "and 1,501 more: exceptions.csv" in page
    assert "and 89,500 more: journal/ in the store" in page
    assert f"and {2001 - ROWS:,} more: exceptions.csv" in text
    assert f"and {90_000 - ROWS:,} more: journal/ in the store" in text


def test_both_say_the_same(text: str) -> None:
    """Each cell that a PDF has room for stands in it, as far as its font goes."""
    text = re.sub(r"\s", "", text)
    blocks = [block for chapter in chapters_of(full(), SEAL) for part in chapter.sections for block in part.blocks]
    cells = [cell.text for block in blocks if isinstance(block, Table) for row in block.rows[:ROWS] for cell in row]
    assert len(cells) > 1000
    for cell in set(cells):
        if len(cell) < 300:
            assert re.sub(r"\s", "", shown(cell)) in text, cell


def test_the_pdf_opens_with_a_bookmark_for_each_chapter(pdf: PdfReader) -> None:
    assert [str(entry["/Title"]) for entry in pdf.outline] == [f"{n} {t}" for n, t in enumerate(TITLES, 1)]
    for number, page in enumerate(pdf.pages, 1):
        text = page.extract_text()
        assert f"page {number}" in text
        assert "REHEARSAL: this tenant is invented" in text
    fonts = {
        str(font["/BaseFont"])
        for page in pdf.pages
        for font in (f.get_object() for f in page["/Resources"]["/Font"].values())
    }
    assert any("DejaVuSans" in name for name in fonts)


def test_every_character_has_a_glyph(pdf: PdfReader) -> None:
    """The bold font and the one of hashes have few: nothing but plain letters stands in them."""
    seen: set[str] = set()

    def look(text: str, *_: Any) -> None:
        font = _[2]
        name = "" if font is None else str(font["/BaseFont"])
        if "DejaVu" not in name:
            seen.update(character for character in text if not character.isascii())

    for page in pdf.pages:
        page.extract_text(visitor_text=look)
    assert not seen


def test_the_same_document_gives_the_same_bytes() -> None:
    assert pdf_of(complete()) == pdf_of(complete())
    assert page_of(complete()) == page_of(complete())


def test_what_was_never_done_is_said() -> None:
    document = complete()
    document |= {"verifications": [], "warnings": [], "subscriptions": [], "coverage": [], "runs": []}
    document["readiness"] = {"asked_at": None, "ready": None, "reasons": [], "before_last_run": False}
    text = " ".join(page_of(document).split())
    for told in (
        "Not done: run lastcopy verify.", "Not done: run lastcopy check --cancel.", "Not done: run lastcopy restore --drill N.",
        "not asked: run lastcopy ready", "Not known: no subscription is tracked.",
    ):  # fmt: skip
        assert told in text
    pdf_of(document)


def test_nobody_is_called_compliant(page: str, text: str) -> None:
    for document in (page, text, page_of(complete())):
        assert not re.search(r"compliant|certified|guarantee", document, re.IGNORECASE)


def test_a_veiled_document_can_be_printed() -> None:
    """Every field that is printed keeps its name; no name of anybody or anything is left."""
    document = full()
    veiled = NameVeil(b"k" * 32, False, fixed_sentences()).document(document)
    page, pdf = page_of(veiled), PdfReader(io.BytesIO(pdf_of(veiled)))
    printed = page + " ".join(one.extract_text() for one in pdf.pages) + str(pdf.metadata)
    for name in ("anna", "contoso", "Mina", "Holm", "Привет", "case 4711", "bought online"):
        assert name not in printed
    assert Page(page).headings[1][1] == "1 Verdict"
    assert "2,000 malware" in page


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("Zażółć gęślą jaźń", "Zażółć gęślą jaźń"),
        ("Ελληνικά, Кириллица, Ștefan", "Ελληνικά, Кириллица, Ștefan"),
        ("山田.docx", r"\u5c71\u7530.docx"),
        ("مرحبا", r"\u0645\u0631\u062d\u0628\u0627"),
        ("שלום", r"\u05e9\u05dc\u05d5\u05dd"),
        ("नमस्ते", r"\u0928\u092e\u0938\u094d\u0924\u0947"),
        ("party 🎉", r"party \U0001f389"),
        ("a\u202eb", r"a\u202eb"),
        ("lone \ud800", r"lone \ud800"),
        ("bell\x07 tab\t line\n", r"bell\x07 tab\t line\n"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_text_of_a_pdf(text: str, becomes: str) -> None:
    assert shown(text) == becomes


def test_odd_names_stand_in_both(page: str, text: str) -> None:
    assert "山田_مرحبا_🎉_\\ud800_" in page
    assert "\\u202egnp.exe_\\x07" in page
    assert re.sub(r"\s", "", shown(ODD)) in re.sub(r"\s", "", text)
