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
    """Another writer is at work on this source, or may be."""


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
    writer: Mapping[str, Any], modified: datetime | None, store_now: datetime, own: Process, bag: str
) -> None:
    """Raise AnotherWriterError if the writer of an unclosed segment may be at work.

    modified, store_now: both by the store's clock. Dead = silent for 3 minutes, or of our own boot and pid namespace
    and without a process of that pid and start (zombies apart).
    """
    if modified is None or store_now - modified >= ALIVE_FOR:
        return
    if writer.get("boot") == own.boot and own.boot:
        started = _started(int(writer.get("pid") or 0))
        if started is None or started != writer.get("started"):
            return
    raise AnotherWriterError(
        f"another writer is at work on {bag} (host {writer.get('host')}, process {writer.get('pid')})",
        code="another_writer",
        action="Wait for it to end (one that died is known after 3 minutes), or use --take-over if you know that it is gone.",
    )


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""  # no way to tell: never equal to another's


def _started(pid: int) -> str | None:
    """Start time of a live process of this pid namespace; None if there is none, or a zombie, or it cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]
