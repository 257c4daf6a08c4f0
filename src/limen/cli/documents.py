"""Documents that a command is told to read: a file, standard input, or an address; bounded in size and in time."""

from __future__ import annotations

import json
import ssl
import sys
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import typer

from limen.core.profile import ProfileError
from limen.profiles import Bounds, parse

MOST_BYTES = 4 * 1024 * 1024
LONGEST_S = 30.0
"""How long an address may take, from its name to its last byte."""

_STEP_S = 10.0
_BOUNDS = Bounds(MOST_BYTES, 100_000, 64)


class Unreadable(Exception):
    """There is no document. *found* says what is there, *allowed* what may be."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found, allowed)
        self.found, self.allowed = found, allowed


def read_document(source: str) -> Any:
    """The JSON or YAML document at *source*, as plain data. Reads a file, standard input or one address.

    Raises Unreadable where there is none, and a usage error for an address that is neither HTTPS nor of this host.
    """
    return _data(_content(source))


def _content(source: str) -> bytes:
    if source == "-":
        return _bounded(sys.stdin.buffer.read(MOST_BYTES + 1))
    if "://" in source:
        return _bounded(_fetched(_address(source)))
    try:
        with Path(source).open("rb") as file:
            return _bounded(file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or "a name that no file can have"
        raise Unreadable(reason, "a file, - for standard input, or an https:// address") from error


def _bounded(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise Unreadable("a larger document", f"at most {MOST_BYTES} bytes")
    return content


def _address(source: str) -> SplitResult:
    """The address, where it may be asked: what is read decides who comes in, so nobody may change it on the way."""
    try:
        address = urlsplit(source)
        host, _ = address.hostname or "", address.port
    except ValueError:
        raise typer.BadParameter(f"{source!r} is no address.", param_hint="DOCUMENT") from None
    safe = address.scheme == "https" or (address.scheme == "http" and _is_here(host))
    if not safe or not host or address.username is not None:
        found = f"found {address.scheme}://{host}, allowed: https://, or http:// of this host; without a user's name."
        raise typer.BadParameter(found, param_hint="DOCUMENT")
    return address


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _fetched(address: SplitResult) -> bytes:
    """What *address* answers. Goes where it was sent and nowhere else: no redirect is followed."""
    until = time.monotonic() + LONGEST_S
    host, port = address.hostname or "", address.port
    if address.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(host, port, timeout=_STEP_S, context=ssl.create_default_context())
    else:
        connection = HTTPConnection(host, port, timeout=_STEP_S)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    content = b""
    try:
        with closing(connection):
            connection.request("GET", target, headers={"Accept": "application/json, application/yaml"})
            response = connection.getresponse()
            if response.status != 200:
                raise Unreadable(f"the answer {response.status}", "200, from the address itself")
            while part := response.read1(65_536):
                content += part
                if time.monotonic() > until:
                    raise Unreadable(f"no end after {LONGEST_S:.0f} s", "a document that arrives in that time")
                if len(content) > MOST_BYTES:
                    break
    except (OSError, HTTPException) as error:
        raise Unreadable(f"no answer ({str(error) or type(error).__name__})", "an address that answers") from error
    return content


def _data(content: bytes) -> Any:
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            return json.loads(content, object_pairs_hook=_once)
        except UnicodeDecodeError:
            raise Unreadable("bytes that are not UTF-8", "UTF-8") from None
        except RecursionError:
            raise Unreadable("deeper nesting", "a document that can be read") from None
        except ValueError as error:
            raise Unreadable(f"no JSON ({error})", "one document of JSON or YAML") from None
    try:
        parsed = parse(content, _BOUNDS)
    except ProfileError as error:
        (mistake,) = error.mistakes
        raise Unreadable(mistake.found, mistake.allowed) from None
    if parsed.mistakes:
        first = parsed.mistakes[0]
        raise Unreadable(f"on line {first.line} {first.found}", first.allowed)
    return parsed.data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object; one that stands twice would be read by one program and missed by another."""
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return read
