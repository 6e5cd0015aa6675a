"""A report after a disposal says what went and what keeps the rest; the one before still verifies, by a signed certificate."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Tenant
from tests.end_to_end.test_dispose import SAID, a_bag, carried_out, planned, store_of
from tests.faults.desk import InProcess


@pytest.fixture(scope="module")
def told(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, str, str, str]]:
    """A store with a package, a bag that was disposed of since, and a package after that: (desk, bag, package, package)."""
    with Tenant(plain_data) as tenant:
        desk = InProcess(tmp_path_factory.mktemp("told"), tenant)
        desk.export(code=0)
    desk.run("verify", code=0)
    desk.run("keep", "--until", "2026-01-01", *SAID, code=0)
    bag = a_bag(desk)
    before = desk.run("report", "--json", code=0).document["package"]
    assert carried_out(desk, planned(desk, "--source", bag)["plan"]).code == 0
    desk.run("keep", "--hold", "case-12", *SAID, code=0)
    desk.run("restore", "--drill", "1", "--to", str(desk.folder / "drill"), "--by", "Anna Berg", code=0)
    after = desk.run("report", "--json", "--redact", "names", code=0).document
    yield desk, bag, before, after["package"]


def test_the_older_package_verifies_and_the_newer_tells(told: tuple[InProcess, str, str, str]) -> None:
    desk, bag, before, after = told
    checked = desk.run("verify", "--json", "--evidence", before, code=0).document["store"]
    assert checked["bags"]["disposed"] == 1 and checked["bags"]["missing"] == 0
    assert desk.run("verify", "--json", "--evidence", after, code=0).document["store"]["bags"]["missing"] == 0
    document = json.loads((store_of(desk) / after / "evidence.json").read_bytes())
    assert [row["bag"] for row in document["holds"]["disposed"]] == [bag]
    assert bag not in [row["path"] for row in document["integrity"]["bags"]]
    codes = {row["code"]: row for row in document["verdict"]["reasons"]}
    assert codes["disposed"]["places"] == [bag]
    assert not codes.keys() & {"no_fold", "root_differs", "not_verified"}
    principal = {row["principal"]: row for row in document["coverage"] if row["code"] == "disposed"}
    assert len(principal) == 1 and not [
        row for row in document["coverage"] if row["principal"] in principal and row["status"] == "covered"
    ]
    assert [row["bag"] for row in document["holds"]["held"]] == [None]
    assert [row["bag"] for row in document["holds"]["keep_until"]] == [None]
    (drill,) = document["restores"]
    (row,) = [row for row in _journal(desk) if row["type"] == "drilled"]
    assert [drill[name] for name in ("sample_size", "passed", "failed", "doubtful")] == [
        row[name] for name in ("asked", "passed", "failed", "doubtful")
    ]
    page = (store_of(desk) / after / "report.html").read_text()
    assert "every bag" in page and ">None<" not in page


def _journal(desk: InProcess) -> Iterator[dict[str, object]]:
    for segment in sorted((store_of(desk) / "journal").iterdir()):
        yield from (row for row in map(json.loads, segment.read_bytes().splitlines()) if "type" in row)


@pytest.mark.parametrize("way", ["forged", "unsigned", "another bag"])
def test_a_certificate_that_does_not_hold(told: tuple[InProcess, str, str, str], tmp_path: Path, way: str) -> None:
    """Whoever can write to the store can write a certificate, and the row that names it; not its signature."""
    desk, _, before, _ = told
    folder = next((store_of(desk) / "evidence").glob("*-disposal"))
    shutil.copytree(folder, tmp_path / "kept")
    try:
        if way == "unsigned":
            (folder / "certificate.sig").unlink()
        elif way == "forged":
            (folder / "certificate.sig").write_bytes(bytes(64))
        else:
            _sign_anew(folder, {"bags": {}})
        found = desk.run("verify", "--json", "--evidence", before, code=3).document
        assert any("certificate" in one["name"] for one in found["findings"])
    finally:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "kept", folder)


def _sign_anew(folder: Path, change: dict[str, object]) -> None:
    """By a key that nobody named."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    document = json.loads((folder / "certificate.json").read_bytes()) | change
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "certificate.json").write_bytes(data)
    (folder / "certificate.sig").write_bytes(key.sign(data))
    (folder / "public-key.pem").write_bytes(pem)
