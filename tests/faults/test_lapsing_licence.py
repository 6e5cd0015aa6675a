"""A tenant whose SharePoint licence lapses while its users are asked for their drives; each by the command line."""

import json
from pathlib import Path

from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import CLOCK, SITES, Desk, exported, no_sites, problems, rule
from tests.independent import tiny

NO_LICENCE = {"error": {"code": "BadRequest", "message": "Tenant does not have a SPO license."}}


def lapsed(user: Row) -> Row:
    """A plan's rule."""
    return rule("status", f"users/{user['id']}/drive", status=400, body=NO_LICENCE)


def test_no_drive_is_left_out_because_the_licence_is_said_to_have_lapsed(tmp_path: Path) -> None:
    """Others of the same tenant have drives: what is said of the tenant is said of each user who could not be asked."""
    folder = tiny.make(tmp_path / "tenant", drives=3, files=2, odd=False)
    users = [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]
    with Tenant(folder, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        tenant.faults(lapsed(users[1]), no_sites())
        document = exported(product, code=3)
        assert tenant.fired() and len(document["sources"]) == 3 and problems(document) == {"no_drive"}
        product.run("accept", "no_drive", "--by", "Anna Berg", "--reason", "a guest", code=0)
        exported(product, code=0)
        tenant.faults()
        assert len(list(product.store.glob("onedrive/*"))) == 2
        exported(product, code=0)
        assert len(list(product.store.glob("onedrive/*"))) == 3


def test_a_tenant_without_a_licence_is_one_finding(tmp_path: Path) -> None:
    folder = tiny.make(tmp_path / "tenant", drives=2, files=2, odd=False)
    users = [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]
    with Tenant(folder, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        tenant.faults(*(lapsed(user) for user in users), rule("no-spo", SITES))
        (source,) = exported(product, code=3)["sources"]
        assert source["name"] == "onedrive"
