"""Those who judge what the writer wrote: the shared strict checker, libpff and readpst, each where it is installed.

Rules of this file: no code of the writer. A judge that is not there skips the test with a reason, it never passes it.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOLS = Path(__file__).parents[3].parent / "shared" / "tools"
SAMPLES = TOOLS.parent / "data" / "pst"


@cache
def checker() -> ModuleType:
    """The module pst_check."""
    path = TOOLS / "pst_check.py"
    if not path.exists():
        pytest.skip("../shared/tools/pst_check.py is not there")
    spec = importlib.util.spec_from_file_location("pst_check", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pst_check"] = module
    spec.loader.exec_module(module)
    return module


class Checked:
    """A file that passed the checker without errors or warnings, with what the checker read in it."""

    def __init__(self, path: Path, *, messaging: bool = True, allowed: frozenset[str] = frozenset()) -> None:
        self._tool = checker()
        found, self.ndb, self.messaging = self._tool.check_file(str(path), None, messaging)
        bad = [item for item in found.items if item[0] in ("ERROR", "WARN") and item[2] not in allowed]
        assert not bad, bad[:10]
        self.stats = dict(self.messaging.stats)

    def node(self, nid: int) -> Any:
        return self.messaging.node(nid)

    def properties(self, node: Any) -> dict[int, bytes]:
        """tag -> stored bytes, of a property context."""
        values = self._tool.read_pc(node, self._tool.Findings())
        return {pid << 16 | value.ptype: value.data for pid, value in values.items()}

    def rows(self, node: Any) -> dict[int, dict[int, bytes]]:
        """row id -> tag -> stored bytes, of a table context."""
        table = self._tool.read_tc(node, self._tool.Findings())
        return {rid: {tag: value.data for tag, value in cells.items()} for rid, cells in table.rows}

    def columns(self, nid: int) -> list[tuple[int, int, int, int]]:
        return list(self._tool.read_tc(self.node(nid), self._tool.Findings()).cols)

    def folders(self) -> dict[str, int]:
        """path below the root -> NID, built-in folders included."""
        return dict(self._walk(0x122, ""))

    def _walk(self, nid: int, path: str) -> Iterator[tuple[str, int]]:
        for child, row in self.rows(self.node(nid & ~0x1F | 0x0D)).items():
            below = f"{path}/{row[0x3001001F].decode('utf-16-le')}"
            yield below, child
            if child & 0x1F == 2:
                yield from self._walk(child, below)

    def messages(self, folder: int) -> dict[int, dict[int, bytes]]:
        """The rows of a folder's contents table."""
        return self.rows(self.node(folder & ~0x1F | 0x0E))


def pypff() -> Any:
    """The module of libpff."""
    return pytest.importorskip("pypff", reason="libpff-python is not installed")


def readpst(path: Path, out: Path) -> list[Path]:
    """The files that readpst makes of a PST, one per message."""
    if shutil.which("readpst") is None:
        pytest.skip("readpst (pst-utils) is not installed")
    out.mkdir()
    subprocess.run(
        ["readpst", "-e", "-D", "-8", "-b", "-j", "0", "-o", str(out), str(path)], check=True, capture_output=True
    )
    return sorted(file for file in out.rglob("*") if file.is_file())
