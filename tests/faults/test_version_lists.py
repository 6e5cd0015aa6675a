"""Lists of versions that contradict themselves; each through whole exports by the command line."""

from pathlib import Path

from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import Desk, rule
from tests.faults.test_quirk_items import Made, item, made, only_drive

__all__ = ["made"]


def listed(made: Made) -> None:
    """A file with three earlier versions."""
    file = made.drive.file_in("versions.txt", made.drive.root)
    file["_versions"] = made.drive.versions(b"one", b"two", b"three")


def served(tenant: Tenant, file: str) -> list[Row]:
    """Its versions, as the tenant lists them."""
    truth = only_drive(tenant).items[file]["_versions"]
    return [{k: v for k, v in version.items() if not k.startswith("_")} for version in truth]


def versions_of(product: Desk) -> dict[str, str]:
    return {spot[2]: row["outcome"] for spot, row in rows_of(product.store).items() if spot[0] == "version"}


def test_a_version_that_is_listed_twice_is_one_version(made: Made, tmp_path: Path) -> None:
    """Pages may overlap; the copy is whole, and nothing lies in the store that no row names."""
    listed(made)
    with made.serve() as tenant:
        product, file = Desk(tmp_path, tenant), item(tenant, "/versions.txt")
        rows = served(tenant, file)
        body = {"value": [*rows[:3], *rows[1:]]}
        tenant.faults(rule("status", f"drives/*/items/{file}/versions", status=200, body=body))
        product.export(code=0)
        assert versions_of(product) == dict.fromkeys(("1.0", "2.0", "3.0"), "copied")
        product.run("verify", "--json", code=0)


def test_of_several_versions_that_call_themselves_the_current_none_is_left_out(made: Made, tmp_path: Path) -> None:
    """One of them may be; the others are said."""
    listed(made)
    with made.serve() as tenant:
        product, file = Desk(tmp_path, tenant), item(tenant, "/versions.txt")
        names = {"4.0": "d", "3.0": "c", "2.0": "b", "1.0": "a"}
        rows = [{**row, "id": names[row["id"]]} for row in reversed(served(tenant, file))]
        route = f"drives/*/items/{file}/versions"
        message = "You cannot get the content of the current version"
        current = {"error": {"code": "invalidRequest", "message": message}}
        tenant.faults(
            rule("status", route, status=200, body={"value": rows}),
            rule("status", f"{route}/a/content", status=200, body="one"),
            *(rule("status", f"{route}/{name}/content", status=400, body=current) for name in "bcd"),
        )
        product.export(code=3)
        assert {"b", "c"} & versions_of(product).keys()


def test_an_empty_list_of_versions_is_no_answer(made: Made, tmp_path: Path) -> None:
    """The current one is always listed: a list without it says nothing of the earlier ones, and is asked for again."""
    listed(made)
    with made.serve() as tenant:
        product, file = Desk(tmp_path, tenant), item(tenant, "/versions.txt")
        tenant.faults(rule("status", f"drives/*/items/{file}/versions", status=200, body={"value": []}))
        told = product.export(code=3)
        assert told["exceptions"] == {"version_unavailable": 1}
        tenant.faults()
        product.export(code=0)
        assert versions_of(product) == dict.fromkeys(("1.0", "2.0", "3.0"), "copied")
        product.run("verify", "--json", code=0)
