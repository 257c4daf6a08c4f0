"""The OpenAPI document of the management API: what FastAPI finds in the routes, and what holds for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from limen import __version__
from limen.core.problems import PROBLEMS
from limen.core.profile import Profile
from limen.core.routes import Operation
from limen.http.etags import etag_of
from limen.http.examples import example_of

_ALWAYS = (400, 401, 403, 404, 429, 503)
_WRITES = (409, 412, 413, 415, 422)
_BODIES = (413, 415, 422)
_OPEN = (400, 413, 415, 429, 503)
_ALSO = {"reportGithubAlerts": (403, 404, 409), "revokeOwnKey": (401,)}  # what public operations answer beside them
_SAID = {
    304: "The caller has this representation already.",
    400: "The request is not of the form that is documented.",
    401: "The key is missing, or not good.",
    403: "The key, or the role of the member, does not come with the right to do this.",
    404: "There is no such thing, or it is not the caller's to see.",
    409: "What is there does not allow it.",
    412: "It has been changed since it was read.",
    413: "The body is larger than what is read.",
    415: "The body is not application/json.",
    422: "What is asked for cannot be.",
    429: "A limit is used up.",
    503: "It cannot be decided or done now. Try again.",
}
_ACT_FOR = {
    "name": "Limen-Act-For",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "With a key of staff: the id of the user on whose behalf this is done. It is a member's call then.",
    "example": "u-1024",
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 512},
    "description": "A name for this write: sent again under it within a day, it is answered as it was, and not done.",
    "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of what is changed, as it was read: if somebody has changed it since, this is refused.",
    "example": '"2f0c1e5d9a7b4c3322110f0e"',
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "With 'respond-async' it is answered with 202 once it is durable, before it holds everywhere.",
    "example": "respond-async",
}
_TOLD = {
    "Limen-Effective": {
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Whether it holds in every process by now.",
    },
    "Limen-Effective-Ms": {
        "schema": {"type": "integer", "minimum": 0},
        "description": "How long that took once it was durable, in milliseconds.",
    },
}
_SOON = "It is durable, and holds in every process before long, as the caller preferred. As the other answer."
_ETAG = {"schema": {"type": "string"}, "description": "What If-Match and If-None-Match are told."}
_PROBLEM = {
    "title": "Problem",
    "description": "A problem (RFC 9457). Programs branch on its code.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "errors": {
            "type": "array",
            "description": "What is wrong with the request, each at its place.",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("path", "found", "allowed")},
            },
        },
    },
    "examples": [
        {
            "type": "urn:limen:problem:key_unknown",
            "title": "Key unknown",
            "status": 404,
            "detail": "There is no key '0123456789Ab'.",
            "code": "key_unknown",
        }
    ],
}


def install(app: FastAPI, profile: Profile) -> None:
    """*app* documents itself in full. To be called before ``protect``, which adds each operation's scopes."""
    plain = app.openapi
    operations = {(each.method.lower(), each.path): each for each in profile.operations}

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = plain()
        for path, calls in document["paths"].items():
            for method, call in calls.items():
                operation = operations[(method, path)]
                _dress(call, operation)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for schema in schemas.values():
            schema["examples"] = [example_of(schema, schemas)]
        schemas["Problem"] = _PROBLEM
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


@dataclass(frozen=True, slots=True)
class Document:
    """The document as it is sent, and its ETag."""

    body: bytes
    etag: str


def written(app: FastAPI) -> Document:
    """The document of *app*, once all is in it. To be called once, after ``protect``: making it takes long."""
    shown = app.openapi()
    return Document(json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode(), etag_of(shown))


def _dress(call: dict[str, Any], operation: Operation) -> None:
    """What every operation answers, and the headers that it takes."""
    call["responses"].pop("422", None)
    paged = any(each["name"] == "after" for each in call.get("parameters", ()))
    shown = operation.method == "GET" and not paged
    more = _WRITES if operation.write else (304,) if shown else () if operation.method == "GET" else _BODIES
    statuses = _OPEN if operation.public else (*_ALWAYS, *more)
    statuses += _ALSO.get(call["operationId"], (304,) if operation.public and shown else ())
    for status in statuses:
        answer: dict[str, Any] = {"description": _SAID[status]}
        if status >= 400:
            problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
            answer["content"] = {"application/problem+json": problem}
        call["responses"].setdefault(str(status), answer)
    if shown:
        call["responses"]["200"]["headers"] = {"ETag": _ETAG}
    if operation.write and not operation.public:
        _tell_of_effect(call["responses"])
    call["responses"] = dict(sorted(call["responses"].items()))
    if operation.public:
        call["security"] = []
        return
    own = [_IDEMPOTENCY, _IF_MATCH, _PREFER] if operation.write else []
    call.setdefault("parameters", []).extend([_ACT_FOR, *own])


def _tell_of_effect(responses: dict[str, Any]) -> None:
    """What a write answers beside its body, and that it may be answered earlier."""
    (status,) = [each for each in responses if each < "300"]
    responses[status]["headers"] = responses[status].get("headers", {}) | _TOLD
    if status != "202":
        told = {"Limen-Effective": _TOLD["Limen-Effective"]}
        responses["202"] = {**responses[status], "description": _SOON, "headers": told}


def about() -> dict[str, Any]:
    """What the document says of the API as a whole."""
    return {
        "title": "Limen management API",
        "version": __version__,
        "description": (
            "Everything that a platform's back-end, its staff and its owners manage. Errors are problems (RFC 9457); "
            "lists go on by 'next'; every write takes an Idempotency-Key."
        ),
    }
