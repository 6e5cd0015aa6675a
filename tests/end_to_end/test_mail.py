"""Mailboxes from end to end, judged by code that shares nothing with the exporters: issue acceptance a, b, d, g and h."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.rehearsal.generate import generate
from tests.end_to_end.driving import Product, Tenant
from tests.independent import judge_mail
from tests.independent.differences import Differences
from tests.independent.mail_originals import Expectation

MAKER = Path(__file__).parents[2].parent / "shared" / "tools" / "make_tenant_data.py"
CORPUS = MAKER.parents[1] / "data" / "mail"
SOURCES = {
    "mail": "all",
    "onedrive": "none",
    "sharepoint": "none",
    "directory": False,
    "archive": "auto",
    "recoverable": "all",
}
NO_MIME = "graph users/{user}/messages/{message}/$value"


def judged(tenant: Tenant, product: Product, *changes: Path) -> Differences:
    """The judge's answer, groups and all."""
    groups = product.folder / "groups"
    groups.mkdir(exist_ok=True)
    for line in (tenant.data / "groups.jsonl").read_text().splitlines():
        group = json.loads(line)["id"]
        (groups / f"{group}.jsonl").write_bytes(tenant.control("GET", f"truth/groups/{group}"))
    return judge_mail.judge(
        tenant.data, product.store, Expectation(recoverable=True), changes=[*changes], groups=groups
    )


def payload(product: Product) -> dict[str, str]:
    """SHA-256 of each object of the mailboxes' payload."""
    files = (path for path in product.store.glob("mail/*/data/**/*") if path.is_file())
    return {str(path.relative_to(product.store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changes_of_mail(data: Path, out: Path, *more: dict[str, object]) -> Path:
    """The tenant's own changes of mailboxes, and more."""
    rows = [
        line for line in (data / "changes.jsonl").read_text().splitlines() if json.loads(line)["kind"] != "driveItem"
    ]
    out.write_text("".join(f"{line}\n" for line in [*rows, *map(json.dumps, more)]))
    return out


def test_mailboxes_from_the_first_run_to_a_store_without_a_tenant(tmp_path: Path) -> None:
    data = generate(tmp_path / "data")
    product_folder = tmp_path / "product"
    with Tenant(data) as tenant:
        product = Product(product_folder, tenant, sources=SOURCES)
        product.export(code=0)
        found = judged(tenant, product)
        assert not found.found, found.table()
        assert found.agreed["messages in the PST"] > 100
        assert found.agreed["event series"] > 5
        held = payload(product)

        tenant.forget_requests()
        product.export(code=0)
        assert payload(product) == held
        assert NO_MIME not in tenant.routes()

        changes = changes_of_mail(data, tmp_path / "changes.jsonl")
        tenant.control("POST", "changes", changes.read_bytes())
        product.export(code=0)
        found = judged(tenant, product, changes)
        assert not found.found, found.table()
        assert any("moved" in note for note in found.notes) and any("state" in note for note in found.notes)

        product.run("compose", "--recompose", code=0)
        found = judged(tenant, product, changes)
        assert not found.found, found.table()
        assert not any("parts.json calls" in note for note in found.notes)

        tenant.control("POST", "rename-users", b'{"domain": "renamed.example"}')
        tenant.forget_requests()
        product.export(code=0)
        assert NO_MIME not in tenant.routes()
        assert len(list((product.store / "mail").iterdir())) == found.agreed["mailboxes"] + 1  # and a group
    (product_folder / "lastcopy.db").unlink()
    held = payload(product)
    product.run("compose", "--recompose", code=0)
    assert payload(product) == held
    product.run("verify", code=0)


def test_a_message_that_is_dragged_during_the_first_run_is_copied_once(tmp_path: Path) -> None:
    """From a folder that was not listed yet into one that was, and the other way round; one is deleted meanwhile."""
    data = generate(tmp_path / "data")
    rows: list[dict[str, object]] = []
    for line in (data / "users.jsonl").read_text().splitlines():
        user = json.loads(line)
        if user.get("_mailbox") != "active":
            continue
        folders = [json.loads(row) for row in (data / user["_dir"] / "folders.jsonl").read_text().splitlines()]
        messages = [json.loads(row) for row in (data / user["_dir"] / "messages.jsonl").read_text().splitlines()]
        names = {folder["id"]: folder.get("_wellKnownName") for folder in folders}
        inbox = next(item_id for item_id, name in names.items() if name == "inbox")
        there = [message for message in messages if message["parentFolderId"] == inbox]
        elsewhere = [message for message in messages if message["parentFolderId"] != inbox]
        last = elsewhere[-1]["parentFolderId"]
        for op, message, to in (
            ("move", elsewhere[0], inbox), ("move", elsewhere[-1], inbox), ("move", there[0], last), ("delete", there[1], None),
        ):  # fmt: skip
            rows.append({"kind": "message", "user": user["id"], "id": message["id"], "op": op, "to": to})
    changes = tmp_path / "changes.jsonl"
    changes.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with Tenant(data) as tenant:
        product = Product(tmp_path / "product", tenant, sources=SOURCES)
        tenant.faults({"route": "re:/messages/delta", "fault": "change", "after": 30, "count": 1, "changes": rows})
        product.export(code=0)
        assert tenant.fired() == 1
        found = judged(tenant, product, changes)
        assert not found.found, found.table()


@pytest.mark.skipif(not MAKER.is_file(), reason="../shared/tools/make_tenant_data.py is not there")
def test_a_tenant_of_odd_mail_is_copied_and_composed(tmp_path: Path) -> None:
    """Every odd kind of message at least once, a corpus of real ones, and all kinds of series (a smaller one of acceptance a)."""
    data = tmp_path / "data"
    sizes = (
        "--users",
        "2",
        "--messages",
        "170",
        "--events",
        "60",
        "--drive-items",
        "2",
        "--many-small",
        "0",
        "--sites",
        "0",
    )
    corpus = ("--corpus", str(CORPUS)) if CORPUS.is_dir() else ()
    command = [
        sys.executable,
        str(MAKER),
        "make",
        str(data),
        *sizes,
        *corpus,
        "--changes",
        "60",
        "--large-file-mb",
        "0",
        "--quiet",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Tenant(data) as tenant:
        product = Product(tmp_path / "product", tenant, sources=SOURCES)
        document = product.export(code=3)
        assert set(document["exceptions"]) == {"mime_refused"}
        found = judged(tenant, product)
        assert not found.found, found.table()
        changes = changes_of_mail(data, tmp_path / "changes.jsonl")
        tenant.control("POST", "changes", changes.read_bytes())
        product.export()
        found = judged(tenant, product, changes)
        assert not found.found, found.table()
        product.run("accept", "mime_refused", "--by", "Judge", "--reason", "S/MIME", code=0)
        product.export(code=0)
    shutil.rmtree(data)
