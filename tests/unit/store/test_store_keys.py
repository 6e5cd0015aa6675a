"""Key rules and the URLs of stores."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.clock import ManualClock
from exporters.store.errors import KeyRefusedError, StoreSettingError
from exporters.store.folder import FolderStore
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, LockState, check_key

CLOCK = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


def test_longest_key() -> None:
    check_key("k" * 1024)
    with pytest.raises(KeyRefusedError, match="1,025 bytes"):
        check_key("k" * 1025)
    with pytest.raises(KeyRefusedError, match="1,025 bytes"):
        check_key("é" * 510, prefix_bytes=5)


def test_q039_names_of_devices_are_the_key_modules_affair() -> None:
    for key in ("con", "a.", "_vti_/x", " x", "...", "a/..b"):
        check_key(key)


@pytest.mark.parametrize("url", ["copy", "./copy", "file:copy", "file:./copy", "{base}/copy", "file:{base}/copy",
                                 "file://{base}/copy"])  # fmt: skip
def test_folder_urls(tmp_path: Path, url: str) -> None:
    store = open_store(url.format(base=tmp_path), base=tmp_path, clock=CLOCK)
    store.put("k", b"1")
    assert (tmp_path / "copy" / "k").read_bytes() == b"1"
    assert store.url == url.format(base=tmp_path)
    store.close()


def test_opening_writes_nothing(tmp_path: Path) -> None:
    store = open_store("copy", base=tmp_path, clock=CLOCK)
    assert list(store.list()) == []
    assert store.stat("k") is None
    assert not store.features.exact_keys  # not known yet
    store.describe()
    store.sync()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gs://bucket", "unknown kind"),
        ("file://host/share", "host"),
        ("file:", "no path"),
        ("", "no path"),
        ("a/b/c", "does not exist"),
        ("plain.txt", "not a folder"),
        ("s3://", "no address"),
        ("s3:///prefix", "no address"),
        ("s3://bucket/p?x=1", "no address"),
        ("s3://bucket/a/../b", "not usable"),
        ("s3://bucket//b", "not usable"),
        ("s3://bucket/" + "p" * 151, "longer than 150"),
        ("s3://b", "no name of a bucket"),
        ("s3://no spaces", "no name of a bucket"),
    ],
)
def test_wrong_urls(tmp_path: Path, url: str, says: str) -> None:
    (tmp_path / "plain.txt").write_text("x")
    with pytest.raises(StoreSettingError, match=says) as caught:
        open_store(url, base=tmp_path, clock=CLOCK, region="us-east-1")
    assert caught.value.key == "store.url"
    assert caught.value.action


def test_locks_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(StoreSettingError, match="folder") as caught:
        open_store("copy", base=tmp_path, clock=CLOCK, lock=LockPolicy("governance", CLOCK.now() + timedelta(1)))
    assert caught.value.key == "store.object_lock"


def test_locks_read_back() -> None:
    until = datetime(2027, 1, 1, 0, 0, 0, 500, tzinfo=UTC)
    lock = LockPolicy("governance", until)
    assert lock.satisfied_by(LockState("governance", until.replace(microsecond=0)))
    assert lock.satisfied_by(LockState("compliance", until))
    assert not lock.satisfied_by(LockState(None, None))
    assert not lock.satisfied_by(LockState("governance", until - timedelta(seconds=1)))
    assert not LockPolicy("compliance", until).satisfied_by(LockState("governance", until))


def test_opening_a_folder_imports_no_boto3(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from exporters.clock import SystemClock\n"
        "from exporters.store.opening import open_store; import exporters.store.probe\n"
        f"open_store('copy', base=Path({str(tmp_path)!r}), clock=SystemClock())\n"
        "sys.exit('boto3' in sys.modules or 'tenacity' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_folder_store_is_a_store(tmp_path: Path) -> None:
    assert isinstance(open_store("x", base=tmp_path, clock=CLOCK), FolderStore)
