"""A store with packages of evidence, and the ways in which one can be spoilt.

Rules of this file: the manual steps are those of VERIFY.md, run as written by a shell; a package is signed anew with openssl, as
somebody without our code would. What was spoilt is put back afterwards.
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import InProcess
from tests.faults.time_stamps import openssl

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


class EvidenceDesk(InProcess):
    """A product with a store of two runs and a package after each. first, second: their folders; told: what `report` said."""

    told: list[Row]

    def fill(self, tenant: Tenant, change: Callable[[Tenant], None]) -> None:
        """Export, report, change the tenant, export, report."""
        self.told = []
        self.export()
        self.told.append(self.run("report", "--json", code=0).document)
        change(tenant)
        self.export()
        self.told.append(self.run("report", "--json", code=0).document)

    def package(self, number: int) -> Path:
        return self.store / str(self.told[number]["package"])

    def verify(self, *arguments: str) -> tuple[int, Row]:
        """Exit status and document of `verify --json …`; the journal is afterwards as it was before."""
        journal = self.store / "journal"
        before = {file.name for file in journal.iterdir()}
        result = self.run("verify", "--json", *arguments)
        for file in journal.iterdir():
            if file.name not in before:
                file.unlink()
        return result.code, result.document


def steps_of(package: Path) -> list[str]:
    """The `sh` blocks of VERIFY.md."""
    return BLOCK.findall((package / "VERIFY.md").read_text(encoding="utf-8"))


def failing_step(package: Path, steps: list[str], given: Mapping[str, str]) -> str | None:
    """Run the steps in order in the folder of the package; the first that fails, None if all succeed."""
    for step in steps:
        done = subprocess.run(
            ["sh", "-c", step], cwd=package, env={**os.environ, **given}, capture_output=True, check=False
        )
        if done.returncode != 0:
            return step
    return None


def names_given(told: Row) -> dict[str, str]:
    """What somebody was told by another way: fingerprint and newest package."""
    return {"FINGERPRINT": str(told["key"]["fingerprint"]), "LATEST": str(told["evidence"])}


@contextmanager
def kept(*paths: Path) -> Iterator[None]:
    """Put files and folders back as they were, whatever became of them."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            aside = Path(folder) / str(number)
            shutil.copytree(path, aside) if path.is_dir() else shutil.copy2(path, aside)
        try:
            yield
        finally:
            for number, path in enumerate(paths):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
                shutil.move(Path(folder) / str(number), path)


@dataclass(frozen=True)
class Spoilt:
    """A way to spoil a package or its store. touched: what is put back; of_package: the manual steps must find it too."""

    name: str
    touched: Path
    act: Callable[[], None]
    of_package: bool


def ways(desk: EvidenceDesk, draw: random.Random, number: int) -> Iterator[Spoilt]:
    """So many ways, by chance, each kind among them."""
    makers = [_flip_package, _flip_package, _flip_payload, _remove, _sign_anew, _put_back, _reorder, _cut, _extra, _bag]
    for count in range(number):
        yield makers[count % len(makers)](desk, draw)


def _flip(file: Path, draw: random.Random) -> Callable[[], None]:
    def act() -> None:
        data = bytearray(file.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        file.write_bytes(bytes(data))

    return act


def _flip_package(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    package = desk.package(1)
    file = draw.choice(sorted(p for p in package.rglob("*") if p.is_file() and p.stat().st_size))
    return Spoilt(f"a bit of {file.relative_to(package)}", package, _flip(file, draw), of_package=True)


def _flip_payload(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    found = sorted(p for p in (desk.store / "onedrive").glob("*/data/**/*") if p.is_file() and p.stat().st_size)
    file = draw.choice(found)
    return Spoilt(f"a bit of {file.relative_to(desk.store)}", file, _flip(file, draw), of_package=False)


def _remove(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    package = desk.package(1)
    file = draw.choice(sorted(p for p in package.rglob("*") if p.is_file()))
    return Spoilt(f"without {file.relative_to(package)}", package, file.unlink, of_package=file.name != "VERIFY.md")


def _cut(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    package = desk.package(1)
    file = draw.choice(sorted(p for p in package.rglob("*") if p.is_file() and p.stat().st_size))

    def act() -> None:
        data = file.read_bytes()
        file.write_bytes(data[: draw.randrange(len(data))])

    return Spoilt(f"{file.relative_to(package)} cut off", package, act, of_package=True)


def _extra(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    package = desk.package(1)
    file = package / draw.choice(["readme.txt", "bags/more", "evidence.json.bak"])
    return Spoilt(f"with {file.name}", package, lambda: (file.write_text("more"), None)[1], of_package=False)


def _bag(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    bags = sorted((desk.store / "onedrive").iterdir())
    bag = draw.choice(bags)
    return Spoilt(f"without the bag {bag.name}", bag, lambda: shutil.rmtree(bag), of_package=False)


def _sign_anew(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    package = desk.package(1)
    return Spoilt("signed anew with another key", package, lambda: sign_anew(package, {}), of_package=True)


def sign_anew(package: Path, changes: Mapping[str, object]) -> None:
    """Make a whole package of it with a key of one's own: evidence.json, sums and signatures agree."""
    key = package.parent.parent / "other.key"
    openssl(["genpkey", "-algorithm", "ed25519", "-out", str(key)])
    openssl(["pkey", "-in", str(key), "-pubout", "-out", str(package / "public-key.pem")])
    der = openssl(["pkey", "-pubin", "-in", str(package / "public-key.pem"), "-outform", "DER"])
    document = json.loads((package / "evidence.json").read_bytes()) | dict(changes)
    document["signature_key"] = hashlib.sha256(der).hexdigest()
    document["integrity"]["files"]["public-key.pem"] = _sha(package / "public-key.pem")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (package / "evidence.json").write_text(text, encoding="utf-8")
    _signed(key, package / "evidence.json", package / "evidence.sig")
    files = sorted(p for p in package.rglob("*") if p.is_file() and not p.name.startswith("SHA256SUMS"))
    (package / "SHA256SUMS").write_text("".join(f"{_sha(p)}  {p.relative_to(package)}\n" for p in files))
    _signed(key, package / "SHA256SUMS", package / "SHA256SUMS.sig")
    key.unlink()


def _signed(key: Path, file: Path, signature: Path) -> None:
    openssl(["pkeyutl", "-sign", "-inkey", str(key), "-rawin", "-in", str(file), "-out", str(signature)])


def _put_back(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    older, package = desk.package(0), desk.package(1)

    def act() -> None:
        shutil.rmtree(package)
        shutil.copytree(older, package)

    return Spoilt("an older package in its place", package, act, of_package=True)


def _reorder(desk: EvidenceDesk, draw: random.Random) -> Spoilt:
    places = [desk.store / "runs", desk.store / "journal", *(desk.store / "onedrive").glob("*/lastcopy/ledger")]
    folder = draw.choice(sorted(places))
    one, other = draw.sample(sorted(folder.iterdir()), 2)

    def act() -> None:
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)

    return Spoilt(f"{one.name} and {other.name} of {folder.name} exchanged", folder, act, of_package=False)


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_anew(journal: Path, user: str) -> None:
    """Write every segment of a journal again, with another user in each row and all chains right."""
    segment_before = row_before = None
    for file in sorted(journal.iterdir()):
        first, *lines, _ = file.read_bytes().splitlines()
        body = _line(json.loads(first) | {"previous": segment_before})
        for line in lines:
            row = json.loads(line)
            written = _line(row | {"previous": row_before, "actor": {**row["actor"], "user": user}})
            row_before = hashlib.sha256(written).hexdigest()
            body += written
        data = body + _line({"end": len(lines), "sha256": hashlib.sha256(body).hexdigest()})
        segment_before = hashlib.sha256(data).hexdigest()
        file.write_bytes(data)


def _line(row: Row) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
