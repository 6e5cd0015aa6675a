"""A real SMTP server on loopback that keeps what it takes, refuses whom it is told to, and hangs up where it is told to."""

import re
import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from types import TracebackType


@dataclass
class Taken:
    """One mail. to: of the envelope."""

    to: str
    raw: bytes

    @property
    def mail(self) -> Message:
        return message_from_bytes(self.raw)

    @property
    def id(self) -> str:
        return str(self.mail["Message-ID"])

    @property
    def subject(self) -> str:
        from email.header import decode_header, make_header

        return str(make_header(decode_header(str(self.mail["Subject"]))))

    @property
    def keys(self) -> list[str]:
        return " ".join(str(self.mail["X-Lastcopy-Key"]).split()).split(" ")

    @property
    def text(self) -> str:
        payload = self.mail.get_payload(decode=True)
        assert isinstance(payload, bytes)
        return payload.decode()


@dataclass
class MailServer:
    """refuses: addresses that get 550; busy: those that get 451; hangs_up: those whose connection is cut after
    the body is taken; says: what else is answered to a verb."""

    refuses: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    hangs_up: set[str] = field(default_factory=set)
    messages: list[Taken] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __enter__(self) -> "MailServer":
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                owner._serve(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def address(self, to: str = "ops@example.com") -> str:
        """For `notify`."""
        return f"smtp://127.0.0.1:{self.port}/?to={to}&from=lastcopy@example.com"

    def _serve(self, peer: socketserver.StreamRequestHandler) -> None:
        def say(text: str) -> None:
            peer.wfile.write(text.encode() + b"\r\n")

        say("220 test")
        to = ""
        while line := peer.rfile.readline():
            verb = line[:4].upper()
            if verb in {b"EHLO", b"HELO", b"RSET", b"NOOP"} or verb == b"MAIL":
                say("250 ok")
            elif verb == b"RCPT":
                found = re.search(rb"<([^>]*)>", line)
                to = found[1].decode() if found else ""
                usual = "550 no such user" if to in self.refuses else "451 later" if to in self.busy else "250 ok"
                say(self.says.get("RCPT", usual))
            elif verb == b"DATA":
                say("354 go on")
                body = bytearray()
                while (part := peer.rfile.readline()) not in {b".\r\n", b""}:
                    body += part[1:] if part.startswith(b".") else part
                self.messages.append(Taken(to, bytes(body)))
                if to in self.hangs_up:
                    return
                say("250 taken")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("502 what?")
