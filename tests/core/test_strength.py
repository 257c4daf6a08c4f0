"""How hard a key of another system looks to guess: what was drawn passes, what was thought of does not."""

from __future__ import annotations

import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.strength import ENOUGH_BITS, bits, is_weak

BASE62 = string.ascii_letters + string.digits


def drawn(alphabet: str, length: int, seed: int) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(alphabet) for _ in range(length))


@pytest.mark.check("C021")
@pytest.mark.parametrize(
    ("alphabet", "length"),
    [("0123456789abcdef", 40), ("0123456789ABCDEF", 40), (BASE62, 24), (BASE62 + "-_", 24), (BASE62, 64)],
)
def test_what_was_drawn_from_a_usual_alphabet_is_strong(alphabet: str, length: int) -> None:
    assert [seed for seed in range(300) if is_weak(drawn(alphabet, length, seed))] == []


@pytest.mark.check("C021")
@pytest.mark.parametrize(
    ("alphabet", "length"),
    [("0123456789abcdef", 27), ("0123456789", 33), (BASE62, 18), (string.ascii_lowercase, 32)],
)
def test_what_is_too_short_for_its_alphabet_is_weak(alphabet: str, length: int) -> None:
    assert [seed for seed in range(300) if not is_weak(drawn(alphabet, length, seed))] == []


@pytest.mark.check("C021")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 60,
        "password" * 5,
        "Password1" * 5,
        "1234567890" * 4,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ9876543210",
        "the-long-name-of-a-company-and-its-key",
        "00000000-0000-0000-0000-000000000001",
        str(uuid.UUID("c97727ac-e698-11f1-8b4f-02fc00000001")),
        "test_test_test_test_test_test_2024",
    ],
)
def test_what_was_thought_of_is_weak(text: str) -> None:
    assert is_weak(text)


def test_a_random_uuid_is_worth_what_is_random_in_it() -> None:
    assert bits("0f9b2c1e-7d34-4a56-9e21-6b0c8f3d5a77") == 122


@given(st.text(max_size=120))
def test_whatever_it_is_it_is_not_worth_more_than_its_length_allows(text: str) -> None:
    assert 0 <= bits(text) <= max(122, 6.6 * len(text))


@given(st.text(alphabet=BASE62, min_size=4, max_size=60), st.integers(2, 5))
def test_saying_it_again_adds_next_to_nothing(text: str, times: int) -> None:
    assert bits(text * times) <= bits(text) + 6.6 * times + 6.6


def test_enough_is_what_the_standard_asks_of_what_is_hashed_fast() -> None:
    assert ENOUGH_BITS == 112
