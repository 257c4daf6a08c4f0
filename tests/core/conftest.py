"""Builders of core's values. Each gives a valid, permissive value; a test names only what it wants different."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import pytest

from limen.core.keys import State
from limen.core.limits import Limit
from limen.core.profile import Carrier, Errors, KeyClass, KeyPolicy, Profile, RateHeaders, Versioning
from limen.core.record import Owner, Record, Terms
from limen.core.rules import Rules, Switches, compile_rules
from limen.core.scopes import Catalogue, Scope
from limen.core.versions import Version

_SECRET = KeyClass("secret", {"live": "sk_live_", "test": "sk_test_"}, ("read:chat", "write:chat"), ("read:chat",))

_PROFILE = Profile(
    name="example",
    title="Example",
    support="support@example.com",
    documentation="https://example.com/docs",
    words={},
    owner_type="user",
    allowlist=True,
    carriers=(Carrier("header", "X-Api-Key"),),
    keys=KeyPolicy(
        max_active_per_owner=1,
        on_overflow="replace",
        issuance="self_service",
        overlap_s=0,
        max_lifetime_s=None,
        classes={"secret": _SECRET},
    ),
    catalogue=Catalogue({name: Scope(name, name) for name in ("read:chat", "write:chat")}),
    versioning=Versioning("header", "X-Api-Version", "date", "rfc9745", "X-Api-Next-Version", ()),
    count_per="key",
    default_limits=(Limit("default", 100, 60),),
    rate_headers=RateHeaders("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    plans={},
    operations=(),
    errors=Errors("problem", {}),
    document={},
)


def _profile(**changes: Any) -> Profile:
    return dataclasses.replace(_PROFILE, **changes)


def _rules(
    profile: Profile = _PROFILE, versions: tuple[Version, ...] = (), *, allowlist: bool = False, **switches: Any
) -> Rules:
    return compile_rules(
        profile,
        api="example",
        revision=1,
        switches=Switches(allowlist=allowlist, **switches),
        versions={version.name: version for version in versions},
    )


def _owner(**changes: Any) -> Owner:
    base: dict[str, Any] = {"owner_id": "owner", "kind": "user", "suspended": False, "allowed": True}
    return Owner(**base | {"plan": "free", "limits": ()} | changes)


def _record(**changes: Any) -> Record:
    base: dict[str, Any] = {
        "locator": b"0123456789AB",
        "key_id": b"0123456789AB",
        "digest": bytes(32),
        "pepper": 1,
        "owner": _owner(),
        "state": State.ACTIVE,
        "expires_at": math.inf,
        "window": b"0123456789AB",
        "lineage": b"0123456789AB",
    }
    terms: dict[str, Any] = {"key_class": "secret", "environment": b"live", "scopes": frozenset(), "granted": ()}
    own = {name: value for name, value in changes.items() if name in {spec.name for spec in dataclasses.fields(Terms)}}
    rest = {name: value for name, value in changes.items() if name not in own}
    return Record(**base | {"terms": Terms(**terms | own)} | rest)


@pytest.fixture(scope="session")
def new() -> SimpleNamespace:
    """Functions that build a profile, rules, an owner or a record; their keywords are the value's own fields.

    The profile has one class of keys, dated versions and no operations; the rules have the allow-list off unless it is
    asked for; the owner is in good standing; the record is an active live key without restrictions and without scopes.
    """
    return SimpleNamespace(profile=_profile, rules=_rules, owner=_owner, record=_record)
