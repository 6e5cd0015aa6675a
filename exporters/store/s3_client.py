"""The client of a bucket: one for a whole store, its threads share it.

Rules of this file: botocore sends once and adds nothing of its own (Q-081); repeats are `retrying`'s. Source:
dependencies.md (boto3 row).
"""

import functools
import io
import re
import threading
from typing import Any

import boto3
import botocore.exceptions
from botocore.config import Config

from exporters.clock import Clock
from exporters.store.errors import StoreSettingError
from exporters.store.s3_errors import signal_or_error

_CONNECTIONS = 32
_AT_ONCE_BYTES = 64 << 10
_USER_AGENT = "lastcopy"  # botocore's own is put together anew for each request: a tenth of its work
_guard = threading.Lock()


@functools.cache
def _session() -> boto3.session.Session:
    """One for the process: it holds the parsed description of S3, half of what a client costs."""
    return boto3.session.Session()


def open_client(bucket: str, region: str | None, endpoint_url: str | None, clock: Clock) -> Any:
    """Make a client; asks nothing of the network. Raises: StoreSettingError naming `store.url`, `.region`, ….

    Credentials: the environment, a profile, a role, as AWS tools find them; found missing at the first request.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/-]{1,255}", bucket):
        raise StoreSettingError(
            f"{bucket!r} is no name of a bucket", key="store.url", action="Write s3://bucket/prefix."
        )
    settings = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        user_agent=_USER_AGENT,
        parameter_validation=False,  # all parameters are ours; the bucket's name is checked all the same
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint_url else {},
    )
    try:
        with _guard:  # a session is not safe to share, its clients are
            client = _session().client("s3", region_name=region, endpoint_url=endpoint_url, config=settings)
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        if isinstance(error, botocore.exceptions.BotoCoreError):
            mapped = signal_or_error(error, "head_bucket", "", bucket, clock)
            if isinstance(mapped, StoreSettingError):
                raise mapped from error
        raise StoreSettingError(
            f"the store {bucket!r} cannot be addressed: {error}",
            key="store.endpoint_url" if endpoint_url else "store.region",
            action="Correct store.endpoint_url and store.region.",
        ) from error
    client.meta.events.register_first("request-created.s3.PutObject", _send_at_once)
    return client


def _send_at_once(request: Any, **_: Any) -> None:
    """A small body goes with its headers: to ask first (`Expect: 100-continue`) is a round trip for each small file."""
    body = request.data
    if isinstance(body, io.BytesIO) and len(body.getbuffer()) <= _AT_ONCE_BYTES:  # botocore wraps bytes
        del request.headers["Expect"]
