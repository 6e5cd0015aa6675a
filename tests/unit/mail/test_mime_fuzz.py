"""Seeded mutations of our own mails: convert() raises nothing, and the checker takes every file.

LASTCOPY_FUZZ_SECONDS says for how long (3 by default, 600 for a night), LASTCOPY_FUZZ_SEED with which seed it begins.
"""

import os
import random
import time
from pathlib import Path

from exporters.mail.compose import CODES, convert
from tests.unit.mail.own_mails import ALL
from tests.unit.mail.written import write

_BATCH = 60
_TOKENS = (
    b"=?utf-8?B?gA==?=", b"=?utf-7?Q?+2AA-?=", b"=?x?q?", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"--out\r\n",
    b"--alt--\r\n", b"boundary=out", b'filename="', b"filename*0*=utf-16''%00%d8", b"charset=utf-16",
    b"charset=utf-7\r\n\r\n+2AAAAA-", b"charset=hz", b"Content-Type: message/rfc822\r\n",
    b"Content-Type: multipart/digest; boundary=d\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Type: message/partial\r\n", b"Content-Type: application/ms-tnef\r\n", b"Subject: \x01\x05bad\r\n",
    b"Date: Fri, 31 Dec 9999 23:59:59 -2359\r\n", b"From ", b": ", b"To: </o=ORG/ou=X/cn=Y>\r\n",
    b"Content-ID: <pic@x>\r\n", b"<meta charset=koi8-r>", b"cid:pic@x", b"(", b"<", b'"', b"\\",
    b"Content-Type: application/pkcs7-mime\r\n", b"Thread-Index: AAAA\r\n",
    b"Content-Type: message/delivery-status\r\n", b"&#0;&#xd800;",
)  # fmt: skip


def mutated(random_: random.Random) -> bytes:
    data = bytearray(random_.choice(ALL))
    for _ in range(random_.choice((1, 1, 2, 3, 8, 20))):
        at = random_.randrange(len(data) + 1)
        match random_.randrange(7):
            case 0:
                data[at : at + 1] = bytes((random_.randrange(256),))
            case 1:
                del data[at : at + random_.choice((1, 2, 10, 100))]
            case 2:
                data[at:at] = random_.choice(_TOKENS)
            case 3:
                start = random_.randrange(len(data) + 1)
                data[at:at] = data[start : start + random_.choice((5, 50, 500))]
            case 4:
                other = random_.choice(ALL)
                start = random_.randrange(len(other) + 1)
                data[at:at] = other[start : start + random_.choice((20, 200, 2000))]
            case 5:
                lines = bytes(data).splitlines(keepends=True)
                random_.shuffle(lines)
                data = bytearray(b"".join(lines))
            case _:
                at = data.find(b"\n", at) + 1
                data[at:at] = random_.choice(_TOKENS)
    return bytes(data)


def test_mutated_mails_make_whole_files(tmp_path: Path) -> None:
    seconds = float(os.environ.get("LASTCOPY_FUZZ_SECONDS", "3"))
    seed = int(os.environ.get("LASTCOPY_FUZZ_SEED", "20260701"))
    end = time.monotonic() + seconds
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        random_ = random.Random(seed + rounds)
        mails = [mutated(random_) for _ in range(_BATCH)]
        try:
            converted = [convert(raw) for raw in mails]
            assert len(write([mail.message for mail in converted], tmp_path / "fuzz.pst")) == _BATCH
        except Exception as error:
            raise AssertionError(f"LASTCOPY_FUZZ_SEED={seed + rounds}: {error!r}") from error
        assert all(loss.code in CODES for mail in converted for loss in mail.losses)
        rounds += 1
