"""Bad input through the real command line: one sentence of what, one of what to do, the exit code, nothing written or lost.

Issue 3, "Bad input"; design §6.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from tests.contracts.cli_tenant import Desk, Result

VERBS = ["export", "check"]


@pytest.fixture(scope="module")
def tenant(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A small tenant is enough to be refused by."""
    with Rehearsal(
        plain_data, clock=SystemClock(), licences=60_000, state=tmp_path_factory.mktemp("s") / "state"
    ) as served:
        yield served


def assert_refused(result: Result, status: int, code: str, *words: str) -> None:
    """One sentence of what (with these words in it), one of what to do, as JSON."""
    assert result.exit == status
    error = result.json["error"]
    assert error["code"] == code
    assert error["message"], error
    assert error["action"], error
    for word in words:
        assert word in error["message"] + error["action"]
    assert "Traceback" not in result.err


def certificate(folder: Path, *, days: int) -> Path:
    """A certificate of our own, with its key, that ends in so many days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lastcopy")])
    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=365)).not_valid_after(end)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_wrong_secret(desk: Desk) -> None:
    (desk.folder / "wrong").write_text("not-the-secret-at-all")
    desk.configure(credential="{secret: file:./wrong}")
    result = desk.run("export", "--json")
    assert_refused(result, 1, "secret_wrong", "client secret is wrong", "tenant.credential")
    assert not desk.copy.exists()
    assert "not-the-secret-at-all" not in result.out + result.err


def test_expired_certificate(desk: Desk) -> None:
    certificate(desk.folder, days=-3)
    desk.configure(credential="{certificate: file:./certificate.pem}")
    result = desk.run("export", "--json")
    assert result.exit in (1, 2)
    assert "expired" in result.json["error"]["message"]
    assert result.json["error"]["action"]
    assert not desk.copy.exists()


def test_certificate_that_the_tenant_does_not_know(desk: Desk) -> None:
    certificate(desk.folder, days=30)
    desk.configure(credential="{certificate: file:./certificate.pem}")
    assert_refused(desk.run("export", "--json"), 1, "certificate_unknown", "Upload")
    assert not desk.copy.exists()


@pytest.mark.parametrize("missing", ["Files.Read.All", "User.Read.All"])
def test_missing_permission(desk: Desk, missing: str) -> None:
    settings = desk.tenant.settings
    before = settings.roles
    settings.roles = before - {missing, "Sites.Read.All", "Directory.Read.All"}
    try:
        result, checked = desk.run("export", "--json"), desk.run("check", "--json")
    finally:
        settings.roles = before
    assert_refused(result, 1, "permission_missing", missing, "consent")
    assert not desk.copy.exists() or desk.files().keys() <= {"lastcopy-probe"}  # `check` proves the store
    assert checked.exit == 1
    told = [row for row in checked.json["checks"] if row["mark"] == "bad"]
    assert any(missing in row["message"] and row["action"] for row in told)


def test_unknown_tenant(desk: Desk) -> None:
    desk.configure(tenant="nobody.onmicrosoft.example")
    assert_refused(desk.run("export", "--json"), 1, "tenant_unknown", "no such tenant", "tenant.id")
    assert not desk.copy.exists()


def test_unknown_application(desk: Desk) -> None:
    desk.configure(client_id="11111111-2222-3333-4444-555555555555")
    assert_refused(desk.run("export", "--json"), 1, "application_unknown", "tenant.client_id")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="no mode of a folder binds root: see the next test")
def test_read_only_folder(desk: Desk) -> None:
    desk.copy.mkdir(mode=0o500)
    assert_refused(desk.run("export", "--json"), 2, "store_unfit", "written")
    assert not list(desk.copy.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody can write")
def test_folder_that_nobody_can_write_to(desk: Desk) -> None:
    desk.configure(store="file:/proc/lastcopy-store")
    result = desk.run("export", "--json")
    assert result.exit == 2
    assert result.json["error"]["action"]


def test_store_below_a_file(desk: Desk) -> None:
    (desk.folder / "occupied").write_text("a file")
    desk.configure(store="file:./occupied/copy")
    assert_refused(desk.run("export", "--json"), 2, "store_setting", "store.url")
    assert (desk.folder / "occupied").read_text() == "a file"


def test_unknown_key_in_the_yaml(desk: Desk) -> None:
    file = desk.configure()
    file.write_text(file.read_text() + "drvie: {versions: all}\n")
    for verb in VERBS:
        assert_refused(desk.run(verb, "--json"), 2, "configuration_invalid", "drvie", "drive", "config.example.yaml")
    assert not desk.copy.exists()
    assert not (desk.folder / "lastcopy.db").exists()


def test_every_mistake_is_told_at_once(desk: Desk) -> None:
    file = desk.configure(more="drive: {versions: 0, permission: all}\nplan: {line_mbit: fast}\n")
    message = desk.run("export", "--json").json["error"]["message"]
    assert file.name in message
    assert all(key in message for key in ("drive.versions", "drive.permission", "plan.line_mbit"))


def test_a_secret_in_the_wrong_place_is_not_shown(desk: Desk) -> None:
    desk.configure(credential="{secret: hunter2-hunter2}")
    result = desk.run("export", "-vv")
    assert result.exit == 2
    assert "tenant.credential.secret" in result.err
    assert "hunter2" not in result.out + result.err


def test_secret_that_is_nowhere(desk: Desk) -> None:
    desk.configure(credential="{secret: env:LASTCOPY_TEST_NOT_SET}")
    assert_refused(
        desk.run("export", "--json"), 2, "secret_unreadable", "tenant.credential.secret", "LASTCOPY_TEST_NOT_SET"
    )


def test_store_of_another_tenant(desk: Desk) -> None:
    desk.copy.mkdir()
    other = {
        "layout": 1,
        "tenant": {"id": "other", "domain": "other.example"},
        "created": "2026-01-01T00:00:00Z",
        "product": "lastcopy",
    }
    (desk.copy / "lastcopy.json").write_text(json.dumps(other, sort_keys=True))
    before = desk.files()
    assert_refused(desk.run("export", "--json"), 2, "store_of_another_tenant", "other.example", "store.url")
    assert desk.files() == before
    checked = desk.run("check", "--json")
    assert checked.exit == 2
    assert desk.files() == before


@pytest.mark.parametrize("verb", [("export",), ("check",), ("verify",), ("fold",), ("restore", "--to", "out")])
def test_store_of_a_newer_layout(desk: Desk, verb: tuple[str, ...]) -> None:
    desk.copy.mkdir()
    newer = {
        "layout": 2,
        "tenant": {"id": desk.tenant.info["tenant"], "domain": None},
        "created": "",
        "product": "lastcopy",
    }
    (desk.copy / "lastcopy.json").write_text(json.dumps(newer, sort_keys=True))
    before = desk.files()
    result = desk.run(*verb, "--json")
    assert result.exit == 2
    text = json.dumps(result.json)
    assert "layout 2" in text
    assert "newer Lastcopy" in text
    assert desk.files() == before


@pytest.mark.parametrize("verb", ["verify", "fold", "accept", "restore"])
def test_no_copy_yet(desk: Desk, verb: str) -> None:
    more = {"accept": ["malware", "--by", "A", "--reason", "r"], "restore": ["--to", str(desk.folder / "out")]}
    assert_refused(desk.run(verb, *more.get(verb, []), "--json"), 2, "store_empty", "store.url")


@pytest.mark.parametrize("verb", ["init", "check", "export", "verify", "accept", "fold", "restore", "rehearse"])
def test_now_is_refused_where_something_is_recorded(desk: Desk, verb: str) -> None:
    more = {"accept": ["malware", "--by", "A", "--reason", "r"], "restore": ["--to", "out"]}
    assert_refused(desk.run(verb, *more.get(verb, []), "--now", "2026-01-01", "--json"), 2, "usage", "--now")
    assert not desk.copy.exists()


def test_source_that_nobody_has(desk: Desk) -> None:
    assert_refused(desk.run("export", "--source", "onedrive/nobody@x", "--json"), 2, "source_unknown", "nobody@x")
    assert not desk.copy.exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["exprot"],
        ["export", "--nope"],
        ["accept"],
        ["verify", "--level", "half"],
        ["restore"],
        ["--json"],
        ["restore", "--to", "x", "--drill", "0"],
    ],
)
def test_wrong_command_lines(desk: Desk, argv: list[str]) -> None:
    assert_refused(desk.run(*argv, "--json"), 2, "usage", "--help")


def test_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from retention.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LASTCOPY_CONFIG", raising=False)
    assert main(["export"]) == 2
    assert "lastcopy init" in capsys.readouterr().err
    monkeypatch.setenv("LASTCOPY_CONFIG", str(tmp_path / "elsewhere.yaml"))
    assert main(["export"]) == 2
    assert "elsewhere.yaml" in capsys.readouterr().err
