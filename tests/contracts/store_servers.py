"""S3 servers for tests: moto in a thread, localbucket where it is installed."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config

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


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """A fresh moto on a free port; its lists have pages of `PAGE`. Yields its address."""
    from moto.server import ThreadedMotoServer

    with mock.patch.dict(os.environ, CREDENTIALS | {"MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            _, port = server.get_host_and_port()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop()


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
            process.terminate()
            process.wait(10)


def client(endpoint: str) -> Any:
    """A client of our own beside the store's, to look behind its back. Close it."""
    settings = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1", config=settings)


def make_bucket(endpoint: str, *, lock: bool = False) -> str:
    """Make a bucket of a new name."""
    name = f"bucket-{next(_numbers)}"
    with contextlib.closing(client(endpoint)) as s3:
        s3.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
    return name
