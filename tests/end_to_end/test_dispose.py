"""Disposal of a copy: nothing that is held, locked or not yet over goes, by whatever way; what goes has a certificate.

Rules of this file: each way is the command line; the certificate is checked with openssl and sha256sum.
"""

import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from exporters.clock import SystemClock
from exporters.store.folder import FolderStore
from exporters.store.removing import Remover, Version, remover_of
from retention.config import load
from retention.disposal.deed import KeptError, Order, dispose
from retention.evidence.keys import opened_signer
from tests.contracts.store_servers import CREDENTIALS, moto_server
from tests.end_to_end.driving import Result, Tenant
from tests.faults.desk import InProcess

SAID = ("--by", "Anna Berg", "--reason", "period over")
BUCKET = "kept"
Row = dict[str, Any]


class ShiftedClock:
    """The machine's clock, off by some time."""

    def __init__(self, shift: timedelta) -> None:
        self._shift = shift

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")

    def wait(self, event: Any, seconds: float) -> bool:
        return bool(event.wait(0))


@pytest.fixture(scope="module")
def copied(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A whole copy in a folder, kept until a day that is past."""
    with Tenant(plain_data) as tenant:
        product = InProcess(tmp_path_factory.mktemp("copied"), tenant)
        product.export(code=0)
    product.run("keep", "--until", "2026-01-01", *SAID, code=0)
    yield product


@pytest.fixture
def desk(copied: InProcess, tmp_path: Path) -> InProcess:
    """The same, to try things out on."""
    shutil.copytree(copied.folder, tmp_path / "work", symlinks=True)
    other = InProcess.__new__(InProcess)
    other.__dict__.update(copied.__dict__)
    other.folder = tmp_path / "work"
    return other


def store_of(desk: InProcess) -> Path:
    return next(path.parent for path in desk.folder.rglob("lastcopy.json"))


def objects(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def a_bag(desk: InProcess) -> str:
    store = store_of(desk)
    return sorted(str(p.parent.parent.relative_to(store)) for p in store.glob("onedrive/*/lastcopy/source.json"))[0]


def planned(desk: InProcess, *more: str) -> Row:
    return desk.run("dispose", "--dry-run", "--json", *more).document


def carried_out(desk: InProcess, plan: str, *more: str) -> Result:
    domain = json.loads((store_of(desk) / "lastcopy.json").read_text())["tenant"]["id"]
    return desk.run("dispose", "--json", "--plan", plan, "--confirm", domain, *SAID, *more)


def test_the_dry_run_is_the_deed(desk: InProcess) -> None:
    """(f) What the dry run shows goes, and nothing else; the certificate is right by openssl; verify agrees."""
    store, bag = store_of(desk), a_bag(desk)
    before = objects(store)
    plan = planned(desk, "--source", bag)
    assert objects(store).keys() - before.keys() and all(
        key.startswith("journal/") for key in objects(store).keys() - before.keys()
    )
    done = carried_out(desk, plan["plan"])
    assert done.code == 0, done.err
    after = objects(store)
    gone = before.keys() - after.keys()
    assert gone == {key for key in before if key.startswith(f"{bag}/") and not key.endswith("/lastcopy/source.json")}
    assert len(gone) == plan["bags"][0]["objects"] == done.document["disposed"][0]["items"]
    assert sum(len(before[key]) for key in gone) == plan["bags"][0]["bytes"]
    assert not [path for path in (store / bag).rglob("*") if path.is_dir() and path.name != "lastcopy"]
    assert all(after[key] == data for key, data in before.items() if key in after)

    folder = store / Path(done.document["certificate"]).parent
    check = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public-key.pem", "-in", "certificate.json"]
    subprocess.run([*check, "-sigfile", "certificate.sig"], cwd=folder, check=True, capture_output=True)
    certificate = json.loads((folder / "certificate.json").read_bytes())
    facts = certificate["bags"][bag]
    manifest = before[f"{bag}/manifest-sha256.txt"].decode()
    listed = (folder / facts["list"]["file"]).read_text()
    assert listed.split() == [line.split()[0] for line in manifest.splitlines()]
    assert hashlib.sha256(listed.encode()).hexdigest() == facts["list"]["sha256"]
    assert facts["tagmanifest_sha256"] == hashlib.sha256(before[f"{bag}/tagmanifest-sha256.txt"]).hexdigest()
    assert certificate["by"] == "Anna Berg" and certificate["actor"]["host"]

    verified = desk.run("verify", "--json", code=0).document
    assert [row["bag"] for row in verified["disposed"]] == [bag]
    assert bag not in [one["bag"] for one in planned(desk)["bags"]]
    desk.run("fold", code=0)
    desk.run("restore", "--to", str(desk.folder / "all"), code=0)
    assert desk.run("restore", "--to", str(desk.folder / "one"), "--source", bag).code == 2
    assert objects(store).keys() == after.keys() | {f"journal/{len(list((store / 'journal').iterdir())):09d}.jsonl"}
    (folder / "certificate.json").write_bytes(b"{}")
    assert desk.run("verify", "--json", code=3).document["changed"] == 1


def hold(desk: InProcess, *more: str) -> None:
    desk.run("keep", "--hold", "case-12", *more, *SAID, code=0)


def held_and_lifted(desk: InProcess, laid: tuple[str, ...], lifted: tuple[str, ...], name: str = "case-12") -> None:
    hold(desk, *laid)
    assert desk.run("keep", "--lift", name, *lifted, *SAID).code == 2


def at_work(desk: InProcess) -> None:
    """The bag's ledger is open, and its writer may be alive on another host."""
    ledger = sorted((store_of(desk) / a_bag(desk) / "lastcopy/ledger").iterdir())[-1]
    lines = [line for line in ledger.read_bytes().splitlines(keepends=True) if b'"type":"closed"' not in line]
    lines = [line for line in lines if b'"closed"' not in line]
    body = b"".join(lines[:-1])
    end = {"end": len(lines) - 2, "sha256": hashlib.sha256(body).hexdigest()}
    ledger.write_bytes(body + json.dumps(end, separators=(",", ":")).encode() + b"\n")


def damaged_ledger(desk: InProcess) -> None:
    ledger = sorted((store_of(desk) / a_bag(desk) / "lastcopy/ledger").iterdir())[-1]
    ledger.write_bytes(ledger.read_bytes()[:-20])


def renamed(desk: InProcess) -> str:
    return a_bag(desk).upper()


BEFORE_THE_PLAN: dict[str, Callable[[InProcess], object]] = {
    "a hold on the bag": lambda desk: hold(desk, "--source", a_bag(desk)),
    "a hold on everything": hold,
    "a hold on the bag by another spelling": lambda desk: hold(desk, "--source", renamed(desk)),
    "two holds, one lifted": lambda desk: (
        hold(desk),
        desk.run("keep", "--hold", "other", *SAID, code=0),
        desk.run("keep", "--lift", "case-12", *SAID, code=0),
    ),
    "a hold on everything, lifted on the bag": lambda desk: held_and_lifted(desk, (), ("--source", a_bag(desk))),
    "a hold on the bag, lifted on everything": lambda desk: held_and_lifted(desk, ("--source", a_bag(desk)), ()),
    "a hold lifted by another name": lambda desk: held_and_lifted(desk, (), (), "CASE-12"),
    "a later keep-until of the bag": lambda desk: desk.run(
        "keep", "--until", "2999-12-31", "--source", a_bag(desk), *SAID, code=0
    ),
    "a later keep-until of everything": lambda desk: desk.run("keep", "--until", "2999-12-31", *SAID, code=0),
    "an earlier one of the bag beside a later of all": lambda desk: (
        desk.run("keep", "--until", "2999-12-31", *SAID, code=0),
        desk.run("keep", "--until", "2026-01-01", "--source", a_bag(desk), *SAID, code=0),
    ),
    "kept until today": lambda desk: desk.run("keep", "--until", f"{datetime.now(UTC):%Y-%m-%d}", *SAID, code=0),
    "a writer at work": at_work,
    "a ledger that cannot be read": damaged_ledger,
}


@pytest.mark.parametrize("way", BEFORE_THE_PLAN)
def test_what_is_kept_is_in_no_plan(desk: InProcess, way: str) -> None:
    """(f) Nothing is planned, and nothing goes by a plan that somebody makes up."""
    BEFORE_THE_PLAN[way](desk)
    before = objects(store_of(desk))
    found = desk.run("dispose", "--dry-run", "--json", "--source", a_bag(desk), code=3).document
    assert found["plan"] is None and found["bags"][0]["kept_by"]
    assert carried_out(desk, "0123456789abcdef").code == 2
    assert objects(store_of(desk)) == before


def add_object(desk: InProcess) -> None:
    (store_of(desk) / a_bag(desk) / "data/new.txt").write_bytes(b"new")


AFTER_THE_PLAN: dict[str, Callable[[InProcess], object]] = {
    "a hold on the bag": lambda desk: hold(desk, "--source", a_bag(desk)),
    "a hold on everything": hold,
    "a later keep-until": lambda desk: desk.run("keep", "--until", "2999-12-31", *SAID, code=0),
    "an object more": add_object,
    "an object less": lambda desk: (store_of(desk) / a_bag(desk) / "data/about.txt").unlink(),
    "a writer at work": at_work,
}


@pytest.mark.parametrize("way", AFTER_THE_PLAN)
def test_a_plan_that_is_no_longer_true_does_nothing(desk: InProcess, way: str) -> None:
    """(f) What comes between the dry run and the deed is seen."""
    plan = planned(desk, "--source", a_bag(desk))["plan"]
    AFTER_THE_PLAN[way](desk)
    before = objects(store_of(desk))
    assert carried_out(desk, plan).code in {1, 2}
    assert objects(store_of(desk)) == before


def test_what_is_not_asked_for_as_it_must_be_is_refused(desk: InProcess) -> None:
    """(f) Without a plan, a reason, a name, the tenant's name; with a plan of part, of another store, an old one, twice."""
    bag = a_bag(desk)
    plan = planned(desk, "--source", bag)["plan"]
    before = objects(store_of(desk))
    for wrong in (
        ("dispose",),
        ("dispose", "--plan", plan),
        ("dispose", "--plan", plan, "--confirm", "fabrikam.example", *SAID),
        ("dispose", "--plan", plan, "--confirm", "", *SAID),
        ("dispose", "--plan", plan[:-1], "--confirm", "x", *SAID),
        ("dispose", "--dry-run", "--plan", plan),
        ("dispose", "--plan", plan, "--source", bag, "--confirm", "x", *SAID),
    ):
        assert desk.run(*wrong, "--json").code == 2, wrong
    for shift in (timedelta(days=8), timedelta(days=-1), timedelta(minutes=11)):
        desk.clock = ShiftedClock(shift)
        assert carried_out(desk, plan).code in {1, 2}, shift
    del desk.clock
    assert objects(store_of(desk)) == before
    assert carried_out(desk, plan).code == 0
    assert carried_out(desk, plan).code == 2


def test_a_journal_that_is_damaged_lets_nothing_go(desk: InProcess) -> None:
    """(f) A hold that can no longer be read is still a hold."""
    plan = planned(desk, "--source", a_bag(desk))["plan"]
    hold(desk)
    newest = sorted((store_of(desk) / "journal").iterdir())[-1]
    newest.write_bytes(newest.read_bytes().replace(b"case-12", b"case-13"))
    before = objects(store_of(desk))
    assert carried_out(desk, plan).code == 1
    assert desk.run("dispose", "--dry-run", "--json").code == 1
    assert objects(store_of(desk)) == before


def test_one_that_was_cut_off_goes_on(desk: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """(f) Half removed is not whole, and says so; the same command ends it; a hold laid meanwhile stops it."""
    from exporters.store import removing

    plan = planned(desk, "--source", a_bag(desk))["plan"]
    remove, left = removing._FolderRemover.remove, [5]

    def cut_off(self: Any, version: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        remove(self, version)

    monkeypatch.setattr(removing._FolderRemover, "remove", cut_off)
    assert carried_out(desk, plan).code == 1
    monkeypatch.undo()
    assert desk.run("verify", "--json", code=3).document["missing"] >= 4
    hold(desk)
    assert carried_out(desk, plan).code == 1
    desk.run("keep", "--lift", "case-12", *SAID, code=0)
    assert carried_out(desk, plan).code == 0
    desk.run("verify", "--json", code=0)


class _Disturbed:
    """A remover that lets somebody say something the first time that it is asked what keeps an object."""

    def __init__(self, inner: Remover, then: Callable[[], None]) -> None:
        self._inner, self._then = inner, then

    def versions(self, prefix: str) -> Iterator[Version]:
        return self._inner.versions(prefix)

    def kept_by(self, version: Version, now: datetime) -> str | None:
        then, self._then = self._then, lambda: None
        then()
        return self._inner.kept_by(version, now)

    def remove(self, version: Version) -> None:
        self._inner.remove(version)

    def tidy(self, prefix: str) -> None:
        self._inner.tidy(prefix)


def test_a_hold_that_is_laid_while_the_plan_is_made_again_counts(desk: InProcess) -> None:
    """(f) It takes a while to look at every object: what people say meanwhile is read before anything goes."""
    plan, store = planned(desk, "--source", a_bag(desk))["plan"], FolderStore(store_of(desk))
    tenant = json.loads((store_of(desk) / "lastcopy.json").read_text())["tenant"]["id"]
    bag = store_of(desk) / a_bag(desk)
    before = objects(bag)
    order = Order(plan, "Anna Berg", "period over", tenant, "lastcopy")
    signer = opened_signer(load(desk.folder / "lastcopy.yaml"), SystemClock(), may_make=True).signer
    disturbed = _Disturbed(remover_of(store), lambda: hold(desk))
    with pytest.raises(KeptError):
        dispose(store, disturbed, SystemClock(), order, signer=signer)
    assert objects(bag) == before


def test_a_source_that_was_disposed_of_can_be_copied_again(plain_data: Path, tmp_path: Path) -> None:
    """It is a bag anew, which verify reads; it is not under the old keep-until's plan."""
    with Tenant(plain_data) as tenant:
        desk = InProcess(tmp_path / "work", tenant)
        desk.export(code=0)
        desk.run("keep", "--until", "2026-01-01", *SAID, code=0)
        assert carried_out(desk, planned(desk, "--source", a_bag(desk))["plan"]).code == 0
        desk.export(code=0)
        assert desk.run("verify", "--json", code=0).document["disposed"] == []


# -- a bucket


@pytest.fixture
def bucket(plain_data: Path, tmp_path: Path) -> Iterator[tuple[InProcess, Any]]:
    """A copy in a bucket that can lock, without a lock; and a client of boto3's own making."""
    with moto_server() as address, Tenant(plain_data) as tenant:
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        urllib.request.urlopen(f"{address}/moto-api/reset", data=b"").close()
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        store = {"url": f"s3://{BUCKET}/copy", "region": "us-east-1", "endpoint_url": address}
        product = InProcess(tmp_path, tenant, store=store)
        product.environment |= CREDENTIALS
        product.export(code=0)
        product.run("keep", "--until", "2026-01-01", *SAID, code=0)
        yield product, client
        client.close()


def versions(client: Any, prefix: str = "copy/") -> set[tuple[str, str]]:
    pages = client.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=prefix)
    return {
        (row["Key"], row["VersionId"])
        for page in pages
        for row in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    }


def test_what_a_bucket_locks_stays(bucket: tuple[InProcess, Any]) -> None:
    """(f) A lock of either mode, a legal hold, on the newest version, an older one, one behind a marker: each keeps the bag."""
    desk, client = bucket
    bag = next(
        key.removeprefix("copy/").rpartition("/lastcopy/")[0]
        for key, _ in sorted(versions(client))
        if key.endswith("/lastcopy/source.json") and "onedrive/" in key
    )
    about = f"copy/{bag}/data/about.txt"
    until = datetime.now(UTC) + timedelta(seconds=3600)

    def run(*arguments: str) -> Result:
        return desk.run("dispose", "--json", *arguments)

    def tenant_id() -> str:
        body = client.get_object(Bucket=BUCKET, Key="copy/lastcopy.json")["Body"].read()
        return str(json.loads(body)["tenant"]["id"])

    def deed(plan: str) -> Result:
        return run("--plan", plan, "--confirm", tenant_id(), *SAID)

    first = run("--dry-run", "--source", bag)
    assert first.code == 0
    plan, newest = first.document["plan"], client.head_object(Bucket=BUCKET, Key=about)["VersionId"]
    before = versions(client, f"copy/{bag}/")
    client.put_object_legal_hold(Bucket=BUCKET, Key=about, LegalHold={"Status": "ON"})
    assert deed(plan).code == 1 and run("--dry-run", "--source", bag).code == 3
    client.put_object_legal_hold(Bucket=BUCKET, Key=about, LegalHold={"Status": "OFF"})
    assert versions(client, f"copy/{bag}/") == before

    client.put_object_retention(Bucket=BUCKET, Key=about, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    later = client.put_object(Bucket=BUCKET, Key=about, Body=b"later")["VersionId"]
    with_older = versions(client, f"copy/{bag}/")
    told = run("--dry-run", "--source", bag)
    assert told.code == 3 and "governance" in told.document["bags"][0]["kept_by"][0]
    assert deed(plan).code == 1
    client.delete_object(Bucket=BUCKET, Key=about)
    assert run("--dry-run", "--source", bag).code == 3
    assert with_older <= versions(client, f"copy/{bag}/")
    client.delete_object(Bucket=BUCKET, Key=about, VersionId=newest, BypassGovernanceRetention=True)

    locked = client.put_object(
        Bucket=BUCKET, Key=about, Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    assert run("--dry-run", "--source", bag).code == 3
    assert (about, locked) in versions(client)
    assert (about, later) in versions(client)


def test_every_version_in_a_bucket_goes(bucket: tuple[InProcess, Any]) -> None:
    """Older versions and markers too: a copy that can be got back is not disposed of."""
    desk, client = bucket
    bags = sorted({key.split("/lastcopy/")[0] for key, _ in versions(client) if key.endswith("/lastcopy/source.json")})
    bag = bags[-1]
    client.put_object(Bucket=BUCKET, Key=f"{bag}/data/about.txt", Body=b"other")
    client.delete_object(Bucket=BUCKET, Key=f"{bag}/data/about.txt")
    body = client.get_object(Bucket=BUCKET, Key="copy/lastcopy.json")["Body"].read()
    plan = desk.run("dispose", "--dry-run", "--json", "--source", bag.removeprefix("copy/"), code=0).document["plan"]
    tenant = str(json.loads(body)["tenant"]["id"])
    desk.run("dispose", "--json", "--plan", plan, "--confirm", tenant, *SAID, code=0)
    assert {key for key, _ in versions(client, f"{bag}/")} == {f"{bag}/lastcopy/source.json"}
