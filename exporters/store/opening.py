"""From the URL of the configuration to a store.

Rules of this file: nothing is written, and nothing is asked of the network; every error names the key of the YAML. Slow
imports wait until an S3 store is asked for. Source: design §4, §7 (`store`).
"""

from pathlib import Path

from exporters.clock import Clock
from exporters.store.errors import KeyRefusedError, StoreSettingError
from exporters.store.protocol import LockPolicy, Store, check_key

PREFIX_BYTES = 150


def open_store(
    url: str,
    *,
    base: Path,
    clock: Clock,
    region: str | None = None,
    endpoint_url: str | None = None,
    lock: LockPolicy | None = None,
) -> Store:
    """Return the store of a URL: `file:PATH`, a plain path, or `s3://bucket/prefix`. The caller closes it.

    base: what relative paths are relative to. region, endpoint_url, lock: for S3 only (KMS and credentials are the
    bucket's and the environment's affair). Raises: StoreSettingError (a ConfigurationError) naming the key.
    """
    if url.startswith("s3://"):
        return _open_s3(url, clock, region, endpoint_url, lock)
    scheme, colon, rest = url.partition(":")
    if colon and scheme.lower() == "file":
        path = rest
        if rest.startswith("//"):
            if not rest.startswith("///"):
                raise _wrong(url, "a file URL with a host", "Write file:PATH, as in file:./copy or file:/srv/copy.")
            path = rest[2:]
    elif "://" in url:
        raise _wrong(url, f"of the unknown kind {scheme!r}", "Write a path, file:PATH, or s3://bucket/prefix.")
    else:
        path = url
    if lock is not None:
        raise StoreSettingError(
            "a folder cannot lock its objects",
            key="store.object_lock",
            action="Leave out store.object_lock, or use a bucket with Object Lock.",
        )
    return _open_folder(url, path, base)


def _open_folder(url: str, path: str, base: Path) -> Store:
    from exporters.store.folder import FolderStore

    if not path or "\0" in path:
        raise _wrong(url, "no path", "Write a path, file:PATH, or s3://bucket/prefix.")
    root = base / Path(path).expanduser()
    if root.exists() and not root.is_dir():
        raise _wrong(url, "not a folder", "Name a folder; it is made if it does not exist.")
    if not root.exists() and not root.parent.is_dir():
        raise _wrong(url, f"below {root.parent}, which does not exist", "Make that folder, or mount its disk.")
    return FolderStore(root, url=url)


def _open_s3(url: str, clock: Clock, region: str | None, endpoint_url: str | None, lock: LockPolicy | None) -> Store:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.removesuffix("/")
    if not bucket or any(character in url for character in "?#@"):
        raise _wrong(url, "no address of a bucket", "Write s3://bucket/prefix, without anything else.")
    if prefix:
        if len(prefix.encode(errors="replace")) > PREFIX_BYTES:
            raise _wrong(url, f"longer than {PREFIX_BYTES} bytes after the bucket", "Choose a shorter prefix.")
        try:
            check_key(prefix)
        except KeyRefusedError as error:
            raise _wrong(url, f"not usable ({error})", "Choose a plain prefix, such as contoso/2026.") from error
    from exporters.store.retrying import Retries, RetryingStore
    from exporters.store.s3 import S3Store

    retries = Retries(clock)
    store = S3Store(bucket, prefix, clock=clock, region=region, endpoint_url=endpoint_url, lock=lock, retries=retries)
    return RetryingStore(store, retries)


def _wrong(url: str, what: str, action: str) -> StoreSettingError:
    return StoreSettingError(f"store.url {url!r} is {what}", key="store.url", action=action)
