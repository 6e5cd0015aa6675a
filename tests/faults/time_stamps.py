"""A time stamp authority of RFC 3161 on loopback: `openssl ts -reply` behind an HTTP server, with a root made on the fly.

Rules of this file: the stamps are made by openssl, never by code of ours. `mishaps`: what the next answers are instead.
"""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SETTINGS = """\
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/{certs}
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_EXTENSION = (
    "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n"
)


class TimeStampAuthority:
    """A running authority. root: its root certificate; sends_root: whether its answers hold it. on_asked: called when a question
    has come, before it is answered, with its number."""

    def __init__(self, folder: Path, *, sends_root: bool = True) -> None:
        self.folder, self.root, self.mishaps, self.asked = folder, folder / "root.pem", list[int](), 0
        self.on_asked: Callable[[int], None] = lambda number: None
        _authority(folder, "root.pem" if sends_root else "tsa.pem")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                outer.on_asked(outer.asked)
                status = outer.mishaps.pop(0) if outer.mishaps else 200
                body = outer.reply(query) if status == 200 else b"no"
                with contextlib.suppress(ConnectionError):  # whoever asked was killed
                    self.send_response(status)
                    self.send_header("Content-Type", "application/timestamp-reply")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsr"

    def __enter__(self) -> "TimeStampAuthority":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, query: bytes) -> bytes:
        """The stamp that openssl gives."""
        asked, given = self.folder / f"{self.asked}.tsq", self.folder / f"{self.asked}.tsr"
        asked.write_bytes(query)
        settings = self.folder / "tsa.cnf"
        openssl(["ts", "-reply", "-config", str(settings), "-queryfile", str(asked), "-out", str(given)])
        return given.read_bytes()


def _authority(folder: Path, certs: str) -> None:
    """A root, and a certificate of it that may stamp."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(_SETTINGS.format(folder=folder, certs=certs))
    (folder / "tsa.ext").write_text(_EXTENSION)
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for name in ("root", "tsa"):
        openssl(["genpkey", *curve, "-out", f"{folder}/{name}.key"])
    openssl(["req", "-x509", "-new", "-key", f"{folder}/root.key", "-days", "3650", "-subj", "/CN=Test root",
             "-out", f"{folder}/root.pem"])  # fmt: skip
    openssl(["req", "-new", "-key", f"{folder}/tsa.key", "-subj", "/CN=Test authority", "-out", f"{folder}/tsa.csr"])
    openssl(["x509", "-req", "-in", f"{folder}/tsa.csr", "-CA", f"{folder}/root.pem", "-CAkey", f"{folder}/root.key",
             "-CAcreateserial", "-days", "3650", "-extfile", f"{folder}/tsa.ext", "-out", f"{folder}/tsa.pem"])  # fmt: skip


def openssl(arguments: Sequence[str]) -> bytes:
    """Run openssl; its output. Fails if it does."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout
