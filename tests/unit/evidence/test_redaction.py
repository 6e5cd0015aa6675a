"""Names are replaced by allow-list (issue 10, 6)."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.errors import ConfigurationError
from retention.config import Config, parse
from retention.evidence.redaction import KEY_FILE, NameVeil, redaction_key
from retention.evidence.redaction_list import FIELDS

VEIL = NameVeil(b"k" * 32, keeps_hashes=False, sentences=frozenset({"Planner and Forms"}))
HASH = "ab" * 32
STAYS = [
    ("generated_at", "2026-11-23T15:40:17Z"),
    ("code", "not_found_while_listed"),
    ("outcome", "copied"),
    ("tagmanifest_sha256", HASH),
    ("run", "20261123T154017Z-0a1b2c"),
    ("item", "PF-05"),
    ("result", "with exceptions"),
    ("reason", "Planner and Forms"),
    ("count", 12),
    ("open", True),
    ("at", None),
]
GOES = [
    ("generated_at", "2026-11-23 Anna.docx"),
    ("code", "anna@contoso.com"),
    ("tagmanifest_sha256", "Contoso"),
    ("run", "Contoso"),
    ("item", "/Contoso/plan.docx"),
    ("reason", "Anna left"),
    ("name", "Contoso"),
    ("name", "Planner and Forms"),
    ("path", "/2026"),
    ("by", "Anna"),
    ("domain", "contoso.com"),
    ("bucket", "s3://contoso/copy"),
]


@pytest.mark.parametrize(("name", "value"), STAYS)
def test_what_stands_clear(name: str, value: object) -> None:
    assert VEIL.document({name: value}) == {name: value}


@pytest.mark.parametrize(("name", "value"), GOES)
def test_what_is_replaced(name: str, value: str) -> None:
    (shown,) = VEIL.document({name: value}).values()
    assert shown.startswith("x-")
    assert len(shown) == 18
    assert shown == VEIL.cell(name, value) == VEIL.cell("name", value)
    assert shown != NameVeil(b"j" * 32, keeps_hashes=False).cell(name, value)


def test_keys_are_strings_too() -> None:
    shown = VEIL.document({"counts": {"copied": 3}, "totals": {"Contoso AG": 3}, "anna@contoso.com": 1})
    assert shown["counts"] == {"copied": 3}
    assert "ontoso" not in json.dumps(shown)


def test_what_people_typed_is_replaced_even_if_it_looks_like_a_code() -> None:
    shown = VEIL.document(
        {"warnings": [{"channel": "Anna"}], "subscriptions": [{"channel": "direct", "agreement": "Anna"}]}
    )
    assert "Anna" not in json.dumps(shown)
    assert shown["subscriptions"][0]["channel"] == "direct"


def test_hashes_of_items_are_left_out_unless_asked_for() -> None:
    assert VEIL.cell("sha256", HASH) == ""
    assert NameVeil(b"k" * 32, keeps_hashes=True).cell("sha256", HASH) == HASH
    assert VEIL.document({"policy": {"id": "lastcopy-retention-2026-11", "sha256": HASH}})["policy"]["sha256"] == HASH
    assert VEIL.cell("size", 12) == "12"
    assert VEIL.cell("since", None) == ""


NAMES = st.text(st.sampled_from(string.ascii_letters + " @./-üß\ud800"), min_size=4)
TREES = st.recursive(
    NAMES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FIELDS)) | NAMES, inner, max_size=3)
    ),
)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_nothing_with_an_at_sign_or_a_slash_gets_through(document: dict[str, object]) -> None:
    assert "@" not in json.dumps(VEIL.document(document))
    assert "/" not in json.dumps(VEIL.document(document))


def test_the_key_stays_in_the_house(tmp_path: Path) -> None:
    config = Config(tmp_path / "lastcopy.yaml", parse(""))
    key = redaction_key(config)
    assert redaction_key(config) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(ConfigurationError):
        redaction_key(config)
    (tmp_path / KEY_FILE).chmod(0o600)
    (tmp_path / KEY_FILE).write_text("00")
    with pytest.raises(ConfigurationError):
        redaction_key(config)
