"""A real HTTP server on loopback that keeps what is posted to it, and answers as it is told."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass
class WebServer:
    """status: of every answer; hangs_up: takes the body and closes the connection."""

    status: int = 200
    hangs_up: bool = False
    wait_seconds: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def texts(self) -> list[str]:
        """What was said, as Apprise's JSON has it."""
        return [f"{body['title']}\n{body['message']}" for body in self.documents]

    @property
    def documents(self) -> list[Any]:
        return [json.loads(body) for body in self.bodies]

    @property
    def address(self) -> str:
        """For `notify`."""
        return f"json://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> "WebServer":
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(owner.wait_seconds)
                if owner.hangs_up or owner.status == 200:
                    owner.bodies.append(body)
                if owner.hangs_up:
                    return
                self.send_response(owner.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.port = int(self._server.server_address[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
