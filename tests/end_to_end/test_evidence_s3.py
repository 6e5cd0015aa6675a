"""Evidence in a bucket with Object Lock, signed by a key of AWS KMS (moto): acceptance b of issue 10."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest

from tests.contracts.store_servers import CREDENTIALS, moto_server
from tests.end_to_end.driving import Tenant
from tests.end_to_end.evidence_desk import failing_step, names_given, steps_of
from tests.end_to_end.test_s3 import fetched
from tests.faults.desk import InProcess
from tests.faults.time_stamps import TimeStampAuthority, openssl

BUCKET = "evidence-locked"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto for S3 and KMS."""
    with moto_server() as address:
        client_of("s3", address).create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        with mock.patch.dict(os.environ, CREDENTIALS | {"AWS_ENDPOINT_URL_KMS": address}):
            yield address


def client_of(service: str, endpoint: str) -> Any:
    """A client of boto3's own making: none of ours."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def made_key(endpoint: str, spec: str = "ECC_NIST_P256") -> str:
    made = client_of("kms", endpoint).create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    return str(made["KeyMetadata"]["KeyId"])


@pytest.fixture(scope="module")
def desk(plain_data: Path, tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Iterator[InProcess]:
    store = {
        "url": f"s3://{BUCKET}/copy", "region": "us-east-1", "endpoint_url": endpoint,
        "object_lock": {"mode": "compliance", "until": "2099-01-01"},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("s3")
    with TimeStampAuthority(folder / "tsa") as authority, Tenant(plain_data) as tenant:
        made = InProcess(folder / "work", tenant, store=store)
        made.environment |= CREDENTIALS | {"AWS_ENDPOINT_URL_KMS": endpoint}
        made.export(code=0)
        key = f"awskms:{made_key(endpoint)}"
        made.configure(evidence={"key": key, "timestamp_url": authority.url})
        yield made


def test_signed_by_kms_locked_and_checked(desk: InProcess, endpoint: str, tmp_path: Path) -> None:
    told = desk.run("report", "--json", code=0).document
    assert told["key"]["trusted"] is False
    fingerprint = ["--fingerprint", told["key"]["fingerprint"]]
    url = f"s3://{BUCKET}/copy/{told['package']}"
    assert desk.run("verify", "--json", "--evidence", url).document["key"]["trusted_by"] is None
    found = desk.run("verify", "--json", "--evidence", url, *fingerprint, code=0).document
    assert found["signature"] == "good"
    desk.run("verify", "--json", "--evidence", told["package"], *fingerprint, "--latest", told["evidence"], code=0)
    package = fetched(endpoint, BUCKET, f"copy/{told['package']}", tmp_path / "package")
    assert failing_step(package, steps_of(package), names_given(told)) is None
    openssl(["dgst", "-sha256", "-verify", f"{package}/public-key.pem", "-signature", f"{package}/evidence.sig",
             f"{package}/evidence.json"])  # fmt: skip
    client = client_of("s3", endpoint)
    for file in package.rglob("*"):
        if file.is_file():
            key = f"copy/{told['package']}/{file.relative_to(package)}"
            assert client.head_object(Bucket=BUCKET, Key=key)["ObjectLockMode"] == "COMPLIANCE"
    (package / "evidence.sig").write_bytes((package / "evidence.sig").read_bytes()[:-1] + b"\0")
    desk.run("verify", "--json", "--evidence", str(package), *fingerprint, "--package-only", code=3)
    client.close()


def test_keys_of_kms_that_cannot_sign(desk: InProcess, endpoint: str) -> None:
    before = dict(desk.settings["evidence"])
    for key, code in (
        (f"awskms:{made_key(endpoint, 'RSA_2048')}", "evidence_key_kind"),
        ("awskms:00000000-0000-0000-0000-000000000000", "evidence_key_missing"),
    ):
        desk.configure(evidence={**before, "key": key})
        assert desk.run("report", "--key", "--json", code=2).document["error"]["code"] == code
    desk.configure(evidence=before)
