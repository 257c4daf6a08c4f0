"""Key text: it round trips, and whatever is not exactly a key is refused from its text alone."""

from __future__ import annotations

import ast
import binascii
import hashlib
import hmac
import inspect
import math
import random
import secrets
import string
import time
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.core import keys
from limen.core.keys import (
    ALPHABET,
    BODY_CHARS,
    CHECK_CHARS,
    ID_CHARS,
    MAX_KEY_CHARS,
    PEPPER_BYTES,
    SECRET_CHARS,
    State,
    checksum,
    digester,
    draw_id,
    hint,
    is_key,
    locator,
    mint,
    same,
)

KNOWN = frozenset({b"sk_live_", b"sk_test_", b"pk_live_", b"pk_test_", b"fvak_"})
PREFIXES = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=MAX_KEY_CHARS - BODY_CHARS)

PEPPERS = st.binary(min_size=PEPPER_BYTES, max_size=PEPPER_BYTES)


def _seeded(seed: int) -> keys.Entropy:
    return random.Random(seed).randbytes


def _sample(seed: int, prefix: str = "sk_live_") -> bytes:
    return mint(prefix, _seeded(seed))[1].encode()


def _base62(number: int) -> bytes:
    """Written apart from the code under test: most significant digit first, six digits."""
    return bytes(ord(ALPHABET[number // 62**place % 62]) for place in range(5, -1, -1))


@pytest.mark.req("R1", "R46")
@pytest.mark.check("C002")
@given(prefix=PREFIXES, seed=st.integers(0, 2**64))
@example(prefix="sk_live_", seed=0)
def test_a_minted_key_is_a_key(prefix: str, seed: int) -> None:
    key_id, text = mint(prefix, _seeded(seed))
    assert is_key(text.encode(), frozenset({prefix.encode()}))
    assert text.startswith(prefix + key_id)
    assert len(text) == len(prefix) + 12 + 32 + 6
    assert set(text[len(prefix) :]) <= set(string.ascii_letters + string.digits)


@pytest.mark.check("C002")
def test_a_hundred_thousand_keys_round_trip() -> None:
    refused = [text for seed in range(100) for text in _thousand(seed) if not is_key(text.encode(), KNOWN)]
    assert refused == []


def _thousand(seed: int) -> list[str]:
    entropy = _seeded(seed)
    return [mint("pk_test_", entropy)[1] for _ in range(1000)]


@pytest.mark.req("R46")
@given(entropy=st.sampled_from([b"\x00", b"\xff", b"\x80", b"\x01"]))
def test_even_the_least_likely_entropy_makes_a_key(entropy: bytes) -> None:
    _, text = mint("sk_live_", lambda count: entropy * count)
    assert is_key(text.encode(), KNOWN)


@pytest.mark.req("R46")
@pytest.mark.check("C002")
@pytest.mark.parametrize("prefix", ["sk_live_", "fvak_"])
def test_every_change_of_one_character_is_refused(prefix: str) -> None:
    """Every other byte at every place, printable or not: over a million changed keys."""
    accepted = []
    for seed in range(40):
        text = _sample(seed, prefix)
        for place, right in enumerate(text):
            before, after = text[:place], text[place + 1 :]
            for wrong in range(256):
                if wrong != right and is_key(before + bytes((wrong,)) + after, KNOWN):
                    accepted.append((text, place, wrong))
    assert accepted == []


@pytest.mark.req("R46")
@pytest.mark.check("C002")
def test_every_insertion_deletion_and_transposition_of_one_character_is_refused() -> None:
    accepted = []
    for seed in range(100):
        text = _sample(seed)
        changed = {text[:place] + text[place + 1 :] for place in range(len(text))}
        changed |= {
            text[:place] + letter.encode() + text[place:]
            for place in range(len(text) + 1)
            for letter in string.printable
        }
        changed |= {
            text[:one] + text[other : other + 1] + text[one + 1 : other] + text[one : one + 1] + text[other + 1 :]
            for one in range(len(text))
            for other in range(one + 1, len(text))
        }
        accepted += [wrong for wrong in changed - {text} if is_key(wrong, KNOWN)]
    assert accepted == []


@pytest.mark.req("R46")
@given(seed=st.integers(0, 2**32), upper=st.booleans())
def test_a_key_whose_case_was_changed_is_refused(seed: int, upper: bool) -> None:
    text = _sample(seed)
    assert not is_key(text.upper() if upper else text.lower(), KNOWN)


@pytest.mark.req("R46")
@pytest.mark.check("C002")
@given(seed=st.integers(0, 2**32), one=st.sampled_from(sorted(KNOWN)), other=st.sampled_from(sorted(KNOWN)))
def test_the_checksum_binds_the_prefix(seed: int, one: bytes, other: bytes) -> None:
    text = _sample(seed, one.decode())
    assert is_key(other + text[len(one) :], KNOWN) == (one == other)


@pytest.mark.req("R46")
@given(seed=st.integers(0, 2**32))
def test_a_key_of_a_prefix_that_is_not_ours_is_refused(seed: int) -> None:
    text = _sample(seed, "sk_live_")
    assert not is_key(text, frozenset({b"sk_test_"}))
    assert not is_key(text, frozenset())
    assert not is_key(_sample(seed, ""), KNOWN | {b""}), "a key without a prefix cannot be told from noise"


@pytest.mark.req("R46")
@given(noise=st.binary(max_size=200))
def test_noise_is_refused_and_never_raises(noise: bytes) -> None:
    assert not is_key(noise, KNOWN)
    assert not is_key(b"sk_live_" + noise, KNOWN)
    assert len(locator(noise)) <= ID_CHARS


@pytest.mark.req("R46")
@pytest.mark.parametrize("stray", [b"\n", b"\r\n", b" ", b"\x00", b"\t", b"=", "é".encode()])
def test_stray_bytes_around_a_key_are_refused_not_stripped(stray: bytes) -> None:
    text = _sample(1)
    assert not is_key(text + stray, KNOWN)
    assert not is_key(stray + text, KNOWN)


@pytest.mark.req("R46")
@given(st.binary(min_size=ID_CHARS + SECRET_CHARS, max_size=ID_CHARS + SECRET_CHARS))
def test_a_right_checksum_does_not_make_a_key_of_what_is_not_in_our_alphabet(body: bytes) -> None:
    text = b"sk_live_" + body + checksum(b"sk_live_" + body)
    assert is_key(text, KNOWN) == body.isalnum()


@pytest.mark.check("C019")
def test_the_longest_key_is_accepted_and_one_character_more_is_not() -> None:
    longest = "p" * (MAX_KEY_CHARS - BODY_CHARS)
    for prefix, held in ((longest, True), (longest + "p", False)):
        text = _sample(3, prefix)
        assert is_key(text, frozenset({prefix.encode()})) is held


@pytest.mark.check("C019")
def test_a_megabyte_of_noise_is_refused_by_its_length_alone() -> None:
    """A thousand times in a tenth of a second: no byte of it can have been read."""
    noise = _sample(1)[:-CHECK_CHARS] * 18_000
    begun = time.process_time()
    assert not any(is_key(noise, KNOWN) for _ in range(1000))
    assert time.process_time() - begun < 0.1


@pytest.mark.check("C002")
@given(prefix=PREFIXES, seed=st.integers(0, 2**64))
def test_the_check_is_the_plain_crc32_of_all_before_it(prefix: str, seed: int) -> None:
    text = mint(prefix, _seeded(seed))[1].encode()
    assert text[-6:] == _base62(binascii.crc32(text[:-6]))


def test_the_check_of_known_texts_is_what_any_scanner_computes() -> None:
    """CRC-32 of "123456789" is 0xCBF43926, the algorithm's published check value."""
    assert checksum(b"123456789") == _base62(0xCBF43926)
    assert checksum(b"") == b"000000"
    assert len(ALPHABET) ** CHECK_CHARS > 2**32, "six characters hold every checksum"


@pytest.mark.req("R1")
def test_ids_and_secrets_differ_from_key_to_key() -> None:
    texts = [mint("sk_live_", secrets.token_bytes)[1] for _ in range(5000)]
    assert len({locator(text.encode()) for text in texts}) == len(texts)
    assert len({text[-SECRET_CHARS - CHECK_CHARS : -CHECK_CHARS] for text in texts}) == len(texts)
    assert len({draw_id(secrets.token_bytes) for _ in range(5000)}) == 5000


def _chi_square(characters: str) -> float:
    """The statistic against all 62 characters being equally likely: 61 degrees of freedom, mean 61, deviation 11."""
    expected = len(characters) / len(ALPHABET)
    counts = Counter(characters)
    return sum((counts[character] - expected) ** 2 / expected for character in ALPHABET)


FAR_FROM_UNIFORM = 220.0
"""Fourteen deviations above the mean: reached by chance once in 10**19 runs."""


@pytest.mark.check("C001")
def test_every_place_of_id_and_secret_is_uniform_over_the_alphabet() -> None:
    bodies = [mint("", secrets.token_bytes)[1][:-CHECK_CHARS] for _ in range(3000)]
    assert _chi_square("".join(bodies)) < FAR_FROM_UNIFORM
    worst = max(_chi_square("".join(body[place] for body in bodies)) for place in range(ID_CHARS + SECRET_CHARS))
    assert worst < FAR_FROM_UNIFORM


def test_the_test_of_uniformity_would_see_a_byte_taken_modulo_62() -> None:
    biased = "".join(ALPHABET[byte % 62] for byte in secrets.token_bytes(3000 * (ID_CHARS + SECRET_CHARS)))
    assert _chi_square(biased) > FAR_FROM_UNIFORM


@pytest.mark.check("C001")
def test_the_secret_holds_at_least_160_bits_and_each_part_draws_more_than_it_holds() -> None:
    drawn: list[int] = []

    def entropy(count: int) -> bytes:
        drawn.append(count)
        return secrets.token_bytes(count)

    mint("sk_live_", entropy)
    held = [chars * math.log2(len(ALPHABET)) for chars in (ID_CHARS, SECRET_CHARS)]
    assert held[1] >= 160
    assert [8 * count >= bits + 120 for count, bits in zip(drawn, held, strict=True)] == [True, True]


@pytest.mark.check("C001")
def test_keys_have_no_randomness_but_what_they_are_given() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(inspect.getsource(keys)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported.isdisjoint({"random", "secrets", "os", "time", "uuid"})
    assert mint("sk_live_", _seeded(7)) == mint("sk_live_", _seeded(7))


@pytest.mark.req("R1")
@given(prefix=PREFIXES, seed=st.integers(0, 2**64))
def test_the_locator_of_a_key_is_its_id(prefix: str, seed: int) -> None:
    key_id, text = mint(prefix, _seeded(seed))
    assert locator(text.encode()) == key_id.encode()


@given(prefix=PREFIXES, seed=st.integers(0, 2**64))
def test_a_hint_shows_the_prefix_and_four_characters_of_the_id_and_nothing_else(prefix: str, seed: int) -> None:
    key_id, text = mint(prefix, _seeded(seed))
    shown = hint(prefix, key_id)
    assert shown == text[: len(prefix) + 4] + "…"


@pytest.mark.req("R47")
@given(pepper=PEPPERS, text=st.binary(max_size=200))
def test_the_digest_is_blake2b_256_keyed_with_the_pepper_and_for_keys_alone(pepper: bytes, text: bytes) -> None:
    found = digester(pepper)(text)
    assert found == hashlib.blake2b(text, key=pepper, digest_size=32, person=b"limen/key/v1").digest()
    assert found != hashlib.blake2b(text, key=pepper, digest_size=32).digest(), "another use of the pepper"
    assert found != hashlib.blake2b(text, digest_size=32, person=b"limen/key/v1").digest(), "no pepper at all"


@pytest.mark.req("R47")
@given(pepper=PEPPERS, texts=st.lists(st.binary(max_size=80), min_size=2, max_size=6, unique=True))
def test_a_digest_depends_on_its_text_and_pepper_alone_not_on_what_came_before(
    pepper: bytes, texts: list[bytes]
) -> None:
    digest = digester(pepper)
    assert [digest(text) for text in texts] == [digester(pepper)(text) for text in texts]
    assert len({digest(text) for text in texts}) == len(texts)
    other = bytes((pepper[0] ^ 1,)) + pepper[1:]
    assert digester(other)(texts[0]) != digest(texts[0])


@pytest.mark.parametrize("length", [0, 1, PEPPER_BYTES - 1, PEPPER_BYTES + 1, 64, 65])
def test_a_pepper_of_another_length_is_refused_with_both_lengths_named(length: int) -> None:
    with pytest.raises(ValueError, match=rf"\b32 bytes.*\b{length}$"):
        digester(bytes(length))


@pytest.mark.check("C007")
def test_digests_are_compared_in_constant_time() -> None:
    assert same is hmac.compare_digest


def test_the_numbers_of_the_states_never_change_because_rows_hold_them() -> None:
    assert {state.name: state.value for state in State} == {"ACTIVE": 1, "INACTIVE": 2, "EXPIRED": 3, "REVOKED": 4}
