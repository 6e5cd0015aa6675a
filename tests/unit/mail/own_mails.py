"""Mails of our own, one of each kind, as bytes: the seeds of the fuzz test and the examples of others."""

import base64


def mail(text: str) -> bytes:
    """Text with LF line ends as a mail with CRLF; characters of latin-1 become single bytes."""
    return text.replace("\n", "\r\n").encode("latin-1")


PLAIN = mail(
    """From: Ann Bo <ann@example.com>
To: "Doe, Jane" <jane@example.org>, team: bob@example.com, carl@example.com;
Cc: =?utf-8?Q?J=C3=B6rg?= <joerg@example.net>
Bcc: <hidden@example.com>
Subject: =?iso-8859-1?Q?caf=E9?= and
 more
Date: Tue, 02 Jan 2024 10:20:30 +0100
Message-ID: <1@example.com>
In-Reply-To: <0@example.com>
References: <r@example.com>
\t<0@example.com>
Thread-Topic: topic
Thread-Index: AdMhxcLcAAAAAAAAAAAAAAAAAAAAAA==
Importance: high
X-Priority: 1
Sensitivity: private
Keywords: red, blue
Reply-To: Desk <desk@example.com>, b@example.com
Disposition-Notification-To: ann@example.com
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable

Hello =E2=82=AC world=20
second line
"""
)

ALTERNATIVE = mail(
    """From: a@example.com
To: b@example.com
Subject: both
Date: 3 Jan 2024 10:00:00 GMT
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="out"

This is a multi-part message in MIME format.
--out
Content-Type: multipart/related; boundary="rel"; type="multipart/alternative"

--rel
Content-Type: multipart/alternative; boundary=alt

--alt
Content-Type: text/plain; charset=us-ascii

plain words
--alt
Content-Type: text/html; charset=iso-8859-1

<html><head><meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"></head>
<body><p>html \xe9 words</p><img src="cid:pic@x"></body></html>
--alt--
--rel
Content-Type: image/png; name="pic.png"
Content-ID: <pic@x>
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename="pic.png"

iVBORw0KGgo=
--rel--
--out
Content-Type: application/pdf; name*0*=utf-8''%e2%82; name*1*=%ac.pdf
Content-Disposition: attachment
Content-Transfer-Encoding: base64

JVBERi0xLjQ=
--out
Content-Type: text/plain
Content-Disposition: attachment; filename="a/b:c.txt"

in a file
--out--
"""
)

_INNER = """From: inner@example.com
To: outer@example.com
Subject: inner
Date: Mon, 1 Jan 2024 00:00:00 +0000

inner text
"""

EMBEDDED = mail(
    """From: a@example.com
Subject: outer
Date: Tue, 2 Jan 2024 00:00:00 +0000
Content-Type: multipart/mixed; boundary=b

--b

see below
--b
Content-Type: message/rfc822

"""
    + _INNER
    + """
--b
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

"""
    + base64.encodebytes(mail(_INNER.replace("inner text", "inner text two"))).decode()
    + """
--b
Content-Type: multipart/digest; boundary=d

--d

"""
    + _INNER
    + """
--d--
--b--
"""
)

SIGNED = mail(
    """From: a@example.com
To: b@example.com
Subject: signed
Date: Tue, 2 Jan 2024 00:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/signed; protocol="application/pkcs7-signature";
\tmicalg=sha-256; boundary="s"
X-Other: no

preamble
--s
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

signed =E2=82=AC text\x20\x20
--s
Content-Type: application/pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64

MIIB
--s--
"""
)

OPAQUE = mail(
    """From: a@example.com
Subject: opaque
Date: Tue, 2 Jan 2024 00:00:00 +0000
Content-Type: application/pkcs7-mime; smime-type=enveloped-data;
 name="smime.p7m"
Content-Transfer-Encoding: base64

MIIBAgME
"""
)

REPORT = mail(
    """From: mailer-daemon@example.com
To: a@example.com
Subject: Undelivered
Date: Tue, 2 Jan 2024 00:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary=r

--r

It failed.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; x@example.org
Action: failed
Status: 5.1.1

--r
Content-Type: message/rfc822

"""
    + _INNER
    + """
--r--
"""
)

UUENCODED = mail(
    """From: a@example.com
Subject: uu
Date: Tue, 2 Jan 2024 00:00:00 +0000
Content-Type: application/octet-stream; name=data.bin
Content-Transfer-Encoding: x-uuencode

begin 644 data.bin
#0V%T
`
end
"""
)

INVITATION = mail(
    """From: a@example.com
To: b@example.com
Subject: meet
Date: Tue, 2 Jan 2024 00:00:00 +0000
Content-Type: multipart/alternative; boundary=m

--m
Content-Type: text/plain

come
--m
Content-Type: text/calendar; method=REQUEST; charset=utf-8

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
UID:1
DTSTART:20240105T100000Z
DTEND:20240105T110000Z
SUMMARY:meet
END:VEVENT
END:VCALENDAR
--m--
"""
)

ASIAN = (
    b"From: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= <jp@example.jp>\nSubject: =?gb2312?B?xOO6ww==?=\n"
    b"Date: Tue, 2 Jan 2024 00:00:00 +0000\nContent-Type: text/html; charset=shift_jis\n"
    b"Content-Transfer-Encoding: 8bit\n\n<p>" + "日本".encode("cp932") + b"</p><script>no()</script>&euro;\n"
)

RAW = b"From: J\xf6rg <j@example.com>\nSubject: caf\xc3\xa9\nX-Odd:\x00\n\nb\xe9d\x00 bytes\rmixed\r\nends\n"

ALL = (PLAIN, ALTERNATIVE, EMBEDDED, SIGNED, OPAQUE, REPORT, UUENCODED, INVITATION, ASIAN, RAW, b"", b"\n", b"x")
