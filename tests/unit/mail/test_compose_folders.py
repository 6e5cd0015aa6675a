"""The folders of a mailbox in its PST: twins, odd names, depth, hidden and outside ones (Q-069)."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose.folders import DEEPEST, Tree
from exporters.pst import FileSink, Writer
from tests.unit.mail.mailbox_bag import Mail, MailboxBag, folder_bag, mime
from tests.unit.mail.shown import subjects

Row = dict[str, Any]


@pytest.fixture
def box(tmp_path: Path) -> MailboxBag:
    return folder_bag(tmp_path / "store")


def row(
    folder_id: str, name: str, parent: str | None = "root", of: str = "mail", scope: str = "", **service: Any
) -> Row:
    return {"kind": "folder", "scope": scope, "id": folder_id, "name": name, "parent": parent, "path": f"/{name}",
            "service": {"class": of, **service}}  # fmt: skip


ROOT = row("root", "Root", None, wellKnownName="msgfolderroot")


def paths(*rows: Row, strays: bool = False) -> dict[str, str]:
    tree = Tree([ROOT, *rows], has_strays=strays)
    return {folder["id"]: tree.of(folder["scope"], folder["id"]).shown for folder in rows}


def test_q069_twins_and_names_with_a_slash_stay_apart(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        box.folder("t1", "Projects")
        box.folder("t2", "projects")
        box.folder("t3", "Projects")
        box.folder("odd", "A/B")
        box.folder("a", "A")
        box.folder("b", "B", "a")
        box.mails(1, [Mail(name, mime(name), name) for name in ("t1", "t2", "t3", "odd", "b")])
        box.compose()
        places = {name: box.row("message", name)["pst"]["folder"] for name in ("t1", "t2", "t3", "odd", "b")}
        composed = box.compose()
    assert len({places[name].lower() for name in ("t1", "t2", "t3")}) == 3
    assert composed.losses == {"folder-renamed": 2}
    (tmp_path / "x.pst").write_bytes(box.pst())
    from tests.unit.pst.judges import Checked

    folders = Checked(tmp_path / "x.pst").folders()
    names = {place.rpartition("Top of Outlook data file")[2] for place in folders}
    assert {"/Projects", "/Projects (2)", "/projects (3)", "/A/B", "/A"} <= names
    assert len(folders) == len(set(folders.values()))


def test_q069_a_message_moved_between_folders_whose_paths_read_alike_is_told(box: MailboxBag) -> None:
    with box.run():
        box.tree()
        box.folder("odd", "A/B")
        box.folder("a", "A")
        box.folder("b", "B", "a")
        box.mails(1, [Mail("m", mime("m"), "odd")])
        box.compose()
        box.change("message", "m", parent="b")
        composed = box.compose()
    assert composed.superseded == {"moved": 1}


def test_deleted_items_is_the_store_s_own_folder_whatever_it_is_called(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.folder("root", "Root", None, wellKnownName="msgfolderroot")
        box.folder("bin", "Gelöschte Elemente", wellKnownName="deleteditems")
        box.folder("own", "Deleted Items")
        box.folder("below", "Alt", "bin")
        box.mails(1, [Mail("1", mime("thrown"), "bin"), Mail("2", mime("old"), "below"), Mail("3", mime("own"), "own")])
        box.compose()
    assert subjects(box.pst(), tmp_path / "a.pst") == {
        "/": [], "/Deleted Items": ["thrown"], "/Deleted Items/Alt": ["old"], "/Deleted Items (2)": ["own"]}  # fmt: skip


def test_hidden_folders_stand_together_and_those_inside_stay_inside() -> None:
    found = paths(
        row("h", "Quick Step Settings", isHidden=True),
        row("i", "Inbox"),
        row("deep", "Hidden inside", "i", isHidden=True),
        row("below", "Visible below", "deep"),
        row("both", "Hidden below", "deep", isHidden=True),
    )
    assert found == {
        "h": "/Hidden folders/Quick Step Settings",
        "i": "/Inbox",
        "deep": "/Hidden folders/Hidden inside",
        "below": "/Hidden folders/Hidden inside/Visible below",
        "both": "/Hidden folders/Hidden inside/Hidden below",
    }


def test_recoverable_items_stand_at_the_top_and_never_in_deleted_items() -> None:
    found = paths(
        row("r", "Recoverable Items", "", wellKnownName="recoverableitemsroot", isHidden=True),
        row("d", "Deletions", "r", isHidden=True),
        row("p", "Purges", "", wellKnownName="recoverableitemspurges"),
        row("t", "Deleted Items", wellKnownName="deleteditems"),
    )
    assert found["d"] == "/Recoverable Items/Deletions" and found["t"] == "/Deleted Items"
    assert found["p"].startswith("/Recoverable Items")


def test_contacts_calendars_and_tasks_have_their_classes_and_places() -> None:
    rows = [
        row("c", "Kontakte", None, "contacts", wellKnownName="contacts"),
        row("c2", "Suppliers", None, "contacts"),
        row("c3", "Old", "c2", "contacts"),
        row("k", "Calendar", None, "calendar", isDefault=True),
        row("k2", "Calendar", None, "calendar"),
        row("t", "", None, "tasks", wellKnownName="defaultList"),
        row("t2", "Home", None, "tasks"),
        row("s", "flagged", None, "search"),
        row("x", "A topic", None, "threads"),
    ]
    tree = Tree([ROOT, *rows])
    assert {place.shown: place.container_class for place in tree.places if place.path} == {
        "/Kontakte": "IPF.Contact",
        "/Kontakte/Suppliers": "IPF.Contact",
        "/Kontakte/Suppliers/Old": "IPF.Contact",
        "/Calendar": "IPF.Appointment",
        "/Calendar/Calendar": "IPF.Appointment",
        "/Tasks": "IPF.Task",
        "/Tasks/Home": "IPF.Task",
        "/Conversations": "IPF.Note",
        "/Conversations/A topic": "IPF.Note",
    }


def test_an_archive_is_never_merged_with_the_mailbox() -> None:
    rows = [
        ROOT,
        row("i", "Inbox"),
        row("a", "Inbox", None, "export", scope="MBX:1", type="IPF.Note"),
        row("b", "Deleted Items", "a", "export", scope="MBX:1", type="IPF.Note", wellKnownName="deleteditems"),
    ]
    tree = Tree(rows, archives={"MBX:1"})
    found = {r["id"]: tree.of(r["scope"], r["id"]).shown for r in rows[1:]}
    assert found == {"i": "/Inbox", "a": "/In-Place Archive/Inbox", "b": "/In-Place Archive/Inbox/Deleted Items"}


def test_folders_of_the_mailbox_in_the_export_api_are_the_same_folders() -> None:
    exported = [
        row("e1", "Inbox", None, "export", scope="MBX:1", type="IPF.Note"),
        row("e2", "Sub", "e1", "export", scope="MBX:1", type="IPF.Note"),
        row("e3", "Kontakte", None, "export", scope="MBX:1", type="IPF.Contact"),
        row("e4", "Notes", None, "export", scope="MBX:1", type="IPF.StickyNote"),
        row("e5", "Unknown", None, "export", scope="MBX:1", type="IPF.Note"),
        row("e6", "With something", "e5", "export", scope="MBX:1", type="IPF.Note"),
        row("e7", "Empty", None, "export", scope="MBX:1", type="IPF.Note"),
        row("e8", "Bin", None, "export", scope="MBX:1", type="IPF.Note", wellKnownName="deleteditems"),
    ]
    rows = [
        ROOT,
        row("i", "Inbox"),
        row("s", "Sub", "i", isHidden=True),
        row("c", "Kontakte", None, "contacts", wellKnownName="contacts"),
        row("d", "Papierkorb", wellKnownName="deleteditems"),
    ]
    tree = Tree([*rows, *exported], holding={("MBX:1", "e6"), ("MBX:1", "e1")})
    assert {place.shown for place in tree.places} == {
        "/", "/Inbox", "/Hidden folders", "/Hidden folders/Sub", "/Kontakte", "/Deleted Items", "/Notes", "/Unknown",
        "/Unknown/With something"}  # fmt: skip
    assert tree.of("MBX:1", "e2").shown == "/Hidden folders/Sub" and tree.of("MBX:1", "e3").shown == "/Kontakte"
    assert (
        tree.of("MBX:1", "e4").container_class == "IPF.StickyNote" and tree.of("MBX:1", "e8").shown == "/Deleted Items"
    )


def test_items_of_a_folder_that_no_row_tells_of_have_a_folder(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail("1", mime("stray"), "nowhere")])
        box.compose()
    assert subjects(box.pst(), tmp_path / "a.pst")["/Items without a folder"] == ["stray"]


def test_names_that_no_pst_can_hold_are_changed_and_told(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        for folder_id, name in (
            ("long", "x" * 400),
            ("long2", "x" * 401),
            ("none", ""),
            ("nul", "a\0b"),
            ("lone", "\ud800"),
        ):
            box.folder(folder_id, name)
        composed = box.compose()
    found = subjects(box.pst(), tmp_path / "a.pst")
    assert {"/" + "x" * 255, "/" + "x" * 251 + " (2)", "/Folder", "/a\ufffdb", "/\ufffd"} <= set(found)
    assert composed.losses == {"folder-renamed": 5}


def test_what_is_too_deep_stands_beside_what_it_is_in(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        for n in range(DEEPEST + 30):
            box.folder(f"f{n}", f"f{n}", f"f{n - 1}" if n else "root")
        box.mails(1, [Mail("deep", mime("deep"), f"f{DEEPEST + 29}")])
        composed = box.compose()
    found = subjects(box.pst(), tmp_path / "a.pst")
    assert max(place.count("/") for place in found) == DEEPEST
    assert [place.rpartition("/")[2] for place, held in found.items() if held] == [f"f{DEEPEST + 29}"]
    assert composed.losses == {"folder-depth": 30}


def test_folders_that_are_inside_each_other_are_all_there() -> None:
    found = paths(row("a", "A", "b"), row("b", "B", "a"), row("c", "C", "c"))
    assert len(set(found.values())) == 3 and all(path != "/" for path in found.values())


NAMES = st.sampled_from(["A", "a", "A/B", "", "Deleted Items", "x" * 300, "Hidden folders", "\0", "Ω", "A (2)"])


@given(st.lists(st.tuples(NAMES, st.integers(-2, 12), st.booleans(), st.sampled_from(
    ["mail", "contacts", "calendar", "tasks", "export"])), max_size=12))  # fmt: skip
def test_any_folders_can_be_made_and_each_is_there_once(specs: list[tuple[str, int, bool, str]]) -> None:
    rows = [
        row(f"f{n}", name, "root" if above == -1 else None if above == -2 else f"f{above}", of, isHidden=hidden)
        for n, (name, above, hidden, of) in enumerate(specs)
    ]
    tree = Tree([ROOT, *rows])
    import io

    with Writer(lambda _: FileSink(io.BytesIO()), seed=b"x", display_name="x") as pst:
        assert len(tree.create(pst)) == len(tree.places)
    assert len({tree.of("", r["id"]).path for r in rows}) == len(rows)
    for some in itertools.islice(itertools.permutations(rows), 3):
        again = Tree([*some, ROOT])
        assert [place.path for place in again.places] == [place.path for place in tree.places]
