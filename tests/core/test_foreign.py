"""Which texts are keys of another system, and what finds them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.foreign import NOWHERE, Foreign, hash_of
from limen.core.profile import ForeignKeys
from limen.core.schemes import LOCATOR, Keyring

RING = Keyring({1: bytes(32)}, {LOCATOR: b"l" * 32, "legacy": b"s" * 20})
OLD = ForeignKeys("old_", 12, 20, "sha256", "", "secret", "live")
BARE = ForeignKeys("", 32, 32, "plain", "", "secret", "test")
MAC = ForeignKeys("mac-", 24, 24, "hmac-sha256", "legacy", "public", "live")
ALL = Foreign("creator", (OLD, BARE, MAC), RING)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (b"old_" + b"x" * 8, OLD),
        (b"old_" + b"x" * 16, OLD),
        (b"old_" + b"x" * 7, None),
        (b"old_" + b"x" * 17, None),
        (b"Old_" + b"x" * 10, None),
        (b"x" * 32, BARE),
        (b"x" * 31, None),
        (b"mac-" + b"x" * 20, MAC),
        (b"", None),
    ],
)
def test_a_text_fits_by_its_beginning_and_its_length(text: bytes, pattern: ForeignKeys | None) -> None:
    assert ALL.pattern(text) == pattern
    assert bool(ALL.place(text)) is (pattern is not None)


@given(st.binary(min_size=8, max_size=16))
def test_a_key_is_found_by_its_text_where_it_was_put_by_its_hash(rest: bytes) -> None:
    text = b"old_" + rest
    assert ALL.place(text) == RING.placer("creator")(hashlib.sha256(text).digest())


def test_a_plain_key_is_found_by_its_text() -> None:
    assert ALL.place(b"x" * 32) == RING.placer("creator")(b"x" * 32)
    assert hash_of(BARE) == ""
    assert hash_of(MAC) == "hmac-sha256:legacy"


@pytest.mark.parametrize("secrets", [{}, {LOCATOR: b"l" * 32}], ids=["no locators", "no secret for the hash"])
def test_without_the_secret_no_key_of_it_is_found_and_its_form_is_still_known(secrets: dict[str, bytes]) -> None:
    found = Foreign("creator", (MAC,), Keyring(RING.peppers, secrets)).place(b"mac-" + b"x" * 20)
    assert found == NOWHERE
    assert found != RING.placer("creator")(RING.hasher("hmac-sha256:legacy")(b"mac-" + b"x" * 20))


@pytest.mark.check("C021")
def test_the_strength_of_a_text_is_that_of_what_follows_its_prefix() -> None:
    assert ALL.looks_weak(b"old_" + b"x" * 10) is True
    assert ALL.looks_weak(b"9f1c03be7a5542d08e61bb27c4d9aa10") is False
    assert ALL.looks_weak(b"none of them") is None
