"""What befalls a bucket while an export runs: lost answers, storms, credentials and rights that end, a bucket that goes.

Each is a filter on the wire in front of moto. A run that cannot go on ends with 1 and a sentence; nothing is half there, and
when the trouble is over the next run ends whole (issue 4, item 7 and line d).
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from exporters.clock import SystemClock, timestamp
from exporters.rehearsal.server import Rehearsal
from tests.contracts.cli_tenant import QUIET_SOURCES, Desk
from tests.contracts.store_mishaps import Between, Mishap
from tests.contracts.store_servers import CREDENTIALS, client, make_bucket, moto_between
from tests.independent import tiny

LARGE = 2 * (8 << 20) + 5
WRITES = ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One plain drive with a file that is stored in parts."""
    data = tiny.make(tmp_path_factory.mktemp("large") / "tenant", drives=1, files=12, odd=False, large=LARGE)
    with Rehearsal(data, clock=SystemClock(), licences=60_000, state=tmp_path_factory.mktemp("s") / "state") as served:
        yield served


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[str, Between]]:
    with moto_between() as served:
        yield served


@pytest.fixture
def between(desk: Desk, moto: tuple[str, Between], monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """The filter; the desk has a bucket of its own behind it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    endpoint, filtered = moto
    filtered.mishaps = []
    bucket = make_bucket(endpoint)
    filtered.seen.clear()
    file = desk.configure(more=QUIET_SOURCES)
    store = f"store: {{url: s3://{bucket}/contoso, region: us-east-1, endpoint_url: '{endpoint}'}}"
    file.write_text(file.read_text().replace("store: {url: file:./copy}", store))
    filtered.bucket = bucket
    filtered.endpoint = endpoint
    yield filtered
    filtered.mishaps = []


def ends_whole(desk: Desk, between: Between) -> None:
    """When it is over: a run ends whole, and a full verification finds nothing."""
    between.mishaps = []
    exported = desk.run("export", "--take-over", "--json")  # the writer that failed was this very process
    assert exported.exit == 0, exported.out + exported.err
    verified = desk.run("verify", "--json")
    assert verified.exit == 0, verified.out
    uploads = client(between.endpoint).list_multipart_uploads(Bucket=between.bucket)
    assert not uploads.get("Uploads")


@pytest.mark.parametrize("operation", WRITES)
def test_lost_answers(desk: Desk, between: Between, operation: str) -> None:
    """Each write is done by the server, and its answer never comes: settled as ours, in the same run."""
    between.mishaps = [Mishap((operation,), after=after, times=1, lose=True) for after in (0, 4, 9, 14, 20)]
    exported = desk.run("export", "--json")
    assert exported.exit == 0, exported.out + exported.err
    totals = exported.json["totals"]
    assert totals["copied"] == totals["listed"] > 12
    between.mishaps = []
    assert desk.run("verify", "--json").exit == 0


def test_slow_down_is_waited_for_as_it_says(desk: Desk, between: Between) -> None:
    """503 with Retry-After, and 500: tried again, and the run ends whole."""
    told = Mishap(
        ("put_object", "upload_part"), after=5, times=2, refuse=(503, "SlowDown"), headers=[("Retry-After", "1")]
    )
    between.mishaps = [told, Mishap(("head_object",), after=6, times=2, refuse=(500, "InternalError"))]
    exported = desk.run("export", "--json")
    assert exported.exit == 0, exported.out + exported.err


ENDS = [
    ("credentials expire", Mishap(after=40, refuse=(400, "ExpiredToken")), "credentials"),
    ("keys are withdrawn", Mishap(after=40, refuse=(403, "InvalidAccessKeyId")), "credentials"),
    ("the policy forbids writing", Mishap(WRITES, after=12, refuse=(403, "AccessDenied")), "s3:PutObject"),
    ("the bucket is deleted", Mishap(after=40, refuse=(404, "NoSuchBucket")), "no bucket"),
    ("the quota is full", Mishap(WRITES, after=12, refuse=(507, "InsufficientStorage")), "no room"),
    ("the KMS key is disabled", Mishap(WRITES, after=12, refuse=(400, "KMS.DisabledException")), "KMS"),
]


@pytest.mark.parametrize(("mishap", "says"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_a_run_that_cannot_go_on(desk: Desk, between: Between, mishap: Mishap, says: str) -> None:
    """Exit 1 (something was touched by then), one plain sentence, and what to do; then whole."""
    between.mishaps = [mishap]
    result = desk.run("export", "--json")
    assert result.exit == 1, result.out + result.err
    error = result.json["error"]
    assert says in error["message"] + error["action"], error
    assert error["action"]
    assert "Traceback" not in result.err
    ends_whole(desk, between)


def test_credentials_that_expire_while_it_is_verified(desk: Desk, between: Between) -> None:
    """They were right when it began: the work failed (1), the configuration is not wrong (2)."""
    assert desk.run("export", "--json").exit == 0
    between.mishaps = [Mishap(("get_object",), after=6, refuse=(400, "ExpiredToken"))]
    result = desk.run("verify", "--json")
    assert result.exit == 1, result.out
    assert result.json["error"]["code"] == "store_credentials"


def test_q081_what_is_on_the_wire(desk: Desk, between: Between) -> None:
    """No chunked encoding, no trailers, no checksum but our SHA-256, a length on every body; lists ask for encoded keys."""
    assert desk.run("export", "--json").exit == 0
    assert desk.run("verify", "--json").exit == 0
    assert {"put_object", "upload_part", "complete_multipart_upload", "list_objects_v2"} <= set(between.counts)
    for operation, key, headers in between.seen:
        assert "aws-chunked" not in headers.get("content-encoding", ""), (operation, key)
        assert "transfer-encoding" not in headers, (operation, key)
        assert "x-amz-trailer" not in headers, (operation, key)
        assert not [name for name in headers if "checksum" in name and "crc" in name + headers[name].lower()]
        assert "STREAMING" not in headers.get("x-amz-content-sha256", "")
        if operation in {"put_object", "upload_part"}:
            assert headers["content-length"].isdecimal(), (operation, key)
            assert "x-amz-checksum-sha256" in headers, (operation, key)
            # A small object does not wait for leave to be sent.
            assert operation == "upload_part" or ("expect" in headers) == (int(headers["content-length"]) > 64 << 10)
    assert all("encoding-type=url" in query for operation, query in between.queries if operation == "list_objects_v2")


def test_q081_a_server_without_checksums_in_its_answers(desk: Desk, between: Between) -> None:
    """Lost answers are settled by reading, where HEAD does not give the SHA-256 that was sent."""
    between.mishaps = [
        Mishap(("head_object", "put_object", "complete_multipart_upload"), strip_answer=("x-amz-checksum-sha256",)),
        *(Mishap(("put_object",), after=after, times=1, lose=True) for after in (4, 9, 14)),
        Mishap(("complete_multipart_upload",), after=1, times=1, lose=True),
    ]
    exported = desk.run("export", "--json")
    assert exported.exit == 0, exported.out + exported.err
    assert desk.run("verify", "--level", "stored", "--json").exit == 0


def test_q021_stale_uploads_are_aborted_when_an_export_starts(desk: Desk, between: Between) -> None:
    """Those of over two days, below the prefix; never those of a writer that may live, nor a neighbour's."""
    s3 = client(between.endpoint)
    ages = {"contoso/stale": 3.0, "contoso/live": 1.9, "contoso-other/stale": 30.0}
    for key in ages:
        s3.create_multipart_upload(Bucket=between.bucket, Key=key)

    def dated(body: bytes) -> bytes:
        for key, days in ages.items():
            begun = timestamp(SystemClock().now() - timedelta(days=days)).encode()
            pattern = rb"(<Key>" + key.replace("/", "(?:/|%2F)").encode() + rb"</Key>.*?<Initiated>)[^<]*"
            body = re.sub(pattern, rb"\g<1>" + begun, body, flags=re.S)
        return body

    between.mishaps = [Mishap(("list_multipart_uploads",), change_body=dated)]
    assert desk.run("export", "--json").exit == 0
    between.mishaps = []
    left = s3.list_multipart_uploads(Bucket=between.bucket)["Uploads"]
    assert sorted(upload["Key"] for upload in left) == ["contoso-other/stale", "contoso/live"]
