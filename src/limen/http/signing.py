"""The keys with which GitHub signs its alerts, and whether a body was signed with one: ECDSA on P-256 with SHA-256.

They come from ``LIMEN_GITHUB_KEYS``: a file, or an address of GitHub's own, in the form of its public keys for secret
scanning. GitHub's address counts how often it is asked, so what was read is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from limen.core.problems import ProblemError

KEPT_S = 1_800
"""For how long what was read is kept."""

AGAIN_S, UNKNOWN_S = 60, 600
"""How soon it is read again: after a failure, and for a key that is not known, which anybody can name."""

TIMEOUT_S = 10
MOST_BYTES = 262_144
SIGNATURE_CHARS = 200


_UNREADABLE = (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What an answer that breaks off, or says something else, ends in."""


class _NoRedirect(HTTPRedirectHandler):
    """Another address than the one that was set is not asked."""

    def redirect_request(self, *_: object) -> None:
        """None: the redirect is an error."""


class SigningKeys:
    """The public keys of one *source*. To be used in a thread: reading them waits for the disk, or for the network."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        self._read_at = self._tried_at = -float("inf")
        self._lock = Lock()

    def verify(self, body: bytes, *, identifier: str, signature: str, at: float) -> None:
        """*body* was signed with the key *identifier*; *signature* is Base64 of DER, *at* seconds that go on steadily.

        Raises ``signature_wrong``; ``unavailable`` where no keys could be read so far.
        """
        key = self._find(identifier, at)
        if key is None:
            raise ProblemError("signature_wrong", "The signature names a key that is not known.")
        try:
            given = base64.b64decode(signature[:SIGNATURE_CHARS], validate=True)
            key.verify(given, body, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise ProblemError("signature_wrong") from error

    def _find(self, identifier: str, at: float) -> ec.EllipticCurvePublicKey | None:
        kept_s = KEPT_S if identifier in self._keys else UNKNOWN_S
        if at - self._read_at >= kept_s and at - self._tried_at >= AGAIN_S and self._lock.acquire(blocking=False):
            try:
                self._tried_at = at
                with suppress(*_UNREADABLE):  # what it had still holds
                    self._keys, self._read_at = _read(self._source), at
            finally:
                self._lock.release()
        if not self._keys:  # nor does anybody wait for whoever is reading them now: they may come from far away
            raise ProblemError("unavailable", "The keys to check the signature with could not be read.")
        return self._keys.get(identifier)


def _read(source: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """The keys at *source* by their identifiers, those of another kind left out. Raises for what is not of the form."""
    found = {}
    for each in json.loads(_fetch(source))["public_keys"]:
        try:
            key = load_pem_public_key(each["key"].encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            found[str(each["key_identifier"])] = key
    return found


def _fetch(source: str) -> bytes:
    if not source.startswith("https://"):
        with Path(source).open("rb") as file:
            return file.read(MOST_BYTES)
    opener = build_opener(_NoRedirect(), HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(source, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(MOST_BYTES)
            return content
    except URLError as error:
        raise OSError(str(error.reason)) from error
