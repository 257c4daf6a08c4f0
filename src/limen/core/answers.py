"""What a verdict is written as: the headers that tell the API who came, those for the caller, and the refusals.

Pure, and shared by every door, so that the same verdict is the same answer wherever it is given.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from limen.core.limits import IN_FLIGHT, seconds_until
from limen.core.problems import VERDICTS, problem_body
from limen.core.record import Header, Record
from limen.core.rules import Rules
from limen.core.verdict import (
    ACCESS_BLOCKED,
    CREDENTIAL_CONFLICT,
    CREDENTIAL_MISSING,
    LIMIT_EXCEEDED,
    OWNER_SUSPENDED,
    SCOPE_MISSING,
    UNAVAILABLE,
    VERSION_BROWNOUT,
    VERSION_MALFORMED,
    VERSION_MISSING,
    VERSION_SUNSET,
    VERSION_UNKNOWN,
    Ask,
    Verdict,
)
from limen.core.versions import iso_instant

IDENTITY = (
    b"limen-owner",
    b"limen-owner-type",
    b"limen-key",
    b"limen-application",
    b"limen-scopes",
    b"limen-environment",
    b"limen-plan",
    b"limen-version",
)
"""Who came. Always the whole set: a proxy lets a caller's own header through where ours is absent."""

READING = b"limen-reading"
"""Under what name a door's answer to its API may be reported later. As the others: always there, if need be empty."""

NOBODY: tuple[Header, ...] = tuple((name, b"") for name in IDENTITY)


class Answer(NamedTuple):
    """A refusal as it goes over the wire."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


def identity_headers(verdict: Verdict) -> tuple[Header, ...]:
    """Who came, for the API: the whole set, empty where there is nothing. What the record says is made once."""
    record = verdict.record
    if record is None:
        return NOBODY
    known = record.identity
    if known is None:
        known = record.identity = _identity(record)
    version = verdict.version
    return (*known, (b"limen-version", b"" if version is None else version.tag))


def _identity(record: Record) -> tuple[Header, ...]:
    owner = record.owner
    values = (
        owner.owner_id.encode(),
        owner.kind.encode(),
        record.key_id,
        record.terms.application,
        " ".join(record.terms.granted).encode(),
        record.terms.environment,
        owner.plan.encode(),
    )
    return tuple(zip(IDENTITY, values, strict=False))


def caller_headers(verdict: Verdict, rules: Rules, now: float) -> tuple[Header, ...]:
    """What the caller is told in any case: the tightest limit (R116 to R119) and the version's end (R58 to R61).

    Where keys are pinned to versions, also in which version it was answered.
    """
    limit, version = verdict.limit, verdict.version
    ending: tuple[Header, ...] = ()
    if version is not None and version.deprecated_at is not None and now >= version.deprecated_at:
        ending = rules.lifecycle(version, now)
    if rules.pins is not None:
        vary, name = rules.pins
        ending = (*ending, vary) if version is None else (*ending, vary, (name, version.tag))
    if limit is None:
        return ending
    names = rules.rate_names
    return (
        (names[0], b"%d" % limit.count),
        (names[1], b"%d" % verdict.remaining),
        (names[2], b"%d" % math.ceil(now + verdict.ends_in)),
        *ending,
    )


def refusal(verdict: Verdict, ask: Ask, rules: Rules) -> Answer:
    """The answer to a refused *ask*, in the style that the profile says (C9)."""
    problem = VERDICTS[verdict.code.slug]
    facts = _facts(verdict, ask, rules)
    status: int = facts.get("status", problem.status)
    headers: list[Header] = [(b"cache-control", b"no-store")]
    if problem.status == 401 or verdict.code in (SCOPE_MISSING, CREDENTIAL_CONFLICT):
        headers.append((b"www-authenticate", _challenge(verdict, rules)))
    if "retryAfter" in facts:
        headers.append((b"retry-after", b"%d" % facts["retryAfter"]))
    if rules.profile.errors.style == "compat":
        media, body = b"application/json", _compat(verdict, ask, facts, rules)
    else:
        media = b"application/problem+json"
        body = problem_body(problem, **facts)
    written = json.dumps(body, ensure_ascii=False).encode()
    headers += [(b"content-type", media), (b"content-length", b"%d" % len(written))]
    return Answer(status, (*headers, *caller_headers(verdict, rules, ask.now)), written)


def _facts(verdict: Verdict, ask: Ask, rules: Rules) -> dict[str, Any]:
    """What can be said of this refusal beyond its code. Never anything of a credential."""
    code, version, operation, record = verdict.code, verdict.version, verdict.operation, verdict.record
    facts: dict[str, Any] = {"detail": VERDICTS[code.slug].detail}
    named = _named(verdict, ask)
    if code is VERSION_SUNSET and version is not None:
        facts["detail"] = f"API version '{named}' was sunset on {iso_instant(version.sunset_at or 0)}"
        facts["sunset"] = iso_instant(version.sunset_at or 0)
        facts["nextVersion"] = rules.onward(version, ask.now)
    elif code is VERSION_BROWNOUT and version is not None and (brownout := version.brownout(ask.now)) is not None:
        until = iso_instant(brownout.ends_at)
        facts["status"], facts["retryAfter"] = brownout.status, seconds_until(brownout.ends_at, ask.now)
        facts["detail"] = f"API version '{named}' is about to be removed. As announced, it does not work until {until}."
        facts["nextVersion"] = rules.onward(version, ask.now)
    elif code in (VERSION_UNKNOWN, VERSION_MALFORMED):
        facts["detail"] = f"API version '{named}' is not supported"
    if code in (VERSION_MISSING, VERSION_UNKNOWN, VERSION_MALFORMED, VERSION_SUNSET, VERSION_BROWNOUT):
        facts["supportedVersions"] = rules.supported(ask.now)
    elif code is SCOPE_MISSING and operation is not None and record is not None:
        missing = sorted(operation.scopes - record.terms.scopes)
        facts["detail"] = (
            f"{operation.method} {operation.path} needs {', '.join(missing)}, which the key does not hold."
        )
        facts["requiredScopes"], facts["missingScopes"] = sorted(operation.scopes), missing
    elif code is LIMIT_EXCEEDED and verdict.limit is not None:
        facts["retryAfter"] = seconds_until(verdict.ends_in, 0)
        facts["detail"] = f"{verdict.limit} are used up. Try again in {facts['retryAfter']} s."
        if verdict.limit.name == IN_FLIGHT:
            facts["detail"] = f"{verdict.limit.count} requests are under way, and no more may be at once."
        facts["violated-policies"] = [verdict.limit.name]
    elif code is UNAVAILABLE:
        facts["retryAfter"] = 1
    elif code is OWNER_SUSPENDED:
        facts["detail"] = f"API access of this account is suspended. Write to {rules.profile.support}."
    elif code is ACCESS_BLOCKED:
        facts["detail"] = f"Access is blocked at the moment. Write to {rules.profile.support}."
    return facts


def _named(verdict: Verdict, ask: Ask) -> str:
    """The version that was asked for, as far as it is worth repeating: of a key sent in its place not the secret.

    Where none was named it is the one that the key is pinned to.
    """
    if ask.version is None and verdict.version is not None:
        return verdict.version.name
    return (ask.version or b"")[:16].decode("ascii", "backslashreplace")


def _challenge(verdict: Verdict, rules: Rules) -> bytes:
    """The challenge that a 401 must carry (RFC 9110 §15.5.2), with RFC 6750's error where one is due."""
    code = verdict.code
    if code is CREDENTIAL_MISSING:
        return rules.challenge
    if code is CREDENTIAL_CONFLICT:
        return rules.challenge + b', error="invalid_request"'
    if code is SCOPE_MISSING and verdict.operation is not None:
        scope = " ".join(sorted(verdict.operation.scopes)).encode()
        return rules.challenge + b', error="insufficient_scope", scope="' + scope + b'"'
    return rules.challenge + b', error="invalid_token"'


def _compat(verdict: Verdict, ask: Ask, facts: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """The platform's own shape for this code or its status, with ``code`` kept beside it."""
    problem = VERDICTS[verdict.code.slug]
    shapes = rules.profile.errors.compat
    status = facts.get("status", problem.status)
    shape = shapes.get(problem.code) or shapes.get(str(status)) or {"error": "{title}", "message": "{detail}"}
    words = {
        "title": problem.title,
        "detail": facts["detail"],
        "code": problem.code,
        "version": _named(verdict, ask),
        "sunset": facts.get("sunset", ""),
        "next_version": facts.get("nextVersion") or "",
        "scope": " ".join(facts.get("requiredScopes", ())),
        "retry_after": facts.get("retryAfter", 0),
    }
    body: dict[str, Any] = _fill(dict(shape), words)
    return body | {"code": problem.code}


def _fill(value: Any, words: dict[str, Any]) -> Any:
    """*value* with its placeholders filled, at any depth; nothing but ``{retry_after}`` becomes a number."""
    if isinstance(value, str):
        return words["retry_after"] if value == "{retry_after}" else value.format_map(words)
    if isinstance(value, dict):
        return {name: _fill(below, words) for name, below in value.items()}
    return [_fill(below, words) for below in value] if isinstance(value, list) else value
