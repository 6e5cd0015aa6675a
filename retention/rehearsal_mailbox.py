"""A mailbox for rehearsals: takes what comes by SMTP on loopback, and lays each mail into a folder as it came.

Rules of this file: for rehearsals alone; loopback only; no sign-in, no TLS, nothing is passed on.

    with Mailbox(folder) as mailbox:
        mailbox.address                      # for `notify`
        mailbox.news()                       # the mails that came since it was last asked
"""

import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self


class Mailbox:
    """A server on a free port. folder: is made; mails are named by their number, after those that lie there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._shown = folder, len(list(folder.iterdir()))
        self._lock = threading.Lock()
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _converse(self, owner)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """As an entry of `notify` has it."""
        return f"smtp://127.0.0.1:{self._server.server_address[1]}/?to=you@rehearsal.example&from=lastcopy@rehearsal.example"

    def take(self, raw: bytes) -> None:
        """Keep a mail."""
        with self._lock:
            number = len(list(self._folder.iterdir())) + 1
            (self._folder / f"{number:04d}.eml").write_bytes(raw)

    def news(self) -> list[tuple[Path, EmailMessage]]:
        """Mails that came since this was last asked."""
        with self._lock:
            files = sorted(self._folder.iterdir())[self._shown :]
        self._shown += len(files)
        return [(file, message_from_bytes(file.read_bytes(), policy=policy.default)) for file in files]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _converse(peer: socketserver.StreamRequestHandler, mailbox: Mailbox) -> None:
    def say(text: bytes) -> None:
        peer.wfile.write(text + b"\r\n")

    say(b"220 a rehearsal")
    while line := peer.rfile.readline(1000):
        verb = line[:4].upper()
        if verb == b"DATA":
            say(b"354 go on")
            body = bytearray()
            while (part := peer.rfile.readline()) not in {b".\r\n", b""}:
                body += part[1:] if part.startswith(b".") else part
            mailbox.take(bytes(body))
        say(b"221 bye" if verb == b"QUIT" else b"250 ok")
        if verb == b"QUIT":
            return
