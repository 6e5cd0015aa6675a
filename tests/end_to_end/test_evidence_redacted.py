"""Packages that leave the house (issue 10, acceptance e), and reports that end in other ways than well."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.driving import Tenant, rows_of
from tests.end_to_end.evidence_desk import EvidenceDesk, failing_step, kept, names_given, steps_of
from tests.faults.desk import HurriedClock
from tests.faults.mail_server import MailServer

SHORTEST = 4


@pytest.fixture(scope="module")
def desk(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvidenceDesk]:
    with Tenant(tiny_data) as tenant:
        made = EvidenceDesk(tmp_path_factory.mktemp("redacted"), tenant)
        made.export()
    made.told = [made.run("report", "--redact", "names", "--json", "--by", "Rudolf Rechnungshof", code=0).document]
    yield made


def redacted(desk: EvidenceDesk) -> Path:
    return desk.store / str(desk.told[0]["redacted"]["package"])


def text_of(file: Path) -> str:
    """What a reader sees of a file, of a PDF its text and metadata."""
    if file.suffix == ".pdf":
        import pypdf

        reader = pypdf.PdfReader(file)
        pages = "\n".join(page.extract_text() for page in reader.pages)
        return f"{pages}\n{dict(reader.metadata or {})}"
    return file.read_bytes().decode("utf-8", "replace")


def names_of(desk: EvidenceDesk) -> set[str]:
    """Names, paths and principals of everything that the store holds."""
    found = {"tiny.onmicrosoft.example", "Rudolf Rechnungshof"}
    for row in rows_of(desk.store).values():
        found |= {str(row.get("name") or ""), str(row.get("path") or "")}
        found |= {part for part in str(row.get("path") or "").split("/") if part}
    for file in (desk.store / "sources").iterdir():
        source = json.loads(file.read_bytes())
        found |= {source["bag"], source["id"], str(source["owner"]), *(one["name"] for one in source["names"])}
    return {
        name for name in found if len(name) >= SHORTEST and name != "root"
    }  # Graph's own name of every drive's root


def test_no_name_is_in_any_file(desk: EvidenceDesk) -> None:
    names = names_of(desk)
    assert len(names) > 50
    whole = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len, reverse=True)))
    full = "".join(text_of(file) for file in desk.package(0).rglob("*") if file.is_file())
    assert whole.search(full), "the search finds nothing even in the full package"
    for file in redacted(desk).rglob("*"):
        assert whole.search(str(file.relative_to(redacted(desk)))) is None
        if file.is_file():
            found = whole.search(text_of(file))
            assert found is None, (file.name, found)
    assert not (redacted(desk) / "bags").exists()


def test_the_key_of_the_house_is_in_no_file(desk: EvidenceDesk) -> None:
    key = (desk.folder / "evidence-redaction.key").read_text().strip()
    for file in (desk.store / "evidence").rglob("*"):
        assert not file.is_file() or (key not in (data := file.read_bytes()).hex() and key.encode() not in data)


def test_it_verifies_by_its_own_signature_and_names_the_full_one(desk: EvidenceDesk) -> None:
    package, told = redacted(desk), desk.told[0]
    assert failing_step(package, steps_of(package), {"FINGERPRINT": told["key"]["fingerprint"]}) is None
    document = json.loads((package / "evidence.json").read_bytes())
    assert document["package"]["full"] == {"package": told["package"], "evidence": told["evidence"]}
    full = json.loads((desk.package(0) / "evidence.json").read_bytes())
    for name in ("tagmanifest_sha256", "segment_sha256"):
        one, other = ({bag[name] for bag in d["integrity"]["bags"]} for d in (document, full))
        assert one == other
    code, found = desk.verify("--evidence", str(package))
    assert code == 0, found
    code, found = desk.verify("--evidence", str(package), "--package-only", "--latest", told["evidence"])
    assert code == 0, found
    data = bytearray((package / "evidence.json").read_bytes())
    with kept(package):
        data[len(data) // 2] ^= 1
        (package / "evidence.json").write_bytes(bytes(data))
        assert desk.verify("--evidence", str(package))[0] == 3


def test_the_manual_holds_no_string_of_the_tenant(desk: EvidenceDesk) -> None:
    words = set(re.findall(r"\w{4,}", (desk.package(0) / "VERIFY.md").read_text(encoding="utf-8")))
    tenant = json.loads((desk.store / "lastcopy.json").read_bytes())["tenant"]
    assert not words & set(re.findall(r"\w{4,}", json.dumps(tenant)))


def test_a_report_cut_off_before_the_journal_is_put_there_by_the_next(desk: EvidenceDesk, tmp_path: Path) -> None:
    with kept(desk.store):
        third = desk.run("report", "--json", code=0).document
        newest = max((desk.store / "journal").iterdir())
        assert third["package"] in newest.read_text()
        newest.unlink()
        assert desk.verify("--evidence", third["package"])[0] == 3
        fourth = desk.run("report", "--json", code=0).document
        assert fourth["recovered"] == [third["package"]]
        code, found = desk.verify("--evidence", fourth["package"])
        assert code == 0, found
        assert found["chain"]["previous"]["package"] == third["package"]


def test_a_clock_in_doubt_signs_nothing(desk: EvidenceDesk) -> None:
    """The journal has rows of later than this machine believes it to be."""
    before = sorted((desk.store / "evidence").iterdir())
    clock, desk.clock = desk.clock, HurriedClock(speed=1.0, skew=-timedelta(days=2))
    try:
        found = desk.run("report", "--json", code=3).document
    finally:
        desk.clock = clock
    assert found["error"]["code"] == "clock_in_doubt"
    assert sorted((desk.store / "evidence").iterdir()) == before


def test_the_fingerprint_goes_to_everyone(desk: EvidenceDesk) -> None:
    with MailServer() as mail:
        (desk.folder / "ops").write_text(mail.address())
        (desk.folder / "nobody").write_text("smtp://127.0.0.1:9/?to=a@example.com&from=b@example.com")
        before = dict(desk.settings)
        desk.configure(notify=[{"name": "ops", "to": "file:ops"}, {"name": "gone", "to": "file:nobody"}])
        found = desk.run("report", "--key", "--json", code=3).document
        assert found["delivered"] == {"ops": True, "gone": False}
        assert found["fingerprint"] == desk.told[0]["key"]["fingerprint"]
        assert any(found["fingerprint"] in str(message) for message in mail.messages)
        desk.settings = before
        desk.configure()


def test_without_a_copy_there_is_nothing_to_report(desk: EvidenceDesk, tmp_path: Path) -> None:
    shutil.copy(desk.folder / "lastcopy.yaml", tmp_path)
    from retention.cli.main import main

    assert main(["report", "--json", "--config", str(tmp_path / "lastcopy.yaml")]) == 2
    assert not (tmp_path / "evidence-key.pem").exists()


def test_options_that_do_not_go_together(desk: EvidenceDesk) -> None:
    package = str(desk.package(0))
    for arguments in (
        ["verify", "--fingerprint", "0" * 64],
        ["verify", "--evidence", package, "--new"],
        ["verify", "--evidence", package, "--latest", "zz"],
        ["verify", "--evidence", "nowhere"],
        ["verify", "--evidence", str(desk.store)],
        ["report", "--item-hashes"],
        ["report", "--redact", "everything"],
    ):
        assert desk.run(*arguments).code == 2, arguments
    assert names_given(desk.told[0])["LATEST"] == desk.told[0]["evidence"]
