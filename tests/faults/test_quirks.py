"""Quirks by number: each fault strikes a whole export through the real command line (issue 4, acceptance e).

Rules of this file: a case is a plan and what the run under it must come to; after the fault is gone, the next run must end equal
to an undisturbed one, row by row and byte by byte.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.driving import Tenant
from tests.faults.desk import CONTENT, DELTA, Desk, assert_heals, rule, try_case
from tests.faults.quirk_cases import CASES
from tests.independent.judge import Settings, judge


@pytest.mark.parametrize("name", CASES)
def test_quirk(name: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    (drive,) = tenant.truth.drives.values()
    large = next(item_id for item_id in drive.items if drive.path(item_id) == "/large.bin")
    case = CASES[name]
    rules = tuple({**one, "route": one["route"].replace("{large}", large)} for one in case.rules)
    try_case(replace(case, rules=rules), tenant, undisturbed, tmp_path)


def test_q001_410_in_a_later_run(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """A token that expired between two runs: one full round, nothing downloaded again, nothing marked gone."""
    product = Desk(tmp_path, tenant)
    product.export()
    tenant.faults(rule("410", DELTA, count=1))
    tenant.forget_requests()
    document = product.export()
    assert tenant.downloads() == 0 and document["totals"]["gone"] == 0
    assert_heals(product, undisturbed)


def test_q001_resync_for_ever_fails_the_drive_loudly(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    product.export()
    tenant.faults(rule("410", DELTA))
    result = product.run("export", "--json", seconds=60)
    assert result.code == 3
    assert_heals(product, undisturbed)


def test_q012_folders_are_never_listed_by_children(tenant: Tenant, tmp_path: Path) -> None:
    tenant.forget_requests()
    Desk(tmp_path, tenant).export()
    assert not [route for route in tenant.routes() if route.endswith("/children")]


def test_q016_no_token_reaches_the_download_host(tenant: Tenant, tmp_path: Path) -> None:
    """The rehearsal's download host refuses any request with an Authorization header, and marks it."""
    tenant.forget_requests()
    Desk(tmp_path, tenant).export()
    rows = [row for row in tenant.requests() if row["host"] == "download"]
    assert rows and all(row["status"] in (200, 206) for row in rows)


def test_q025_zero_bytes_answered_by_204(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    drive = next(iter(tenant.truth.drives.values()))
    empty = next(item_id for item_id in drive.items if drive.path(item_id) == "/empty.txt")
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("content-empty", f"drives/*/items/{empty}/content"))
    product.export()
    assert tenant.fired() >= 1
    assert_heals(product, undisturbed)


def test_q028_onenote_that_is_never_served(tenant: Tenant, tmp_path: Path) -> None:
    """Its exception does not use up the drive's patience: all else is copied."""
    drive = next(iter(tenant.truth.drives.values()))
    sections = [item_id for item_id in drive.items if drive.path(item_id).endswith("Section 0.one")]
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("503", f"drives/*/items/{sections[0]}/content", retry_after="none", block=False))
    document = product.export()
    assert document["exceptions"]["onenote_unavailable"] == 1
    unreachable = {sections[0]: "onenote_unavailable"}
    assert judge(product.store, tenant.truth, Settings(versions="all", unreachable=unreachable)) == []


def test_q032_a_drive_whose_downloads_are_all_denied(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("403", CONTENT))
    assert product.run("export", "--json").code == 3
    assert_heals(product, undisturbed)


def test_q046_users_without_a_drive_are_not_asked_in_every_run(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    product.export()
    tenant.forget_requests()
    product.export()
    assert "graph users/{user}/drive" not in tenant.routes()


def test_q055_423_of_a_locked_site(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("423", DELTA))
    assert product.run("export", "--json").code == 3
    assert_heals(product, undisturbed)


def test_a_row_left_out_of_a_page_shows_in_the_counts(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """A listing that is short by one item cannot end as complete: the folder's own count says so."""
    product = Desk(tmp_path, tenant)
    tenant.settings(odd_delta=False)
    tenant.faults(rule("missing-row", DELTA, index=3))
    try:
        document = product.run("export", "--json").document
    finally:
        tenant.settings(odd_delta=True)
    assert tenant.fired() >= 1
    assert document["exit"] == 3
    found = judge(product.store, tenant.truth, Settings(versions="all", leftovers=True))
    assert any("unexplained" in text or "moving" in text for text in found), found


def test_a_refusing_drive_does_not_stop_the_others(tiny_data: Path, tmp_path: Path) -> None:
    with Tenant(tiny_data) as both:
        product = Desk(tmp_path, both)
        first = next(drive for drive in both.truth.drives.values() if drive.folder == "drives/u00000")
        both.faults(rule("403", f"drives/{first.id}/root/delta"))
        result = product.run("export", "--json")
        assert result.code == 3
        copied = {source["name"]: source["copied"] for source in result.document["sources"]}
        assert copied["person1@tiny.onmicrosoft.example"] == 32
        both.faults()
        product.export()
        assert judge(product.store, both.truth, Settings(versions="all")) == []


@pytest.mark.parametrize(
    ("route", "code"),
    [("drives/*/items/*/permissions", "permissions_unavailable"), ("drives/*/items/*/versions", "version_unavailable")],
)
def test_what_hangs_on_an_item_is_refused(
    tenant: Tenant, undisturbed: Desk, tmp_path: Path, route: str, code: str
) -> None:
    """Sharing or earlier versions that the service refuses to tell are exceptions, and are asked for again."""
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("403", route))
    document = product.export()
    assert document["exceptions"].get(code) or document["exceptions"].get("access_denied"), document["exceptions"]
    assert_heals(product, undisturbed)
