"""Bodies: character sets, HTML and its <meta>, alternatives, joined parts, plain renderings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Converted, convert
from exporters.mail.compose import html as html_module
from exporters.mail.compose.charsets import codec, decode
from exporters.mail.compose.losses import Losses
from tests.unit.mail.own_mails import ALTERNATIVE, ASIAN, PLAIN, RAW, mail

HEAD = "Date: Tue, 2 Jan 2024 00:00:00 +0000\n"


def converted(text: str) -> Converted:
    return convert(mail(HEAD + text))


def properties(raw: bytes) -> dict[Any, Any]:
    return dict(convert(raw).message.properties)


def codes(mail_: Converted) -> set[str]:
    return {loss.code for loss in mail_.losses}


def body(raw: bytes, label: str) -> str:
    head = f"Date: Tue, 2 Jan 2024 00:00:00 +0000\nContent-Type: text/plain; charset={label}\n\n".encode()
    return str(properties(head + raw).get(0x1000001F, ""))


@pytest.mark.parametrize(
    ("raw", "label", "expected"),
    [
        (b"\xe2\x82\xac", "utf-8", "€"),
        (b"\xe2\x82\xac", "us-ascii", "€"),
        (b"\xe9", "us-ascii", "é"),
        (b"\x80\x81", "iso-8859-1", "€\x81"),
        (b"\x80", "windows-1252", "€"),
        (b"\x81\x30\x81\x30", "gb2312", "\x80"),
        (b"\x87\x40", "shift_jis", "①"),
        (b"\xa4\xd1", "ansi_x3.110-1983", "¤Ñ"),
        (b"+AOk-", "utf-7", "é"),
        (b"\xe9", "x-nonsense", "é"),
        (b"\xc3\xa9", "x-nonsense", "é"),
        (b"\xe9\xff", "utf-8", "éÿ"),
        (b"\xe9 \xc3\xa9", "utf-8", "\ufffd é"),
        (b"a\0b", "utf-8", "a\ufffdb"),
        (b"+2AA-", "utf-7", "\ufffd"),
        (b"x", "base64", "x"),
        (b"\xff\xfeh\0i\0", "utf-16", "hi"),
        (b"\x1b$B-!\x1b(B", "iso-2022-jp", "\ufffd"),
        (b"\xd4", "koi8-r", "т"),
        (b"\xe0", "iso-8859-8-i", "א"),
        (b"q", '"US-ASCII"', "q"),
    ],
)
def test_character_sets(raw: bytes, label: str, expected: str) -> None:
    have = body(raw, label)
    assert have == expected or (label == "iso-2022-jp" and have in ("①", expected))


@given(
    st.binary(max_size=40),
    st.sampled_from(
        [
            "utf-8",
            "utf-7",
            "hz",
            "iso-2022-jp",
            "utf-16",
            "utf-32",
            "gb2312",
            "idna",
            "rot13",
            "",
            "x",
            "unicode_escape",
            "johab",
        ]
    ),
)
def test_no_bytes_raise(data: bytes, label: str) -> None:
    made = decode(data, label, Losses(), "test")
    made.encode("utf-16-le")
    assert "\0" not in made


@given(st.text(max_size=30))
def test_no_label_raises(label: str) -> None:
    name = codec(label)
    assert name is None or isinstance(b"".decode(name), str)


def test_losses_of_characters_are_told() -> None:
    assert codes(convert(RAW)) == {"charset-fallback", "date-fallback", "text-replaced"}
    assert properties(RAW)[0x1000001F] == "béd\ufffd bytes\r\nmixed\r\nends\r\n"
    assert codes(converted("Content-Type: text/plain; charset=utf-8\n\nb\xe9d\n")) == {"charset-fallback"}
    assert codes(converted("Content-Type: text/plain; charset=utf-8\n\nb\xe9d \xc3\xa9\n")) == {"text-replaced"}
    assert codes(converted("Content-Type: text/plain; charset=x-no\n\nb\xe9d\n")) == {"charset-fallback"}


def test_text_keeps_flowed_lines_and_gets_crlf() -> None:
    assert properties(PLAIN)[0x1000001F] == "Hello € world \r\nsecond line\r\n"
    assert properties(b"\na\nb\rc\r\nd")[0x1000001F] == "a\r\nb\r\nc\r\nd"
    assert 0x10130102 not in properties(PLAIN)
    assert properties(PLAIN)[0x10160003] == 1


def test_alternative_has_both_and_the_meta_is_corrected() -> None:
    have = properties(ALTERNATIVE)
    assert have[0x1000001F] == "plain words"
    assert have[0x10130102] == (
        b'<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>\r\n'
        b'<body><p>html \xc3\xa9 words</p><img src="cid:pic@x"></body></html>'
    )
    assert have[0x3FDE0003] == 65001 and have[0x10160003] == 3


def test_html_alone_gets_a_rendering() -> None:
    have = properties(ASIAN)
    assert have[0x10130102] == "<p>日本</p><script>no()</script>&euro;\n".encode()
    assert have[0x1000001F] == "日本\r\n€"


def test_an_empty_html_body_is_none() -> None:
    assert 0x10130102 not in properties(
        b"Content-Type: text/html\n\n"
    )  # libpff cannot read a message with an empty one


def test_html_that_is_utf_8_is_not_touched() -> None:
    raw = b"<!DOCTYPE html><META CHARSET='UTF-8'>\n\t<b>\xe2\x82\xac</b>\r\n"
    assert properties(b"Content-Type: text/html; charset=utf-8\n\n" + raw)[0x10130102] == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<meta charset=koi8-r>\xd4", "<meta charset=utf-8>т"),
        (b'<meta charset="utf-8">\xc3\xa9', '<meta charset="utf-8">é'),
        (b"\xc3\xa9", "é"),
        (b"\xe9", "é"),
        (b"<meta charset=utf-16>\xc3\xa9", "<meta charset=utf-8>é"),
        (b"<p>charset=latin1</p>", "<p>charset=latin1</p>"),
    ],
)
def test_html_without_a_named_character_set(raw: bytes, expected: str) -> None:
    assert properties(b"Content-Type: text/html\n\n" + raw)[0x10130102].decode() == expected


def test_several_texts_are_joined_in_order() -> None:
    made = converted("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\n \n--b\n\ntwo\n--b--\n")
    assert made.message.properties[0x1000001F] == "one\r\ntwo"
    assert codes(made) == {"body-joined"}


def test_a_footer_goes_into_both_bodies() -> None:
    made = converted(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\ntext\n"
        "--a\nContent-Type: text/html\n\n<body>html</body>\n--a--\n--b\n\nfoot <er>\n--b--\n"
    )
    have = made.message.properties
    assert have[0x1000001F] == "text\r\nfoot <er>"
    assert have[0x10130102] == (b'<body>html<hr><pre style="white-space: pre-wrap">foot &lt;er&gt;</pre></body>')
    assert codes(made) == {"body-joined"}
    assert not list(made.message.attachments)


def test_the_last_html_wins_and_the_first_becomes_a_file() -> None:
    made = converted(
        "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/html\n\n<i>1</i>\n--a\n"
        "Content-Type: text/html\n\n<i>2</i>\n"
        "--a\nContent-Type: text/enriched\n\n<bold>x</bold>\n--a\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n--a--\n"
    )
    assert made.message.properties[0x10130102] == b"<i>2</i>"
    assert [(a.properties[0x370E001F], a.data) for a in made.message.attachments] == [
        ("text/html", b"<i>1</i>"), ("text/enriched", b"<bold>x</bold>"), ("text/calendar", b"BEGIN:VCALENDAR")
    ]  # fmt: skip
    assert "alternative-attached" in codes(made)


def test_an_alternative_inside_another_loses_no_text() -> None:
    made = converted(
        "Content-Type: multipart/alternative; boundary=a\n\n--a\n\nouter\n--a\n"
        "Content-Type: multipart/alternative; boundary=b\n\n--b\n\ninner\n--b\nContent-Type: text/html\n\n<p>x\n--b--\n--a--\n"
    )
    assert (made.message.properties[0x1000001F], made.message.properties[0x10130102]) == ("outer", b"<p>x")
    assert [a.data for a in made.message.attachments] == [b"inner"]
    assert "alternative-attached" in codes(made)


def test_apple_mail_puts_files_inside_the_alternative() -> None:
    made = converted(
        "Content-Type: multipart/alternative; boundary=a\n\n--a\n\nplain\n--a\nContent-Type: multipart/mixed; boundary=m\n\n--m\n"
        "Content-Type: text/html\n\n<b>1</b>\n--m\nContent-Type: image/png; name=i.png\n\nx\n--m\n"
        "Content-Type: text/html\n\n<b>2</b>\n"
        "--m--\n--a--\n"
    )
    assert made.message.properties[0x1000001F] == "plain"
    assert made.message.properties[0x10130102] == b"<b>1</b><hr><b>2</b>"
    assert [a.properties[0x3707001F] for a in made.message.attachments] == ["i.png"]


def test_the_root_of_related_is_named_by_start() -> None:
    made = converted(
        'Content-Type: multipart/related; start="<r@x>"; boundary=b\n\n--b\nContent-Type: text/css\nContent-ID: <c@x>\n\np {}\n'
        "--b\nContent-Type: text/html\nContent-ID: <r@x>\nContent-Location: http://x/y\n\n<p>root\n--b--\n"
    )
    assert made.message.properties[0x10130102] == b"<p>root"
    assert made.message.properties[0x1015001F] == "r@x"
    assert made.message.properties[0x1014001F] == "http://x/y"
    assert [a.properties[0x370E001F] for a in made.message.attachments] == ["text/css"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>a</p><p>b  c</p>", "a\n\nb c"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<style>x</style>y<!-- z -->", "y"),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1 2"),
        ("a &amp; b &lt;c&gt; &#0;", "a & b <c> \ufffd"),
        ("1 < 2 and <b>3</b>", "1 < 2 and 3"),
        ("<script>never closed", "never closed"),
        ("<!-- open <b>x</b>", "<!-- open x"),
        ("", ""),
    ],
)
def test_rendering(text: str, expected: str) -> None:
    made = html_module.rendered(text)
    assert made.replace("\t", " ").replace("  ", " ") == expected or made == expected


def test_unknown_transfer_encodings_are_told() -> None:
    made = converted("Content-Transfer-Encoding: x-yenc\n\n=ybegin\n")
    assert made.message.properties[0x1000001F] == "=ybegin\r\n"
    assert codes(made) == {"encoding-unknown"}


def test_broken_base64_is_what_email_makes_of_it() -> None:
    assert body(b"", "utf-8") == ""
    raw = HEAD.encode() + b"Content-Transfer-Encoding: base64\n\nSGVs bG8*\nh\n"
    assert properties(raw)[0x1000001F] == "Hello!"


def test_text_outside_the_parts_is_told() -> None:
    made = converted("Content-Type: multipart/mixed; boundary=b\n\nsecret\n--b\n\none\n--b--\nafter\n")
    assert [loss.code for loss in made.losses] == ["outside-parts", "outside-parts"]
    made = converted(
        "Content-Type: multipart/mixed; boundary=b\n\nThis is a multi-part message in MIME format.\n--b\n\none\n--b--\n"
    )
    assert not made.losses
