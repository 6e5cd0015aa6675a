"""A name server on loopback: answers MX and NS from a table, or not at all."""

import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class DnsServer:
    """records: {(name, type): [text of a record]}; names that stand nowhere do not exist. is_silent: no answer ever comes.

    asked: (name, type) of each question."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    ttl: int = 3600
    is_silent: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def domain(self, name: str, *, mx: str | None, ns: str) -> None:
        """A domain with its mail and its name server."""
        self.records[name, "NS"] = [f"{ns}."]
        self.records[name, "MX"] = [f"10 {mx}."] if mx is not None else []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> "DnsServer":
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data)).to_wire()
            if not self.is_silent:
                self._socket.sendto(answer, sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *found))
        return answer
