"""S3 servers for tests: moto in a thread, localbucket where it is installed."""

import contextlib
import functools
import io
import itertools
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config

from tests.contracts.store_mishaps import Between

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
PAGE = 30
_numbers = itertools.count(1)


class OneAtATime:
    """A WSGI application behind a lock: moto looks at a condition first and writes then, S3 does both at once."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            return [b"".join(self._application(environ, start_response))]


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """A fresh moto on a free port; its lists have pages of `PAGE`. Yields its address."""
    with moto_between() as (endpoint, _):
        yield endpoint


@contextlib.contextmanager
def moto_between() -> Iterator[tuple[str, Between]]:
    """The same, with a filter in front of it. Yields its address and the filter."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    between = Between(OneAtATime(DomainDispatcherApplication(create_backend_app)))

    class Handler(WSGIRequestHandler):
        def send_header(self, keyword: str, value: str) -> None:
            if keyword.lower() != "date" or not any("Date" in mishap.strip_answer for mishap in between.mishaps):
                super().send_header(keyword, value)

    with mock.patch.dict(os.environ, CREDENTIALS | {"MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}):
        server = make_server("127.0.0.1", 0, between, threaded=True, request_handler=Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield endpoint, between
        finally:
            client(endpoint).close()
            server.shutdown()
            thread.join(10)
            server.server_close()


def localbucket_command() -> str | None:
    """The command of localbucket, beside this Python or on the path."""
    beside = Path(sys.executable).parent / "localbucket"
    return str(beside) if beside.exists() else shutil.which("localbucket")


@contextlib.contextmanager
def localbucket_server(command: str, data: Path) -> Iterator[str]:
    """localbucket in a process of its own. Yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data.mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(os.environ, CREDENTIALS):
        process = subprocess.Popen(
            [command, "--port", str(port), str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            client(f"http://127.0.0.1:{port}").close()
            process.terminate()
            process.wait(10)


@functools.cache
def client(endpoint: str) -> Any:
    """A client of our own beside the store's, to look behind its back. One for each server, closed with it."""
    settings = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1", config=settings)


def make_bucket(endpoint: str, *, lock: bool = False) -> str:
    """Make a bucket of a new name."""
    name = f"bucket-{next(_numbers)}"
    client(endpoint).create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
    return name
