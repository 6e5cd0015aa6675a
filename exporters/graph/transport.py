"""The wire: one `requests.Session`, TLS always verified, foreign exceptions mapped once, here.

Rules of this file: the only importer of requests in this package (lazily). No retries, no redirects, no status codes.
`requests` settles proxies, TLS and the connections of a host once; each request then goes to that pool directly, since its
own way there costs as much as the request.
Nothing is waited for without end: an answer that does not begin, and a body that brings less than a floor, are given up
(`pace`); JSON beyond `JSON_BYTES` is refused. Every request has our User-Agent (Q-047). Addresses go out byte for byte
as given: `requests` and urllib3 would cut a `#` off and quote braces anew (Q-011), so the request target is put back at
the last moment, in `_connection_class`. A CA bundle of ours beats REQUESTS_CA_BUNDLE in the environment; proxies of the
environment hold. Source: dependencies.md 2 (requests); quirks Q-011, Q-016, Q-047, Q-050.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from exporters.clock import SystemClock
from exporters.graph.errors import GraphError, MalformedAnswerError, RefusedError
from exporters.graph.failures import failure
from exporters.graph.headers import header
from exporters.graph.pace import PacedResponse

if TYPE_CHECKING:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

CONNECT_SECONDS, READ_SECONDS = 20.0, 100.0
JSON_BYTES = 64 << 20  # the largest pages of the service have a few megabytes
_LEAST_CHUNK, _SLOW_SECONDS, _QUICK_SECONDS = 16 << 10, 2.0, 0.5
_CLOCK = SystemClock()  # sockets wait in real time, whatever clock the rest goes by
_target = threading.local()


def wire_url(url: str) -> str:
    """`url` as it may stand on a request line: every byte as given, but what HTTP forbids there (controls, spaces,
    bytes over 0x7F) percent-encoded."""
    if url.isascii() and not re.search(r"[\x00-\x20\x7f]", url):
        return url
    raw = url.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in raw)


def user_agent() -> str:
    """The decorated form that is served first (Q-047)."""
    try:
        version = metadata.version("lastcopy")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"NONISV|Lastcopy|Lastcopy/{version}"


class Answer:
    """Status and headers of an answer, and its body: once, by `body` or by `chunks`. MUST be closed."""

    def __init__(self, response: "urllib3.BaseHTTPResponse", url: str) -> None:
        self._response = response
        self._is_read = False
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.when_closed: Callable[[], None] = _nothing

    @property
    def is_delimited(self) -> bool:
        """Whether the answer says where its body ends; otherwise one that was cut off looks whole."""
        told = header(self.headers, "Content-Length"), header(self.headers, "Transfer-Encoding")
        return self.status == 204 or any(value is not None for value in told)

    @property
    def has_surplus(self) -> bool:
        """Whether bytes stood behind the end of a body that was read to its end: then it is not the one that was meant."""
        return bool(getattr(getattr(self._response, "_original_response", None), "has_surplus", False))

    def body(self, most: int = JSON_BYTES) -> bytes:
        """The whole body, content coding undone; for JSON and errors.

        Raises: ConnectionFailedError; MalformedAnswerError if it is longer than `most`.
        """
        parts, size = [], 0
        try:
            with _mapped(self.url):
                while part := self._response.read(1 << 20, decode_content=True):
                    size += len(part)
                    if size > most:
                        raise _too_long(most)
                    parts.append(part)
            self._is_read = True
            return b"".join(parts)
        finally:
            self.close()

    def chunks(self, size_bytes: int) -> Iterator[bytes]:
        """The body as it came, nothing decoded. Smaller pieces where it comes slowly, so that little is lost at a break.

        Raises: ConnectionFailedError, also for a body shorter than told.
        """
        wanted = min(size_bytes, 8 * _LEAST_CHUNK)
        with _mapped(self.url):
            while True:
                began = _CLOCK.monotonic()
                chunk = self._response.read(wanted, decode_content=False)
                if not chunk:
                    self._is_read = True
                    return
                if getattr(self._response, "length_remaining", None) == 0:
                    self._tell()  # all of it is here: what is done with it holds up nobody
                took = _CLOCK.monotonic() - began
                if took > _SLOW_SECONDS:
                    wanted = max(_LEAST_CHUNK, wanted // 4)
                elif took < _QUICK_SECONDS:
                    wanted = min(size_bytes, wanted * 2)
                yield chunk

    def close(self) -> None:
        """Give the connection back (read to its end) or drop it."""
        if not self._is_read:
            self._response.close()
        self._response.release_conn()
        self._tell()

    def _tell(self) -> None:
        """That the body is here; once."""
        told, self.when_closed = self.when_closed, _nothing
        told()


def _nothing() -> None:
    """Where nobody wants to know."""


def _too_long(most: int) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"The service answered with more than {most >> 20} MiB where a page of JSON belongs.",
        code="malformed",
        action="Run again; if it stays, check for a proxy that answers in the service's place.",
    )


class Transport:
    """Sends prepared requests. Safe from many threads; `connections` bounds those open to one host."""

    def __init__(self, ca_bundle: Path | None, *, connections: int = 16) -> None:
        self._ca_bundle = ca_bundle
        self._agent = user_agent()
        self._connections = connections
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One request, one answer (its body not read yet). Raises: ConnectionFailedError, UntrustedError."""
        exact = wire_url(url)
        parts = re.match(r"[A-Za-z][\w+.-]*://[^/?#]*", exact)
        host = parts[0] if parts else ""
        rest = exact[len(host) :]
        target = rest if rest.startswith("/") else f"/{rest}"
        _target.value = target
        try:
            with _mapped(url):
                response = self._pool(host).urlopen(
                    method,
                    "/",  # `putrequest` puts the target there; urllib3 would take it apart at the cost of a small answer
                    body=body,
                    headers={"User-Agent": self._agent, **headers},
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                    retries=False,
                    timeout=_timeout(),
                )
        finally:
            _target.value = None
        return Answer(response, url)

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
                self._pools = {}

    def _open(self) -> "requests.Session":
        with self._lock:
            if self._session is None:
                import requests

                self._session = requests.Session()
                self._session.trust_env = True
                self._session.mount("https://", _adapter(self._connections))
                self._session.adapters.pop("http://", None)  # plain http has no way out
            return self._session

    def _pool(self, host: str) -> "urllib3.HTTPConnectionPool":
        """The connections to a host (scheme and authority); TLS and proxy settings are asked of the environment once for each."""
        known = self._pools.get(host)
        if known is None:
            session = self._open()
            found = session.merge_environment_settings(host, {}, False, self.verify, None)
            adapter: Any = session.get_adapter(host)
            request, verify = _request_to(host), found["verify"] or True
            known = adapter.get_connection_with_tls_context(request, verify, proxies=found["proxies"], cert=None)
            adapter.cert_verify(known, host, verify, None)
            self._pools[host] = known
        return known

    @property
    def verify(self) -> str | bool:
        """What to verify against: our bundle, else True (the system's, or what the environment names)."""
        return str(self._ca_bundle) if self._ca_bundle is not None else True


def _timeout() -> "urllib3.Timeout":
    import urllib3

    return urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)


def _request_to(host: str) -> "requests.PreparedRequest":
    from requests import PreparedRequest

    request = PreparedRequest()
    request.method, request.url = "GET", f"{host}/"
    return request


def _adapter(connections: int) -> "HTTPAdapter":
    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPSConnectionPool

    class ExactPool(HTTPSConnectionPool):
        ConnectionCls = _connection_class()

    class ExactAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"https": ExactPool}

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **kwargs)
            manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": ExactPool}
            return manager

    return ExactAdapter(pool_connections=8, pool_maxsize=connections, pool_block=True, max_retries=0)


def _connection_class() -> Any:
    from urllib3.connection import HTTPSConnection

    class ExactConnection(HTTPSConnection):
        response_class = PacedResponse

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            """urllib3 quotes the target anew; ours goes out as it was given (checked by `wire_url`)."""
            exact = getattr(_target, "value", None)
            return super().putrequest(
                method, exact if exact is not None and method != "CONNECT" else url, *args, **kwargs
            )

    return ExactConnection


@contextmanager
def _mapped(url: str) -> Iterator[None]:
    """Turn exceptions of requests, urllib3 and sockets into ours, without their text (it may hold whole addresses)."""
    import requests
    import urllib3

    try:
        yield
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        urllib3.exceptions.LocationValueError,
    ):
        raise _unsendable(url) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise failure(error, urlsplit(url).hostname or "the service") from None


def _unsendable(url: str) -> GraphError:
    host = urlsplit(url).hostname or "the service"
    return RefusedError(f"The address on {host} is not one that can be sent.", code="refused")
