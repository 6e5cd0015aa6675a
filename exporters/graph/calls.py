"""What the parts of the client hand to each other: a call, its counts, and who is told of progress.

Rules of this file: vocabulary, no I/O. Only GET can be said here, and the POSTs of `batch` and of `exportItems`, which read.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote

from exporters.graph.errors import ThrottledError
from exporters.graph.limits import Cost, Price, Scope, price
from exporters.graph.retrying import API_TRIES, Tries
from exporters.graph.transport import Answer

JsonObject = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. url: whole address. path: without host and version, for prices, permissions and logs.
    bearer: whether a token goes with it. audience: whose token, `graph`, or the address of a SharePoint host; it goes to nobody
    else. accept: statuses besides 2xx that are no error.
    """

    url: str = field(repr=False)
    path: str
    cost: Cost
    price: Price
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    bearer: bool = True
    audience: str = "graph"
    mailbox: str | None = None
    accept: frozenset[int] = frozenset()
    tries: Tries = API_TRIES


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """count: requests sent to Graph and download hosts. throttled: answers 429 and 503. avoidable: those to requests
    that we sent inside a pause we knew of. resource_units: SharePoint units spent."""

    count: int
    throttled: int
    avoidable: int
    resource_units: int


@dataclass(frozen=True, slots=True)
class Took:
    """What answered requests took together, from sending to the last byte that was read at once. count: how many."""

    count: int = 0
    seconds: float = 0.0


class Counter:
    """Counts of a session. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = RequestCounts(0, 0, 0, 0)
        self._took: dict[Scope, tuple[int, float]] = {}

    def add(self, *, count: int = 0, throttled: int = 0, avoidable: int = 0, resource_units: int = 0) -> None:
        with self._lock:
            now = self._counts
            self._counts = RequestCounts(
                now.count + count,
                now.throttled + throttled,
                now.avoidable + avoidable,
                now.resource_units + resource_units,
            )

    @property
    def counts(self) -> RequestCounts:
        with self._lock:
            return self._counts

    def took(self, scope: Scope, seconds: float) -> None:
        """A request was answered in so long."""
        with self._lock:
            count, before = self._took.get(scope, (0, 0.0))
            self._took[scope] = count + 1, before + seconds

    @property
    def times(self) -> dict[Scope, Took]:
        """What answered requests took, by whose limits counted them."""
        with self._lock:
            return {scope: Took(*took) for scope, took in self._took.items()}


class Observer(Protocol):
    """Who shows progress. Called from any thread; MUST be quick and MUST NOT raise."""

    def received(self, size_bytes: int) -> None:
        """Content arrived."""

    def waiting(self, seconds: float, reason: str) -> None:
        """A request waits; reason: `pause` (told by the service), `budget` (of the minute), `day`, `hour` (of bytes), or
        `backoff`."""


class NoObserver:
    def received(self, size_bytes: int) -> None:
        """Nobody watches."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Nobody watches."""


class Asker(Protocol):
    """What pages, delta, batch and downloads need of the session."""

    def call(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost,
        mailbox: str | None = None,
    ) -> Call:
        """A GET of a path, or of a link that the service gave. Raises: ForeignLinkError."""
        ...

    def exchange(self, call: Call, read: Callable[[Answer], T], *, patience: float | None = None) -> T:
        """Send, retry, classify. `read` gets answers that are no errors, and MUST close them (or keep them open)."""
        ...

    def refused(self, scope: Scope, errors: Sequence[ThrottledError], mailbox: str | None) -> None:
        """Take note of refusals inside a batch."""
        ...


def segment(text: str) -> str:
    """One segment of a path, percent-encoded where it must be (ids may hold `=`, `!`, `,`; names anything: Q-034)."""
    return quote(text, safe="!,:'()*-._~@$=+", errors="surrogatepass")


def query(params: Mapping[str, str]) -> str:
    """The query of our own parameters; `$`, commas and what OData writes stay readable."""
    return "&".join(
        f"{quote(k, safe='$@.')}={quote(v, safe='$,()/:;*@!', errors='surrogatepass')}" for k, v in params.items()
    )


def charged(cost: Cost, params: Mapping[str, str] | None) -> Price:
    return price(cost, params)
