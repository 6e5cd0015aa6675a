"""What people and machines are shown (design §6, §10)."""

import json
import logging

import pytest

from exporters.errors import RunError
from retention.cli import logs
from retention.cli.output import Output, safe, size_text
from retention.cli.progress import duration_text


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("text")
    output.mark("good", "text")
    output.table(["a"], [[1]])
    output.document({"exit": 0, "name": "\ud800 ü"})
    output.error(RunError("too late", code="x", action="y"))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"exit": 0, "name": "\ud800 ü"}]


def test_errors_are_two_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(RunError("the store is gone", code="x", action="Mount it"))
    assert capsys.readouterr().err == "lastcopy: The store is gone.\nMount it.\n"


@pytest.mark.parametrize("name", ["lastcopy.yaml", "mail/anna@contoso.com", "anna@contoso.com"])
def test_a_name_at_the_beginning_of_an_error_stands_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(RunError(f"{name}: it is wrong", code="x", action="Correct it"))
    assert capsys.readouterr().err.startswith(f"lastcopy: {name}: it is wrong.")


def test_names_from_outside_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be named with an escape sequence that rewrites what stands above."""
    Output().say("a\x1b[2Jb\rc\u2028d\ud800")
    assert capsys.readouterr().out == "a?[2Jb?c?d?\n"
    assert safe("two\nlines") == "two\nlines"


def test_tables_line_up_with_wide_names(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["name", "n"], [["日本", 1], ["ab", 1000]])
    assert capsys.readouterr().out.splitlines() == ["name      n", "日本      1", "ab    1,000"]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5e15, "5000.0 TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (61, "1 min"), (3600 * 2 + 301, "2 h 05 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize("name", ["lastcopy.graph", "urllib3.connectionpool", "retention.x"])
def test_logs_are_json_off_the_terminal_and_masked_at_every_level(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(2)
    logger = logging.getLogger(name)
    logger.warning("GET %s Bearer %s", "https://host/file?tempauth=SECRET1", "SECRET2")
    logger.debug("https://host/x?sig=SECRET3")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "SECRET" not in shown.err
    rows = [json.loads(line) for line in shown.err.splitlines()]
    assert [row["level"] for row in rows] == (["warning"] if name.startswith("urllib3") else ["warning", "debug"])
    logs.configure(0)
