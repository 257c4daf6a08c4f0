"""Lines of a proxy's access log: which reading was answered with which status, and how long that took.

The reading is what the gate's door named in ``Limen-Reading``. It is taken from where a proxy alone can have put it,
never from what the caller sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from limen.core.usage import place_of

MOST_CHARS = 65_536
"""What is longer is no line of an access log."""

_NGINX_STATUS = re.compile(r'" (\d{3}) (?:\d+|-) "')  # what a caller sent has no quotes: nginx writes them as \x22
_NGINX_END = re.compile(r'"([^"]*)" ([0-9., :-]*)$')
_ABSENT = ("", "-")
_NO_ANSWER, _GONE = 0, 499
"""What Envoy writes for a caller who had gone before there was an answer, and what the others write for it."""


class Answered(NamedTuple):
    """An answer: to which reading (incarnation and number), with which status; None: nobody knows how long it took."""

    incarnation: int
    number: int
    status: int
    took_us: int | None


class Unclear(ValueError):
    """A line that is not understood, and why."""


def read_line(line: str) -> Answered | None:
    """What *line* says; None where it names no reading, as of a request that Limen was not asked about.

    nginx as the documentation writes its format, and JSON as Caddy, Traefik and Envoy have it. Raises ``Unclear``.
    """
    if len(line) > MOST_CHARS:
        raise Unclear("too long")
    line = line.strip()
    if not line.startswith("{"):
        return _nginx(line)
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise Unclear("no JSON") from None
    if "DownstreamStatus" in said:
        return _traefik(said)
    if "status" not in said:
        raise Unclear("no status")
    return _caddy(said) if isinstance(said.get("resp_headers"), dict) else _plain(said)


def _nginx(line: str) -> Answered | None:
    status, end = _NGINX_STATUS.search(line), _NGINX_END.search(line)
    if status is None:
        raise Unclear("no line of nginx's combined format, and no JSON")
    if end is None:
        raise Unclear("no reading at its end")
    times = re.split(r"[,: ]+", end[2].strip())  # of several upstreams, the last answered
    return _answered(end[1], status[1], times[-1], 1_000_000)


def _caddy(said: Mapping[str, Any]) -> Answered | None:
    headers = {str(name).lower(): value for name, value in said["resp_headers"].items()}
    found = headers.get("limen-reading")
    reading = found[0] if isinstance(found, list) and found else said.get("limen_reading", "")
    return _answered(reading, said["status"], said.get("duration"), 1_000_000)


def _traefik(said: Mapping[str, Any]) -> Answered | None:
    names = ("request_Limen-Reading", "origin_Limen-Reading", "downstream_Limen-Reading")
    reading = next((said[name] for name in names if said.get(name) not in (None, *_ABSENT)), "")
    of_origin = bool(said.get("OriginStatus"))
    status = said["OriginStatus"] if of_origin else said["DownstreamStatus"]
    return _answered(reading, status, said.get("OriginDuration" if of_origin else "Duration"), 1 / 1_000)


def _plain(said: Mapping[str, Any]) -> Answered | None:
    """As Envoy writes what it is told to, and Caddy without headers: ``limen_reading``, ``status``, how long."""
    if "duration_ms" in said:
        return _answered(said.get("limen_reading", ""), said["status"], said["duration_ms"], 1_000)
    return _answered(said.get("limen_reading", ""), said["status"], said.get("duration"), 1_000_000)


def _answered(reading: Any, status: Any, took: Any, micros: float) -> Answered | None:
    if reading is None or reading in _ABSENT:
        return None
    place = place_of(reading) if isinstance(reading, str) else None
    if place is None:
        raise Unclear("no Limen-Reading where one stands")
    try:
        number = int(status)
    except (ValueError, TypeError, OverflowError):  # 1e999
        raise Unclear("no status") from None
    number = _GONE if number == _NO_ANSWER else number
    if not 100 <= number <= 599:
        raise Unclear("no status of 100 to 599")
    return Answered(*place, number, _micros(took, micros))


def _micros(took: Any, micros: float) -> int | None:
    try:
        found = float(took) * micros
    except (ValueError, TypeError, OverflowError):  # 1e999
        return None
    return int(found) if 0 <= found < 1e15 else None
