"""The fault plan: which requests it strikes; and sealed links."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.rehearsal.faults import KINDS, FaultPlan, FaultPlanError
from exporters.rehearsal.links import LinkError, Links, Ticket, Tickets
from exporters.rehearsal.requests import RequestLedger, masked

DELTA = ("GET", "graph", "/drives/b!x/root/delta", "drives/{drive}/root/delta")


def struck(plan: FaultPlan, times: int = 10) -> list[int]:
    return [n for n in range(times) if plan.pick(*DELTA)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, list(range(10))),
        ({"count": 2}, [0, 1]),
        ({"after": 3, "count": 2}, [3, 4]),
        ({"route": "drives/*/root/delta", "count": 1}, [0]),
        ({"route": "drives/{drive}/root/delta", "count": 1}, [0]),
        ({"route": "/drives/*/root/delta", "count": 1}, [0]),
        ({"route": "re:root/delta$", "count": 1}, [0]),
        ({"route": "re:^delta", "count": 1}, []),
        ({"route": "users*"}, []),
        ({"host": "download"}, []),
        ({"method": "post"}, []),
        ({"method": "get", "count": 1}, [0]),
    ],
)
def test_which_requests_are_struck(rule: dict[str, object], expected: list[int]) -> None:
    assert struck(FaultPlan([{"fault": "500", **rule}])) == expected


def test_probability_follows_its_seed() -> None:
    rule = {"fault": "500", "probability": 0.3, "seed": 4}
    first, second = struck(FaultPlan([rule]), 1000), struck(FaultPlan([rule]), 1000)
    assert first == second
    assert 200 < len(first) < 400
    assert first != struck(FaultPlan([{**rule, "seed": 5}]), 1000)


def test_the_first_rule_that_fires_wins() -> None:
    plan = FaultPlan([{"fault": "500", "count": 1}, {"fault": "404"}])
    assert [rule.fault for _ in range(3) if (rule := plan.pick(*DELTA))] == ["500", "404", "404"]
    assert [(row["matched"], row["fired"]) for row in plan.report()] == [(3, 1), (2, 2)]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (b"{", "no JSON"),
        (b'{"x": 1}', "list of rules"),
        (b"[1]", "rule 1"),
        (b'[{"route": "*"}]', "names no fault"),
        (b'[{"fault": "meteor"}]', "no fault 'meteor'"),
        (b'[{"fault": "500", "route": "re:("}]', "regular expression"),
    ],
)
def test_a_bad_plan_says_what_is_bad(plan: bytes, message: str) -> None:
    with pytest.raises(FaultPlanError, match=message):
        FaultPlan.parse(plan)


def test_a_plan_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"faults": [{"fault": 500}]}')
    assert FaultPlan.load(tmp_path / "plan.json").rules[0].fault == "500"


def test_each_kind_is_described() -> None:
    assert all(KINDS.values())


@given(values=st.lists(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20), max_size=6))
def test_q011_a_sealed_token_comes_back_and_a_damaged_one_does_not(values: list[object]) -> None:
    links = Links(b"key")
    token = links.seal(*values)
    assert links.open(token) == values
    assert {"#", "%", "+"} <= set(token)
    for damaged in (
        token[:-1],
        token.partition("#")[0],
        token.replace("+", " "),
        "A" + token,
        Links(b"other").seal(*values),
    ):
        with pytest.raises(LinkError):
            links.open(damaged)


def test_a_ticket_is_read_from_its_address() -> None:
    tickets = Tickets(Links(b"key"), "https://localhost:1")
    ticket = Ticket("drives/u00000", 7, "1.0", 1_800_000_000)
    url = tickets.url(ticket, "guid")
    assert tickets.read(url.partition("?")[2]) == ticket
    for query in ("", "tempauth=v1.AAAA", "tempauth=%00"):
        with pytest.raises(LinkError):
            tickets.read(query)


def test_secrets_stay_out_of_the_ledger(tmp_path: Path) -> None:
    assert masked("token=abc&$top=5&$skiptoken=x%3D&UniqueId=1&tempauth=v1.x") == (
        "token=…&$top=5&$skiptoken=…&UniqueId=1&tempauth=…"
    )
    assert masked("/v1.0/drives/b!x/root/delta(token='abc')") == "/v1.0/drives/b!x/root/delta(token=…)"
    ledger = RequestLedger(tmp_path / "requests.jsonl")
    row = {
        "host": "graph",
        "route": "users",
        "status": 429,
        "cost": 2,
        "bytes": 5,
        "avoidable": True,
        "marks": ["write"],
    }
    ledger.add(row)
    ledger.add({**row, "status": 200, "avoidable": False, "marks": []})
    assert [one["n"] for one in ledger.rows()] == [1, 2]
    summary = ledger.summary()
    counted = [summary[name] for name in ("requests", "cost", "throttled", "avoidable", "writes")]
    assert counted == [2, 4, 1, 1, 1]
    ledger.reset()
    assert ledger.rows() == [] and ledger.summary()["requests"] == 0
    ledger.close()
