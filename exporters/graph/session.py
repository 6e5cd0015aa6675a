"""The only sender: every request to Graph, and every download, goes through a `GraphSession`.

Rules of this file: read-only by construction. There is no way to say PUT, PATCH or DELETE, and the only POSTs are the
token's (MSAL's, in `signin`), `$batch` with GETs inside, and `exportItems` (in `mailbox`), which reads. Each request
waits for the budget, carries a `client-request-id` and our User-Agent (Q-047), and ends as JSON, as a stream, or as a
`GraphError`. The token goes to the host that it was made for (Graph; SharePoint's own API, in `rest`) and nowhere else.

    with open_session(cloud, tenant, client_id, credential, SystemClock()) as graph:
        for rows in graph.pages("/users", params={"$select": "id"}, cost=Cost.USERS): ...

Source: design §9, §10; reference graph.md 7, 11.2; quirks Q-040 to Q-054.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

import tenacity

from exporters.clock import Clock
from exporters.graph.answers import json_object
from exporters.graph.batch import BatchAnswer, BatchRequest, ask_batch
from exporters.graph.budget import Budget, Ticket
from exporters.graph.calls import Call, Counter, JsonObject, NoObserver, Observer, RequestCounts, Took, charged, query
from exporters.graph.clouds import Cloud
from exporters.graph.delta import DeltaPage, ask_delta
from exporters.graph.downloads import Download, open_download
from exporters.graph.errors import ForeignLinkError, GraphError, ThrottledError, UnauthorizedError, is_retryable
from exporters.graph.gate import Gate
from exporters.graph.headers import parse_rate_limit, server_date
from exporters.graph.limits import Cost, Scope
from exporters.graph.masking import event, is_logged, quiet_foreign_loggers
from exporters.graph.meanings import classify, gave_up
from exporters.graph.pages import ask_pages
from exporters.graph.retrying import Patience, told_pause
from exporters.graph.signin import Credential, SignIn
from exporters.graph.transport import Answer, Transport

T = TypeVar("T")
_VERSIONS = ("/v1.0/", "/beta/")


class GraphSession:
    """One application at one tenant. Safe from many threads; share one in the process.

    gate: the budget that requests wait for; share it between sessions of the same tenant and client id, and the session does
    not close it then. licences: size of the tenant for its limits.
    observer: is told of bytes and waits. connections: open at most to one host; MUST be at least the number of threads.
    patience_seconds: longest waiting of one request on refusals of the service.
    """

    def __init__(
        self,
        cloud: Cloud,
        signin: SignIn,
        clock: Clock,
        *,
        gate: Gate | None = None,
        licences: int | None = None,
        observer: Observer | None = None,
        connections: int = 16,
        patience_seconds: float = 1800.0,
    ) -> None:
        quiet_foreign_loggers()
        self.cloud, self._signin, self._clock = cloud, signin, clock
        self._gate, self._owns_gate = gate or Gate(Budget(), clock), gate is None
        self.budget = self._gate.budget
        if licences is not None:
            self.budget.set_licences(licences)
        self.observer: Observer = observer or NoObserver()
        self._observer: Observer = _Metered(self.observer, self.budget, clock)
        self._patience_seconds = patience_seconds
        self._transport = Transport(cloud.ca_bundle, connections=connections)
        self._counter = Counter()
        self._dates: tuple[datetime, datetime] | None = None

    # -- asking ----------------------------------------------------------------------------------------------------

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost,
        mailbox: str | None = None,
        patience: float | None = None,
    ) -> JsonObject:
        """One JSON object. path: `/drives/…`, ids as they are in it (see `calls.segment`), or a link of the service.

        mailbox: whose limits count, for `Cost.MAILBOX`. Raises: GraphError (see `errors`), RunError.
        """
        return self.exchange(
            self.call(path, params=params, headers=headers, cost=cost, mailbox=mailbox), json_object, patience=patience
        )

    def pages(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost,
        mailbox: str | None = None,
    ) -> Iterator[list[JsonObject]]:
        """The rows of a listing, page by page; pages may be empty (Q-005). Raises as `get`; PagingLoopError."""
        return ask_pages(self, self.call(path, params=params, headers=headers, cost=cost, mailbox=mailbox))

    def delta(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost | None = None,
        mailbox: str | None = None,
    ) -> Iterator[DeltaPage]:
        """The pages of a round. cost: of the first page; by default from scratch for a path, with a token for a link.

        The last page has a `delta_link`, all others a `next_link`. Raises as `get`; ResyncRequiredError (Q-001).
        """
        if cost is None:
            started = path_or_link.startswith("https://") or "token" in (params or {})
            cost = Cost.DELTA_WITH_TOKEN if started else Cost.DELTA_FROM_SCRATCH
        return ask_delta(self, self.call(path_or_link, params=params, headers=headers, cost=cost, mailbox=mailbox))

    def batch(self, requests: Sequence[BatchRequest]) -> dict[str, BatchAnswer]:
        """Many small reads, answered by id; inner refusals are tried again (Q-044). Raises as `get` for the whole."""
        return ask_batch(self, requests, self._clock, self._patience_seconds)

    def download(
        self,
        path: str,
        *,
        start: int = 0,
        end: int | None = None,
        etag: str | None = None,
        size: int | None = None,
        cost: Cost = Cost.DOWNLOAD,
        patience: float | None = None,
    ) -> AbstractContextManager[Download]:
        """Content of `path` (`…/content`) from byte `start` up to `end` (exclusive), as one stream or an exception.

        etag: of the item whose first `start` bytes the caller has. size: as listed; big files go in ranges (Q-033).
        patience: most seconds of waiting on refusals (Q-028). Raises: GraphError.
        """
        return open_download(
            self, path, clock=self._clock, observer=self._observer, start=start, end=end, etag=etag, size=size,
            cost=cost, patience=patience,
        )  # fmt: skip

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> RequestCounts:
        """What this session sent so far."""
        return self._counter.counts

    @property
    def times(self) -> dict[Scope, Took]:
        """What answered requests took so far, by whose limits counted them."""
        return self._counter.times

    def service_date(self) -> tuple[datetime, datetime] | None:
        """(the service's clock, our clock when that answer came), of the last answer; None before the first."""
        return self._dates

    def roles(self) -> frozenset[str]:
        """Application permissions of the token: a hint."""
        return self._signin.roles()

    def set_licences(self, licences: int | None) -> None:
        """Take the SharePoint limits of this size of tenant."""
        self.budget.set_licences(licences)

    def on_long_wait(self, then: Callable[[], None]) -> None:
        """Have this called, again and again, from whichever thread waits for the budget for a while; it MUST be quick."""
        self._gate.waits_long = then

    def close(self) -> None:
        """Let go of all connections; requests that still wait end with StoppedError."""
        if self._owns_gate:
            self._gate.close()
        self._transport.close()

    def __enter__(self) -> "GraphSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the one way out -------------------------------------------------------------------------------------------

    def call(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost,
        mailbox: str | None = None,
    ) -> Call:
        """A GET, not sent yet. A link goes out byte for byte and takes no parameters (Q-011).

        Raises: ForeignLinkError for a link to another host than Graph's.
        """
        if path_or_link.startswith("/"):
            path = path_or_link if not params else f"{path_or_link}{'&' if '?' in path_or_link else '?'}{query(params)}"
            url = self.cloud.graph + (path if path.startswith(_VERSIONS) else f"/v1.0{path}")
        else:
            url = path_or_link
            if params:
                raise ValueError("a link of the service takes no parameters")
            if not self.cloud.owns_graph(url):
                raise ForeignLinkError(
                    "The service gave a link that does not lead to its own address.",
                    code="foreign_link",
                    action="Check tenant.graph in the configuration; the link was not followed.",
                )
        return Call(
            url,
            _bare_path(url, self.cloud.graph),
            cost,
            charged(cost, params),
            headers=dict(headers or {}),
            mailbox=mailbox,
        )

    def exchange(self, call: Call, read: Callable[[Answer], T], *, patience: float | None = None) -> T:
        """Send, with all retries (the one level). See `Asker.exchange`."""
        state = Patience(call.tries, self._patience_seconds if patience is None else patience)
        try:
            return self._attempt(call, read, state)
        except GraphError as error:  # few come further: what follows costs a tenth of a small request
            if not is_retryable(error):
                raise
            return self._go_on(call, read, state, error)

    def _go_on(self, call: Call, read: Callable[[Answer], T], state: Patience, first: GraphError) -> T:
        """After a first attempt that ended with `first`: all that follows, as if that attempt were made here."""
        failed = [first]

        def attempt() -> T:
            if failed:
                raise failed.pop()
            return self._attempt(call, read, state)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_retryable),
            stop=state.stop,
            wait=state.wait,
            sleep=self._sleep,
            before_sleep=lambda tried: _log_retry(call, tried),
            reraise=True,
        )
        try:
            result: T = retrying(attempt)
            return result
        except GraphError as error:
            if is_retryable(error):
                raise gave_up(error, call.path) from error
            raise

    def refused(self, scope: Scope, errors: Sequence[ThrottledError], mailbox: str | None) -> None:
        """Refusals inside a batch: count them, and pause everybody for the longest time that one of them told."""
        self._counter.add(throttled=len(errors))
        told = [seconds for error in errors if (seconds := told_pause(error)) is not None]
        if told:
            self._gate.pause(scope, max(told), mailbox)

    def _attempt(self, call: Call, read: Callable[[Answer], T], patience: Patience) -> T:
        if not call.bearer:
            return self._send(call, read, patience, None)
        token = self._signin.token(call.audience)
        try:
            return self._send(call, read, patience, token)
        except UnauthorizedError as error:  # once: with a token past the cache, or with the claims asked for
            event(logging.INFO, "renewing", kind=call.cost, claims=error.claims is not None)
            token = self._signin.token(call.audience, force=True, claims=error.claims, stale=token)
            return self._send(call, read, patience, token)

    def _send(self, call: Call, read: Callable[[Answer], T], patience: Patience, token: str | None) -> T:
        headers = self._headers(call, token)
        ticket = self._gate.enter(call.price.scope, call.price.units, call.mailbox, self._observer)
        sent_at = self._clock.monotonic()
        self._counter.add(count=1, resource_units=ticket.units if ticket.scope is Scope.SHAREPOINT else 0)
        answer: Answer | None = None
        try:
            answer = self._transport.send(call.method, call.url, headers, call.body)
            if ticket.is_active:  # a mailbox counts a request until its body is out
                answer.when_closed = lambda: self._gate.release(ticket)
            self._note_date(answer)
            if answer.status >= 300 and answer.status not in call.accept:
                raise self._refused(call, answer, ticket, sent_at, patience)
            self._gate.leave(ticket, rate_limit=parse_rate_limit(answer.headers), served=True)
            _log_answer(call, answer)
            found = read(answer)
        except BaseException:
            self._gate.leave(ticket)  # the service may have counted it all the same; nothing, if it is settled
            self._gate.release(ticket)
            if answer is not None:
                answer.close()
            raise
        self._counter.took(call.price.scope, self._clock.monotonic() - sent_at)
        return found

    def _refused(self, call: Call, answer: Answer, ticket: Ticket, sent_at: float, patience: Patience) -> GraphError:
        pause = None
        try:
            body = answer.body()
        except GraphError:
            body = b""  # the status is known all the same
        error = classify(answer.status, answer.headers, body, path=call.path, now=self._clock.now())
        if isinstance(error, ThrottledError):
            pause = patience.pause_after(error)
            avoidable = self.budget.inside_pause(ticket, sent_at)
            self._counter.add(throttled=1, avoidable=int(avoidable))
        self._gate.leave(ticket, rate_limit=parse_rate_limit(answer.headers), pause_seconds=pause)
        event(
            logging.DEBUG,
            "refused",
            path=call.path.partition("?")[0],
            code=error.code,
            status=error.status,
            pause=pause,
        )
        return error

    def _sleep(self, seconds: float) -> None:
        self._gate.sleep(seconds, self._observer)

    def _headers(self, call: Call, token: str | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **call.headers,
            "client-request-id": str(uuid.uuid4()),
            "return-client-request-id": "true",
        }
        headers.pop("Authorization", None)
        if token is not None and self._is_for(call):
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _is_for(self, call: Call) -> bool:
        """Whether the token of a call is for the host that it goes to."""
        if call.audience == "graph":
            return self.cloud.owns_graph(call.url)
        return call.audience == self.cloud.sharepoint_address(call.url) and call.url.startswith(f"{call.audience}/")

    def _note_date(self, answer: Answer) -> None:
        there = server_date(answer.headers)
        if there is not None:
            self._dates = (there, self._clock.now())


class _Metered:
    """Tells the budget of the bytes that come, and passes everything on."""

    def __init__(self, observer: Observer, budget: Budget, clock: Clock) -> None:
        self._budget, self._clock = budget, clock
        self._received, self.waiting = observer.received, observer.waiting

    def received(self, size_bytes: int) -> None:
        """Content arrived."""
        self._budget.received(size_bytes, self._clock.monotonic())
        self._received(size_bytes)


def open_session(
    cloud: Cloud, tenant: str, client_id: str, credential: Credential, clock: Clock, **options: Any
) -> GraphSession:
    """A session with its own sign-in; options as of GraphSession. Raises: ConfigurationError. Nothing is sent yet."""
    return GraphSession(cloud, SignIn(cloud, tenant, client_id, credential, clock), clock, **options)


def _bare_path(url: str, graph: str) -> str:
    path = url[len(graph) :] if url.startswith(graph) else "/" + url.split("/", 3)[-1]
    return next((path[len(version) - 1 :] for version in _VERSIONS if path.startswith(version)), path)


def _log_retry(call: Call, tried: tenacity.RetryCallState) -> None:
    """Without the path, which may hold a person's name: that is for level DEBUG (design §10)."""
    error = tried.outcome.exception() if tried.outcome is not None else None
    fields = {"code": getattr(error, "code", ""), "request_id": getattr(error, "request_id", None)}
    event(logging.INFO, "again", kind=call.cost, attempt=tried.attempt_number, **fields)


def _log_answer(call: Call, answer: Answer) -> None:
    if not is_logged(logging.DEBUG):
        return
    request_id = answer.headers.get("request-id")
    event(logging.DEBUG, "answer", path=call.path.partition("?")[0], status=answer.status, request_id=request_id)
