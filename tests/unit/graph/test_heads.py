"""Heads of answers: whatever they are, they are read as the standard library reads them.

Rules of this file: the standard library is the judge; only what is common is said to be read without its parser for mail.
"""

import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.graph.heads import parse_headers

NAMES = st.sampled_from(
    ["Content-Type", "Date", "x-a", "", "From ", "a b", "Ünder", "Set-Cookie", "content-length", " x"]
)
VALUES = st.one_of(
    st.sampled_from(
        ["", " ", "text/plain", "multipart/mixed", 'multipart/mixed; boundary="a"', "message/rfc822", "a:b ", "é"]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=12),
)
COLONS = st.sampled_from([":", ": ", ":\t", " : ", "", "::"])
ENDS = st.sampled_from(["\r\n", "\n", "\r\n ", "\r\r\n"])
LINES = st.builds(lambda *parts: "".join(parts), NAMES, COLONS, VALUES, ENDS)


def both(raw: bytes) -> list[object]:
    found: list[object] = []
    for read in (http.client.parse_headers, parse_headers):
        try:
            message = read(io.BytesIO(raw))
        except http.client.HTTPException as error:
            found.append((type(error), str(error)))
        else:
            defects = [type(defect) for defect in message.defects]
            payload = message.get_payload()  # of message/rfc822: the messages inside
            inside = [part.as_string() for part in payload] if isinstance(payload, list) else payload
            found.append((message.items(), defects, inside, message.get("X-A"), type(message)))
    return found


@given(st.lists(LINES, max_size=5), st.sampled_from(["\r\n", "\n", "", "\r\nbody"]))
def test_as_the_standard_library(lines: list[str], end: str) -> None:
    ours, theirs = both(("".join(lines) + end).encode("latin-1"))
    assert ours == theirs


@pytest.mark.parametrize("lines", [[b"a: b\r\n"] * 150, [b"a: " + b"b" * 70_000 + b"\r\n"]], ids=["many", "long"])
def test_limits_hold(lines: list[bytes]) -> None:
    theirs, ours = both(b"".join(lines) + b"\r\n")
    assert ours == theirs
    assert isinstance(theirs, tuple) and issubclass(theirs[0], http.client.HTTPException)


def test_a_common_head_is_read_without_the_parser_for_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("email.parser.Parser.parsestr", None)
    raw = b"Content-Type: text/plain; charset=utf-8\r\nLocation: https://host/a?b=c%20d\r\nX-Empty:\r\n\r\nrest"
    file = io.BytesIO(raw)
    message = parse_headers(file)
    assert message.items() == [
        ("Content-Type", "text/plain; charset=utf-8"), ("Location", "https://host/a?b=c%20d"), ("X-Empty", ""),
    ]  # fmt: skip
    assert file.read() == b"rest"
