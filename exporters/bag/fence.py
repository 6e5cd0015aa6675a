"""Who is writing: the identity of a writer, and whether the last one may still be alive.

Rules of this file: a writer is known by a random id; a host name and a pid say nothing across containers, so that "it is dead"
is only believed of one's own boot and pid namespace. Source: design §4 (the ledger).
"""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.errors import RunError

ALIVE_FOR = timedelta(minutes=3)


class AnotherWriterError(RunError):
    """Another writer is at work on this source, or may be. `other_run`: the id of its run, empty if it does not say."""

    def __init__(self, bag: str, first: Mapping[str, Any]) -> None:
        writer = first.get("writer") or {}
        super().__init__(
            f"another writer is at work on {bag} (host {writer.get('host')}, process {writer.get('pid')})",
            code="another_writer",
            action="Wait for it to end (one that died is known after 3 minutes), or use --take-over if you know that it is gone.",
        )
        self.other_run = str(first.get("run") or "")


@dataclass(frozen=True, slots=True)
class Process:
    """This process as other processes on this machine can see it. `boot`: boot id and pid namespace."""

    boot: str
    host: str
    pid: int
    started: str

    @staticmethod
    def of_this_machine() -> "Process":
        """The running process."""
        pid = os.getpid()
        return Process(_boot(), socket.gethostname(), pid, _started(pid) or "")


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that writes one bag in one run."""

    id: str
    process: Process

    @staticmethod
    def new(process: Process) -> "Writer":
        """With an id of its own."""
        return Writer(secrets.token_hex(16), process)

    @property
    def described(self) -> dict[str, Any]:
        """As in the first line of a segment."""
        p = self.process
        return {"id": self.id, "boot": p.boot, "host": p.host, "pid": p.pid, "started": p.started}


def refuse_if_alive(
    first: Mapping[str, Any], modified: datetime | None, store_now: datetime, own: Process, bag: str
) -> None:
    """Raise AnotherWriterError if the writer of an unclosed segment may be at work.

    first: the segment's first line. modified, store_now: both by the store's clock.
    """
    if modified is not None and store_now - modified < ALIVE_FOR and not is_known_dead(first.get("writer") or {}, own):
        raise AnotherWriterError(bag, first)


def is_known_dead(writer: Mapping[str, Any], own: Process) -> bool:
    """Whether a writer was of our own boot and pid namespace, and no process (zombies apart) has its pid and start now."""
    return _is_near(writer, own) and not _is_there(writer)


def is_known_alive(writer: Mapping[str, Any], own: Process) -> bool:
    """Whether a writer is another live process of our own boot and pid namespace."""
    return _is_near(writer, own) and _is_there(writer) and writer.get("pid") != own.pid


def _is_near(writer: Mapping[str, Any], own: Process) -> bool:
    return bool(own.boot) and writer.get("boot") == own.boot


def _is_there(writer: Mapping[str, Any]) -> bool:
    pid = writer.get("pid")
    started = _started(pid) if isinstance(pid, int) else None
    return started is not None and started == writer.get("started")


def _boot() -> str:
    """Boot id and pid namespace; empty where they cannot be told, or where /proc shows the processes of another namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        if str(Path("/proc/self").readlink()) != str(os.getpid()):
            return ""
    except OSError:
        return ""
    return f"{boot}/{namespace}"


def _started(pid: int) -> str | None:
    """Start time of a live process of this pid namespace; None if there is none, or a zombie, or it cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]
