"""Issue 6, acceptance c, in small: killed or stopped in the capture or the composition of a mailbox, then as if nothing had been.

Rules of this file: kills are drawn by a seed; the hundred of them are in `test_mail_crash_soak`.
"""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.desk import InProcess, rule
from tests.faults.mail_crash import (
    ADA,
    IN_FLIGHT,
    LOST,
    ORIGINAL,
    PART,
    PARTS_JSON,
    SEGMENT,
    STREAMS,
    Fetched,
    Scene,
    assert_whole,
    ended_with,
    forget_database,
    killed_at_request,
    killed_by,
    pst_in,
    rows_in,
    scene_of,
    stopped_at_request,
    to_its_end,
)
from tests.faults.mail_desk import VALUE
from tests.faults.strict_disk import Trap

MESSAGES = 60
SEED = 6
EXPORT = ("export", "--json")
RECOMPOSE = ("compose", "--recompose", "--json")
MORE = {
    "sources": {"mail": [ADA], "onedrive": "none", "sharepoint": "none", "directory": False, "recoverable": "all"},
    "mail": {"fasttransfer": "auto", "pst": {"part_size": "1MB"}},
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_of(tmp_path_factory.mktemp("crash"), MESSAGES, kind=InProcess, **MORE) as made:
        assert made.parts > 1 and len(rows_in(made.reference.store)) > 2 * MESSAGES
        yield made


def test_killed_in_capture(scene: Scene, tmp_path: Path) -> None:
    """At drawn requests and where objects get their names; once the state database is gone, too."""
    draw, product = random.Random(SEED), scene.product(tmp_path / "one")
    fetched = Fetched(scene.tenant)
    for kill in (
        lambda: killed_at_request(product, draw.randrange(3, scene.listing), *EXPORT),
        lambda: killed_at_request(product, draw.randrange(scene.listing, scene.total * 2 // 3), *EXPORT),
        lambda: killed_by(product, Trap("name", ORIGINAL, draw.randint(1, 3), "after"), *EXPORT),
    ):
        assert kill()
        assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
    forget_database(product)
    to_its_end(product)
    assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
    assert_whole(scene, product)


def test_killed_while_it_is_composed(scene: Scene, tmp_path: Path) -> None:
    """In an export and in `compose`; then, with larger parts, when a file has got other bytes; stopped, at last."""
    draw, product = random.Random(SEED), scene.product(tmp_path / "one")
    assert killed_by(product, Trap("name", PART, 2, draw.choice(("before", "after"))), *EXPORT)
    assert killed_by(product, Trap("name", PARTS_JSON, 1, draw.choice(("before", "after"))), "compose", "--json")
    product.configure(mail={**MORE["mail"], "pst": {"part_size": "10MB"}})
    assert killed_by(product, Trap("name", PART, 1, "after"), *RECOMPOSE)
    product.configure(mail=MORE["mail"])
    stopped = ended_with(product, Trap("name", SEGMENT, 1, signal=signal.SIGTERM), *RECOMPOSE)
    assert stopped.code == 3, stopped.err[-2000:]
    to_its_end(product)
    assert_whole(scene, product)


def test_killed_in_the_second_run(tmp_path: Path) -> None:
    """Messages that were moved, deleted, flagged, copied, and a folder that was renamed: half taken in, and the bag closed by
    `fold` when the first capture was done and the second had not begun."""
    draw = random.Random(SEED)
    with scene_of(tmp_path, MESSAGES, second=True, kind=InProcess, **MORE) as scene:
        product = scene.product(tmp_path / "one")
        fetched = Fetched(scene.tenant)
        assert killed_at_request(product, draw.randrange(scene.listing // 2, scene.listing + 4), *EXPORT)
        fetched.again()
        assert killed_by(product, Trap("name", STREAMS, 1, "before"), *EXPORT)
        product.run("fold", "--json", code=0)
        forget_database(product)
        to_its_end(product)
        assert sum(fetched.again().values()) <= LOST + IN_FLIGHT
        assert pst_in(product.store).keys() == pst_in(scene.exported).keys()
        outcomes = {row["outcome"] for row in rows_in(product.store).values() if row["kind"] == "message"}
        assert outcomes == {"copied", "excepted", "gone"}
        assert_whole(scene, product)


def test_a_run_that_is_told_to_stop_goes_on_later(scene: Scene, tmp_path: Path) -> None:
    """SIGTERM, in the listing and among the messages: what is under way is kept, nothing is gone, nothing is fetched twice."""
    product, fetched, tenant = scene.product(tmp_path / "one"), Fetched(scene.tenant), scene.tenant
    tenant.faults(rule("delay", VALUE, seconds=0.3))  # so that none is left before the signal is heard of
    for number, least, most in ((scene.listing // 2, 0, 0), (scene.listing + 10, 1, MESSAGES - 5)):
        stopped = stopped_at_request(product, number, *EXPORT)
        assert stopped.code == 3, stopped.err[-2000:]
        rows = rows_in(product.store).values()
        assert not [row for row in rows if row["outcome"] == "gone"]
        assert least <= sum(row["kind"] == "message" and row["outcome"] == "copied" for row in rows) <= most
        assert not list(product.store.glob("mail/*/data/pst/*"))
        assert product.run("verify", "--json").code == 3
        assert fetched.again() == {}
    tenant.faults()
    to_its_end(product)
    assert fetched.again() == {}
    assert_whole(scene, product)
