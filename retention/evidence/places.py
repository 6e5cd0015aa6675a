"""Where the package lies that is to be checked: a folder, a bucket, or by its name in the store of the configuration.

Rules of this file: opens, never writes. Source: design §6 (verify --evidence DIR|URL).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from retention.config import Config
from retention.evidence.chain import DOCUMENT, FOLDER, PACKAGE, STAMP
from retention.opening import lock_of, opened_store

_IN_BUCKET = re.compile(rf"(s3://.+)/({PACKAGE.pattern})/?")


@dataclass(frozen=True, slots=True)
class PackagePlace:
    """A package. place: below which it lies in `store` (empty, or ends in `/`); lock: what its files must be locked with."""

    store: Store
    place: str
    lock: LockPolicy | None = None


@contextmanager
def opened_package(where: str, config: Config | None, clock: Clock, cwd: Path) -> Iterator[PackagePlace]:
    """Open what `--evidence` names. config: None where there is none. Raises: ConfigurationError, errors of the store."""
    name = where.removeprefix(FOLDER).rstrip("/")
    if STAMP.fullmatch(name) and not (cwd / where).is_dir():
        if config is None:
            raise _nowhere(where, "it is no folder, and there is no configuration whose store could hold it")
        with opened_store(config, clock, holding=True) as store:
            yield PackagePlace(store, f"{FOLDER}{name}/", lock_of(config))
        return
    store, place, lock = _elsewhere(where, config, clock, cwd)
    try:
        if next(store.list(place), None) is None:
            raise _nowhere(where, "there is nothing in it")
        if store.stat(f"{place}{DOCUMENT}") is None and store.stat("lastcopy.json") is not None:
            raise _nowhere(where, f"it is a store; its packages lie below {FOLDER}")
        yield PackagePlace(store, place, lock)
    finally:
        store.close()


def _elsewhere(where: str, config: Config | None, clock: Clock, cwd: Path) -> tuple[Store, str, LockPolicy | None]:
    settings = config.settings.store if config is not None else None
    if where.startswith("s3://"):
        match = _IN_BUCKET.fullmatch(where)
        root, place = (match[1], f"{match[2]}/") if match is not None else (where, "")
        region, endpoint = (settings.region, settings.endpoint_url) if settings is not None else (None, None)
        store = open_store(root, base=cwd, clock=clock, region=region, endpoint_url=endpoint)
        is_ours = config is not None and settings is not None and root == settings.url.rstrip("/")
        return store, place, lock_of(config) if is_ours and config is not None else None
    folder = (cwd / Path(where.removeprefix("file:")).expanduser()).resolve()
    if not folder.is_dir():
        raise _nowhere(where, "it is no folder")
    return open_store(str(folder), base=cwd, clock=clock), "", None


def _nowhere(where: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"--evidence {where}: {why}",
        code="no_package",
        action="Name the folder of a package, s3://…/evidence/STAMP, or the name of one in the store (evidence/STAMP).",
    )
