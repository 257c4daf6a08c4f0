"""What every line of the tour has in its hands: addresses, keys, and how answers of the two APIs are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limen.cli.demo.cast import Key
from limen.cli.demo.ground import DOOR, Addresses, Ground, People
from limen.cli.demo.rules import ACTIVE, BURST, Dates
from limen.cli.demo.wants import Claim, Want, equal, matching, members, text, whole
from limen.cli.demo.wire import Answer, Header, ask

KEY_HEADER, VERSION_HEADER, NEXT_HEADER = "X-Fanvue-API-Key", "X-Fanvue-API-Version", "X-Fanvue-API-Next-Version"
RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
NO_RATE: dict[str, Any] = dict.fromkeys(RATE)
"""What spends no limit says nothing of one."""
IDENTITY = (
    *("Limen-Owner", "Limen-Owner-Type", "Limen-Key", "Limen-Application", "Limen-Scopes"),
    *("Limen-Environment", "Limen-Plan", "Limen-Version"),
)
DOCUMENT = "/openapi.json"
CHALLENGE = 'ApiKey realm="creator", header="X-Fanvue-API-Key"'
_COMPAT: dict[int, dict[str, Any]] = {
    401: {"error": "Unauthorized"},
    403: {"error": "Forbidden"},
    404: {"message": "Not found"},
}
"""The platform's published body of a refusal, where its code has none of its own."""


@dataclass(slots=True)
class Scene:
    """What the lines play in. Two things change on the way: keys are issued, and *style* follows the profile."""

    at: Addresses
    ground: Ground
    keys: dict[str, Key]
    people: People
    ends: Dates
    window_s: int
    style: str = "problem"
    full_again_at: float = 0.0
    """When (``time.monotonic``) the window that was used up ends, by the answer that said so."""

    def limen(self, *arguments: str) -> Any:
        """Run the command line, as staff do. Raises CommandFailed."""
        return self.ground.limen(*arguments)

    def ask(
        self,
        credential: str | None,
        path: str = "/users/me",
        *,
        version: str | None = ACTIVE,
        method: str = "GET",
        more: Iterable[Header] = (),
        body: object = None,
    ) -> Answer:
        """Ask the guarded API. *credential*: a key's part in the tour, or a text to send as it is; None: none."""
        headers = list(more)
        if credential is not None:
            headers.append((KEY_HEADER, self.keys[credential].text if credential in self.keys else credential))
        if version is not None:
            headers.append((VERSION_HEADER, version))
        return ask(self.at.creator, method, path, headers, body)

    def ask_organisation(
        self,
        credential: str | None,
        path: str,
        *,
        method: str = "GET",
        more: Iterable[Header] = (),
        body: object = None,
    ) -> Answer:
        """Ask the other guarded API, in its version; its document stands beside them. *credential*: a key's part."""
        headers = list(more)
        if credential is not None:
            headers.append(("Authorization", f"Bearer {self.keys[credential].text}"))
        return ask(self.at.organisation, method, path if path == DOCUMENT else f"/v1{path}", headers, body)

    def forward(
        self,
        uri: str,
        credential: str | None = None,
        *,
        method: str = "GET",
        door: str = DOOR,
        more: Iterable[Header] = (),
    ) -> Answer:
        """Ask the gate's door about a request, as a proxy does. *credential*: the part of a key to send as a bearer."""
        headers: list[Header] = [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri), *more]
        if credential is not None:
            headers.append(("Authorization", f"Bearer {self.keys[credential].text}"))
        return ask(self.at.gate, "GET", f"/gate/auth/{door}", headers)

    def verify(self, path: str, credential: str, *, method: str = "GET") -> Answer:
        """Ask the gate about a request by call. *credential*: a key's part."""
        asked = {"api": DOOR, "method": method, "path": path, "credential": self.keys[credential].text}
        return ask(self.at.gate, "POST", "/gate/verify", body=asked)

    def admitted(self, body: Any, now: float, *, status: int = 200, headers: Mapping[str, Any] | None = None) -> Want:
        """What an answer of the guarded API is when the gate admits the request at *now* (Unix seconds)."""
        rate = self.rate(now, whole(0, BURST - 1)) | dict.fromkeys(IDENTITY)
        return Want(
            str(status), status, rate | {"Deprecation": None, "Sunset": None} | dict(headers or {}), body, RATE[1:2]
        )

    def rate(self, now: float, remaining: Any) -> dict[str, Any]:
        """The rate headers of an answer to a request that was sent at *now*; a second to and fro for rounding."""
        reset = whole(now - 1, now + self.window_s + 3)
        return {RATE[0]: equal(str(BURST)), RATE[1]: remaining, RATE[2]: reset}

    def refused(
        self,
        status: int,
        code: str,
        *,
        more: Mapping[str, Any] | None = None,
        compat: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Want:
        """What a refusal by the guard is, in the style that the profile says now.

        *more*: what a problem of this code holds beyond the five members of all. *compat*: its body in ``compat``, less
        the code, where it is not that of its status.
        """
        problem = {"type": f"urn:limen:problem:{code}", "title": text, "status": status, "detail": text}
        shape = _COMPAT.get(status, {}) if compat is None else compat
        body = problem | dict(more or {}) if self.style == "problem" else dict(shape)
        media = "application/problem+json" if self.style == "problem" else "application/json"
        asked = {401: matching(f"{CHALLENGE}.*")}.get(status)
        wanted = {"Content-Type": media, "Cache-Control": "no-store", "WWW-Authenticate": asked}
        wanted |= NO_RATE | dict.fromkeys(IDENTITY) | dict(headers or {})
        return Want(f"{status} {code}", status, wanted, members(body | {"code": code}))


def refused_at_the_door(
    status: int, code: str, more: Mapping[str, Any] | None = None, headers: Mapping[str, Any] | None = None
) -> Want:
    """What a refusal by the gate's door is, about the API there, whose style is ``problem``."""
    problem = {"type": f"urn:limen:problem:{code}", "title": text, "status": status, "detail": text, "code": code}
    wanted = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"} | dict.fromkeys(IDENTITY)
    return Want(f"{status} {code}", status, wanted | dict(headers or {}), members(problem | dict(more or {})))


def said(expected: str, got: str, *misses: str) -> Claim:
    """A claim about something else than an answer; it holds where nothing was missed."""
    return Claim(expected, got, tuple(miss for miss in misses if miss))
