"""Secrets that are kept to be used again: encrypted under a key that is made from a pepper, and so not in the database.

And tokens that prove, without a login, that somebody was sent a message.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any

from limen.core.keys import Entropy, same
from limen.core.problems import ProblemError
from limen.core.schemes import LOCATOR, Keyring

_NONCE_BYTES, _SEAL_BYTES = 12, 16
_PERSON = b"limen/sealed/v1"
_TOKENS = b"limen/token/v1"
PURPOSES = ("mute", "confirm")


def seal(keyring: Keyring, pepper: int, secret: str, *, of: str, entropy: Entropy) -> bytes:
    """*secret*, encrypted (AES-256-GCM) under a key made from the *pepper*, and bound to the channel *of*.

    Raises ``setting_wrong`` where the package that encrypts is not installed.
    """
    nonce = entropy(_NONCE_BYTES)
    sealed: bytes = _cipher(keyring, pepper).encrypt(nonce, secret.encode(), of.encode())
    return nonce + sealed


def unseal(keyring: Keyring, pepper: int, sealed: bytes, *, of: str) -> str:
    """What ``seal`` was given. Raises LookupError for a pepper that is not on the ring, ValueError for another's."""
    from cryptography.exceptions import InvalidTag

    try:
        return str(_cipher(keyring, pepper).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], of.encode()), "utf-8")
    except InvalidTag as error:
        raise ValueError("it was not sealed so") from error


def secrets_of(keyring: Keyring, row: Any, now: float) -> tuple[str, ...]:
    """The secrets of a webhook that hold at *now*, the newest first, by its *row* of ``channels``.

    Raises LookupError and ValueError, as ``unseal``.
    """
    held = [row.sealed]
    if row.sealed_old is not None and (row.old_until or 0.0) > now:
        held.append(row.sealed_old)
    return tuple(unseal(keyring, row.pepper, each, of=row.channel) for each in held)


def _cipher(keyring: Keyring, pepper: int) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # here: a gate needs none of it
    except ImportError as error:
        raise ProblemError("setting_wrong", "Webhooks need a package: pip install 'limen[server]'.") from error
    return AESGCM(blake2b(b"webhook secrets", key=keyring.peppers[pepper], digest_size=32, person=_PERSON).digest())


def write_token(keyring: Keyring, purpose: str, channel: str) -> str:
    """A token for *channel* and one of ``PURPOSES``, which nobody else can make: text that can stand in an address."""
    return f"{channel}.{urlsafe_b64encode(_seal(keyring, purpose, channel)).rstrip(b'=').decode()}"


def read_token(keyring: Keyring, purpose: str, token: str) -> str | None:
    """The channel that ``write_token`` wrote *token* for; None for anything else."""
    channel, _, sealed = token.partition(".")
    try:
        given = urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4)) if len(sealed) < 64 else b""
    except ValueError:
        return None
    return channel if same(given, _seal(keyring, purpose, channel)) else None


def _seal(keyring: Keyring, purpose: str, channel: str) -> bytes:
    said = f"{purpose}\0{channel}".encode()
    key = keyring.secrets[LOCATOR]
    return blake2b(said, key=key, digest_size=_SEAL_BYTES, person=_TOKENS).digest()
