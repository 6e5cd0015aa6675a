"""The report as a PDF: the same chapters, each on a page of its own, with bookmarks and page numbers.

Rules of this file: the same document gives the same bytes; every text goes through `pdf_text`; tables are cut earlier than in
HTML and say where the rest is, so that a PDF stays small whatever the tenant. Source: design §8; dependencies.md §4.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from retention.evidence.blocks import Banner, Block, Chapter, Chart, Code, Facts, Lines, Shape, Table, Words
from retention.evidence.chapters import chapters_of, title_of
from retention.evidence.contents import Seal
from retention.evidence.pdf_text import BOLD, MONO, REGULAR, marked_up, register_fonts, shown
from retention.evidence.words import instant

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable

ROWS: Final = 120
"""Rows of a table that are printed."""
_CHARACTERS: Final = 1_200
"""Of a cell: a longer one could not be broken over pages."""
_COLOURS: Final = {
    "plain": "#1b1f24", "ink": "#1b1f24", "mono": "#1b1f24", "weak": "#57606a", "line": "#d0d7de", "good": "#1a7f37",
    "doubtful": "#8a5a00", "bad": "#b42318", "calm": "#b6d7bf", "risk": "#e0876f", "gone": "#6e7781", "edge": "#8c959f",
    "paper": "#ffffff",
}  # fmt: skip
_MARGIN: Final = 45.0
_INSIDE: Final = 6.0
_WIDTH: Final = 595.2756 - 2 * _MARGIN - 2 * _INSIDE
"""What stands between the margins of an A4 page, and inside of the frame that reportlab puts there, in points."""


def pdf_pages(document: Mapping[str, Any], seal: Seal, out: BinaryIO) -> None:
    """Write the PDF."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    register_fonts()
    title = title_of(document)
    template = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=54,
        bottomMargin=50,
        invariant=1,
        title=shown(title),
        author=f"Lastcopy {document['generator']['version']}",
        subject=f"Evidence report {document['report_id']}",
        lang="en",
    )
    foot = f"{shown(title)} · report {document['report_id']}"
    head = "REHEARSAL: this tenant is invented" if document["rehearsal"] else ""

    def furnish(canvas: "Canvas", _: Any) -> None:
        canvas.saveState()
        canvas.setFont(REGULAR, 7.5)
        canvas.setFillColor(_COLOURS["weak"])
        canvas.drawString(_MARGIN + _INSIDE, 30, _fitting(canvas, foot, _WIDTH - 60))
        canvas.drawRightString(_MARGIN + _INSIDE + _WIDTH, 30, f"page {canvas.getPageNumber()}")
        if head:
            canvas.setFont(BOLD, 8)
            canvas.setFillColor(_COLOURS["doubtful"])
            canvas.drawString(_MARGIN + _INSIDE, A4[1] - 34, head)
        canvas.restoreState()

    styles = _Styles()
    story: list[Flowable] = [*styles.front(title, document)]
    for chapter in chapters_of(document, seal):
        story.extend(_flowables(chapter, styles))
    template.build(story, onFirstPage=furnish, onLaterPages=furnish)


def _fitting(canvas: "Canvas", text: str, width: float) -> str:
    while len(text) > 1 and canvas.stringWidth(text, REGULAR, 7.5) > width:
        text = f"{text[:-2]}…"
    return text


class _Styles:
    """The styles of paragraphs, by name."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], ParagraphStyle] = {}

    def of(self, style: str, place: str = "body") -> "ParagraphStyle":
        """place: body, cell, head (of a table), title, h2, h3, banner."""
        from reportlab.lib.colors import HexColor
        from reportlab.lib.styles import ParagraphStyle

        found = self._made.get((style, place))
        if found is None:
            size, leading, font = {
                "body": (9.2, 12.6, REGULAR), "cell": (7.4, 9.4, REGULAR), "head": (7.4, 9.4, BOLD), "title": (17, 21, BOLD),
                "h2": (14, 18, BOLD), "h3": (10.5, 14, BOLD), "banner": (20, 25, BOLD), "term": (9, 12, BOLD),
                "name": (15, 20, REGULAR),
            }[place]  # fmt: skip
            if style == "mono":
                font, size = MONO, size * 0.92
            found = ParagraphStyle(
                f"{style}-{place}",
                fontName=font,
                fontSize=size,
                leading=leading,
                textColor=HexColor(_COLOURS.get(style, _COLOURS["plain"])),
                spaceAfter=0 if place in {"cell", "head", "term"} else 4,
                spaceBefore=10 if place == "h3" else 0,
                splitLongWords=1,
                keepWithNext=1 if place in {"h2", "h3"} else 0,
            )
            self._made[style, place] = found
        return found

    def paragraph(self, text: str, style: str = "plain", place: str = "body") -> "Flowable":
        """A text as a paragraph. Headings stand in a bold font of few characters: one with others stands in the regular font."""
        from reportlab.platypus import Paragraph

        if len(text) > _CHARACTERS and place != "body":
            text = f"{text[:_CHARACTERS]} … (cut)"
        markup = marked_up(text) or " "
        if not text.isascii() and self.of(style, place).fontName == BOLD:
            markup = f'<font name="{REGULAR}">{markup}</font>'
        return Paragraph(markup, self.of(style, place))

    def front(self, title: str, document: Mapping[str, Any]) -> "Iterator[Flowable]":
        """What stands above the first chapter."""
        from reportlab.platypus import Spacer

        yield self.paragraph(title, place="name")
        version = document["generator"]["version"]
        made = f"Report {document['report_id']}, made {instant(document['generated_at'])} by Lastcopy {version}."
        yield self.paragraph(f"{made} The record is evidence.json; this says the same for people.", "weak")
        yield Spacer(1, 6)


def _flowables(chapter: Chapter, styles: _Styles) -> "Iterator[Flowable]":
    from reportlab.platypus import PageBreak

    if chapter.number > 1:
        yield PageBreak()
    yield _bookmark(chapter)
    yield styles.paragraph(f"{chapter.number}  {chapter.title}", place="h2")
    for section in chapter.sections:
        if section.title:
            yield styles.paragraph(section.title, place="h3")
        for block in section.blocks:
            yield from _block(block, styles)


def _bookmark(chapter: Chapter) -> "Flowable":
    from reportlab.platypus import Flowable

    class Bookmark(Flowable):
        """An entry of the outline, where it stands."""

        def wrap(self, *_: float) -> tuple[float, float]:
            return 0, 0

        def draw(self) -> None:
            self.canv.bookmarkPage(chapter.anchor)
            self.canv.addOutlineEntry(f"{chapter.number} {chapter.title}", chapter.anchor, 0)

    return Bookmark()


def _block(block: Block, styles: _Styles) -> "Iterator[Flowable]":
    from reportlab.platypus import Preformatted, Spacer

    if isinstance(block, Words):
        yield styles.paragraph(block.text, block.style)
    elif isinstance(block, Banner):
        yield _banner(block, styles)
    elif isinstance(block, Facts):
        yield _facts(block, styles)
        yield Spacer(1, 4)
    elif isinstance(block, Lines):
        yield from (styles.paragraph(f"• {one.text}", one.style) for one in block.items)
    elif isinstance(block, Table):
        yield from _table(block, styles)
    elif isinstance(block, Code):
        yield Preformatted(shown_lines(block.text), styles.of("mono"), maxLineLength=100)
    elif isinstance(block, Chart):
        yield _drawing(block)
        yield from (styles.paragraph(line, "weak", "cell") for line in block.words if block.is_told)


def shown_lines(text: str) -> str:
    """Lines of commands."""
    return "\n".join(map(shown, text.rstrip("\n").split("\n")))


def _banner(block: Banner, styles: _Styles) -> "Flowable":
    from reportlab.platypus import Table as Grid

    colour = _COLOURS[block.style]
    words = [[styles.paragraph(block.result.upper(), block.style, "banner"), styles.paragraph(block.sentence)]]
    return Grid(
        [[words[0]]],
        colWidths=[_WIDTH],
        style=[("BOX", (0, 0), (-1, -1), 1.5, colour), ("LEFTPADDING", (0, 0), (-1, -1), 10), ("TOPPADDING", (0, 0), (-1, -1), 8),
               ("BOTTOMPADDING", (0, 0), (-1, -1), 6)],
        spaceBefore=4, spaceAfter=8,
    )  # fmt: skip


def _facts(block: Facts, styles: _Styles) -> "Flowable":
    from reportlab.platypus import Table as Grid

    rows = []
    for name, answers in block.rows:
        first = True
        for one in answers:  # a row each, so that no cell is too long for a page
            term = styles.paragraph(name, place="term") if first else ""
            rows.append(([term, styles.paragraph(one.text, one.style)], first))
            first = False
    lines = [
        ("LINEABOVE", (0, place), (-1, place), 0.4, _COLOURS["line"])
        for place, (_, begins) in enumerate(rows)
        if begins
    ]
    return Grid(
        [cells for cells, _ in rows],
        colWidths=[_WIDTH * 0.27, _WIDTH * 0.73],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0), ("TOPPADDING", (0, 0), (-1, -1), 2),
               ("BOTTOMPADDING", (0, 0), (-1, -1), 0), *lines],
    )  # fmt: skip


def _table(block: Table, styles: _Styles) -> "Iterator[Flowable]":
    from reportlab.platypus import Table as Grid

    yield styles.paragraph(block.caption, place="term")
    whole = sum(block.widths)
    rows: list[list[Any]] = [[styles.paragraph(name, place="head") for name in block.header]]
    for row in block.rows[:ROWS]:
        rows.append([styles.paragraph(cell.text, cell.style, "cell") for cell in row])
    yield Grid(
        rows,
        colWidths=[_WIDTH * share / whole for share in block.widths],
        repeatRows=1,
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 5),
               ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
               ("LINEBELOW", (0, 0), (-1, 0), 0.8, _COLOURS["edge"]), ("LINEBELOW", (0, 1), (-1, -1), 0.3, _COLOURS["line"])],
        spaceAfter=4,
    )  # fmt: skip
    more = block.more(ROWS)
    if more:
        yield styles.paragraph(more, "weak", "cell")


def _drawing(block: Chart) -> "Drawing":
    from reportlab.graphics.shapes import Drawing

    scale = _WIDTH / block.width
    drawing = Drawing(_WIDTH, block.height * scale)
    for shape in block.shapes:
        drawing.add(_shape(shape, scale, block.height))
    return drawing


def _shape(shape: Shape, scale: float, height: float) -> Any:
    from reportlab.graphics.shapes import Line, Rect, String
    from reportlab.lib.colors import HexColor

    colour = HexColor(_COLOURS[shape.role])
    x, y, w, h = (value * scale for value in (shape.x, height - shape.y, shape.w, shape.h))
    made: Any
    if shape.kind == "box":
        made = Rect(x, y - h, w, h)
        made.fillColor, made.strokeColor = colour, None
    elif shape.kind == "line":
        made = Line(x, y, w, (height - shape.h) * scale)
        made.strokeColor, made.strokeWidth = colour, 0.7
    else:
        made = String(x, y, shown(shape.text))
        made.fontName, made.fontSize, made.fillColor = REGULAR, 10.5 * scale, HexColor(_COLOURS["ink"])
        made.textAnchor = shape.anchor
    return made
