"""JSON both ways, with lone surrogates: fast where it can be, tolerant where it must.

Rules of this file: names with lone surrogates (Q-035) go in and out as `\\udXXX` escapes, as the real service sends them.
"""

import json
from typing import Any

import orjson

Row = dict[str, Any]


def parse(data: bytes) -> Any:
    """A JSON document. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8", "surrogatepass"))


def render(value: Any) -> bytes:
    """`value` as UTF-8 JSON without white space."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
