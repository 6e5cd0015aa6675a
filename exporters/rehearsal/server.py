"""The rehearsal: a simulated Microsoft 365 over TLS on loopback.

Rules of this file: it puts the parts together and owns ports, threads and the private folder; all else is theirs. A port
per kind of host, since a client must not carry a token from one to another.
Use: `with Rehearsal(folder, clock=SystemClock()) as tenant: print(tenant.info)`.
Source: reference/graph.md 1.3, 12.
"""

import hashlib
import secrets
import shutil
import signal
import tempfile
import threading
import uuid
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from exporters.clock import Clock, SystemClock
from exporters.rehearsal.certificates import certificates_in
from exporters.rehearsal.dispatch import Dispatcher
from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.faults import FaultPlan
from exporters.rehearsal.line import Line
from exporters.rehearsal.links import Links, Tickets
from exporters.rehearsal.requests import RequestLedger
from exporters.rehearsal.routes import (
    directory,
    drives,
    ediscovery,
    lists,
    mail,
    members,
    pages,
    permissions,
    reports,
    sites,
    term_store,
    users,
)
from exporters.rehearsal.routes.control import Control
from exporters.rehearsal.routes.router import Router
from exporters.rehearsal.routes.signin import SignIn
from exporters.rehearsal.service import Hosts, Service, Settings
from exporters.rehearsal.tenant import Tenant
from exporters.rehearsal.throttling import Throttle
from exporters.rehearsal.wire import Listener

HOSTS = ("login", "graph", "sharepoint", "download", "control")


class MovableClock:
    """Another clock, plus what `advance` added. If that clock can be moved itself, it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._added = clock, 0.0

    def now(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._added)

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._added

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return self._clock.wait(event, seconds)

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        move = getattr(self._clock, "advance", None)
        if move is not None:
            move(seconds)
        else:
            self._added += seconds


class Rehearsal:
    """A running tenant. Start and stop it once; as a context manager it does both."""

    def __init__(
        self,
        data: Path,
        *,
        faults: FaultPlan | Path | None = None,
        clock: Clock,
        port: int = 0,
        licences: int | None = None,
        settings: Settings | None = None,
        throttling: bool = True,
        units_a_minute: int | None = None,
        units_a_day: int | None = None,
        requests_a_mailbox: int = 10_000,
        throttle_status: int = 429,
        sliding: bool = False,
        sliding_day: bool | None = None,
        state: Path | None = None,
    ) -> None:
        """data: a folder in the tenant-data format. port: of login, the other four follow; 0: free ones.

        licences: seats bought; they set the budgets, and /subscribedSkus shows them. state: a folder for certificates,
        secret and ledger that outlives the server; None: a temporary one.
        Raises TenantDataError, FaultPlanError, OSError (ports).
        """
        self.tenant = Tenant(data)
        self.settings = settings or Settings()
        if licences is not None:
            self.settings.licences = licences
        self._owned = state is None
        self._state = Path(tempfile.mkdtemp(prefix="lastcopy-rehearsal-")) if state is None else state
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = SystemClock()
        self._certificates = certificates_in(self._state, real.now())
        self._clock = MovableClock(clock)
        self._faults = FaultPlan.load(faults) if isinstance(faults, Path) else faults or FaultPlan()
        self.service = self._make_service(
            enabled=throttling,
            minute=units_a_minute,
            day=units_a_day,
            sliding=sliding,
            sliding_day=sliding_day,
            status=throttle_status,
            mailbox=requests_a_mailbox,
        )
        signin = SignIn(self.service, self._certificates.app_certificate(), real)
        areas = (
            directory,
            users,
            members,
            ediscovery,
            term_store,
            drives,
            sites,
            lists,
            pages,
            permissions,
            reports,
            mail,
        )
        router = Router([route for area in areas for route in area.routes()])
        self.dispatcher = Dispatcher(self.service, signin, router, real, Router(mail.beta_routes()))
        self.dispatcher.faults = self._faults
        self._listeners: list[Listener] = []
        self._date: tuple[int, str] = (0, "")
        self._listen(port)

    def _make_service(self, **throttling: Any) -> Service:
        tenant, hosts = self.tenant, Hosts()
        links = Links(hashlib.sha256(f"links of {tenant.id} {tenant.digest}".encode()).digest())
        service = Service(
            tenant=tenant,
            settings=self.settings,
            clock=self._clock,
            ledger=RequestLedger(self._state / "requests.jsonl"),
            throttle=Throttle(self._clock, licences=0, users=0, enabled=False),
            links=links,
            hosts=hosts,
            tickets=Tickets(links, ""),
            client_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"lastcopy-rehearsal/{tenant.id}")),
            secret=self._secret(),
            advance=self._clock.advance,
            started_at=self._clock.now(),
            line=Line(self._clock),
        )
        service.throttle = Throttle(
            self._clock,
            licences=service.licences(),
            users=len(tenant.users),
            **throttling,
        )
        return service

    def _secret(self) -> str:
        path = self._state / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(30))
        return path.read_text()

    def _listen(self, port: int) -> None:
        context = self._certificates.context()
        control = Control(self.service, self.dispatcher)
        handlers = {name: getattr(self.dispatcher, name) for name in HOSTS[:-1]} | {"control": control.answer}
        try:
            for offset, name in enumerate(HOSTS):
                wanted = port + offset if port else 0
                listener = Listener(name, wanted, context, handlers[name], self._http_date)
                self._listeners.append(listener)
                setattr(self.service.hosts, name, f"https://localhost:{listener.port}")
        except OSError:
            self.stop()
            raise
        self.service.tickets = Tickets(self.service.links, self.service.hosts.download)

    def _http_date(self) -> str:
        now = self._clock.now()
        second = int(now.timestamp())
        if self._date[0] != second:  # made once a second: it is on every answer
            self._date = (second, format_datetime(now, usegmt=True))
        return self._date[1]

    @property
    def info(self) -> Row:
        """What a client needs to reach the tenant; `certificate` and `ca_bundle` are paths of PEM files."""
        hosts = self.service.hosts
        return {
            "login": hosts.login,
            "graph": hosts.graph,
            "sharepoint": hosts.sharepoint,
            "tenant": self.tenant.id,
            "client_id": self.service.client_id,
            "secret": self.service.secret,
            "certificate": str(self._certificates.app),
            "ca_bundle": str(self._certificates.ca),
            "control": hosts.control,
        }

    @property
    def control_url(self) -> str:
        """Base address of the control port."""
        return self.service.hosts.control

    def start(self) -> Self:
        """Begin to accept on all ports."""
        for listener in self._listeners:
            listener.start()
        return self

    def stop(self) -> None:
        """Close ports and files; remove the temporary folder. Twice is as once."""
        for listener in self._listeners:
            listener.stop()
        self.service.ledger.close()
        self.tenant.close()
        if self._owned:
            shutil.rmtree(self._state, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(data: Path | None, faults: Path | None, port: int, out: TextIO, **options: Any) -> None:
    """Serve until SIGINT or SIGTERM; prints `info` as one line of JSON to `out` once the ports are open.

    data: None makes a lively tenant in a temporary folder. options: as for Rehearsal.
    """
    from exporters.rehearsal.generate import generate

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="lastcopy-tenant-") as folder:
        if data is None:
            data = generate(Path(folder) / "tenant")
        with Rehearsal(data, faults=faults, clock=SystemClock(), port=port, **options) as rehearsal:
            out.write(render(rehearsal.info).decode() + "\n")
            out.flush()
            ended.wait()
