"""Answers with status 200 that are wrong: bodies of something else, cut, coded, framed or typed in other ways (issue 4, item 7).

Rules of this file: as in `test_quirks`; nothing wrong may end as copied under exit 0, and the next run must end as if nothing
had been.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import (
    CONTENT,
    DELTA,
    DRIVE,
    HTML,
    Case,
    Desk,
    assert_heals,
    contents,
    exported,
    problems,
    rule,
    try_case,
)
from tests.independent.judge import Settings, judge

DOWNLOAD = "*download.aspx"
FILES = 32
ITEM = "drives/*/items/*"


def edit(route: str, at: str, to: object, **more: object) -> dict[str, object]:
    """A rule that puts `to` at a place of the JSON."""
    return rule("edit", route, edits=[{"at": at, "to": to, "add": True}], **more)


BODIES = {
    "html_of_an_appliance_once": Case((rule("status", host="download", status=200, body=HTML, count=3),), least=3),
    "error_under_200_once": Case(
        (rule("status", host="download", status=200, body={"error": {"code": "x"}}, count=3),), least=3
    ),
    "nothing_under_200_once": Case((rule("status", host="download", status=200, body="", count=3),), least=3),
    "other_bytes_once": Case((rule("wrong-bytes", host="download", count=3),), least=3),
    "other_bytes_of_the_same_size_once": Case((rule("wrong-bytes", host="download", fit=True, count=3),), least=3),
    "another_file_once": Case((rule("other-file", host="download", count=3),), least=3),
    "compressed_content": Case((rule("gzip", host="download"),), least=20),
    "compressed_content_without_redirect": Case((rule("content-direct", CONTENT), rule("gzip", CONTENT)), least=20),
    "in_chunks": Case((rule("chunked", host="download"),), least=20),
    "chunks_cut_off": Case((rule("chunked-cut", host="download", count=6),), least=6),
    "no_length": Case((rule("no-length", host="download"),), least=20),
    "no_length_and_cut_off": Case((rule("no-length", host="download", after_bytes=40, count=6),), least=6),
    "too_long_a_length": Case((rule("wrong-length", host="download", by=1000, count=4),), least=4),
    "too_short_a_length": Case((rule("wrong-length", host="download", by=-7, count=4),), least=4),
    "bytes_behind_the_end": Case((rule("extra-bytes", host="download", count=6),), least=6),
    "bytes_behind_the_end_of_json": Case((rule("extra-bytes", DELTA, count=1), rule("extra-bytes", "users", count=1)), least=2),
    "no_http": Case((rule("garbage", host="download", count=2), rule("garbage", DELTA, count=1)), least=3),
    "headers_missing": Case(
        (rule("headers", host="download", set={"ETag": None, "Accept-Ranges": None, "Content-Type": None}),), least=20
    ),
    "html_listing": Case((rule("status", DELTA, status=200, body=HTML, count=2),), least=2),
    "empty_listing": Case((rule("status", DELTA, status=200, body="", count=2),), least=2),
    "listing_of_nothing": Case((rule("status", DELTA, status=200, body={}, count=2),), least=2),
    "listing_without_links": Case((rule("status", DELTA, status=200, body={"value": []}, count=2),), least=2),
    "listing_with_two_sets_of_rows": Case((rule("duplicate-keys", DELTA, count=2),), least=2),
    "users_with_two_sets_of_rows": Case((rule("duplicate-keys", "users", count=2),), least=2),
    "an_error_for_a_drive": Case((rule("status", DRIVE, status=200, body={"error": {"code": "x"}}, count=1),)),
    "a_drive_without_id": Case((edit(DRIVE, "id", None, count=1),)),
    "huge_page": Case((rule("huge-page", DELTA, bytes=70_000_000, count=1),)),
    "who_am_i_html": Case((rule("status", "organization", status=200, body=HTML, count=2),), least=2),
    "who_am_i_nobody": Case(
        (rule("status", "organization", status=200, body={"value": []}),), code=1, error="no_organization"
    ),
    "nobody_in_the_directory": Case((rule("status", "users", status=200, body={"value": []}),), code=1, error="no_users"),
    "licences_of_odd_types": Case((edit("subscribedSkus", "value/*/prepaidUnits", ["x"]),)),
    "domains_of_odd_types": Case((edit("organization", "value/*/verifiedDomains", "x"),)),
}  # fmt: skip


def half_now(names: Iterable[str]) -> list[Any]:
    """Every second one in each run of the tests, the others in the soak."""
    return [pytest.param(name, marks=[pytest.mark.soak] if number % 2 else []) for number, name in enumerate(names)]


@pytest.mark.parametrize("name", half_now(BODIES))
def test_wrong_body(name: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    try_case(BODIES[name], tenant, undisturbed, tmp_path)


FOR_EVER = {
    "html_of_an_appliance": rule("status", host="download", status=200, body=HTML),
    "error_under_200": rule("status", host="download", status=200, body={"error": {"code": "x"}}),
    "nothing_under_200": rule("status", host="download", status=200, body=""),
    "the_same_text_for_all": rule("status", host="download", status=200, body="Please sign in to the guest network"),
    "other_bytes": rule("wrong-bytes", host="download"),
    "another_file": rule("other-file", host="download"),
    "too_long_a_length": rule("wrong-length", host="download", by=10),
    "too_short_a_length": rule("wrong-length", host="download", by=-5),
    "no_length_and_cut_off": rule("no-length", host="download", after_bytes=40),
    "chunks_cut_off": rule("chunked-cut", host="download", after_bytes=3000),
    "redirect_loop": rule("status", host="download", status=302, headers={"Location": "/again"}),
    "no_http": rule("garbage", host="download"),
}


@pytest.mark.parametrize("name", FOR_EVER)
def test_wrong_in_the_same_way_each_time(name: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """What never comes right in a run is never called copied whole: exit 3, and the next run has it all."""
    product = Desk(tmp_path, tenant)
    tenant.faults(FOR_EVER[name])
    document = exported(product, code=3)
    said = set(document["exceptions"]) | problems(document)
    wanted = set(undisturbed.document["exceptions"])  # type: ignore[attr-defined]
    assert said - wanted, document
    assert product.run("verify", "--json").code in (0, 3)
    tenant.faults()
    product.export()
    healed, right = rows_of(product.store), rows_of(undisturbed.store)
    assert healed.keys() == right.keys()
    for row in (*healed.values(), *right.values()):
        row.pop(
            "key", None
        )  # where bytes were put that nobody could know to be wrong yet, the right ones lie beside them
    different = {spot: (healed[spot], row) for spot, row in right.items() if healed[spot] != row}
    assert {spot: both for spot, both in different.items() if not _is_beyond_proof(spot, both[1])} == {}
    exported(product)


def _is_beyond_proof(spot: tuple[str, ...], row: Row) -> bool:
    """What came twice alike and cannot be told from what the service keeps: earlier versions, of which at most a size is listed,
    and files that are listed with facts of their own (Q-022)."""
    return spot[0] == "version" or row.get("agreement") == "rewritten"


@pytest.mark.parametrize(
    "fault",
    [rule("wrong-bytes", host="download", fit=True), rule("corrupt", host="download", at=1)],
    ids=["other", "flipped"],
)
def test_wrong_in_the_same_way_with_the_right_size(
    fault: Row, tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    """What has a hash is put aside and heals; what has none (earlier versions, some files), or is listed with facts of its
    own (Q-022), cannot be told from the right bytes by anybody, and is graded `unhashed` or `rewritten`."""
    product = Desk(tmp_path, tenant)
    tenant.faults(fault)
    document = exported(product, code=3)
    assert "content_differs" in problems(document)
    assert json.dumps(document).count("content_differs") == 1
    tenant.faults()
    product.export()
    healed, right = rows_of(product.store), rows_of(undisturbed.store)
    assert healed.keys() == right.keys()
    for spot, row in right.items():
        if row.get("agreement") == "match":
            assert healed[spot] == row
        elif healed[spot] != row:
            assert row["agreement"] in ("unhashed", "rewritten")
    assert "content_differs" not in problems(exported(product))


ITEM_FIELDS = ("id", "name", "size", "eTag", "parentReference", "parentReference/id", "file", "file/hashes", "folder",
               "folder/childCount", "fileSystemInfo", "createdBy", "deleted", "root", "package", "remoteItem", "malware",
               "shared", "publication", "sharepointIds", "lastModifiedDateTime", "file/hashes/quickXorHash")  # fmt: skip
UNBELIEVABLE = {("id", "text"), ("size", "number")}
"""Of the right type, and wrong: other items, other files. No answer that comes later says that this was never so."""
TYPES = {"null": None, "text": "5", "number": 5, "list": ["x"], "object": {"a": 1}, "false": False}


USER_FIELDS = ["id", "userPrincipalName", "assignedLicenses", "userType", "accountEnabled"]


def a_third_now(fields: Iterable[str], values: Iterable[str]) -> list[Any]:
    """Every pair: a third in each run of the tests, so that each field and each value is there, the others in the soak."""
    return [
        pytest.param(field, value, marks=[] if (row + column) % 3 == 0 else [pytest.mark.soak])
        for row, field in enumerate(fields)
        for column, value in enumerate(values)
    ]


@pytest.mark.parametrize(("field", "value"), a_third_now(ITEM_FIELDS, TYPES))
def test_odd_types_in_a_listing(field: str, value: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """Any field of every row, of any type: no row stops the others, nothing is lost under exit 0, and it heals."""
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("edit", DELTA, edits=[{"at": f"value/*/{field}", "to": TYPES[value]}]))
    result = product.run("export", "--json")
    assert result.code == 3, result.err[-1000:]  # as the undisturbed tenant, or worse
    assert "internal" not in problems(result.document), result.err
    if (field, value) in UNBELIEVABLE:
        return
    tenant.faults()
    exceptions = product.export()["exceptions"]
    exceptions.pop("vanished", None)  # what could not be named at first, and is something else now
    assert exceptions == undisturbed.document["exceptions"]  # type: ignore[attr-defined]
    assert contents(product.store) == contents(undisturbed.store)
    if value in ("list", "false") and field != "file":  # an odd type is never believed; what is only missing may be
        assert_heals(product, undisturbed)


@pytest.mark.parametrize(("field", "value"), a_third_now(USER_FIELDS, TYPES))
def test_odd_types_in_the_directory(field: str, value: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("edit", "users", edits=[{"at": f"value/*/{field}", "to": TYPES[value]}]))
    result = product.run("export", "--json")
    assert result.code in (0, 3) if field != "id" else result.code == 3, result.err[-1000:]
    if result.code == 3:
        assert "internal" not in problems(result.document)
    tenant.faults()
    product.export()
    if field not in ("id", "userPrincipalName"):
        assert judge(product.store, tenant.truth, Settings(versions="all", leftovers=True)) == []
