"""The form that evidence.json must have before anything of it is used: whoever signed it may have written anything.

Rules of this file: pure; looks at all that checking relies on, and at nothing else. Source: docs/formats.md (Evidence).
"""

import re
from collections.abc import Mapping
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.store.errors import KeyRefusedError
from exporters.store.protocol import check_key
from retention.evidence.chain import PACKAGE
from retention.evidence.redaction_list import DIGEST, RUN

_LARGEST = 10**9


def require_shape(document: JsonObject) -> None:
    """Raises: ValueError naming the first part that is not as `package` makes it."""
    about, integrity = _object(document, "package"), _object(document, "integrity")
    _matching(about, "name", PACKAGE)
    if not isinstance(about.get("stamped"), bool):
        raise _wrong("package.stamped")
    for name in ("previous", "full"):
        if about.get(name, 0) is not None:
            _matching(_object(about, name), "package", PACKAGE)
            _matching(_object(about, name), "evidence", DIGEST)
    _matching(document, "signature_key", DIGEST)
    _matching(integrity, "lastcopy_json", DIGEST)
    for name, key_form in (("files", None), ("runs", RUN)):
        part = _object(integrity, name)
        for key in part:
            _matching(part, key, DIGEST)
            if key_form is not None and key_form.fullmatch(key) is None:
                raise _wrong(f"integrity.{name}")
    journal = _object(integrity, "journal")
    _numbered(journal, "journal", ("row", "segment_sha256"))
    bags = integrity.get("bags")
    if not isinstance(bags, list):
        raise _wrong("integrity.bags")
    for bag in bags:
        _require_bag(bag)


def _require_bag(bag: Any) -> None:
    if not isinstance(bag, dict) or not isinstance(bag.get("path"), str):
        raise _wrong("integrity.bags")
    try:
        check_key(bag["path"])
    except KeyRefusedError:
        raise _wrong("the path of a bag") from None
    _numbered(bag, "bags", ("tagmanifest_sha256", "segment_sha256"))


def _numbered(part: Mapping[str, Any], name: str, digests: tuple[str, ...]) -> None:
    """A number of a segment, and digests that may be null."""
    number = part.get("segment")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LARGEST:
        raise _wrong(f"integrity.{name}: segment")
    for one in digests:
        if part.get(one, 0) is not None:
            _matching(part, one, DIGEST)


def _object(part: Mapping[str, Any], name: str) -> JsonObject:
    found = part.get(name)
    if not isinstance(found, dict):
        raise _wrong(name)
    return found


def _matching(part: Mapping[str, Any], name: str, form: re.Pattern[str]) -> None:
    value = part.get(name)
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise _wrong(name)


def _wrong(what: str) -> ValueError:
    return ValueError(f"{what} is missing, or not as Lastcopy writes it")
