"""A small service of our own for the tests of the client: sign-in, Graph and a download host, each a TLS server on
loopback. Tests say what it answers and read what it was asked. It shares nothing with the client or the rehearsal."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

TENANT = "11111111-2222-3333-4444-555555555555"
SECRET = "correct-horse-battery"


def make_certificate(
    path: Path,
    *,
    key_type: str = "ec",
    start: datetime | None = None,
    end: datetime | None = None,
    passphrase: str | None = None,
    foreign_key: bool = False,
) -> Path:
    """A self-signed certificate for localhost with its key, in one PEM."""

    def new_key():
        return ec.generate_private_key(ec.SECP256R1()) if key_type == "ec" else rsa.generate_private_key(65537, 2048)

    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(end or datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    secret = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    own = new_key() if foreign_key else key
    pem = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass
class Asked:
    """One request as the service saw it. target: the request line's, byte for byte."""

    host: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    def json(self):
        return json.loads(self.body)


@dataclass
class Reply:
    """What the service answers. cut: send only so many bytes of the body, then close. drop: close without an answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    drop: bool = False
    length: bool = True


def json_reply(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None, **kwargs: object
) -> Reply:
    head = {"Content-Type": "application/json", **(headers or {})}
    return Reply(status, json.dumps(document).encode(), head, **kwargs)


def error_reply(status: int, code: str, headers: Mapping[str, str] | None = None, message: str = "No.") -> Reply:
    return json_reply({"error": {"code": code, "message": message, "innerError": {}}}, status, headers)


def token(number: int, roles: tuple[str, ...] = ("Files.Read.All",)) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"roles": roles, "n": number}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{claims}.signature{number}"


Answers = Callable[[Asked], Reply]


class FakeService:
    """`graph` and `downloads` are functions that a test sets; `asked` lists what came, in order."""

    def __init__(self, certificate: Path) -> None:
        self.ca_bundle = certificate
        self.asked: list[Asked] = []
        self.tokens = 0
        self.token_error: tuple[int, dict] | None = None
        self.graph: Answers = lambda asked: error_reply(404, "itemNotFound")
        self.downloads: Answers = lambda asked: Reply(404)
        self._lock = threading.Lock()
        self._servers = {kind: self._serve(kind) for kind in ("login", "graph", "download")}

    def url(self, kind: str) -> str:
        return f"https://localhost:{self._servers[kind].server_address[1]}"

    def of(self, kind: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.host == kind]

    def close(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
        if asked.host == "login":
            return self._login(asked)
        return self.graph(asked) if asked.host == "graph" else self.downloads(asked)

    def _login(self, asked: Asked) -> Reply:
        if asked.path.endswith("openid-configuration"):
            if TENANT not in asked.path:
                return json_reply(
                    {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found."}, 400
                )
            base = f"{self.url('login')}/{TENANT}"
            return json_reply(
                {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                }
            )
        if self.token_error is not None:
            return json_reply(self.token_error[1], self.token_error[0], {"Date": "Mon, 23 Nov 2026 15:40:17 GMT"})
        form = parse_qs(asked.body.decode())
        if "client_assertion" not in form and form.get("client_secret") != [SECRET]:
            return json_reply({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid secret"}, 401)
        self.tokens += 1
        return json_reply({"token_type": "Bearer", "expires_in": 3599, "access_token": token(self.tokens)})

    def _serve(self, kind: str) -> ThreadingHTTPServer:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(kind, self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self._say(service.answer(asked))

            do_POST = do_GET

            def _say(self, reply: Reply) -> None:
                if reply.drop:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                named = {name.lower() for name in reply.headers}
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.length and "content-length" not in named and reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                if not reply.length or reply.cut is not None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])

            def date_time_string(self, timestamp: float | None = None) -> str:
                return "Mon, 23 Nov 2026 15:40:17 GMT"

            def send_response(self, code: int, message: str | None = None) -> None:
                self.send_response_only(code, message)
                self.send_header("Date", self.date_time_string())

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass

            def get_request(self):
                raw, address = super().get_request()
                raw.settimeout(30)
                return context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False), address

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_bundle)
        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


@contextmanager
def fake_service(certificate: Path) -> Iterator[FakeService]:
    service = FakeService(certificate)
    try:
        yield service
    finally:
        service.close()


def serve_range(content: bytes, asked: Asked, headers: Mapping[str, str] | None = None) -> Reply:
    """Content as a download host serves it, with ranges."""
    wanted = asked.headers.get("range")
    if wanted is None:
        return Reply(200, content, headers or {})
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    begin, end = int(first), min(int(last) if last else len(content) - 1, len(content) - 1)
    if begin >= len(content):
        return Reply(416, b"", {"Content-Range": f"bytes */{len(content)}", **(headers or {})})
    told = {"Content-Range": f"bytes {begin}-{end}/{len(content)}", **(headers or {})}
    return Reply(206, content[begin : end + 1], told)
