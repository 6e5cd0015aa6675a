"""Quirks of listings, sources and sign-in that take more than one run, or more than one drive, to show."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporters.clock import SystemClock
from tests.end_to_end.changes import renames_alone
from tests.end_to_end.driving import Tenant, rows_of
from tests.faults.desk import (
    CLOCK,
    CONTENT,
    DELTA,
    DRIVE,
    SITES,
    Desk,
    HurriedClock,
    assert_heals,
    exported,
    no_sites,
    problems,
    rule,
)
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Two drives, one of them odd, and a user without a drive."""
    data = tiny.make(tmp_path_factory.mktemp("two") / "tenant", drives=2, files=6)
    with Tenant(data, clock=CLOCK) as up:
        yield up


@pytest.fixture
def both(two: Tenant) -> Iterator[Tenant]:
    yield two
    two.faults()


# ----------------------------------------------------------------------------------------------------------- listing


@pytest.mark.parametrize("count", [1, 2])
def test_q001_410_for_one_drive_of_two(count: int, both: Tenant, tmp_path: Path) -> None:
    """In the second run: one full round heals one drive; twice in a round it fails, and the other goes on."""
    product = Desk(tmp_path, both)
    product.export()
    before = rows_of(product.store)
    first = next(drive for drive in both.truth.drives.values() if drive.folder == "drives/u00000")
    both.faults(rule("410", f"drives/{first.id}/root/delta", count=count))
    both.forget_requests()
    document = product.export()
    assert both.downloads() == 0 and document["totals"]["gone"] == 0
    assert ("resync_loop" in problems(document)) == (count == 2)
    both.faults()
    product.export()
    assert rows_of(product.store) == before


def test_q001_410_in_the_middle_of_a_later_round(small: Path, tmp_path: Path) -> None:
    with Tenant(small, clock=CLOCK) as tenant:
        product = Desk(tmp_path, tenant)
        product.export()
        before = read_store(product.store)
        tenant.settings(delta_page=2)
        (drive,) = tenant.truth.drives.values()
        files = [i for i, row in drive.items.items() if "file" in row and drive.path(i).startswith("/Plain/")]
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1}
        tenant.change(
            *({**base, "op": "rename", "id": item, "name": f"renamed {n}.txt"} for n, item in enumerate(files))
        )
        tenant.change({**base, "op": "delete", "id": files[0]})
        tenant.faults(rule("410", DELTA, after=1, count=1))
        product.export()
        assert tenant.fired() == 1
        found = judge(product.store, tenant.truth, Settings(versions="all", before=before, leftovers=True))
        assert found == [], found[:5]


def test_q006_a_moved_folder_moves_all_below_it(small: Path, tmp_path: Path) -> None:
    """Delta names the folder alone; every path below it changes, no key does, and nothing is downloaded."""
    data = tiny.make(tmp_path / "tenant", drives=1, files=12)
    with Tenant(data, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant)
        product.export()
        before = read_store(product.store)
        tenant.change(*renames_alone(tenant.truth))
        tenant.forget_requests()
        product.export()
        assert [row["path"] for row in tenant.requests() if row["path"].endswith("/content")] == []
        found = judge(product.store, tenant.truth, Settings(versions="all", before=before))
        assert found == [], found[:5]


def test_q007_a_walked_drive_keeps_up_with_changes(small: Path, tmp_path: Path) -> None:
    """No delta in three runs with changes between: moved, renamed, deleted, new; then delta again."""
    data = tiny.make(tmp_path / "tenant", drives=1, files=12)
    with Tenant(data, clock=CLOCK) as tenant:
        tenant.settings(children_page=4)
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(rule("no-delta", DELTA))
        product.export()
        before = read_store(product.store)
        tenant.change(*renames_alone(tenant.truth))
        (drive,) = tenant.truth.drives.values()
        spots = {drive.path(item_id): item_id for item_id in drive.items}
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1}
        tenant.change({**base, "op": "delete", "id": spots["/no hash.txt"]})
        tenant.forget_requests()
        document = product.export()
        assert document["totals"]["gone"] == 1
        assert tenant.downloads() == 0
        tenant.forget_requests()
        document = product.export()
        assert (tenant.downloads(), document["totals"]["gone"], document["totals"]["copied"]) == (0, 0, 0)
        tenant.faults()
        product.export()
        found = judge(product.store, tenant.truth, Settings(versions="all", before=before))
        assert found == [], found[:5]


def test_q007_wider_settings_reach_a_walked_drive(small: Path, tmp_path: Path) -> None:
    with Tenant(small, clock=CLOCK) as tenant:
        tenant.faults(rule("no-delta", DELTA))
        product = Desk(tmp_path / "work", tenant, versions="current")
        product.export()
        product.settings["drive"]["versions"] = "all"
        product.configure()
        product.export()
        assert sum(spot[0] == "version" for spot in rows_of(product.store)) == 3


def test_q009_a_wider_setting_is_not_answered_by_an_old_link(small: Path, tmp_path: Path) -> None:
    with Tenant(small, clock=CLOCK) as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        product.export()
        assert not [spot for spot in rows_of(product.store) if spot[0] == "version"]
        product.settings["drive"]["versions"] = "all"
        product.configure()
        product.export()
        assert judge(product.store, tenant.truth, Settings(versions="all")) == []


def test_q011_links_go_out_as_they_came(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """The rehearsal's tokens hold `#`, `%` and `+`, and are sealed: one that was cut, decoded or rebuilt is refused."""
    tenant.settings(delta_page=3, users_page=1)
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    product.export()
    asked = tenant.requests()
    assert sum("token=" in row["query"] for row in asked) > 15
    assert not [row for row in asked if row["status"] == 400]
    assert_heals(product, undisturbed)


def test_q011_nothing_is_sent_to_a_stranger(tenant: Tenant, tmp_path: Path) -> None:
    """A link to another port of this very machine, where the download host listens: no request, no token."""
    stranger = f"{tenant.rehearsal.service.hosts.download}/v1.0/drives/x/root/delta?token=1"
    for spot in ("@odata.nextLink", "@odata.deltaLink"):
        tenant.faults(rule("edit", DELTA, edits=[{"at": spot, "to": stranger, "add": True}]))
        tenant.forget_requests()
        document = exported(Desk(tmp_path / spot, tenant), code=3)
        assert "foreign_link" in problems(document)
        assert not [row for row in tenant.requests() if row["host"] == "download"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_dead_link_is_not_the_end_of_a_drive(status: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """A saved link that the service refuses, whatever it calls that; a listing from the start is not refused."""
    product = Desk(tmp_path, tenant)
    product.export()
    tenant.faults(rule("status", "re:root/delta$", status=status, code="invalidRequest", count=3, message="Bad token"))
    code = product.run("export", "--json").code
    assert code == 3
    assert_heals(product, undisturbed)


# ------------------------------------------------------------------------------------------------------------ sources


def test_q046_absent_drives_are_asked_for_once_a_week_or_when_a_licence_changes(both: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, both)
    both.forget_requests()
    product.export()
    assert both.routes()["graph users/{user}/drive"] == 3
    both.forget_requests()
    product.export()
    assert both.routes()["graph users/{user}/drive"] == 0
    with sqlite3.connect(product.folder / "lastcopy.db") as state:
        state.execute("UPDATE absent_drives SET asked_at = '2020-01-01T00:00:00+00:00'")
    product.export()
    assert both.routes()["graph users/{user}/drive"] == 1, "the week is over"
    both.forget_requests()
    both.faults(rule("edit", "users", edits=[{"at": "value/*/assignedLicenses", "to": [{"skuId": "another"}]}]))
    product.export()
    assert both.routes()["graph users/{user}/drive"] == 1, "a licence changed"


def test_q046_a_clock_that_was_ahead_leaves_no_drive_out(tmp_path: Path) -> None:
    """Noted under a clock 400 days ahead, and the clock is right again: the user has a drive now, and is asked."""
    data = tiny.make(tmp_path / "tenant", drives=2, files=2, odd=False)
    with Tenant(data, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        user = tenant.rehearsal.service.tenant.users[1]
        drive, user["_drive"] = user["_drive"], None
        product.clock = HurriedClock(skew=timedelta(days=400))
        assert len(exported(product, code=0)["sources"]) == 1
        user["_drive"] = drive
        product.clock = HurriedClock(skew=timedelta(days=10))
        assert len(exported(product, code=0)["sources"]) == 2


def test_q047_every_request_says_who_asks(both: Tenant, tmp_path: Path) -> None:
    """Also those to the sign-in and download hosts."""
    both.forget_requests()
    Desk(tmp_path, both).export()
    rows = both.requests()
    assert {row["host"] for row in rows} == {"login", "graph", "download"}
    assert [row for row in rows if not row["decorated"]] == []


def test_q056_a_wrong_not_found_leaves_nobody_out(both: Tenant, tmp_path: Path) -> None:
    """A plain 404 in the first run: said, with exit 3, and asked again in the next; nobody is out for a week."""
    product = Desk(tmp_path, both)
    both.faults(rule("404", DRIVE), no_sites())
    document = exported(product, code=3)
    assert [source["bag"] for source in document["sources"]] == [None, None, None]
    both.faults()
    product.export()
    assert judge(product.store, both.truth, Settings(versions="all")) == []


def test_q056_drives_that_we_hold_need_no_directory(both: Tenant, tmp_path: Path) -> None:
    """Once copied, a drive is a source, whatever the service says of its user later."""
    product = Desk(tmp_path, both)
    product.export()
    both.faults(rule("no-spo", DRIVE), rule("edit", "users", edits=[{"at": "value/0", "drop": True}]))
    document = exported(product, code=3)
    assert len(document["sources"]) == 2


def test_q056_a_drive_of_which_its_user_is_said_to_have_none_is_found_by_its_site(both: Tenant, tmp_path: Path) -> None:
    """In the service's own words: its site is listed all the same, and the drive in it is that user's."""
    product = Desk(tmp_path, both)
    both.faults(rule("status", DRIVE, status=404, code="ResourceNotFound", message="User's mysite not found."))
    assert len(exported(product, code=3)["sources"]) == 2
    assert judge(product.store, both.truth, Settings(versions="all")) == []
    assert sorted(path.name for path in product.store.glob("onedrive/*")) == [
        f"person{n}@{tiny.DOMAIN}" for n in (0, 1)
    ]


@pytest.mark.parametrize("again", [False, True], ids=["first_run", "remembered"])
def test_q056_no_drive_for_anybody_is_said_and_never_complete(again: bool, both: Tenant, tmp_path: Path) -> None:
    """A tenant that lapses begins so: each user "has no drive", in the service's own words."""
    product = Desk(tmp_path, both)
    told = rule("status", DRIVE, status=404, code="ResourceNotFound", message="User's mysite not found.")
    both.faults(told, no_sites())
    if again:
        exported(product, code=3)
    (told,) = exported(product, code=3)["sources"]
    assert (told["kind"], told["name"], told["bag"]) == ("onedrive", "onedrive", None)
    assert [(row["state"], row["code"]) for row in told["coverage"]] == [("not reachable", "no_drive")]
    shown = product.run("export", code=3).out
    assert "sources.onedrive: none" in shown and "Complete" not in shown
    verified = product.run("verify", "--json", code=3).document
    assert (verified["bags"], verified["reconciled"]) == (0, False)
    shown = product.run("verify", code=3).out
    assert "nothing to prove" in shown and "hole" not in shown


def test_q056_a_tenant_without_drives_can_be_accepted_or_not_asked_for(both: Tenant, tmp_path: Path) -> None:
    """Then it is no problem of a run, and still nothing that could be called complete or whole."""
    product = Desk(tmp_path, both)
    both.faults(rule("no-spo", DRIVE), rule("no-spo", SITES))
    exported(product, code=3)
    more = ("--source", "onedrive/onedrive", "--by", "Anna Berg", "--reason", "no licence ever")
    product.run("accept", "no_drive", *more, code=0)
    assert "Complete" not in product.run("export", code=0).out
    product.run("verify", code=3)
    product.settings["sources"]["onedrive"] = "none"
    product.configure()
    shown = product.run("export", code=0).out
    assert "Nothing was copied" in shown and "Complete" not in shown


def test_q056_whom_all_are_excluded_of_is_no_tenant_without_drives(both: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, both)
    product.settings["sources"]["exclude"] = [f"person{number}@{tiny.DOMAIN}" for number in range(2)]
    product.configure()
    shown = product.run("export", code=0).out
    assert "2 OneDrives are not asked for" in shown and "Complete" not in shown


# ------------------------------------------------------------------------------------------- damage in our own store


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Desk]:
    """Two drives of which nothing is odd, copied."""
    data = tiny.make(tmp_path / "tenant", drives=2, files=2, odd=False)
    with Tenant(data, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        yield product


BAG = f"onedrive/person0@{tiny.DOMAIN}"


def entry_of(product: Desk, bag: str) -> Path:
    """The record of a bag's source."""
    return next(path for path in (product.store / "sources").iterdir() if json.loads(path.read_bytes())["bag"] == bag)


def new_file(tenant: Tenant, folder: str) -> None:
    """In the root of a drive."""
    drive = next(drive for drive in tenant.truth.drives.values() if drive.folder == folder)
    root = next(item_id for item_id in drive.items if drive.path(item_id) == "/")
    base = {"kind": "driveItem", "drive": folder, "n": 1, "op": "create"}
    tenant.change({**base, "parent": root, "name": "new.txt", "_c": tiny.recipe("new", 100)})


def remove_bag(bag: Path) -> None:
    shutil.rmtree(bag)


DAMAGE = {
    "the_bag_is_gone": (remove_bag, "lastcopy/source.json is missing"),
    "source_gone": (lambda bag: (bag / "lastcopy/source.json").unlink(), "lastcopy/source.json is missing"),
    "source_garbage": (lambda bag: (bag / "lastcopy/source.json").write_text("{"), "is not as Lastcopy wrote it"),
    "source_no_object": (lambda bag: (bag / "lastcopy/source.json").write_text("[]"), "is not as Lastcopy wrote it"),
    "source_of_another": (
        lambda bag: (bag / "lastcopy/source.json").write_text('{"id":"x","kind":"onedrive"}'),
        "is not as Lastcopy wrote it",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bag_stops_its_source_alone(damage: str, plain: Desk, tmp_path: Path) -> None:
    """The other drive is copied; the action that is given, to move what is left away, makes the copy whole again."""
    work, told = DAMAGE[damage]
    work(plain.store / BAG)
    new_file(plain.tenant, "drives/u00001")
    document = exported(plain, code=3)
    bad, good = document["sources"]
    assert (bad["bag"], [row["code"] for row in bad["coverage"]]) == (BAG, ["bag_damaged"])
    assert told in bad["coverage"][0]["reason"]
    assert good["copied"] == 1 and good["coverage"][0]["state"] == "covered"
    result = plain.run("export", code=3)
    assert f"move {BAG}/ and" in result.out, result.out
    (tmp_path / "away").mkdir()
    entry_of(plain, BAG).rename(tmp_path / "away/entry.json")
    if (plain.store / BAG).exists():
        (plain.store / BAG).rename(tmp_path / "away/bag")
    document = exported(plain, code=0)
    assert [source["bag"] for source in document["sources"]] == [bad["bag"], good["bag"]]
    found = [text for text in judge(plain.store, plain.tenant.truth, Settings(versions="current")) if BAG in text]
    assert all("left it at segment" in text for text in found), "the journal knows of the bag before, and nothing else"
    assert plain.run("verify", "--json", code=0).document["bags"] == 2


@pytest.mark.parametrize("name", ["x.json", "._0123456789abcdef01234567.json", "0123456789abcdef01234567 (1).json"])
def test_what_is_no_record_of_ours_is_passed_over(name: str, plain: Desk, tmp_path: Path) -> None:
    """What a file manager or a synchroniser leaves in `sources/`: `verify` tells of it, no other verb minds."""
    for text in ("garbage", "[]", entry_of(plain, BAG).read_text()):
        (plain.store / "sources" / name).write_text(text)
        assert len(exported(plain, code=0)["sources"]) == 2
        told = plain.run("accept", "malware", "--source", BAG, "--by", "A", "--reason", "r", code=2)
        assert f"shows 'malware' of {BAG}" in told.err, "the name is known"
        assert plain.run("verify", "--json", code=3).document["unexpected"] == 1
    plain.run("restore", "--to", str(tmp_path / "restored"), code=0)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind":"onedrive","id":"x","bag":"onedrive/x","names":[]}'])
def test_a_damaged_record_stops_its_source_alone_and_is_named(text: str, plain: Desk, tmp_path: Path) -> None:
    entry = entry_of(plain, BAG)
    good = entry.read_bytes()
    entry.write_text(text)
    new_file(plain.tenant, "drives/u00001")
    document = exported(plain, code=3)
    assert [source["copied"] for source in document["sources"]] == [0, 1]
    (told,) = document["sources"][0]["coverage"]
    assert told["code"] == "entry_damaged" and f"sources/{entry.name} in the store is damaged" in told["reason"]
    assert "move it out of the store" in plain.run("export", code=3).out
    plain.run("restore", "--to", str(tmp_path / "restored"), code=0)
    assert entry.read_text() == text, "it is for a person to see"
    entry.rename(tmp_path / "away.json")
    exported(plain, code=0)
    assert {**json.loads(entry.read_bytes()), "names": []} == {**json.loads(good), "names": []}
    assert plain.run("verify", "--json", code=0).document["bags"] == 2


def test_a_damaged_record_of_a_drive_whose_owner_is_gone_is_named(plain: Desk) -> None:
    entry = entry_of(plain, BAG)
    entry.write_text("{")
    plain.tenant.faults(rule("edit", "users", edits=[{"at": "value/0", "drop": True}]))
    document = exported(plain, code=3)
    assert len(document["sources"]) == 2 and "entry_damaged" in problems(document)
    assert f"sources/{entry.name}" in json.dumps(document)


@pytest.mark.parametrize("lost", ["sources", "one_record", "sources_and_journal"])
def test_a_bag_whose_record_is_lost_stays_a_source(lost: str, plain: Desk) -> None:
    """Also when its owner is gone, so that the directory leads nobody to it; its record is made again."""
    before = {path.name: json.loads(path.read_bytes()) for path in (plain.store / "sources").iterdir()}
    if lost == "one_record":
        entry_of(plain, BAG).unlink()
    else:
        shutil.rmtree(plain.store / "sources")
    if lost == "sources_and_journal":
        shutil.rmtree(plain.store / "journal")
    new_file(plain.tenant, "drives/u00000")
    plain.tenant.faults(rule("edit", "users", edits=[{"at": "value/0", "drop": True}]))
    plain.tenant.forget_requests()
    document = exported(plain, code=0)
    assert [(source["bag"], source["copied"]) for source in document["sources"]] == [
        (BAG, 1),
        (BAG.replace("0", "1"), 0),
    ]
    assert plain.tenant.routes()["graph users/{user}/drive"] == 0
    after = {path.name: json.loads(path.read_bytes()) for path in (plain.store / "sources").iterdir()}
    assert {name: record["names"][0]["name"] for name, record in after.items()} == {
        name: record["names"][0]["name"] for name, record in before.items()
    }
    found = plain.run("verify", "--json").document
    assert (found["missing"], found["changed"]) == (0, 0), found["findings"]


# ------------------------------------------------------------------------------------------------------------ sign-in


def by_certificate(product: Desk) -> Desk:
    """Sign in by certificate from now on."""
    product.settings["tenant"]["credential"] = {"certificate": f"file:{product.tenant.info['certificate']}"}
    product.configure()
    return product


@pytest.mark.parametrize("hours", [-5, 5])
def test_q053_an_assertion_out_of_its_time_names_both_clocks(hours: int, tenant: Tenant, tmp_path: Path) -> None:
    product = by_certificate(Desk(tmp_path, tenant))
    tenant.faults(rule("clock-skew", host="login", seconds=hours * 3600))
    result = product.run("export", "--json", code=1)
    error = result.document["error"]
    assert error["code"] == "clock_skew"
    assert error["message"].count("T") >= 2 and "here it is" in error["message"], error
    assert "NTP" in error["action"]
    tenant.faults()
    product.export()


@pytest.mark.parametrize("hours", [-400, 400])
def test_q053_check_names_both_times(hours: int, tenant: Tenant, tmp_path: Path) -> None:
    """More hours than the tenant's hurried clock gains on the store's while all tests run on a slow machine."""
    product = Desk(tmp_path, tenant)
    product.clock = HurriedClock(1, timedelta(hours=hours))
    result = product.run("check", "--json", code=3)
    lines = [check for check in result.document["checks"] if check["name"].startswith("clock")]
    assert len(lines) == 2, "beside Microsoft's, beside the store's"
    for line in lines:
        assert line["mark"] == "bad" and line["message"].count("it is 20") == 2, line
        assert ("ahead" if hours > 0 else "behind") in line["message"]


@pytest.mark.parametrize("hours", [-30, 30])
def test_q053_an_export_with_a_wrong_clock_is_whole(
    hours: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    """Both ways, and then the clock is set right between two runs."""
    product = Desk(tmp_path, tenant)
    product.clock = HurriedClock(30, timedelta(hours=hours))
    product.export()
    product.clock = SystemClock()
    assert_heals(product, undisturbed)


def test_a_certificate_of_somebody_else(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    from tests.unit.graph.fake_service import make_certificate

    product = Desk(tmp_path, tenant)
    other = make_certificate(tmp_path / "other.pem", key_type="rsa")
    product.settings["tenant"]["credential"] = {"certificate": f"file:{other}"}
    product.configure()
    error = product.run("export", "--json", code=1).document["error"]
    assert error["code"] == "certificate_unknown" and error["action"]
    assert not product.store.exists()
    assert_heals(by_certificate(product), undisturbed)


def test_a_wrong_secret(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    right = dict(product.environment)
    product.environment = {name: "wrong" if "SECRET" in name else value for name, value in right.items()}
    error = product.run("export", "--json", code=1).document["error"]
    assert error["code"] == "secret_wrong"
    assert not product.store.exists(), "nothing was touched"
    product.environment = right
    assert_heals(product, undisturbed)


def test_q051_signed_out_in_mid_run_closes_the_bag(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """The secret expires while files are copied: exit 1, the bag is closed and folded, the next run goes on."""
    product = Desk(tmp_path, tenant)
    plan = [rule("revoked", CONTENT, count=1, after=8), rule("aadsts", "token", host="login", number=7000222, after=1)]
    tenant.faults(*plan)
    result = product.run("export", "--json", code=1)
    assert result.document["error"]["code"] == "secret_expired"
    assert json.dumps(result.document).count("Traceback") == 0
    verified = product.run("verify", "--json").document
    assert (verified["missing"], verified["changed"], verified["unexpected"]) == (0, 0, 0)
    assert_heals(product, undisturbed)


# ------------------------------------------------------------------------------------------------- the other verbs

PLANS = {
    "html": rule("status", "*", host="graph", status=200, body="<html>"),
    "nothing": rule("status", "*", host="graph", status=200, body=""),
    "sign_in_html": rule("status", "*", host="login", status=200, body="<html>"),
    "refused": rule("403", "*", host="graph"),
    "busy": rule("500", "*", host="graph"),
    "no_http": rule("garbage", "*"),
    "lapsed": rule("lapsed", "*", host="graph"),
    "expired": rule("401-expired", "*", host="graph"),
    "no_delta": rule("no-delta", DELTA),
    "resync": rule("410", DELTA),
    "odd_rows": rule("edit", "*", edits=[{"at": "value/*/id", "to": 5}]),
}


@pytest.mark.parametrize("verb", ["check", "verify"])
@pytest.mark.parametrize("plan", PLANS)
def test_other_verbs_under_faults_end_in_sentences(plan: str, verb: str, undisturbed: Desk, tenant: Tenant) -> None:
    """`check`, and `verify` beside the tenant: no traceback, no "all is well" where nothing was seen."""
    tenant.faults(PLANS[plan])
    more = ("--against-tenant",) if verb == "verify" else ()
    result = undisturbed.run(verb, "--json", *more, seconds=90)
    assert "internal" not in result.out, result.out
    if verb == "check":
        bad = {check["name"] for check in result.document["checks"] if check["mark"] == "bad"}
        store_clock = bad & {"clock, beside the store's"}  # the machine's; ours has hurried on since the process began
        bad -= store_clock
        assert result.code == (1 if bad else 3 if store_clock else 0), result.out
        assert (not bad) == (plan in ("no_delta", "resync")), result.out
    else:
        assert result.code in (1, 3), result.out


# ------------------------------------------------------------------------- what random plans have found (test_random)


def test_a_folder_that_the_listing_left_out_is_asked_for(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """Its content names it: nothing is planned into a place of its own for want of a name."""
    product = Desk(tmp_path, tenant)
    (drive,) = tenant.truth.drives.values()
    folder = next(item_id for item_id in drive.items if drive.path(item_id) == "/Plain")
    tenant.settings(odd_delta=False)
    tenant.faults(
        rule("edit", DELTA, edits=[{"at": f"value/{place}", "drop": True} for place in row_of(tenant, folder)])
    )
    product.export()
    assert tenant.fired() > 0
    keys = {row.get("key") for row in rows_of(product.store).values()}
    assert "data/files/Plain/f0000.txt" in keys
    tenant.settings(odd_delta=True)
    assert_heals(product, undisturbed)


def row_of(tenant: Tenant, item_id: str) -> list[int]:
    """Places of an item on the pages of a full listing."""
    data = tenant.rehearsal.tenant
    (drive,) = (data.drive_in(folder) for folder in data.drive_folders())
    drive.load()
    found = drive.find(item_id)
    assert found is not None
    return [list(drive.live()).index(found)]


def test_what_was_listed_and_never_worked_on_has_a_path_when_it_is_gone(small: Path, tmp_path: Path) -> None:
    with Tenant(small, clock=CLOCK) as tenant:
        product = Desk(tmp_path, tenant)
        plan = [rule("revoked", CONTENT, count=1), rule("aadsts", "token", host="login", number=7000222, after=1)]
        tenant.faults(*plan)
        product.run("export", "--json", code=1)
        (drive,) = tenant.truth.drives.values()
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1, "op": "delete"}
        deleted = [item_id for item_id in drive.items if drive.path(item_id).startswith("/Plain/")]
        tenant.change(*({**base, "id": item_id} for item_id in deleted))
        tenant.faults()
        product.export()
        rows = rows_of(product.store)
        gone = [rows["file", drive.id, item_id] for item_id in deleted]
        assert all(row["path"].startswith("/Plain/f") for row in gone), gone
        assert [text for text in read_store(product.store).differences if not text.startswith(".lastcopy-tmp/")] == []


def test_objects_of_a_run_that_was_cut_off_are_adopted_whatever_comes_now(
    tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    """Stored without a row, since the sign-in ended the run; asked for again by way of a host that compresses everything."""
    product = Desk(tmp_path, tenant)
    plan = [rule("revoked", CONTENT, count=1, after=6), rule("aadsts", "token", host="login", number=7000222, after=1)]
    tenant.faults(*plan)
    product.run("export", "--json", code=1)
    tenant.faults(rule("gzip", host="download"))
    product.export()
    assert_heals(product, undisturbed)


@pytest.mark.parametrize("route", ["permissions", "versions"])
@pytest.mark.parametrize("status", [404, 410, 418, 500])
def test_what_hangs_on_an_item_is_asked_for_again_in_the_next_run(
    route: str, status: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("status", f"drives/*/items/*/{route}", status=status))
    product.export()
    assert_heals(product, undisturbed)
