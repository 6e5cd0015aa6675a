"""The verbs on a tenant with odd drives: JSON, exit codes, journal, acceptances (design §4, §6)."""

import hashlib
import json
import os
import shutil
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from retention.cli.main import main
from tests.contracts.cli_tenant import Desk

COUNTS = {"listed", "copied", "unchanged", "gone", "excepted", "pending", "bytes"}


@pytest.fixture(scope="module")
def tenant(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """Two small drives, one of which holds every oddity."""
    with Rehearsal(
        tiny_data, clock=SystemClock(), licences=60_000, state=tmp_path_factory.mktemp("s") / "state"
    ) as served:
        yield served


@pytest.fixture(scope="module")
def exported(tenant: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a first export, made once; not to be written to."""
    folder = tmp_path_factory.mktemp("exported")
    desk = Desk(folder, tenant, None)
    assert main(["export", "--quiet", "--config", str(desk.configure())]) == 3
    return desk.copy


@pytest.fixture
def held(desk: Desk, exported: Path) -> Desk:
    """A desk with a copy of that store."""
    shutil.copytree(exported, desk.copy)
    return desk


def journal_rows(copy: Path) -> list[dict[str, Any]]:
    """Rows of the journal, with the chain checked by code of our own."""
    rows, before, row_before = [], None, None
    for number, path in enumerate(sorted((copy / "journal").iterdir()), start=1):
        data = path.read_bytes()
        *body, last = data.splitlines(keepends=True)
        first = json.loads(body[0])
        assert (first["segment"], first["previous"]) == (number, before)
        assert json.loads(last) == {"end": len(body) - 1, "sha256": hashlib.sha256(b"".join(body)).hexdigest()}
        before = hashlib.sha256(data).hexdigest()
        for line in body[1:]:
            row = json.loads(line)
            assert row["previous"] == row_before
            row_before = hashlib.sha256(line).hexdigest()
            rows.append(row)
    return rows


def test_export_json_is_as_the_design_says(desk: Desk) -> None:
    result = desk.run("export", "--json")
    document = result.json
    assert set(document) == {"run", "started", "ended", "exit", "sources", "totals", "requests", "exceptions"}
    assert document["exit"] == result.exit == 3
    assert set(document["totals"]) == COUNTS
    assert set(document["requests"]) == {"count", "throttled", "avoidable", "resource_units"}
    for source in document["sources"]:
        assert set(source) == {"kind", "name", "bag", "coverage"} | COUNTS
    for name in COUNTS:
        assert document["totals"][name] == sum(source[name] for source in document["sources"])
    assert {"malware", "irm_protected"} <= set(document["exceptions"])
    record = json.loads((desk.copy / "runs" / f"{document['run']}.json").read_text())
    assert {name: record[name] for name in document} == document
    assert "coverage" in record


def test_accepting_by_name_makes_the_next_run_complete(desk: Desk) -> None:
    """Exit 3, a person accepts each code, exit 0; all of it stands in the journal."""
    first = desk.run("export", "--json").json
    for code in first["exceptions"]:
        assert desk.run("accept", code, "--by", "Anna Berg", "--reason", "looked at").exit == 0
    assert desk.run("export", "--json").exit == 0
    rows = journal_rows(desk.copy)
    assert [row["type"] for row in rows] == ["run_started", "run_ended"] + ["accepted"] * len(first["exceptions"]) + [
        "run_started",
        "run_ended",
    ]
    assert {row["code"] for row in rows if row["type"] == "accepted"} == set(first["exceptions"])
    assert [row["exit"] for row in rows if row["type"] == "run_ended"] == [3, 0]
    assert all(set(row["actor"]) == {"host", "user"} for row in rows)


def test_accept_refuses_what_there_is_not(held: Desk) -> None:
    before = held.files()
    assert held.run("accept", "bogus", "--by", "A", "--reason", "r", "--json").json["error"]["code"] == "code_unknown"
    assert held.run("accept", "malware", "--source", "onedrive/x", "--by", "A", "--reason", "r").exit == 2
    assert held.run("accept", "malware", "--by", " ", "--reason", "r").exit == 2
    assert held.files() == before


def test_a_name_that_nobody_has_is_not_complete_and_the_directory_is_copied_beside_it(desk: Desk) -> None:
    desk.configure(more="sources: {mail: none, sharepoint: none, directory: on, onedrive: [nobody@nowhere.example]}\n")
    result = desk.run("export", "--json")
    assert result.exit == 3
    found = {row["kind"]: row for row in result.json["sources"]}
    assert found["onedrive"]["coverage"][0]["code"] == "source_not_found"
    assert found["directory"]["coverage"][0]["state"] == "covered"
    desk.configure(more="sources: {mail: none, sharepoint: none, directory: on, onedrive: none}\n")
    assert desk.run("export").exit == 0


def test_verify_json_and_the_journal(held: Desk) -> None:
    result = held.run("verify", "--json")
    document = result.json
    assert {"bags", "files", "bytes", "open", "missing", "changed", "unexpected", "reconciled", "exit"} <= set(document)
    assert (result.exit, document["missing"], document["changed"], document["unexpected"]) == (0, 0, 0, 0)
    assert document["reconciled"] is True
    rows = [row for row in journal_rows(held.copy) if row["type"] == "verified"]
    assert len(rows) == document["bags"]
    assert {row["result"] for row in rows} == {"whole"}
    assert all(row["level"] == "full" and row["segment"] and len(row["tagmanifest"]) == 64 for row in rows)


def test_verify_new_reads_only_what_is_new(held: Desk) -> None:
    """What was read in full is looked at, not read: a byte that a disk flips shows to a full verification alone; a file that was
    put since is read."""
    victim = max((held.copy / "onedrive").glob("*/data/files/**/*.*"), key=lambda path: path.stat().st_size)
    assert held.run("verify", "--new").exit == 0
    data, stat = bytearray(victim.read_bytes()), victim.stat()
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert held.run("verify", "--new").exit == 0
    os.utime(victim)
    found = held.run("verify", "--json")
    assert found.exit == 3
    assert found.json["changed"] == 1
    assert victim.name in found.json["findings"][0]["name"]
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert held.run("verify", "--new").exit == 3, "a bag that was found different is not known to be whole"


@pytest.mark.parametrize("name", ["lastcopy.json", "sources", "journal", "runs"])
def test_verify_tells_of_damage_beside_the_bags(held: Desk, name: str) -> None:
    """Damage is a finding with exit 3, never a failure."""
    place = held.copy / name
    victim = place if place.is_file() else min(place.iterdir())
    data = bytearray(victim.read_bytes())
    data[data.index(b'"')] ^= 4
    victim.write_bytes(data)
    result = held.run("verify", "--json")
    assert result.exit == 3
    assert result.json["changed"] + result.json["missing"] + result.json["unexpected"] >= 1


def test_verify_against_the_tenant(held: Desk) -> None:
    assert held.run("verify", "--against-tenant", "--json").exit == 0
    rows = journal_rows(held.copy)
    bag = held.run("export", "--json").json["sources"][0]["bag"]
    source = json.loads((held.copy / bag / "lastcopy" / "source.json").read_text())
    drive = next(
        f"drives/{folder.name}"
        for folder in (held.tenant.tenant.folder / "drives").iterdir()
        if json.loads((folder / "drive.json").read_text())["id"] == source["id"]
    )
    item = next(
        row
        for row in map(json.loads, (held.copy / bag / "lastcopy" / "items.jsonl").read_text().splitlines())
        if row["kind"] == "file" and row["outcome"] == "copied"
    )
    change = {
        "n": 1,
        "kind": "driveItem",
        "drive": drive,
        "id": item["id"],
        "op": "rename",
        "name": "renamed just now.txt",
    }
    control(held, "changes", json.dumps(change).encode() + b"\n")
    found = held.run("verify", "--against-tenant", "--json")
    assert found.exit == 3
    compared = {row["bag"]: row for row in found.json["against_tenant"]}
    assert compared[bag]["changed"] == 1
    assert sum(row["missing"] + row["changed"] + row["unexpected"] for row in compared.values()) == 1
    assert rows
    held.run("export", "--json")
    assert held.run("verify", "--against-tenant", "--json").exit == 0


def control(desk: Desk, path: str, body: bytes) -> Any:
    """Ask the control port of the simulated tenant."""
    info = desk.tenant.info
    request = urllib.request.Request(f"{info['control']}/{path}", data=body, method="POST")
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=info["ca_bundle"])) as answer:
        return json.loads(answer.read())


def test_restore_fold_and_what_they_say(desk: Desk) -> None:
    source = desk.run("export", "--json").json["sources"][0]
    to = desk.folder / "restored"
    result = desk.run("restore", "--to", str(to), "--source", source["name"], "--json")
    assert result.exit == 0
    files = [path for path in (to / source["bag"]).rglob("*") if path.is_file()]
    assert len(files) == result.json["sources"][0]["files"] > 0
    again = desk.run("restore", "--to", str(to), "--source", source["name"], "--json")
    assert (again.exit, again.json["error"]["code"]) == (2, "target_not_empty")
    folded = desk.run("fold", "--json")
    assert (folded.exit, folded.json["folded"]) == (0, [])


def test_losing_the_state_database_loses_nothing(desk: Desk) -> None:
    desk.run("export", "--json")
    for path in desk.folder.glob("lastcopy.db*"):
        path.unlink()
    second = desk.run("export", "--json").json
    assert second["totals"]["copied"] == 0
    assert second["totals"]["pending"] == 0


def test_text_for_people_says_what_to_do_next(desk: Desk) -> None:
    result = desk.run("export")
    assert "lastcopy accept malware" in result.out
    assert "Next: lastcopy verify" in result.out
    assert "\x1b" not in result.out + result.err
    assert desk.run("export", "--quiet").out == ""


@pytest.mark.parametrize("verbosity", [[], ["-v"], ["-vv"]])
def test_no_secret_in_any_log(desk: Desk, verbosity: list[str]) -> None:
    result = desk.run("export", "--json", *verbosity)
    for secret in (desk.tenant.info["secret"], "tempauth=", "eyJ", "client_assertion="):
        assert secret not in result.out + result.err
    if not verbosity:
        assert "@" not in result.err, "names of people do not belong into a log at the default level"
    for line in result.err.splitlines():
        assert json.loads(line), "not on a terminal: one JSON object a line"
