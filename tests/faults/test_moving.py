"""Issue 4, acceptance g: a drive that is changed all the time while it is copied; and a drive that seems to empty itself."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import InProcess
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store
from tests.independent.truth import DriveTruth

FOLDERS, FILES = 12, 240


def busy_tenant(out: Path) -> Path:
    """One drive of many folders with files."""
    tiny.make(out, drives=1, files=0, odd=False)
    users = [json.loads(line) for line in (out / "users.jsonl").read_text().splitlines()]
    for path in (out / "drives/u00000").iterdir():
        path.unlink()
    (out / "drives/u00000").rmdir()
    drive = tiny.Drive(0, users[0])
    folders = [drive.folder_in(f"folder {number:02}", drive.root) for number in range(FOLDERS)]
    for number in range(FILES):
        drive.file_in(f"file {number:04}.txt", folders[number % FOLDERS])
    drive.write(out)
    return out


def some_changes(drive: DriveTruth, draw: random.Random, number: int) -> Iterator[Row]:
    """Moves between listed and unlisted folders, renames, swaps, edits and deletions, by the truth of the moment."""
    folders = [i for i, row in drive.items.items() if "folder" in row and "root" not in row]
    for at in range(number):
        files = [i for i, row in drive.items.items() if "file" in row]
        chosen = draw.choice(files)
        base = {"kind": "driveItem", "drive": drive.folder, "id": chosen, "n": at}
        what = draw.random()
        if what < 0.5:
            yield {**base, "op": "move", "to": draw.choice(folders)}
        elif what < 0.65:
            yield {**base, "op": "rename", "name": f"renamed {at} {draw.randrange(1 << 30)}.txt"}
        elif what < 0.75:
            other = draw.choice(files)
            names = drive.items[chosen]["name"], drive.items[other]["name"]
            if chosen != other:
                yield {**base, "op": "rename", "name": f"swap {draw.randrange(1 << 30)}"}
                yield {**base, "id": other, "op": "rename", "name": names[0]}
                yield {**base, "op": "rename", "name": names[1]}
        elif what < 0.85:
            yield {
                **base,
                "op": "modify",
                "_c": tiny.recipe(f"edit {at} {draw.randrange(1 << 30)}", draw.randrange(1, 3000)),
            }
        elif what < 0.92:
            yield {**base, "op": "delete"}
        else:
            yield {
                **base,
                "id": draw.choice(folders),
                "op": "rename",
                "name": f"folder renamed {draw.randrange(1 << 30)}",
            }


def test_a_drive_changed_while_it_is_copied(tmp_path: Path) -> None:
    """About 500 changes during the run: nothing that existed throughout is missing; what is pending is said."""
    draw = random.Random(7)
    with Tenant(busy_tenant(tmp_path / "tenant"), settings=None) as tenant:
        tenant.settings(delta_page=20)
        (drive,) = tenant.truth.drives.values()
        throughout = {i for i, row in drive.items.items() if "file" in row}
        product = InProcess(tmp_path / "work", tenant, versions="current")
        process = product.start("export", "--json")
        changed = 0
        while process.poll() is None and changed < 500:
            batch = list(some_changes(drive, draw, 5))
            tenant.change(*batch)
            changed += len(batch)
            throughout &= set(drive.items)
        out, err = process.communicate(timeout=120)
        assert process.returncode in (0, 3), out[-2000:] + err[-2000:]
        assert changed >= 60, "the run was over before the drive had moved"
        document = json.loads(out)
        (bag,) = read_store(product.store).bags.values()
        held = {spot[2] for spot, row in bag.rows.items() if row["kind"] == "file" and row["outcome"] == "copied"}
        pending = {spot[1] for spot in bag.listed}
        missing = throughout - held - pending
        assert not missing, (
            f"{len(missing)} of {len(throughout)} that were there all the time are missing, after {changed} changes"
        )
        gone = {spot[2] for spot, row in bag.rows.items() if row["outcome"] == "gone"}
        assert not gone & throughout, "falsely gone"
        assert document["totals"]["pending"] == len(bag.listed)
        if bag.listed:
            assert process.returncode == 3
        product.run("export", "--json", code=0)
        before = read_store(product.store)
        found = judge(product.store, tenant.truth, Settings(versions="current", before=before, leftovers=True))
        assert found == [], "\n".join(found[:10])


def test_a_drive_that_seems_to_empty_itself(tmp_path: Path) -> None:
    """Over 10 % and 100 items vanish at once: nothing is marked gone until a person accepts it by name."""
    with Tenant(busy_tenant(tmp_path / "tenant")) as tenant:
        (drive,) = tenant.truth.drives.values()
        product = InProcess(tmp_path / "work", tenant, versions="current")
        product.export(code=0)
        folders = [i for i, row in drive.items.items() if "folder" in row and "root" not in row]
        tenant.change(*[{"kind": "driveItem", "drive": drive.folder, "id": i, "op": "delete"} for i in folders[:8]])
        for _ in range(2):
            result = product.run("export", "--json", code=3)
            assert "mass_disappearance" in result.out
            (bag,) = read_store(product.store).bags.values()
            assert not [row for row in bag.rows.values() if row["outcome"] == "gone"]
        product.run("accept", "mass_disappearance", "--by", "Anna Berg", "--reason", "the team was closed", code=0)
        product.export(code=0)
        (bag,) = read_store(product.store).bags.values()
        assert (
            sum(row["outcome"] == "gone" and row["kind"] == "file" for row in bag.rows.values()) == 8 * FILES // FOLDERS
        )
        product.run("verify", "--json", code=0)


def test_a_drive_that_refuses_after_it_once_answered(tmp_path: Path) -> None:
    """The site is gone (404 on everything): its bag stays as it is, and the run ends partial."""
    with Tenant(busy_tenant(tmp_path / "tenant")) as tenant:
        (drive,) = tenant.truth.drives.values()
        product = InProcess(tmp_path / "work", tenant, versions="current")
        product.export(code=0)
        before = read_store(product.store)
        owner = drive.owner["id"]
        tenant.control("POST", "changes", json.dumps({"kind": "user", "id": owner, "op": "remove-drive"}).encode())
        product.run("export", "--json", code=3)
        after = read_store(product.store)
        assert after.differences == []
        (then,), (now,) = before.bags.values(), after.bags.values()
        assert now.rows == then.rows
        product.run("verify", "--json", code=0)
