"""The rights of `deploy/bucket-policy.json`, from the command line: they suffice, and each that is missing is named.

moto checks what it can (its access control is switched on); rights that it does not know of are refused on the wire as AWS
refuses them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core import set_initial_no_auth_action_count

from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from exporters.store.s3_client import _session
from tests.contracts.cli_tenant import QUIET_SOURCES, Desk, Result
from tests.contracts.store_mishaps import Between, Mishap
from tests.contracts.store_rights import rights_asked
from tests.contracts.store_servers import CREDENTIALS, make_bucket, moto_between

POLICY = Path(__file__).parents[2] / "deploy" / "bucket-policy.json"
LOCK = ", object_lock: {mode: governance, until: 2040-01-01}"


@pytest.fixture(scope="module")
def tenant(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One plain drive that can be copied whole."""
    state = tmp_path_factory.mktemp("s") / "state"
    with Rehearsal(plain_data, clock=SystemClock(), licences=60_000, state=state) as served:
        yield served


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The rights that moto was asked for, by the names that AWS knows."""
    return rights_asked(monkeypatch)


class Guarded:
    """A desk whose bucket lets its user do what the policy says, less some rights."""

    def __init__(self, desk: Desk, between: Between) -> None:
        self._desk, self.between = desk, between

    def run(self, *argv: str) -> Result:
        found: list[Result] = []
        set_initial_no_auth_action_count(0)(lambda: found.append(self._desk.run(*argv)))()
        return found[0]


def rights(bucket: str, without: set[str]) -> Any:
    policy: Any = json.loads(POLICY.read_text().replace("BUCKET/PREFIX", f"{bucket}/contoso").replace("BUCKET", bucket))
    for statement in policy["Statement"]:
        del statement["Principal"]
        statement["Action"] = [action for action in statement["Action"] if action not in without]
    return policy


@pytest.fixture
def guarded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, asked: set[str], request: pytest.FixtureRequest
) -> Iterator[Guarded]:
    """Parameter: the right that is missing."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with moto_between() as (endpoint, between):
        session = boto3.session.Session()
        iam = session.client("iam", endpoint_url=endpoint)
        bucket = user = make_bucket(endpoint, lock=True)  # moto's state is one for the whole process
        iam.create_user(UserName=user)
        without = {request.param} if getattr(request, "param", None) else set()
        iam.put_user_policy(UserName=user, PolicyName="store", PolicyDocument=json.dumps(rights(bucket, without)))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        iam.close()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        _session.cache_clear()
        file = desk.configure(more=QUIET_SOURCES)
        store = f"store: {{url: s3://{bucket}/contoso, region: us-east-1, endpoint_url: '{endpoint}'{LOCK}}}"
        file.write_text(file.read_text().replace("store: {url: file:./copy}", store))
        yield Guarded(desk, between)
        _session.cache_clear()


def test_the_policy_suffices(guarded: Guarded, asked: set[str], tmp_path: Path) -> None:
    """check, export, verify, restore, fold and accept with exactly these rights."""
    checked = guarded.run("check", "--json")
    assert checked.exit == 0, checked.out
    assert not [row for row in checked.json["checks"] if "missing" in row["message"] or "Not known" in row["message"]]
    for argv in (
        ("export",),
        ("verify",),
        ("verify", "--level", "stored"),
        ("restore", "--to", str(tmp_path / "out")),
        ("fold",),
        ("accept", "not_in_this_version", "--by", "Anna", "--reason", "seen"),
        ("export",),
    ):
        result = guarded.run(*argv, "--json")
        assert result.exit == 0, (argv, result.out, result.err)
    assert {"s3:PutObject", "s3:GetObject", "s3:ListBucket"} <= asked, "moto checked nothing"
    assert not [name for name in asked if "Delete" in name]


@pytest.mark.parametrize("guarded", ["s3:PutObject", "s3:GetObject", "s3:ListBucket"], indirect=True)
def test_without_a_right_that_is_needed(guarded: Guarded, request: pytest.FixtureRequest) -> None:
    """`check` and `export` refuse, and name it."""
    right = request.node.callspec.params["guarded"]
    for verb in ("check", "export"):
        result = guarded.run(verb, "--json")
        assert result.exit in (1, 2), result.out
        assert right in result.out, result.out


@pytest.mark.parametrize(
    "guarded",
    [
        "s3:AbortMultipartUpload",
        "s3:ListBucketMultipartUploads",
        "s3:GetBucketVersioning",
    ],
    indirect=True,
)
def test_without_a_right_that_is_only_useful(guarded: Guarded, request: pytest.FixtureRequest) -> None:
    """`check` names it as advice; `export` copies all the same, and logs it at most once."""
    works_without(guarded, request.node.callspec.params["guarded"])


@pytest.mark.parametrize(
    ("right", "operation"),
    [
        ("s3:GetBucketObjectLockConfiguration", "get_object_lock_configuration"),
        ("s3:GetEncryptionConfiguration", "get_bucket_encryption"),
    ],
)
def test_without_a_right_that_moto_does_not_check(guarded: Guarded, right: str, operation: str) -> None:
    guarded.between.mishaps = [Mishap((operation,), refuse=(403, "AccessDenied"))]
    works_without(guarded, right)


def works_without(guarded: Guarded, right: str) -> None:
    checked = guarded.run("check", "--json")
    assert checked.exit == 0, checked.out
    named = [row for row in checked.json["checks"] if right in row["message"] + row["action"]]
    assert named, checked.out
    assert all(row["mark"] == "doubtful" for row in named)
    exported = guarded.run("export", "--json")
    assert exported.exit == 0, exported.out
    if "Upload" in right:
        assert exported.err.count(right) == 1, exported.err


AWS_SAYS = (
    "User: arn:aws:iam::1:user/x is not authorized to perform: {} on resource: arn:aws:s3:::b/k because no identity"
)
LOCKED = "X-Amz-Object-Lock-Mode"
ON_THE_WIRE = {
    "s3:PutObjectRetention": [
        Mishap(("put_object",), LOCKED, refuse=(403, "AccessDenied"), message=AWS_SAYS.format("s3:PutObjectRetention"))
    ],
    "s3:GetObjectRetention": [
        Mishap(("head_object",), strip_answer=(LOCKED, "X-Amz-Object-Lock-Retain-Until-Date")),
        Mishap(("get_object_retention",), refuse=(403, "AccessDenied")),
    ],
    "s3:GetObjectVersion": [Mishap(("head_object",), query="versionId", refuse=(403, "AccessDenied"))],
    "kms:GenerateDataKey": [
        Mishap(("put_object",), refuse=(403, "AccessDenied"), message=AWS_SAYS.format("kms:GenerateDataKey"))
    ],
    "kms:Decrypt": [Mishap(("get_object",), refuse=(403, "AccessDenied"), message=AWS_SAYS.format("kms:Decrypt"))],
}


@pytest.mark.parametrize("right", ON_THE_WIRE)
def test_rights_that_moto_does_not_check(guarded: Guarded, right: str) -> None:
    guarded.between.mishaps = ON_THE_WIRE[right]
    for verb in ("check", "export"):
        result = guarded.run(verb, "--json")
        assert result.exit in (1, 2), result.out
        assert right in result.out, result.out
