"""Work is bounded: what is twice as long takes about twice as long, however odd it is."""

import time

import pytest

from exporters.mail.compose import convert
from tests.unit.mail.own_mails import mail

SIZE = 100_000
_MANY = 60_000
CASES = {
    "headers": lambda n: b"".join(b"X-%d: y\r\n" % i for i in range(n // 5)) + b"\r\n",
    "one header": lambda n: b"Subject: x\r\n" * n + b"\r\n",
    "recipients": lambda n: b"To: " + b",\r\n ".join(b"a%d@b.c" % i for i in range(n // 10)) + b"\r\n\r\n",
    "words": lambda n: b"Subject: " + b"=?utf-8?q?x" * n + b"\r\n\r\n",
    "good words": lambda n: b"Subject: " + b"=?utf-8?q?x?= " * (n // 4) + b"\r\n\r\n",
    "quotes": lambda n: b'To: "\\' * 1 + b'"\\' * n + b"\r\n\r\n",
    "angles": lambda n: b"To: " + b"<" * n + b"\r\n\r\n",
    "parentheses": lambda n: b"From: " + b"(" * n + b"\r\n\r\n",
    "brackets": lambda n: b"From: " + b"[" * n + b"\r\n\r\n",
    "at signs": lambda n: b"From: " + b"a@ " * n + b"\r\n\r\n",
    "parameters": lambda n: b'Content-Type: multipart/mixed; boundary="' + b";" * n + b'"\r\n\r\n',
    "sections": lambda n: (
        b"Content-Type: text/plain" + b"".join(b"; name*%d=x" % i for i in range(n // 10)) + b"\r\n\r\n"
    ),
    "tags": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<" * n,
    "comments": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<!-- " * n,
    "scripts": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<script>" * n,
    "metas": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<meta " * n,
    "blanks": lambda n: b"Content-Type: text/html\r\n\r\n" + b" &#32;\n" * n,
    "bare returns": lambda n: b"\r\n" + b"\r" * n,
    "one line": lambda n: b"\r\n" + b"x" * (n * 10),
    "parts": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (n // 20),
    "boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * n,
    "references": lambda n: b"References: " + b"<a@b> " * n + b"\r\n\r\n",
    "dates": lambda n: b"Date: " + b"1 " * n + b"\r\n\r\n",
    "tabs": lambda n: b"Date: Mon," + b"\t" * 400 + b"x\r\nSubject:" + b"\t" * n + b"x\r\n\r\n",
}


@pytest.mark.parametrize("name", CASES)
def test_time_grows_with_length(name: str) -> None:
    raw = CASES[name](_MANY)
    begun = time.process_time()
    convert(raw)
    took = time.process_time() - begun
    assert took < 3, f"{len(raw)} bytes took {took:.1f} s"


def test_a_million_headers() -> None:
    raw = b"X-A: b\r\n" * 1_000_000 + b"Subject: s\r\n\r\nx"
    begun = time.process_time()
    have = convert(raw).message.properties
    assert time.process_time() - begun < 60
    assert have[0x0037001F] == "s" and have[0x1000001F] == "x"


def test_many_levels_with_many_lines() -> None:
    heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n" for n in range(150))
    begun = time.process_time()
    convert(mail(heads + "\n" + "line\n" * 20_000))
    assert time.process_time() - begun < 20
