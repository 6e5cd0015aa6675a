"""Kills in the capture and the composition of mailboxes, and what two stores of the same mailboxes have to have in common.

Rules of this file: what is killed is the real command line in a process of its own; two stores are compared by their files, read
here; nothing that follows from when and in which object something was kept is compared. Source: issue 6, acceptance c.
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.driving import COMMAND, Product, Result, Row, Tenant
from tests.faults import busy_mailbox, strict_disk
from tests.faults.strict_disk import Trap

ROOT = Path(__file__).parents[2]
SECONDS = 1_800.0
VOLATILE = ("captured", "run", "since", "key", "record", "pst", "versionId", "reason")
"""Of a row: when, and in which object, something was kept; where it is in a PST, which the bytes of that tell; and the words of a
refusal, which name a request."""
LOST, IN_FLIGHT = 1_000, 12
"""Most messages of one mailbox that a kill costs: those of a zip that was not whole, and those that were under way."""
ADA = "ada@rehearsal.example"
SEGMENT = r"/mail/.*/lastcopy/ledger/\d+\.jsonl$"
STREAMS = r"/data/originals/streams-\d+\.zip$"
ORIGINAL, PART, PARTS_JSON = r"/data/originals/.*\.(zip|jsonl)$", r"/data/pst/[^/]+\.pst$", r"/data/pst/parts\.json$"
NEVER = 1 << 60
Spot = tuple[str, ...]


# -- two stores -----------------------------------------------------------------------------------------------------


def rows_in(store: Path) -> dict[Spot, Row]:
    """{(bag, kind, scope, id): row} of the folds of all mailboxes. Earlier bytes are known by what they are, not by when they
    were replaced; objects, leftovers and the rows of files in `data/pst/` (see `pst_in`) are left out."""
    found: dict[Spot, Row] = {}
    for path in sorted(store.glob("mail/*/lastcopy/items.jsonl")):
        bag = path.parents[1].name
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            if row["kind"] in ("leftover", "original") or row["id"].startswith("data/pst/"):
                continue
            identity = row["sha256"] if row["kind"] == "version" else row["id"]
            kept = {name: value for name, value in row.items() if name not in VOLATILE}
            if row["kind"] == "version":
                del kept["id"]
            found[bag, row["kind"], row["scope"], identity] = kept
    return found


def worked_off(store: Path) -> set[Spot]:
    """(bag, kind, id) of the items of the first capture of which there is a row, by the ledgers alone."""
    found: set[Spot] = set()
    for path in store.glob("mail/*/lastcopy/ledger/*.jsonl"):
        for line in path.read_bytes().splitlines():
            row = json.loads(line).get("item")
            if row is not None and not row["scope"] and row["kind"] in ("message", "contact", "event", "task", "post"):
                found.add((path.parents[2].name, row["kind"], row["id"]))
    return found


def pst_in(store: Path) -> dict[str, str]:
    """{place: SHA-256} of the files that make up PSTs, and of what `parts.json` says of them. Files that are not used any more,
    which a composition between two kills may leave, are left out."""
    found = {}
    for path in sorted(store.glob("mail/*/data/pst/parts.json")):
        told = json.loads(path.read_bytes())
        told["parts"] = [part for part in told["parts"] if part["used"]]
        place = path.parent.relative_to(store).as_posix()
        found[f"{place}/parts.json"] = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        for part in told["parts"]:
            digest = hashlib.sha256((path.parent / part["file"]).read_bytes()).hexdigest()
            assert digest == part["sha256"], part
            found[f"{place}/{part['file']}"] = digest
    return found


def assert_alike(store: Path, other: Path, *, pst: bool = False) -> None:
    """Item by item the same: id, bytes, folder, outcome, and all else that is known of it. pst: the PSTs byte by byte as well."""
    ours, theirs = rows_in(store), rows_in(other)
    wrong = [
        f"{spot}: {ours.get(spot)} here, {theirs.get(spot)} there"
        for spot in ours.keys() | theirs.keys()
        if ours.get(spot) != theirs.get(spot)
    ]
    assert not wrong, f"{len(wrong)} rows differ: " + "\n".join(wrong[:5])
    if pst:
        here, there = pst_in(store), pst_in(other)
        assert here == there, sorted({place for place, _ in here.items() ^ there.items()})


# -- a tenant, and what an undisturbed copy of it comes to -----------------------------------------------------------


@dataclass
class Scene:
    """A tenant, and what an undisturbed run comes to. kind: how commands that nobody disturbs are run. base: the copy that each
    run goes on from, if it is not the first.

    total: requests of a run; listing: those before the first message; segments, originals, parts: files that it writes;
    seconds: of the processor, {verb: from its start to its end}."""

    tenant: Tenant
    settings: Row
    reference: Product
    kind: type[Product] = Product
    base: Path | None = None
    total: int = 0
    listing: int = 0
    segments: int = 0
    originals: int = 0
    parts: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def measure_start(self, folder: Path) -> None:
        """Take down what composing uses before it works: of a store in which there is nothing to do."""
        shutil.copytree(self.reference.folder, folder)
        product = self.product(folder)
        self.seconds["start"] = _processor(lambda: product.run("compose", "--json", code=0, seconds=SECONDS))

    @property
    def exported(self) -> Path:
        """The undisturbed store as it was before it was composed anew."""
        return self.reference.folder.with_name(f"{self.reference.folder.name}-exported") / "store"

    def product(self, folder: Path) -> Product:
        """A folder with a configuration, and the copy to go on from."""
        if self.base is not None and not folder.exists():
            shutil.copytree(self.base, folder)
        product = self.kind(folder, self.tenant, **self.settings)
        product.environment["PYTHONPATH"] = str(ROOT)
        return product


@contextmanager
def scene_of(
    folder: Path, messages: int, *, second: bool = False, kind: type[Product] = Product, **more: Row
) -> Iterator[Scene]:
    """Make and serve a tenant, and export it once without a disturbance; second: once more, after a day of changes. kind: how
    commands that nobody disturbs are run. more: of the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    with Tenant(busy_mailbox.write(folder / "tenant", messages), throttling=False) as tenant:
        scene = Scene(tenant, more, None, kind)  # type: ignore[arg-type]
        if second:
            to_its_end(scene.product(folder / "first"))
            scene.base = folder / "first"
            changes = busy_mailbox.changes(messages)
            tenant.control("POST", "changes", b"\n".join(json.dumps(change).encode() for change in changes))
        _measure(scene, folder / "undisturbed")
        yield scene


def _measure(scene: Scene, folder: Path) -> None:
    """Export, and take down what there is to be disturbed; then compose anew."""
    product = scene.reference = scene.product(folder)
    before = _written(product.store)
    scene.tenant.forget_requests()
    used = {"export": _processor(lambda: to_its_end(product))}
    routes = [row["route"] for row in scene.tenant.requests()]
    scene.total = len(routes)
    scene.listing = next(n for n, route in enumerate(routes) if is_mime(route))
    scene.segments, scene.originals, scene.parts = (
        now - then for now, then in zip(_written(product.store), before, strict=True)
    )
    shutil.copytree(product.store, scene.exported)
    used["compose"] = _processor(lambda: product.run("compose", "--recompose", "--json", code=0, seconds=SECONDS))
    verified(product)
    scene.seconds = used


def _written(store: Path) -> tuple[int, int, int]:
    """Numbers of segments, originals, parts."""
    patterns = ("lastcopy/ledger/*", "data/originals/*.*", "data/pst/*.pst")
    found = [len(list(store.glob(f"mail/*/{pattern}"))) for pattern in patterns]
    return found[0], found[1], found[2]


def _processor(run: Callable[[], object]) -> float:
    """Seconds of the processor that the processes of a call used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def is_mime(route: str) -> bool:
    """Whether a route gives the MIME of a message."""
    return route.endswith("messages/{message}/$value")


def to_its_end(product: Product, *arguments: str) -> Row:
    """An export that nobody disturbs. S/MIME is refused, so it is never complete."""
    product.command = COMMAND
    return product.run("export", "--json", *arguments, code=3, seconds=SECONDS).document


def verified(product: Product) -> Row:
    """All is there, as it was, and accounted for."""
    product.command = COMMAND
    verdict = product.run("verify", "--json", code=0, seconds=SECONDS).document
    assert not (verdict["unexpected"] or verdict["missing"] or verdict["changed"] or verdict["open"]), verdict
    assert verdict["reconciled"], verdict
    return verdict


def assert_whole(scene: Scene, product: Product, *, is_thorough: bool = False) -> None:
    """The same as undisturbed: rows and bytes now, and the PST once it is composed anew. is_thorough: verified before, too."""
    assert_alike(product.store, scene.exported)
    if is_thorough:
        verified(product)
    product.run("compose", "--recompose", "--json", code=0, seconds=SECONDS)
    assert_alike(product.store, scene.reference.store, pst=True)
    verified(product)


# -- kills ----------------------------------------------------------------------------------------------------------


class Fetched:
    """MIME that a store's runs were given, by message: what was given twice."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._given: Counter[str] = Counter()
        self.rows: list[Row] = []
        tenant.forget_requests()

    def again(self) -> dict[str, int]:
        """Take in the requests of a run; {mailbox: messages whose MIME was given before}."""
        self.rows = self._tenant.requests()
        self._tenant.forget_requests()
        given = Counter(row["path"] for row in self.rows if is_mime(row["route"]) and row["status"] == 200)
        twice: Counter[str] = Counter()
        for path, number in given.items():
            twice[path.split("/messages/")[0]] += number - (path not in self._given)
        self._given += given
        return {mailbox: number for mailbox, number in twice.items() if number}


def killed_at_request(product: Product, number: int, *arguments: str) -> bool:
    """A command killed when the tenant has had so many requests; whether it was."""
    process = product.start(*arguments)
    _at(product.tenant, number, process, signal.SIGKILL)
    return _is_killed(_ended(process, product.tenant))


def killed_after(product: Product, seconds: float, *arguments: str) -> bool:
    """A command killed when it has used so many seconds of the processor; whether it was."""
    process = product.start(*arguments)
    _wait_for_use(process, seconds)
    _send(process, signal.SIGKILL)
    return _is_killed(_ended(process, product.tenant))


def killed_by(product: Product, trap: Trap, *arguments: str) -> bool:
    """A command that kills itself where the trap is; whether it did."""
    return _is_killed(ended_with(product, trap, *arguments))


def ended_with(product: Product, trap: Trap | None, *arguments: str) -> Result:
    """A command on a disk that notes what it was told to sync, with a trap; what it came to."""
    before = product.command
    product.command = strict_disk.command(product.folder / "calls.jsonl", product.folder / "kept", trap)
    try:
        return _ended(product.start(*arguments), product.tenant)
    finally:
        product.command = before


def stopped_at_request(product: Product, number: int, *arguments: str) -> Result:
    """A command that is told to stop when the tenant has had so many requests; what it came to."""
    process = product.start(*arguments)
    _at(product.tenant, number, process, signal.SIGTERM)
    return _ended(process, product.tenant)


def forget_database(product: Product) -> None:
    """Delete the state database."""
    for path in product.folder.glob("lastcopy.db*"):
        path.unlink()


def _at(tenant: Tenant, number: int, process: "subprocess.Popen[str]", what: signal.Signals) -> None:
    tenant.at_request(number, lambda: _send(process, what))


def _send(process: "subprocess.Popen[str]", what: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, what)


def _wait_for_use(process: "subprocess.Popen[str]", seconds: float) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / tick >= seconds:
            return
        time.sleep(0.005)


def _is_killed(result: Result) -> bool:
    assert result.code in (0, 3, -signal.SIGKILL), (result.code, result.out[-2000:], result.err[-4000:])
    return result.code == -signal.SIGKILL


def _ended(process: "subprocess.Popen[str]", tenant: Tenant) -> Result:
    out, err = process.communicate(timeout=SECONDS)
    tenant.at_request(NEVER, lambda: None)
    return Result(process.returncode, out, err)
