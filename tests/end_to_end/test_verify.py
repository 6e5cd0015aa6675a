"""Issue acceptance c: the Library of Congress accepts every bag, one flipped byte anywhere is found, folds are rebuilt alike."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bagit
import pytest

from exporters.clock import SystemClock
from exporters.store.folder import FolderStore
from retention.cli.main import main
from retention.verification import VerifyRequest, verify_store
from tests.end_to_end.changes import lively_changes
from tests.end_to_end.driving import Product, Row, Tenant
from tests.faults.desk import InProcess

SEED = 200


@pytest.fixture(scope="module")
def copied(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A store after two runs; the tenant is gone."""
    with Tenant(tiny_data) as tenant:
        product = Product(tmp_path_factory.mktemp("copied"), tenant)
        product.export()
        changes, _ = lively_changes(tenant.truth)
        tenant.change(*changes)
        product.export()
    shutil.copytree(product.store, product.folder / "pristine")
    yield product


@pytest.fixture
def fresh(copied: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """The same before any verification, in a folder of its own."""
    shutil.copytree(copied.folder / "pristine", tmp_path / "store")
    (tmp_path / "lastcopy.yaml").write_text((copied.folder / "lastcopy.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    made = Product.__new__(Product)
    made.__dict__ |= copied.__dict__ | {"folder": tmp_path, "store": tmp_path / "store"}
    return made


@pytest.fixture
def here(copied: Product, monkeypatch: pytest.MonkeyPatch) -> Product:
    """In the folder of the configuration, so that `main` may be called in this process (200 times in a few seconds)."""
    monkeypatch.chdir(copied.folder)
    for name in ("LASTCOPY_TEST_SECRET", "COLUMNS"):
        monkeypatch.setenv(name, copied.environment[name])
    return copied


def verified(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Row]:
    """Exit status and document of `verify --json`."""
    capsys.readouterr()
    code = main(["verify", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def objects(store: Path) -> list[Path]:
    """Payload, manifests, items and segments of all bags, and the frame around them."""
    found = [p for p in store.rglob("*") if p.is_file() and ".lastcopy-tmp" not in p.parts and p.stat().st_size]
    return sorted(p for p in found if p.name != "lastcopy-probe" and "journal" not in p.parts and "runs" not in p.parts)


def flip(path: Path, at: int, bit: int = 1) -> None:
    """Flip one bit in place, as a disk does: the time of the file stays."""
    stat = path.stat()
    with path.open("r+b") as content:
        content.seek(at)
        (byte,) = content.read(1)
        content.seek(at)
        content.write(bytes([byte ^ bit]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_any_flipped_byte_is_found(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """200 places drawn from payload, manifests, rows and segments; each is found by `verify`, exit 3."""
    draw = random.Random(SEED)
    assert verified(capsys)[0] == 0
    payload, others = [], []
    for path in objects(here.store / "onedrive"):
        (payload if "data" in path.relative_to(here.store).parts[2:3] else others).append(path)
    for number in range(200):
        path = draw.choice(others if number % 2 else payload)
        at, bit = draw.randrange(path.stat().st_size), 1 << draw.randrange(8)
        flip(path, at, bit)
        try:
            code, document = verified(capsys)
        finally:
            flip(path, at, bit)
        where = f"{path.relative_to(here.store)} byte {at} bit {bit} (draw {number} of seed {SEED})"
        assert code == 3, f"not found: {where}: {document}"
        assert document["exit"] == 3 and (
            document.get("changed") or document.get("missing") or not document["reconciled"]
        ), f"exit 3, but nothing said: {where}: {document}"
    assert verified(capsys)[0] == 0


def test_any_flipped_byte_beside_the_bags_is_found(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose the store is, and how its sources are called, stands in two small files alone; the journal has their sums."""
    draw = random.Random(SEED)
    for path in [here.store / "lastcopy.json", *sorted((here.store / "sources").iterdir())]:
        for at in sorted(draw.sample(range(path.stat().st_size), 40)):
            flip(path, at, 1 << draw.randrange(8))
            held = path.read_bytes()
            code, document = verified(capsys)
            assert held == path.read_bytes() and code == 3, f"not found: {path.name} byte {at}: {document}"
            shutil.copy(here.folder / "pristine" / path.relative_to(here.store), path)
    assert verified(capsys)[0] == 0


def test_a_flipped_byte_is_found_by_the_command_itself(copied: Product) -> None:
    path = next(copied.store.glob("onedrive/*/data/files/large.bin"))
    flip(path, 2_000_000)
    assert copied.run("verify").code == 3
    flip(path, 2_000_000)
    copied.run("verify", code=0)


def test_what_is_missing_and_what_is_too_much_is_found(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    for path in objects(here.store / "onedrive")[::7]:
        held = path.read_bytes()
        path.unlink()
        code, document = verified(capsys)
        path.write_bytes(held)
        assert code == 3, f"missing {path.relative_to(here.store)}: {document}"
    bag = next((here.store / "onedrive").iterdir())
    for name in ("data/files/extra.txt", "data/changed/extra.txt"):
        extra = bag / name
        extra.parent.mkdir(exist_ok=True)
        extra.write_bytes(b"x")
        code, document = verified(capsys)
        extra.unlink()
        assert code == 3 and document["unexpected"], name
    assert verified(capsys)[0] == 0


def test_the_last_segment_cannot_be_dropped_unseen(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger that lost its end is shorter than the fold says, or than the last run left it."""
    for ledger in here.store.glob("onedrive/*/lastcopy/ledger"):
        last = sorted(ledger.iterdir())[-1]
        held = last.read_bytes()
        last.unlink()
        code, document = verified(capsys)
        last.write_bytes(held)
        assert code == 3, document


def test_the_library_of_congress_accepts_every_bag(copied: Product) -> None:
    bags = [path.parents[1] for path in copied.store.glob("onedrive/*/lastcopy/source.json")]
    assert len(bags) == 2
    for bag in bags:
        assert bagit.Bag(str(bag)).validate()


def test_refold_rebuilds_every_fold_byte_for_byte(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify --refold` builds the fold again from segment 1 and compares; `fold` from the store alone gives the same bytes."""
    code, document = verified(capsys, "--refold")
    assert code == 0, document
    for bag in [path.parents[1] for path in here.store.glob("onedrive/*/lastcopy/source.json")]:
        tags = [bag / name for name in ("manifest-sha256.txt", "lastcopy/items.jsonl", "lastcopy/reconciliation.json")]
        held = {path: path.read_bytes() for path in tags}
        for path in tags:
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(lines[1:]) or b"{}")
            assert verified(capsys, "--refold")[0] == 3
            path.write_bytes(held[path])
    assert verified(capsys, "--refold")[0] == 0


def test_a_lost_fold_is_made_again_alike(copied: Product, tmp_path: Path) -> None:
    """All tag files deleted: the ledger alone gives them back, rows and manifests byte for byte."""
    store = tmp_path / "store"
    shutil.copytree(copied.store, store)
    (tmp_path / "lastcopy.yaml").write_text((copied.folder / "lastcopy.yaml").read_text())
    tags = list(store.glob("onedrive/*/*.txt"))
    tags += [p for p in store.glob("onedrive/*/lastcopy/*") if p.is_file() and p.name != "source.json"]
    held = {path: path.read_bytes() for path in tags}
    for path in tags:
        path.unlink()
    elsewhere = Product.__new__(Product)
    elsewhere.__dict__ |= copied.__dict__ | {"folder": tmp_path, "store": store}
    elsewhere.run("fold", "--json", code=0)
    elsewhere.run("verify", "--refold", "--json", code=0)
    for path, data in held.items():
        if path.name in (
            "manifest-sha256.txt",
            "items.jsonl",
            "exceptions.jsonl",
            "owed.jsonl",
            "permissions.jsonl",
            "reconciliation.json",
        ):
            assert path.read_bytes() == data, path


def test_stored_level_reads_no_content(copied: Product) -> None:
    """`--level stored` finds a changed size, and says nothing of a flipped byte."""
    path = next(copied.store.glob("onedrive/*/data/files/large.bin"))
    held, times = path.read_bytes(), path.stat()
    path.write_bytes(held[:-1])
    assert copied.run("verify", "--level", "stored", "--json").code == 3
    path.write_bytes(held)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    copied.run("verify", "--level", "stored", "--json", code=0)


# -- parts of it


def files_of(store: Path) -> list[Row]:
    """Rows of files with bytes, and their bags, in the order in which they were captured."""
    found = []
    for path in store.glob("onedrive/*/lastcopy/items.jsonl"):
        rows = (json.loads(line) for line in path.read_bytes().splitlines())
        found += [{**row, "bag": path.parents[1]} for row in rows if row["kind"] == "file" and row.get("size")]
    return sorted(found, key=lambda row: row["captured"])


def test_since_reads_what_is_newer_and_looks_at_the_rest(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    old, *_, new = files_of(here.store)
    times = (
        (old, new["captured"], 0),
        (new, new["captured"], 3),
        (old, "2020-01-01", 3),
        (new, "2120-01-01T00:00:00+02:00", 0),
    )
    for row, time, code in times:
        path = row["bag"] / row["key"]
        flip(path, 0)
        found, document = verified(capsys, "--since", time)
        flip(path, 0)
        assert found == code, (row["key"], time, document)
    last = max((here.store / "journal").iterdir()).read_bytes().splitlines()[1]
    row = json.loads(last)
    assert (row["type"], row["level"], row["since"]) == ("verified", "stored", "2119-12-31T22:00:00Z")
    path = old["bag"] / old["key"]
    held = path.read_bytes()
    path.write_bytes(held + b"x")
    assert verified(capsys, "--since", "2120-01-01")[0] == 3  # the rest is looked at
    path.write_bytes(held)


def test_a_sample_reads_a_part_and_never_counts(fresh: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """100 % reads all, and yet `--new` reads it again; a very small part reads next to nothing."""
    row = files_of(fresh.store)[0]
    path = row["bag"] / row["key"]
    assert verified(capsys, "--sample", "100%")[0] == 0
    flip(path, 0)
    found = [verified(capsys, *options)[0] for options in (["--sample", "100"], ["--sample", "0.000001%"], ["--new"])]
    flip(path, 0)
    assert found == [3, 0, 3]
    assert verified(capsys)[0] == 0
    flip(path, 0)
    assert verified(capsys, "--new")[0] == 0, "was read in full since it was written: looked at alone"
    assert verified(capsys, "--sample", "50%", "--source", "onedrive/" + row["bag"].name)[1]["bags"] == 1
    flip(path, 0)
    assert verified(capsys)[0] == 0


@pytest.mark.parametrize(
    "options",
    [["--sample", "0%"], ["--sample", "101%"], ["--sample", "some"], ["--sample", "-5%"], ["--since", "yesterday"],
     ["--since", "2026-11-20T08:00:00"], ["--sample", "5%", "--since", "2026-11-20"], ["--sample", "5%", "--new"],
     ["--since", "2026-11-20", "--level", "full"], ["--sample", "5%", "--level", "stored"]],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_exit_2(
    here: Product, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    before = sorted((here.store / "journal").iterdir())
    code, document = verified(capsys, *options)
    assert code == 2 and document["error"]["action"]
    assert sorted((here.store / "journal").iterdir()) == before


def test_the_document_has_its_fields(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """Design §6; the rest are names behind the numbers."""
    code, document = verified(capsys)
    fields = {"bags", "files", "bytes", "open", "missing", "changed", "unexpected", "reconciled", "exit"}
    assert code == 0 and set(document) == fields | {"findings", "open_bags", "reasons", "disposed"}


# -- what lies beside objects


def test_links_and_special_files_are_unexpected(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    bag = next((here.store / "onedrive").iterdir())
    odd = os.fsdecode(os.fsencode(bag) + b"/data/files/caf\xe9.txt")
    made = {
        here.store / "runs/link.json": lambda path: path.symlink_to("nowhere"),
        here.store / "fifo": os.mkfifo,
        here.store / "onedrive/other": lambda path: path.symlink_to(bag, target_is_directory=True),
        bag / "data/files/link.txt": lambda path: path.symlink_to("/etc/passwd"),
        bag / "data/files/folder": lambda path: path.symlink_to(here.store, target_is_directory=True),
        bag / "lastcopy/ledger/pipe": os.mkfifo,
        bag / "bag-info.md": lambda path: path.symlink_to("bag-info.txt"),
        Path(odd): lambda path: path.write_bytes(b""),
    }
    for path, make in made.items():
        make(path)
        code, document = verified(capsys)
        path.unlink()
        assert code == 3 and document["unexpected"] == 1, (path, document)
        assert "no object" in document["findings"][0]["why"]
    (bag / "data/files/empty folder/deep").mkdir(parents=True)
    assert verified(capsys)[0] == 0, "an empty folder means nothing"


def test_a_run_record_that_was_changed_is_found(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal names each by its SHA-256; one that no run wrote is unexpected."""
    path = sorted((here.store / "runs").iterdir())[0]
    held = path.read_bytes()
    path.write_bytes(held.replace(b'"copied":', b'"copied":1'))
    code, document = verified(capsys)
    assert code == 3 and [(f["name"], f["sort"]) for f in document["findings"]] == [(f"runs/{path.name}", "changed")]
    path.unlink()
    code, document = verified(capsys)
    assert code == 3 and [(f["name"], f["sort"]) for f in document["findings"]] == [(f"runs/{path.name}", "missing")]
    path.write_bytes(held)
    other = path.with_name("20200101T000000Z-abcdef.json")
    other.write_bytes(held)
    code, document = verified(capsys)
    other.unlink()
    assert code == 3 and [(f["name"], f["sort"]) for f in document["findings"]] == [
        (f"runs/{other.name}", "unexpected")
    ]


def test_a_bag_that_was_only_claimed_is_open_not_damaged(here: Product, capsys: pytest.CaptureFixture[str]) -> None:
    source = next((here.store / "onedrive").glob("*/lastcopy/source.json"))
    claimed = here.store / "onedrive/claimed/lastcopy/source.json"
    claimed.parent.mkdir(parents=True)
    claimed.write_bytes(source.read_bytes().replace(b'"id":"', b'"id":"x'))
    code, document = verified(capsys)
    assert code == 3 and document["open_bags"] == ["onedrive/claimed"] and not document["findings"], document
    assert "claimed" in document["reasons"]["onedrive/claimed"][0]
    assert main(["verify"]) == 3
    told = capsys.readouterr().out
    assert "nothing of it has been copied yet" in told and "damaged" not in told
    shutil.rmtree(here.store / "onedrive/claimed")
    assert verified(capsys)[0] == 0


def test_a_run_that_comes_in_between_is_no_difference(plain_data: Path, tmp_path: Path) -> None:
    """Verifying takes hours: what was written meanwhile is held against the journal as it is by then."""
    with Tenant(plain_data) as tenant:
        product = InProcess(tmp_path / "work", tenant)
        product.export(code=0)
        with closing(FolderStore(product.store)) as store:
            found = verify_store(store, VerifyRequest(), SystemClock(), on_bag=lambda bag: product.export(code=0))
    assert found.root is not None and found.root.whole, [*found.findings()]
