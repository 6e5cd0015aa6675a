"""Time stamps by an authority that answers, refuses, hides its root, or answers something else (RFC 3161)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.clock import ManualClock, SystemClock
from exporters.errors import RunError
from retention.evidence.clocks import refuse_distant_stamp
from retention.evidence.set_order import in_set_order
from retention.evidence.stamping import Stamp, read_stamp, stamped
from tests.faults.time_stamps import TimeStampAuthority

SIGNATURE = b"a signature"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStampAuthority]:
    with TimeStampAuthority(tmp_path_factory.mktemp("tsa")) as running:
        yield running


@pytest.fixture
def authority(served: TimeStampAuthority) -> TimeStampAuthority:
    served.mishaps, served.asked = [], 0
    return served


@pytest.fixture(scope="module")
def stamp(served: TimeStampAuthority) -> Stamp:
    return stamped(SIGNATURE, served.url, SystemClock())


def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


def test_a_stamp_says_when_and_by_whom(stamp: Stamp, served: TimeStampAuthority) -> None:
    facts = read_stamp(stamp.token, stamp.chain, SIGNATURE)
    assert facts.at == stamp.at
    assert "Test authority" in facts.authority
    assert served.root.read_bytes() in stamp.chain


def test_it_is_asked_again_a_few_times(authority: TimeStampAuthority) -> None:
    authority.mishaps = [503, 429]
    assert stamped(SIGNATURE, authority.url, clock()).token
    assert authority.asked == 3
    authority.mishaps, authority.asked = [500] * 9, 0
    with pytest.raises(RunError) as caught:
        stamped(SIGNATURE, authority.url, clock())
    assert (caught.value.code, authority.asked) == ("timestamp_unavailable", 4)


def test_a_refusal_is_not_repeated(authority: TimeStampAuthority) -> None:
    authority.mishaps = [404]
    with pytest.raises(RunError) as caught:
        stamped(SIGNATURE, authority.url, clock())
    assert (caught.value.code, authority.asked) == ("timestamp_refused", 1)


def test_an_answer_to_another_question_is_refused(
    authority: TimeStampAuthority, stamp: Stamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "reply", lambda query: stamp.token)
    with pytest.raises(RunError) as caught:
        stamped(SIGNATURE, authority.url, clock())
    assert "Nonce" in str(caught.value)
    for answer in (b"", b"\x30\x03\x02\x01\x02", b"<html>"):
        monkeypatch.setattr(authority, "reply", lambda query, answer=answer: answer)
        with pytest.raises(RunError) as caught:
            stamped(SIGNATURE, authority.url, clock())
        assert caught.value.code == "timestamp_unusable"


def test_a_chain_without_its_root_is_refused_unless_this_machine_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TimeStampAuthority(tmp_path / "tsa", sends_root=False) as hiding:
        with pytest.raises(RunError) as caught:
            stamped(SIGNATURE, hiding.url, clock())
        assert caught.value.code == "timestamp_unusable"
        monkeypatch.setenv("SSL_CERT_FILE", str(hiding.root))
        assert hiding.root.read_bytes() in stamped(SIGNATURE, hiding.url, clock()).chain


def test_any_other_bit_is_noticed(stamp: Stamp) -> None:
    draw = random.Random(1)
    for _ in range(60):
        token = bytearray(stamp.token)
        at = draw.randrange(len(token))
        token[at] ^= 1 << draw.randrange(8)
        try:
            facts = read_stamp(bytes(token), stamp.chain, SIGNATURE)
        except ValueError:
            continue
        assert facts.at == stamp.at  # what no signature covers: SHA256SUMS does
    with pytest.raises(ValueError, match="essages"):
        read_stamp(stamp.token, stamp.chain, b"another signature")


def test_the_order_of_certificates(stamp: Stamp) -> None:
    """Sorted once, sorted for ever; the same bytes, and as many."""
    ordered = in_set_order(stamp.token)
    assert in_set_order(ordered) == ordered
    assert sorted(ordered) == sorted(stamp.token)
    for end in range(0, len(ordered), 7):
        with pytest.raises(ValueError, match="time stamp"):
            in_set_order(ordered[:end])


def test_a_clock_that_the_stamp_contradicts(stamp: Stamp) -> None:
    refuse_distant_stamp(stamp.at, clock())
    wrong = clock()
    wrong.sleep(3600)
    with pytest.raises(RunError) as caught:
        refuse_distant_stamp(stamp.at, wrong)
    assert caught.value.code == "clock_in_doubt"
