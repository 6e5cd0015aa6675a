"""Bytes of the store that are no JSON of ours are told apart, however they are broken."""

import pytest

from exporters.bag.formats import load_json


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"a":' * 200_000, b"{", b"[1]", b"\xff"])
def test_what_is_no_object_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        load_json(data)
