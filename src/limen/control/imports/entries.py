"""An entry of an import, as a line of a file or an item of a list says it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from limen.core.problems import ProblemError
from limen.core.profile_fields import FOREIGN_CHARS, INSTANT
from limen.core.schemes import HASH_BYTES

_TEXT = re.compile(rf"[!-+\--~]{{{FOREIGN_CHARS[0]},{FOREIGN_CHARS[1]}}}")
"""What a header carries as one credential: ASCII without spaces, controls and the comma."""

_SPLIT = re.compile(r"[\s,]+")
_HEADING = re.compile(r"[A-Za-z_ -]{1,32}")


LONGEST_S = 3650 * 86_400
"""How long weak keys may be let live: ten years."""


@dataclass(frozen=True, slots=True)
class Import:
    """How the keys of an API are to be brought along."""

    api: str
    create_owners: bool = False
    """Make the owners that there are not."""
    allow_owners: bool = False
    """Put the owners on the API's allow-list."""
    skip_wrong: bool = False
    """Bring what can be; else nothing, if an entry is wrong."""
    trusted: bool = False
    """What came as a hash is as hard to guess as our own keys, says the platform. Else it counts as weak until it is
    used and its text is seen."""
    weak_life_s: int | None = None
    """How long weak keys live at most, in seconds, ``LONGEST_S`` at most; None: as long as they say."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key that is to be brought along. What is empty, or None, is as the profile says."""

    number: int
    """Its line in the file, or its place in the list; from 1."""
    owner: str
    owner_name: str = ""
    """For an owner that has yet to be made."""
    name: str = "imported"
    key_class: str = ""
    environment: str = ""
    scopes: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    expires_at: float | None = None
    created_at: float | None = None
    """When the other system made it; default: now."""
    text: str = field(default="", repr=False)
    hash: str = ""
    """How *hashed* was made of the text, which then is empty: ``sha256``, ``sha512`` or ``hmac-sha256``."""
    hashed: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why an entry cannot be brought along. *code* is that of a problem; no text and no hash is repeated."""

    number: int
    code: str
    detail: str


def read_entry(data: Mapping[str, Any], number: int) -> Entry:
    """The entry that *data* says: ``owner``, one of ``text``, ``sha256``, ``sha512``, ``hmac-sha256``, and more.

    Hashes are hexadecimal or base64. Moments are days or instants, lists are lists, or text with commas or spaces
    between; what is empty counts as left out. Raises ``import_wrong``, saying which field is wrong and what is allowed.
    """
    given = {name: value for name, value in data.items() if value is not None and value not in ("", [])}
    if unknown := given.keys() - _FIELDS.keys() - HASH_BYTES.keys():
        known = ", ".join((*_FIELDS, *HASH_BYTES))
        raise ProblemError("import_wrong", f"Unknown field {_shown(min(map(str, unknown)))}. Known: {known}.")
    if "owner" not in given:
        raise ProblemError("import_wrong", "The owner is missing.")
    secret = [name for name in ("text", *HASH_BYTES) if name in given]
    if len(secret) != 1:
        found = " and ".join(secret) or "none of them"
        raise ProblemError("import_wrong", f"Found {found}, allowed: one of text, {', '.join(HASH_BYTES)}.")
    read = {_FIELDS[name][0]: _read(name, value) for name, value in given.items() if name in _FIELDS}
    if secret[0] in HASH_BYTES:
        read |= {"hash": secret[0], "hashed": _hash(secret[0], given[secret[0]])}
    return Entry(number=number, **read)


def _shown(name: str) -> str:
    """The *name* of a field, if it looks like one: what stands in place of a heading may be a key."""
    return repr(name) if _HEADING.fullmatch(name) else "(not repeated: it is no heading)"


def _read(name: str, value: Any) -> Any:
    _, reader, allowed = _FIELDS[name]
    try:
        return reader(value)
    except (ValueError, TypeError):
        raise ProblemError("import_wrong", f"Field {name!r} is not what is allowed: {allowed}.") from None


def _line(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _credential(value: Any) -> str:
    if not isinstance(value, str) or _TEXT.fullmatch(value) is None:
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    names = _SPLIT.split(value.strip()) if isinstance(value, str) else [_line(each) for each in value]
    return tuple(name for name in names if name)


def _hash(name: str, value: Any) -> bytes:
    """The bytes of a hash that is written in hexadecimal, or in base64 of either alphabet, padded or not."""
    size = HASH_BYTES[name]
    try:
        text = _line(value)
        if len(text) == 2 * size:
            return bytes.fromhex(text)
        plain = text.rstrip("=").replace("-", "+").replace("_", "/")
        found = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, TypeError, binascii.Error):
        found = b""
    if len(found) != size:
        raise ProblemError("import_wrong", f"Field {name!r} is not {size} bytes in hexadecimal or base64.")
    return found


_MOMENT = (INSTANT.read, INSTANT.allowed)
_LIST = (_names, "a list of names, or names with commas or spaces between")
_ONE_LINE = (_line, "text")
_FIELDS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "owner": ("owner", *_ONE_LINE),
    "owner_name": ("owner_name", *_ONE_LINE),
    "name": ("name", *_ONE_LINE),
    "class": ("key_class", *_ONE_LINE),
    "environment": ("environment", *_ONE_LINE),
    "scopes": ("scopes", *_LIST),
    "origins": ("origins", *_LIST),
    "addresses": ("addresses", *_LIST),
    "expires_at": ("expires_at", *_MOMENT),
    "created_at": ("created_at", *_MOMENT),
    "text": (
        "text",
        _credential,
        f"{FOREIGN_CHARS[0]} to {FOREIGN_CHARS[1]} printable characters of ASCII, no space, no comma",
    ),
}
"""The fields of an entry: what they are called in ``Entry``, how they are read, and what is allowed."""
