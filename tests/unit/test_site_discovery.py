"""Which sites there are: every collection once, subsites at any depth, and drives of personal sites that no listed user has.

Rules of this file: a real session at the simulated tenant of `site_data`; a site is told by its id, and its bag stays.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.bag.catalogue import Catalogue
from exporters.discovery import Undiscovered, discover
from exporters.sharepoint.finding import DEEPEST, site_guids, site_of_drive
from exporters.sources import Source, SourceKind
from tests.unit.discovery_desk import Desk, desk_at
from tests.unit.rehearsal.client import Row
from tests.unit.rehearsal.site_data import ADA, LEFT, LISTED, SITES, drive_id, site_id, write_tenant

SITE, DRIVE = SourceKind.SHAREPOINT, SourceKind.ONEDRIVE
BY_LABEL = {
    "sharepoint/root": "/",
    "sharepoint/sites!wall": "/sites/wall",
    "sharepoint/sites!wall!data": "/sites/wall/data",
    "sharepoint/sites!wall!data!root": "/sites/wall/data/root",
    "sharepoint/sites!wall!data!root!Documents": "/sites/wall/data/root/Documents",
    "sharepoint/sites!wall!Documents": "/sites/wall/Documents",
    "sharepoint/sites!Größe #1": "/sites/Größe #1",
    "sharepoint/teams!wall-north": "/teams/wall-north",
}
PERSONAL = "onedrive/left_rehearsal_example"
ALL_SITES = "sites/getAllSites"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tenant(tmp_path_factory.mktemp("data") / "tenant")


@pytest.fixture
def desk(data: Path, tmp_path: Path) -> Iterator[Desk]:
    with desk_at(data, tmp_path) as made:
        yield made


def change(desk: Desk, **row: object) -> None:
    desk.client.change({"kind": "site", **row})


def bags(desk: Desk) -> dict[str, str]:
    return {record["id"]: record["bag"] for record in Catalogue(desk.store).records()}


def found_ids(desk: Desk) -> list[str]:
    return sorted(one.id for one in desk.found(SITE) if isinstance(one, Source))


def test_every_site_is_a_source_by_its_id_and_its_path_is_its_name(desk: Desk) -> None:
    """Collections of all kinds, one of a channel too; subsites three deep; personal sites are none."""
    found = desk.found(SITE)
    assert all(isinstance(one, Source) and one.kind is SITE and one.owner is None for one in found)
    assert sorted(one.id for one in found) == sorted(map(site_id, SITES))
    by_label = {one.label: one for one in found if one.id != site_id("/root")}
    assert {label: one.id for label, one in by_label.items()} == {k: site_id(v) for k, v in BY_LABEL.items()}
    assert by_label["sharepoint/sites!wall"].web_url == "https://rehearsal.sharepoint.example/sites/wall"


def test_sites_of_any_name_have_bags_of_their_own(desk: Desk) -> None:
    """A subsite named `root` meets the root site, one named like its parent's library nothing, `data` nothing."""
    for source in desk.found(SITE):
        desk.hold(source)
    held = bags(desk)
    assert held.keys() == set(map(site_id, SITES)) and len(set(held.values())) == len(SITES)
    assert (
        sorted(bag.partition("~")[0] for bag in held.values() if "root" in bag and "!" not in bag)
        == ["sharepoint/root"] * 2
    )
    assert held[site_id("/sites/wall/data")] == "sharepoint/sites!wall!data"
    assert held[site_id("/sites/wall/data/root/Documents")] == "sharepoint/sites!wall!data!root!Documents"


def test_a_renamed_site_keeps_its_bag(desk: Desk) -> None:
    for source in desk.sources(SITE).values():
        desk.hold(source)
    before = bags(desk)
    change(desk, id=site_id("/sites/wall"), op="rename", path="/sites/quay")
    after = desk.sources(SITE)
    assert after["sharepoint/sites!quay!data"].id == site_id("/sites/wall/data")
    for source in after.values():
        desk.hold(source)
    assert bags(desk) == before
    names = next(r["names"] for r in Catalogue(desk.store).records() if r["id"] == site_id("/sites/wall"))
    assert [entry["name"] for entry in names] == ["sites!wall", "sites!quay"]


def test_q003_pages_that_overlap_give_each_site_once(desk: Desk) -> None:
    desk.client.control("POST", "settings", {"sites_page": 2})
    desk.fault(fault="duplicate-rows", route="sites/*getAllSites")
    assert found_ids(desk) == sorted(map(site_id, SITES))
    paths = [row["path"] for row in desk.requests() if "getAllSites" in row["path"]]
    assert len(paths) == 3 and paths[1].endswith("/sites/oneDrive.getAllSites")  # the next link, as it is


def test_q011_all_pages_are_read_before_the_first_site_is_copied(desk: Desk) -> None:
    """Its copy may take days, and a link does not last so long."""
    desk.client.control("POST", "settings", {"sites_page": 1})
    first = next(iter(discover(desk.graph, Catalogue(desk.store), desk.clock, desk.state, [SITE])))
    assert isinstance(first, Source)
    assert sum("getAllSites" in row["path"] for row in desk.requests()) == len(LISTED) + 2


def test_a_subsite_that_is_listed_with_the_collections_comes_once(desk: Desk) -> None:
    """getAllSites may list subsites: nobody says that it never does."""
    row = {"id": site_id("/sites/wall/data").upper(), "webUrl": "https://rehearsal.sharepoint.example/sites/wall/data"}
    desk.fault(fault="edit", route=ALL_SITES, edits=[{"at": "value/4", "to": row}])  # in place of Ada's personal site
    assert len(found_ids(desk)) == len(SITES)


def test_a_site_costs_one_request_beside_the_pages(desk: Desk) -> None:
    desk.requests()
    desk.found(SITE)
    rows = desk.requests()
    assert sorted(row["route"] for row in rows) == [ALL_SITES, *["sites/{site}/sites"] * len(SITES)]
    desk.found(DRIVE)
    assert [row["route"] for row in desk.requests()].count("sites/{site}/sites") == 0
    assert sum(row["cost"] for row in rows) == 2 * (1 + len(SITES))


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("op", ["lock", "archive"])
def test_q060_a_closed_site_is_a_source_and_asked_once(op: str, desk: Desk) -> None:
    """What it refuses is found when it is copied; its subsites are not heard of, those of others are."""
    change(desk, id=site_id("/sites/wall"), op=op)
    found = desk.found(SITE)
    below = {path for path in SITES if path.startswith("/sites/wall/")}
    assert sorted(one.id for one in found if isinstance(one, Source)) == sorted(site_id(p) for p in {*SITES} - below)
    assert not [one for one in found if isinstance(one, Undiscovered)]
    statuses = [row["status"] for row in desk.requests() if site_id("/sites/wall") in row["path"]]
    assert statuses == [423]


def test_q060_a_closed_personal_site_is_a_finding_that_says_what_to_do(desk: Desk) -> None:
    personal = site_of_drive(drive_id("drives/u00002"))
    gone = next(row for row in desk.client.control("GET", "truth")["sites"] if site_guids(row["id"]) == personal)["id"]
    wanted = {"fullyArchived": "0.60 USD", "recentlyArchived": "instant and free", "reactivating": "when that is done"}
    for status, words in wanted.items():
        change(desk, id=gone, op="archive", status=status)
        found = [one for one in desk.found(DRIVE) if isinstance(one, Undiscovered)]
        assert [(one.label, one.code) for one in found] == [(PERSONAL, "site_archived")]
        assert words in found[0].action
    change(desk, id=gone, op="lock")
    found = [one for one in desk.found(DRIVE) if isinstance(one, Undiscovered)]
    assert [(one.label, one.code) for one in found] == [(PERSONAL, "site_locked")] and "unlock" in found[0].action


def test_a_site_whose_subsites_may_not_be_listed_is_a_finding_beside_it(desk: Desk) -> None:
    desk.fault(fault="403", route=f"sites/{site_id('/sites/wall')}/sites")
    found = {one.label: one for one in desk.found(SITE)}
    assert found["sharepoint/sites!wall!*"].code == "permission_missing"
    assert isinstance(found["sharepoint/sites!wall"], Source) and "sharepoint/teams!wall-north" in found
    assert "sharepoint/sites!wall!data" not in found


@pytest.mark.parametrize("fault", ["403", "404", "no-delta", "page-loop"])
def test_sites_that_may_not_be_listed_are_one_finding_and_what_we_hold_stays_a_source(fault: str, desk: Desk) -> None:
    wall = desk.sources(SITE)["sharepoint/sites!wall"]
    desk.hold(wall)
    desk.fault(fault=fault, route=ALL_SITES)
    problems = desk.problems(SITE, DRIVE)
    assert problems.keys() == {"sharepoint/sites", "onedrive/sites"}
    if fault == "403":
        told = next(one for one in desk.found(SITE) if isinstance(one, Undiscovered))
        assert told.code == "permission_missing" and "Sites.Read.All" in told.action and "Sites.Selected" in told.action
    assert wall.label in desk.sources(SITE)
    assert "onedrive/ada@rehearsal.example" in desk.sources(DRIVE)


def test_a_listing_that_breaks_off_keeps_what_it_gave(desk: Desk) -> None:
    desk.client.control("POST", "settings", {"sites_page": 1})
    desk.fault(fault="404", route="sites/oneDrive.getAllSites", after=1)
    found = {one.label: one for one in desk.found(SITE)}
    assert isinstance(found["sharepoint/sites"], Undiscovered)
    assert isinstance(found["sharepoint/sites!wall!data!root!Documents"], Source)


def test_a_site_that_the_list_leaves_out_is_asked_for_new_subsites(desk: Desk) -> None:
    """We hold it, and it answers: what came below it since is no less a source."""
    desk.hold(desk.sources(SITE)["sharepoint/sites!wall"])
    desk.fault(fault="edit", route=ALL_SITES, edits=[{"at": "value/1", "drop": True}])
    assert {"sharepoint/sites!wall", "sharepoint/sites!wall!data!root"} <= desk.sources(SITE).keys()


def test_a_site_that_is_gone_stays_a_source(desk: Desk) -> None:
    for source in desk.sources(SITE).values():
        desk.hold(source)
    change(desk, id=site_id("/sites/wall"), op="delete")
    assert "sharepoint/sites!wall!data" in desk.sources(SITE) and not desk.problems(SITE)
    assert "sharepoint/sites!wall" in desk.sources(SITE)


@pytest.mark.parametrize("row", [{"id": ""}, {"id": None}, {}], ids=["empty", "null", "none"])
def test_a_site_without_an_id_is_a_finding(row: Row, desk: Desk) -> None:
    desk.fault(fault="edit", route=ALL_SITES, edits=[{"at": "value/1", "to": row}])
    assert desk.problems(SITE) == {"sharepoint/(a site without id)": "malformed"}
    assert desk.problems(DRIVE) == {"onedrive/(a site without id)": "malformed"}


@pytest.mark.parametrize(
    "url", [None, 7, "", "https://[", "nowhere", "https://x.example/%ff", "https://x.example/\ud800"]
)
def test_a_site_with_an_odd_address_is_a_source_by_another_name(url: object, desk: Desk) -> None:
    desk.fault(fault="edit", route=ALL_SITES, edits=[{"at": "value/1/webUrl", "to": url}])
    assert desk.sources(SITE)["sharepoint/wall"].id == site_id("/sites/wall")


def test_subsites_without_an_end_are_a_finding(desk: Desk) -> None:
    """A service that invents one below each."""
    above, rows = site_id("/sites/wall"), []
    for n in range(DEEPEST + 5):
        url = f"https://rehearsal.sharepoint.example/sites/wall/{'x/' * n}x"
        rows.append(
            {"kind": "site", "op": "create", "site": {"id": f"{above[:80]},{n}", "webUrl": url, "_parent": above}}
        )
        above = f"{above[:80]},{n}"
    desk.client.change(*rows)
    problems = desk.problems(SITE)
    assert list(problems.values()) == ["malformed"] and next(iter(problems)).endswith("!x!*")


# ---------------------------------------------------------------------------------------------- personal sites


def test_the_drive_of_a_person_who_left_is_a_source_by_its_id(desk: Desk) -> None:
    """Ada's is hers, whatever lists it; that of a site without a listed user is named after the site."""
    found = desk.sources(DRIVE)
    assert found.keys() == {"onedrive/ada@rehearsal.example", PERSONAL}
    assert found["onedrive/ada@rehearsal.example"].owner == ADA
    gone = found[PERSONAL]
    assert (gone.id, gone.owner) == (drive_id("drives/u00002"), LEFT)


def test_q046_a_drive_that_is_known_is_not_asked_for_through_its_site(desk: Desk) -> None:
    for source in desk.sources(DRIVE).values():
        desk.hold(source)
    desk.requests()
    assert desk.sources(DRIVE).keys() == {"onedrive/ada@rehearsal.example", PERSONAL}
    assert [row["route"] for row in desk.requests() if row["route"].startswith("sites/")] == [ALL_SITES]


def test_a_drive_whose_id_tells_nothing_of_its_site_is_found_once(desk: Desk) -> None:
    """The form of the ids is documented nowhere: where it is another, each personal site is asked for."""
    site = "rehearsal-my.sharepoint.example,00000000-0000-0000-0000-00000000000a,00000000-0000-0000-0000-00000000000b"
    rows = desk.client.control("GET", "truth")["sites"]
    place = [row["id"] for row in rows if row["parent"] is None].index(
        next(row["id"] for row in rows if row["personal"] and "ada" in row["path"])
    )
    desk.client.control(
        "POST",
        "faults",
        [
            {"fault": "edit", "route": ALL_SITES, "edits": [{"at": f"value/{place}/id", "to": site}]},
            {
                "fault": "status",
                "route": f"sites/{site}/drive",
                "status": 200,
                "body": {"id": drive_id("drives/u00000")},
            },
        ],
    )
    found = [one for one in desk.found(DRIVE) if isinstance(one, Source)]
    assert sorted(one.id for one in found) == sorted([drive_id("drives/u00000"), drive_id("drives/u00002")])


def test_a_second_drive_of_a_listed_user_is_hers_as_well(desk: Desk) -> None:
    """As one that has taken the place of another: both are sources, in every run."""
    desk.fault(fault="edit", route="sites/*/drive", edits=[{"at": "owner/user/id", "to": ADA}])
    wanted = {(drive_id(f"drives/u{n:05}"), "ada@rehearsal.example", ADA) for n in (0, 2)}
    for _ in range(2):
        found = desk.found(DRIVE)
        assert {(one.id, one.name, one.owner) for one in found} == wanted and len(found) == 2
        for source in found:
            desk.hold(source)
        assert len(set(bags(desk).values())) == 2


@pytest.mark.parametrize("fault", ["404", "403", "no-spo", "500"])
def test_q056_a_drive_that_its_user_does_not_lead_to_is_found_by_its_site(fault: str, desk: Desk) -> None:
    """It has the name of its user, and the refusal is no finding then."""
    desk.fault(fault=fault, route=f"users/{ADA}/drive")
    found = {one.label: one for one in desk.found(DRIVE)}
    assert found.keys() == {"onedrive/ada@rehearsal.example", PERSONAL}
    assert found["onedrive/ada@rehearsal.example"].owner == ADA
    assert all(isinstance(one, Source) for one in found.values())


def test_a_personal_site_without_the_word_of_the_service_is_known_by_its_address(desk: Desk) -> None:
    desk.fault(fault="edit", route=ALL_SITES, edits=[{"at": "value/*/isPersonalSite", "drop": True}])
    assert found_ids(desk) == sorted(map(site_id, SITES))
    assert PERSONAL in desk.sources(DRIVE)


def test_the_form_of_ids() -> None:
    told = site_of_drive(drive_id("x"))
    assert told is not None and len(told) == 73
    assert site_guids(f"host,{told.upper()}") == told
    assert site_of_drive("b!short") is None and site_of_drive("no drive") is None and site_of_drive("b!***") is None


def test_collections_are_what_the_tenant_lists(desk: Desk) -> None:
    """The data is as the tests say."""
    rows = [row for page in desk.client.pages("/sites/getAllSites") for row in page]
    assert [row["id"] for row in rows if not row["isPersonalSite"]] == [site_id(path) for path in LISTED]


def test_subsites_that_are_not_found_of_a_site_that_is_open_are_a_finding(desk: Desk) -> None:
    """Of one that is gone they are none: it says so itself."""
    desk.fault(fault="404", route=f"sites/{site_id('/sites/wall')}/sites")
    found = desk.found(SITE)
    assert [one.name for one in found if isinstance(one, Undiscovered)] == ["sites!wall!*"]
    desk.fault(fault="404", route=f"sites/{site_id('/sites/wall')}*")
    assert [one for one in desk.found(SITE) if isinstance(one, Undiscovered)] == []
