"""Each known way in which copying drives or mailboxes goes wrong is tested by its number, and stands in docs/faults.md.

Rules of this file: numbers are those of reference/quirks.md; those that only lists, archives or PSTs can have are left to them.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBERS = [*range(1, 59), 60, *range(65, 80), 81, 82]
TESTED = {
    int(number)
    for path in (ROOT / "tests").rglob("*.py")
    for number in re.findall(r'(?:def test_|")q(\d{3})_', path.read_text(encoding="utf-8"))
}
TABLE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_is_tested_and_told(number: int) -> None:
    assert number in TESTED
    assert f"| Q-{number:03} |" in TABLE


def test_each_row_has_an_exit_status() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and "Number" not in line]
    assert len(rows) >= len(NUMBERS)
    assert all(re.search(r"\| [0-3](; [0-3])* \|$", line) for line in rows), rows
