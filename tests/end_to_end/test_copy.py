"""Issue acceptance b, d and e: what is copied is the tenant's truth, item by item, and nothing is asked or written twice.

Every verdict is that of tests/independent, which shares nothing with the product.
"""

import json
import re
from collections import Counter
from pathlib import Path

import bagit
import pytest

from tests.conftest import make_tenant_data
from tests.end_to_end.changes import lively_changes, renames_alone
from tests.end_to_end.driving import Product, Row, Tenant, assert_same, bytes_of, rows_of
from tests.faults.desk import InProcess
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store

PRE_AUTHENTICATED = re.compile(r"tempauth|[?&](token|\$skiptoken|sig|prooftoken)=[A-Za-z0-9_.~%-]{12,}", re.IGNORECASE)


def assert_right(product: Product, **settings: object) -> None:
    """The judge finds nothing, and the Library of Congress accepts every bag."""
    found = judge(
        product.store, product.tenant.truth, Settings(versions=product.settings["drive"]["versions"], **settings)
    )  # type: ignore[arg-type]
    assert found == [], "\n".join(found[:20])
    for source in product.store.glob("onedrive/*/lastcopy/source.json"):
        assert bagit.Bag(str(source.parents[1])).validate()


def assert_sums(document: Row) -> None:
    """The document of `export --json` adds up, and agrees with the run's record."""
    for source in document["sources"]:
        assert source["listed"] == source["copied"] + source["unchanged"] + source["excepted"] + source["pending"], (
            source
        )
    for name in ("listed", "copied", "unchanged", "gone", "excepted", "pending", "bytes"):
        assert document["totals"][name] == sum(source[name] for source in document["sources"])
    assert document["requests"]["avoidable"] == document["requests"]["throttled"] == 0


def test_an_odd_tenant_is_in_the_store_item_by_item(tiny_data: Path, tmp_path: Path) -> None:
    """(b) Every file with its SHA-256 under its key, or an exception with its code; nothing else; (d) no news costs nothing."""
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant)
        document = product.export()
        assert document["exceptions"] == {"irm_protected": 1, "malware": 1, "not_found_while_listed": 1}
        assert_sums(document)
        assert document["totals"]["listed"] == sum(len(drive.items) for drive in tenant.truth.drives.values())
        record = json.loads((product.store / f"runs/{document['run']}.json").read_bytes())
        assert {name: record[name] for name in document} == document
        assert_right(product)
        held, folds = bytes_of(product.store), {p: p.read_bytes() for p in product.store.glob("onedrive/*/*.txt")}
        tenant.forget_requests()
        again = product.export()
        assert again["totals"]["copied"] == again["totals"]["bytes"] == 0
        drives = len(tenant.truth.drives)
        assert tenant.routes()["graph drives/{drive}/root/delta"] == drives
        assert set(tenant.routes()) <= {
            "graph drives/{drive}/root/delta",
            "graph users",
            "graph sites/getAllSites",
            "graph organization",
            "graph subscribedSkus",
        }
        assert bytes_of(product.store) == held
        assert {p: p.read_bytes() for p in folds} == folds, "a run without news wrote a fold"
        assert_right(product)
        product.run("verify", "--json", code=0)


def test_a_tenant_that_can_be_copied_whole_ends_with_0(plain_data: Path, tmp_path: Path) -> None:
    with Tenant(plain_data) as tenant:
        product = InProcess(tmp_path, tenant)
        assert product.export(code=0)["exceptions"] == {}
        assert_right(product)


@pytest.mark.parametrize("versions", ["current", 2])
def test_fewer_versions_are_copied_when_fewer_are_asked_for(
    tiny_data: Path, tmp_path: Path, versions: str | int
) -> None:
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant, versions=versions)
        product.export()
        assert_right(product)
        widened = InProcess(tmp_path, tenant, versions="all")
        tenant.forget_requests()
        widened.export()
        asked = [row["route"] for row in tenant.requests() if row["route"].endswith("/content")]
        assert asked and all("versions" in route for route in asked), "what is held was downloaded again"
        assert_right(widened, before=read_store(product.store))


def test_five_users_and_their_changes(five_users: Path, tmp_path: Path) -> None:
    """(b) and (d) with data that the product's authors did not make."""
    with Tenant(five_users) as tenant:
        product = InProcess(tmp_path, tenant)
        assert_sums(product.export())
        assert_right(product)
        before = read_store(product.store)
        changes = [json.loads(line) for line in (five_users / "changes.jsonl").read_bytes().splitlines()]
        tenant.change(*[change for change in changes if change["kind"] == "driveItem"])
        tenant.forget_requests()
        document = product.export()
        assert_right(product, before=before)
        modified = {c["id"] for c in changes if c.get("op") == "modify"} & {
            i for d in tenant.truth.drives.values() for i in d.items
        }
        files = [row for row in tenant.requests() if row["route"] == "drives/{drive}/items/{item}/content"]
        assert {row["path"].split("/")[-2] for row in files} <= modified
        assert document["totals"]["copied"] <= len(modified)
        restored = restore(product)
        assert restored == tree_of(tenant)


def test_the_tenant_of_our_own_generator(tmp_path: Path) -> None:
    """The lively tenant that `lastcopy rehearse` makes."""
    from exporters.rehearsal.generate import generate

    with Tenant(generate(tmp_path / "tenant")) as tenant:
        product = InProcess(tmp_path / "work", tenant)
        assert_sums(product.export(code=None))
        assert_right(product)


def test_a_second_run_equals_the_new_truth_and_keeps_what_was_deleted(tiny_data: Path, tmp_path: Path) -> None:
    """(d) Swaps, chains, moves, edits, deletions, re-used names, all at once."""
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant)
        product.export()
        before, held = read_store(product.store), bytes_of(product.store)
        changes, downloads = lively_changes(tenant.truth)
        tenant.change(*changes)
        tenant.forget_requests()
        product.export()
        files = Counter(
            row["path"] for row in tenant.requests() if row["route"] == "drives/{drive}/items/{item}/content"
        )
        assert len(files) == downloads and set(files.values()) == {1}
        assert_right(product, before=before)
        now = bytes_of(product.store)
        assert {key: now.get(key) for key in held} == held, "payload is append-only"
        assert restore(product) == tree_of(tenant)


def test_names_cost_no_download_and_write_no_payload(tiny_data: Path, tmp_path: Path) -> None:
    """(d) Renames, swaps, chains and moves of files and of whole folders change rows alone."""
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant)
        product.export()
        before, held = read_store(product.store), bytes_of(product.store)
        tenant.change(*renames_alone(tenant.truth))
        tenant.forget_requests()
        document = product.export()
        assert tenant.downloads() == 0 and document["totals"]["bytes"] == 0
        assert bytes_of(product.store) == held
        assert_right(product, before=before)
        assert restore(product) == tree_of(tenant)


def test_users_renamed_in_the_last_week_are_known(tiny_data: Path, tmp_path: Path) -> None:
    """(d) Removing the custom domain renames everybody: no new bag, nothing downloaded again."""
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant)
        product.export()
        before, held = read_store(product.store), bytes_of(product.store)
        tenant.control("POST", "rename-users", b'{"domain": "contoso.onmicrosoft.example"}')
        tenant.forget_requests()
        product.export()
        assert tenant.downloads() == 0
        assert sorted(read_store(product.store).bags) == sorted(before.bags)
        assert bytes_of(product.store) == held
        for path in (product.store / "sources").glob("*.json"):
            names = [entry["name"].partition("@")[2] for entry in json.loads(path.read_bytes())["names"]]
            assert names == ["tiny.onmicrosoft.example", "contoso.onmicrosoft.example"]
        assert_right(product, before=before)
        for name in ("person0@tiny.onmicrosoft.example", "person0@contoso.onmicrosoft.example"):
            assert [s["name"] for s in product.export("--source", f"onedrive/{name}")["sources"]] == [
                "person0@contoso.onmicrosoft.example"
            ]


def test_the_state_database_may_be_lost(tiny_data: Path, tmp_path: Path) -> None:
    """The store is the record: without the database the next run is as it would have been with it."""
    with Tenant(tiny_data) as tenant:
        product = InProcess(tmp_path, tenant)
        product.export()
        before = read_store(product.store)
        for path in tmp_path.glob("lastcopy.db*"):
            path.unlink()
        changes, _ = lively_changes(tenant.truth)
        tenant.change(*changes)
        product.export()
        assert_right(product, before=before)


def test_nothing_secret_is_written_or_logged(tiny_data: Path, tmp_path: Path) -> None:
    """(e) No write verb is ever sent; no secret, token or pre-authenticated URL in any log at any level, nor in the store."""
    tenant_up = Tenant(tiny_data)
    with tenant_up as tenant:
        product = InProcess(tmp_path, tenant)
        said = ""
        for verb in (["export"], ["export", "--json"], ["verify"], ["check"]):
            result = product.run("-vvv", *verb)
            said += result.out + result.err
        tenant.faults(
            {"route": "*", "fault": "503", "count": 3, "seconds": 0.1, "retry_after": "decimal"},
            {"host": "download", "route": "*", "fault": "url-expired", "count": 2},
        )
        changes, _ = lively_changes(tenant.truth)
        tenant.change(*changes)
        result = product.run("-vvv", "export")
        said += result.out + result.err
        rows = tenant.requests()
    assert "answer" in said or "debug" in said, "the level was not that of -vvv"
    assert tenant.info["secret"] not in said
    assert PRE_AUTHENTICATED.search(said) is None
    assert "Bearer " not in said and "eyJ" not in said
    assert {row["method"] for row in rows if row["host"] != "login"} <= {"GET", "HEAD", "POST"}
    assert all(row["route"] in ("token", "$batch") for row in rows if row["method"] == "POST")
    assert not [row for row in rows if "write" in row["marks"]]
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        data = path.read_bytes()
        assert tenant.info["secret"].encode() not in data, path
        assert b"tempauth" not in data, path


@pytest.mark.soak
def test_five_users_in_full_size(tmp_path: Path) -> None:
    """(b) as the issue words it: `--users 5`, nothing scaled down but mail and sites."""
    data = make_tenant_data(
        tmp_path / "tenant", ["--users", "5", "--messages", "0", "--sites", "0", "--changes", "200"]
    )
    with Tenant(data) as tenant:
        product = InProcess(tmp_path / "work", tenant)
        product.run("export", "--json", code=3, seconds=1200)
        assert_right(product)


def tree_of(tenant: Tenant) -> dict[str, dict[str, str]]:
    """{drive id: {path: SHA-256, or "folder"}} of what can be read, as the truth has it."""
    found = {}
    for drive in tenant.truth.drives.values():
        tree = {}
        for item_id, row in drive.items.items():
            if (
                "root" in row
                or "remoteItem" in row
                or row.get("_irm")
                or "malware" in row
                or row.get("_goneAfterListing")
            ):
                continue
            tree[drive.path(item_id)] = row["_c"]["sha256"] if "file" in row else "folder"
        found[drive.id] = tree
    return found


def restore(product: Product) -> dict[str, dict[str, str]]:
    """What `lastcopy restore` gives, by the rows' paths; names that no file system takes are looked up in its list."""
    from tests.end_to_end.restoring import restored_trees

    return restored_trees(product)


__all__ = ["assert_same", "rows_of"]
