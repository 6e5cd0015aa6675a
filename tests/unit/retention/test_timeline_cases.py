"""The timeline cases of data/retention: all of ../shared where it is there, and a selection that lies beside this file.

Source: data/retention/README.md (how instants and lists are compared).
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from retention.events import EventError
from retention.policy import load_policy
from retention.timeline_cases import answer, answers

HERE = Path(__file__).parent
SHARED = HERE.parents[3] / "shared" / "data" / "retention"
OWN = json.loads((HERE / "timeline-cases.json").read_text(encoding="utf-8"))["cases"]
POLICY = load_policy()


def as_instants(value: Any) -> Any:
    """Every text that is an instant as one, with its offset beside it (local times must have the right one)."""
    if isinstance(value, dict):
        return {key: as_instants(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_instants(one) for one in value]
    if isinstance(value, str) and len(value) > 10 and value[4] == value[7] == "-":
        moment = datetime.fromisoformat(value)
        return moment, moment.utcoffset()
    return value


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["id"])
def test_each_case_of_our_selection(case: dict[str, Any]) -> None:
    assert as_instants(answer(POLICY, case)) == as_instants(case["expect"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/retention is not there")
def test_every_shared_case() -> None:
    document = json.loads((SHARED / "timeline-cases.json").read_text(encoding="utf-8"))
    computed = answers(POLICY, document)
    assert len(computed) == len(document["cases"]) > 50
    for case in document["cases"]:
        assert as_instants(computed[case["id"]]) == as_instants(case["expect"]), case["id"]


def test_the_answer_does_not_look_at_what_is_expected() -> None:
    for case in OWN:
        stripped = {key: value for key, value in case.items() if key != "expect"}
        assert answer(POLICY, stripped) == answer(POLICY, {**case, "expect": {"flags": ["nonsense"]}})


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ([], "no cases"),
        ({"cases": [{"kind": "subscription"}]}, "no id"),
        ({"cases": [{"id": "A", "kind": "sum"}]}, "kind"),
        ({"cases": [{"id": "A", "channel": "direkt", "now": "2026-01-01T00:00:00Z"}]}, "channel"),
        ({"cases": [{"id": "A", "channel": "direct", "now": "yesterday"}]}, "no time"),
        ({"cases": [{"id": "A", "channel": "direct", "now": "2026-01-01T00:00:00"}]}, "offset"),
        ({"cases": [{"id": "A", "channel": "direct", "now": "2026-01-01T00:00:00Z", "events": [{"type": "end"}]}]}, "type"),
        ({"cases": [{"id": "A", "kind": "object"}]}, "object_event"),
        ({"schema": "other/1", "cases": []}, "schema"),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_read_is_named(broken: Any, word: str) -> None:
    with pytest.raises(EventError) as told:
        answers(POLICY, broken)
    assert word in f"{told.value} {told.value.action}"
    assert told.value.action
