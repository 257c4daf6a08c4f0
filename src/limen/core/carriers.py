"""What a request carries: its credential, where exactly one travels (C2), and the version that it names (C5).

The doors read requests by this, so that every door sees the same credential in the same request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from limen.core.keys import CONFLICT
from limen.core.profile import Profile

Header = tuple[bytes, bytes]
_COMMA = 0x2C  # looked for as a number: as bytes it costs eight times as much
_CREDENTIAL, _BEARER, _VERSION, _ORIGIN = 1, 2, 3, 4


class Carried(NamedTuple):
    """What was found. *path* and *query* are what is left of them: without the version's segment, without the key."""

    credential: bytes | None
    version: bytes | None
    origin: bytes | None
    path: bytes
    query: bytes


class Carriers:
    """A profile's carriers, compiled."""

    __slots__ = ("_bearer", "_in_path", "_queries", "_slots", "names")

    def __init__(self, profile: Profile) -> None:
        versioning = profile.versioning
        headers = [carrier.name.lower().encode() for carrier in profile.carriers if carrier.kind == "header"]
        self._slots = {b"authorization": _BEARER, b"origin": _ORIGIN} | dict.fromkeys(headers, _CREDENTIAL)
        self._bearer = any(carrier.kind == "bearer" for carrier in profile.carriers)
        self._queries = frozenset(carrier.name.encode() for carrier in profile.carriers if carrier.kind == "query")
        self._in_path = versioning is not None and versioning.carrier == "path"
        self.names = [*headers, *([b"authorization"] if self._bearer else [])]
        """The names of the headers that a request of this profile may carry."""
        if versioning is not None and versioning.carrier == "header":
            self._slots[versioning.header.lower().encode()] = _VERSION
            self.names.append(versioning.header.lower().encode())

    def read(self, headers: Iterable[Header], path: bytes, query: bytes) -> Carried:
        """What a request of these *headers* (names in lower case), raw *path* and *query* carries. Never raises.

        More than one credential, in whatever places, is ``CONFLICT``. A version named twice is malformed, and two
        origins are none that a key allows.
        """
        credential = version = origin = stray = authorization = None
        slots = self._slots
        for name, value in headers:
            slot = slots.get(name)
            if slot is None:
                continue
            if slot == _CREDENTIAL:
                if value:
                    credential = value if credential is None and _COMMA not in value else CONFLICT
            elif slot == _VERSION:
                version = value if version is None else version + b"," + value
            elif slot == _BEARER:
                if authorization is not None:
                    credential = CONFLICT  # servers join a second one, drop it or pass both (RFC 9110 §11.6.2: one)
                authorization = value
                if value[:7].lower() == b"bearer ":
                    if self._bearer:
                        token = value[7:].lstrip(b" ")
                        credential = token if credential is None and _COMMA not in value else CONFLICT
                    else:
                        stray = value
            else:
                origin = value if origin is None else origin + b"," + value
        if stray is not None and credential is not None:
            credential = CONFLICT
        if self._queries and query:
            found, query = self._from_query(query)
            if found:
                credential = found[0] if credential is None and len(found) == 1 else CONFLICT
        if self._in_path:
            version, path = split_version(path)
        return Carried(credential, version, origin, path, query)

    def _from_query(self, query: bytes) -> tuple[list[bytes], bytes]:
        """The keys in *query*, by the decoded names of its parameters, and what is left of it."""
        found, left = [], []
        for part in query.split(b"&"):
            name, _, value = part.partition(b"=")
            if unquote_to_bytes(name.replace(b"+", b" ")) in self._queries:
                found.append(unquote_to_bytes(value.replace(b"+", b" ")))
            else:
                left.append(part)
        return found, b"&".join(left)


def split_version(path: bytes) -> tuple[bytes | None, bytes]:
    """The version that *path* begins with, and the rest of it: ``/v1/things`` is ``v1`` and ``/things``."""
    first, slash, rest = path[1:].partition(b"/")
    if slash and first[:1] == b"v" and first[1:].isdigit():
        return first, b"/" + rest
    return None, path


def is_preflight(method: bytes, headers: Iterable[Header]) -> bool:
    """Whether a request is a CORS preflight, which carries no credential (Fetch standard, "CORS-preflight request")."""
    if method != b"OPTIONS":
        return False
    names = {name for name, _ in headers}
    return b"origin" in names and b"access-control-request-method" in names
