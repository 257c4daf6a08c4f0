"""What is raised on the way through a route, as the problem that is answered (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from limen.core.keys import BODY_CHARS
from limen.core.problems import PROBLEMS, ProblemError, problem_body
from limen.core.profile import ProfileError
from limen.http.shapes import UNDOCUMENTED

RETRY_S = 1
CHALLENGE = 'Bearer realm="limen", error="invalid_token"'
MOST_ERRORS = 50
"""How many mistakes of one request are told."""

_LONG = re.compile(rf"[0-9A-Za-z_]{{{BODY_CHARS},}}")
"""What may be a key that was sent where none belongs. No error repeats it."""

_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}
_FOUND = {"missing": "nothing", "extra_forbidden": "a member that is not documented"}


def install(app: FastAPI) -> None:
    """Every error of *app* is a problem."""
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(ProfileError, _profile_wrong)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _unrouted)


def _problem(code: str, detail: str, extra: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    known = PROBLEMS[code]
    retry = {"Retry-After": str(RETRY_S)} if known.status == 503 else {}
    if known.status == 401:
        retry = {"WWW-Authenticate": CHALLENGE}
    written = json.dumps(problem_body(known, detail, **extra), ensure_ascii=False)
    body = _LONG.sub(f"({BODY_CHARS} or more characters)", written).encode()
    return Response(body, known.status, {**retry, **(headers or {})}, "application/problem+json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - said to the type checker: the handler is registered for it
    return _problem(error.problem.code, error.detail, error.extra)


async def _profile_wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProfileError)  # noqa: S101 - as above
    mistakes = error.mistakes[:MOST_ERRORS]
    found = [{"path": each.path, "found": each.found, "allowed": each.allowed} for each in mistakes]
    return _problem("profile_wrong", f"{len(error.mistakes)} mistakes in the profile.", {"errors": found})


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [_error(each) for each in error.errors()[:MOST_ERRORS]]
    first = errors[0] if errors else {"path": "", "allowed": "what is documented"}
    return _problem("request_malformed", f"{first['path']}: {first['allowed']}.", {"errors": errors})


def _error(found: Mapping[str, Any]) -> dict[str, str]:
    """One mistake. What was sent is not repeated, nor is a name that nobody documented: it may be a key."""
    kind, way = found["type"], list(found["loc"])
    if kind in ("extra_forbidden", UNDOCUMENTED):
        return {
            "path": _path(way[:-1] if kind == "extra_forbidden" else way),
            "found": _FOUND["extra_forbidden"],
            "allowed": "documented members alone",
        }
    allowed = str(found.get("ctx", {}).get("error") or found["msg"]).removeprefix("Value error, ")
    allowed = allowed[:1].lower() + allowed[1:].removesuffix(".")
    seen = {"found": _FOUND[kind]} if kind in _FOUND else {}
    return {"path": _path(way)} | seen | {"allowed": "it is required" if kind == "missing" else allowed}


def _path(way: Sequence[str | int]) -> str:
    return ".".join(map(str, way))


async def _unrouted(_request: Request, error: Exception) -> Response:
    """No route, or not by this method. Behind the Guard this is only met where routes and profile differ."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    code = _BY_STATUS.get(error.status_code, "request_malformed")
    return _problem(code, "", {}, error.headers)
