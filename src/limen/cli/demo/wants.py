"""What an answer is expected to be, and in what it is found to be otherwise: status, headers and body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from limen.cli.demo.wire import Answer

Check = Callable[[Any], str]
"""What is wrong with a value; empty: nothing."""

_SHOWN_CHARS = 160
_FIXDATE = re.compile(r"(\w{3}), (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Claim(NamedTuple):
    """One thing that was expected, what was found in its place, and in what the two differ."""

    expected: str
    got: str
    misses: tuple[str, ...] = ()


def equal(wanted: object) -> Check:
    """The value is *wanted*, of the same type."""

    def check(found: object) -> str:
        same = type(found) is type(wanted) and found == wanted
        return "" if same else f"found {_short(found)}, wanted {_short(wanted)}"

    return check


def text(found: object) -> str:
    """The value is a text that says something."""
    return "" if isinstance(found, str) and found.strip() else f"found {_short(found)}, wanted a text"


def whole(least: float, most: float) -> Check:
    """The value is a whole number in this range, written as digits or as a JSON number."""

    def check(found: object) -> str:
        written = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
        within = written.isdecimal() and least <= int(written) <= most
        return "" if within else f"found {_short(found)}, wanted a whole number from {least:.0f} to {most:.0f}"

    return check


def matching(pattern: str) -> Check:
    """The value is a text that *pattern* describes from its start to its end."""

    def check(found: object) -> str:
        fits = isinstance(found, str) and re.fullmatch(pattern, found) is not None
        return "" if fits else f"found {_short(found)}, wanted {pattern}"

    return check


def members(wanted: Mapping[str, Any], *, others: bool = False) -> Check:
    """The value is an object of these members, each as a check or a value says; of no *others*, or of any."""

    def check(found: object) -> str:
        if not isinstance(found, dict):
            return f"found {_short(found)}, wanted an object"
        looked = {name: _checked(want, found.get(name)) for name, want in wanted.items()}
        wrong = [f"{name}: {miss}" for name, miss in looked.items() if miss]
        more = [] if others else sorted(found.keys() - wanted.keys())
        return "; ".join([*wrong, *([f"found also {', '.join(more)}"] if more else [])])

    return check


def each(count: int, wanted: Check) -> Check:
    """The value is a list of so many, each as *wanted* says."""

    def check(found: object) -> str:
        if not isinstance(found, list) or len(found) != count:
            return f"found {_short(found)}, wanted a list of {count}"
        return "; ".join(miss for miss in map(wanted, found) if miss)

    return check


def unix_stamp(at: float) -> Check:
    """The value is this moment as RFC 9745 §2.1 writes it: ``@`` and Unix seconds."""
    return equal(f"@{int(at)}")


def http_date(at: float) -> Check:
    """The value is this moment as an IMF-fixdate (RFC 9110 §5.6.7), its weekday the right one."""

    def check(found: object) -> str:
        match = _FIXDATE.fullmatch(found) if isinstance(found, str) else None
        if match is None or match[3] not in _MONTHS:
            return f"found {_short(found)}, wanted an IMF-fixdate"
        day, year, hour, minute, second = (int(match[n]) for n in (2, 4, 5, 6, 7))
        try:
            moment = datetime(year, _MONTHS.index(match[3]) + 1, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            return f"found {_short(found)}: {error}"
        if match[1] != _DAYS[moment.weekday()]:
            return f"found {_short(found)}, whose weekday is {_DAYS[moment.weekday()]}"
        return "" if moment.timestamp() == int(at) else f"found {_short(found)}, wanted Unix second {int(at)}"

    return check


@dataclass(frozen=True, slots=True)
class Want:
    """What an answer is to be. *headers*: name to a value or a check, None: absent. *body*: the same, of its data."""

    title: str
    """In short, for the table."""
    status: int
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Any = text
    shown: tuple[str, ...] = ()
    """Headers that are worth showing in the table."""

    def of(self, answer: Answer) -> Claim:
        """What *answer* is, beside what was wanted."""
        misses = [f"status: found {answer.status}, wanted {self.status}"] if answer.status != self.status else []
        for name, wanted in self.headers.items():
            if miss := _checked(wanted, answer.header(name)):
                misses.append(f"{name}: {miss}")
        if miss := _checked(self.body, answer.data):
            misses.append(f"body: {miss}")
        if answer.repeats_key:
            misses.append("the answer repeats the key that was sent")
        told = [f"{name}: {answer.header(name)}" for name in self.shown if answer.header(name) is not None]
        return Claim(self.title, "; ".join([answer.title, *told]), tuple(misses))


def _checked(wanted: Any, found: object) -> str:
    check: Check = wanted if callable(wanted) else equal(wanted)
    return check(found)


def _short(value: object) -> str:
    written = repr(value)
    return written if len(written) <= _SHOWN_CHARS else f"{written[:_SHOWN_CHARS]}…"
