"""Times in texts: the format of each API, and reading."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hydria.times import from_text, precise_stamp, precise_zoned_stamp, stamp, zoned_stamp

EARLY = datetime(3, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
# The same moment in New Delhi.
EAST = datetime(2026, 1, 2, 8, 34, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))


def test_each_api_has_its_format() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert stamp(moment) == "2026-01-02T03:04:05"
    assert zoned_stamp(moment) == "2026-01-02T03:04:05Z"
    assert precise_stamp(moment) == "2026-01-02T03:04:05.678901"
    assert precise_zoned_stamp(moment) == "2026-01-02T03:04:05.678901Z"


def test_whole_seconds_have_microseconds_and_years_four_digits() -> None:
    assert precise_zoned_stamp(EAST) == "2026-01-02T03:04:05.000000Z"
    assert stamp(EARLY) == "0003-01-02T03:04:05"


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T08:34:05+05:30"])
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert from_text(text) == EAST


@pytest.mark.parametrize("text", ["soon", "", "0001-01-01T00:00:00+10:00", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)
