"""Downloads: one continuous stream or an exception, whatever the hosts do."""

import gzip
import random
from itertools import count

import pytest

from exporters.clock import ManualClock
from exporters.errors import ItemError
from exporters.graph import downloads
from exporters.graph.errors import (
    AccessDeniedError,
    ContentChangedError,
    DownloadFailedError,
    ForeignHostError,
    ItemGaveUpError,
    MalformedAnswerError,
    MalwareError,
    NotFoundError,
    RightsProtectedError,
)
from exporters.graph.session import GraphSession
from tests.unit.graph.fake_service import Asked, FakeService, Reply, error_reply, json_reply, serve_range

CONTENT = random.Random(5).randbytes(3_500_000)
PATH = "/drives/d/items/i/content"
TAG = {"ETag": '"{ABC},2"'}


def redirecting(service: FakeService):
    numbers = count(1)

    def graph(asked: Asked) -> Reply:
        return Reply(302, b"", {"Location": f"{service.url('download')}/d?tempauth=T{next(numbers)}&a=%2B"})

    return graph


def fetch(session: GraphSession, path: str = PATH, **options: object) -> bytes:
    with session.download(path, **options) as download:
        return b"".join(download.chunks())


def cutting(content: bytes, *cuts: int | None, headers: dict[str, str] | None = None):
    """A host that breaks off: the n-th answer sends only so many bytes."""
    numbers = count()

    def host(asked: Asked) -> Reply:
        number = next(numbers)
        reply = serve_range(content, asked, headers or TAG)
        reply.cut = cuts[number] if number < len(cuts) else None
        return reply

    return host


def test_q016_the_token_does_not_follow_the_redirect(service: FakeService, session: GraphSession) -> None:
    service.graph, service.downloads = redirecting(service), lambda asked: serve_range(CONTENT, asked, TAG)
    with session.download(PATH) as download:
        assert (download.status, download.total, download.etag) == (200, len(CONTENT), '"{ABC},2"')
        assert b"".join(download.chunks(1000)) == CONTENT
    asked = service.of("download")[0]
    assert "authorization" not in asked.headers
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.target == "/d?tempauth=T1&a=%2B"
    assert session.counts.resource_units == 1
    assert session.counts.count == 2


def test_q017_content_may_come_directly(service: FakeService, session: GraphSession) -> None:
    service.graph = lambda asked: Reply(200, CONTENT)
    assert fetch(session) == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_q014_download_url_expires(service: FakeService, session: GraphSession, status: int) -> None:
    """A new address is asked for; the Graph token is left alone."""
    service.graph = redirecting(service)
    service.downloads = lambda asked: serve_range(CONTENT, asked) if "T2" in asked.target else Reply(status, b"expired")
    assert fetch(session) == CONTENT
    assert service.tokens == 1
    service.downloads = lambda asked: Reply(status, b"no")
    with pytest.raises(ItemError) as caught:
        fetch(session)
    assert isinstance(caught.value, AccessDeniedError if status in (401, 403) else NotFoundError)
    assert service.tokens == 1


def test_q015_q020_a_broken_transfer_goes_on_where_it_stopped(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    service.downloads = cutting(CONTENT, 1_200_000, 0, 1_100_000, None)
    assert fetch(session) == CONTENT
    ranges = [asked.headers.get("range") for asked in service.of("download")]
    assert ranges[0] is None
    assert all(wanted.startswith("bytes=") and wanted.endswith("-") for wanted in ranges[1:])
    assert len({asked.target for asked in service.of("download")}) == 4, "each part from a fresh address"


def test_q020_a_short_body_is_never_the_whole(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    service.downloads = lambda asked: Reply(200, CONTENT, TAG, cut=100)
    with pytest.raises(DownloadFailedError) as caught:
        fetch(session)
    assert isinstance(caught.value, ItemError)


def test_q015_content_that_changed_between_parts_is_not_joined(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    first = second = serve_range
    numbers = count()

    def host(asked: Asked) -> Reply:
        if next(numbers) == 0:
            reply = first(CONTENT, asked, TAG)
            reply.cut = 1_500_000
            return reply
        return second(bytes(len(CONTENT)), asked, {"ETag": '"{ABC},3"'})

    service.downloads = host
    with pytest.raises(ContentChangedError):
        fetch(session)


def test_q015_without_marks_the_item_is_asked(service: FakeService, session: GraphSession) -> None:
    """A host that tells no ETag: the item's own decides, and without one the parts are not joined."""
    tags = iter(['"{ABC},2"', '"{ABC},9"'])
    redirect = redirecting(service)

    def graph(asked: Asked) -> Reply:
        return redirect(asked) if asked.path.endswith("/content") else json_reply({"id": "i", "eTag": next(tags)})

    service.graph = graph
    plain = {"X-Nothing": "1"}
    service.downloads = cutting(CONTENT, 1_500_000, headers=plain)
    assert fetch(session, etag='"{ABC},2"') == CONTENT
    service.downloads = cutting(CONTENT, 1_500_000, headers=plain)
    with pytest.raises(ContentChangedError):
        fetch(session, etag='"{ABC},2"')
    service.downloads = cutting(CONTENT, 1_500_000, headers=plain)
    with pytest.raises(ContentChangedError):
        fetch(session)


def test_q018_a_whole_file_instead_of_a_range_is_cut_to_fit(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    numbers = count()
    service.downloads = lambda asked: Reply(200, CONTENT, TAG, cut=1_300_000 if next(numbers) == 0 else None)
    assert fetch(session) == CONTENT
    assert fetch(session, start=1000, etag='"{ABC},2"') == CONTENT[1000:]
    assert fetch(session, start=1000, end=5000, etag='"{ABC},2"') == CONTENT[1000:5000]


def test_q018_a_206_for_another_range_is_refused(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    service.downloads = lambda asked: Reply(206, CONTENT[:10], {"Content-Range": f"bytes 0-9/{len(CONTENT)}", **TAG})
    with pytest.raises(Exception, match="not the one asked for"):
        fetch(session, start=1000, etag='"{ABC},2"')


def test_q019_416_at_the_end_is_complete(service: FakeService, session: GraphSession) -> None:
    service.graph, service.downloads = redirecting(service), lambda asked: serve_range(CONTENT, asked, TAG)
    with session.download(PATH, start=len(CONTENT), etag='"{ABC},2"') as download:
        assert list(download.chunks()) == []
        assert download.total == len(CONTENT)
    with pytest.raises(ContentChangedError):
        fetch(session, start=len(CONTENT) + 1, etag='"{ABC},2"')
    redirect = redirecting(service)
    service.graph = lambda asked: redirect(asked) if "content" in asked.path else json_reply({"eTag": '"{ABC},2"'})
    with pytest.raises(ContentChangedError):
        fetch(session, start=10, etag='"{OTHER},1"')


@pytest.mark.parametrize("reply", [Reply(200), Reply(204)], ids=["200", "204"])
def test_q025_zero_bytes(service: FakeService, session: GraphSession, reply: Reply) -> None:
    service.graph = lambda asked: reply
    with session.download(PATH, size=0) as download:
        assert download.total == 0
        assert list(download.chunks()) == []
    assert "range" not in service.of("graph")[0].headers


def test_q026_malware_and_rights_are_final(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    service.downloads = lambda asked: Reply(403, b"<html>", {"Content-Type": "text/html", "X-Virus-Infected": "true"})
    with pytest.raises(MalwareError):
        fetch(session)
    service.graph = lambda asked: error_reply(403, "malwareDetected")
    with pytest.raises(MalwareError):
        fetch(session)
    service.graph = lambda asked: error_reply(403, "irmEncryptFailedToFindProtector")
    with pytest.raises(RightsProtectedError):
        fetch(session)
    assert len(service.of("download")) == 1


def test_q028_what_always_answers_503_ends_when_the_callers_patience_does(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    service.graph = redirecting(service)
    service.downloads = lambda asked: Reply(503)
    with pytest.raises(ItemGaveUpError) as caught:
        fetch(session, patience=20)
    assert caught.value.code == "throttled"
    assert clock.monotonic() < 60


def test_q033_big_files_are_read_in_ranges_over_content(
    service: FakeService, session: GraphSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.graph, service.downloads = redirecting(service), lambda asked: serve_range(CONTENT, asked, TAG)
    monkeypatch.setattr(downloads, "BIG_BYTES", 2_000_000)
    monkeypatch.setattr(downloads, "SPAN_BYTES", 1_000_000)
    assert fetch(session, size=len(CONTENT)) == CONTENT
    assert [asked.headers["range"] for asked in service.of("download")] == [
        "bytes=0-999999",
        "bytes=1000000-1999999",
        "bytes=2000000-2999999",
        "bytes=3000000-3999999",
    ]
    assert len(service.of("graph")) == 4


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/d?tempauth=x", "http://localhost/d", "https://localhost@evil.example/d", "ftp://localhost/"],
)
def test_downloads_go_only_to_hosts_the_cloud_owns(service: FakeService, session: GraphSession, location: str) -> None:
    service.graph = lambda asked: Reply(302, b"", {"Location": location})
    with pytest.raises(ForeignHostError) as caught:
        fetch(session)
    assert "tempauth" not in str(caught.value)


def test_endless_redirects_end(service: FakeService, session: GraphSession) -> None:
    service.graph = redirecting(service)
    service.downloads = lambda asked: Reply(302, b"", {"Location": f"{service.url('download')}/again"})
    with pytest.raises(Exception, match="too often"):
        fetch(session)
    assert len(service.of("download")) <= 20


def test_pause_told_by_a_download_host_holds_for_all(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    service.graph = redirecting(service)
    numbers = count()
    service.downloads = lambda asked: (
        Reply(429, b"", {"Retry-After": "2.128"}) if next(numbers) == 0 else serve_range(CONTENT, asked, TAG)
    )
    assert fetch(session) == CONTENT
    assert clock.monotonic() >= 2.128


def test_content_coding_is_left_alone(service: FakeService, session: GraphSession) -> None:
    service.graph = lambda asked: Reply(200, b"\x1f\x8bnot really gzip", {"Content-Encoding": "gzip"})
    assert fetch(session) == b"\x1f\x8bnot really gzip"


def test_connections_are_used_again(service: FakeService, session: GraphSession) -> None:
    """A new TLS connection for each small file would cost more than the file."""
    service.graph, service.downloads = redirecting(service), lambda asked: serve_range(b"small", asked, TAG)
    for _ in range(5):
        assert fetch(session) == b"small"
    pools = session._transport._session.get_adapter("https://x").poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1, 1]  # noqa: SIM118


def test_q020_a_range_without_content_length_that_ends_early_goes_on(
    service: FakeService, session: GraphSession
) -> None:
    """urllib3 cannot know that this body is short; `Content-Range` told."""
    service.graph = redirecting(service)
    numbers = count()

    def host(asked: Asked) -> Reply:
        reply = serve_range(CONTENT, asked, TAG)
        if next(numbers) == 0:
            reply.length, reply.cut = False, 1_400_000
        return reply

    service.downloads = host
    assert fetch(session, start=7, end=3_000_000, etag='"{ABC},2"') == CONTENT[7:3_000_000]
    assert len(service.of("download")) == 2


def test_a_coded_content_of_several_members_is_never_the_first_alone(
    service: FakeService, session: GraphSession
) -> None:
    """A gzip stream may have several members (RFC 1952 2.2); a short content that looks whole is the worst of all answers."""
    body = gzip.compress(b"first ") + gzip.compress(b"second")
    service.graph = lambda asked: Reply(200, body, {"Content-Encoding": "gzip"})
    with session.download(PATH) as download:
        assert b"".join(download.decoded()) == b"first second"
    service.graph = lambda asked: Reply(200, gzip.compress(b"first ") + b"rest", {"Content-Encoding": "gzip"})
    with session.download(PATH) as download, pytest.raises(MalformedAnswerError):
        b"".join(download.decoded())
