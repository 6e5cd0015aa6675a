"""Disks that are full or read-only: real ones where this machine lets us mount, else limits of the process.

Rules of this file: what is mounted is unmounted; nothing of ours. A test that needs what this machine does not allow is skipped.
"""

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2


class Disk:
    """A file system in memory, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: int) -> None:
        """So many bytes from now on."""
        _run("mount", "-o", f"remount,size={size}", str(self.folder))

    def protect(self, *, readonly: bool) -> None:
        """Read-only, or no more so."""
        remount(self.folder, readonly=readonly)

    @property
    def used(self) -> int:
        """Bytes in use."""
        told = os.statvfs(self.folder)
        return (told.f_blocks - told.f_bfree) * told.f_frsize


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of so many bytes; skips the test where nothing may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount")
    try:
        yield Disk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def remount(folder: Path, *, readonly: bool) -> None:
    """Read-only, or no more so. The system refuses while a file is open for writing: asked again until none is."""
    command = ["mount", "-o", f"remount,{'ro' if readonly else 'rw'}", str(folder)]
    for _ in range(500):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.01)
    _run(*command)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def without_override() -> Callable[[], None] | None:
    """What a child has to do so that permissions of files hold for root as well; None if we are not root."""
    if os.geteuid() != 0:
        return None
    library = ctypes.CDLL(None)

    def drop() -> None:
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            library.prctl(_CAPBSET_DROP, capability, 0, 0, 0)

    return drop
