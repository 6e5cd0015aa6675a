"""Canonical JSON (RFC 8785) of what a tenant can hold (design §8)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.evidence.canonical import canonical, parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_forms() -> None:
    document = {
        "b": 1,
        "a": (1 << 53) - 1,
        "c": 1 << 53,
        "d": "\ud800x",
        "e": "ü",
        "f": 1.0,
        "g": -(1 << 60),
        "€": None,
    }
    text = (
        '{"a":9007199254740991,"b":1,"c":"9007199254740992","d":"\\\\ud800x","e":"ü","f":1,'
        '"g":"-1152921504606846976","€":null}'
    )
    assert canonical(document).decode() == text


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_one_document_has_one_form(document: dict[str, object]) -> None:
    data = canonical(document)
    shuffled = dict(reversed(document.items()))
    assert canonical(shuffled) == data
    assert canonical(parsed(data)) == data
    data.decode()


def test_what_has_no_form_is_refused() -> None:
    for document in ({"a": float("nan")}, {"\ud800": 1, "\\ud800": 2}):
        with pytest.raises(ValueError, match=r"JSON|text"):
            canonical(document)
    for data in (
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b"[1]",
        b'{"a":1,"a":1}',
        b"{",
        b"[" * 200_000,
        json.dumps({"a": "ü"}).encode(),
    ):
        with pytest.raises(ValueError):
            parsed(data)
