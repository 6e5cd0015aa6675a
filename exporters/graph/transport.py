"""The wire: one `requests.Session`, TLS always verified, foreign exceptions mapped once, here.

Rules of this file: the only importer of requests in this package (lazily). No retries, no redirects, no status codes.
Addresses go out byte for byte as given: `requests` and urllib3 would cut a `#` off and quote braces anew (Q-011), so
the request target is put back at the last moment, in `_connection_class`. A CA bundle of ours beats REQUESTS_CA_BUNDLE
in the environment; proxies of the environment hold. Source: dependencies.md 2 (requests); quirks Q-011, Q-016, Q-050.
"""

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from exporters.graph.errors import ConnectionFailedError, GraphError, RefusedError, UntrustedError

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

CONNECT_SECONDS, READ_SECONDS = 20.0, 120.0
_target = threading.local()


def wire_url(url: str) -> str:
    """`url` as it may stand on a request line: every byte as given, but what HTTP forbids there (controls, spaces,
    bytes over 0x7F) percent-encoded."""
    if url.isascii() and not re.search(r"[\x00-\x20\x7f]", url):
        return url
    raw = url.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in raw)


class Answer:
    """Status and headers of an answer, and its body: once, by `body` or by `chunks`. MUST be closed."""

    def __init__(self, response: "requests.Response", url: str) -> None:
        self._response = response
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.when_closed: Callable[[], None] = lambda: None

    def body(self) -> bytes:
        """The whole body, content coding undone; for JSON and errors. Raises: ConnectionFailedError."""
        try:
            with _mapped(self.url):
                return self._response.content
        finally:
            self.close()

    def chunks(self, size_bytes: int) -> Iterator[bytes]:
        """The body as it came, nothing decoded. Raises: ConnectionFailedError, also for a body shorter than told."""
        with _mapped(self.url):
            while True:
                chunk = self._response.raw.read(size_bytes, decode_content=False)
                if not chunk:
                    return
                yield chunk

    def close(self) -> None:
        """Give the connection back (read to its end) or drop it."""
        self._response.close()
        self.when_closed()


class Transport:
    """Sends prepared requests. Safe from many threads; `connections` bounds those open to one host."""

    def __init__(self, ca_bundle: Path | None, *, connections: int = 16) -> None:
        self._ca_bundle = ca_bundle
        self._connections = connections
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._settings: dict[str, Mapping[str, Any]] = {}

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One request, one answer (its body not read yet). Raises: ConnectionFailedError, UntrustedError."""
        from requests import PreparedRequest
        from requests.structures import CaseInsensitiveDict

        session = self._open()
        exact = wire_url(url)
        request = PreparedRequest()
        request.method, request.url = method, exact
        request.headers = CaseInsensitiveDict(headers)
        request.hooks = {"response": []}
        request.body = body
        if body is not None:
            request.headers["Content-Length"] = str(len(body))
        parts = re.match(r"[A-Za-z][\w+.-]*://[^/?#]*", exact)
        rest = exact[parts.end() :] if parts else ""
        _target.value = rest if rest.startswith("/") else f"/{rest}"
        try:
            with _mapped(url):
                adapter = session.get_adapter(exact)
                response = adapter.send(
                    request, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS), **self._how(exact)
                )
        finally:
            _target.value = None
        return Answer(response, url)

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _open(self) -> "requests.Session":
        with self._lock:
            if self._session is None:
                import requests

                self._session = requests.Session()
                self._session.trust_env = True
                self._session.mount("https://", _adapter(self._connections))
                self._session.adapters.pop("http://", None)  # plain http has no way out
            return self._session

    def _how(self, url: str) -> Mapping[str, Any]:
        """TLS and proxy settings for the host of `url`; asked of the environment once for each host."""
        host = urlsplit(url).netloc
        known = self._settings.get(host)
        if known is None:
            found = self._open().merge_environment_settings(url, {}, False, self.verify, None)
            known = {"verify": found["verify"] or True, "proxies": found["proxies"]}
            self._settings[host] = known
        return known

    @property
    def verify(self) -> str | bool:
        """What to verify against: our bundle, else True (the system's, or what the environment names)."""
        return str(self._ca_bundle) if self._ca_bundle is not None else True


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
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        host = urlsplit(url).hostname or "the service"
        raise _failure(error, host) from None


def _failure(error: BaseException, host: str) -> GraphError:
    import requests

    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return UntrustedError(
            f"The certificate of {host} cannot be verified.",
            code="tls_untrusted",
            action="If a proxy of yours inspects TLS, name its CA in tenant.ca_bundle (or REQUESTS_CA_BUNDLE).",
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return RefusedError(f"The address on {host} is not one that can be sent.", code="refused")
    names = [type(cause).__name__ for cause in causes]
    kind = next((text for name, text in _KINDS if any(name in found for found in names)), names[-1])
    return ConnectionFailedError(
        f"The connection to {host} failed: {kind}.",
        code="connection_failed",
        action="Check network, proxy and name resolution of this machine, then run again.",
    )


_KINDS = (
    ("ProxyError", "the proxy could not be used"),
    ("NameResolutionError", "its name could not be resolved"),
    ("ConnectTimeout", "no connection in time"),
    ("ReadTimeout", "no answer in time"),
    ("IncompleteRead", "the body ended early"),
    ("ConnectionReset", "it was reset"),
    ("ConnectionRefused", "it was refused"),
    ("RemoteDisconnected", "it was closed without an answer"),
    ("SSL", "TLS was cut off"),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    pending = [error]
    while pending:
        current = pending.pop(0)
        if any(current is known for known in seen):
            continue
        seen.append(current)
        yield current
        pending += [arg for arg in current.args if isinstance(arg, BaseException)]
        pending += [
            e
            for e in (current.__cause__, current.__context__, getattr(current, "reason", None))
            if isinstance(e, BaseException)
        ]
