"""What stands between a store and a right S3 server: headers that get lost, answers that never come, refusals.

Rules of this file: a WSGI filter that changes requests and answers on the wire, so that the product is tried from its command
line with nothing of it replaced. Requests are named as boto3 names them.
"""

import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


def operation_of(environ: Environ) -> str:
    """The name of a request, as a method of boto3's client."""
    method, query = environ["REQUEST_METHOD"], parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if not environ["PATH_INFO"].lstrip("/").partition("/")[2]:
        settings = {"versioning": "bucket_versioning", "object-lock": "object_lock_configuration"}
        settings |= {"encryption": "bucket_encryption", "policy": "bucket_policy"}
        for name, operation in settings.items():
            if name in query:
                return f"{method.lower()}_{operation}"
        if method == "GET":
            return "list_multipart_uploads" if "uploads" in query else "list_objects_v2"
        return {"HEAD": "head_bucket", "PUT": "create_bucket", "DELETE": "delete_bucket"}.get(method, method)
    if "retention" in query:
        return f"{method.lower()}_object_retention"
    if "uploads" in query:
        return "create_multipart_upload"
    if "uploadId" in query:
        return {"PUT": "upload_part", "POST": "complete_multipart_upload", "DELETE": "abort_multipart_upload"}[method]
    return {"HEAD": "head_object", "GET": "get_object", "PUT": "put_object", "DELETE": "delete_object"}[method]


@dataclass
class Mishap:
    """One thing that goes wrong. operations: where, all if empty; having, query: only for requests with this header, this
    word in the query;
    after, times: lets so many pass first, then happens so often; the rest: what happens, any of them."""

    operations: tuple[str, ...] = ()
    having: str = ""
    query: str = ""
    after: int = 0
    times: int = 1 << 30
    strip: tuple[str, ...] = ()
    refuse: tuple[int, str] | None = None
    message: str = ""
    headers: Headers = field(default_factory=list)
    strip_answer: tuple[str, ...] = ()
    change_body: Callable[[bytes], bytes] | None = None
    lose: bool = False
    then: Callable[[], None] | None = None
    afterwards: Callable[[], None] | None = None

    def fits(self, environ: Environ, operation: str) -> bool:
        """Whether it happens to this request; counts."""
        if self.operations and operation not in self.operations:
            return False
        if self.having and f"HTTP_{self.having.upper().replace('-', '_')}" not in environ:
            return False
        if self.query not in environ.get("QUERY_STRING", ""):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


class Between:
    """The filter. `mishaps`: tried in order, each that fits happens. `seen`: (operation, key, headers) of all requests."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self.mishaps: list[Mishap] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.queries: list[tuple[str, str]] = []
        self.endpoint = self.bucket = ""

    @property
    def counts(self) -> Counter[str]:
        """Requests by operation."""
        return Counter(operation for operation, _, _ in self.seen)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/moto-api") or "Action=" in environ.get("QUERY_STRING", ""):
            return self._application(environ, start_response)
        operation = operation_of(environ)
        headers = {
            name[5:].replace("_", "-").lower(): str(v) for name, v in environ.items() if name.startswith("HTTP_")
        }
        headers |= {
            "content-length": environ.get("CONTENT_LENGTH", ""),
            "content-type": environ.get("CONTENT_TYPE", ""),
        }
        self.seen.append((operation, unquote(environ["PATH_INFO"].lstrip("/").partition("/")[2]), headers))
        self.queries.append((operation, environ.get("QUERY_STRING", "")))
        happening = [mishap for mishap in self.mishaps if mishap.fits(environ, operation)]
        for mishap in happening:
            for name in mishap.strip:
                environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)
            if mishap.then is not None:
                mishap.then()
            if mishap.refuse is not None:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                return _refusal(mishap, environ, start_response)
        return self._passed_on(environ, start_response, happening)

    def _passed_on(self, environ: Environ, start_response: Any, happening: list[Mishap]) -> Iterable[bytes]:
        told: list[Any] = []
        body = b"".join(self._application(environ, lambda *arguments: told.extend(arguments)))
        status, headers = told[0], list(told[1])
        for mishap in happening:
            if mishap.afterwards is not None:
                mishap.afterwards()
            if mishap.lose:
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                raise ConnectionAbortedError
            lost = {name.lower() for name in mishap.strip_answer}
            headers = [(name, value) for name, value in headers if name.lower() not in lost]
            if mishap.change_body is not None:
                body = mishap.change_body(body)
                headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
                headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


def _refusal(mishap: Mishap, environ: Environ, start_response: Any) -> Iterable[bytes]:
    assert mishap.refuse is not None
    status, code = mishap.refuse
    body = f"<Error><Code>{code}</Code><Message>{mishap.message or code}</Message></Error>".encode()
    if environ["REQUEST_METHOD"] == "HEAD":
        body = b""
    start_response(f"{status} {code}", [("Content-Type", "application/xml"), *mishap.headers])
    return [body]


def reversed_listing(body: bytes) -> bytes:
    """A page of a listing, last key first."""
    entries = re.findall(rb"<Contents>.*?</Contents>", body, re.S)
    if len(entries) < 2:
        return body
    start, end = body.index(b"<Contents>"), body.rindex(b"</Contents>") + len(b"</Contents>")
    return body[:start] + b"".join(reversed(entries)) + body[end:]
