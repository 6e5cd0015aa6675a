"""The configuration: words in both YAML forms, all mistakes at once, no value in an error (design §7)."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.config import ConfigError, load, parse
from retention.values import seconds, size_bytes

TENANT = "tenant: {id: contoso.example, client_id: abc, credential: {secret: env:S}}\n"


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("sources: {directory: off}", "sources.directory", False),
        ("sources: {directory: 'off'}", "sources.directory", False),
        ("sources: {directory: yes}", "sources.directory", True),
        ("sources: {directory: 'yes'}", "sources.directory", True),
        ("sources: {archive: no}", "sources.archive", "none"),
        ("sources: {archive: 'no'}", "sources.archive", "none"),
        ("sources: {mail: off}", "sources.mail", "none"),
        ("sources: {mail: 'off'}", "sources.mail", "none"),
        ("sources: {onedrive: [anna, bob]}", "sources.onedrive", ["anna", "bob"]),
        ("mail: {fasttransfer: off}", "mail.fasttransfer", "off"),
        ("mail: {fasttransfer: 'on'}", "mail.fasttransfer", "on"),
        ("drive: {permissions: none}", "drive.permissions", "none"),
        ("drive: {permissions: off}", "drive.permissions", "none"),
        ("drive: {versions: 3}", "drive.versions", 3),
        ("mail: {pst: {part_size: 500 MiB}}", "mail.pst.part_size", 500 << 20),
        ("retention: {quiet_hours: {start: 20:00}}", "retention.quiet_hours.start", time(20)),
        ("retention: {quiet_hours: {end: '07:00'}}", "retention.quiet_hours.end", time(7)),
        ("retention: {sweep_every: 90m}", "retention.sweep_every", timedelta(minutes=90)),
        (
            "store: {url: a, object_lock: {until: 2030-01-31}}",
            "store.object_lock.until",
            datetime(2030, 1, 31, tzinfo=UTC),
        ),
        (
            "store: {url: a, object_lock: {until: '2030-01-31T01:00:00+01:00'}}",
            "store.object_lock.until",
            datetime(2030, 1, 31, tzinfo=UTC),
        ),
        ("sources:\nheartbeat:\n", "sources.onedrive", "all"),
    ],
)
def test_values(text: str, path: str, expected: Any) -> None:
    value: Any = parse(text)
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ("stoer: {url: a}", "stoer", "store"),
        ("drive: {version: all}", "drive.version", "versions"),
        ("notify: [{name: a, to: env:A, severity: high}]", "notify[0].severity", "min_severity"),
        ("drive: {versions: 0}", "drive.versions", "current"),
        ("drive: {versions: yes}", "drive.versions", "current"),
        ("drive: {permissions: some}", "drive.permissions", "shared"),
        ("sources: {mail: [no]}", "sources.mail", "quotes"),
        ("sources: {exclude: anna}", "sources.exclude", "list"),
        ("sources: {directory: maybe}", "sources.directory", "off"),
        ("retention: {time_zone: Mars/Olympus}", "retention.time_zone", "Europe/Amsterdam"),
        ("retention: {sweep_every: 90}", "retention.sweep_every", "24h"),
        ("mail: {pst: {part_size: 10 apples}}", "mail.pst.part_size", "10GiB"),
        ("mail: {pst: {part_size: 10}}", "mail.pst.part_size", "64KiB"),
        ("plan: {line_mbit: 0}", "plan.line_mbit", "1 or more"),
        ("plan: {line_mbit: fast}", "plan.line_mbit", "whole number"),
        ("tenant: {id: 'a/b', client_id: x, credential: {secret: env:A}}", "tenant.id", "domains"),
        ("tenant: {id: a, client_id: x}", "tenant.credential", "missing"),
        ("tenant: {id: a, client_id: x, credential: {}}", "tenant.credential", "exactly one"),
        ("tenant: {id: a, client_id: x, credential: {secret: env:A, certificate: file:b}}", "tenant.credential", "exactly one"),
        ("tenant: {id: a, client_id: x, credential: {secret: env:A}, graph: 'https://x'}", "tenant", "cloud: custom"),
        ("tenant: {id: a, cloud: custom, client_id: x, credential: {secret: env:A}}", "tenant", "login"),
        ("tenant: {id: a, cloud: custom, login: 'http://x', client_id: x, credential: {secret: env:A}}", "tenant.login", "https"),
        ("notify: [{name: a, to: env:A}, {name: a, to: env:B}]", "", "once"),
        ("state: 5", "state", "text"),
        ("store: s3://bucket", "store", "below"),
        ("a: 1\na: 2", "", "twice"),
        ("- a\n- b", "", "no keys"),
        ("a: [1", "", "YAML"),
    ],
)  # fmt: skip
def test_mistakes_name_the_key_and_what_is_allowed(text: str, key: str, word: str) -> None:
    error = refused(text)
    assert error.key == key
    assert word in str(error)
    assert error.action


def test_all_mistakes_are_told_at_once() -> None:
    error = refused("drive: {versions: 0, x: 1}\nplan: {line_mbit: -1}\nbogus: 1\n")
    assert {mistake.key for mistake in error.mistakes} == {"drive.versions", "drive.x", "plan.line_mbit", "bogus"}
    assert "4 mistakes" in str(error)


@pytest.mark.parametrize("secret", ["hunter2", "sk-live-1234", "https://user:hunter2@host"])
def test_a_secret_in_the_wrong_place_is_never_repeated(secret: str) -> None:
    text = f"tenant: {{id: a, client_id: x, credential: {{secret: '{secret}'}}}}\n"
    text += f"notify: [{{name: a, to: '{secret}'}}]\nheartbeat: {{url: '{secret}'}}"
    error = refused(text)
    assert secret not in str(error) + error.action + repr(error.mistakes)
    assert {"tenant.credential.secret", "notify[0].to", "heartbeat.url"} <= {mistake.key for mistake in error.mistakes}


def test_sections_that_are_needed_are_asked_for_when_they_are(tmp_path: Path) -> None:
    file = tmp_path / "lastcopy.yaml"
    file.write_text("plan: {line_mbit: 5}\n")
    config = load(file)
    for section in ("tenant", "store"):
        with pytest.raises(ConfigError) as caught:
            getattr(config, section)
        assert caught.value.key == section
    file.write_text(TENANT + "store: {url: file:./copy}\n")
    assert load(file).tenant.id == "contoso.example"
    assert load(file).path("file:sub/key.pem") == tmp_path / "sub" / "key.pem"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "lastcopy.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.code == "configuration_unreadable"


@given(st.text(max_size=60))
def test_whatever_stands_in_the_file_it_is_settings_or_an_error(text: str) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert str(error)


@given(st.integers(1, 10**6), st.sampled_from("smhdw"))
def test_durations(number: int, unit: str) -> None:
    assert (
        seconds(f"{number}{unit}").total_seconds()
        == number * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    )


@pytest.mark.parametrize("text", ["", "0GiB", "-1", "1 XB", "1.5GB", True, None, -5])
def test_sizes_that_are_none(text: Any) -> None:
    with pytest.raises(ValueError, match="allowed"):
        size_bytes(text)
