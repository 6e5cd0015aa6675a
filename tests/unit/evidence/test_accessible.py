"""The page of a report under axe-core, in Chromium: no violation, nothing wider than the screen (issue 10, acceptance d).

Rules of this file: skipped, by name, where there is no Chromium, no node, or no axe-core: `npm install axe-core puppeteer-core`
in any folder, and LASTCOPY_NODE_MODULES names its node_modules.
"""

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from retention.evidence.page import html_page
from tests.unit.evidence.documents import SEAL, full

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
MODULES = Path(os.environ.get("LASTCOPY_NODE_MODULES", "node_modules"))


@pytest.mark.skipif(CHROMIUM is None or shutil.which("node") is None, reason="there is no Chromium, or no node")
@pytest.mark.skipif(not (MODULES / "axe-core").is_dir(), reason="LASTCOPY_NODE_MODULES names no axe-core")
def test_no_violation(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    out = io.BytesIO()
    html_page(full(), SEAL, out)
    page.write_bytes(out.getvalue())
    script = Path(__file__).with_name("axe.js")
    command = ["node", str(script), str(page), str(MODULES.resolve()), str(CHROMIUM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    results = json.loads(done.stdout)
    assert len(results) == 4
    for result in results:
        assert result["passes"] > 20
        assert not result["violations"], result
        assert result["overflow"] == 0, result
