"""The text of a key, its digest, and what state a key can be in.

``<prefix><id: 12 base62><secret: 32 base62><check: 6 base62>``. The id is public: it finds the record and may be
shown and logged. The secret is 190 bits. The check is the CRC-32 of all before it, the way GitHub's tokens carry
it, so that a scanner can tell a key from noise offline; it proves nothing. What is stored is a keyed BLAKE2b-256
(RFC 7693) of the whole text under a pepper that never lies in the database (ADR 0003).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable
from enum import IntEnum

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_CHARS = 12
SECRET_CHARS = 32
CHECK_CHARS = 6
BODY_CHARS = ID_CHARS + SECRET_CHARS + CHECK_CHARS
"""How many characters of a key follow its prefix."""

MAX_KEY_CHARS = 128
"""A credential longer than this is no key of ours and is not looked at (C019)."""

DIGEST_BYTES = 32
PEPPER_BYTES = 32
OF_TEXT, OF_DIGEST = b"limen/key/v1", b"limen/key/v1/in"
"""What a digest is made of: a key's text, or what has been digested before. The one is never taken for the other."""

_BASE62 = frozenset(ALPHABET.encode())

CONFLICT = b"\x00conflict"
"""In place of a credential: the request carried more than one. No header and no query value can hold a NUL."""

Entropy = Callable[[int], bytes]
"""A source of random bytes: ``secrets.token_bytes`` in life, a seeded one in tests."""

Digest = Callable[[bytes], bytes]
"""Key text to its digest under one pepper."""


class State(IntEnum):
    """What a key's row says. ``EXPIRED`` is also reached by date, without the row saying so."""

    ACTIVE = 1
    INACTIVE = 2
    EXPIRED = 3
    REVOKED = 4


def _base62(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _draw(entropy: Entropy, chars: int) -> str:
    """*chars* base62 characters; 16 bytes more than they hold are drawn, so the bias is below 2**-120."""
    return _base62(int.from_bytes(entropy(chars * 3 // 4 + 16), "big") % 62**chars, chars)


def checksum(stem: bytes) -> bytes:
    """The six characters that must follow *stem* (prefix, id and secret)."""
    return _base62(zlib.crc32(stem), CHECK_CHARS).encode()


def draw_id(entropy: Entropy) -> str:
    """A new id of 12 base62 characters (71 bits): for keys, and for every other thing that Limen names."""
    return _draw(entropy, ID_CHARS)


def mint(prefix: str, entropy: Entropy) -> tuple[str, str]:
    """A new key: its id and its whole text. The text is handed out once and kept nowhere (R67)."""
    key_id = draw_id(entropy)
    stem = f"{prefix}{key_id}{_draw(entropy, SECRET_CHARS)}"
    return key_id, stem + checksum(stem.encode()).decode()


def is_key(text: bytes, prefixes: frozenset[bytes]) -> bool:
    """Whether *text* has the form of a key: a known prefix, our alphabet, the right length and checksum (R46)."""
    return (
        BODY_CHARS < len(text) <= MAX_KEY_CHARS
        and text[:-BODY_CHARS] in prefixes
        and _BASE62.issuperset(text[-BODY_CHARS:])
        and text[-CHECK_CHARS:] == checksum(text[:-CHECK_CHARS])
    )


def locator(text: bytes) -> bytes:
    """What finds the record of *text*: for a key of ours its id. Meaningless for noise, and harmless."""
    return text[-BODY_CHARS : ID_CHARS - BODY_CHARS]


def hint(prefix: str, key_id: str) -> str:
    """What lists show in place of a key: the prefix and the first characters of its id, which are public."""
    return f"{prefix}{key_id[:4]}…"


def digester(pepper: bytes, of: bytes = OF_TEXT) -> Digest:
    """The digest under *pepper*. The keyed state is set up once and copied per digest, which halves its cost."""
    if len(pepper) != PEPPER_BYTES:
        raise ValueError(f"a pepper is {PEPPER_BYTES} bytes, this one is {len(pepper)}")
    keyed = hashlib.blake2b(key=pepper, digest_size=DIGEST_BYTES, person=of)

    def digest(text: bytes) -> bytes:
        state = keyed.copy()
        state.update(text)
        return state.digest()

    return digest


same = hmac.compare_digest
"""Whether two digests are equal, in constant time (C007)."""
