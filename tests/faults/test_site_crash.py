"""Issue 7, acceptance d, in small: killed in the copy of sites and the directory, then as if nothing had been.

Rules of this file: kills are drawn by a seed; the fifty of them are in `test_site_crash_soak`.
"""

from pathlib import Path

from tests.end_to_end.driving import Tenant
from tests.end_to_end.site_changes import write_changes
from tests.faults.site_crash import kill_everywhere, scene_at

SEED = 7


def test_killed_in_a_first_and_in_a_second_run(site_tenant: Path, tmp_path: Path) -> None:
    """Everything once, whatever cut the runs off; changes half taken in: nothing falsely gone, nothing lost, nothing twice."""
    changes = write_changes(site_tenant, tmp_path / "changes.jsonl")
    with Tenant(site_tenant) as tenant:
        first = scene_at(tenant, tmp_path / "first")
        kill_everywhere(first, tmp_path / "in-first", 3, SEED)
        tenant.control("POST", "changes", changes.read_bytes())
        scene = scene_at(tenant, tmp_path / "second", first.reference.folder, changes)
        kill_everywhere(scene, tmp_path / "in-second", 2, SEED)
