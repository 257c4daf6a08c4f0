"""Who came, as a guarded application sees it."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from limen.core.verdict import Verdict

KEY = "limen"
"""Where a guarded request's scope holds its verdict."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner and the key on whose behalf a request is made. Empty strings where there is nothing to say."""

    owner: str
    owner_type: str
    key_id: str
    scopes: frozenset[str]
    """With everything that the granted scopes imply."""
    environment: str
    version: str
    plan: str
    application: str = ""
    key_class: str = ""


def caller_of(scope: MutableMapping[str, Any]) -> Caller | None:
    """The caller of a guarded request; None for a public operation. Raises RuntimeError where no Guard was passed."""
    if KEY not in scope:
        raise RuntimeError("this request has not passed a Guard: is the application protected?")
    verdict: Verdict = scope[KEY]
    record = verdict.record
    if record is None:
        return None
    return Caller(
        owner=record.owner.owner_id,
        owner_type=record.owner.kind,
        key_id=record.key_id.decode(),
        scopes=record.terms.scopes,
        environment=record.terms.environment.decode(),
        version=verdict.version.name if verdict.version is not None else "",
        plan=record.owner.plan,
        application=record.terms.application.decode(),
        key_class=record.terms.key_class,
    )
