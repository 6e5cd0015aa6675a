"""The newest preflight on record, with what was attested and accepted since."""

from datetime import UTC, datetime, timedelta

import pytest

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.errors import ConfigurationError
from retention.preflight.attestation import newest, row_of
from retention.preflight.finding import Finding, found
from retention.preflight.items import ITEMS
from retention.preflight.recorded import Preflight, latest, with_overrides
from retention.preflight.stated import settle

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ANNA = {"user": "anna", "host": "desk"}


def attested(item: str, *values: str, text: str = "seen", at: datetime = NOW) -> JsonObject:
    return {**row_of(item, "Anna Berg", text, values, None), "at": timestamp(at), "actor": ANNA}


def bare(item: str, **facts: object) -> Finding:
    """A stated item, of which nobody has said anything."""
    return settle(found(item, "not_checked", "", proof=dict(facts)), {})


def row(*findings: Finding) -> JsonObject:
    return Preflight("r1", NOW, findings).as_row()


def test_none_without_a_preflight() -> None:
    assert latest([attested("PF-05", "channel=direct")]) is None


def test_a_block_is_open_until_it_is_attested() -> None:
    rows = [row(bare("PF-05"), found("PF-10", "block", "contoso.com is there", parts=("contoso.com",)))]
    before = latest(rows)
    assert before is not None
    assert [one.id for one in before.open] == ["PF-05", "PF-10"]
    after = latest([*rows, attested("PF-05", "channel=direct", "agreement=mca")])
    assert after is not None
    assert [one.id for one in after.open] == ["PF-10"]
    told = after.of("PF-05")
    assert told is not None
    assert told.result == "pass"
    assert told.proof["attestation"]["actor"] == ANNA


def test_what_was_looked_at_outweighs_a_word() -> None:
    rows = [row(found("PF-10", "block", "contoso.com is there"))]
    after = latest([*rows, attested("PF-10")])
    assert after is not None
    assert [one.id for one in after.open] == ["PF-10"]


def test_what_was_not_checked_is_open_where_it_could_block_and_can_be_attested() -> None:
    unseen = [found("PF-10", "not_checked", "may not be read"), found("PF-26", "not_checked", "may not be read")]
    before = latest([row(*unseen)])
    assert before is not None
    assert [one.id for one in before.open] == ["PF-10"]
    after = latest([row(*unseen), attested("PF-10")])
    assert after is not None
    assert after.open == ()


def test_how_it_was_bought_turns_the_window_too() -> None:
    window = bare("PF-06", checked_at=timestamp(NOW), next="2027-01-31T00:00:00Z")
    rows = [row(bare("PF-05"), window)]
    after = latest([*rows, attested("PF-05", "channel=direct", "agreement=mosa")])
    assert after is not None
    turned = after.of("PF-06")
    assert turned is not None
    assert turned.result == "pass"


def test_an_acceptance_holds_for_the_very_finding() -> None:
    one, other = (found("PF-10", "block", "", parts=(name,)) for name in ("contoso.com", "fabrikam.com"))
    accepted = {"type": "accepted", "code": "PF-10", "by": "Bo", "reason": "moved next week", "digest": one.digest}
    after = latest([row(one), accepted])
    assert after is not None
    assert after.open == ()
    assert [finding.overridden_by for finding in after.overridden] == ["Bo"]
    changed = latest([row(one), accepted, row(other)])
    assert changed is not None
    assert [finding.id for finding in changed.open] == ["PF-10"]
    again = latest([row(one), accepted, row(other), row(one)])
    assert again is not None
    assert again.open == ()


def test_the_digest_names_what_is_said_not_when() -> None:
    first = settle(found("PF-05", "block", ""), newest([attested("PF-05", "channel=direct")], NOW))
    later = newest([attested("PF-05", "channel=direct", text="again", at=NOW + timedelta(days=1))], NOW)
    assert settle(first, later).digest == first.digest
    assert settle(first, newest([attested("PF-05", "channel=trial")], NOW)).digest != first.digest


def test_what_passes_is_overridden_by_nobody() -> None:
    fine = found("PF-10", "pass", "")
    assert with_overrides([fine], {("PF-10", fine.digest): "Bo"})[0].overridden_by is None


@pytest.mark.parametrize(("item", "counts"), [("PF-19", False), ("PF-10", False), ("PF-05", True), ("PF-14", True)])
def test_a_word_on_what_is_so_today_counts_for_thirty_days(item: str, counts: bool) -> None:
    values = ["channel=direct"] if item == "PF-05" else []
    old = attested(item, *values, at=NOW - timedelta(days=30, seconds=1))
    assert (item in newest([old], NOW)) is counts
    assert item in newest([{**old, "at": timestamp(NOW - timedelta(days=30))}], NOW)


@pytest.mark.parametrize(
    ("item", "values", "text", "code"),
    [
        ("PF-99", [], "x", "item_unknown"),
        ("PF-01", [], "x", "not_attestable"),
        ("PF-23", [], "x", "not_attestable"),
        ("PF-05", [], "x", "value_refused"),
        ("PF-05", ["channel=guess"], "x", "value_refused"),
        ("PF-05", ["channel=direct", "colour=red"], "x", "value_refused"),
        ("PF-04", ["licences=some"], "x", "value_refused"),
        ("PF-04", ["licences=" + 5000 * "9"], "x", "value_refused"),
        ("PF-10", [], "", "text_missing"),
        ("PF-06", ["start=soon"], "x", "event_unreadable"),
    ],
)
def test_what_cannot_be_attested_is_refused(item: str, values: list[str], text: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        row_of(item, "Anna", text, values, None)
    assert refused.value.code == code
    assert refused.value.action


def test_there_are_26_items_and_each_has_a_worst() -> None:
    assert list(ITEMS) == [f"PF-{number:02}" for number in range(1, 27)]
    blocks = [item.id for item in ITEMS.values() if item.worst == "block"]
    assert blocks == [f"PF-{n:02}" for n in (1, 4, 5, 8, 10, 11, 12, 13, 19, 21, 23, 24)]
