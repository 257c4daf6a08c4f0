"""Keys that were found in the open: reported by anybody, by GitHub's or GitLab's scanners, or ended by who holds them.

Whoever has the whole text of a key has proven enough to have it ended. Who sends what is no key learns nothing: the
answer is the same, comes at the same time, and nothing is written.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Body as Sent
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from limen.app import App
from limen.control import keys, leaks
from limen.control.leaks import Finding, Leak
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.db.transaction import Tx
from limen.http.arrival import BESIDE, read_json
from limen.http.beside import Route
from limen.http.calls import Call, Open, answered, needs
from limen.http.shapes import Body
from limen.http.signing import SigningKeys

router = APIRouter(route_class=Route, tags=["leaks"])
Leaks = Annotated[Call, needs("report:leaks")]

BATCH = 100
"""Keys a transaction: between two of them others may write."""

EVEN_S = 0.25
"""Answers to reports of anybody leave at whole multiples of this after they came: a key takes as long as noise."""

REPLAY_S = 600
"""For how long a signed body that was handled may come again, as a sender does that has heard no answer."""

REMEMBERED = 4_096
NO_GITHUB = "Alerts of GitHub are not taken here: LIMEN_GITHUB_KEYS is not set."
GITLAB = {"/v1/revocable_token_types", "/v1/revoke_tokens"}
"""The addresses at which GitLab sends its key without a scheme (``with_scheme``)."""

Text = Annotated[str, Field(max_length=1_000, description="What may be a key: its whole text.")]
Where = Annotated[str, Field(max_length=2_000, description="The address at which it was found.")]


class FoundKey(Body):
    """A text that was found, and where."""

    text: Text
    url: Where = ""


class FoundKeys(Body):
    """Texts that may be keys."""

    keys: Annotated[list[FoundKey], Field(min_length=1, max_length=100, fail_fast=True)]


class Received(BaseModel):
    """What every report is answered with."""

    status: str


class HeldKey(Body):
    """The key that is to be ended."""

    key: Text


class Alert(BaseModel):
    """A match, as GitHub's secret scanning sends it. What it adds later is not looked at."""

    model_config = ConfigDict(strict=True)
    token: Annotated[str, Field(max_length=10_000)]
    type: Annotated[str, Field(max_length=200)]
    url: Annotated[str | None, Field(max_length=10_000)] = ""
    source: Annotated[str | None, Field(max_length=200)] = ""


class Feedback(BaseModel):
    """What GitHub is told of a match: never its text."""

    token_hash: Annotated[str, Field(description="SHA-256 of the text, in hexadecimal digits.")]
    token_type: str
    label: Annotated[str, Field(description="true_positive: it is a key of ours; else false_positive.")]


class TokenTypes(BaseModel):
    """What GitLab may send to be revoked."""

    types: list[str]


class LeakedToken(BaseModel):
    """A token, as GitLab sends it."""

    model_config = ConfigDict(strict=True)
    type: Annotated[str, Field(max_length=200)]
    token: Annotated[str, Field(max_length=10_000)]
    location: Annotated[str | None, Field(max_length=10_000)] = ""


Alerts = Annotated[list[Alert], Field(max_length=5_000, fail_fast=True)]
LeakedTokens = Annotated[list[LeakedToken], Sent(max_length=1_000, fail_fast=True)]
_ALERTS: TypeAdapter[list[Alert]] = TypeAdapter(Alerts)
_SENT_BY_GITHUB = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "maxItems": 5_000, "items": Alert.model_json_schema()}}
        },
    }
}


@router.post("/leaked-keys", status_code=202, response_model=Received)
async def report_leaked_keys(call: Open, request: Request, found: FoundKeys) -> Response:
    """Report keys that were found in the open. No key is needed for it.

    A text that is the whole of a key has that key ended, or its owner warned, as its API's profile says. Whatever was
    sent, the answer is the same. Who goes on reporting is answered later and later.
    """
    began = time.monotonic()
    findings = [Finding(each.text, each.url) for each in found.keys]
    await request.scope[BESIDE](_handle, call.app, findings, "report", _reporter("leaked-keys", call))
    await asyncio.sleep(-(time.monotonic() - began) % EVEN_S)
    return answered(202, {"status": "received"})


@router.post("/leaked-keys/github", response_model=list[Feedback], openapi_extra=_SENT_BY_GITHUB)
async def report_github_alerts(call: Open, request: Request) -> Response:
    """Alerts of GitHub's secret scanning, signed with its key over the body as it is sent; answered with its feedback.

    There is no such address where `LIMEN_GITHUB_KEYS` is not set.
    """
    named = [request.headers.getlist(f"github-public-key-{part}") for part in ("identifier", "signature")]
    if any(len(values) != 1 for values in named):
        raise ProblemError("signature_wrong", "Github-Public-Key-Identifier and -Signature are sent once each.")
    (identifier,), (signature,) = named
    shown = await request.scope[BESIDE](_alerted, call, _signing(request, call.app), identifier, signature)
    return answered(200, shown)


def _alerted(call: Call, signing: Signing, identifier: str, signature: str) -> list[dict[str, str]]:
    """What GitHub is told of its alerts, once they are handled. Nothing of them is read before who sent them is known.

    In a thread: it may wait for GitHub's keys, and for the database.
    """
    at, body = time.monotonic(), call.arrival.body
    signing.keys.verify(body, identifier=identifier, signature=signature, at=at)
    signing.require_new(body, at)
    try:
        alerts = _ALERTS.validate_python(read_json(body) if body else None)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in mistakes]) from error
    findings = [Finding(each.token, each.url or "") for each in alerts]
    known = _handle(call.app, findings, "github", _reporter("github", call))
    signing.remember(body, at)
    return [
        {
            "token_hash": hashlib.sha256(each.token.encode()).hexdigest(),
            "token_type": each.type,
            "label": "true_positive" if is_key else "false_positive",
        }
        for each, is_key in zip(alerts, known, strict=True)
    ]


@router.get("/revocable_token_types", response_model=TokenTypes)
def list_revocable_token_types(call: Leaks) -> Response:
    """What GitLab may send to be revoked: the names of the rules that `limen leaks rules` writes for gitleaks."""
    call.require_staff()
    return call.ask(lambda reader: {"types": [_type(each.name) for each in leaks.patterns(reader)]})


@router.post("/revoke_tokens", status_code=204)
def revoke_tokens(call: Leaks, tokens: LeakedTokens) -> Response:
    """Tokens that GitLab's secret detection found. What is a key is handled, whatever its type says.

    Only then is a type refused that is none of the revocable ones.
    """
    call.require_staff()
    recognised = call.app.recognise([each.token for each in tokens])
    found = leaks.among([Finding(each.token, each.location or "") for each in tokens], recognised)

    def work(tx: Tx) -> None:
        leaks.report(tx, found, source="gitlab")

    answer = call.write(work, status=204)
    with call.app.reading() as reader:
        types = {_type(each.name) for each in leaks.patterns(reader)}
    for each, what in zip(tokens, recognised, strict=True):
        if not what.keys and _type(each.type) not in types:
            raise ProblemError("request_malformed", "A token is of a type that cannot be revoked here.")
    return answer


@router.post("/self-revoke", status_code=204)
async def revoke_own_key(call: Open, request: Request, held: HeldKey) -> Response:
    """End a key for good. Whoever holds it may, and needs no other. Done twice, it is done.

    Who goes on trying is answered later and later.
    """
    await request.scope[BESIDE](_end, call.app, held.key, call.arrival.address)
    return answered(204, None)


def with_scheme(headers: Sequence[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    """*headers* of a request for *path*; where GitLab sends its key as all of ``Authorization``, with ``Bearer``.

    For the listener, before the Guard reads them.
    """
    bare = path in GITLAB
    return [
        (name, b"Bearer " + value)
        if bare and name == b"authorization" and value and b" " not in value
        else (name, value)
        for name, value in headers
    ]


class Signing:
    """What a process keeps of GitHub: its keys, and which bodies came when."""

    def __init__(self, source: str) -> None:
        self.keys = SigningKeys(source)
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def require_new(self, body: bytes, at: float) -> None:
        """Raises ``report_replayed`` for a body that was handled first more than ``REPLAY_S`` ago; *at*: seconds.

        What it says has been done, and would be done no second time. Nothing signed says when it was sent.
        """
        first = self._seen.get(hashlib.sha256(body).digest())
        if first is not None and at - first > REPLAY_S:
            raise ProblemError("report_replayed")

    def remember(self, body: bytes, at: float) -> None:
        """The body was handled: not before, or who is told that it could not be could never send it again."""
        self._seen.setdefault(hashlib.sha256(body).digest(), at)
        if len(self._seen) > REMEMBERED:
            with suppress(KeyError):  # another thread may have made room
                self._seen.popitem(last=False)


def _signing(request: Request, app: App) -> Signing:
    state = request.app.state
    if not hasattr(state, "signing"):
        state.signing = Signing(app.settings.github_keys)
    found: Signing = state.signing
    return found


def _handle(app: App, findings: Sequence[Finding], source: str, actor: Actor) -> list[bool]:
    """Have what is a key among *findings* handled; which of them are. In a thread: it reads, and may write."""
    recognised = app.recognise([each.text for each in findings])
    with app.reading() as reader:
        found: list[Leak] = leaks.pending(reader, leaks.among(findings, recognised))
    for start in range(0, len(found), BATCH):
        app.act(leaks.report, found[start : start + BATCH], source=source, actor=actor)
    return [bool(what.keys) for what in recognised]


def _end(app: App, text: str, address: str) -> None:
    """The key of this *text* has ended; where it had already, nothing is written. Raises ``credential_invalid``.

    In a thread: it reads, and may wait to write.
    """
    (what,) = app.recognise([text])
    if not what.keys:
        raise ProblemError("credential_invalid")
    for key in what.keys:
        with _unless_unknown():  # deleted: it has ended
            with app.reading() as reader:
                ended = keys.require(reader, key).state == "revoked"
            if not ended:
                app.act(keys.revoke, key, reason="by its holder", actor=Actor("holder", key, address))
            else:
                app.settle()  # whoever ended it may be waiting yet for that to hold everywhere


@contextmanager
def _unless_unknown() -> Iterator[None]:
    try:
        yield
    except ProblemError as error:
        if error.problem.code != "key_unknown":
            raise


def _reporter(name: str, call: Call) -> Actor:
    return Actor("holder", name, call.arrival.address)


def _type(name: str) -> str:
    """What GitLab calls the findings of a rule."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    return plain if plain.startswith("gitleaks_rule_id_") else f"gitleaks_rule_id_{plain}"
