"""Document libraries of a site: several drives in one bag, each with its own rounds, removals, names and refusals."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.copied import Progress
from exporters.drive.copying import DriveCopy
from exporters.drive.listing import Listing
from exporters.drive.settings import DriveSettings
from exporters.errors import SourceError
from exporters.sharepoint import columns
from exporters.sharepoint.settings import SiteSettings
from tests.faults.site_desk import DRIVES, SiteDesk, make_site, plain, site_desk
from tests.independent import tiny_sites
from tests.independent.site_bag import SiteBag
from tests.independent.tiny import Drive

Row = dict[str, Any]
DOCUMENTS, PLANS, ASSETS = "drives/s0000_0", "drives/s0000_1", "drives/s0000_2"
COLUMNS = "sites/*/lists/*/items/delta"
CONTENT = "drives/{drive}/items/{item}/content"


def fill(site: tiny_sites.Site) -> None:
    """Three libraries of a few files each, one full of oddities, and lists."""
    tiny_sites.fill_library(site.library("Documents"))
    plain(site.library("Plans"), 9, folders=2)
    plain(site.library("Site Assets"), 3)
    pages = site.library("Site Pages", "webPageLibrary")
    site.page("Home.aspx", "Home", "<p>Welcome</p>", _file=pages.file_in("Home.aspx", pages.root)["id"])
    site.list_of("Tasks", [site.item(1, {"Title": "one"})])
    site.list_of("User Information List", [site.item(1, {"Title": "Somebody"})], "userInformation")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tenant folder, and the id of its site."""
    folder = tmp_path_factory.mktemp("lab") / "tenant"
    return folder, make_site(folder, fill)


@pytest.fixture
def lab(tenant: tuple[Path, str], tmp_path: Path) -> Iterator[SiteDesk]:
    with site_desk(tenant[0], tmp_path / "store", tenant[1]) as desk:
        yield desk


def library(lab: SiteDesk, folder: str) -> tuple[str, dict[str, str]]:
    """(drive id, {name: item id}) of a library, by the truth."""
    truth = lab.truth().sites[lab.site]
    (found,) = (one for one in truth.libraries.values() if one.folder == folder)
    return found.id, {row["name"]: item_id for item_id, row in found.items.items()}


def outcomes(bag: SiteBag, drive: str, kind: str = "file") -> dict[str, int]:
    """{outcome: number} of the rows of a library."""
    found: dict[str, int] = {}
    for row in bag.of(kind, drive, gone=True):
        found[row["outcome"]] = found.get(row["outcome"], 0) + 1
    return found


def rule(fault: str, drive: str, **more: Any) -> Row:
    """A fault of the delta of one library."""
    return {"fault": fault, "route": f"drives/{drive}/root/delta", **more}


# ------------------------------------------------------------------------------------------------------- the plain run


def test_libraries_are_copied_side_by_side_in_one_bag(lab: SiteDesk) -> None:
    result = lab.run()
    bag = lab.checked()
    assert result.problems == [] and result.counts["pending"] == 0
    libraries = {"Documents", "Plans", "Site Assets", "Site Pages"}
    assert {row["key"].split("/")[2] for row in bag.of("file") if "key" in row} == libraries
    roots = {row["path"]: row["name"] for row in bag.of("folder") if row["parent"] is None}
    assert roots.keys() >= {f"/{name}" for name in libraries}
    assert {row["name"] for row in bag.of("site", "list")} == libraries | {"Tasks", "User Information List"}
    assert [row["name"] for row in bag.of("site", "site")] == ["Laboratory"]


def test_a_run_with_nothing_new_asks_once_a_library(lab: SiteDesk) -> None:
    lab.run()
    before = {path: path.read_bytes() for path in (lab.folder / lab.bag_name).rglob("*") if path.is_file()}
    asked = lab.asked_by(lab.run)
    assert asked == {
        "sites/{site}": 1,
        "sites/{site}/lists": 1,
        "sites/{site}/drives": 1,
        "drives/{drive}/root/delta": 4,
        "sites/{site}/lists/{list}/items/delta": 2,
    }
    after = {path: path.read_bytes() for path in (lab.folder / lab.bag_name).rglob("*") if path.is_file()}
    assert {path for path in before if "ledger" not in str(path) and before[path] != after.get(path)} == set()
    lab.checked()


def test_what_is_new_in_one_library_is_asked_for_there_alone(lab: SiteDesk) -> None:
    lab.run()
    _, plans = library(lab, PLANS)
    lab.change(
        {"drive": PLANS, "id": plans["file 001.txt"], "op": "rename", "name": "renamed.txt"},
        {"drive": PLANS, "id": plans["file 002.txt"], "op": "delete"},
        {"drive": PLANS, "id": plans["folder 1"], "op": "rename", "name": "other"},
    )
    asked = lab.asked_by(lab.run)
    bag = lab.checked()
    assert asked["sites/{site}/lists/{list}/items/delta"] == 1 + 2 and CONTENT not in asked  # the two lists, as always
    (row,) = (row for row in bag.of("columns") if row["name"] == "renamed.txt")
    assert row["key"].startswith("data/lists/Plans/columns-00002.jsonl!") and row["of"] == plans["file 001.txt"]
    assert [row["outcome"] for row in bag.of("columns", gone=True) if row.get("of") == plans["file 002.txt"]] == [
        "gone"
    ]


def test_new_bytes_keep_the_earlier_ones(lab: SiteDesk, tenant: tuple[Path, str]) -> None:
    lab.run()
    drive, plans = library(lab, PLANS)
    old = next(row for row in lab.bag().of("file", drive) if row["id"] == plans["file 003.txt"])
    content = library_content(lab, PLANS, "file 004.txt")
    lab.change({"drive": PLANS, "id": plans["file 003.txt"], "op": "modify", "_c": content})
    lab.run()
    bag = lab.checked()
    new = next(row for row in bag.of("file", drive) if row["id"] == plans["file 003.txt"])
    assert new["key"].startswith("data/changed/") and new["key"].split("/")[3] == "Plans"
    assert any(row["key"] == old["key"] for row in bag.of("version", plans["file 003.txt"]))
    assert new["path"] == old["path"] and old["key"].startswith("data/libraries/Plans/")


def library_content(lab: SiteDesk, folder: str, name: str) -> Row:
    """The content reference of a file."""
    truth = lab.truth().sites[lab.site]
    (found,) = (one for one in truth.libraries.values() if one.folder == folder)
    return next(dict(row["_c"]) for row in found.items.values() if row["name"] == name)


# -------------------------------------------------------------------------------------- rounds of several at once


def test_q001_an_expired_link_of_one_library_lists_that_one_again(lab: SiteDesk) -> None:
    lab.run()
    drive, plans = library(lab, PLANS)
    _, documents = library(lab, DOCUMENTS)
    lab.faults(rule("410", drive, count=1))
    lab.change(
        {"drive": PLANS, "id": plans["folder 0"], "op": "delete"},
        {"drive": DOCUMENTS, "id": documents["shared.txt"], "op": "delete"},
    )
    asked = lab.asked_by(lab.run)
    assert lab.fired() == 1
    bag = lab.checked()
    assert outcomes(bag, drive)["gone"] == 6 and asked[CONTENT] <= 2
    assert {row["scope"] for row in bag.of("file", gone=True) if row["outcome"] == "gone"} > {drive}


def test_q001_a_library_that_refuses_in_the_middle_of_a_full_round_is_listed_from_the_start(lab: SiteDesk) -> None:
    """Another full round ends meanwhile: what the first had seen is not known any more, and nothing may rest on it."""
    lab.run()
    drives = {folder: library(lab, folder) for folder in (DOCUMENTS, PLANS, ASSETS)}
    lab.desk.settings(delta_page=2)
    lab.faults(
        rule("410", drives[PLANS][0], count=1),
        rule("423", drives[PLANS][0], after=1, count=1),
        rule("410", drives[DOCUMENTS][0], count=1),
        rule("410", drives[ASSETS][0], count=1),
    )
    lab.change(
        *({"drive": folder, "id": ids["folder 0"], "op": "delete"} for folder, (_, ids) in list(drives.items())[1:])
    )
    result = lab.run()
    assert lab.fired() == 4
    (row,) = (row for row in result.coverage if row["class"] == "libraries")
    assert result.problems == ["libraries_refused"] and row["code"] in ("site_locked", "locked")
    bag = lab.bag(settled=False, whole=False)
    assert "gone" not in outcomes(bag, drives[PLANS][0]) and outcomes(bag, drives[ASSETS][0])["gone"] == 1
    assert bag.state.round is None, "no round stays open that another one would end"
    lab.faults()
    assert lab.run().problems == []
    assert outcomes(lab.checked(), drives[PLANS][0])["gone"] == 6


def test_q009_wider_settings_outlive_a_cursor_that_is_lost(lab: SiteDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was cut off between the start of a full round and its first page leaves no cursor, and no word of settings."""
    lab.settings = SiteSettings(DriveSettings(versions="current", permissions="none"))
    drive, plans = library(lab, PLANS)
    content = library_content(lab, PLANS, "file 004.txt")
    lab.change({"drive": PLANS, "id": plans["file 003.txt"], "op": "modify", "_c": content})
    lab.run()
    lab.checked()
    lab.settings = SiteSettings(DriveSettings(versions="all", permissions="shared"))
    lab.faults(rule("410", drive, count=1, location=None))

    keep = Listing._cursor

    def cut(self: Listing, kind: str, link: str) -> None:
        if drive in self._writer.heads.scopes:
            self._writer.flush()
            raise KeyboardInterrupt
        keep(self, kind, link)

    with monkeypatch.context() as patched:
        patched.setattr(Listing, "_cursor", cut)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    lab.run(take_over=True)
    lab.checked()


def test_a_round_that_was_stopped_goes_on_first(lab: SiteDesk) -> None:
    """What it has listed stays: it is asked for the page after the last."""
    lab.desk.settings(delta_page=4)
    drives = sorted(library(lab, folder)[0] for folder in (DOCUMENTS, PLANS, ASSETS, "drives/s0000_3"))
    stop = threading.Event()

    def look() -> bool:
        assert lab.exporter is not None
        cursors = lab.exporter._run.writer.heads.cursors
        return cursors.get(drives[1], {}).get("kind") == "next"

    stop.is_set = look  # type: ignore[method-assign]
    lab.run(stop=stop)
    bag = lab.bag(settled=False, whole=False)
    assert bag.state.cursors[drives[0]]["kind"] == "delta" and drives[2] not in bag.state.cursors
    lab.asked_by(lab.run)
    assert drives[1] in next(row["path"] for row in lab.desk.asked("/root/delta"))
    lab.checked()


@pytest.mark.parametrize("number", [0, 2])
def test_a_run_that_is_killed_in_one_library_goes_on_there(
    lab: SiteDesk, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Of those before it nothing is copied again; what it put itself is taken over, or named."""
    done: list[str] = []
    work = DriveCopy._work

    def cut(self: DriveCopy, *, extra: bool) -> int:
        if len({*done} - {self.scope.drive}) == number:
            take = self._take

            def broken(handful: Any) -> None:
                take(handful)
                raise KeyboardInterrupt

            self._take = broken  # type: ignore[method-assign]
        done.append(self.scope.drive)
        return work(self, extra=extra)

    with monkeypatch.context() as patched:
        patched.setattr(DriveCopy, "_work", cut)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    finished = set(done) - {done[-1]}
    lab.desk.client.control("POST", "reset-requests")
    lab.run(take_over=True)
    contents = [row["path"] for row in lab.desk.asked() if row["route"] == CONTENT]
    assert not [path for path in contents for drive in finished if drive in path]
    lab.checked(leftovers=True)


@pytest.mark.parametrize("refusal", ["423", "403", "500"])
def test_q060_a_library_that_refuses_does_not_stop_the_others(lab: SiteDesk, refusal: str) -> None:
    drive, _ = library(lab, PLANS)
    lab.faults(rule(refusal, drive))
    result = lab.run()
    assert result.problems == ["libraries_refused"] and result.has_answered
    (row,) = (row for row in result.coverage if row["class"] == "libraries")
    assert row["state"] == "in part" and "'Plans'" in row["reason"]
    bag = lab.bag(whole=False, settled=False)
    assert not outcomes(bag, drive) and outcomes(bag, library(lab, ASSETS)[0]) == {"copied": 3}
    first = result.digests["libraries_refused"]
    assert lab.run().digests["libraries_refused"] == first, "the same finding"
    lab.faults()
    assert lab.run().problems == []
    lab.checked()


def test_q060_a_site_that_refuses_is_an_error_of_the_source(lab: SiteDesk) -> None:
    lab.faults({"fault": "423", "route": "sites/*/lists"})
    with pytest.raises(SourceError) as raised:
        lab.run()
    assert raised.value.code == "site_locked"
    lab.faults()
    lab.run()
    lab.checked()


def test_contents_of_one_library_that_are_all_refused_stop_that_one_alone(lab: SiteDesk) -> None:
    drive, _ = library(lab, PLANS)
    lab.faults({"fault": "403", "route": f"drives/{drive}/items/*/content"})
    result = lab.run()
    assert result.exceptions.get("access_denied", 0) >= 9
    assert outcomes(lab.bag(), library(lab, ASSETS)[0]) == {"copied": 3}
    lab.faults()
    lab.run()
    lab.checked()


# ------------------------------------------------------------------------------------------------------------- names


def test_a_library_that_is_renamed_keeps_its_keys(lab: SiteDesk) -> None:
    lab.run()
    drive, _ = library(lab, PLANS)
    before = {row["id"]: row for row in lab.bag().of("file", drive)}
    lab.change({"kind": "list", "list": "Plans", "op": "rename", "displayName": "Plans of 2026"})
    asked = lab.asked_by(lab.run)
    assert CONTENT not in asked
    bag = lab.checked(names={drive: "Plans of 2026"})
    after = {row["id"]: row for row in bag.of("file", drive)}
    assert all(row["path"].startswith("/Plans of 2026/") for row in after.values())
    assert {i: row["key"] for i, row in after.items()} == {i: row["key"] for i, row in before.items()}
    assert lab.asked_by(lab.run)["drives/{drive}/root/delta"] == 4, "and that is all"
    lab.change(
        {"kind": "driveItem", "drive": PLANS, "id": next(iter(after)), "op": "rename", "name": "new name.txt"},
    )
    lab.run()
    lab.checked(names={drive: "Plans of 2026"})


@pytest.mark.parametrize("rows", [1, 11])
def test_a_rename_that_is_cut_off_is_ended_by_the_next_run(
    lab: SiteDesk, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    lab.run()
    drive, _ = library(lab, PLANS)
    lab.change({"kind": "list", "list": "Plans", "op": "rename", "displayName": "Other"})
    taken, take = 0, DriveCopy._take

    def cut(self: DriveCopy, handful: Any) -> None:
        nonlocal taken
        take(self, handful)
        self._writer.flush()
        taken += len(handful)
        if taken >= rows:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(DriveCopy, "_take", cut)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    lab.run(take_over=True)
    lab.checked(names={drive: "Other"}, leftovers=True)


def names_in_the_way(site: tiny_sites.Site) -> None:
    for name in ("Plans", "plans", "PLANS", "data", "root", "files", "pages", "a/b", "..", "x" * 250, "50%"):
        drive: Drive = plain(site.library(name), 2)
        drive.file_in("older.txt", drive.root, _versions=drive.versions(b"one"))


def test_libraries_with_names_in_each_others_way(tmp_path: Path) -> None:
    site = make_site(tmp_path / "tenant", names_in_the_way)
    with site_desk(tmp_path / "tenant", tmp_path / "store", site) as lab:
        lab.run()
        bag = lab.checked()
        places = {row["scope"]: row["key"].split("/")[2] for row in bag.of("file")}
        assert len({place.casefold() for place in places.values()}) == 11
        assert {"Plans", "data", "root", "files"} & set(places.values())
        _, ids = library(lab, "drives/s0000_1")
        content = library_content(lab, "drives/s0000_2", "file 000.txt")
        lab.change({"drive": "drives/s0000_1", "id": ids["file 000.txt"], "op": "modify", "_c": content})
        lab.run()
        again = {
            row["scope"]: row["key"].split("/")[2] for row in lab.checked().of("file") if "/libraries/" in row["key"]
        }
        assert again == places


# ---------------------------------------------------------------------------------------------------- what goes away


def test_a_file_that_moves_to_another_library_is_gone_here_and_new_there(lab: SiteDesk) -> None:
    lab.run()
    drive, plans = library(lab, PLANS)
    other, assets = library(lab, ASSETS)
    content = library_content(lab, PLANS, "file 000.txt")
    lab.change(
        {"drive": PLANS, "id": plans["file 000.txt"], "op": "delete"},
        {"drive": ASSETS, "parent": assets["root"], "op": "create", "name": "file 000.txt", "_c": content},
    )
    lab.run()
    bag = lab.bag()
    assert outcomes(bag, drive) == {"copied": 8, "gone": 1} and outcomes(bag, other) == {"copied": 4}


def test_a_library_that_is_deleted_takes_its_files_along(lab: SiteDesk) -> None:
    lab.run()
    drive, _ = library(lab, PLANS)
    lab.change({"kind": "list", "list": "Plans", "op": "delete"})
    result = lab.run()
    bag = lab.bag()
    assert outcomes(bag, drive) == {"gone": 9} and result.gone_now == 12 and result.problems == []
    assert {row["outcome"] for row in bag.of("columns", gone=True) if row["key"].startswith("data/lists/Plans/")} == {
        "gone"
    }
    assert [row["outcome"] for row in bag.of("site", "drive", gone=True) if row["id"] == drive] == ["gone"]
    assert lab.asked_by(lab.run)["drives/{drive}"] == 0, "it is settled"


@pytest.mark.parametrize("name", ["Plans", "One"])
def test_a_library_that_comes_back_has_its_files_again(lab: SiteDesk, big: SiteDesk, name: str) -> None:
    """Out of the recycle bin of the site; whether it was gone, or waited for a person to say so."""
    desk, folder = (lab, PLANS) if name == "Plans" else (big, DOCUMENTS)
    desk.run()
    drive, _ = library(desk, folder)
    tenant = desk.desk.client.rehearsal.service.tenant
    lists = tenant.lists_of(tenant.site(desk.site))
    info = lists.find(name).info
    desk.change({"kind": "list", "list": name, "op": "delete"})
    assert (desk.run().problems == ["mass_disappearance"]) is (name == "One")
    tenant.removed_drives.discard(folder)
    lists.add(info)
    desk.changes.clear()
    asked = desk.asked_by(desk.run)
    assert CONTENT not in asked and "gone" not in outcomes(desk.checked(), drive)


def test_a_library_that_the_site_does_not_list_is_asked_for_by_itself(lab: SiteDesk) -> None:
    """A listing that comes short takes nothing away."""
    lab.run()
    drive, _ = library(lab, PLANS)
    served = lab.desk.graph.get(f"/sites/{lab.site}/drives", cost="listing")["value"]  # type: ignore[arg-type]
    short = [row for row in served if row["id"] != drive]
    lists = [
        row for row in lab.desk.graph.get(f"/sites/{lab.site}/lists", cost="listing")["value"] if row["name"] != "Plans"
    ]  # type: ignore[arg-type]
    lab.faults(
        {"fault": "status", "route": DRIVES, "status": 200, "body": {"value": short}},
        {"fault": "status", "route": "sites/*/lists", "status": 200, "body": {"value": lists}},
    )
    result = lab.run()
    assert result.gone_now == 0 and outcomes(lab.bag(), drive) == {"copied": 9}
    lab.faults()
    lab.run()
    lab.checked()


def many(site: tiny_sites.Site) -> None:
    for name in ("One", "Two"):
        plain(site.library(name), 110, folders=2)
    plain(site.library("Three"), 2)


@pytest.fixture
def big(tmp_path: Path) -> Iterator[SiteDesk]:
    site = make_site(tmp_path / "tenant", many)
    with site_desk(tmp_path / "tenant", tmp_path / "store", site) as desk:
        yield desk


@pytest.mark.parametrize("how", ["deleted", "emptied", "relisted"])
def test_masses_of_two_libraries_are_one_finding(big: SiteDesk, how: str) -> None:
    big.run()
    folders = (DOCUMENTS, PLANS)
    drives = [library(big, folder)[0] for folder in folders]
    if how == "deleted":
        big.change(*({"kind": "list", "list": name, "op": "delete"} for name in ("One", "Two")))
    else:
        big.change(
            *(
                {"drive": folder, "id": item_id, "op": "delete"}
                for folder in folders
                for name, item_id in library(big, folder)[1].items()
                if name == "folder 0" or (name.startswith("file") and int(name[5:8]) % 3 == 0)
            )
        )
    if how == "relisted":
        big.faults(*(rule("410", drive, count=1) for drive in drives))
    result = big.run()
    assert result.problems == ["mass_disappearance"] and result.gone_now == 0
    bag = big.bag(settled=False, whole=False)
    assert all("gone" not in outcomes(bag, drive) for drive in drives)
    assert {row["outcome"] for row in bag.of("columns", gone=True)} == {"copied"}
    digest = result.digests["mass_disappearance"]
    again = big.run(accepts=lambda one: one == "another")
    assert again.digests["mass_disappearance"] == digest and again.gone_now == 0, "the same finding"
    accepted = big.run(accepts=lambda one: one == digest)
    assert accepted.problems == [] and accepted.gone_now > 220
    bag = big.bag()
    assert all(outcomes(bag, drive) == {"gone": 110} for drive in drives)


def test_a_mass_in_one_library_does_not_hold_back_another(big: SiteDesk) -> None:
    big.run()
    drive, _ = library(big, DOCUMENTS)
    other, three = library(big, ASSETS)
    big.change(
        {"kind": "list", "list": "One", "op": "delete"}, {"drive": ASSETS, "id": three["file 000.txt"], "op": "delete"}
    )
    result = big.run()
    bag = big.bag(settled=False, whole=False)
    assert result.problems == ["mass_disappearance"] and outcomes(bag, other) == {"copied": 1, "gone": 1}
    digest = result.digests["mass_disappearance"]
    big.run(accepts=lambda one: one == digest)
    assert outcomes(big.bag(), drive) == {"gone": 110}


# ------------------------------------------------------------------------------------------------------------ columns


def test_q001_columns_whose_link_expired_are_listed_again(lab: SiteDesk) -> None:
    lab.run()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "delete"})
    lab.faults({"fault": "410", "route": COLUMNS, "count": 1})
    lab.run()
    assert lab.fired() == 1
    bag = lab.checked()
    assert [row["outcome"] for row in bag.of("columns", gone=True) if row.get("of") == plans["file 005.txt"]] == [
        "gone"
    ]
    assert not (lab.folder / lab.bag_name / "data/lists/Plans/columns-00002.jsonl").exists(), "nothing else was new"


@pytest.mark.parametrize("status", [400, 501])
def test_q007_columns_of_a_list_without_delta_are_paged(lab: SiteDesk, status: int) -> None:
    lab.faults({"fault": "no-delta", "route": COLUMNS, "status": status})
    lab.run()
    lab.checked()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "delete"})
    lab.run()
    lab.checked()


def test_columns_that_are_refused_are_asked_for_again(lab: SiteDesk) -> None:
    """Though the files of their library are not new any more."""
    lab.faults({"fault": "403", "route": COLUMNS})
    assert lab.run().problems == ["lists_not_listed", "libraries_refused"]
    lab.faults()
    assert lab.run().problems == []
    lab.checked()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "rename", "name": "five.txt"})
    lab.faults({"fault": "403", "route": COLUMNS})
    assert lab.run().problems == ["lists_not_listed", "libraries_refused"]
    lab.faults()
    assert lab.run().problems == []
    lab.checked()


def test_a_kill_between_files_and_columns_does_not_lose_the_columns(
    lab: SiteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "rename", "name": "five.txt"})

    def cut(self: columns.Columns) -> None:
        self._writer.flush()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(columns.Columns, "copy", cut)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    lab.run(take_over=True)
    lab.checked()


def test_a_stop_among_contents_leaves_columns_for_later(lab: SiteDesk) -> None:
    stop = threading.Event()

    class Stopping(Progress):
        def finished(self, items: int) -> None:
            stop.set()

    stopped = lab.run(stop=stop, progress=Stopping())
    assert "covered" not in {row["state"] for row in stopped.coverage}
    lab.bag(settled=False, whole=False)
    states = {row["class"]: row["state"] for row in lab.run().coverage}
    assert {states[name] for name in ("lists", "list_attachments", "pages")} == {"covered"}
    lab.checked()


def test_a_list_side_that_comes_empty_takes_nothing_away(lab: SiteDesk) -> None:
    lab.run()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "rename", "name": "five.txt"})
    lab.faults(
        {"fault": "410", "route": COLUMNS, "count": 1},
        {"fault": "edit", "route": COLUMNS, "edits": [{"at": "value", "to": []}]},
    )
    result = lab.run()
    assert "libraries_refused" in result.problems
    assert {row["outcome"] for row in lab.bag().of("columns", gone=True)} == {"copied"}
    lab.faults()
    lab.run()
    lab.checked()


LEFT_OUT = [{"at": "value/*/fields", "drop": True}]


@pytest.mark.parametrize("one", [False, True])
def test_columns_that_a_delta_leaves_out_are_asked_for_otherwise(lab: SiteDesk, one: bool) -> None:
    """one: by each item alone, where little is new; else by the plain listing."""
    if one:
        lab.run()
        _, plans = library(lab, PLANS)
        lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "rename", "name": "five.txt"})
    lab.faults({"fault": "edit", "route": COLUMNS, "edits": LEFT_OUT})
    asked = lab.asked_by(lab.run)
    lab.checked()
    items = "sites/{site}/lists/{list}/items"
    assert asked[f"{items}/{{item}}"] == (1 if one else 2), "those of lists are asked for by themselves in any case"
    assert (asked[items] >= 4) is not one


def test_columns_of_pages_that_are_too_large_are_asked_for_in_smaller_ones(lab: SiteDesk) -> None:
    lab.faults({"fault": "504", "route": "re:items/delta$", "count": 40})
    lab.run()
    lab.faults()
    lab.run()
    lab.checked()


def test_q001_columns_whose_links_expire_again_and_again_are_a_refusal(lab: SiteDesk) -> None:
    lab.run()
    _, plans = library(lab, PLANS)
    lab.change({"drive": PLANS, "id": plans["file 005.txt"], "op": "rename", "name": "five.txt"})
    lab.faults({"fault": "410", "route": COLUMNS})
    assert "libraries_refused" in lab.run().problems
    lab.faults()
    assert lab.run().problems == []
    lab.checked()
