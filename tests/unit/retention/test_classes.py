"""The classes of content: each that an exporter tells of stands in the table, so that people can read and accept it."""

import re
from pathlib import Path

from exporters.mail.capture.second import ONLY_HERE
from retention.classes import CLASSES

EXPORTERS = Path(__file__).parents[3] / "exporters"
LOOPS = re.compile(r"for name in \(([^)]*)\):\n\s+yield _row\(name")
TOLD = re.compile(r'"class":\s*"([a-z_]+)",\s*"state"|_row\(\s*"([a-z_]+)",')


def test_each_class_that_an_exporter_tells_of_is_in_the_table() -> None:
    """A class that only the exporters know could never be accepted, and `ready` would say no for ever."""
    files = [path for path in EXPORTERS.rglob("*.py") if not {"rehearsal", "pst"} & set(path.parts)]
    told = {name for path in files for found in TOLD.findall(path.read_text()) for name in found if name}
    loops = " ".join(found for path in files for found in LOOPS.findall(path.read_text()))
    told |= {*re.findall(r'"([a-z_]+)"', loops), *ONLY_HERE}
    assert len(told) > 15 and told - CLASSES.keys() == set()
