"""Evidence that an auditor can check without us (issue 10, acceptance a and b)."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.changes import lively_changes
from tests.end_to_end.driving import Tenant
from tests.end_to_end.evidence_desk import (
    EvidenceDesk,
    failing_step,
    kept,
    names_given,
    sign_anew,
    steps_of,
    ways,
    write_anew,
)
from tests.faults.time_stamps import TimeStampAuthority, openssl

SEED = 10
WAYS = 40
WAYS_OF_SOAK = 500


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStampAuthority]:
    with TimeStampAuthority(tmp_path_factory.mktemp("tsa")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(
    tiny_data: Path, tmp_path_factory: pytest.TempPathFactory, authority: TimeStampAuthority
) -> Iterator[EvidenceDesk]:
    """A store of two runs, with a package after each; the tenant is gone."""

    def change(tenant: Tenant) -> None:
        tenant.change(*lively_changes(tenant.truth)[0])

    with Tenant(tiny_data) as tenant:
        made = EvidenceDesk(tmp_path_factory.mktemp("evidence"), tenant, evidence={"timestamp_url": authority.url})
        made.fill(tenant, change)
    yield made


def test_the_steps_of_the_manual_succeed_as_written(desk: EvidenceDesk) -> None:
    for number in (0, 1):
        package = desk.package(number)
        assert failing_step(package, steps_of(package), {}) is None
        assert failing_step(package, steps_of(package), names_given(desk.told[number])) is None


def test_the_time_stamp_by_the_root_that_the_authority_gave(desk: EvidenceDesk, authority: TimeStampAuthority) -> None:
    package = desk.package(1)
    assert failing_step(package, steps_of(package), {"TSA_ROOT": str(authority.root)}) is None
    answer = openssl(["ts", "-verify", "-data", f"{package}/evidence.sig", "-in", f"{package}/evidence.tsr",
                      "-CAfile", str(authority.root)])  # fmt: skip
    assert b"Verification: OK" in answer


def test_the_signature_by_openssl(desk: EvidenceDesk) -> None:
    package = desk.package(1)
    assert (package / "evidence.sig").stat().st_size == 64
    answer = openssl(["pkeyutl", "-verify", "-pubin", "-inkey", f"{package}/public-key.pem", "-rawin",
                      "-in", f"{package}/evidence.json", "-sigfile", f"{package}/evidence.sig"])  # fmt: skip
    assert b"Signature Verified Successfully" in answer


def test_a_whole_package_with_and_without_the_store(desk: EvidenceDesk) -> None:
    code, found = desk.verify("--evidence", str(desk.package(1)))
    assert code == 0, found
    assert found["chain"]["head"] == "newest"
    assert found["store"]["bags"] == {"same": 2, "grown": 0, "disposed": 0, "missing": 0}
    assert found["key"]["trusted_by"] == "evidence-trusted"
    code, found = desk.verify("--evidence", str(desk.package(1)), "--package-only")
    assert code == 0, found
    assert (found["chain"]["head"], found["store"]) == ("not checked", None)


def test_a_package_made_before_later_runs_still_verifies(desk: EvidenceDesk) -> None:
    code, found = desk.verify("--evidence", desk.told[0]["package"])
    assert code == 0, found
    assert (found["chain"]["head"], found["chain"]["newer"]) == ("older", 1)
    assert found["store"]["bags"]["grown"] >= 1
    assert found["store"]["bags"]["missing"] == 0


def test_an_auditor_has_the_package_alone(desk: EvidenceDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration: the key is known only by --fingerprint."""
    from retention.cli.main import main

    shutil.copytree(desk.package(1), tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    told = desk.told[1]
    assert main(["verify", "--evidence", "package", "--quiet"]) == 3
    assert main(["verify", "--evidence", "package", "--quiet", "--fingerprint", told["key"]["fingerprint"]]) == 0
    good = ["--fingerprint", told["key"]["fingerprint"], "--latest", told["evidence"]]
    assert main(["verify", "--evidence", "package", "--quiet", *good]) == 0
    assert main(["verify", "--evidence", "package", "--quiet", *good[:3], desk.told[0]["evidence"]]) == 3
    assert main(["verify", "--evidence", "package", "--quiet", "--fingerprint", "0" * 64]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["package"]


def test_any_way_to_spoil_it_is_found(desk: EvidenceDesk) -> None:
    spoil_in_many_ways(desk, WAYS)


@pytest.mark.soak
def test_any_of_500_ways_to_spoil_it_is_found(desk: EvidenceDesk) -> None:
    spoil_in_many_ways(desk, WAYS_OF_SOAK)


def spoil_in_many_ways(desk: EvidenceDesk, number: int) -> None:
    """Each is found by `verify`; those that concern the package by the manual steps."""
    package, given = desk.package(1), names_given(desk.told[1])
    steps = steps_of(package)
    for way in ways(desk, random.Random(SEED), number):
        with kept(way.touched):
            way.act()
            code, found = desk.verify("--evidence", str(package))
            assert code == 3, (way.name, found)
            if way.of_package:
                code, found = desk.verify("--evidence", str(package), "--package-only", "--latest", given["LATEST"])
                assert code == 3, (way.name, found)
                assert failing_step(package, steps, given) is not None, way.name
    assert desk.verify("--evidence", str(package))[0] == 0


def test_a_key_that_nobody_named(desk: EvidenceDesk) -> None:
    """The package is whole in itself; only the fingerprint tells."""
    package = desk.package(1)
    with kept(package):
        sign_anew(package, {"coverage": []})
        (package / "evidence.tsr").unlink()  # no authority stamps a signature of yesterday
        (package / "tsa-chain.pem").unlink()
        assert failing_step(package, steps_of(package)[:1], {}) is not None
        code, found = desk.verify("--evidence", str(package), "--package-only")
        assert code == 3
        assert found["key"]["trusted_by"] is None


def test_a_removed_package_is_missed(desk: EvidenceDesk) -> None:
    with kept(desk.package(0)):
        shutil.rmtree(desk.package(0))
        code, found = desk.verify("--evidence", str(desk.package(1)))
        assert code == 3
        assert any(one["name"] == f"store:{desk.told[0]['package']}" for one in found["findings"])


def test_a_journal_that_was_written_anew_is_noticed(desk: EvidenceDesk) -> None:
    """Whole in itself, with other names in its rows: only what the package says of its last row tells."""
    journal = desk.store / "journal"
    with kept(journal):
        write_anew(journal, "somebody else")
        assert desk.verify()[0] == 0
        code, found = desk.verify("--evidence", str(desk.package(1)))
        assert code == 3
        assert {one["name"].rpartition("/")[0] for one in found["findings"]} == {"store:journal"}


def test_the_chain(desk: EvidenceDesk) -> None:
    first, second = (json.loads((desk.package(n) / "evidence.json").read_bytes()) for n in (0, 1))
    assert first["package"]["previous"] is None
    assert second["package"]["previous"] == {
        "package": desk.told[0]["package"],
        "evidence": desk.told[0]["evidence"],
    }


def test_a_report_that_was_cut_off_leaves_no_package(desk: EvidenceDesk) -> None:
    folder = desk.store / "evidence" / "20200101T000000Z"
    try:
        shutil.copytree(desk.package(0), folder)
        (folder / "evidence.sig").unlink()
        code, found = desk.verify("--evidence", str(folder), "--package-only")
        assert code == 3
        assert "no package" in json.dumps(found["findings"])
        code, found = desk.verify("--evidence", str(desk.package(1)))
        assert code == 0, found
        assert any("evidence/20200101T000000Z" in note for note in found["notes"])
    finally:
        shutil.rmtree(folder)


def test_a_disposed_bag_is_no_difference_where_the_journal_says_so(desk: EvidenceDesk, tmp_path: Path) -> None:
    """Here the bag is gone from the store; what `verify` itself makes of that is the affair of `dispose`."""
    from exporters.clock import SystemClock
    from exporters.store.folder import FolderStore
    from retention.evidence.chain import told
    from retention.evidence.checked import Checked
    from retention.evidence.checking_bags import Bags
    from retention.journal import Journal

    shutil.copytree(desk.store, tmp_path / "store")
    store = FolderStore(tmp_path / "store")
    document = json.loads((desk.package(0) / "evidence.json").read_bytes())
    bag = document["integrity"]["bags"][0]
    shutil.rmtree(tmp_path / "store" / bag["path"])

    def compared() -> tuple[str, int]:
        known, checked = told(Journal(store, SystemClock())), Checked()
        bags = Bags(
            store, store, f"{desk.told[0]['package']}/", known.disposed, document["integrity"]["journal"]["segment"]
        )
        return bags.compare(bag, checked), len(checked.differences)

    assert compared() == ("missing", 2)
    row = {"type": "disposed", "bag": bag["path"], "items": 3, "bytes": 9, "certificate": "evidence/certificate.json"}
    Journal(store, SystemClock()).append([row])
    assert compared() == ("disposed", 1)
    store.put("evidence/certificate.json", b"{}")
    assert compared() == ("disposed", 1)  # nobody signed it
    Journal(store, SystemClock()).append([{**row, "sha256": "0" * 64}])
    assert compared() == ("disposed", 1)
    store.close()


def test_who_may_sign(desk: EvidenceDesk) -> None:
    key, before = desk.folder / "evidence-key.pem", sorted((desk.store / "evidence").iterdir())
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    try:
        assert desk.run("report", "--json", code=2).document["error"]["code"] == "evidence_key_open"
    finally:
        key.chmod(0o600)
    with kept(key):
        key.unlink()
        assert desk.run("report", "--json", code=2).document["error"]["code"] == "evidence_key_missing"
        key.touch(mode=0o600)
    assert sorted((desk.store / "evidence").iterdir()) == before
