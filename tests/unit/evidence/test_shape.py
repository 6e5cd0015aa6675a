"""Whoever signs evidence.json may write anything into it: it is looked at before it is used."""

import copy
from typing import Any

import pytest

from retention.evidence.shape import require_shape

DIGEST = "ab" * 32
WHOLE: dict[str, Any] = {
    "package": {"name": "evidence/20261123T154017Z", "previous": None, "stamped": True,
                "full": {"package": "evidence/20261123T154016Z", "evidence": DIGEST}},
    "signature_key": DIGEST,
    "integrity": {
        "files": {"VERIFY.md": DIGEST}, "runs": {"20261123T154017Z-0a1b2c": DIGEST}, "lastcopy_json": DIGEST,
        "journal": {"segment": 3, "segment_sha256": DIGEST, "row": None},
        "bags": [{"path": "mail/anna", "tagmanifest_sha256": None, "segment": 0, "segment_sha256": None}],
    },
}  # fmt: skip
WRONG: list[tuple[list[str | int], Any]] = [
    (["package"], []),
    (["package", "name"], "evidence/../../etc"),
    (["package", "stamped"], 1),
    (["package", "previous"], {}),
    (["package", "full", "evidence"], "x"),
    (["signature_key"], None),
    (["integrity", "files", "VERIFY.md"], 3),
    (["integrity", "runs", "../lastcopy"], DIGEST),
    (["integrity", "lastcopy_json"], "AB" * 32),
    (["integrity", "journal", "segment"], -1),
    (["integrity", "journal", "segment"], True),
    (["integrity", "journal", "segment"], 10**30),
    (["integrity", "journal", "row"], 0),
    (["integrity", "bags"], {}),
    (["integrity", "bags", 0], "mail/anna"),
    (["integrity", "bags", 0, "path"], "../mail"),
    (["integrity", "bags", 0, "path"], "mail/\ud800"),
    (["integrity", "bags", 0, "tagmanifest_sha256"], ""),
]


def test_a_whole_one() -> None:
    require_shape(WHOLE)


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_what_is_wrong_is_named(place: list[str | int], value: Any) -> None:
    document = copy.deepcopy(WHOLE)
    part: Any = document
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(ValueError, match="not as Lastcopy writes it"):
        require_shape(document)


@pytest.mark.parametrize("path", ["package.name", "package.full", "integrity.journal.row", "integrity.bags.0.segment"])
def test_what_is_missing_is_named(path: str) -> None:
    document = copy.deepcopy(WHOLE)
    *steps, last = path.split(".")
    part: Any = document
    for step in steps:
        part = part[int(step) if step.isdigit() else step]
    del part[last]
    with pytest.raises(ValueError, match="missing"):
        require_shape(document)
