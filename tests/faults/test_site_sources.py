"""Sites as sources of a run, by the command line: closed, denied, renamed, chosen by name; OneDrives of people who left.

Rules of this file: the tenant of `site_data`, whose libraries are empty: what is in a site is judged elsewhere.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.rehearsal.generate import generate
from exporters.rehearsal.service import DEFAULT_ROLES
from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import CLOCK, Desk, exported
from tests.independent import tiny_sites
from tests.unit.rehearsal.site_data import SITES, site_id, write_tenant

WALL, SIZE = "/sites/wall", "/sites/Größe #1"
BELOW_WALL = [path for path in SITES if path.startswith(f"{WALL}/")]
SOURCES = {"mail": "none", "onedrive": "none", "sharepoint": "all", "directory": False}
PERSON = ("--by", "Anna Berg", "--reason", "seen")


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with Tenant(write_tenant(tmp_path / "tenant"), clock=CLOCK) as up:
        yield up


@pytest.fixture
def product(tenant: Tenant, tmp_path: Path) -> Desk:
    return Desk(tmp_path / "work", tenant, versions="current", sources=SOURCES)


def change(tenant: Tenant, site: str, op: str, **more: object) -> None:
    row = {"kind": "site", "id": site_id(site), "op": op, **more}
    tenant.control("POST", "changes", json.dumps(row).encode())


def by_name(document: Row) -> dict[str, Row]:
    return {source["name"]: source for source in document["sources"]}


def bags(product: Desk) -> list[str]:
    return sorted(path.name for path in product.store.glob("sharepoint/*"))


def name_of(path: str) -> str:
    return path.strip("/").replace("/", "!") or "root"


def test_every_site_has_a_bag_and_a_second_run_asks_little(tenant: Tenant, product: Desk) -> None:
    document = exported(product, code=0)
    assert len(document["sources"]) == len(SITES)
    assert len(bags(product)) == len(SITES)
    tenant.forget_requests()
    again = exported(product, code=0)
    assert again["totals"]["copied"] == 0
    assert tenant.routes()["graph sites/{site}/sites"] == len(SITES) and tenant.routes()["graph sites/getAllSites"] == 1
    product.run("verify", code=0)


def test_q060_closed_sites_are_said_with_what_to_do_and_never_stop_the_others(tenant: Tenant, product: Desk) -> None:
    """Asked a few times in a run and not again and again; accepted, they are no problem; open again, they are copied."""
    change(tenant, WALL, "lock")
    change(tenant, SIZE, "archive")
    tenant.forget_requests()
    document = exported(product, code=3)
    told = by_name(document)
    closed = {name_of(WALL): "site_locked", name_of(SIZE): "site_archived"}
    for name, code in closed.items():
        row = told[name]["coverage"][0]
        assert (row["class"], row["state"], row["code"]) == ("libraries", "not reachable", code)
    others = {*map(name_of, SITES)} - closed.keys() - {*map(name_of, BELOW_WALL)}
    assert told.keys() - closed.keys() == others
    assert all(told[name]["coverage"][0]["state"] == "covered" for name in others)
    asked = [row for row in tenant.requests() if any(site_id(path) in row["path"] for path in (WALL, SIZE))]
    assert len(asked) <= 3 + 4  # the subsites, what it is, its lists, and why they refuse
    assert {row["status"] for row in asked} <= {423, 200}
    shown = product.run("export", code=3).out
    assert "Unlock" in shown and "Reactivate it in the SharePoint admin centre" in shown and "0.60 USD" in shown
    product.run("accept", "site_locked", "--source", "sharepoint/sites/wall", *PERSON, code=0)
    product.run("accept", "site_archived", "--source", "sharepoint/sites!Größe #1", *PERSON, code=0)
    exported(product, code=0)
    change(tenant, WALL, "open")
    change(tenant, SIZE, "open")
    document = exported(product, code=0)
    assert len(document["sources"]) == len(SITES)
    assert all(row["coverage"][0]["state"] == "covered" for row in document["sources"])


def test_q060_what_we_hold_of_a_site_that_is_locked_later_stays(tenant: Tenant, product: Desk) -> None:
    exported(product, code=0)
    before = {path: path.read_bytes() for path in product.store.glob("sharepoint/*/data/**/*") if path.is_file()}
    change(tenant, WALL, "lock")
    told = by_name(exported(product, code=3))
    for path in (WALL, *BELOW_WALL):  # a subsite is known, and says it for itself
        assert {row.get("code") for row in told[name_of(path)]["coverage"]} >= {"site_locked"}
    assert (
        before.items()
        <= {p: p.read_bytes() for p in product.store.glob("sharepoint/*/data/**/*") if p.is_file()}.items()
    )
    product.run("verify", code=0)


@pytest.mark.parametrize("archive", ["recentlyArchived", "fullyArchived", "reactivating"])
def test_q060_an_archived_site_says_how_far_it_is(archive: str, tenant: Tenant, product: Desk) -> None:
    change(tenant, SIZE, "archive", status=archive)
    shown = product.run("export", code=3).out
    words = {
        "recentlyArchived": "instant and free",
        "fullyArchived": "0.60 USD",
        "reactivating": "Run again when that is done",
    }
    assert words[archive] in shown


def test_a_deleted_site_is_said_and_nothing_of_it_is_marked_gone(tenant: Tenant, product: Desk) -> None:
    exported(product, code=0)
    change(tenant, WALL, "delete")
    document = exported(product, code=3)
    codes = {row.get("code") for row in by_name(document)[name_of(WALL)]["coverage"]}
    assert {"not_found", "mass_disappearance"} <= codes and document["totals"]["gone"] == 0
    assert len(document["sources"]) == len(SITES)
    assert "Deleted sites" in product.run("export", code=3).out
    product.run("accept", "not_found", *PERSON, code=0)
    exported(product, code=0)


def test_a_renamed_site_keeps_its_bag_and_answers_to_both_names(tenant: Tenant, product: Desk) -> None:
    exported(product, code=0)
    held = bags(product)
    change(tenant, WALL, "rename", path="/sites/quay", displayName="The quay")
    told = by_name(exported(product, code=0))
    assert bags(product) == held
    assert told["sites!quay"]["bag"] == "sharepoint/sites!wall"
    assert told["sites!quay!data"]["bag"] == "sharepoint/sites!wall!data"
    for name in ("sharepoint/sites/wall", "sharepoint/sites/quay", "sites!quay"):
        (only,) = exported(product, "--source", name, code=0)["sources"]
        assert only["bag"] == "sharepoint/sites!wall"


def test_names_choose_sites(tenant: Tenant, product: Desk) -> None:
    (only,) = exported(product, "--source", "sharepoint/sites/wall/data", code=0)["sources"]
    assert only["name"] == "sites!wall!data" and bags(product) == ["sites!wall!data"]
    product.run("export", "--source", "sharepoint/sites/nobody", code=2)
    product.configure(sources={**SOURCES, "sharepoint": ["sites/wall", "sharepoint/teams!wall-north", "sites/nobody"]})
    told = by_name(exported(product, code=3))
    assert told.keys() == {"sites!wall", "teams!wall-north", "sites/nobody"}
    assert told["sites/nobody"]["coverage"][0]["code"] == "source_not_found"
    product.configure(sources={**SOURCES, "exclude": ["sites/wall", "sites/wall/data"]})
    shown = product.run("export", code=0).out
    assert "2 sites are not asked for by the configuration" in shown
    product.configure(sources={**SOURCES, "sharepoint": "none"})
    product.run("export", code=0)


def test_without_sites_read_all_the_rest_is_copied_and_the_lack_is_said(tenant: Tenant, product: Desk) -> None:
    """With Sites.Selected too: nobody can list sites by it."""
    roles = sorted(DEFAULT_ROLES - {"Sites.Read.All"} | {"Sites.Selected"})
    tenant.control("POST", "settings", json.dumps({"roles": roles}).encode())
    product.configure(sources={**SOURCES, "onedrive": "all"})
    checked = product.run("check", code=3).out
    assert "Sites.Read.All is missing: needed to find the sites" in checked and "list attachments" in checked
    told = {f"{row['kind']}/{row['name']}": row for row in exported(product, code=3)["sources"]}
    assert told.keys() == {"sharepoint/sites", "onedrive/sites", "onedrive/ada@rehearsal.example"}
    assert told["sharepoint/sites"]["coverage"][0]["code"] == "permission_missing"
    shown = product.run("export", code=3).out
    assert "Grant Sites.Read.All" in shown and "Sites.Selected alone does not do" in shown
    product.run("accept", "permission_missing", *PERSON, code=0)
    exported(product, code=0)


def test_q062_check_says_whether_attachments_of_list_items_can_be_read(tenant: Tenant, product: Desk) -> None:
    """By a certificate alone, and with a permission of SharePoint's own; sites that are not asked for need neither."""

    def told() -> list[tuple[str, str]]:
        checks = product.run("check", "--json").document["checks"]
        return [(row["mark"], row["message"]) for row in checks if row["name"] == "list attachments"]

    ((mark, message),) = told()
    assert mark == "doubtful" and "the credential is a secret" in message
    credential = {"certificate": f"file:{tenant.info['certificate']}"}
    product.configure(tenant={**product.settings["tenant"], "credential": credential})
    assert [mark for mark, _ in told()] == ["good"]
    tenant.faults({"fault": "status", "route": "sites/{site}", "status": 404, "code": "itemNotFound"})
    ((mark, message),) = told()
    assert mark == "doubtful" and "not known" in message
    tenant.faults()
    roles = sorted(DEFAULT_ROLES - {"Sites.Read.All"})
    tenant.control("POST", "settings", json.dumps({"roles": roles}).encode())
    ((mark, message),) = told()
    assert mark == "doubtful"
    product.configure(sources={**SOURCES, "sharepoint": "none"})
    assert told() == []


def test_the_site_of_a_group_says_whose_it_is(tmp_path: Path) -> None:
    """By the owner of its libraries; a group of the site's own has no address."""
    with Tenant(generate(tmp_path / "tenant"), clock=CLOCK) as tenant:
        product = Desk(
            tmp_path / "work",
            tenant,
            versions="current",
            sources={**SOURCES, "sharepoint": ["sites/harbour-wall", "root"]},
        )
        told = by_name(exported(product))
        rows = {
            name: [row for row in source["coverage"] if row["class"] == "team_files"] for name, source in told.items()
        }
        assert rows["root"] == []
        (row,) = rows["sites!harbour-wall"]
        assert row["group"]["mail"] == "harbour.wall@willowmere.example" and row["group"]["name"] == "Harbour wall"
        assert row["state"] == told["sites!harbour-wall"]["coverage"][0]["state"]


def test_the_onedrive_of_somebody_who_left_is_copied(tenant: Tenant, product: Desk) -> None:
    product.configure(sources={**SOURCES, "onedrive": "all", "sharepoint": "none"})
    told = by_name(exported(product, code=0))
    assert told.keys() == {"ada@rehearsal.example", "left_rehearsal_example"}
    assert sorted(path.name for path in product.store.glob("onedrive/*")) == sorted(told)
    (only,) = exported(product, "--source", "onedrive/left_rehearsal_example", code=0)["sources"]
    assert only["unchanged"] == only["listed"] > 0
    product.run("verify", code=0)


def test_a_tenant_that_lists_no_sites_is_not_complete(tenant: Tenant, product: Desk) -> None:
    tenant.faults({"fault": "edit", "route": "sites/getAllSites", "edits": [{"at": "value", "to": []}]})
    (told,) = exported(product, code=3)["sources"]
    assert told["coverage"][0]["code"] == "no_sites"


def test_a_site_beside_the_tenant_of_now(tmp_path: Path) -> None:
    """`verify --against-tenant`: nothing differs; then a file, items of a list and a page that changed, came and went do."""
    sites = tiny_sites.make(tmp_path / "tenant")
    with Tenant(tmp_path / "tenant", clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current", sources={**SOURCES, "sharepoint": ["sites/team"]})
        exported(product, code=3)
        bag = "sharepoint/sites!team"
        (told,) = product.run("verify", "--against-tenant", "--json", code=0).document["against_tenant"]
        assert (told["bag"], told["problem"]) == (bag, None) and told["listed"] > 30
        drive, special = sites[1].drives[1], {"kind": "listItem", "site": sites[1].folder, "list": "Special"}
        gone = next(row for row in drive.rows if row["name"] == "shared.txt")
        changes = [
            {"kind": "driveItem", "drive": drive.folder, "id": gone["id"], "op": "rename", "name": "hidden.txt"},
            {**special, "op": "modify", "id": "1", "fields": {"Title": "other"}},
            {**special, "op": "delete", "id": "3"},
            {**special, "op": "add", "fields": {"Title": "new"}},
            {"kind": "page", "site": "s0001", "id": sites[1].pages[0]["id"], "op": "edit", "set": {"title": "Later"}},
        ]
        tenant.control("POST", "changes", "\n".join(map(json.dumps, changes)).encode())
        (told,) = product.run("verify", "--against-tenant", "--json", code=3).document["against_tenant"]
        assert (told["missing"], told["unexpected"]) == (1, 1) and told["changed"] >= 3
        assert {"/Documents/shared.txt", "/Special/1", "/Site Pages/Home.aspx"} <= {*told["names"]["changed"]}
        assert told["names"]["unexpected"] == ["/Special/3"]
        exported(product, code=3)
        product.run("verify", "--against-tenant", code=0)
        tenant.control("POST", "changes", json.dumps({"kind": "site", "id": sites[1].id, "op": "lock"}).encode())
        (told,) = product.run("verify", "--against-tenant", "--json", code=3).document["against_tenant"]
        assert "locked" in told["problem"]


def test_a_name_that_may_be_hidden_is_no_unknown_name(tenant: Tenant, product: Desk) -> None:
    """Where the list of sites cannot be had, that is what is said of a site that was named: not that nobody has the name."""
    exported(product, "--source", "sharepoint/sites/wall", code=0)
    tenant.faults({"fault": "403", "route": "sites/getAllSites"})
    (told,) = exported(product, "--source", "sharepoint/teams/wall-north", code=3)["sources"]
    assert (told["name"], told["coverage"][0]["code"]) == ("sites", "permission_missing")
    (told,) = exported(product, "--source", "sharepoint/sites/wall", code=0)["sources"]
    product.configure(sources={**SOURCES, "sharepoint": ["sites/wall"]})
    assert [row["name"] for row in exported(product, code=0)["sources"]] == ["sites!wall"]
    product.configure(sources={**SOURCES, "sharepoint": ["sites/wall", "teams/wall-north"]})
    assert by_name(exported(product, code=3)).keys() == {"sites!wall", "sites", "teams/wall-north"}
    product.configure(sources={**SOURCES, "exclude": ["sharepoint/sites"]})
    exported(product, code=0)
    tenant.faults()
    product.run("export", "--source", "sharepoint/teams/nobody", code=2)


def test_q056_a_tenant_without_sharepoint_is_one_finding_of_each_kind(tenant: Tenant, product: Desk) -> None:
    """In the service's own words; accepted, or set to none, it is no problem, and nothing is called complete."""
    routes = ("users/*/drive", "sites/getAllSites")
    tenant.faults(*({"fault": "no-spo", "route": route} for route in routes))
    product.configure(sources={**SOURCES, "onedrive": "all"})
    told = {f"{row['kind']}/{row['name']}": row["coverage"][0]["code"] for row in exported(product, code=3)["sources"]}
    assert told == {"onedrive/onedrive": "no_drive", "sharepoint/sharepoint": "no_sites"}
    assert "sources.sharepoint: none" in product.run("export", code=3).out
    product.run("accept", "no_drive", "--source", "onedrive/onedrive", *PERSON, code=0)
    product.run("accept", "no_sites", "--source", "sharepoint/sharepoint", *PERSON, code=0)
    assert "Complete" not in product.run("export", code=0).out
    tenant.faults()
    assert len(exported(product, code=0)["sources"]) == len(SITES) + 2
