"""What is stored of a key, whatever the scheme: always under a pepper, and never the same for two things."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.core.keys import PEPPER_BYTES, digester
from limen.core.schemes import LOCATOR, LOCATOR_BYTES, Keyring, Scheme, read_scheme

VERSIONS = st.integers(0, 999_999)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
HASHES = st.one_of(st.sampled_from(["", "sha256", "sha512"]), NAMES.map(lambda name: f"hmac-sha256:{name}"))
SCHEMES = st.builds(Scheme, st.lists(VERSIONS, max_size=4).map(tuple), HASHES)
TEXTS = st.binary(max_size=200)

RING = Keyring(
    {version: bytes([version]) * PEPPER_BYTES for version in (1, 2, 3)},
    {LOCATOR: b"l" * 32, "legacy": b"a secret of the other system"},
)


def b2(pepper: int, content: bytes, person: bytes) -> bytes:
    """Written apart from the code under test."""
    return hashlib.blake2b(content, key=RING.peppers[pepper], digest_size=32, person=person).digest()


@given(SCHEMES)
@example(Scheme())
def test_a_scheme_is_read_as_it_is_written(scheme: Scheme) -> None:
    assert read_scheme(str(scheme)) == scheme


@given(st.text(max_size=40))
def test_whatever_else_is_written_is_no_scheme(text: str) -> None:
    with suppress(ValueError):
        assert str(read_scheme(text)) == text or "b2.0" in text


@pytest.mark.parametrize(
    "text",
    ["", "b3", "b2/", "b2/b2", "b2/b2.", "b2/b2.x", "b2/sha1", "b2/sha256/b2.1", "b2/sha256/sha256", "B2", "b2 ",
     "b2/hmac-sha256", "b2/hmac-sha256:", "b2/hmac-sha256:Name", "b2/b2.1234567", "b2\n", "b2/b2.\u0661"],
)  # fmt: skip
def test_what_is_no_scheme_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no scheme"):
        read_scheme(text)


def test_wrapping_puts_the_last_pepper_outermost() -> None:
    scheme = Scheme((), "sha256").around(1).around(2)
    assert str(scheme) == "b2/b2.2/b2.1/sha256"
    assert (scheme.secret, Scheme((), "hmac-sha256:legacy").secret) == ("", "legacy")


@pytest.mark.req("R66")
@pytest.mark.check("C004")
@given(TEXTS)
def test_each_scheme_is_what_it_says(text: bytes) -> None:
    of_text, of_digest = b"limen/key/v1", b"limen/key/v1/in"
    sha256, sha512 = hashlib.sha256(text).digest(), hashlib.sha512(text).digest()
    mac = hmac.new(RING.secrets["legacy"], text, hashlib.sha256).digest()
    assert RING.digest(1)(text) == b2(1, text, of_text) == digester(RING.peppers[1])(text)
    assert RING.digest(1, "b2/sha256")(text) == b2(1, sha256, of_digest)
    assert RING.digest(2, "b2/sha512")(text) == b2(2, sha512, of_digest)
    assert RING.digest(2, "b2/hmac-sha256:legacy")(text) == b2(2, mac, of_digest)
    assert RING.digest(2, "b2/b2.1")(text) == b2(2, b2(1, text, of_text), of_digest)
    assert RING.digest(3, "b2/b2.2/b2.1/sha256")(text) == b2(3, b2(2, b2(1, sha256, of_digest), of_digest), of_digest)


@given(TEXTS, st.sampled_from(["", "sha256", "sha512", "hmac-sha256:legacy"]), st.permutations([1, 2, 3]))
def test_what_is_stored_can_be_wrapped_without_the_text(text: bytes, hashed: str, order: list[int]) -> None:
    """Under each pepper in turn, and the digest of the text by the scheme that comes of it is the same."""
    first, *others = order
    scheme, pepper = Scheme((), hashed), first
    stored = RING.digest(first, str(scheme))(text)
    for other in others:
        scheme, stored, pepper = scheme.around(pepper), RING.around(other)(stored), other
        assert RING.digest(pepper, str(scheme))(text) == stored


@given(TEXTS, st.sampled_from(["sha256", "sha512", "hmac-sha256:legacy"]))
def test_a_hash_that_leaked_is_no_key(text: bytes, hashed: str) -> None:
    """Whoever knows what the other system had stored, and can write schemes, is not let in with it."""
    leaked = RING.hasher(hashed)(text)
    stored = RING.digest(1, f"b2/{hashed}")(text)
    assert stored not in {RING.digest(1, scheme)(leaked) for scheme in ("b2", f"b2/{hashed}", "b2/b2.2")}


@pytest.mark.parametrize(
    ("pepper", "scheme"),
    [(4, "b2"), (1, "b2/b2.4"), (1, "b2/b2.2/b2.4/sha256"), (1, "b2/hmac-sha256:another")],
)
def test_what_is_not_on_the_ring_is_named(pepper: int, scheme: str) -> None:
    with pytest.raises(LookupError, match=r"4|another"):
        RING.digest(pepper, scheme)


def test_a_ring_shows_nothing_of_what_is_on_it() -> None:
    assert repr(RING) == "Keyring()"


@pytest.mark.check("C004")
@given(TEXTS, TEXTS)
def test_a_foreign_locator_tells_apis_and_keys_apart_and_nothing_to_who_lacks_the_secret(
    one: bytes, two: bytes
) -> None:
    place = RING.placer("creator")(one)
    assert len(place) == LOCATOR_BYTES
    assert place[:1] == b"~", "no id of ours begins with it"
    assert (RING.placer("creator")(two) == place) == (one == two)
    assert RING.placer("organisation")(one) != place
    assert Keyring(RING.peppers, {LOCATOR: b"m" * 32}).placer("creator")(one) != place
