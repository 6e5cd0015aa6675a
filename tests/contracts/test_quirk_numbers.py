"""Each known way in which copying drives goes wrong is tested by its number, and stands in docs/faults.md.

Rules of this file: numbers are those of reference/quirks.md; those that only mail, lists or PSTs can have are left to them.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_MAIL = {8, 10}
NUMBERS = [number for number in (*range(1, 59), 60, 65, 70, 74, 77, 81, 82) if number not in OF_MAIL]
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
