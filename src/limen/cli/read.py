"""What commands are told: moments, durations, limits, and keys. What cannot be read is a usage error, exit code 2."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import typer

from limen.core.keys import BODY_CHARS, CHECK_CHARS, MAX_KEY_CHARS, checksum, locator
from limen.core.limits import Limits, read_limits
from limen.core.profile_fields import INSTANT, SPAN

_ID = re.compile("[0-9A-Za-z]{12}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that was asked for: Unix seconds, or None for the moment at which it is done."""

    at: float | None

    def from_now(self, now: float) -> float:
        """The moment, seen from *now*."""
        return now if self.at is None else self.at

    def passed(self, now: float) -> bool:
        """Whether it has come at *now*."""
        return self.at is None or self.at <= now


def moment(text: str, option: str) -> Moment:
    """A day (midnight UTC), an ISO 8601 instant with its offset, or ``now``."""
    if text == "now":
        return Moment(None)
    try:
        return Moment(INSTANT.read(text))
    except ValueError:
        raise typer.BadParameter(f"found {text!r}, allowed: {INSTANT.allowed}; or now.", param_hint=option) from None


def duration_s(text: str, option: str) -> int:
    """Seconds: ``90 d``, ``1 h``."""
    try:
        return int(SPAN.read(text))
    except ValueError:
        raise typer.BadParameter(f"found {text!r}, allowed: {SPAN.allowed}.", param_hint=option) from None


def limits(text: str, name: str, option: str) -> Limits:
    """Limits: ``5000 per 60 s``, or several, ``100 per 60 s, 5000 per 1 d``; none for ``none``."""
    try:
        return () if text == "none" else read_limits(text, name)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint=option) from None


def key_id(given: str) -> str:
    """The id that *given* is, or that is in the key on standard input. A whole key as an argument is refused.

    Other users of a machine can read the arguments of a process, and a shell keeps them. What was given is not shown.
    """
    if given == "-":
        return _id_in(_secret("Key"))
    if _ID.fullmatch(given) is None:
        found = f"found {len(given)} characters, allowed: a key's 12-character id, or '-' for a key on standard input."
        if len(given) > BODY_CHARS:
            found += " If that was a key, the shell and other users of this machine have seen it: revoke it."
        raise typer.BadParameter(found, param_hint="KEY")
    return given


def token() -> str:
    """The token of an invitation, from standard input; at a terminal it is asked for, and not shown."""
    return _secret("Token").decode("utf-8", "replace")


def _secret(name: str) -> bytes:
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True, err=True)).strip().encode()
    return sys.stdin.buffer.read(2 * MAX_KEY_CHARS).strip()


def _id_in(text: bytes) -> str:
    formed = text.isascii() and BODY_CHARS < len(text) <= MAX_KEY_CHARS
    if not formed or text[-CHECK_CHARS:] != checksum(text[:-CHECK_CHARS]):
        raise typer.BadParameter("what came in on standard input is not the text of a key.", param_hint="KEY")
    return locator(text).decode("ascii")
