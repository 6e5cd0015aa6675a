"""Quirks by number: each fault strikes a whole export through the real command line (issue 4, acceptance e).

Rules of this file: a case is a plan and what the run under it must come to; after the fault is gone, the next run must end equal
to an undisturbed one, row by row and byte by byte.
"""

from pathlib import Path

import pytest

from tests.end_to_end.driving import Tenant
from tests.faults.desk import CONTENT, DELTA, HTML, Case, Desk, assert_heals, rule, try_case
from tests.independent.judge import Settings, judge

CASES = {
    "q001_410_in_the_first_listing": Case((rule("410", DELTA, after=1, count=1),)),
    "q001_410_with_another_code": Case((rule("410", DELTA, after=1, count=1, inner="resyncChangesUploadDifferences"),)),
    "q003_rows_come_twice": Case((rule("duplicate-rows", DELTA),)),
    "q005_pages_without_rows": Case((rule("empty-page", DELTA, count=1),)),
    "q013_not_found_once": Case((rule("404", CONTENT, count=1),)),
    "q014_url_expires": Case((rule("url-expired", host="download", count=2),)),
    "q015_url_expires_in_mid_file": Case(
        (rule("reset-mid-body", host="download", count=1, after=3), rule("url-expired", host="download", count=1)),
        least=2,
    ),
    "q017_content_without_redirect": Case((rule("content-direct", CONTENT),)),
    "q018_range_is_ignored": Case(
        (rule("reset-mid-body", host="download", count=3, after=2), rule("range-ignored", host="download")), least=4
    ),
    "q019_416_at_the_end": Case(
        (rule("short-body", host="download", count=1), rule("range-unsatisfiable", host="download", count=1)), least=2
    ),
    "q020_connection_ends_early": Case((rule("short-body", host="download", count=5),), least=5),
    "q020_reset_in_mid_body": Case((rule("reset-mid-body", host="download", count=5),), least=5),
    "q032_download_is_denied_once": Case((rule("403", CONTENT, count=1),), differs={"access_denied": 1}),
    "q040_429_with_seconds": Case((rule("429", CONTENT, count=2, retry_after="seconds", seconds=1),)),
    "q040_429_with_decimals": Case((rule("429", CONTENT, count=2, retry_after="decimal", seconds=0.4),)),
    "q040_429_with_a_date": Case((rule("429", DELTA, count=1, retry_after="date", seconds=1),)),
    "q041_429_without_a_word": Case((rule("429", CONTENT, count=1, retry_after="none"),)),
    "q042_503_is_throttling": Case((rule("503", CONTENT, count=2, retry_after="decimal", seconds=0.4),)),
    "q042_502_504_509": Case(
        (rule("502", DELTA, count=1), rule("504", CONTENT, count=1), rule("509", CONTENT, count=1)), least=3
    ),
    "q048_html_instead_of_json": Case(
        (rule("503-html", "users", count=1), rule("503-html", CONTENT, count=1)), least=2
    ),
    "q049_400_that_goes_away": Case(
        (rule("400-transient", DELTA, count=1), rule("400-transient", CONTENT, count=1)), least=2
    ),
    "q050_resets": Case((rule("reset", DELTA, count=1), rule("close", CONTENT, count=2)), least=3),
    "q050_reset_at_sign_in": Case((rule("reset", host="login", count=1),)),
    "q051_token_expires": Case((rule("401-expired", CONTENT, count=1, after=5),)),
    "q051_tokens_revoked_in_mid_run": Case((rule("revoked", CONTENT, count=1, after=5),)),
    "q052_continuous_access_evaluation": Case((rule("401-claims", CONTENT, count=1, after=3),)),
    "q054_subscription_lapsed": Case((rule("lapsed", "users"),), code=1, error="tenant_lapsed"),
    "q056_no_sharepoint": Case((rule("no-spo", "users/*/drive"),), code=0),
    "truncated_json": Case((rule("truncated-json", DELTA, count=1), rule("truncated-json", "users", count=1)), least=2),
    "truncated_200_bodies": Case((rule("wrong-length", host="download", by=10, count=3),), least=3),
    "wrong_200_body": Case((rule("status", host="download", status=200, body=HTML, count=2),), least=2),
    "corrupt_byte": Case((rule("corrupt", host="download", count=2, after=2),), least=2),
    "slow_trickle": Case((rule("slow", host="download", count=3, seconds=0.02, piece=64),), least=3),
    "clock_is_wrong_q053": Case((rule("clock-skew", "*", seconds=7200),), least=5),
}


@pytest.mark.parametrize("name", CASES)
def test_quirk(name: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    try_case(CASES[name], tenant, undisturbed, tmp_path)


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
