"""VERIFY.md: how to check a package with `sha256sum` and `openssl` alone.

Rules of this file: pure; each `sh` block runs as written in the folder of the package, one after the other, and fails by itself
if something is wrong (a test runs them); no string comes from the tenant or the configuration.
Source: design §8; docs/decisions/0093.
"""

from dataclasses import dataclass
from datetime import datetime

from exporters.clock import timestamp
from retention.evidence.keys import ED25519


@dataclass(frozen=True, slots=True)
class Manual:
    """What the text depends on. at: when it is written; the certificates of the stamp are judged at that time."""

    algorithm: str
    at: datetime
    is_stamped: bool
    is_redacted: bool

    def text(self) -> str:
        """The whole of VERIFY.md."""
        parts = [_HEAD, _key(), _signatures(self.algorithm)]
        parts.append(_stamp(self.at) if self.is_stamped else _NO_STAMP)
        parts += [_CHAIN, _REDACTED if self.is_redacted else _PAYLOAD, _WITH_LASTCOPY]
        return "\n".join(parts)


_HEAD = """\
# How to check this package without Lastcopy

You need `sha256sum` (GNU coreutils) and `openssl` 3. Open a shell in the folder that holds this file, and run the blocks in
order; each ends with an error if something is wrong. PowerShell stands beside them. What nobody can prove from within: that
this file tells you the right steps. Compare it with the one in the documentation of Lastcopy, or with that of another package.

## 1 Every file is the one that was signed for

```sh
sha256sum -c SHA256SUMS
```

```powershell
Get-Content -Encoding UTF8 SHA256SUMS | ForEach-Object { $sum, $name = $_ -split '  ', 2
  if ((Get-FileHash -Algorithm SHA256 -LiteralPath $name).Hash -ne $sum) { throw "$name differs" } }
```

Every line must end in `OK`. A file that is not listed there, apart from `SHA256SUMS` and `SHA256SUMS.sig`, does not belong
here.
"""


def _key() -> str:
    return """\
## 2 Whose key it is

A package can be made anew with another key. What you compare with must come from elsewhere: the fingerprint that
`lastcopy init` and `lastcopy report` printed and sent, on paper, or by telephone.

```sh
openssl pkey -pubin -in public-key.pem -outform DER | sha256sum
```

```powershell
openssl pkey -pubin -in public-key.pem -outform DER -out key.der; (Get-FileHash key.der).Hash; Remove-Item key.der
```

The 64 digits are the fingerprint. Compare them by eye, or put the one that you were given into the variable `FINGERPRINT`
first:

```sh
test -z "${FINGERPRINT:-}" || openssl pkey -pubin -in public-key.pem -outform DER | sha256sum | grep "^$FINGERPRINT "
```
"""


def _signatures(algorithm: str) -> str:
    how = "-rawin" if algorithm == ED25519 else "-rawin -digest sha256"
    name = "Ed25519" if algorithm == ED25519 else "ECDSA on P-256 with SHA-256"
    checks = [
        f"openssl pkeyutl -verify -pubin -inkey public-key.pem {how} -in {file} -sigfile {signature}"
        for file, signature in (("evidence.json", "evidence.sig"), ("SHA256SUMS", "SHA256SUMS.sig"))
    ]
    blocks = "\n\n".join(f"```sh\n{check}\n```" for check in checks)
    return f"""\
## 3 The signatures ({name})

{blocks}

Each must say `Signature Verified Successfully`. The same lines run in PowerShell. `evidence.json` names every other file of
this package by its SHA-256 (`integrity`, `files`), and the bags, the runs and the journal of the store as they were.
"""


def _stamp(at: datetime) -> str:
    return f"""\
## 4 The time stamp

It says that the signature was there at that time, by the word of an authority that is not the maker of this package.
The certificates are judged at {timestamp(at)} ({int(at.timestamp())}).

```sh
openssl ts -verify -attime {int(at.timestamp())} -data evidence.sig -in evidence.tsr \\
  -CAfile "${{TSA_ROOT:-tsa-chain.pem}}" -untrusted tsa-chain.pem
```

It must say `Verification: OK`. In PowerShell the same line, with `tsa-chain.pem` for the file after `-CAfile`. The root that is
relied on lies in the package (`tsa-chain.pem`): compare it with the one that the authority publishes, or name the file that you
got from the authority in the variable `TSA_ROOT`. The time itself:

```sh
openssl ts -reply -in evidence.tsr -text
```
"""


_NO_STAMP = """\
## 4 The time stamp

None was configured: when this package was made, its maker alone says.
"""

_CHAIN = """\
## 5 Whether it is the newest

A whole package may have been put in the place of a later one. The SHA-256 of the newest `evidence.json` is printed by
`lastcopy report`, and stands in the journal of the store. If you were given it, put it into the variable `LATEST`:

```sh
test -z "${LATEST:-}" || echo "$LATEST  evidence.json" | sha256sum -c
```

```powershell
(Get-FileHash evidence.json).Hash
```

Without it, the head of the chain is not checked. `package`, `previous` in `evidence.json` names the package before this one.
"""

_PAYLOAD = """\
## 6 The copy itself

`bags/` holds, for each bag of the store, the manifest of its payload as it was. Payload is never changed or moved, so a
manifest holds for the bag of today too. With a copy of a bag (PATH stands for its place in the store, and for that below
`bags/`), in the folder of the bag, with the whole path of this package for PACKAGE:

```text
sha256sum -c PACKAGE/bags/PATH/manifest-sha256.txt
```

Files that are derived (`data/pst/`, tables, pages as HTML) may have been made anew since. Where a bag was disposed of, the
journal of the store names the certificate.
"""

_REDACTED = """\
## 6 What was left out

Names are replaced in this package (`x-` and 16 digits), and the manifests of the bags are left out. `package`, `full` in
`evidence.json` names the whole package that it stands for, by the SHA-256 of that one's `evidence.json`.
"""

_WITH_LASTCOPY = """\
## 7 With Lastcopy

```text
lastcopy verify --evidence . --fingerprint FINGERPRINT --latest SHA256
```

With a configuration that reaches the store it also compares every bag, run and row of the journal with the store of today.
"""
