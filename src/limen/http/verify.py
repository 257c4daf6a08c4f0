"""``POST /gate/verify``: the decision by call. HTTP's status says whether it was answered; the verdict is data."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import msgspec

from limen.app import GateHouse
from limen.core.answers import caller_headers, refusal
from limen.core.carriers import split_version
from limen.core.verdict import Ask, Verdict
from limen.gate.clock import Clock


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked. *path* may carry its query, which is not looked at."""

    api: str
    method: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{1,16}$")]
    path: Annotated[str, msgspec.Meta(pattern="^/", max_length=8_192)]
    credential: str | None = None
    environment: str | None = None
    version: str | None = None
    address: str | None = None
    origin: str | None = None


async def verify(asked: VerifyBody, house: GateHouse, clock: Clock, environment: str) -> dict[str, Any]:
    """The verdict, as it is written to JSON. *environment*: what is meant where the question does not say."""
    now, at = clock.read()
    fresh = False
    if not house.gate.lease.holds(at):
        fresh = await house.cold.keep_up()
        now, at = clock.read()
    rules = house.gate.rules
    path = asked.path.partition("?")[0].encode()
    version = None if asked.version is None else asked.version.encode()
    if rules.profile.versioning is not None and rules.profile.versioning.carrier == "path":
        version, path = split_version(path)
    ask = Ask(
        None if not asked.credential else asked.credential.encode(),
        asked.method.encode(),
        path,
        version,
        (asked.environment or environment).encode(),
        now,
        at,
        None if asked.origin is None else asked.origin.encode(),
        asked.address,
    )
    verdict = house.gate.check(ask, fresh)
    if verdict is None:
        verdict = await house.cold.decide(ask)
    return _written(verdict, ask, house)


def _written(verdict: Verdict, ask: Ask, house: GateHouse) -> dict[str, Any]:
    rules, record, limit = house.gate.rules, verdict.record, verdict.limit
    refused = None if verdict.admitted else refusal(verdict, ask, rules)
    told = caller_headers(verdict, rules, ask.now) if refused is None else refused.headers
    return {
        "admitted": verdict.admitted,
        "code": verdict.code.slug,
        "status": 200 if refused is None else refused.status,
        "reading": house.gate.journal.reading_id(verdict.reading) if verdict.reading else None,
        "operation": verdict.operation.name if verdict.operation else None,
        "owner": record.owner.owner_id if record else None,
        "ownerType": record.owner.kind if record else None,
        "key": record.key_id.decode() if record else None,
        "application": record.terms.application.decode() or None if record else None,
        "scopes": list(record.terms.granted) if record else [],
        "environment": record.terms.environment.decode() if record else None,
        "plan": record.owner.plan or None if record else None,
        "version": verdict.version.name if verdict.version else None,
        "limit": limit.count if limit else None,
        "remaining": verdict.remaining if limit else None,
        "reset": math.ceil(ask.now + verdict.ends_in) if limit else None,
        "headers": {name.decode(): value.decode("latin-1") for name, value in told if name != b"content-length"},
        "body": None if refused is None else json.loads(refused.body),
    }
