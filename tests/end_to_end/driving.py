"""Drives the product as a user would: the real command line in a process of its own, against a rehearsal tenant over TLS.

Rules of this file: what is judged is judged by tests/independent; this file only starts, stops and asks.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporters.clock import Clock, SystemClock
from exporters.rehearsal.server import Rehearsal
from exporters.rehearsal.service import Settings as TenantSettings
from tests.independent.truth import Truth, load

Row = dict[str, Any]
COMMAND = [str(Path(sys.executable).parent / "lastcopy")]
SECRET_VARIABLE = "LASTCOPY_TEST_SECRET"
WHOLE_TENANT = 60_000  # licences: a budget that does not bind
VOLATILE = ("run", "captured", "versionId", "since")


@dataclass
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Row:
        """What `--json` printed: one document and nothing else."""
        found: Row = json.loads(self.out)
        return found


class Tenant:
    """A running rehearsal tenant, and the truth of it as the judge sees it."""

    def __init__(
        self,
        data: Path,
        *,
        licences: int = WHOLE_TENANT,
        settings: TenantSettings | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.data = data
        self.truth: Truth = load(data)
        clock = clock or SystemClock()
        self.rehearsal = Rehearsal(data, clock=clock, licences=licences, settings=settings, **options)
        self._context = ssl.create_default_context(cafile=self.rehearsal.info["ca_bundle"])
        self._at: int | None = None
        self._then: Callable[[], None] = lambda: None
        self._add = self.rehearsal.service.ledger.add
        self.rehearsal.service.ledger.add = self._count  # type: ignore[method-assign]

    def __enter__(self) -> "Tenant":
        self.rehearsal.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rehearsal.stop()

    @property
    def info(self) -> Row:
        """What `rehearse serve` prints."""
        return self.rehearsal.info

    def control(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask the control port."""
        request = urllib.request.Request(f"{self.info['control']}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=30) as answer:
            data: bytes = answer.read()
        return data

    def requests(self) -> list[Row]:
        """The request ledger since the last reset."""
        return [json.loads(line) for line in self.control("GET", "requests").splitlines()]

    def routes(self) -> Counter[str]:
        """How often each route of Graph or the download host was asked."""
        return Counter(
            f"{row['host']} {row['route']}" for row in self.requests() if row["host"] in ("graph", "download")
        )

    def downloads(self) -> int:
        """Requests for contents, of items and of versions."""
        return sum(number for route, number in self.routes().items() if route.endswith("/content"))

    def forget_requests(self) -> None:
        """Begin a new ledger."""
        self.control("POST", "reset-requests", b"{}")

    def faults(self, *rules: Row) -> None:
        """Replace the fault plan."""
        self.control("POST", "faults", json.dumps(list(rules)).encode())

    def settings(self, **values: Any) -> None:
        """Change how the tenant behaves."""
        self.control("POST", "settings", json.dumps(values).encode())

    def fired(self) -> int:
        """How often the rules of the plan have fired."""
        return sum(rule["fired"] for rule in json.loads(self.control("GET", "summary"))["faults"])

    def change(self, *changes: Row) -> None:
        """Apply changes on the server and, by the judge's own code, to the truth; both have to come to the same."""
        self.control("POST", "changes", b"\n".join(json.dumps(change).encode() for change in changes))
        for change in changes:
            self.truth.apply(change)
        for drive in self.truth.drives.values():
            served = self.control("GET", f"truth/drives/{drive.folder.removeprefix('drives/')}")
            assert self.truth.adopt(drive, [json.loads(line) for line in served.splitlines()]) == []

    def at_request(self, number: int, then: Callable[[], None]) -> None:
        """Do something when that many requests have come, counted from now."""
        self._then, self._at = then, self.rehearsal.service.ledger.count + number

    def _count(self, row: Row) -> None:
        self._add(row)
        if self._at is not None and self.rehearsal.service.ledger.count >= self._at:
            self._at = None
            self._then()


class Product:
    """A folder with a configuration and a store, and the command line."""

    def __init__(
        self, folder: Path, tenant: Tenant, *, store: Row | None = None, versions: str | int = "all", **changes: Any
    ) -> None:
        self.folder, self.tenant, self.command = folder, tenant, COMMAND
        folder.mkdir(parents=True, exist_ok=True)
        self.store = folder / "store"
        info = tenant.info
        self.environment = {**os.environ, SECRET_VARIABLE: info["secret"], "COLUMNS": "200"}
        self.settings: Row = {
            "tenant": {
                "id": info["tenant"], "cloud": "custom", "login": info["login"], "graph": info["graph"],
                "sharepoint": info["sharepoint"], "download_hosts": ["localhost"], "ca_bundle": f"file:{info['ca_bundle']}",
                "client_id": info["client_id"], "credential": {"secret": f"env:{SECRET_VARIABLE}"},
            },
            "store": store or {"url": "file:./store"},
            "sources": {"mail": "none", "onedrive": "all", "sharepoint": "none", "directory": False},
            "drive": {"versions": versions, "permissions": "shared"},
            "state": "sqlite:///lastcopy.db",
        }  # fmt: skip
        self.configure(**changes)

    def configure(self, **changes: Any) -> None:
        """Write the configuration (JSON is YAML), changed first."""
        self.settings.update(changes)
        (self.folder / "lastcopy.yaml").write_text(json.dumps(self.settings, indent=1))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [*self.command, *arguments], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, code: int | None = None, seconds: float = 120) -> Result:
        """Run a command to its end; `code`: the exit status that it must have."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(
                f"lastcopy {' '.join(arguments)} did not end in {seconds} s\n{out[-2000:]}\n{err[-4000:]}"
            ) from None
        result = Result(process.returncode, out, err)
        if code is not None:
            assert result.code == code, (
                f"lastcopy {' '.join(arguments)}: exit {result.code}, not {code}\n{out[-3000:]}\n{err[-4000:]}"
            )
        return result

    def export(self, *arguments: str, code: int | None = 3) -> Row:
        """`export --json`; its document. 3 is right for a tenant that holds what nobody can copy."""
        return self.run("export", "--json", *arguments, code=code).document

    def killed_at(self, number: int, *arguments: str) -> bool:
        """`export`, killed when the tenant has had that many requests; whether it was still running then."""
        process = self.start("export", "--json", *arguments)
        killed = threading.Event()

        def kill() -> None:
            if process.poll() is None:
                killed.set()
                os.killpg(process.pid, signal.SIGKILL)

        self.tenant.at_request(number, kill)
        process.communicate(timeout=120)
        self.tenant.at_request(1 << 60, lambda: None)
        return killed.is_set()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Until it holds; fails if it does not in that time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.02)


def rows_of(store: Path) -> dict[tuple[str, ...], Row]:
    """All rows of all bags, less what differs from run to run: for comparing two stores."""
    found = {}
    for path in sorted(store.glob("onedrive/*/lastcopy/items.jsonl")):
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            hangs = row["kind"] in ("permission", "versions")
            if row["kind"] == "leftover" or (hangs and (row["outcome"] == "copied" or row["code"] == "vanished")):
                continue  # what was refused once and told later leaves a row; an exception of these kinds does count
            found[row["kind"], row["scope"], row["id"]] = {k: v for k, v in row.items() if k not in VOLATILE}
    return found


def bytes_of(store: Path) -> dict[str, bytes]:
    """{key: bytes} of all payload."""
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in store.glob("onedrive/*/data/**/*") if p.is_file()}


def assert_same(store: Path, other: Path) -> None:
    """Two stores of the same truth hold the same rows and, under the key of each row, the same bytes."""
    ours, theirs = rows_of(store), rows_of(other)
    wrong = [
        f"{spot}: {ours.get(spot)} here, {theirs.get(spot)} there"
        for spot in ours.keys() | theirs.keys()
        if ours.get(spot) != theirs.get(spot)
    ]
    assert not wrong, "\n".join(wrong[:10])
