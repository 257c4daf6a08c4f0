"""Cursors: where a list goes on, as text that says nothing and that nobody but us can write."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from limen.app import App
from limen.core.keys import same
from limen.core.problems import ProblemError
from limen.http.seals import seal

_SEAL_BYTES = 12
MAX_CHARS = 1_000


def write_cursor(app: App, of: str, place: str | int) -> str:
    """The cursor that leads on from *place* in the list *of*."""
    said = json.dumps([of, place], separators=(",", ":")).encode()
    return urlsafe_b64encode(seal(app, b"cursor", said, _SEAL_BYTES) + said).rstrip(b"=").decode()


def read_cursor(app: App, of: str, text: str) -> Any:
    """The place that ``write_cursor`` wrote into *text*. Raises ``request_malformed`` for anything else."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= MAX_CHARS else b""
    except ValueError:
        raw = b""
    sealed, said = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    if said and same(sealed, seal(app, b"cursor", said, _SEAL_BYTES)):
        name, place = json.loads(said)
        if name == of:
            return place
    allowed = "the 'next' of an answer of this list"
    raise ProblemError(
        "request_malformed", f"query.after: {allowed}.", errors=[{"path": "query.after", "allowed": allowed}]
    )
