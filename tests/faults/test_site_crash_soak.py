"""Issue 7, acceptance d, at its full size: fifty kills while generated sites are copied.

Rules of this file: a store is killed several times on its way, at requests and at names of objects, segments and folds, in first
and in second runs. Sizes: LASTCOPY_SITE_CRASH_KILLS; LASTCOPY_SITE_CRASH_SEED for other draws.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import make_tenant_data
from tests.end_to_end.driving import Tenant
from tests.end_to_end.site_changes import write_changes
from tests.end_to_end.site_runs import SMALL
from tests.faults.site_crash import kill_everywhere, scene_at

pytestmark = pytest.mark.soak
KILLS = int(os.environ.get("LASTCOPY_SITE_CRASH_KILLS", "50"))
SEED = int(os.environ.get("LASTCOPY_SITE_CRASH_SEED", "70"))


def test_killed_at_fifty_points(tmp_path: Path) -> None:
    """Same rows, same bytes, nothing unexpected, in first runs and after changes."""
    data = make_tenant_data(tmp_path / "data", SMALL)
    second = KILLS * 2 // 5
    changes = write_changes(data, tmp_path / "changes.jsonl")
    with Tenant(data) as tenant:
        first = scene_at(tenant, tmp_path / "first")
        kill_everywhere(first, tmp_path / "kills1", KILLS - second, SEED)
        tenant.control("POST", "changes", changes.read_bytes())
        scene = scene_at(tenant, tmp_path / "undisturbed", first.reference.folder, changes)
        kill_everywhere(scene, tmp_path / "kills2", second, SEED + 1)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-m", "soak", "-s", "-x"]))
