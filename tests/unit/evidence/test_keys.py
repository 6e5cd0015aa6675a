"""Keys that sign evidence: made when first needed, private, trusted beside the configuration (design §8)."""

import threading
from pathlib import Path

import pytest

from exporters.clock import SystemClock
from exporters.errors import ConfigurationError
from retention.config import Config, ConfigError, parse
from retention.evidence.keys import Opened, fingerprint_of, opened_signer, verify_signature
from retention.evidence.trust import FILE, trusted
from tests.faults.time_stamps import openssl


def configured(folder: Path, evidence: str = "{}") -> Config:
    return Config(folder / "lastcopy.yaml", parse(f"evidence: {evidence}\n"))


def opened(config: Config, *, may_make: bool = True) -> Opened:
    return opened_signer(config, SystemClock(), may_make=may_make)


def test_a_key_is_made_once_and_trusted(tmp_path: Path) -> None:
    config = configured(tmp_path)
    first, again = opened(config), opened(config, may_make=False)
    key = tmp_path / "evidence-key.pem"
    assert (first.made, again.made) == (key, None)
    assert first.signer.fingerprint == again.signer.fingerprint
    assert key.stat().st_mode & 0o777 == 0o600
    assert trusted(config) == {first.signer.fingerprint: FILE}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence-key.pem", FILE]
    der = openssl(["pkey", "-in", str(key), "-pubout", "-outform", "DER"])
    (tmp_path / "der").write_bytes(der)
    assert first.signer.fingerprint in openssl(["dgst", "-sha256", str(tmp_path / "der")]).decode()


def test_of_many_that_make_it_at_once_all_get_the_same(tmp_path: Path) -> None:
    config, found = configured(tmp_path), list[str]()
    threads = [threading.Thread(target=lambda: found.append(opened(config).signer.fingerprint)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) == 1
    assert found[0] in trusted(config)


def test_a_key_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(configured(tmp_path), may_make=False)
    assert caught.value.code == "evidence_key_missing"
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)
    opened(config)
    (tmp_path / "evidence-key.pem").chmod(0o604)
    with pytest.raises(ConfigurationError) as caught:
        opened(config)
    assert caught.value.code == "evidence_key_open"


def test_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTCOPY_TEST_PASS", "correct horse")
    config = configured(tmp_path, "{passphrase: 'env:LASTCOPY_TEST_PASS'}")
    fingerprint = opened(config).signer.fingerprint
    assert "ENCRYPTED" in (tmp_path / "evidence-key.pem").read_text()
    assert opened(config).signer.fingerprint == fingerprint
    for other, code in (("", "evidence_key_passphrase"), ("wrong", "evidence_key_unreadable")):
        monkeypatch.setenv("LASTCOPY_TEST_PASS", other or "unused")
        with pytest.raises(ConfigurationError) as caught:
            opened(configured(tmp_path) if not other else config)
        assert caught.value.code == code


def test_a_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = openssl(["genpkey", "-algorithm", "ed25519"]).decode()
    monkeypatch.setenv("LASTCOPY_TEST_KEY", pem)
    config = configured(tmp_path, "{key: 'env:LASTCOPY_TEST_KEY'}")
    signer = opened(config, may_make=False).signer
    assert verify_signature("ed25519", signer.public_pem, signer.sign(b"x"), b"x")
    assert not verify_signature("ed25519", signer.public_pem, signer.sign(b"x"), b"y")
    assert signer.fingerprint == fingerprint_of(signer.public_pem)
    assert trusted(config) == {}
    listed = configured(tmp_path, f"{{key: 'env:LASTCOPY_TEST_KEY', trusted_keys: ['{signer.fingerprint.upper()}']}}")
    assert trusted(listed) == {signer.fingerprint: "evidence.trusted_keys"}


@pytest.mark.parametrize("kind", [["-algorithm", "RSA"], ["-algorithm", "ed448"]])
def test_another_kind_of_key_is_refused(kind: list[str], tmp_path: Path) -> None:
    key = tmp_path / "evidence-key.pem"
    openssl(["genpkey", *kind, "-out", str(key)])
    key.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        opened(configured(tmp_path))
    assert caught.value.code == "evidence_key_kind"


def test_trust_that_others_can_write_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)
    opened(config)
    (tmp_path / FILE).chmod(0o666)
    with pytest.raises(ConfigurationError) as caught:
        trusted(config)
    assert caught.value.code == "trust_open"


def test_no_key_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evidence-key.pem").touch(mode=0o600)
    with pytest.raises(ConfigurationError) as caught:
        opened(configured(tmp_path))
    assert caught.value.code == "evidence_key_unreadable"


@pytest.mark.parametrize("text", ["{key: hunter2}", "{key: 'awskms:'}", "{trusted_keys: [abc]}", "{trusted_keys: abc}"])
def test_a_wrong_configuration_names_its_key(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"evidence: {text}\n")
    assert caught.value.key.startswith("evidence.")
    assert "hunter2" not in str(caught.value)
