"""Quirks of single items: contents, versions, notebooks, names; each through whole exports by the command line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import CLOCK, CONTENT, DELTA, Desk, assert_heals, exported, problems, rule
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store
from tests.independent.truth import DriveTruth


def item(tenant: Tenant, path: str) -> str:
    """Id of the item at a path of the (one) drive."""
    (drive,) = tenant.truth.drives.values()
    return next(item_id for item_id in drive.items if drive.path(item_id) == path)


def contents_asked(tenant: Tenant, item_id: str) -> int:
    """Requests for the content of an item."""
    return sum(row["path"].endswith(f"/items/{item_id}/content") for row in tenant.requests())


def row_at(product: Desk, path: str, kind: str = "file") -> Row:
    """The row of a path."""
    return next(row for spot, row in rows_of(product.store).items() if spot[0] == kind and row["path"] == path)


class Made:
    """A tenant of one drive that a test fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tiny.make(folder, drives=1, files=0, odd=False)
        users = [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]
        for path in (folder / "drives/u00000").iterdir():
            path.unlink()
        (folder / "drives/u00000").rmdir()
        self.drive = tiny.Drive(0, users[0])

    def serve(self) -> Tenant:
        """Write it down."""
        self.drive.write(self.folder)
        return Tenant(self.folder, clock=CLOCK)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "tenant")


def only_drive(tenant: Tenant) -> DriveTruth:
    (drive,) = tenant.truth.drives.values()
    return drive


# ---------------------------------------------------------------------------------------------------------- contents


def test_q013_gone_is_asked_twice_and_not_again_in_the_next_run(tenant: Tenant, tmp_path: Path) -> None:
    gone = item(tenant, "/vanishing.txt")
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    assert product.export()["exceptions"]["not_found_while_listed"] == 1
    assert contents_asked(tenant, gone) == 2
    tenant.forget_requests()
    assert product.export()["exceptions"]["not_found_while_listed"] == 1
    assert contents_asked(tenant, gone) == 0


def test_q013_a_later_listing_confirms_that_it_vanished(small: Path, tmp_path: Path) -> None:
    with Tenant(small, clock=CLOCK) as tenant:
        tenant.settings(gone_items="deleted")
        product = Desk(tmp_path, tenant)
        assert product.export()["exceptions"]["not_found_while_listed"] == 1
        (drive,) = tenant.truth.drives.values()
        changes = [
            {"kind": "driveItem", "drive": drive.folder, "op": op, "n": 1, "id": item(tenant, path), "name": "new.txt"}
            for op, path in (("touch", "/vanishing.txt"), ("rename", "/Plain/f0000.txt"))
        ]
        tenant.control("POST", "changes", b"\n".join(json.dumps(change).encode() for change in changes))
        document = product.export()
        assert (document["exceptions"].get("vanished"), document["exceptions"].get("not_found_while_listed")) == (
            1,
            None,
        )


@pytest.mark.parametrize("after", [0, 1_500_000])
def test_q021_a_half_downloaded_file_is_never_taken_for_the_real_one(
    after: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    """Cut off while a large file trickles in: no key holds a part of it, and the next run has it whole."""
    product = Desk(tmp_path, tenant)
    process = None
    tenant.faults(rule("slow", host="download", seconds=0.3, piece=200_000, after=after and 3))
    process = product.start("export", "--json")
    large = item(tenant, "/large.bin")
    while process.poll() is None and not contents_asked(tenant, large):
        pass
    process.kill()
    process.communicate()
    found = list(product.store.glob("onedrive/*/data/**/large.bin"))
    assert all(path.stat().st_size == 3 * 1024 * 1024 + 7 for path in found)
    assert_heals(product, undisturbed)


def test_q022_a_rewritten_file_is_read_twice_once_and_kept(tenant: Tenant, tmp_path: Path) -> None:
    rewritten = item(tenant, "/rewritten.docx")
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    document = product.export()
    assert contents_asked(tenant, rewritten) == 2, "one re-read for an item and an eTag"
    assert row_at(product, "/rewritten.docx")["agreement"] == "rewritten"
    assert document["sources"][0]["coverage"][0]["agreement"] == {"rewritten": 1}, "it is not hidden"
    tenant.forget_requests()
    product.export()
    assert contents_asked(tenant, rewritten) == 0
    assert "content_differs" not in problems(document)


def test_q022_bytes_that_differ_for_no_reason_are_kept_and_read_again_once(made: Made, tmp_path: Path) -> None:
    """Of a type that nobody rewrites: kept and graded, yet not called complete until a second run has seen the same."""
    odd = {"mimeType": "image/png", "hashes": {"quickXorHash": tiny.quick_xor(b"as it was uploaded")}}
    made.drive.file_in("picture.png", made.drive.root, b"other bytes than those", file=odd)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        document = exported(product, code=3)
        assert "content_differs" in problems(document) and document["exceptions"] == {}
        row = row_at(product, "/picture.png")
        assert (row["outcome"], row["agreement"]) == ("copied", "differs")
        assert product.run("verify", "--json", code=0).document["changed"] == 0
        tenant.forget_requests()
        document = exported(product, code=0)
        assert contents_asked(tenant, item(tenant, "/picture.png")) == 1
        after = row_at(product, "/picture.png")
        assert (after["key"], after["sha256"], after["agreement"]) == (row["key"], row["sha256"], "differs")
        tenant.forget_requests()
        exported(product, code=0)
        assert contents_asked(tenant, item(tenant, "/picture.png")) == 0


def test_q022_a_person_may_accept_bytes_that_differ(made: Made, tmp_path: Path) -> None:
    odd = {"mimeType": "image/png", "hashes": {"quickXorHash": tiny.quick_xor(b"as it was uploaded")}}
    made.drive.file_in("picture.png", made.drive.root, b"other bytes than those", file=odd)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=3)
        product.run("accept", "content_differs", "--by", "Anna Berg", "--reason", "seen", code=0)
        tenant.faults(rule("500", f"drives/*/items/{item(tenant, '/picture.png')}/content"))
        exported(product, code=0)
        tenant.faults(rule("corrupt", host="download", at=3))
        exported(product, code=3)  # other bytes again, which nobody has seen


def test_q023_a_file_without_hash_is_copied_and_graded(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    product.export()
    assert row_at(product, "/no hash.txt")["agreement"] == "unhashed"


def test_q026_malware_is_asked_for_once_and_not_again(tenant: Tenant, tmp_path: Path) -> None:
    bad = item(tenant, "/virus.txt")
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    product.export()
    assert contents_asked(tenant, bad) == 1
    row = row_at(product, "/virus.txt")
    assert (row["outcome"], row["code"], row.get("key")) == ("excepted", "malware", None)
    tenant.forget_requests()
    product.export()
    assert contents_asked(tenant, bad) == 0


def test_q026_marked_but_served_and_marked_but_denied(made: Made, tmp_path: Path) -> None:
    """A tenant may let infected files be read; one that refuses without a word of malware has marked the item."""
    for name in ("served.txt", "denied.txt"):
        made.drive.file_in(name, made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        mark = rule("edit", DELTA, edits=[{"at": "value/*/malware", "to": {"description": "EICAR"}, "add": True}])
        tenant.faults(mark, rule("403", f"drives/*/items/{item(tenant, '/denied.txt')}/content"))
        assert exported(product, code=3)["exceptions"] == {"malware": 1}
        assert row_at(product, "/served.txt")["outcome"] == "copied"


def test_q026_released_by_an_administrator(made: Made, tmp_path: Path) -> None:
    """The mark goes, and the item is asked for again, with the same eTag and hash as before."""
    made.drive.file_in("quarantined.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        mark = rule("edit", DELTA, edits=[{"at": "value/*/malware", "to": {}, "add": True}])
        spot = f"drives/*/items/{item(tenant, '/quarantined.txt')}/content"
        tenant.faults(mark, rule("403", spot))
        exported(product, code=3)
        (drive,) = tenant.truth.drives.values()
        tenant.change(
            {"kind": "driveItem", "drive": drive.folder, "n": 1, "op": "touch", "id": item(tenant, "/quarantined.txt")}
        )
        tenant.faults()
        exported(product, code=0)
        assert row_at(product, "/quarantined.txt")["outcome"] == "copied"


def test_q027_a_notebook_is_a_folder_of_its_parts(made: Made, tmp_path: Path) -> None:
    made.drive.package("Notebook", 2)
    made.drive.package("Notebook without parts", 0)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        document = exported(product, code=3)
        assert document["exceptions"] == {"onenote_parts_not_listed": 1}
        assert row_at(product, "/Notebook/Section 1.one")["outcome"] == "copied"
        assert row_at(product, "/Notebook without parts", "package")["code"] == "onenote_parts_not_listed"


def test_q028_a_section_that_is_never_served_costs_one_request_a_run(
    tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    section = item(tenant, "/Notebook/Section 0.one")
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("503", f"drives/*/items/{section}/content", retry_after="none", block=False))
    assert product.export()["exceptions"]["onenote_unavailable"] == 1
    found = judge(product.store, tenant.truth, Settings(versions="all", unreachable={section: "onenote_unavailable"}))
    assert found == []
    tenant.forget_requests()
    assert product.export()["exceptions"]["onenote_unavailable"] == 1
    assert contents_asked(tenant, section) == 1
    assert_heals(product, undisturbed)


def test_q029_shortcuts_are_noted_and_never_followed(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    product.export()
    row = row_at(product, "/Shortcut to other drive", "shortcut")
    assert row["service"]["remote"] == {"id": "01ELSEWHERE", "drive": "b!else", "name": "Elsewhere"}
    assert "key" not in row
    assert not [asked for asked in tenant.requests() if "b!else" in asked["path"] or "01ELSEWHERE" in asked["path"]]


def test_q030_the_newest_version_is_never_asked_for_by_its_number(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.forget_requests()
    product.export()
    asked = [row["path"] for row in tenant.requests() if "/versions/" in row["path"]]
    assert asked and not [path for path in asked if path.endswith("/versions/4.0/content")]


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 3, 0, 2]])
def test_q030_versions_in_another_order(order: list[int], tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """Listed as newest first, they say; by their numbers if not."""
    file = item(tenant, "/versions.txt")
    truth = only_drive(tenant).items[file]["_versions"]
    served = [{k: v for k, v in version.items() if not k.startswith("_")} for version in truth]
    product = Desk(tmp_path, tenant)
    body = {"value": [served[place] for place in order]}
    tenant.faults(rule("status", f"drives/*/items/{file}/versions", status=200, body=body))
    assert product.export()["exceptions"] == undisturbed.document["exceptions"]  # type: ignore[attr-defined]
    assert_heals(product, undisturbed)


def test_q030_names_that_are_no_numbers_in_another_order(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """The service says which one is the current; the one listed first has content of its own then."""
    file = item(tenant, "/versions.txt")
    truth = only_drive(tenant).items[file]["_versions"]
    served = [{k: v for k, v in version.items() if not k.startswith("_")} for version in truth]
    product = Desk(tmp_path, tenant)
    body = {"value": [*reversed(served), {"id": "draft?", "size": None}, {"size": 3}]}
    tenant.faults(rule("status", f"drives/*/items/{file}/versions", status=200, body=body))
    assert product.export()["exceptions"]["version_unavailable"] == 2, (
        "the one that does not exist, the one without an id"
    )
    copied = {
        spot[2] for spot, row in rows_of(product.store).items() if spot[0] == "version" and row["outcome"] == "copied"
    }
    assert copied == {"1.0", "2.0", "3.0"}


def test_q031_a_version_that_fails_is_no_failed_file(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    file = item(tenant, "/versions.txt")
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("status", f"drives/*/items/{file}/versions/2.0/content", status=400, code="invalidRequest"))
    product.export()
    rows = rows_of(product.store)
    assert rows["version", file, "2.0"]["outcome"] == "excepted"
    assert rows["version", file, "1.0"]["outcome"] == "copied"
    assert row_at(product, "/versions.txt")["outcome"] == "copied"
    assert_heals(product, undisturbed)


def versioned(made: Made, name: str, *earlier: bytes, **more: object) -> str:
    """A file with earlier versions; its id."""
    row = made.drive.file_in(name, made.drive.root, _versions=made.drive.versions(*earlier), **more)
    return str(row["id"])


def versions_asked(tenant: Tenant, item_id: str) -> int:
    """Requests for the list of an item's versions, and for their contents."""
    return sum(f"/items/{item_id}/versions" in row["path"] for row in tenant.requests())


@pytest.mark.parametrize(
    ("fault", "code"),
    [("403", "access_denied"), ("404", "not_found_while_listed"), ("423", "locked"), ("500", "download_failed"),
     ("410", "refused")],
)  # fmt: skip
def test_earlier_versions_of_a_file_that_is_refused_are_had_all_the_same(
    fault: str, code: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path
) -> None:
    """Each under the key that it would have had; they are asked for once, and the content not more often than before."""
    file = item(tenant, "/versions.txt")
    product = Desk(tmp_path, tenant)
    tenant.faults(rule(fault, f"drives/*/items/{file}/content"))
    product.export()
    found = judge(product.store, tenant.truth, Settings(versions="all", unreachable={file: code}))
    assert found == [], found
    assert row_at(product, "/versions.txt")["asked"]["versions"] == "all"
    assert product.run("verify", "--json").document["changed"] == 0
    tenant.forget_requests()
    product.export()
    assert versions_asked(tenant, file) == 0
    assert_heals(product, undisturbed)


def test_earlier_versions_that_are_refused_as_well_have_outcomes_of_their_own(made: Made, tmp_path: Path) -> None:
    """Malware, rights management: the versions are refused one by one, and neither they nor the content are asked for again."""
    marked = versioned(made, "virus.txt", b"one", b"two", malware={"description": "EICAR"})
    protected = versioned(made, "protected.docx", b"one", _irm=True)
    gone = versioned(made, "gone.txt", b"one", _goneAfterListing=True)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        wanted = {"malware": 3, "irm_protected": 2, "not_found_while_listed": 1}
        assert exported(product, code=3)["exceptions"] == wanted
        assert judge(product.store, tenant.truth, Settings(versions="all")) == []
        tenant.forget_requests()
        assert exported(product, code=3)["exceptions"] == wanted
        asked = [row for row in tenant.requests() if any(i in row["path"] for i in (marked, protected, gone))]
        assert asked == []


def test_wider_versions_reach_a_file_that_is_refused(made: Made, tmp_path: Path) -> None:
    """Its content is not asked for again."""
    marked = versioned(made, "virus.txt", b"one", b"two", malware={"description": "EICAR"})
    made.drive.file_in("other.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=3)
        product.settings["drive"]["versions"] = "all"
        product.configure()
        tenant.forget_requests()
        exported(product, code=3)
        assert judge(product.store, tenant.truth, Settings(versions="all")) == []
        assert (contents_asked(tenant, marked), versions_asked(tenant, marked)) == (0, 3)


def test_a_list_of_versions_that_fails_is_asked_for_again_and_the_content_is_not(made: Made, tmp_path: Path) -> None:
    marked = versioned(made, "virus.txt", b"one", malware={"description": "EICAR"})
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(rule("403", f"drives/*/items/{marked}/versions"))
        assert exported(product, code=3)["exceptions"] == {"malware": 1, "access_denied": 1}
        tenant.faults()
        tenant.forget_requests()
        assert exported(product, code=3)["exceptions"] == {"malware": 2}
        assert (contents_asked(tenant, marked), versions_asked(tenant, marked)) == (0, 2)


def test_a_list_of_versions_that_is_refused_like_its_file_is_asked_for_once(made: Made, tmp_path: Path) -> None:
    """One exception, not two; when the content is had, its versions are asked for."""
    file = versioned(made, "labelled.txt", b"one", b"two")
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        refusals = [
            rule("403", f"drives/*/items/{file}/{what}") for what in ("content", "versions", "versions/*/content")
        ]
        tenant.faults(*refusals)
        for asked in (1, 0):
            tenant.forget_requests()
            assert exported(product, code=3)["exceptions"] == {"access_denied": 1}
            assert (contents_asked(tenant, file), versions_asked(tenant, file)) == (1, asked)
        tenant.faults()
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings(versions="all", leftovers=True)) == []


def test_new_content_that_is_refused_has_its_versions_asked_for_again(made: Made, tmp_path: Path) -> None:
    file = versioned(made, "report.txt", b"one")
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        before = read_store(product.store)
        tenant.change(
            {"kind": "driveItem", "drive": only_drive(tenant).folder, "n": 1, "op": "modify", "id": file,
             "_c": tiny.recipe("another report", 333)}
        )  # fmt: skip
        tenant.faults(rule("403", f"drives/*/items/{file}/content"))
        exported(product, code=3)
        settings = Settings(versions="all", before=before, unreachable={file: "access_denied"})
        assert judge(product.store, tenant.truth, settings) == []
        copied = {spot[2] for spot, row in rows_of(product.store).items() if spot[:2] == ("version", file)}
        assert {"1.0", "2.0"} < copied


def test_the_place_of_a_refused_file_is_kept_beside_its_versions(made: Made, tmp_path: Path) -> None:
    """Renamed away, and another of its old name comes: no key is taken twice, and the first gets the place planned for it."""
    file = versioned(made, "a.txt", b"one", b"two")
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(rule("403", f"drives/*/items/{file}/content"))
        exported(product, code=3)
        before = read_store(product.store)
        drive = only_drive(tenant)
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1}
        content = tiny.recipe("another", 333)
        root = next(i for i, row in drive.items.items() if "root" in row)
        tenant.change(
            {**base, "op": "rename", "id": file, "name": "A.TXT"},
            {**base, "op": "create", "parent": root, "name": "a.txt", "_c": content},
        )
        exported(product, code=3)
        settings = Settings(versions="all", before=before, unreachable={file: "access_denied"})
        assert judge(product.store, tenant.truth, settings) == []
        assert row_at(product, "/a.txt")["key"].startswith("data/changed/")
        tenant.faults()
        exported(product, code=0)
        assert row_at(product, "/A.TXT")["key"] == "data/files/A.TXT"
        assert judge(product.store, tenant.truth, Settings(versions="all", before=before)) == []
        assert product.run("verify", "--json", code=0).document["reconciled"]


def test_q032_a_large_drive_that_denies_everything_is_left_alone(made: Made, tmp_path: Path) -> None:
    folders = [made.drive.folder_in(f"folder {number}", made.drive.root) for number in range(10)]
    for number in range(300):
        made.drive.file_in(f"file {number}.txt", folders[number % 10])
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(rule("403", CONTENT))
        tenant.forget_requests()
        document = exported(product, code=3)
        assert "permission_missing" in problems(document)
        reason = [row for row in document["sources"][0]["coverage"] if row.get("code") == "permission_missing"]
        assert len(reason) == 1, "said once"
        assert sum(row["path"].endswith("/content") for row in tenant.requests()) < 150
        assert not [row for row in tenant.requests() if row["path"].endswith("/versions")], (
            "of a drive that is given up"
        )
        assert document["totals"]["pending"] > 100
        tenant.faults()
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings(leftovers=True)) == []


def test_q033_very_large_files_are_read_in_bounded_ranges_over_content(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit lowered to the size of a test: each range goes over `/content` to an address of its own."""
    monkeypatch.setattr("exporters.graph.downloads.BIG_BYTES", 1 << 20)
    monkeypatch.setattr("exporters.graph.downloads.SPAN_BYTES", 1 << 20)
    large = item(tenant, "/large.bin")
    product = Desk(tmp_path, tenant)
    tenant.settings(url_seconds=20)
    tenant.forget_requests()
    product.export()
    assert contents_asked(tenant, large) >= 4
    assert row_at(product, "/large.bin")["agreement"] == "match"


def test_q065_what_is_checked_out_is_said_in_the_row(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    product.export()
    row = row_at(product, "/checked out.txt")
    assert (row["outcome"], row["service"]["publication"]) == ("copied", "checkout")


def test_q055_a_refusal_names_the_path_and_the_permission(tenant: Tenant, tmp_path: Path) -> None:
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("403", f"drives/*/items/{item(tenant, '/Plain/f0001.txt')}/content"))
    product.export()
    row = row_at(product, "/Plain/f0001.txt")
    assert row["code"] == "access_denied" and "Files.Read.All" in row["reason"] and "label" in row["reason"]


# ------------------------------------------------------------------------------------------------------------- names

WIDE = "\U0001f4c4"  # four bytes in UTF-8, one character
NAMES = {
    "q034": [
        "#b",
        "a#b.txt",
        "100%.txt",
        "%21.txt",
        "a%2Fb.txt",
        "?query=x.txt",
        "&amp.txt",
        "semi;colon.txt",
        "plus+.txt",
    ],
    "q035": ["\ufffd.txt", "\ud83d.txt", "a\udc00b.txt", "c\x01.txt", "d\u2028.txt", "\x7f.txt", "rtl\u202e.txt"],
    "q036": [WIDE * 100 + ".txt", WIDE * 62, "x" * 250 + ".txt", "y" * 400, "é" * 200 + ".docx"],
    "q037": ["Café.txt", "Cafe\u0301.txt", "A\u030a.txt", "Å.txt", "\u212b.txt", "ﬁ.txt", "fi.txt", "æ.txt", "ae.txt"],
    "q038": ["Report.docx", "report.docx", "REPORT.DOCX", "straße.txt", "STRASSE.txt", "İ.txt", "i\u0307.txt"],
    "q039": [
        "con",
        "CON.txt",
        "nul.tar.gz",
        "a.",
        "a..",
        "b ",
        " x",
        "_vti_",
        ".",
        "..",
        "...",
        "aux",
        "com1.txt",
        "lpt9",
    ],
}


@pytest.mark.parametrize("quirk", NAMES)
def test_names(quirk: str, made: Made, tmp_path: Path) -> None:
    """Names of a quirk for files and for folders: all are copied, each key can be worked out by others, rows keep the names."""
    folder = made.drive.folder_in("Files", made.drive.root)
    for name in NAMES[quirk]:
        made.drive.file_in(name, folder)
        made.drive.file_in("inside.txt", made.drive.folder_in(name, made.drive.root))
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.forget_requests()
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings()) == []
        assert not [row for row in tenant.requests() if ":" in row["path"]], "never addressed by path"
        assert product.run("verify", "--json", code=0).document["reconciled"]
        target = tmp_path / "restored"
        assert product.run("restore", "--to", str(target), "--json").code in (0, 3)


def test_q036_paths_of_twelve_hundred_bytes(made: Made, tmp_path: Path) -> None:
    at = made.drive.root
    for level in range(10):
        at = made.drive.folder_in(f"{level}" + WIDE * 29, at)
        made.drive.file_in(f"file {level}.txt", at)
    made.drive.file_in(WIDE * 100, at)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings()) == []
        rows = rows_of(product.store)
        assert max(len(row["path"].encode()) for row in rows.values() if "path" in row) > 1200
        assert max(len(row["key"].encode()) for row in rows.values() if "key" in row) <= 700


def test_q038_deleted_and_made_again_in_another_case(made: Made, tmp_path: Path) -> None:
    made.drive.file_in("Report.docx", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        before = read_store(product.store)
        drive = only_drive(tenant)
        root = next(i for i, row in drive.items.items() if "root" in row)
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1}
        content = tiny.recipe("another report", 333)
        tenant.change(
            {**base, "op": "delete", "id": item(tenant, "/Report.docx")},
            {**base, "op": "create", "parent": root, "name": "report.docx", "_c": content},
        )
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings(before=before)) == []
        rows = [row for spot, row in rows_of(product.store).items() if spot[0] == "file"]
        assert sorted((row["name"], row["outcome"]) for row in rows) == [
            ("Report.docx", "gone"),
            ("report.docx", "copied"),
        ]


@pytest.mark.parametrize("field", ["id", "parentReference/id", "eTag", "name", "file/mimeType"])
def test_q035_lone_surrogates_anywhere_in_a_row(field: str, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """In one row of the listing: what cannot be an id is not reconciled, and nothing else suffers."""
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("edit", DELTA, edits=[{"at": f"value/3/{field}", "to": "x\ud800y\ufffd"}], count=1))
    document = exported(product, code=3)
    assert "internal" not in problems(document)
    assert_heals(product, undisturbed, only_bytes=field != "parentReference/id")


def test_q035_ids_of_odd_characters(tenant: Tenant, tmp_path: Path) -> None:
    """U+FFFD and what else may stand in an opaque id: asked for as it is."""
    product = Desk(tmp_path, tenant)
    tenant.faults(rule("edit", DELTA, edits=[{"at": "value/3/id", "to": "0\ufffd/#%?&é"}], count=1))
    document = exported(product, code=3)
    assert "internal" not in problems(document)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Two drives, one of them odd."""
    data = tiny.make(tmp_path_factory.mktemp("two") / "tenant", drives=2, files=6)
    with Tenant(data, clock=CLOCK) as up:
        yield up


@pytest.mark.parametrize(
    ("fault", "code"),
    [("410", "resync_loop"), ("423", "locked"), ("403", "permission_missing"), ("404", "not_found"), ("500", "transient"),
     ("503", "throttled"), ("reset", "connection_failed"), ("truncated-json", "malformed"), ("page-loop", "paging_loop"),
     ("html", "malformed")],
)  # fmt: skip
def test_q060_one_drive_never_stops_the_others(fault: str, code: str, two: Tenant, tmp_path: Path) -> None:
    """Whatever one drive does: its outcome is said with a code and what to do, the other is copied whole."""
    first = next(drive for drive in two.truth.drives.values() if drive.folder == "drives/u00000")
    route = f"drives/{first.id}/root/delta"
    product = Desk(tmp_path, two)
    more = {"retry_after": "none", "block": False} if fault == "503" else {}
    plan = rule("status", route, status=200, body="<html>") if fault == "html" else rule(fault, route, **more)
    two.faults(plan)
    document = exported(product, code=3)
    assert code in problems(document)
    sources = {source["name"].partition("@")[0]: source for source in document["sources"]}
    assert sources["person1"]["coverage"][0] == {"class": "files", "state": "covered"}
    assert sources["person0"]["copied"] == 0
    two.faults()
    product.export()
    assert judge(product.store, two.truth, Settings(versions="all", leftovers=True)) == []


@pytest.mark.parametrize(("route", "code"), [("versions", "access_denied"), ("versions/*/content", "access_denied")])
def test_an_item_that_was_deleted_stays_gone_although_its_versions_had_failed(
    route: str, code: str, small: Path, tmp_path: Path
) -> None:
    """What hangs on an item goes with it: it is no exception any more, and nothing asks for it again."""
    with Tenant(small, clock=CLOCK) as tenant:
        product = Desk(tmp_path, tenant)
        file = item(tenant, "/versions.txt")
        tenant.faults(rule("403", f"drives/*/items/{file}/{route}"))
        assert product.export()["exceptions"][code] >= 1
        before = read_store(product.store)
        (drive,) = tenant.truth.drives.values()
        tenant.faults()
        tenant.change({"kind": "driveItem", "drive": drive.folder, "n": 1, "op": "delete", "id": file})
        for _ in range(2):
            tenant.forget_requests()
            assert code not in product.export()["exceptions"]
            assert rows_of(product.store)["file", drive.id, file]["outcome"] == "gone"
            assert not [row for row in tenant.requests() if file in row["path"]]
        assert judge(product.store, tenant.truth, Settings(versions="all", before=before)) == []


def test_q055_a_labelled_folder_does_not_keep_the_rest_back(made: Made, tmp_path: Path) -> None:
    """Refusals in a row have others tried first, each once; all that may be read is read, all else is pending or denied."""
    labelled = made.drive.folder_in("A labelled folder", made.drive.root)
    free = made.drive.folder_in("Free", made.drive.root)
    denied = [made.drive.file_in(f"{number:03}.txt", labelled)["id"] for number in range(90)]
    allowed = [made.drive.file_in(f"{number:03}.txt", free)["id"] for number in range(90)]
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(*(rule("403", f"drives/*/items/{item_id}/content") for item_id in denied))
        tenant.forget_requests()
        exported(product, code=3)
        rows = rows_of(product.store)
        scope = only_drive(tenant).id
        assert all(rows["file", scope, item_id]["outcome"] == "copied" for item_id in allowed)
        asked = [row["path"].split("/")[-2] for row in tenant.requests() if row["path"].endswith("/content")]
        assert len(asked) == len(set(asked)), "nothing is asked for twice"
        tenant.faults()
        exported(product, code=0)
        assert judge(product.store, tenant.truth, Settings()) == []


# -------------------------------------------------------------------------------------------------- our own store


def test_a_symlink_in_our_store_is_not_said_of_the_service(made: Made, tmp_path: Path) -> None:
    """Somebody moved a folder of the copy away and left a link: the new file is excepted, and the link is named."""
    folder = made.drive.folder_in("F", made.drive.root)
    made.drive.file_in("x.txt", folder)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        place = next((product.store / "onedrive").iterdir()) / "data/files/F"
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
        base = {"kind": "driveItem", "drive": only_drive(tenant).folder, "n": 1}
        tenant.change(
            {**base, "op": "create", "parent": item(tenant, "/F"), "name": "new.txt", "_c": tiny.recipe("n", 9)}
        )
        result = product.run("export", code=3)
        assert "1 × store_refused: The store, not the service" in result.out and "service refused" not in result.out
        row = row_at(product, "/F/new.txt")
        assert row["code"] == "store_refused" and "data/files/F in the store is a symbolic link" in row["reason"]
        assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["x.txt"]
        place.unlink()
        (tmp_path / "elsewhere").rename(place)
        assert exported(product, code=0)["totals"]["copied"] == 1


def test_a_store_whose_place_for_unfinished_files_is_a_link_is_refused(made: Made, tmp_path: Path) -> None:
    made.drive.file_in("x.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        place = product.store / ".lastcopy-tmp"
        shutil.rmtree(place)
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
        error = product.run("export", "--json", code=2).document["error"]
        assert error["code"] == "store_unfit" and str(place) in error["action"]
        assert list((tmp_path / "elsewhere").iterdir()) == []
