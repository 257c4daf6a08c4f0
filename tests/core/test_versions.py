"""Versions: they age one way only, and what their headers say is read back by other people's parsers."""

from __future__ import annotations

import calendar
import email.utils
import itertools
import math
import re
import string
from datetime import UTC, date, datetime, timedelta

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.versions import Stage, Version, http_date, iso_instant, lifecycle_headers, well_formed

YEAR_10000 = 253402300800
moments = st.floats(0, 4e9) | st.integers(0, 4_000_000_000).map(float)
wide_moments = st.floats(-6e10, YEAR_10000 - 1)


@st.composite
def versions(draw: st.DrawFn) -> Version:
    """A version with both dates, one or none."""
    deprecated = draw(st.none() | moments)
    sunset = None if deprecated is None else draw(st.none() | st.floats(deprecated, 5e9))
    return Version("2025-06-26", deprecated, sunset, draw(st.none() | st.just("2026-01-15")))


@pytest.mark.req("R57")
@given(versions(), st.lists(moments, min_size=2, max_size=8))
def test_a_version_ages_and_never_grows_younger(version: Version, times: list[float]) -> None:
    dates = [moment for moment in (version.deprecated_at, version.sunset_at) if moment is not None]
    stages = [version.stage(now) for now in sorted([*times, *dates, math.inf])]
    assert all(before <= after for before, after in itertools.pairwise(stages))
    assert stages[-1] == Stage.ACTIVE + len(dates)


@pytest.mark.req("R57")
@given(st.integers(0, 2_000_000_000), st.integers(1, 2_000_000_000))
def test_each_stage_begins_at_its_exact_instant(deprecated: int, later: int) -> None:
    version = Version("2025-06-26", deprecated, deprecated + later)
    assert version.stage(math.nextafter(deprecated, -math.inf)) is Stage.ACTIVE
    assert version.stage(deprecated) is Stage.DEPRECATED
    assert version.stage(math.nextafter(deprecated + later, -math.inf)) is Stage.DEPRECATED
    assert version.stage(deprecated + later) is Stage.SUNSET
    assert Version("2025-06-26", deprecated, deprecated).stage(deprecated) is Stage.SUNSET


@pytest.mark.req("R57")
@given(moments)
def test_a_version_without_dates_stays_active_and_one_without_sunset_never_ends(now: float) -> None:
    assert Version("2025-06-26").stage(now) is Stage.ACTIVE
    assert Version("2025-06-26", deprecated_at=now).stage(math.inf) is Stage.DEPRECATED


@pytest.mark.req("R57")
@pytest.mark.check("C046")
@given(moments, moments)
def test_a_sunset_before_the_deprecation_or_without_one_is_refused(one: float, other: float) -> None:
    first, last = sorted((one, other))
    assert Version("2025-06-26", first, last).sunset_at == last
    for deprecated in (math.nextafter(last, math.inf), None):
        with pytest.raises(ValueError, match=r"version 2025-06-26.*sunset.*deprecation"):
            Version("2025-06-26", deprecated, last)


WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # the first day of 1970 was a Thursday
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _rfc9110(moment: int) -> str:
    """Written apart from the code under test: no locale, no library's formatting, the weekday counted."""
    day, second = divmod(moment, 86400)
    year, month, month_day = (date(1970, 1, 1) + timedelta(day)).timetuple()[:3]
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{WEEKDAYS[day % 7]}, {month_day:02} {MONTHS[month - 1]} {year:04} {clock} GMT"


@pytest.mark.req("R60")
@pytest.mark.check("C046")
@given(st.integers(-30_000_000_000, YEAR_10000 - 1), st.floats(0, 0.999))
def test_an_http_date_is_an_imf_fixdate_in_gmt_with_the_right_weekday(moment: int, fraction: float) -> None:
    assert http_date(moment) == _rfc9110(moment)
    if moment >= 0:
        assert http_date(moment + fraction) == http_date(moment), "the second that is running"


@pytest.mark.req("R60")
@pytest.mark.check("C046")
@given(st.integers(0, 4_000_000_000))
def test_an_http_date_is_read_back_to_the_second(moment: int) -> None:
    read = email.utils.parsedate_to_datetime(http_date(moment))
    assert read == datetime.fromtimestamp(moment, UTC)
    assert http_date(moment)[:3] == calendar.day_abbr[read.weekday()]


def test_the_example_of_the_standard_is_written_as_the_standard_writes_it() -> None:
    """RFC 9110 §5.6.7."""
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(wide_moments)
def test_an_iso_instant_is_utc_in_milliseconds_and_within_one_of_the_truth(moment: float) -> None:
    text = iso_instant(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.ASCII)
    assert abs(datetime.fromisoformat(text).timestamp() - moment) < 0.0011


@pytest.mark.req("R40")
@given(st.dates())
def test_every_real_day_is_a_well_formed_version(day: date) -> None:
    assert well_formed(day.isoformat(), "date")


@pytest.mark.req("R40")
def test_of_all_numbers_of_the_form_only_real_days_are_well_formed() -> None:
    """Every day and month that two digits can say, in a leap year, two common ones and the year that never was."""
    for year in (2024, 2025, 1900, 0):
        wrong = [
            (month, day)
            for month in range(100)
            for day in range(100)
            if well_formed(f"{year:04}-{month:02}-{day:02}", "date")
            is not (year > 0 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1])
        ]
        assert wrong == []


NO_DATES = """
2025-6-26 25-06-26 02025-06-26 20250626 2025/06/26 2025.06.26 2025-06 2025 2025-W26-4 2025-177
2025-06-26T00:00:00 2025-06-26Z +2025-06-26 -2025-06-26 2025-06-26. v1 v2025-06-26 latest 2025-06-2x
2025–06–26 ２０２５-06-26 ٢٠٢٥-٠٦-٢٦
"""  # noqa: RUF001
AROUND = [" 2025-06-26", "2025-06-26 ", "2025-06-26\n", "2025-06-26\x00", "2025-06-26, 2025-06-26", "2025- 6-26"]


@pytest.mark.req("R40")
@pytest.mark.parametrize("name", [*NO_DATES.split(), "", " ", *AROUND])
def test_any_other_form_of_a_date_is_malformed(name: str) -> None:
    assert not well_formed(name, "date")


@pytest.mark.req("R40")
@given(st.text(st.sampled_from(string.digits + "-v/ \n²٣"), max_size=12) | st.text(max_size=12))
def test_any_text_is_judged_and_what_is_well_formed_is_ten_ascii_characters(name: str) -> None:
    if well_formed(name, "date"):
        assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", name)
    if well_formed(name, "segment"):
        assert re.fullmatch(r"v[0-9]{1,4}", name)


NO_SEGMENTS = ["", "v", "1", "V1", "v-1", "v1.0", "v12345", "v1 ", " v1", "v1\n", "v\u0661", "v²", "vv1", "2025-06-26"]


@pytest.mark.parametrize("name", ["v1", "v2", "v10", "v2025"])
def test_a_segment_is_v_and_a_number(name: str) -> None:
    assert well_formed(name, "segment")
    assert not well_formed(name, "date")


@pytest.mark.parametrize("name", NO_SEGMENTS)
def test_any_other_segment_is_malformed(name: str) -> None:
    assert not well_formed(name, "segment")


def _headers(version: Version, form: str = "rfc9745") -> dict[str, str]:
    found = lifecycle_headers(version, deprecation=form, next_header="X-Example-Next-Version")
    assert len({name for name, _ in found}) == len(found), "no header is sent twice"
    return {name.decode("ascii"): value.decode("ascii") for name, value in found}


@pytest.mark.req("R58", "R59")
@pytest.mark.check("C046")
@given(st.floats(0, 4e9))
def test_deprecation_is_a_structured_date_that_another_parser_reads(deprecated: float) -> None:
    value = _headers(Version("2025-06-26", deprecated))["deprecation"]
    assert http_sf.parse(value.encode(), tltype="item") == (datetime.fromtimestamp(int(deprecated), UTC), {})


@pytest.mark.req("R58", "R59")
@given(st.floats(0, 4e9))
def test_deprecation_is_an_http_date_where_the_profile_says_so(deprecated: float) -> None:
    value = _headers(Version("2025-06-26", deprecated), "http-date")["deprecation"]
    assert value == _rfc9110(int(deprecated))


@pytest.mark.req("R58", "R60", "R61")
def test_a_version_on_its_way_out_says_since_when_until_when_and_what_next() -> None:
    version = Version("2025-06-26", 1688169599, 1798761599, "2026-01-15")
    sunset_and_next = {"sunset": "Thu, 31 Dec 2026 23:59:59 GMT", "x-example-next-version": "2026-01-15"}
    assert _headers(version) == {"deprecation": "@1688169599"} | sunset_and_next
    assert _headers(version, "http-date") == {"deprecation": "Fri, 30 Jun 2023 23:59:59 GMT"} | sunset_and_next


@pytest.mark.req("R59", "R60", "R61")
@given(versions(), st.sampled_from(["rfc9745", "http-date"]))
def test_each_header_is_there_exactly_if_there_is_something_to_say(version: Version, form: str) -> None:
    said = {
        "deprecation": version.deprecated_at,
        "sunset": version.sunset_at,
        "x-example-next-version": version.successor,
    }
    assert set(_headers(version, form)) == {name for name, value in said.items() if value is not None}
