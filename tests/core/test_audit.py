"""The audit's arithmetic: what is bound by a link, and what a digest tells."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.audit import START, Head, canonical, link, personal_digest, read_head

ROW = {"id": 7, "at": 1750000000.25, "actor": "staff:k", "verb": "keys.revoke", "api": "creator", "subject": "a",
       "before": {"state": "active"}, "after": {"state": "revoked"}, "detail": {}}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_a_link_is_what_the_documentation_says() -> None:
    written = (
        b'{"actor":"staff:k","after":{"state":"revoked"},"api":"creator","at":1750000000.25,'
        b'"before":{"state":"active"},"detail":{},"id":7,"subject":"a","verb":"keys.revoke"}'
    )
    assert canonical(ROW) == written
    previous = bytes(range(32))
    assert (
        link(previous, ROW) == hashlib.blake2b(previous + written, digest_size=32, person=b"limen/audit/link").digest()
    )


@given(JSON)
def test_what_was_stored_and_read_again_has_the_same_bytes(value: Any) -> None:
    assert canonical(json.loads(json.dumps({"x": value}))) == canonical({"x": value})


def test_the_order_of_names_does_not_matter_and_everything_else_does() -> None:
    assert canonical(dict(reversed(ROW.items()))) == canonical(ROW)
    others = [{**ROW, name: "other"} for name in ROW] + [
        {**ROW, "more": 1},
        {**ROW, "at": math.nextafter(ROW["at"], 0)},
    ]  # type: ignore[arg-type]
    assert len({link(START, row) for row in (ROW, *others)}) == len(others) + 1
    assert link(START, ROW) != link(link(START, ROW), ROW)


@pytest.mark.parametrize("value", [b"\xff", math.nan, math.inf, "\ud800", 10**400])
def test_every_row_has_bytes(value: Any) -> None:
    assert len(link(START, {**ROW, "subject": value})) == 32


@pytest.mark.req("R73")
def test_a_personal_digest_tells_nothing_without_its_salt() -> None:
    digests = {personal_digest(bytes([n] * 16), "192.0.2.7") for n in range(50)}
    assert len(digests) == 50
    assert personal_digest(bytes(16), "192.0.2.7") == personal_digest(bytes(16), "192.0.2.7")


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(12, "ab" * 32)
    assert read_head(f" {head}\n") == head
    assert str(Head()) == f"0:{'00' * 32}"
    for wrong in ("", "12", f"x:{'ab' * 32}", f"12:{'AB' * 32}", f"12:{'ab' * 31}", f"-1:{'ab' * 32}"):
        with pytest.raises(ValueError, match="limen audit head"):
            read_head(wrong)
