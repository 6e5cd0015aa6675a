"""Issue 6, acceptance c, in small: killed or stopped in the capture or the composition of a mailbox, then as if nothing had been.

Rules of this file: kills are drawn by a seed; the hundred of them are in `test_mail_crash_soak`.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Product
from tests.faults.mail_crash import (
    ADA,
    IN_FLIGHT,
    LOST,
    ORIGINAL,
    PART,
    PARTS_JSON,
    SEGMENT,
    Fetched,
    Scene,
    assert_whole,
    forget_database,
    killed_after,
    killed_at_request,
    killed_by,
    rows_in,
    scene_of,
    stopped_after,
    stopped_at_request,
    to_its_end,
)
from tests.faults.strict_disk import Trap

MESSAGES = 90
SEED = 6
EXPORT = ("export", "--json")
RECOMPOSE = ("compose", "--recompose", "--json")
MORE = {
    "sources": {"mail": [ADA], "onedrive": "none", "sharepoint": "none", "directory": False, "recoverable": "all"},
    "mail": {"fasttransfer": "auto", "pst": {"part_size": "1MB"}},
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_of(tmp_path_factory.mktemp("crash"), MESSAGES, **MORE) as made:
        assert made.parts > 1 and len(rows_in(made.reference.store)) > 2 * MESSAGES
        yield made


def exported(scene: Scene, folder: Path) -> Product:
    """A copy of the undisturbed store as it was before it was composed anew."""
    made = scene.reference.folder
    shutil.copytree(made.with_name(f"{made.name}-exported"), folder)
    return scene.product(folder)


def test_killed_in_capture(scene: Scene, tmp_path: Path) -> None:
    """At drawn requests and where objects get their names; once the state database is gone, too."""
    draw, product = random.Random(SEED), scene.product(tmp_path / "one")
    fetched = Fetched(scene.tenant)
    assert killed_at_request(product, draw.randrange(3, scene.listing), *EXPORT)
    fetched.again()
    for kill in (
        lambda: killed_at_request(product, draw.randrange(scene.listing, scene.total * 2 // 3), *EXPORT),
        lambda: killed_by(product, Trap("name", ORIGINAL, draw.randint(1, 3), "after"), *EXPORT),
        lambda: killed_by(product, Trap("name", SEGMENT, 2, draw.choice(("before", "after"))), *EXPORT),
    ):
        assert kill()
        assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
    forget_database(product)
    to_its_end(product)
    assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
    assert_whole(scene, product)


def test_killed_while_it_is_composed(scene: Scene, tmp_path: Path) -> None:
    """In an export, in `compose`, and at a drawn moment of `compose --recompose`."""
    draw, product = random.Random(SEED), scene.product(tmp_path / "one")
    assert killed_by(product, Trap("name", PART, 1, draw.choice(("before", "after"))), *EXPORT)
    assert killed_by(product, Trap("name", PARTS_JSON, 1, draw.choice(("before", "after"))), "compose", "--json")
    killed_after(product, draw.uniform(0.5, 1.0) * scene.seconds["compose"], *RECOMPOSE)
    to_its_end(product)
    assert_whole(scene, product)


def test_killed_while_it_is_composed_anew(scene: Scene, tmp_path: Path) -> None:
    """Another size of parts, so that each file gets other bytes: half of them replaced, the next composition replaces all."""
    product = exported(scene, tmp_path / "one")
    product.settings["mail"] = {**product.settings["mail"], "pst": {"part_size": "10MB"}}
    product.configure()
    product.run(*RECOMPOSE, code=0)
    product.settings["mail"] = MORE["mail"]
    product.configure()
    assert killed_by(product, Trap("name", PART, 1, "after"), *RECOMPOSE)
    product.run("compose", "--json", code=0)
    assert_whole(scene, product)


def test_killed_in_the_second_run(tmp_path: Path) -> None:
    """Messages that were moved, deleted, flagged, copied, and a folder that was renamed: half taken in."""
    draw = random.Random(SEED)
    with scene_of(tmp_path, MESSAGES, second=True, **MORE) as scene:
        product = scene.product(tmp_path / "one")
        fetched = Fetched(scene.tenant)
        assert killed_at_request(product, draw.randrange(3, scene.listing), *EXPORT)
        assert killed_at_request(product, draw.randrange(scene.listing, scene.total * 2 // 3), *EXPORT)
        fetched.again()
        assert killed_by(product, Trap("name", PART, 1, draw.choice(("before", "after"))), *EXPORT)
        forget_database(product)
        to_its_end(product)
        assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
        outcomes = {row["outcome"] for row in rows_in(scene.reference.store).values() if row["kind"] == "message"}
        assert outcomes == {"copied", "excepted", "gone"}
        assert_whole(scene, product)


@pytest.mark.parametrize("place", ["listing", "fetching"])
def test_a_run_that_is_told_to_stop_goes_on_later(scene: Scene, tmp_path: Path, place: str) -> None:
    """SIGTERM: what is under way is kept, nothing is gone, nothing is fetched twice."""
    product, fetched = scene.product(tmp_path / "one"), Fetched(scene.tenant)
    number = scene.listing - 5 if place == "listing" else scene.listing + MESSAGES // 2
    stopped = stopped_at_request(product, number, *EXPORT)
    assert stopped.code == 3, stopped.err[-2000:]
    rows = rows_in(product.store).values()
    assert not [row for row in rows if row["outcome"] == "gone"]
    copied = sum(row["kind"] == "message" and row["outcome"] == "copied" for row in rows)
    assert copied == 0 if place == "listing" else MESSAGES // 4 < copied < MESSAGES
    assert not list(product.store.glob("mail/*/data/pst/*"))
    assert product.run("verify", "--json").code == 3
    to_its_end(product)
    assert fetched.again() == {}
    assert_whole(scene, product)


def test_composing_that_is_told_to_stop_is_done_again(scene: Scene, tmp_path: Path) -> None:
    product = exported(scene, tmp_path / "one")
    stopped = stopped_after(product, 0.8 * scene.seconds["compose"], *RECOMPOSE)
    assert stopped.code in (0, 3), stopped.err[-2000:]
    product.run("compose", "--json", code=0)
    assert_whole(scene, product)
