"""The files in `deploy/` agree with the code: no right to delete, no user with rights, no dependency without a hash."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from exporters.store.s3_errors import RIGHTS
from retention.permissions import BASE, CANCELLING, DIRECTORY, DRIVES, EXPORT_API, GROUPS, MAIL, SITES, TASKS, may_write

DEPLOY = Path(__file__).parents[2] / "deploy"


def allowed() -> set[str]:
    policy = json.loads((DEPLOY / "bucket-policy.json").read_text())
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def test_policy_allows_what_the_store_asks_for_and_no_deletion() -> None:
    """Every request of the store needs a right that the policy has; none deletes, bypasses or is a wildcard."""
    assert set(RIGHTS.values()) <= allowed()
    assert not [action for action in allowed() if re.search(r"Delete|Bypass|\*|PutBucket|Acl", action)]


def test_readme_explains_each_right() -> None:
    text = (DEPLOY / "README.md").read_text()
    assert [action for action in allowed() if f"`{action}`" not in text] == []


def test_dockerfile() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    last = text.rsplit("FROM ", 1)[1]
    assert "--require-hashes" in text
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert 'ENTRYPOINT ["lastcopy"]' in last
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    for name in " ".join(copied).split():
        assert (DEPLOY.parent / name).exists() or name == "README.md", name


def test_compose() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"s3", "bucket", "lastcopy"}
    assert (DEPLOY / services["lastcopy"]["build"]["context"] / services["lastcopy"]["build"]["dockerfile"]).exists()
    assert "--with-lock" in services["bucket"]["command"][0]
    assert not re.search(r"PASSWORD: [^$]", text)


def test_registration_asks_for_reading_only() -> None:
    """What `check` looks for, by the ids of graph.md §2.1, and nothing that writes."""
    text = (DEPLOY / "entra" / "register-app.sh").read_text()
    asked = dict(re.findall(r"^(\w+(?:\.\w+)+) ([0-9a-f]{8}-[0-9a-f-]{27})$", text, re.M))
    needs = {need.name for need in (*BASE, *DRIVES, *SITES, *MAIL, TASKS, GROUPS, *EXPORT_API, *DIRECTORY, *CANCELLING)}
    assert set(asked) == needs
    assert not may_write(asked)
    reference = DEPLOY.parents[1] / "shared" / "reference" / "graph.md"
    if not reference.exists():
        pytest.skip("the ids can be compared only beside ../shared/reference/graph.md")
    rows = reference.read_text()
    for name in ("TermStore.Read.All", "Member.Read.Hidden"):  # not in that table: Microsoft's permissions reference
        del asked[name]
    for name, role in asked.items():
        assert re.search(rf"\| {re.escape(name)}( [(/][^|]*)? \| `{role}`( / [^|]*)? \|", rows), name


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize(("arguments", "says"), [([], "TENANT"), (["contoso.com", "moon"], "no cloud")])
def test_registration_refuses_wrong_use(arguments: list[str], says: str) -> None:
    script = DEPLOY / "entra" / "register-app.sh"
    answer = subprocess.run(["sh", str(script), *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert says in answer.stderr
