"""Sites and the directory from end to end, judged by code that shares nothing with the exporters: issue 7, acceptance a."""

from pathlib import Path

import pytest

from tests.conftest import make_tenant_data
from tests.end_to_end.driving import Tenant
from tests.end_to_end.site_changes import write_changes
from tests.end_to_end.site_runs import FULL_CONTROL, SMALL, judged, payload, product_at
from tests.faults.desk import InProcess


@pytest.mark.parametrize(
    ("certificate", "drive"),
    [(True, {"versions": "all", "permissions": "shared"}), (False, {"versions": "current", "permissions": "all"})],
    ids=["certificate, versions, full control", "secret, permissions of all"],
)
def test_odd_sites_from_the_first_run_to_the_third(
    site_tenant: Path, tmp_path: Path, certificate: bool, drive: dict[str, str]
) -> None:
    """Nothing is lost, nothing else is there; a second run brings nothing; a third what changed, and keeps what was."""
    changes = write_changes(site_tenant, tmp_path / "changes.jsonl")
    with Tenant(site_tenant) as tenant:
        if certificate:
            tenant.settings(roles=[*tenant.rehearsal.settings.roles, FULL_CONTROL])
        product = product_at(tmp_path / "product", tenant, certificate=certificate, kind=InProcess, drive=drive)
        product.export(code=3)
        found = judged(product)
        assert found.agreed["list items"] == 32 and found.agreed["page JSON"] == 2
        held = payload(product)

        if certificate:
            tenant.forget_requests()
            product.export(code=3)
            assert payload(product) == held
            assert tenant.downloads() == 0

        tenant.control("POST", "changes", changes.read_bytes())
        product.export(code=3)
        judged(product, changes)
        now = payload(product)
        derived = ("/items.csv", "/items.jsonl", "/schema.json", "/columns.csv", ".html", "/data/directory/")
        lost = {key for key in held if now.get(key) != held[key] and not any(part in key for part in derived)}
        assert not lost
        product.run("verify", code=0)


def test_generated_sites(tmp_path: Path) -> None:
    """A list of several pages, a subsite, every oddity of the shared tool; then all that can happen to them."""
    data = make_tenant_data(tmp_path / "data", SMALL)
    with Tenant(data, throttling=False) as tenant:
        product = product_at(tmp_path / "product", tenant, kind=InProcess, versions="all")
        product.export(code=3)
        assert judged(product).agreed["sites"] == 5
        changes = write_changes(data, tmp_path / "changes.jsonl")
        tenant.control("POST", "changes", changes.read_bytes())
        product.export(code=3)
        judged(product, changes)
        product.run("verify", code=0)
