"""What a browser is told where keys of an API are used from web pages. A key is no cookie: every origin may ask, and
the key's own list of origins decides."""

from __future__ import annotations

from collections.abc import Iterable

from limen.core.rules import Rules

Header = tuple[bytes, bytes]
MAX_AGE_S = 600


def _exposed(rules: Rules) -> bytes:
    versioning = rules.profile.versioning
    names = [*rules.rate_names, b"retry-after", b"etag", b"deprecation", b"sunset"]
    if versioning is not None and versioning.next_header:
        names.append(versioning.next_header.lower().encode())
    if rules.pins is not None:
        names.append(rules.pins[1])
    return b", ".join(names)


def preflight_headers(rules: Rules) -> tuple[Header, ...]:
    """The answer to a CORS preflight."""
    return (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", b", ".join([*rules.carriers.names, b"content-type", b"if-none-match"])),
        (b"access-control-max-age", b"%d" % MAX_AGE_S),
        (b"vary", b"origin"),
    )


def cors_headers(rules: Rules, own: Iterable[Header]) -> tuple[Header, ...]:
    """What an answer gets beside its *own* headers, so that a page may read it; nothing where it says so itself."""
    if not rules.cross_origin:
        return ()
    if any(name.lower() == b"access-control-allow-origin" for name, _ in own):
        return ()
    return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _exposed(rules)))
