"""The generated tenant: in the format, lively, the same each time."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.rehearsal.changes import apply_changes
from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import parse
from exporters.rehearsal.generate import generate
from exporters.rehearsal.quickxor import quick_xor
from exporters.rehearsal.tenant import Tenant
from exporters.rehearsal.truth import drive_truth

TOOL = Path(__file__).parents[4] / "shared/tools/make_tenant_data.py"
WANTED = {
    *("odd-name", "unicode-twin", "deep-path", "empty-folder", "zero-byte", "versions", "large", "size-hash-differ"),
    *(
        "hash-missing",
        "malware",
        "checked-out",
        "irm-protected",
        "gone-after-listing",
        "onenote-package",
        "onenote-child",
    ),
    *("remote-item", "shared"),
}


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    return [parse(line) for line in (folder / name).read_bytes().splitlines()]


def test_every_oddity_is_there(tenant_folder: Path) -> None:
    summary = json.loads((tenant_folder / "summary.json").read_text())
    assert summary["traits"].keys() >= WANTED
    kinds = [user["_kind"] for user in rows(tenant_folder, "users.jsonl")]
    assert len(kinds) == 12 and {"user", "shared", "room", "guest"} == set(kinds)
    assert any(user["_kind"] == "user" and user["_drive"] is None for user in rows(tenant_folder, "users.jsonl"))
    assert 20_000_000 < summary["counts"]["fileBytes"] < 60_000_000


def test_the_same_seed_gives_the_same_bytes(tenant_folder: Path, tmp_path: Path) -> None:
    again, other = generate(tmp_path / "again"), generate(tmp_path / "other", seed="2")
    files = sorted(path.relative_to(tenant_folder) for path in tenant_folder.rglob("*") if path.is_file())
    assert all((tenant_folder / name).read_bytes() == (again / name).read_bytes() for name in files)
    assert (tenant_folder / "tenant.json").read_bytes() != (other / "tenant.json").read_bytes()


def test_contents_have_the_digests_they_say(tenant_folder: Path) -> None:
    reader = ContentReader(tenant_folder)
    checked = 0
    for path in sorted(tenant_folder.glob("drives/*/items.jsonl")):
        for row in rows(tenant_folder, str(path.relative_to(tenant_folder))):
            reference = row.get("_c")
            if isinstance(reference, dict) and reference["len"] < 100_000:
                data = b"".join(reader.pieces(reference, 0, reference["len"]))
                assert hashlib.sha256(data).hexdigest() == reference["sha256"]
                assert quick_xor([data]) == reference["qx"]
                checked += 1
    assert checked > 300
    reader.close()


def test_an_index_leads_to_each_row(tenant_folder: Path) -> None:
    data = (tenant_folder / "users.jsonl").read_bytes()
    index = (tenant_folder / "users.idx").read_bytes()
    offsets = struct.unpack(f"<{len(index) // 8}Q", index)
    assert [parse(data[at:].partition(b"\n")[0])["_n"] for at in offsets] == list(range(12))


def test_the_changes_hold_every_kind_and_apply(tenant_folder: Path) -> None:
    tenant = Tenant(tenant_folder)
    before = {row["id"]: row for row in drive_truth(tenant, tenant.drive_in("drives/u00000"))}
    done = apply_changes(tenant, rows(tenant_folder, "changes.jsonl"))
    kinds = {"rename", "move", "delete", "modify", "touch", "delete-recreate", "permissions", "create"}
    assert kinds <= done.keys() and done["skipped"] < 30
    after = {row["id"]: row for row in drive_truth(tenant, tenant.drive_in("drives/u00000")) if not row["deleted"]}
    swapped = [
        (one, two)
        for one in before.keys() & after.keys()
        for two in before.keys() & after.keys()
        if one < two and before[one]["path"] == after[two]["path"] and before[two]["path"] == after[one]["path"]
    ]
    assert swapped
    tenant.close()


@pytest.mark.skipif(not TOOL.exists(), reason="make_tenant_data.py lies in ../shared, which is not here")
def test_the_tool_of_the_format_finds_no_fault(tenant_folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(TOOL), "verify", str(tenant_folder)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 faults" in run.stdout
