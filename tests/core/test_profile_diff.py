"""What changes between two profiles."""

from __future__ import annotations

from typing import Any

import pytest

from limen.core.profile_diff import ABSENT, Difference, differences
from tests.core.documents import DOCUMENT, GET, edited


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"keys.issuance": "self_service"}, [("keys.issuance", "approval", "self_service")]),
        ({"documentation": "https://example.com"}, [("documentation", ABSENT, "https://example.com")]),
        ({"plans.large": ABSENT}, [("plans.large", DOCUMENT["plans"]["large"], ABSENT)]),
        ({"carriers": ["bearer"]}, [("carriers", DOCUMENT["carriers"], ["bearer"])]),
        ({"operations": DOCUMENT["operations"][::-1]}, []),
        ({"operations": DOCUMENT["operations"][1:]}, [("operations.listChats", DOCUMENT["operations"][0], ABSENT)]),
        ({"operations.4": GET}, [("operations.x", ABSENT, GET)]),
        ({"operations.1.limit": "6 per 1 h"}, [("operations.createChat.limit", "5 per 1 h", "6 per 1 h")]),
        ({"errors.compat.scope_missing": {"a": [1]}}, [("errors.compat.scope_missing.a", [None], [1])]),
        ({"operations.1.write": 1}, [("operations.createChat.write", True, 1)]),
    ],
)
def test_differences(changes: dict[str, Any], expected: list[tuple[str, Any, Any]]) -> None:
    assert differences(DOCUMENT, edited(changes)) == [Difference(*each) for each in expected]


def test_operations_that_share_an_id_are_compared_as_a_whole() -> None:
    new = edited({"operations": [GET, GET]})
    assert [each.path for each in differences(DOCUMENT, new)] == ["operations"]
    assert differences(new, new) == []


def test_a_difference_says_what_becomes_of_the_value() -> None:
    told = [str(Difference("a", *values)) for values in ((1, 2), (ABSENT, 2), (1, ABSENT))]
    assert told == ["a: 1 → 2", "a: added 2", "a: removed 1"]
