"""What stands between a client and the service: proxies that connect or refuse, and ports that do TLS badly.

Rules of this file: standard library and `cryptography`; nothing of ours; sockets are closed with the block that opened them.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html>Please log in</html>"


@contextlib.contextmanager
def listening(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on loopback; each connection is handled in a thread of its own."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    port: int = server.getsockname()[1]

    def accept() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    def serve(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            peer.settimeout(60)
            handle(peer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield port
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


class Proxy:
    """A CONNECT proxy. `refusal`: what it answers instead of connecting; `asked`: the hosts that it was asked for."""

    def __init__(self, refusal: bytes | None = None) -> None:
        self.refusal, self.asked = refusal, []

    def handle(self, peer: socket.socket) -> None:
        """One connection."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = peer.recv(65536)
            if not more:
                return
            head += more
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        self.asked.append(target.decode())
        if self.refusal is not None or method != b"CONNECT":
            peer.sendall(b"HTTP/1.1 405 No\r\n\r\n" if self.refusal is None else self.refusal)
            _hang_up(peer)
            return
        host, _, port = target.decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as far:
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, peer), daemon=True)
            back.start()
            _pump(peer, far)
            back.join()


def _hang_up(peer: socket.socket) -> None:
    """Let what was sent arrive first: closing with anything unread resets the connection."""
    with contextlib.suppress(OSError):
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def tls_port(certificate: Path) -> Callable[[socket.socket], None]:
    """A handler that shows this certificate (with its key in one PEM) and then says that it is busy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    return handle


def plain_http(peer: socket.socket) -> None:
    """A port that speaks HTTP without TLS."""
    peer.recv(65536)
    peer.sendall(HTML)


def cut_in_the_handshake(peer: socket.socket) -> None:
    """A port that reads the client's hello and hangs up."""
    peer.recv(65536)


def authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate authority; its PEM lies at `<folder>/ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    made = (
        _builder(name, name, key, datetime.now(UTC) - timedelta(days=900), datetime.now(UTC) + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return made, key


def certificate(
    folder: Path,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    *,
    host: str = "localhost",
    days: tuple[int, int] = (-1, 100),
) -> Path:
    """A server's certificate with its key, valid between these days from today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    start, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
    ca, ca_key = issuer
    made = (
        _builder(name, ca.subject, key, start, end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    path = folder / f"{host}{days[0]}.pem"
    secret = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
