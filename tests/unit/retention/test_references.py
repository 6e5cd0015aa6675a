"""Secrets by reference: read when needed, never shown (design §7, §10)."""

import os
from pathlib import Path

import pytest

from exporters.errors import ConfigurationError
from retention.references import open_to_others, read_bytes, read_secret


def test_the_three_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTCOPY_TEST_SECRET", "one")
    (tmp_path / "secret").write_text("two\n")
    assert read_secret("env:LASTCOPY_TEST_SECRET", tmp_path, "k") == "one"
    assert read_secret("file:./secret", tmp_path, "k") == "two"
    assert read_bytes("file:./secret", tmp_path, "k") == b"two\n"


@pytest.mark.parametrize(
    "reference",
    ["env:LASTCOPY_TEST_NOT_SET", "file:./nowhere", "file:./empty", "file:./folder", "file:./binary", "keyring:x"],
)
def test_what_cannot_be_read_names_the_key(reference: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\x00secret")
    with pytest.raises(ConfigurationError) as caught:
        read_secret(reference, tmp_path, "tenant.credential.secret")
    assert str(caught.value).startswith("tenant.credential.secret: ")
    assert caught.value.action
    assert "secret\x00" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_files_that_others_can_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    assert not open_to_others("file:key", tmp_path)
    file.chmod(0o644)
    assert open_to_others("file:key", tmp_path)
    assert not open_to_others("env:HOME", tmp_path)
