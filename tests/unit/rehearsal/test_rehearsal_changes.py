"""Changes against a naive model: whatever happens, counts, sizes, paths and the log are right."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.rehearsal.changes import ChangeError, apply_changes, rename_users
from exporters.rehearsal.tenant import Tenant, TenantDataError
from exporters.rehearsal.truth import drive_truth, tenant_truth

Row = dict[str, Any]
DRIVE = "drives/u00000"


@pytest.fixture
def tenant(tenant_folder: Path) -> Iterator[Tenant]:
    found = Tenant(tenant_folder)
    yield found
    found.close()


def items(tenant: Tenant, *, deleted: bool = False) -> dict[str, Row]:
    return {row["id"]: row for row in drive_truth(tenant, tenant.drive_in(DRIVE), deleted=deleted)}


def named(tenant: Tenant, path: str) -> Row:
    return next(row for row in items(tenant).values() if row["path"] == path)


def apply(tenant: Tenant, *changes: Row) -> dict[str, int]:
    return apply_changes(tenant, [{"kind": "driveItem", "drive": DRIVE, **change} for change in changes])


def check_sums(tenant: Tenant) -> None:
    """childCount and size of every container are those of what is in it, at any time."""
    drive, rows = tenant.drive_in(DRIVE), items(tenant)
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for row in rows.values():
        counts[row["parent"]] = counts.get(row["parent"], 0) + 1
        above = row["parent"]
        while above and row["kind"] in ("file", "other", "remoteItem"):
            sizes[above] = sizes.get(above, 0) + row.get("listed_size", 0)
            above = rows[above]["parent"]
    for item_id, row in rows.items():
        n = drive.find(item_id)
        assert n is not None
        if row["kind"] in ("root", "folder", "package"):
            assert (row["childCount"], row["size"]) == (counts.get(item_id, 0), sizes.get(item_id, 0)), row["path"]
            assert {drive.row(child)["id"] for child in drive.children(n)} == {
                other for other, one in rows.items() if one["parent"] == item_id
            }
    assert drive.live_count == len(rows)


operations = st.lists(
    st.tuples(
        st.sampled_from(["rename", "touch", "modify", "delete", "delete-recreate", "move", "create", "folder"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(chosen=operations)
def test_sums_hold_after_any_changes(tenant_folder: Path, chosen: list[tuple[str, int, int]]) -> None:
    tenant = Tenant(tenant_folder)
    try:
        for number, (op, one, two) in enumerate(chosen):
            ids = sorted(items(tenant, deleted=True))
            first, second = ids[one % len(ids)], ids[two % len(ids)]
            content = {"gen": f"m{number}", "len": two, "sha256": "…", "qx": "…"}
            change = {"id": first, "op": op, "name": f"n{number}", "to": second, "_c": content}
            if op in ("create", "folder"):
                change |= {"op": "create", "parent": second, "folder": op == "folder"}
            apply(tenant, change)
        check_sums(tenant)
    finally:
        tenant.close()


def test_sums_are_right_from_the_start(tenant: Tenant) -> None:
    check_sums(tenant)


def test_modify_leaves_an_earlier_version(tenant: Tenant) -> None:
    before = named(tenant, "/Letters/to the bank.pdf")
    content = {"gen": "new", "len": 5, "sha256": "five", "qx": "hash"}
    assert apply(tenant, {"id": before["id"], "op": "modify", "_c": content}) == {"modify": 1}
    drive = tenant.drive_in(DRIVE)
    row = drive.row(drive.find(before["id"]) or 0)
    assert (row["size"], row["file"]["hashes"]) == (5, {"quickXorHash": "hash"})
    assert [(version["id"], version.get("_current")) for version in row["_versions"]] == [("2.0", True), ("1.0", None)]
    assert row["_versions"][1]["_c"]["sha256"] == before["sha256"]


def test_touch_changes_tag_and_date_only(tenant: Tenant) -> None:
    drive = tenant.drive_in(DRIVE)
    item_id = named(tenant, "/Letters/to the bank.pdf")["id"]
    n = drive.find(item_id) or 0
    before = drive.row(n)
    apply(tenant, {"id": item_id, "op": "touch"})
    after = drive.row(n)
    assert {key for key in after if after[key] != before[key]} == {"eTag", "lastModifiedDateTime"}


def test_delete_recreate_makes_an_empty_folder_with_a_new_id(tenant: Tenant) -> None:
    before = named(tenant, "/Projects")
    below = [row for row in items(tenant).values() if row["path"].startswith("/Projects/")]
    assert apply(tenant, {"id": before["id"], "op": "delete-recreate"}) == {"delete-recreate": 1}
    after = named(tenant, "/Projects")
    assert after["id"] != before["id"] and after["childCount"] == 0 and below
    assert not {row["id"] for row in below} & items(tenant).keys()
    check_sums(tenant)


def test_an_id_that_is_gone_does_nothing(tenant: Tenant) -> None:
    item_id = named(tenant, "/Letters")["id"]
    inside = named(tenant, "/Letters/to the bank.pdf")["id"]
    done = apply(
        tenant,
        {"id": item_id, "op": "delete"},
        {"id": inside, "op": "rename", "name": "x"},
        {"id": item_id, "op": "delete"},
        {"id": "never was", "op": "touch"},
    )
    assert done == {"delete": 1, "skipped": 3}


def test_a_folder_does_not_move_into_itself(tenant: Tenant) -> None:
    outer, inner = named(tenant, "/Projects")["id"], named(tenant, "/Projects/Harbour wall")["id"]
    assert apply(tenant, {"id": outer, "op": "move", "to": inner}) == {"skipped": 1}
    check_sums(tenant)


def test_q006_a_folder_rename_is_one_event_and_moves_all_paths(tenant: Tenant) -> None:
    drive = tenant.drive_in(DRIVE)
    apply(tenant, {"id": named(tenant, "/Projects")["id"], "op": "rename", "name": "Works"})
    assert len(drive.log) == 1
    assert named(tenant, "/Works/Harbour wall/Contract.docx")["name"] == "Contract.docx"


def test_the_same_changes_give_the_same_chain(tenant_folder: Path) -> None:
    chains = []
    for name in ("same", "same", "other"):
        tenant = Tenant(tenant_folder)
        apply(tenant, {"id": named(tenant, "/Letters")["id"], "op": "rename", "name": name})
        chains.append(tenant.drive_in(DRIVE).chain[-1])
        tenant.close()
    assert chains[0] == chains[1] != chains[2]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "planet"},
        {"kind": "driveItem", "drive": DRIVE, "id": "x", "op": "explode"},
        {"kind": "user", "id": "x", "op": "explode"},
    ],
    ids=["kind", "operation", "user operation"],
)
def test_unknown_changes_are_refused(tenant: Tenant, change: Row) -> None:
    change["id"] = tenant.users[0]["id"] if change["kind"] == "user" else change.get("id")
    with pytest.raises(ChangeError):
        apply_changes(tenant, [change])


def test_messages_are_counted_and_ignored(tenant: Tenant) -> None:
    assert apply_changes(tenant, [{"kind": "message", "user": "x", "id": "y", "op": "delete"}]) == {"ignored": 1}


def test_users_are_renamed_created_and_lose_drives(tenant: Tenant) -> None:
    first = tenant.users[0]
    domain = "willowmere.onmicrosoft.example"
    assert rename_users(tenant, domain) == 11  # the guest stays
    assert tenant.user(f"ottilie.brandvold@{domain}") is first
    assert first["proxyAddresses"][:2] == [
        f"SMTP:ottilie.brandvold@{domain}",
        "smtp:ottilie.brandvold@willowmere.example",
    ]
    done = apply_changes(
        tenant,
        [
            {"kind": "user", "op": "create", "user": {"id": "new", "userPrincipalName": "n@x", "mail": "n@x"}},
            {"kind": "user", "op": "remove-drive", "id": first["id"]},
            {"kind": "user", "op": "remove-drive", "id": first["id"]},
        ],
    )
    assert done == {"skipped": 1, "user-create": 1, "user-remove-drive": 1}
    assert tenant.drive_of(first) is None
    assert tenant.user("N@X") is not None
    assert tenant_truth(tenant)["users"][0]["drive"] is None


def test_what_is_no_tenant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TenantDataError, match=r"tenant\.json"):
        Tenant(tmp_path)
    (tmp_path / "tenant.json").write_text('{"format": 2}')
    with pytest.raises(TenantDataError, match="format 2"):
        Tenant(tmp_path)


def test_q035_lone_surrogates_in_names_come_through(tenant_folder: Path, tmp_path: Path) -> None:
    """orjson refuses them both ways; the rows hold them as escapes."""
    import shutil

    from exporters.rehearsal.documents import render

    shutil.copytree(tenant_folder, tmp_path / "t")
    path = tmp_path / "t" / DRIVE / "items.jsonl"
    lines = path.read_bytes().replace(b"to the bank.pdf", rb"to the \ud83d bank.pdf")
    path.write_bytes(lines)
    tenant = Tenant(tmp_path / "t")
    row = next(row for row in items(tenant).values() if row["name"] == "to the \ud83d bank.pdf")
    assert rb"\ud83d" in render(row)
    apply(tenant, {"id": row["id"], "op": "rename", "name": "still \udfff"})
    assert named(tenant, "/Letters/still \udfff")["id"] == row["id"]
    tenant.close()
