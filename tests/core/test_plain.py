"""Values as JSON has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from limen.core.plain import is_moment, plain


@dataclass(frozen=True, slots=True)
class Inner:
    """Something in something."""

    at: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """Something with a moment, or without."""

    ends_at: float | None
    beat: int
    inner: tuple[Inner, ...]
    more: dict[str, object]


def test_dataclasses_are_mappings_and_moments_instants() -> None:
    value = Outer(0.5, 7, (Inner(86400, ("a", "b")),), {"seen_at": 1, "flag_at": True, "count": 2})
    assert plain(value) == {
        "ends_at": "1970-01-01T00:00:00.500Z",
        "beat": 7,
        "inner": [{"at": "1970-01-02T00:00:00.000Z", "names": ["a", "b"]}],
        "more": {"seen_at": "1970-01-01T00:00:01.000Z", "flag_at": True, "count": 2},
    }
    assert plain(Outer(None, 7, (), {}))["ends_at"] is None


@pytest.mark.parametrize(
    ("name", "is_one"), [("at", True), ("ends_at", True), ("beat", False), ("hat", False), ("", False)]
)
def test_what_is_called_a_moment(name: str, is_one: bool) -> None:
    assert is_moment(name) is is_one


FIRST, LAST = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (-1e300, FIRST),
        (-math.inf, FIRST),
        (math.nan, FIRST),
        (253_402_300_799.999, LAST),
        (10**400, LAST),
        (1e300, LAST),
        (math.inf, LAST),
    ],
)
def test_whatever_a_row_holds_can_be_shown(moment: float, shown: str) -> None:
    assert plain({"at": moment, "count": 3}) == {"at": shown, "count": 3}
