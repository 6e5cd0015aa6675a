"""Our parser of MIME beside the standard library's: the same tree, the same texts, the same defects, on any bytes.

Rules of this file: what is compared is all that `email` finds; mails are made of the pieces that a parser stumbles over.
"""

import email
import random
import re
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.mail.compose import parsing
from exporters.mail.compose.boundaries import Boundary
from exporters.mail.compose.parsing import Source

CORPUS = Path(__file__).parents[3].parent / "shared/data/mail"
ENDS = ("\n", "\r\n", "\r")
BOUNDARIES = ("b", "b--", "--", "a b", "+.*[", "bb", "b\\")
PIECES = (
    "From: a@b.example", "Subject: x", "no header", "", " ", "\t", "text", "--", "----", "--b", "--b--", "--b ", "--b--\t",
    "--bb", "--bb--", "--b----", "--a b", "--+.*[", "--b\\", "Content-Type: text/plain", "Content-Type: message/rfc822",
    "Content-Type: message/delivery-status", "Content-Type: multipart/digest; boundary=b", "Content-Type: multipart/mixed",
    "Content-Type: MULTIPART/x; boundary=bb", "Content-Transfer-Encoding: base64", "From somebody", ": ", "\x0b--b", "\x85", "ü",
)  # fmt: skip


def shape(part: Message) -> Any:
    """All that the library says of a part."""
    payload: Any = part._payload  # type: ignore[attr-defined]
    inside = [shape(one) for one in payload] if isinstance(payload, list) else payload
    defects = [type(defect).__name__ for defect in part.defects]
    return [*part._headers], part.preamble, part.epilogue, defects, part.get_default_type(), part.get_unixfrom(), inside  # type: ignore[attr-defined]


def same(raw: bytes) -> None:
    source = Source(raw)
    if source.whole:
        assert shape(source.root) == shape(email.message_from_bytes(raw))


def made(draw: random.Random) -> bytes:
    """A mail of pieces, one after the other."""
    lines = [f'Content-Type: multipart/{draw.choice(("mixed", "digest", "x"))}; boundary="{draw.choice(BOUNDARIES)}"']
    lines += [draw.choice(PIECES) for _ in range(draw.randrange(40))]
    text = "".join(line + draw.choice(ENDS) for line in lines)
    return text[: len(text) - draw.randrange(3)].encode("utf-8")


@pytest.mark.parametrize("part", range(8))
def test_broken_mails_have_the_same_parts(part: int) -> None:
    draw = random.Random(part)
    for _ in range(500):
        same(made(draw))


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.sampled_from(ENDS), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_whatever_slices_it_is_fed_in(lines: list[str], end: str, size: int) -> None:
    before = parsing._SLICE
    parsing._SLICE = size
    try:
        same(end.join(["Content-Type: multipart/mixed; boundary=b", "", *lines]).encode("utf-8"))
    finally:
        parsing._SLICE = before


@given(st.text(alphabet="-b \t\r\n[.\\", max_size=12), st.text(alphabet="-b [.*\\", min_size=1, max_size=3))
def test_a_boundary_matches_what_the_pattern_of_the_library_does(rest: str, boundary: str) -> None:
    separator = f"--{boundary}"
    pattern = re.compile("(?P<sep>" + re.escape(separator) + r")(?P<end>--)?(?P<ws>[ \t]*)(?P<linesep>\r\n|\r|\n)?$")
    line = next(iter((separator + rest).splitlines(keepends=True)))
    ours, theirs = Boundary(separator).match(line), pattern.match(line)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert {name: ours.group(name) for name in ("sep", "end", "ws", "linesep")} == theirs.groupdict()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of mails is not on this machine")
def test_the_corpus_has_the_same_parts() -> None:
    for path in sorted(CORPUS.rglob("*.eml")):
        same(path.read_bytes())
