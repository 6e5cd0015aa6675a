"""From names to components: the table of the design, then properties."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.bag.keys import changed, component_for, fitted, folded, stands

H = hashlib.sha256(b"ID").hexdigest()[:12]

TABLE = [
    ("report #1 (50).docx", "report #1 (50).docx"),
    ("report #1 (50%).docx", f"report #1 (50~{H}.docx"),
    ("a%20b%2Fc.txt", f"a~{H}.txt"),
    ("%.txt", f"~{H}.txt"),
    ("trailing dot.", f"trailing dot~{H}"),
    ("trailing space ", f"trailing space~{H}"),
    (" leading.txt", " leading.txt"),
    (".hidden", ".hidden"),
    ("double..dots..txt", "double..dots..txt"),
    ("..", f"~{H}"),
    (".", f"~{H}"),
    ("", f"~{H}"),
    ("CON.txt", f"CON~{H}.txt"),
    ("con", f"con~{H}"),
    ("conference", "conference"),
    ("com1.a.b", f"com1.a~{H}.b"),
    ("a\\b.txt", f"a~{H}.txt"),
    ("tab\there.txt", f"tab~{H}.txt"),
    ("line\u2028sep.txt", f"line~{H}.txt"),
    ("lone \ud800 surrogate.txt", f"lone~{H}.txt"),
    ("\ufffd replacement.txt", "\ufffd replacement.txt"),
    ("zero\u200bwidth.txt", "zero\u200bwidth.txt"),
    ("Cafe\u0301.txt", "Cafe\u0301.txt"),
    ("語" * 120 + ".txt", "語" * 60 + f"~{H}.txt"),
    ("x" * 251 + ".txt", "x" * 251 + ".txt"),
    ("x" * 252 + ".txt", "x" * 180 + f"~{H}.txt"),
    ("x%.averylongextension", f"x~{H}"),
]


@pytest.mark.parametrize(("name", "component"), TABLE)
def test_components(name: str, component: str) -> None:
    assert component_for(name, "ID") == component


@given(st.text(max_size=300))
def test_a_component_can_always_stand(name: str) -> None:
    component = component_for(name, "ID")
    assert stands(component) or component == f"~{H}"
    assert "/" not in component and component not in {"", ".", ".."}
    assert len(component.encode()) <= 255
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in component)


@given(st.text(max_size=300), st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_q037_changed_components_of_two_items_differ(name: str, one: str, other: str) -> None:
    if one != other:
        assert folded(changed(name, one)) != folded(changed(name, other))


def test_q036_a_key_over_700_bytes_keeps_its_prefix_and_its_changed_name() -> None:
    path = "/".join(["資料" * 20] * 8 + ["end.txt"])
    assert fitted("data/files", path, "end.txt", "ID") == f"data/files/end~{H}.txt"
    assert fitted("data/files", "a/end.txt", "end.txt", "ID") == "data/files/a/end.txt"


def test_q038_folding() -> None:
    assert folded("Report.DOCX") == folded("report.docx")
    assert folded("Cafe\u0301") == folded("Caf\u00e9")
    assert folded("ﬁ") == "fi"
    assert folded("a") != folded("æ")
