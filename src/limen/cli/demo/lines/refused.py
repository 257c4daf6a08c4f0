"""What the guard refuses, and how it says so. Every line holds in both styles of refusal, and may be played again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from limen.cli.demo.rules import ACTIVE, DEPRECATED, SUNSET, midnight
from limen.cli.demo.scene import CHALLENGE, NEXT_HEADER, Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, equal, http_date, matching, members, text, unix_stamp
from limen.core.keys import CHECK_CHARS, SECRET_CHARS, checksum, mint

_INVALID = f'{CHALLENGE}, error="invalid_token"'
_SUPPORTED = {"supportedVersions": equal([DEPRECATED, ACTIVE])}
_EXPIRY_WAIT_S = 5.0


def _missing(scene: Scene) -> Iterator[Claim]:
    want = scene.refused(401, "credential_missing", headers={"WWW-Authenticate": CHALLENGE})
    yield want.of(scene.ask(None))


def _malformed(scene: Scene) -> Iterator[Claim]:
    want = scene.refused(401, "credential_malformed", headers={"WWW-Authenticate": _INVALID})
    yield want.of(scene.ask("not-a-key"))
    key = scene.keys["main"].text
    yield want.of(scene.ask(key[:-1] + ("0" if key[-1] != "0" else "1")))  # its checksum tells


def _unknown(scene: Scene) -> Iterator[Claim]:
    want = scene.refused(401, "credential_invalid", headers={"WWW-Authenticate": _INVALID})
    stranger = scene.ask(mint("fvak_", secrets.token_bytes)[1])
    yield want.of(stranger)
    guessed = scene.ask(_with_another_secret(scene.keys["main"].text))
    same = equal((stranger.status, stranger.body))((guessed.status, guessed.body))
    yield said("the same for a wrong secret", "the same" if not same else "another answer", same)


def _with_another_secret(key: str) -> str:
    """A key of the same id that is well formed, and was never issued."""
    stem = (
        key[: -CHECK_CHARS - SECRET_CHARS]
        + mint("", secrets.token_bytes)[1][-CHECK_CHARS - SECRET_CHARS : -CHECK_CHARS]
    )
    return stem + checksum(stem.encode()).decode()


def _dead(code: str, part: str) -> Any:
    def play(scene: Scene) -> Iterator[Claim]:
        yield scene.refused(401, code, headers={"WWW-Authenticate": _INVALID}).of(scene.ask(part))

    return play


def _expired(scene: Scene) -> Iterator[Claim]:
    ends = scene.keys["fleeting"].expires_at or 0.0
    time.sleep(min(max(0.0, ends - time.time() + 0.05), _EXPIRY_WAIT_S))
    yield from _dead("key_expired", "fleeting")(scene)


def _two(scene: Scene) -> Iterator[Claim]:
    key = scene.keys["main"].text
    shape = {"error": "More than one credential", "message": "Send exactly one API key, in one place."}
    headers = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_request"'}
    want = scene.refused(400, "credential_conflict", compat=shape, headers=headers)
    yield want.of(scene.ask("main", more=[("X-Fanvue-API-Key", key)]))
    yield want.of(scene.ask("main", more=[("Authorization", f"Bearer {key}")]))


def lacks_scope(scene: Scene) -> Iterator[Claim]:
    """A request that needs ``read:chat``, with a key that holds ``read:self`` alone."""
    more = {"requiredScopes": equal(["read:chat"]), "missingScopes": equal(["read:chat"])}
    headers = {"WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="read:chat"'}
    yield scene.refused(403, "scope_missing", more=more, headers=headers).of(scene.ask("narrow", "/chats"))


def _suspended(scene: Scene) -> Iterator[Claim]:
    more = {"detail": matching(r".*suspended.*support@.*")}
    yield scene.refused(403, "owner_suspended", more=more).of(scene.ask("suspended"))


def _forbidden(code: str, part: str) -> Any:
    def play(scene: Scene) -> Iterator[Claim]:
        yield scene.refused(403, code).of(scene.ask(part))

    return play


def _version(code: str, version: str | None, message: str) -> Any:
    shape = {"error": "Unsupported API version", "message": message}

    def play(scene: Scene) -> Iterator[Claim]:
        want = scene.refused(400, code, more=_SUPPORTED, compat=shape)
        yield want.of(scene.ask("main", version=version))

    return play


def _sunset(scene: Scene) -> Iterator[Claim]:
    ended = midnight(scene.ends.sunset)
    instant = datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%dT00:00:00.000Z")
    stamp = unix_stamp if scene.style == "problem" else http_date
    headers = {
        "Deprecation": stamp(midnight(scene.ends.sunset_deprecated)),
        "Sunset": http_date(ended),
        NEXT_HEADER: ACTIVE,
    }
    message = f"API version '{SUNSET}' was sunset on {instant}"
    shape = {"error": "API version no longer supported", "message": message, "nextVersion": ACTIVE}
    more = {"detail": message, "sunset": instant, "nextVersion": ACTIVE} | _SUPPORTED
    want = scene.refused(410, "version_sunset", more=more, compat=shape, headers=headers)
    yield want.of(scene.ask("main", version=SUNSET))


def _ambiguous(scene: Scene) -> Iterator[Claim]:
    want = scene.refused(404, "operation_unknown")
    for path in ("/users/%2e%2e/me", "//users/me", "/users/me/", "/users%2Fme", "/users/./me"):
        yield want.of(scene.ask("main", path))


def _undocumented(scene: Scene) -> Iterator[Claim]:
    """No write is served that the profile does not name (C11)."""
    want = scene.refused(404, "operation_unknown")
    for method, path in (("PUT", "/users/me"), ("DELETE", "/chats"), ("PATCH", "/users/me")):
        yield want.of(scene.ask("main", path, method=method))


def _read_only(scene: Scene) -> Iterator[Claim]:
    path, message = f"/chats/{scene.people.peer}/message", {"text": "Written by the tour."}
    scene.limen("apis", "read-only", "creator", "on")
    yield scene.refused(403, "writes_disabled").of(scene.ask("main", path, method="POST", body=message))
    yield scene.admitted(members({"uuid": text}, others=True), time.time()).of(scene.ask("main"))
    scene.limen("apis", "read-only", "creator", "off")
    want = scene.admitted(members({"messageUuid": text}), time.time(), status=201)
    yield want.of(scene.ask("main", path, method="POST", body=message))


def _plain(scene: Scene) -> Iterator[Claim]:
    """The guard believes this host to be a proxy: what it says of a request from far away, holds."""
    far = ("X-Forwarded-For", "203.0.113.9")
    headers = {"Content-Type": "application/problem+json", "WWW-Authenticate": None}
    want = scene.refused(403, "https_required", compat=_PLAIN, headers=headers)
    yield want.of(scene.ask("main", more=[far, ("X-Forwarded-Proto", "http")]))
    safe = scene.ask("main", more=[far, ("X-Forwarded-Proto", "https")])
    yield scene.admitted(members({"uuid": text}, others=True), time.time()).of(safe)


_PLAIN = {
    "type": "urn:limen:problem:https_required",
    "title": "HTTPS required",
    "status": 403,
    "detail": "Plain HTTP is refused. The key that was sent over it is to be replaced.",
}
"""The transport is refused before a profile is looked at: in one style."""

REFUSED = (
    Line("no key", _missing),
    Line("a malformed key, and a mistyped one", _malformed),
    Line("an unknown key", _unknown),
    Line("a revoked key", _dead("key_revoked", "changing")),
    Line("an expired key", _expired),
    Line("a deactivated key", _dead("key_inactive", "asleep")),
    Line("two credentials in one request", _two),
    Line("a scope that the key does not hold", lacks_scope),
    Line("a suspended owner", _suspended),
    Line("an owner who is not on the allow-list", _forbidden("owner_not_allowed", "unlisted")),
    Line("a test key on live data", _forbidden("environment_mismatch", "testing")),
    Line("no version", _version("version_missing", None, "API version is required")),
    Line("a malformed version", _version("version_malformed", "June", "API version 'June' is not supported")),
    Line("an unknown version", _version("version_unknown", "2020-01-01", "API version '2020-01-01' is not supported")),
    Line("a sunset version", _sunset),
    Line("a path that could be read in two ways", _ambiguous),
    Line("a write that the profile does not name", _undocumented),
    Line("a write while the API is read-only, and after", _read_only),
    Line("plain HTTP from beyond this host", _plain),
)
