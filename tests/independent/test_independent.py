"""The auditor audited: it shares nothing with the product, and it does find what is wrong."""

import ast
import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.independent import keys
from tests.independent.judge import Settings, judge
from tests.independent.reader import canonical, read_store, sha256
from tests.independent.truth import DriveTruth, Truth

HERE = Path(__file__).parent
DRIVE, USER = "b!drive", "11111111-1111-1111-1111-111111111111"
AT = "2026-11-24T00:00:00Z"


def test_imports_the_standard_library_alone() -> None:
    """Code that judges the product shares nothing with it."""
    for path in (HERE / name for name in ("reader.py", "judge.py", "keys.py", "truth.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names or name.startswith("tests.independent"), f"{path.name}: {name}"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain.txt", "plain.txt"),
        ("a%20b.txt", "a~{}.txt"),
        ("trailing dot.", "trailing dot~{}"),
        ("CON.txt", "CON~{}.txt"),
        ("%.txt", "~{}.txt"),
        ("語" * 120 + ".txt", "語" * 60 + "~{}.txt"),
        ("..", "~{}"),
        ("a/b.longerthan12x", "a~{}"),
    ],
)
def test_components(name: str, wanted: str) -> None:
    assert keys.component(name, "id") == wanted.format(hashlib.sha256(b"id").hexdigest()[:12])


# -- a store made by hand ---------------------------------------------------------------------------------------------


def content(text: bytes) -> dict[str, object]:
    return {"gen": "none", "len": len(text), "sha256": sha256(text), "qx": "q" + sha256(text)[:6]}


def item(item_id: str, name: str, parent: str | None, **more: object) -> dict[str, object]:
    times = {"createdDateTime": AT, "lastModifiedDateTime": AT}
    reference = {"id": parent} if parent else {}
    return {
        "id": item_id,
        "name": name,
        "fileSystemInfo": times,
        "eTag": "e" + item_id,
        "parentReference": reference,
        **more,
    }


def a_file(item_id: str, name: str, parent: str, text: bytes, **more: object) -> dict[str, object]:
    ref = content(text)
    file = {"mimeType": "text/plain", "hashes": {"quickXorHash": ref["qx"]}}
    return item(item_id, name, parent, size=len(text), file=file, _c=ref, **more)


def by_hand(root: Path) -> Truth:
    """A folder store with one bag, written with no help of the product; and its truth."""
    truth_rows = [
        item("R", "root", None, root={}, folder={"childCount": 3}, size=0),
        item("F", "Empty", "R", folder={"childCount": 0}, size=0),
        a_file("A", "a.txt", "R", b"alpha"),
        a_file("M", "virus.txt", "R", b"bad", malware={"description": "x"}),
    ]
    drive = DriveTruth(DRIVE, "drives/u00000", {"id": USER, "userPrincipalName": "anna@contoso.example"}, {})
    drive.items = {str(row["id"]): row for row in truth_rows}
    bag = root / "onedrive/anna@contoso.example"
    about = b"about\n"
    rows = [row_of(drive, row) for row in truth_rows]
    rows.append(
        {
            "kind": "derived",
            "scope": "",
            "id": "data/about.txt",
            "key": "data/about.txt",
            "outcome": "copied",
            "size": len(about),
            "sha256": sha256(about),
            "captured": AT,
            "run": "20261124T000000Z-000000",
        }
    )
    (bag / "data/files").mkdir(parents=True)
    (bag / "data/files/a.txt").write_bytes(b"alpha")
    (bag / "data/about.txt").write_bytes(about)
    source = {"cloud": "custom", "first_copied": AT, "id": DRIVE, "kind": "onedrive", "owner": USER}
    write(bag / "lastcopy/source.json", canonical(source))
    listed = [
        {"listed": {k: r[k] for k in ("created", "id", "kind", "modified", "name", "parent", "scope", "service")}}
        for r in rows[:-1]
    ]
    cursor = {"kind": "delta", "link": "https://x/delta", "scope": DRIVE, "settings": {}}
    segment(bag, 1, None, [{"source": source}, {"round": {"full": True, "scope": DRIVE, "state": "begun"}}, *listed])
    previous = sha256((bag / "lastcopy/ledger/000000001.jsonl").read_bytes())
    segment(
        bag,
        2,
        previous,
        [
            *({"item": r} for r in rows),
            {"cursor": cursor},
            {"round": {"full": True, "link": "x", "scope": DRIVE, "state": "ended"}},
            {"closed": {"reason": "complete"}},
        ],
    )
    write(
        root / "lastcopy.json",
        canonical({"created": AT, "layout": 1, "product": "lastcopy", "tenant": {"domain": "d", "id": "t"}}),
    )
    handle = hashlib.sha256(f"onedrive {DRIVE}".encode()).hexdigest()[:24]
    names = [{"name": "anna@contoso.example", "since": AT}]
    write(
        root / f"sources/{handle}.json",
        canonical(
            {"bag": "onedrive/anna@contoso.example", "id": DRIVE, "kind": "onedrive", "names": names, "owner": USER}
        ),
    )
    fold(root, bag)
    return Truth(root, {}, {DRIVE: drive})


def row_of(drive: DriveTruth, truth: dict[str, object]) -> dict[str, object]:
    kind = "file" if "file" in truth else "folder"
    file = truth.get("file", {})
    service = {
        "eTag": truth["eTag"],
        "mimeType": file.get("mimeType"),
        "quickXorHash": file.get("hashes", {}).get("quickXorHash"),
        "childCount": truth.get("folder", {}).get("childCount"),
        "size": truth["size"] if kind == "file" else None,
        "malware": truth.get("malware", {}).get("description"),
    }
    row = {
        "kind": kind,
        "scope": DRIVE,
        "id": truth["id"],
        "name": truth["name"],
        "parent": truth["parentReference"].get("id"),
        "path": drive.path(str(truth["id"])),
        "created": AT,
        "modified": AT,
        "captured": AT,
        "run": "20261124T000000Z-000000",
        "service": {k: v for k, v in service.items() if v is not None},
        "outcome": "copied",
    }
    if "malware" in truth:
        return {**row, "outcome": "excepted", "code": "malware", "reason": "malware"}
    if kind == "file":
        row |= {
            "key": f"data/files/{truth['name']}",
            "size": truth["size"],
            "sha256": truth["_c"]["sha256"],
            "agreement": "match",
        }
    return row


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def segment(bag: Path, number: int, previous: str | None, rows: list[dict[str, object]]) -> None:
    writer = {"boot": "b", "host": "h", "id": "i", "pid": 1, "started": AT}
    first = {
        "at": AT,
        "previous": previous,
        "run": "20261124T000000Z-000000",
        "segment": number,
        "units": 1,
        "writer": writer,
    }
    body = b"".join(canonical(row) + b"\n" for row in [first, *rows])
    write(
        bag / f"lastcopy/ledger/{number:09}.jsonl", body + canonical({"end": len(rows), "sha256": sha256(body)}) + b"\n"
    )


def fold(root: Path, bag: Path) -> None:
    from tests.independent.reader import folded_files, read_bag

    state = read_bag(root, bag.relative_to(root).as_posix(), [])
    for name, data in folded_files(state).items():
        write(bag / name, data)
    entry = {
        "by": "folder.childCount",
        "detail": [],
        "equal": 2,
        "expected": 3,
        "explained": 0,
        "found": 3,
        "moving": 0,
        "scope": DRIVE,
        "unexplained": 0,
        "verdict": "equal",
    }
    kinds = {"derived": {"copied": 1}, "file": {"copied": 1, "excepted": 1}, "folder": {"copied": 2}}
    numbers = {"copied": 3, "excepted": 1, "gone": 0, "listed": 4, "pending": 0}
    write(bag / "lastcopy/reconciliation.json", canonical({"counts": numbers, "independent": [entry], "kinds": kinds}))
    names = sorted(
        p.relative_to(bag).as_posix() for p in bag.rglob("*") if p.is_file() and "/ledger/" not in p.as_posix()
    )
    tags = [n for n in names if not n.startswith(("data/", "tagmanifest"))]
    write(bag / "tagmanifest-sha256.txt", "".join(f"{sha256((bag / n).read_bytes())}  {n}\n" for n in tags).encode())


@pytest.fixture
def hand(tmp_path: Path) -> tuple[Path, Truth]:
    return tmp_path, by_hand(tmp_path)


BAG = "onedrive/anna@contoso.example"


def test_accepts_a_store_made_by_hand(hand: tuple[Path, Truth]) -> None:
    store, truth = hand
    assert read_store(store).differences == []
    assert judge(store, truth) == []


def test_finds_every_flipped_byte_of_it(hand: tuple[Path, Truth], tmp_path: Path) -> None:
    """One flipped bit in the middle of any object of the bag is a difference."""
    store, truth = hand
    for path in sorted(p for p in (store / BAG).rglob("*") if p.is_file()):
        held = path.read_bytes()
        if not held:
            continue
        middle = len(held) // 2
        path.write_bytes(held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :])
        try:
            found = judge(store, truth)
        except (ValueError, KeyError):
            found = ["unreadable"]
        assert found, path
        path.write_bytes(held)
    assert judge(store, truth) == []


def test_finds_what_is_missing_or_too_much(hand: tuple[Path, Truth]) -> None:
    store, truth = hand
    extra = store / BAG / "data/files/extra.txt"
    extra.write_bytes(b"")
    assert any("no row names it" in text for text in judge(store, truth))
    extra.unlink()
    drive = truth.drives[DRIVE]
    drive.items["N"] = a_file("N", "new.txt", "R", b"new")
    assert any("'/new.txt' has no row" in text for text in judge(store, truth))
    del drive.items["N"]
    del drive.items["A"]
    assert any("belongs to nothing" in text for text in judge(store, truth))


@pytest.mark.parametrize(
    ("item_id", "change", "said"),
    [
        ("A", {"name": "b.txt"}, "path is '/a.txt', not '/b.txt'"),
        ("A", {"_c": content(b"beta")}, "SHA-256"),
        ("A", {"file": {"mimeType": "text/plain", "hashes": {}}}, "agreement match, not unhashed"),
        ("A", {"_irm": True}, "not excepted irm_protected"),
        ("M", {"malware": None, "_irm": True}, ""),
        ("A", {"shared": {"scope": "users"}, "_permissions": []}, "has no permissions"),
        ("A", {"_versions": [{"id": "2.0", "_current": True}, {"id": "1.0", "_c": content(b"old")}]}, "version 1.0"),
        ("M", {"_versions": [{"id": "2.0", "_current": True}, {"id": "1.0", "_c": content(b"old")}]}, "version 1.0"),
    ],
)
def test_finds_another_truth(hand: tuple[Path, Truth], item_id: str, change: dict[str, object], said: str) -> None:
    store, truth = hand
    row = {**truth.drives[DRIVE].items[item_id], **change}
    truth.drives[DRIVE].items[item_id] = {k: v for k, v in row.items() if v is not None}
    found = judge(store, truth, Settings(versions="all"))
    assert any(said in text for text in found), found


def test_finds_a_broken_chain_and_an_unfinished_segment(hand: tuple[Path, Truth]) -> None:
    store, truth = hand
    ledger = store / BAG / "lastcopy/ledger"
    second = (ledger / "000000002.jsonl").read_bytes()
    (ledger / "000000002.jsonl").write_bytes(second[:-1])
    assert any("not whole" in text for text in judge(store, truth))
    (ledger / "000000002.jsonl").write_bytes(second)
    lines = (ledger / "000000001.jsonl").read_bytes().splitlines(keepends=True)
    first = json.loads(lines[0]) | {"units": 2}
    body = canonical(first) + b"\n" + b"".join(lines[1:-1])
    (ledger / "000000001.jsonl").write_bytes(body + canonical({"end": len(lines) - 2, "sha256": sha256(body)}) + b"\n")
    assert any("SHA-256 of the segment before" in text for text in judge(store, truth))


def test_says_open_when_segments_stand_after_the_fold(hand: tuple[Path, Truth]) -> None:
    store, truth = hand
    bag = store / BAG
    previous = sha256((bag / "lastcopy/ledger/000000002.jsonl").read_bytes())
    segment(bag, 3, previous, [{"closed": {"reason": "complete"}}])
    assert judge(store, truth) == []
    previous = sha256((bag / "lastcopy/ledger/000000003.jsonl").read_bytes())
    row = read_store(store).bags[BAG].rows["derived", "", "data/about.txt"]
    segment(bag, 4, previous, [{"item": row}, {"closed": {"reason": "stopped"}}])
    assert any(text.endswith("is open") for text in judge(store, truth))


def test_reads_lone_surrogates(tmp_path: Path) -> None:
    """Q-035: such a row is escaped whole, and read as it was."""
    row = {"name": "a\ud800b", "path": "/é"}
    assert canonical(row) == b'{"name":"a\\ud800b","path":"/\\u00e9"}'
    shutil.rmtree(tmp_path)
