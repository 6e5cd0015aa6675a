"""Headers of mails as properties: words, parameters, addresses, dates, identifiers, flags."""

from datetime import UTC, datetime, timedelta
from email.header import Header
from email.message import Message as Mail
from email.utils import formataddr, formatdate, getaddresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Converted, Facts, MimeRefused, convert
from exporters.mail.compose.addresses import Address, addresses
from exporters.mail.compose.dates import parsed
from exporters.mail.compose.headers import INET
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parameters import parse
from exporters.mail.compose.words import text_of
from exporters.pst import NamedProperty, one_off_entry_id
from tests.unit.mail.own_mails import PLAIN, mail

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def properties(raw: bytes, **facts: Any) -> dict[Any, Any]:
    return dict(convert(raw, facts=Facts(**facts)).message.properties)


def codes(converted: Converted) -> set[str]:
    return {loss.code for loss in converted.losses}


def text(value: str) -> str:
    return text_of(value, Losses(), "test")


def people(value: str) -> list[tuple[str, str]]:
    return [(person.name, person.address) for person in addresses(value, Losses(), "test")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("folded\r\n line\n\tand", "folded line\tand"),
        ("=?utf-8?Q?caf=C3=A9?=", "café"),
        ("=?UTF-8?b?4oKs?= =?utf-8?q?=e2=82?=\r\n =?utf-8?Q?=AC?=", "€€"),  # a letter cut in two
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?utf-8?q?a?=b", "ab"),
        ("=?utf-8?Q?a_b c?=", "a b c"),  # a blank inside
        ("=?utf-8?B?4oKs=?=", "€"),  # one pad too many
        ("=?utf-8?B?4oK!s?=", "€"),
        ("=?utf-8*en?Q?x=C3=A9?=", "xé"),
        ("=?gb2312?B?gTCBMA==?=", "\x80"),  # beyond gb2312, in gb18030
        ("=?iso-8859-1?Q?=80?=", "€"),  # windows-1252 in truth
        ("=?utf-7?Q?+AOk-?=", "é"),
        ("=?ks_c_5601-1987?B?x9Gx2w==?=", "한글"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("raw \udcc3\udca9", "raw é"),
        ("raw \udce9", "raw é"),
        ("nul \0", "nul \ufffd"),
        ("=?utf-8?q?nul=00?=", "nul\ufffd"),
    ],
)
def test_words(value: str, expected: str) -> None:
    assert text(value) == expected


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1))
def test_words_of_the_library_come_back(value: str) -> None:
    assert text(Header(value, "utf-8").encode()) == value


@given(st.text())
def test_no_header_raises(value: str) -> None:
    raw = value.encode("utf-8", "replace").decode("ascii", "surrogateescape")
    for made in (text(raw), *(part for person in people(raw) for part in person)):
        made.encode("utf-16-le")
        assert "\0" not in made
    parse(raw)
    parsed(raw)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.c", [("", "a@b.c")]),
        ("Ann Bo <a@b.c>, <d@e.f>", [("Ann Bo", "a@b.c"), ("", "d@e.f")]),
        ('"Doe, \\"J\\"" <a@b>', [('Doe, "J"', "a@b")]),
        ("a@b (Ann (the) Bo)", [("Ann (the) Bo", "a@b")]),
        ("Team: a@b, C <c@d>;, e@f", [("", "a@b"), ("C", "c@d"), ("", "e@f")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?Q?Doe,_J?= <a@b>", [("Doe, J", "a@b")]),
        ('"=?utf-8?Q?J=C3=B6?=" <a@b>', [("Jö", "a@b")]),
        ("\udcc3\udcb6 <a@b>", [("ö", "a@b")]),
        ("a@b; c@d", [("", "a@b"), ("", "c@d")]),
        ("root", [("", "root")]),
        ("John Smith", [("John Smith", "")]),
        ('"Ann <a@b>', [("Ann", "a@b")]),
        ("Ann <a@b, Bo <c@d>", [("Ann", "a@b"), ("Bo", "c@d")]),
        ('"a b"@c', [("", '"a b"@c')]),
        ("<@x,@y:a@b>", [("", "a@b")]),
        ("a @ b", [("", "a@b")]),
        ("mailto:a@b", [("", "a@b")]),
        ("Ann a@b", [("Ann", "a@b")]),
        ("x <a@[IPv6:::1]>", [("x", "a@[IPv6:::1]")]),
        ("", []),
        (",,;", []),
        ("<>", []),
    ],
)
def test_addresses(value: str, expected: list[tuple[str, str]]) -> None:
    assert people(value) == expected


_NAMES = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=20).map(str.strip)
_ADDRESSES = st.from_regex(r"[a-z0-9.+_-]{1,8}@[a-z0-9-]{1,8}\.[a-z]{2,3}", fullmatch=True)


@given(st.lists(st.tuples(_NAMES, _ADDRESSES), max_size=4))
def test_addresses_that_the_library_writes_come_back(wanted: list[tuple[str, str]]) -> None:
    value = ", ".join(formataddr(pair) for pair in wanted)
    if "=?" not in value:
        assert [address for _, address in people(value)] == [address for _, address in wanted]
        assert [" ".join(name.split()) for name, _ in people(value)] == [
            " ".join(name.split()) for name, _ in getaddresses([value])
        ]


def test_an_x500_address_is_of_type_ex() -> None:
    assert addresses("X </o=ORG/ou=A B/cn=Y>", Losses(), "")[0] == Address("X", "/o=ORG/ou=A B/cn=Y", "EX")
    converted = convert(mail("From: X </O=ORG/CN=Y>\nTo: Y </o=ORG/cn=Z>\n\n"))
    have = converted.message.properties
    assert have[0x0064001F] == "EX" and 0x5D02001F not in have and 0x5D01001F not in have
    assert (
        have[0x00410102] == bytes.fromhex("00000000DCA740C8C042101AB4B908002B2FE1820100000000000000") + b"/O=ORG/CN=Y\0"
    )
    row = next(iter(converted.message.recipients))
    assert row[0x3002001F] == "EX" and 0x39FE001F not in row and row[0x0FFF0102] == row[0x0FF90102]
    assert "address-x500" in codes(converted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain; charset=utf-8", "utf-8"),
        ('text/plain; x=1; CHARSET="utf-8"', "utf-8"),
        ('text/plain; charset="utf-8" (comment)', "utf-8"),
        ("text/plain; charset*=us-ascii'en'utf-8", "utf-8"),
        ("text/plain", ""),
        ('text/plain; x="a;charset=no"; charset=utf-8', "utf-8"),
    ],
)
def test_parameters(value: str, expected: str) -> None:
    assert parse(value).plain("charset") == expected
    assert parse(value).head == "text/plain"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60))
def test_file_names_that_the_library_writes_come_back(name: str) -> None:
    made = Mail()
    made.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    value = str(made["Content-Disposition"])
    assert parse(value).text("filename", Losses(), "") == name
    cut = value.partition("filename*=")[2]
    pieces = [cut[at : at + 7] for at in range(0, len(cut), 7)]
    continued = "".join(f"; filename*{number}*={piece}" for number, piece in enumerate(pieces))
    if "%" not in "".join(piece[-2:] for piece in pieces) and "'" not in name:  # no escape is cut
        assert parse("attachment" + continued).text("filename", Losses(), "") == name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 06 May 2024 07:08:09 +0000", WHEN),
        ("6 May 2024 09:08:09 +0200 (CEST)", WHEN),
        ("Mon, 6 May 24 02:08:09 EST", WHEN),
        ("Mon, 6 May 2024 07:08:09", WHEN),
        ("Mon, 6 May 2024 07:08:09 -0000", WHEN),
        ("Mon,  6 May 2024 07:08", WHEN.replace(second=0)),
        ("Mon May  6 07:08:09 2024", WHEN),
        ("6 May 2024 07:08:60 Z", WHEN.replace(second=59)),
        ("Mon, 6 May 2024 07(x): 08 : 09 +0000", WHEN),
        ("6 May 2024 at 08:08:09 GMT+1", WHEN),
        ("Mon, 32 May 2024 07:08:09 +0000", None),
        ("Mon, 6 May 2024 25:08:09 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Mon, 1 Jan 0001 00:00:00 +0000", None),
        ("yesterday", None),
        ("", None),
        ("x" * 5000, None),
    ],
)
def test_dates(value: str, expected: datetime | None) -> None:
    assert parsed(value) == expected


@given(st.datetimes(datetime(1970, 1, 2), datetime(4000, 1, 1)))  # noqa: DTZ001
def test_dates_that_the_library_writes_come_back(moment: datetime) -> None:
    aware = moment.replace(microsecond=0, tzinfo=UTC)
    assert parsed(formatdate(aware.timestamp())) == aware


def test_a_bare_mail_is_read_and_no_draft_and_dated_by_its_headers() -> None:
    have = properties(PLAIN)
    assert have[0x0E070003] == 0x01
    assert have[0x00390040] == have[0x0E060040] == datetime(2024, 1, 2, 9, 20, 30, tzinfo=UTC)
    assert have[0x0037001F] == "café and more"
    assert have[0x0070001F] == "topic"
    assert have[0x00710102] == bytes.fromhex("01d321c5c2dc" + "00" * 16)
    assert have[0x1035001F] == "<1@example.com>"
    assert have[0x1042001F] == "<0@example.com>"
    assert have[0x1039001F] == "<r@example.com> <0@example.com>"
    assert have[0x00170003] == 2 and have[0x00260003] == 1
    assert have[0x00360003] == 2
    assert have[0x001A001F] == "IPM.Note"
    assert have[0x0029000B] is True
    assert next(value for key, value in have.items() if isinstance(key, NamedProperty) and key.name == "Keywords") == [
        "red",
        "blue",
    ]
    assert convert(PLAIN).losses == ()


def test_senders_recipients_and_replies() -> None:
    converted = convert(PLAIN, facts=Facts(own_addresses=["Bob@example.com"]))
    have = converted.message.properties
    assert (have[0x0C1A001F], have[0x0C1E001F], have[0x0C1F001F]) == ("Ann Bo", "SMTP", "ann@example.com")
    assert (have[0x0042001F], have[0x0064001F], have[0x0065001F]) == ("Ann Bo", "SMTP", "ann@example.com")
    assert have[0x5D01001F] == have[0x5D02001F] == "ann@example.com"
    assert have[0x00410102] == have[0x0C190102] == one_off_entry_id("Ann Bo", "ann@example.com")
    assert have[0x003B0102] == b"SMTP:ANN@EXAMPLE.COM\0"
    rows = [(row[0x0C150003], row[0x3001001F], row[0x3003001F]) for row in converted.message.recipients]
    assert rows == [
        (1, "Doe, Jane", "jane@example.org"),
        (1, "bob@example.com", "bob@example.com"),
        (1, "carl@example.com", "carl@example.com"),
        (2, "Jörg", "joerg@example.net"),
        (3, "hidden@example.com", "hidden@example.com"),
    ]
    assert have[0x0E04001F] == "Doe, Jane; bob@example.com; carl@example.com"
    assert (have[0x0E03001F], have[0x0E02001F]) == ("Jörg", "hidden@example.com")
    assert have[0x0050001F] == "Desk; b@example.com"
    entries = have[0x004F0102]
    assert entries[:4] == (2).to_bytes(4, "little") and len(entries) == 8 + int.from_bytes(entries[4:8], "little")
    assert have[0x0057000B] is True and have[0x0059000B] is True and 0x0058000B not in have
    assert have[0x0076001F] == "Bob@example.com"


def test_a_blind_copy_to_me_is_to_me_all_the_same() -> None:
    have = properties(PLAIN, own_addresses=["x@y", "HIDDEN@example.com"])
    assert have[0x0059000B] is True and not {0x0057000B, 0x0058000B} & set(have)


def test_the_sending_account_may_be_another() -> None:
    have = properties(mail("From: Boss <boss@x.com>\nSender: Sec <sec@x.com>\n\n"), own_addresses=["SEC@x.com"])
    assert (have[0x0C1F001F], have[0x0065001F]) == ("sec@x.com", "boss@x.com")
    assert have[0x0E070003] == 0x21
    assert 0x0076001F not in have


def test_several_headers_of_one_kind_are_one_list() -> None:
    rows = convert(mail("To: a@b\nTo: c@d\nto: e@f\n\n")).message.recipients
    assert [row[0x3003001F] for row in rows] == ["a@b", "c@d", "e@f"]


def test_what_has_no_address_is_a_loss() -> None:
    converted = convert(mail("From: Ann Bo\nTo: John Smith\n\n"))
    row = next(iter(converted.message.recipients))
    assert row[0x3001001F] == "John Smith" and row[0x3003001F] == ""
    assert 0x0065001F not in converted.message.properties
    assert converted.message.properties[0x0042001F] == "Ann Bo"
    assert "address-missing" in codes(converted)
    assert "sender-dropped" in codes(convert(mail("From: a@b, c@d\n\n")))


def test_q075_a_mail_without_sender_subject_and_date() -> None:
    converted = convert(mail("X-A: b\n\nhi\n"), facts=Facts(modified=WHEN))
    have = converted.message.properties
    assert have[0x0E060040] == have[0x30080040] == WHEN
    assert not {0x0037001F, 0x0C1F001F, 0x0065001F, 0x00390040, 0x0070001F} & set(have)
    assert codes(converted) == {"date-fallback"}
    assert convert(b"").message.properties[0x0E060040] == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_delivery_time_falls_back_in_order() -> None:
    raw = mail("Received: from x by y; Mon, 6 May 2024 07:08:09 +0000\nReceived: z; Sun, 5 May 2024 07:08:09 +0000\n\n")
    converted = convert(raw, facts=Facts(created=WHEN + timedelta(1), modified=WHEN + timedelta(2)))
    assert converted.message.properties[0x0E060040] == WHEN
    assert codes(converted) == {"date-fallback"}
    assert properties(b"\n", created=WHEN, modified=WHEN + timedelta(2))[0x0E060040] == WHEN
    late = WHEN + timedelta(3)
    assert properties(PLAIN, received=late)[0x0E060040] == late
    assert properties(PLAIN, sent=late)[0x0E060040] == properties(PLAIN, sent=late)[0x00390040] == late


def test_q076_year_one_is_not_set() -> None:
    nothing = datetime(1, 1, 1, tzinfo=UTC)
    converted = convert(PLAIN, facts=Facts(received=nothing, modified=nothing))
    assert converted.message.properties[0x0E060040].year == 2024  # type: ignore[union-attr]
    assert converted.losses == ()


def test_dates_that_cannot_be_stored_are_losses() -> None:
    converted = convert(mail("Date: Mon, 1 Jan 1500 00:00:00 +0000\nExpires: never\n\n"))
    assert [loss.code for loss in converted.losses] == ["date-unreadable", "date-fallback", "date-unreadable"]


def test_a_draft_is_unsent() -> None:
    converted = convert(PLAIN, facts=Facts(is_draft=True, is_read=False))
    have = converted.message.properties
    assert have[0x0E070003] == 0x08
    assert 0x00390040 not in have and 0x0E060040 in have
    assert all(row[0x0E0F000B] is False for row in converted.message.recipients)
    assert all(row[0x0E0F000B] is True for row in convert(PLAIN).message.recipients)


def test_an_unread_mail_asks_for_no_receipt() -> None:
    assert 0x0029000B not in properties(PLAIN, is_read=False)
    assert properties(PLAIN, is_read=False)[0x0E070003] == 0


def test_facts_win() -> None:
    have = properties(
        PLAIN, importance=0, from_me=True, message_class="IPM.Post", search_key=b"k" * 16, conversation_index=b"\1" * 22,
        categories=["x"], properties={0x00170003: 1, 0x0037001E: "odd"},
    )  # fmt: skip
    assert have[0x00170003] == 1 and have[0x00260003] == -1
    assert have[0x0E070003] == 0x21 and have[0x001A001F] == "IPM.Post" and have[0x300B0102] == b"k" * 16
    assert have[0x00710102] == b"\1" * 22
    assert 0x0037001F not in have and have[0x0037001E] == "odd"  # one type per property
    with pytest.raises(MimeRefused, match="mail 7: received"):
        Facts(received=datetime(2024, 1, 1), label="mail 7")  # noqa: DTZ001
    with pytest.raises(MimeRefused):
        Facts(importance=3)


@pytest.mark.parametrize(
    ("header", "level"),
    [("Importance: Low", 0), ("X-Priority: 1 (Highest)", 2), ("X-MSMail-Priority: High", 2), ("Priority: non-urgent", 0),
     ("X: y", 1), ("Importance: what\nX-Priority: 5", 0)],
)  # fmt: skip
def test_importance(header: str, level: int) -> None:
    have = properties(mail(f"{header}\n\n"))
    assert (have[0x00170003], have[0x00260003]) == (level, level - 1)


def test_the_header_block_is_as_received() -> None:
    assert properties(b"A: b\nC: \xc3\xa9\n d\n\nbody\n\nmore")[0x007D001F] == "A: b\r\nC: é\r\n d\r\n"
    assert properties(b"A: b\r\nC: \xe9\r\n\r\nbody")[0x007D001F] == "A: b\r\nC: é\r\n"
    assert properties(b"From x@y Mon May  6\nA: b\n\nbody")[0x007D001F] == "A: b\r\n"
    assert properties(b"A: b\nno header\n\nbody")[0x007D001F] == "A: b\r\n"
    assert properties(b"A: b")[0x007D001F] == "A: b"
    assert 0x007D001F not in properties(b"\nbody")
    assert "\ufffd" in properties(b"A: \0\n\n")[0x007D001F]


def test_the_conversation_is_built_without_replies() -> None:
    first = properties(mail("Message-ID: <1@x>\nDate: Wed, 30 Aug 2017 19:25:00 +0000\n\n"))[0x00710102]
    reply = properties(mail("Message-ID: <2@x>\nIn-Reply-To: <1@x>\nReferences: <1@x>\n\n"))[0x00710102]
    assert len(first) == len(reply) == 22 and first[6:] == reply[6:]
    assert first[:4].hex() == "01d321c5"
    assert (
        properties(b"\n", conversation_id="AAQ")[0x00710102][6:]
        == properties(b"X: y\n\n", conversation_id="AAQ")[0x00710102][6:]
    )
    assert len(properties(mail("Thread-Index: AAAA\n\n"))[0x00710102]) == 22


def test_the_topic_is_the_subject_without_prefix() -> None:
    assert properties(mail("Subject: RE: Hello\n\n"))[0x0070001F] == "Hello"
    assert properties(mail("Subject: Note: this\n\n"))[0x0070001F] == "Note: this"


def test_a_subject_cannot_pretend_to_have_a_prefix() -> None:
    converted = convert(b"Subject: \x01\x05abc\n\n")
    assert converted.message.properties[0x0037001F] == "\ufffd\x05abc"
    assert "text-replaced" in codes(converted)


def test_named_headers() -> None:
    have = properties(mail("X-Mailer: M 1\nList-Unsubscribe: <mailto:x@y>\n\n"))
    assert have[NamedProperty(INET, "x-mailer", 0x001F)] == "M 1"
    assert have[NamedProperty(INET, "list-unsubscribe", 0x001F)] == "<mailto:x@y>"
