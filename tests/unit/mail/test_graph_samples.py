"""The answers of the service in the shared data become items, every one, and are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporters.mail.compose import contact_message, convert, event_message, message_facts, refused_message, task_message
from tests.independent.recurrence_expansion import occurrences, parse
from tests.unit.mail.graph_records import APPT, BERLIN, nothing, record, value
from tests.unit.mail.written import write
from tests.unit.pst.judges import TOOLS

GRAPH = TOOLS.parent / "data" / "graph" / "mail"
pytestmark = pytest.mark.skipif(not GRAPH.is_dir(), reason="../shared/data/graph/mail is not there")


def sample(name: str) -> Any:
    return json.loads((GRAPH / name).read_bytes())


def test_all_kinds_of_samples(tmp_path: Path) -> None:
    made = [contact_message(record(row), BERLIN, nothing) for row in sample("contacts.json")["value"]]
    made += [event_message(record(row), BERLIN, nothing) for row in sample("events-list.json")["value"]]
    made += [task_message(record(row), BERLIN, nothing) for row in sample("todo-tasks.json")["value"]]
    mails = [
        sample("message-get.json"),
        sample("itemAttachment-expanded.json")["item"],
        *sample("messages-list.json")["value"],
    ]
    mails += [*sample("messages-delta-page1.json")["value"], *sample("message-extended-properties.json")["value"]]
    made += [refused_message(record(row), BERLIN, nothing) for row in mails]
    read = write([one.message for one in made], tmp_path / "all.pst")
    assert [one.subject for one in read[:4]] == [
        "Pavel Bonds",
        "Review strategy for Q3",
        "Linked entity new task 1",
        "9/9/2018: concert",
    ]
    raw = (GRAPH / "message-value.eml").read_bytes()
    assert all(convert(raw, facts=message_facts(row, BERLIN)).message for row in mails)


def test_a_series_with_its_exceptions() -> None:
    master = sample("events-list.json")["value"][0] | sample("event-seriesMaster-exceptions.json")
    converted = event_message(record(master), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    starts = [f"{start:%m-%d %H:%M}" for start, _ in occurrences(parse(blob), parse(blob).start.replace(year=2020))]
    assert starts == ["04-08 13:30", "04-16 13:30", "04-29 13:30"]  # the 15th moved, the 22nd cancelled
    assert not converted.losses
