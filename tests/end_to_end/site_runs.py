"""Runs of the product on sites and the directory, and what they are judged by.

Rules of this file: it only starts and asks; judging is the matter of tests/independent.
"""

import hashlib
from pathlib import Path
from typing import Any

from tests.end_to_end.driving import Product, Tenant
from tests.independent import judge_sites
from tests.independent.differences import Differences
from tests.independent.site_libraries import Asked

SOURCES = {"mail": "none", "onedrive": "none", "sharepoint": "all", "directory": True}
FULL_CONTROL = "Sites.FullControl.All"
SMALL = [
    *("--users", "3", "--messages", "0", "--events", "0", "--contacts", "0", "--tasks", "0", "--drive-items", "8"),
    *("--many-small", "0", "--large-file-mb", "0", "--file-scale", "0.02", "--sites", "5", "--list-items", "14"),
    *("--big-list", "30"),
]  # fmt: skip


def product_at(
    folder: Path, tenant: Tenant, *, certificate: bool = True, kind: type[Product] = Product, **more: Any
) -> Product:
    """A product that is asked for sites and the directory."""
    product = kind(folder, tenant, **{"sources": SOURCES, **more})
    if certificate:
        product.settings["tenant"]["credential"] = {"certificate": f"file:{tenant.info['certificate']}"}
        product.configure()
    return product


def judged(product: Product, *changes: Path, leftovers: bool = False) -> Differences:
    """The judge's answer, which must be that there is no difference."""
    drive = product.settings["drive"]
    certificate = "certificate" in product.settings["tenant"]["credential"]
    grants = FULL_CONTROL in product.tenant.rehearsal.settings.roles
    asked = Asked(drive["versions"], drive["permissions"], certificate, leftovers, grants=grants)
    directory = bool(product.settings["sources"]["directory"])
    found = judge_sites.judge(product.tenant.data, product.store, asked, changes=[*changes], directory=directory)
    assert not found.found, found.table()
    return found


def payload(product: Product) -> dict[str, str]:
    """SHA-256 of each object of the payload."""
    files = (path for path in product.store.glob("**/data/**/*") if path.is_file())
    return {path.relative_to(product.store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
