"""Lines of access logs: of each proxy, as its documentation writes them, and of what is none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.access_log import Answered, Unclear, read_line

READING = "1ba2de4f0180-1f"
PLACE = (0x1BA2DE4F0180, 0x1F)
AGENT = r"agent \x22quoted\x22"
NGINX = '203.0.113.9 - - [26/Jun/2026:12:00:00 +0000] "{request}" {status} 512 "-" "{agent}" "{reading}" {took}'


def nginx(
    reading: str = READING, status: str = "200", took: str = "0.012", request: str = "GET /chats HTTP/1.1"
) -> str:
    """A line as the documented format writes it."""
    return NGINX.format(agent=AGENT, reading=reading, status=status, took=took, request=request) + "\n"


@pytest.mark.req("R264")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (nginx(), (200, 12_000)),
        (nginx(took="-"), (200, None)),
        (nginx(took="0.001, 0.250"), (200, 250_000)),
        (nginx(status="503", request="\\x16\\x03"), (503, 12_000)),
        ({"status": 404, "duration": 0.0015, "resp_headers": {"Limen-Reading": [READING]}}, (404, 1_500)),
        ({"status": 200, "duration": 0.002, "resp_headers": {}, "limen_reading": READING}, (200, 2_000)),
        (
            {
                "DownstreamStatus": 502,
                "OriginStatus": 500,
                "OriginDuration": 7_000_000,
                "request_Limen-Reading": READING,
            },
            (500, 7_000),
        ),
        ({"DownstreamStatus": 429, "Duration": 1_000, "downstream_Limen-Reading": READING}, (429, 1)),
        ({"limen_reading": READING, "status": 201, "duration_ms": 3}, (201, 3_000)),
        ({"limen_reading": READING, "status": "201", "duration_ms": "x"}, (201, None)),
        ({"limen_reading": READING, "status": 0, "duration_ms": 404}, (499, 404_000)),
    ],
)
def test_each_proxy_says_which_reading_was_answered_with_what(line: Any, expected: tuple[int, int | None]) -> None:
    found = read_line(line if isinstance(line, str) else json.dumps(line))
    assert found == Answered(*PLACE, *expected)


@pytest.mark.parametrize(
    "line",
    [
        nginx(reading="-"),
        nginx(reading=""),
        json.dumps({"status": 200, "duration": 1, "resp_headers": {}}),
        json.dumps({"DownstreamStatus": 200}),
        json.dumps({"limen_reading": "-", "status": 200, "duration_ms": 1}),
        json.dumps({"limen_reading": None, "status": 200, "duration_ms": 1}),
    ],
)
def test_a_request_that_limen_was_not_asked_about_says_nothing(line: str) -> None:
    assert read_line(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "no line of nginx"),
        ("", "no line of nginx"),
        ('1.1.1.1 - - [x] "GET / HTTP/1.1" 200 5 "-" "plain combined"', "no reading"),
        (nginx(reading="made-up"), "no Limen-Reading"),
        (nginx(reading=READING.upper()), "no Limen-Reading"),
        (nginx(status="999"), "100 to 599"),
        ("{", "no JSON"),
        ("{}", "no status"),
        (f'{{"status": 1e999, "limen_reading": "{READING}", "duration_ms": 1}}', "no status"),
        ("[" * 10, "no line of nginx"),
        ('{"a":' * 5_000, "no JSON"),
        (json.dumps({"status": [], "limen_reading": READING, "duration_ms": 1}), "no status"),
        (json.dumps({"status": 200, "limen_reading": 7, "duration_ms": 1}), "no Limen-Reading"),
        ("x" * 70_000, "too long"),
    ],
)
def test_what_is_not_understood_says_why(line: str, why: str) -> None:
    with pytest.raises(Unclear, match=why):
        read_line(line)


def test_how_long_it_took_may_be_no_number_that_there_is() -> None:
    for took in ("1e999", "9" * 400, '"soon"', "-1"):
        answered = read_line(f'{{"status": 200, "limen_reading": "{READING}", "duration_ms": {took}}}')
        assert answered is not None
        assert answered.took_us is None


def test_what_a_caller_sent_is_not_taken_for_a_reading() -> None:
    """A request's own header is not where the proxy puts it; nor is its address or its agent."""
    own = {"headers": {"Limen-Reading": [READING]}, "uri": f"/?limen_reading={READING}"}
    assert read_line(json.dumps({"status": 200, "duration": 1, "request": own, "resp_headers": {}})) is None
    assert read_line(nginx(reading="-", request=f"GET /\\x22 200 5 \\x22{READING} HTTP/1.1")) is None


@given(st.text(max_size=300))
def test_any_line_is_understood_or_not(line: str) -> None:
    with suppress(Unclear):
        assert read_line(line) is None
