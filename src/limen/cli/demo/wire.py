"""Asking over HTTP, byte for byte as it is told: raw paths, repeated headers, no redirects, no caches."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

Header = tuple[str, str]
KEY = re.compile(r"\b(?:fvak|sk|pk|limen)_\w{40,}")
"""What a key looks like."""
TIMEOUT_S = 15.0
"""How long one answer may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[Header, ...]
    """In their order; names in lower case."""
    body: bytes = b""
    repeats_key: bool = False
    """Whether a key that was sent stands in what came back."""

    def header(self, name: str) -> str | None:
        """The header's value; several, joined by commas; None where it is absent."""
        found = [value for known, value in self.headers if known == name.lower()]
        return ", ".join(found) if found else None

    @property
    def data(self) -> Any:
        """The body: read as JSON where it is JSON, else as text."""
        text = self.body.decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text

    @property
    def title(self) -> str:
        """The status, and the code where the body has one."""
        code = self.data.get("code") if isinstance(self.data, dict) else None
        return f"{self.status} {code}" if isinstance(code, str) else str(self.status)


def ask(
    address: str,
    method: str,
    path: str,
    headers: Sequence[Header] = (),
    body: object = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Send one request to *address* (HOST:PORT) on a connection of its own. A *body* goes as JSON. Raises OSError."""
    sent = None if body is None else json.dumps(body).encode()
    with closing(HTTPConnection(address, timeout=timeout_s)) as connection:
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if sent is not None:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(sent)))
            connection.endheaders(sent)
            response = connection.getresponse()
            found = tuple((name.lower(), value) for name, value in response.getheaders())
            content = response.read()
        except HTTPException as error:
            raise ConnectionError(f"{address} does not speak HTTP: {type(error).__name__}") from error
    keys = KEY.findall(" ".join([path, *(value for _, value in headers), (sent or b"").decode()]))
    told = content.decode("utf-8", "replace") + " ".join(value for _, value in found)
    return Answer(response.status, found, content, any(key in told for key in keys))


def answers(address: str, path: str) -> bool:
    """Whether *address* answers *path* with 200 now."""
    try:
        return ask(address, "GET", path, timeout_s=2.0).status == 200
    except OSError:
        return False
