"""A lean HTTP/1.1 server over TLS: one thread a connection, keep-alive, bodies by Content-Length.

Rules of this file: it knows requests and responses, nothing of what they mean; the ledger is told of a response before its
last byte is sent, so whoever reads the ledger after an answer finds the request there; sockets are closed in any case.
`http.server` is not used because it parses headers as mail, which costs more than all the rest of a small request.
Source: RFC 9112.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import unquote

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {509: "Bandwidth Limit Exceeded"}
_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 8 * 1024 * 1024


class ProtocolError(Exception):
    """The peer does not speak HTTP/1.1, or sends more than this server takes."""


@dataclass(slots=True)
class Request:
    """One request: header names in lower case; `path` still percent-encoded, `query` without `?`."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    host: str = ""  # the kind of port: login, graph, sharepoint, download, control

    @property
    def segments(self) -> list[str]:
        """The path cut at `/` and percent-decoded, empty parts left out."""
        return [unquote(part, errors="surrogateescape") for part in self.path.split("/") if part]


@dataclass(slots=True)
class Response:
    """One response. `stream` with `length` replaces `body` for what does not fit in memory."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None
    length: int | None = None  # bytes in `stream`
    # What faults do to the delivery: announce another length, stop after so many bytes (and how), wait between pieces.
    announced: int | None = None
    cut_after: int | None = None
    reset: bool = False
    pause: Callable[[], None] | None = None
    framing: Literal["length", "chunked", "close"] = "length"  # how the end of the body is told
    extra: bytes = b""  # sent behind the body, on a connection that is kept
    raw: bytes | None = None  # sent instead of all: no HTTP at all
    silent: float = 0.0  # no answer at all, for so many seconds or until the peer gives up
    before_end: Callable[[int], None] | None = None  # told the number of body bytes, before the last are sent

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return len(self.body) if self.stream is None else int(self.length or 0)


Handler = Callable[[Request], Response]


class Connection:
    """One TLS connection: reads requests and writes responses in turn."""

    def __init__(self, sock: ssl.SSLSocket, host: str, handler: Handler, date: Callable[[], str]) -> None:
        self._sock, self._host, self._handler, self._date = sock, host, handler, date
        self._buffer = b""

    def serve(self) -> None:
        """Until the peer closes or a response ends the connection."""
        while (request := self._read()) is not None:
            response = self._handler(request)
            if not self._write(request, response) or request.headers.get("connection", "").lower() == "close":
                return

    def _read(self) -> Request | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise ProtocolError("the head of a request is too long")
            more = self._sock.recv(65536)
            if not more:
                return None
            self._buffer += more
        head, self._buffer = self._buffer[:end].decode("latin-1"), self._buffer[end + 4 :]
        first, *lines = head.split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3:
            raise ProtocolError("not a request line")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = parts[1].partition("?")
        return Request(parts[0], path, query, headers, self._body(headers), self._host)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunked()
        return self._take(int(headers.get("content-length") or 0))

    def _take(self, count: int) -> bytes:
        if count > _BODY_LIMIT:
            raise ProtocolError("the body of a request is too long")
        while len(self._buffer) < count:
            more = self._sock.recv(65536)
            if not more:
                raise ProtocolError("the peer closed in the middle of a body")
            self._buffer += more
        body, self._buffer = self._buffer[:count], self._buffer[count:]
        return body

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            more = self._sock.recv(65536)
            if not more or len(self._buffer) > _HEAD_LIMIT:
                raise ProtocolError("a chunk without its size")
            self._buffer += more
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _chunked(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while (size := int(self._line().split(b";")[0], 16)) > 0:
            total += size
            if total > _BODY_LIMIT:
                raise ProtocolError("the body of a request is too long")
            parts.append(self._take(size))
            self._take(2)
        while self._line():
            pass
        return b"".join(parts)

    def _write(self, request: Request, response: Response) -> bool:
        """Send it; False if the connection is at its end."""
        if response.silent or response.raw is not None:
            return self._no_http(response)
        reason = _REASONS.get(response.status, "Unknown")
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        headers = response.headers
        if "Date" not in headers:
            lines.append(f"Date: {self._date()}")
        lines.extend(f"{name}: {value}" for name, value in headers.items())
        if response.status not in (204, 304):
            lines.append(_length_line(response))
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if request.method == "HEAD":
            response.stream, response.body = None, b""
        whole = self._deliver(head, response)
        if not whole and response.reset:
            reset(self._sock)
        return whole

    def _no_http(self, response: Response) -> bool:
        """Nothing, or nonsense; the connection ends with it."""
        if response.before_end is not None:
            response.before_end(len(response.raw or b""))
        if response.raw is not None:
            if response.raw:
                self._sock.sendall(response.raw)
            if response.reset:
                reset(self._sock)
            return False
        self._sock.settimeout(response.silent)
        with contextlib.suppress(OSError):
            while self._sock.recv(65536):
                pass
        return False

    def _deliver(self, head: bytes, response: Response) -> bool:
        pieces = response.stream if response.stream is not None else iter((response.body,))
        limit = response.size if response.cut_after is None else min(response.cut_after, response.size)
        sent, pending = 0, head
        for piece in pieces:
            part = piece[: limit - sent]
            sent += len(part)
            if response.framing == "chunked" and part:
                part = b"%x\r\n%b\r\n" % (len(part), part)
            if sent >= limit:
                pending += part
                break
            self._sock.sendall(pending + part if pending else part)
            pending = b""
            if response.pause is not None:
                response.pause()
        if response.before_end is not None:
            response.before_end(sent)
        whole = response.cut_after is None and sent == response.size
        if response.framing == "chunked" and whole:
            pending += b"0\r\n\r\n"
        if pending or response.extra:
            self._sock.sendall(pending + response.extra)
        return whole and response.announced is None and response.framing != "close"


def _length_line(response: Response) -> str:
    if response.framing == "chunked":
        return "Transfer-Encoding: chunked"
    if response.framing == "close":
        return "Connection: close"
    return f"Content-Length: {response.size if response.announced is None else response.announced}"


def reset(sock: socket.socket) -> None:
    """Make the coming close a TCP reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Listener:
    """One port of the simulated service; accepts in a thread of its own."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, handler: Handler, date: Callable[[], str]
    ) -> None:
        """Binds at once. Raises OSError if the port is taken."""
        self._host, self._context, self._handler, self._date = host, context, handler, date
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._peers: set[threading.Thread] = set()
        self._closing = False
        self._sock = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._sock.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"rehearsal-{host}", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection. Twice is as once."""
        with self._lock:
            self._closing = True
            sockets = list(self._open)
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        for peer in list(self._peers):  # the files of the tenant are closed after this
            peer.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._sock.accept()
            except OSError:
                return  # closed by stop()
            peer = threading.Thread(target=self._serve, args=(raw,), name=f"rehearsal-{self._host}-peer", daemon=True)
            with self._lock:
                self._peers.add(peer)
            peer.start()

    def _serve(self, raw: socket.socket) -> None:
        with self._lock:
            if self._closing:
                self._peers.discard(threading.current_thread())
                raw.close()
                return
            self._open.add(raw)
        current = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(300)
            current = self._context.wrap_socket(raw, server_side=True)
            with self._lock:
                self._open.discard(raw)
                self._open.add(current)
            Connection(current, self._host, self._handler, self._date).serve()
        except (OSError, ProtocolError, ValueError):
            pass  # peers come and go as they like; what they asked for stands in the ledger
        finally:
            with self._lock:
                self._open.discard(raw)
                self._open.discard(current)
                self._peers.discard(threading.current_thread())
            current.close()
