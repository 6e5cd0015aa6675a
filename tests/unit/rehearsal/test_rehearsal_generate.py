"""The generated tenant: in the format, lively, the same each time."""

import hashlib
import json
import struct
import subprocess
import sys
from collections import Counter
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

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


def mime_of(folder: Path, row: dict[str, Any]) -> bytes:
    with (folder / row["_mime"]["pack"]).open("rb") as pack:
        parts = []
        for at, length in row["_mime"]["seg"]:
            pack.seek(at)
            parts.append(pack.read(length))
    return b"".join(parts)


def test_mail_says_in_its_bytes_what_its_row_says(tenant_folder: Path) -> None:
    """Every mailbox: subject, sender, body and attachments of the MIME are those of the row, with their digests."""
    seen: Counter[str] = Counter()
    reader = ContentReader(tenant_folder)
    for path in sorted(tenant_folder.glob("users/*/messages.jsonl")):
        for row in map(parse, path.read_bytes().splitlines()):
            data = mime_of(tenant_folder, row)
            assert hashlib.sha256(data).hexdigest() == row["_mime"]["sha256"]
            mail = message_from_bytes(data, policy=default)
            assert (mail["subject"] or None) == row["subject"]
            address = mail["from"].addresses[0]
            assert {"name": address.display_name, "address": address.addr_spec} == row["from"]["emailAddress"]
            body = mail.get_body(("html", "plain") if row["body"]["contentType"] == "html" else ("plain",))
            assert body is not None
            said = body.get_content().replace("\r\n", "\n").strip()
            assert said == row["body"]["content"].strip()
            kinds = [part.get_content_type() for part in mail.walk()]
            for attached in row["_attachments"]:
                seen[attached["@odata.type"]] += 1
                if "_c" in attached:
                    wanted = b"".join(reader.pieces(attached["_c"], 0, attached["_c"]["len"]))
                    assert wanted in [p.get_payload(decode=True) for p in mail.walk() if not p.is_multipart()]
                else:
                    assert "message/rfc822" in kinds
            seen.update({row["_class"]: 1, "calendar": "text/calendar" in kinds, row["flag"]["flagStatus"]: 1})
            seen.update({"unread": not row["isRead"], "draft": row["isDraft"], "categories": bool(row["categories"])})
    reader.close()
    assert all(seen.values()) and seen["IPM.Schedule.Meeting.Request"] == seen["calendar"], seen
    assert {"#microsoft.graph.fileAttachment", "#microsoft.graph.itemAttachment", "flagged", "complete"} <= seen.keys()


def test_sites_have_libraries_lists_and_pages(tenant_folder: Path) -> None:
    """A root site, a team's site with a subsite: files of pages are files of a library, attachments have their digests."""
    sites = rows(tenant_folder, "sites.jsonl")
    assert [site["_parent"] for site in sites] == [None, None, sites[1]["id"]]
    assert rows(tenant_folder, "groups.jsonl")[0]["_site"] == sites[1]["id"]
    reader = ContentReader(tenant_folder)
    traits: Counter[str] = Counter()
    for site in sites:
        lists = {str(row["displayName"]): row for row in rows(tenant_folder, f"{site['_dir']}/lists.jsonl")}
        assert {"Documents", "Site Assets", "Site Pages", "Issues", "Visits", "User Information List"} == lists.keys()
        folders = [str(row["_drive"]) for row in lists.values() if row["_drive"]]
        infos = [json.loads((tenant_folder / folder / "drive.json").read_text()) for folder in folders]
        assert folders == site["_drives"]
        assert [info["_list"] for info in infos] == [row["id"] for row in lists.values() if row["_drive"]]
        files = {row["id"] for row in rows(tenant_folder, f"{folders[2]}/items.jsonl")}
        pages = rows(tenant_folder, f"{site['_dir']}/pages.jsonl")
        assert pages and {page["_file"] for page in pages} <= files and all("canvasLayout" in page for page in pages)
        for row in lists.values():
            items: list[Any] = rows(tenant_folder, str(row["_items"])) if row["_items"] else []
            assert len(items) == row.get("_count", 0)
            for item in items:
                traits.update(item.get("_traits", ()))
                assert bool(item.get("_attachments")) == bool(item["fields"].get("Attachments"))
                assert [v["id"] for v in item.get("_versions", ())][:1] in ([], [item["fields"]["_UIVersionString"]])
                for attached in item.get("_attachments", ()):
                    data = b"".join(reader.pieces(attached["_c"], 0, attached["_c"]["len"]))
                    assert hashlib.sha256(data).hexdigest() == attached["_c"]["sha256"]
    reader.close()
    wanted = {"list-attachment", "list-versions", "list-unique-permissions", "list-recurrence"}
    assert (
        wanted <= traits.keys() and json.loads((tenant_folder / "summary.json").read_text())["traits"].keys() >= wanted
    )


def test_everybody_but_the_guest_has_a_mailbox_and_groups_write_to_each_other(tenant_folder: Path) -> None:
    people = rows(tenant_folder, "users.jsonl")
    assert [user["_kind"] for user in people if user["_dir"] is None] == ["guest"]
    assert [group["groupTypes"] for group in rows(tenant_folder, "groups.jsonl")] == [["Unified"], *5 * [[]]]
    for user in people[:9]:
        events = rows(tenant_folder, f"{user['_dir']}/events.jsonl")
        assert {event["type"] for event in events} == {"seriesMaster", "exception", "singleInstance"}
        assert any(event.get("cancelledOccurrences") for event in events)
        for name in ("contacts", "tasks", "calendars", "contactFolders", "todoLists"):
            assert rows(tenant_folder, f"{user['_dir']}/{name}.jsonl")


def test_the_changes_hold_every_kind_and_apply(tenant_folder: Path) -> None:
    tenant = Tenant(tenant_folder)
    before = {row["id"]: row for row in drive_truth(tenant, tenant.drive_in("drives/u00000"))}
    done = apply_changes(tenant, rows(tenant_folder, "changes.jsonl"))
    kinds = {"rename", "move", "delete", "modify", "touch", "delete-recreate", "permissions", "create"}
    kinds |= {
        "site-rename",
        "page-create",
        "listItem-modify",
        "message-update",
        "message-move",
        "message-copy",
        "message-move-back",
        "message-delete",
    }
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
