"""Lists under changes and mishaps drawn by lot: after a run that nobody disturbs, the bag holds what the tenant has.

Rules of this file: a seed tells all that happens; a failure names it. More seeds under the marker `soak`.
"""

import random
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from exporters.errors import LastcopyError
from tests.faults.list_desk import ListDesk, list_desk
from tests.faults.test_site_lists_crash import DyingStore, KilledError
from tests.unit.rehearsal import list_data as data

ROUNDS = 4
MISHAPS = (
    "410",
    "503",
    "500",
    "reset-mid-body",
    "truncated-json",
    "empty-page",
    "duplicate-rows",
    "403",
    "504",
)


class Lot:
    """Draws what happens to a tenant, and to a run."""

    def __init__(self, seed: int, desk: ListDesk) -> None:
        self.draw, self.desk = random.Random(seed), desk
        self.lists = [data.TASKS, data.PEOPLE, data.BERTHS, data.EMPTY, data.SLASH]
        self.number = 0

    def change(self) -> None:
        """One change, somewhere; it may do nothing."""
        self.number += 1
        about = {"site": "sites/s0000", "list": self.draw.choice(self.lists), "id": str(self.draw.randint(1, 14))}
        name = self.draw.choice(("a.txt", "A.TXT", "plan.pdf", "50% of #1.txt"))
        content = self.desk.attachment(f"content {self.draw.randint(1, 3)}".encode())
        ops = {
            "add": {"fields": {"Title": f"new {self.number}"}, "id": ""},
            "modify": {"fields": {"Title": f"changed {self.number}"}},
            "delete": {},
            "restore": {},
            "attach": {"fileName": name, "_c": content},
            "detach": {"fileName": name},
        }
        op = self.draw.choice([*ops, "modify", "attach", "rename"])
        if op == "rename":
            row = {
                "kind": "list",
                **about,
                "op": "rename",
                "displayName": self.draw.choice(("Tasks", "tasks", "A!b", "a/b", f"L{self.number}")),
            }
            taken = {
                str(one.info["displayName"]).lower()
                for one in self.desk.client.rehearsal.tenant.lists_of(self.site).all()
            }
            if str(row["displayName"]).lower() not in taken:
                self.desk.client.change(row)
            return
        self.desk.client.change({"kind": "listItem", "op": op, **about, **ops[op]})

    @property
    def site(self) -> dict[str, object]:
        found: dict[str, object] = self.desk.client.rehearsal.tenant.sites[0]
        return found

    def mishaps(self) -> None:
        """A plan for the next run."""
        rules = []
        for _ in range(self.draw.randint(0, 3)):
            where = self.draw.choice(("*items/delta", "*/items*", "*AttachmentFiles*", "*/columns", "*/versions"))
            fault = self.draw.choice(MISHAPS)
            if fault == "truncated-json" and "Files" in where:
                fault = "short-body"  # content that is cut, and says that it is not, cannot be told from another one
            rules.append({"route": where, "fault": fault, "after": self.draw.randint(0, 4),
                          "count": self.draw.randint(1, 3), "seconds": 1, "index": 0, "after_bytes": 40})  # fmt: skip
        self.desk.faults(*rules)

    def run(self) -> None:
        """A run that may be killed, stopped, or refused."""
        fate, stop = self.draw.choice(("whole", "whole", "killed", "stopped")), threading.Event()
        store = DyingStore(self.desk.store, self.draw.randint(2, 30), after=bool(self.draw.getrandbits(1)))
        try:
            if fate == "killed":
                self.desk.run(store=store, take_over=True)
            else:
                if fate == "stopped":
                    threading.Timer(self.draw.random() / 4, stop.set).start()
                self.desk.run(stop=stop, take_over=True)
        except KilledError:
            pass
        except LastcopyError:
            pass  # what ends a run is the matter of other tests; here it must harm nothing


def try_out(seed: int, folder: Path) -> None:
    with list_desk(data.write_tenant(folder / "tenant"), folder / "store") as desk:
        lot = Lot(seed, desk)
        for _ in range(ROUNDS):
            for _ in range(lot.draw.randint(0, 6)):
                lot.change()
            desk.versions = lot.draw.choice(("current", "all", 1))
            desk.has_certificate = lot.draw.random() < 0.8
            lot.mishaps()
            lot.run()
        desk.faults()
        desk.has_certificate = True
        for _ in range(
            2
        ):  # what was not found while it was listed is asked for again, and a count that did not fit is listed anew
            desk.clock.turn(timedelta(hours=25))
            desk.run(take_over=True)
        desk.checked()
        left = [row for row in desk.rows() if row["outcome"] == "excepted" and row["code"] != "vanished"]
        assert left == []


@pytest.mark.parametrize("seed", range(2))
def test_drawn_by_lot(seed: int, tmp_path: Path) -> None:
    try_out(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 130))
def test_more_of_them(seed: int, tmp_path: Path) -> None:
    try_out(seed, tmp_path)
