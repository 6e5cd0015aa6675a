"""Who may write: the 3-minute rule, and what is believed of a process."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.bag.fence import AnotherWriterError, Process, Writer, refuse_if_alive

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OWN = Process.of_this_machine()


def refused(writer: Process, *, age: timedelta = timedelta(seconds=30)) -> bool:
    try:
        refuse_if_alive({"run": "r", "writer": Writer.new(writer).described}, NOW - age, NOW, OWN, "onedrive/x")
    except AnotherWriterError as error:
        assert "onedrive/x" in str(error)
        assert error.action
        return True
    return False


def test_a_live_process_of_this_machine_is_respected() -> None:
    assert refused(OWN)


def test_a_silent_writer_is_dead_after_three_minutes() -> None:
    foreign = replace(OWN, boot="another-boot/pid:[1]")
    assert refused(foreign, age=timedelta(seconds=179))
    assert not refused(foreign, age=timedelta(seconds=180))


def test_equal_host_and_pid_in_another_container_say_nothing() -> None:
    """No false 'gone': the process of that pid here is not the writer there."""
    assert refused(replace(OWN, boot="another-boot/pid:[1]", pid=2**22 - 1))


def test_a_pid_that_was_used_again_is_not_the_writer() -> None:
    """No false 'alive': same pid, another start."""
    assert not refused(replace(OWN, started="1"))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_dead_process_of_this_machine_is_gone_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert not refused(replace(OWN, pid=child.pid, started="12345"))
