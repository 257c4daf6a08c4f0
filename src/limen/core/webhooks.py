"""Webhooks: what is sent, and how it is signed. Standard Webhooks 1.0, or the dialect that a profile describes.

A dialect is data: header names, what is signed, and in which form the signature is written. No platform's name stands
in code. ``write`` answers the very bytes that are signed, and they are what is sent.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from limen.core.keys import Entropy

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES: Final = 24
"""Of which base64 makes 32 characters without padding, which every library reads alike."""

SIGNED: Final = ("id.timestamp.body", "timestamp.body")
KEYS: Final = ("decoded", "text")
PLACES: Final = ("{base64}", "{hex}")

_FORM = re.compile(r"[ -~]{1,100}")
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


@dataclass(frozen=True, slots=True)
class Headers:
    """The names of the headers beside the signature; an empty one is not sent."""

    id: str = ""
    """The message's id, the same at every attempt."""
    timestamp: str = ""
    """When this attempt was made, Unix seconds."""
    event: str = ""
    """The event's name."""
    attempt: str = ""
    """How many attempts came before; not sent with the first."""
    first_at: str = ""
    """When the first attempt was made, Unix seconds; not sent with the first."""
    endpoint: str = ""
    """The endpoint's id; not sent with the first attempt."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How messages to webhook endpoints are signed and labelled."""

    header: str
    """The header with the signature."""
    form: str
    """A signature as it is written, with ``{base64}`` or ``{hex}``, and ``{timestamp}`` where it is part of it."""
    signed: str
    """What is signed, joined by full stops: one of ``SIGNED``."""
    several: bool = False
    """Whether the header may have several signatures, with a space between them: then old and new secret sign."""
    key: str = "text"
    """What signs: ``text``, the secret as it is shown; ``decoded``, what its base64 says."""
    headers: Headers = field(default_factory=Headers)
    user_agent: str = "Limen-Webhooks"


STANDARD: Final = Dialect(
    header="webhook-signature",
    form="v1,{base64}",
    signed="id.timestamp.body",
    several=True,
    key="decoded",
    headers=Headers(id="webhook-id", timestamp="webhook-timestamp"),
)
"""Standard Webhooks 1.0.0, symmetric."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at delivering a message. Moments are Unix seconds."""

    id: str
    event: str
    endpoint: str
    at: int
    first_at: int
    number: int
    """From 0."""


def is_form(text: str) -> bool:
    """Whether signatures can be written in the form *text*."""
    braces = _BRACES.findall(text)
    return (
        _FORM.fullmatch(text) is not None
        and set(braces) <= {*PLACES, "{timestamp}"}
        and len(set(braces) & set(PLACES)) == 1
        and len(braces) == len(set(braces))
    )


def new_secret(entropy: Entropy) -> str:
    """A secret that nobody has."""
    return SECRET_PREFIX + b64encode(entropy(SECRET_BYTES)).decode("ascii")


def payload(message: str, event: str, at: float, data: Mapping[str, Any]) -> bytes:
    """The body of a message: its id, the event's name, when it happened and its fields, as UTF-8 JSON."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"id": message, "type": event, "timestamp": moment, "data": dict(data)}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def signature(dialect: Dialect, secret: str, attempt: Attempt, body: bytes) -> str:
    """The signature of *body* by *secret*, in the dialect's form."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX)) if dialect.key == "decoded" else secret.encode()
    before = f"{attempt.id}." if dialect.signed == SIGNED[0] else ""
    made = hmac.digest(key, f"{before}{attempt.at}.".encode() + body, "sha256")
    written = dialect.form.replace("{timestamp}", str(attempt.at)).replace("{hex}", made.hex())
    return written.replace("{base64}", b64encode(made).decode("ascii"))


def headers(dialect: Dialect, secrets: Sequence[str], attempt: Attempt, body: bytes) -> dict[str, str]:
    """The headers of an attempt. *secrets*: those that hold, the newest first; there is one at least.

    While two hold, both sign where the dialect has room for it. Where it has not, the older does: whoever receives has
    time until it ends to accept the newer too.
    """
    signing = list(secrets) if dialect.several else [secrets[-1]]
    signed = " ".join(signature(dialect, secret, attempt, body) for secret in signing)
    names = dialect.headers
    said = {
        "Content-Type": "application/json",
        "User-Agent": dialect.user_agent,
        dialect.header: signed,
        names.id: attempt.id,
        names.timestamp: str(attempt.at),
        names.event: attempt.event,
    }
    if attempt.number:
        said |= {
            names.attempt: str(attempt.number),
            names.first_at: str(attempt.first_at),
            names.endpoint: attempt.endpoint,
        }
    return {name: value for name, value in said.items() if name}
