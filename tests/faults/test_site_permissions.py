"""Who can see a site, its lists and items: what is asked, at which price, and what is said where that cannot be told."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporters.copied import Progress
from exporters.drive.settings import DriveSettings
from exporters.sharepoint.settings import SiteSettings
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored
from tests.faults.mail_desk import TurnedClock
from tests.faults.site_desk import SiteDesk, make_site
from tests.independent import tiny_sites
from tests.unit.graph.list_tenant import session_at
from tests.unit.graph.mailbox_tenant import Desk
from tests.unit.rehearsal.client import running
from tests.unit.rehearsal.test_rehearsal_mail import needs_fixtures

Row = dict[str, Any]
OWN = [{"id": "1", "roles": ["read"], "grantedToV2": {"user": {"id": "u", "displayName": "Somebody"}}}]
OF_SITE, OF_LIST = "sites/{site}/permissions", "sites/{site}/lists/{list}/permissions"
OF_ITEM = "sites/{site}/lists/{list}/items/{item}/permissions"
GROUPS, ASSIGNMENTS, UNIQUE = "_api/web/sitegroups", "_api/web/roleassignments", "_api/web/lists/items"
PERMISSIONS = {OF_SITE, OF_LIST, OF_ITEM, GROUPS, ASSIGNMENTS, UNIQUE, "drives/{drive}/items/{item}/permissions"}


def fill(site: tiny_sites.Site) -> None:
    """A library, and a list of six items, two of which have permissions of their own."""
    site.library("Documents").file_in("a.txt", site.drives[0].root)
    own = {2: OWN, 5: [*OWN, *OWN]}
    items = [
        site.item(n, {"Title": f"task {n}"}, **({"_uniquePermissions": own[n]} if n in own else {}))
        for n in range(1, 7)
    ]
    site.list_of("Tasks", items)


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tenant folder, and the id of its site."""
    folder = tmp_path_factory.mktemp("seen") / "tenant"
    return folder, make_site(folder, fill)


@contextmanager
def lab_at(
    tenant: tuple[Path, str], folder: Path, *, has_certificate: bool = True, full: bool = True
) -> Iterator[SiteDesk]:
    """A desk. full: the application has full control of sites."""
    clock = TurnedClock()
    with running(tenant[0], clock=clock) as client:
        if full:
            roles = [*client.rehearsal.settings.roles, "Sites.FullControl.All"]
            client.control("POST", "settings", {"roles": roles})
        with session_at(client, clock, has_certificate=has_certificate) as graph:
            found = SiteDesk(Desk(client, graph), tenant[0], folder, clock, tenant[1])
            found.settings = asked("shared", has_certificate=has_certificate)
            yield found
            found.store.close()


@pytest.fixture
def lab(tenant: tuple[Path, str], tmp_path: Path) -> Iterator[SiteDesk]:
    with lab_at(tenant, tmp_path / "store") as found:
        yield found


def asked(permissions: str, *, refresh: bool = False, has_certificate: bool = True) -> SiteSettings:
    return SiteSettings(DriveSettings(permissions=permissions, refresh_permissions=refresh), has_certificate)


def reads(lab: SiteDesk, run: Callable[[], object]) -> dict[str, int]:
    """{route: number} of the requests of a run about permissions; each must cost five units."""
    lab.desk.client.control("POST", "reset-requests")
    run()
    rows = [row for row in lab.desk.client.control("GET", "requests") if row["route"] in PERMISSIONS]
    assert {row["cost"] for row in rows if row["status"] == 200} <= {5}
    return dict(Counter(row["route"] for row in rows))


def told(lab: SiteDesk) -> dict[tuple[str, str], list[Row]]:
    """{(scope, id): permissions} of the fold; each says when it was captured."""
    path = lab.folder / lab.bag_name / "lastcopy/permissions.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    assert all(row["captured"].endswith("Z") for row in rows)
    return {(row["scope"], row["id"]): row["permissions"] for row in rows}


def rows_of(lab: SiteDesk, kind: str) -> list[Row]:
    lines = (lab.folder / lab.bag_name / "lastcopy/items.jsonl").read_bytes().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def list_ids(lab: SiteDesk) -> dict[str, str]:
    return {one.name: one.id for one in lab.truth().sites[lab.site].lists.values()}


def states(result: Any) -> dict[str, str]:
    """{class: state} of what is said of permissions."""
    return {row["class"]: row["state"] for row in result.coverage if row["class"] in COVERED}


COVERED = dict.fromkeys(("site_permissions", "site_groups", "list_permissions", "item_permissions"), "covered")


# ------------------------------------------------------------------------------------------------- what is asked


def test_shared_asks_for_the_site_each_list_and_items_of_their_own(lab: SiteDesk) -> None:
    results: list[Any] = []
    assert reads(lab, lambda: results.append(lab.run())) == {
        OF_SITE: 1, GROUPS: 1, ASSIGNMENTS: 1, OF_LIST: 2, UNIQUE: 1, OF_ITEM: 2,
    }  # fmt: skip
    tasks, found = list_ids(lab)["Tasks"], told(lab)
    assert found[tasks, "2"] == OWN and found[tasks, "5"] == [*OWN, *OWN]
    assert {spot for spot in found if spot[0] == tasks} == {(tasks, tasks), (tasks, "2"), (tasks, "5")}
    assert found["site", lab.site] == lab.desk.client.rehearsal.tenant.sites[0]["_permissions"]
    assert [row["Member"]["Title"] for row in found["web", lab.site]] == [
        f"Laboratory {name}" for name in ("Owners", "Members", "Visitors")
    ]
    assert states(results[0]) == COVERED
    lab.bag()


def test_the_groups_of_a_site_are_kept_with_their_members(lab: SiteDesk) -> None:
    lab.run()
    bag = lab.bag()
    lines = [bag.line(row)["graph"] for row in bag.of("site", "group")]
    assert [line["Title"] for line in lines] == [f"Laboratory {name}" for name in ("Owners", "Members", "Visitors")]
    assert lines[0]["Users"][0]["LoginName"].startswith("i:0#.f|membership|")


def test_all_asks_for_every_item_and_none_for_nothing(tenant: tuple[Path, str], tmp_path: Path) -> None:
    with lab_at(tenant, tmp_path / "all") as lab:
        lab.settings = asked("all")
        found = reads(lab, lab.run)
        assert (found[OF_ITEM], found.get(UNIQUE)) == (6, None)
        assert len([spot for spot in told(lab) if spot[0] == list_ids(lab)["Tasks"]]) == 7
    with lab_at(tenant, tmp_path / "none") as lab:
        lab.settings = asked("none")
        results: list[Any] = []
        assert reads(lab, lambda: results.append(lab.run())) == {} and told(lab) == {}
        assert set(states(results[0]).values()) == {"not asked"}


def test_a_run_without_news_asks_nothing(lab: SiteDesk) -> None:
    lab.run()
    assert reads(lab, lab.run) == {}


def test_news_of_a_list_are_looked_at_and_nothing_else(lab: SiteDesk) -> None:
    lab.run()
    lab.change({"kind": "listItem", "list": "Tasks", "op": "add", "fields": {"Title": "seven"}})
    assert reads(lab, lab.run) == {UNIQUE: 1}
    assert reads(lab, lab.run) == {}


def test_in_all_a_new_item_is_asked_for_once(tenant: tuple[Path, str], tmp_path: Path) -> None:
    with lab_at(tenant, tmp_path / "store") as lab:
        lab.settings = asked("all")
        lab.run()
        lab.change({"kind": "listItem", "list": "Tasks", "op": "add", "fields": {"Title": "seven"}})
        lab.change({"kind": "listItem", "list": "Tasks", "op": "modify", "id": "1", "fields": {"Title": "one"}})
        assert reads(lab, lab.run) == {OF_ITEM: 1}
        assert reads(lab, lab.run) == {}


def test_wider_settings_ask_for_the_rest(lab: SiteDesk) -> None:
    lab.run()
    lab.settings = asked("all")
    found = reads(lab, lab.run)
    assert found[OF_ITEM] == 4 and OF_LIST not in found
    lab.settings = asked("shared")
    assert reads(lab, lab.run) == {}


def test_refresh_asks_for_all_again(lab: SiteDesk) -> None:
    lab.run()
    site, tasks = lab.desk.client.rehearsal.tenant.sites[0], list_ids(lab)["Tasks"]
    lists = lab.desk.client.rehearsal.tenant.lists_of(site)
    one = lists.find(tasks)
    assert one is not None
    for item_id, own in (("2", None), ("3", OWN)):  # nothing announces it
        n = one.find(item_id)
        assert n is not None
        row = {key: value for key, value in one.row(n).items() if key != "_uniquePermissions"}
        one.put(n, row if own is None else {**row, "_uniquePermissions": own})
    site["_siteGroups"] = [{"Id": 3, "Title": "Laboratory Owners", "Users": []}]
    assert reads(lab, lab.run) == {}
    lab.settings = asked("shared", refresh=True)
    found = reads(lab, lab.run)
    assert (found[OF_SITE], found[OF_LIST], found[OF_ITEM], found[GROUPS]) == (
        1,
        2,
        2,
        2,
    )  # two groups are gone: listed twice
    assert told(lab)[tasks, "2"] == [] and told(lab)[tasks, "3"] == OWN
    groups = {row["id"]: row["outcome"] for row in rows_of(lab, "site") if row["scope"] == "group"}
    assert groups == {"3": "copied", "4": "gone", "5": "gone"}
    assert len([row for row in rows_of(lab, "version") if row["scope"] == "group/3"]) == 1
    lab.bag()


# ------------------------------------------------------------------------------------- what cannot be asked for


def test_q062_without_a_certificate_groups_and_items_are_said_not_to_be_covered(
    tenant: tuple[Path, str], tmp_path: Path
) -> None:
    with lab_at(tenant, tmp_path / "store", has_certificate=False, full=False) as lab:
        results: list[Any] = []
        assert reads(lab, lambda: results.append(lab.run())) == {OF_LIST: 2}
        assert states(results[0]) == {
            "site_permissions": "not reachable",
            "site_groups": "not reachable",
            "list_permissions": "covered",
            "item_permissions": "not reachable",
        }
        assert not results[0].problems and all(row.get("reason") for row in results[0].coverage if "code" in row)
        again = lab.run()
        assert states(again) == states(results[0])
        lab.settings = asked("all", has_certificate=False)
        assert reads(lab, lambda: results.append(lab.run()))[OF_ITEM] == 6
        assert states(results[1])["item_permissions"] == "covered"


def test_a_refused_item_is_an_exception_until_it_is_told(lab: SiteDesk) -> None:
    lab.faults({"fault": "403", "route": "sites/*/lists/*/items/2/permissions"})
    result = lab.run()
    assert result.exceptions == {"permissions_unavailable": 1}
    (row,) = rows_of(lab, "permission")
    assert (row["scope"], row["id"], row["outcome"]) == (list_ids(lab)["Tasks"], "2", "excepted") and row["reason"]
    assert reads(lab, lab.run) == {OF_ITEM: 1}
    lab.faults()
    assert reads(lab, lab.run) == {OF_ITEM: 1}
    assert told(lab)[list_ids(lab)["Tasks"], "2"] == OWN
    assert [row["outcome"] for row in rows_of(lab, "permission")] == ["copied"]
    assert reads(lab, lab.run) == {}


def test_a_refused_item_that_is_deleted_is_settled(lab: SiteDesk) -> None:
    lab.faults({"fault": "403", "route": "sites/*/lists/*/items/2/permissions"})
    lab.run()
    lab.change({"kind": "listItem", "list": "Tasks", "op": "delete", "id": "2"})
    lab.run()
    lab.run()
    assert [row["code"] for row in rows_of(lab, "permission")] == ["vanished"]
    assert reads(lab, lab.run) == {}


def test_q032_when_nothing_but_refusals_comes_nobody_goes_on(tmp_path: Path) -> None:
    def many(site: tiny_sites.Site) -> None:
        site.list_of("Many", [site.item(n, {"Title": "x"}) for n in range(1, 200)])

    folder = tmp_path / "tenant"
    with lab_at((folder, make_site(folder, many)), tmp_path / "store") as lab:
        lab.settings = asked("all")
        lab.faults({"fault": "403", "route": "sites/*/lists/*/items/*/permissions"})
        results: list[Any] = []
        assert 60 <= reads(lab, lambda: results.append(lab.run()))[OF_ITEM] < 150
        assert states(results[0])["list_permissions"] == "in part"
        lab.faults()
        lab.run()
        assert len([spot for spot in told(lab) if spot[0] == list_ids(lab)["Many"]]) == 200
        assert reads(lab, lab.run) == {}


def test_rest_that_refuses_is_said_and_asked_for_again(lab: SiteDesk) -> None:
    lab.faults({"fault": "403", "host": "sharepoint"})
    result = lab.run()
    found = states(result)
    assert (found["site_groups"], found["item_permissions"]) == ("not reachable", "not reachable")
    assert not result.problems and not result.exceptions
    lab.faults()
    assert reads(lab, lab.run) == {OF_SITE: 1, GROUPS: 1, ASSIGNMENTS: 1, UNIQUE: 1, OF_ITEM: 2}
    assert states(lab.run()) == COVERED


def test_rest_that_fails_is_a_finding_and_asked_for_again(lab: SiteDesk) -> None:
    """Nobody refused it to the application: that it could not be read is no complete run."""
    lab.faults({"fault": "500", "route": UNIQUE})
    assert lab.run().problems == ["permissions_unread"]
    lab.faults()
    assert lab.run().problems == [] and states(lab.run()) == COVERED


def test_a_listing_of_own_permissions_that_comes_short_takes_nothing_away(lab: SiteDesk) -> None:
    lab.run()
    tasks, before = list_ids(lab)["Tasks"], told(lab)
    lab.change({"kind": "listItem", "list": "Tasks", "op": "modify", "id": "3", "fields": {"Title": "three"}})
    lab.faults({"fault": "edit", "route": UNIQUE, "edits": [{"at": "value", "to": []}]})
    assert lab.run().problems == ["permissions_unread"]
    assert {spot: rows for spot, rows in told(lab).items() if spot[0] == tasks} == {
        spot: rows for spot, rows in before.items() if spot[0] == tasks
    }
    lab.faults()
    assert lab.run().problems == [] and states(lab.run()) == COVERED


def test_groups_that_a_listing_lacks_are_not_gone_and_members_are_whole(lab: SiteDesk) -> None:
    lab.faults(
        {"fault": "edit", "route": GROUPS, "count": 1, "edits": [
            {"at": "value/0/Users", "drop": True},
            {"at": "value/1/Users@odata.nextLink", "to": "https://elsewhere.example/", "add": True},
            {"at": "value/1/Users", "to": []}]}
    )  # fmt: skip
    lab.run()
    bag = lab.bag()
    members = {row["id"]: bag.line(row)["graph"]["Users"] for row in bag.of("site", "group")}
    lab.faults({"fault": "edit", "route": GROUPS, "count": 1, "edits": [{"at": "value", "to": []}]})
    lab.settings = asked("shared", refresh=True)
    lab.run()
    assert {row["outcome"] for row in lab.bag().of("site", "group", gone=True)} == {"copied"}
    lab.faults()
    lab.run()
    bag = lab.bag()
    assert members == {row["id"]: bag.line(row)["graph"]["Users"] for row in bag.of("site", "group")}
    assert len(members) == 3 and members["3"]


def test_a_stopped_run_is_gone_on_with(lab: SiteDesk) -> None:
    stop = threading.Event()

    class Stopping(Progress):
        def finished(self, items: int) -> None:
            if told_rows():
                stop.set()

    def told_rows() -> bool:
        rows = lab.desk.client.control("GET", "requests")
        return any(row["route"] == OF_LIST for row in rows)

    lab.run(stop=stop, progress=Stopping())
    lab.run()
    assert len([spot for spot in told(lab) if spot[0] == list_ids(lab)["Tasks"]]) == 3
    assert reads(lab, lab.run) == {}


class CutOffError(BaseException):
    """The machine is gone."""


class Mortal(FolderStore):
    """A folder whose machine goes down just before or just after a write to a place like `pattern`."""

    pattern, is_after, was_cut = "", True, False

    def put(self, key: str, content: bytes | Iterable[bytes], **options: Any) -> Stored:
        if self.was_cut:
            raise CutOffError
        self.was_cut = re.search(self.pattern, key) is not None
        if self.was_cut and not self.is_after:
            raise CutOffError
        stored = super().put(key, content, **options)
        if self.was_cut:
            raise CutOffError
        return stored


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("pattern", ["data/site/site-00002", "lastcopy/permissions"])
def test_cut_off_where_permissions_are_written_the_next_run_makes_it_whole(
    lab: SiteDesk, pattern: str, *, is_after: bool
) -> None:
    store = Mortal(lab.folder)
    store.pattern, store.is_after = pattern, is_after
    with pytest.raises(CutOffError):
        lab.run(store=store)
    store.close()
    lab.run(take_over=True)
    found, tasks = told(lab), list_ids(lab)["Tasks"]
    assert {spot for spot in found if spot[0] == tasks} == {(tasks, tasks), (tasks, "2"), (tasks, "5")}
    bag = lab.bag(leftovers=True)
    assert [row["id"] for row in bag.of("site", "group")] == ["3", "4", "5"]
    assert reads(lab, lab.run) == {}


@needs_fixtures
def test_permissions_have_the_form_of_the_service(lab: SiteDesk) -> None:
    lab.run()
    for permissions in [value for (scope, _), value in told(lab).items() if scope != "web"]:
        assert all({"id", "roles"} <= set(one) for one in permissions)
