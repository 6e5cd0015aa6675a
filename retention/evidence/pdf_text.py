"""Text that a PDF can show: characters of the font that is embedded, and an escape for every other one.

Rules of this file: never a box, never a character left out. What the font lacks (Chinese, Japanese, Korean, most emoji), and what
would have to be shaped or run from right to left (Hebrew, Arabic, scripts of India), stands as `\\u4e2d`; HTML and CSV have it
as it is. Source: design §8; docs/decisions/0097.
"""

import unicodedata
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

REGULAR, BOLD, MONO = "LastcopySans", "LastcopySansBold", "Courier"
_UNSHAPED: Final = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"})
"""Directions that take more than one glyph after the other, and the marks that turn them."""
_LATIN = 0x17F


def register_fonts() -> None:
    """Make the fonts known to reportlab: DejaVu Sans, which ships with us, and Vera Bold, which ships with reportlab, for
    headings of ours."""
    import reportlab
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    if REGULAR in pdfmetrics.getRegisteredFontNames():
        return
    with as_file(files("retention.evidence").joinpath("fonts/DejaVuSans.ttf")) as regular:
        pdfmetrics.registerFont(TTFont(REGULAR, str(regular)))
    bold = Path(reportlab.__file__).parent / "fonts" / "VeraBd.ttf"
    pdfmetrics.registerFont(TTFont(BOLD, str(bold)))


def shown(text: str) -> str:
    """Text in which every character can be printed."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _can_stand(character) else _escaped(character) for character in text)


def marked_up(text: str) -> str:
    """The same, for a paragraph of reportlab, which reads markup."""
    return escape(shown(text))


@lru_cache(maxsize=4096)
def _can_stand(character: str) -> bool:
    if character == " ":
        return True
    if not character.isprintable() or unicodedata.bidirectional(character) in _UNSHAPED:
        return False
    if ord(character) > _LATIN and unicodedata.combining(character):
        return ord(character) < 0x370 and ord(character) in _glyphs()
    if unicodedata.category(character) in {"Mc", "Me"}:
        return False
    return ord(character) in _glyphs()


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    from reportlab.pdfbase import pdfmetrics

    register_fonts()
    font: Any = pdfmetrics.getFont(REGULAR)
    return frozenset(font.face.charToGlyph)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
