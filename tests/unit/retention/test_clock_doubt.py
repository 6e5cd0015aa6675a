"""By which time warnings are due (retention-domain §2.5, clock source): nothing is ever held back."""

from datetime import UTC, datetime, timedelta

import pytest

from retention.clock_doubt import Reading, judge

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
MINUTE, DAY, YEARS = timedelta(minutes=1), timedelta(days=1), timedelta(days=73 * 365)


@pytest.mark.parametrize(
    ("reading", "now", "in_doubt", "ahead"),
    [
        pytest.param(Reading(NOW), NOW, False, None, id="own clock alone"),
        pytest.param(Reading(NOW, NOW + MINUTE), NOW + MINUTE, False, None, id="the later of two"),
        pytest.param(Reading(NOW, NOW - MINUTE), NOW, False, None, id="own clock a little ahead"),
        pytest.param(Reading(NOW, NOW + DAY), NOW + DAY, True, None, id="own clock a day behind the service"),
        pytest.param(Reading(NOW, NOW - DAY), NOW, True, None, id="own clock a day ahead of the service"),
        pytest.param(
            Reading(NOW, newest_row=NOW + 5 * MINUTE), NOW + 5 * MINUTE, False, None, id="a row a little ahead"
        ),
        pytest.param(Reading(NOW, newest_row=NOW - DAY), NOW, False, None, id="an old row"),
        pytest.param(Reading(NOW, newest_row=NOW + YEARS), NOW + YEARS, True, None, id="2099, and nobody to ask"),
        pytest.param(
            Reading(NOW, NOW, newest_row=NOW + YEARS),
            NOW,
            False,
            NOW + YEARS,
            id="2099, and the service with us",
        ),
        pytest.param(
            Reading(NOW, NOW + DAY, newest_row=NOW + 2 * DAY),
            NOW + 2 * DAY,
            True,
            None,
            id="nobody agrees with anybody",
        ),
        pytest.param(
            Reading(NOW, last_service=NOW + DAY), NOW + DAY, True, None, id="set back since the service answered"
        ),
        pytest.param(Reading(NOW, last_service=NOW - DAY), NOW, False, None, id="the service answered yesterday"),
    ],
)
def test_what_counts(reading: Reading, now: datetime, in_doubt: bool, ahead: datetime | None) -> None:
    verdict = judge(reading)
    assert (verdict.now, verdict.in_doubt, verdict.ahead) == (now, in_doubt, ahead)
    assert bool(verdict.notes) == (in_doubt or ahead is not None or abs(NOW - (reading.service or NOW)) > MINUTE)
