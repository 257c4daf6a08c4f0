"""Who calls the management API: staff, by what their key may do, or a member, by the roles that they have."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from limen.control import owners
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.db.calling import require_good
from limen.db.transaction import Reader
from limen.guard.caller import Caller, caller_of

STAFF, MEMBER = "staff", "member"
"""The classes of the built-in API's keys."""


@dataclass(frozen=True, slots=True)
class Staff:
    """The platform's operators, and its back-end: *owner* holds the key."""

    key: str
    owner: str
    scopes: frozenset[str]
    """With everything that the granted scopes imply."""

    @property
    def name(self) -> str:
        """What tells this caller's writes apart from those of others."""
        return self.key

    def actor(self, origin: str) -> Actor:
        """Who this is in the audit."""
        return Actor("staff", f"{self.owner}/{self.key}", origin)

    def require_good(self, reader: Reader) -> None:
        """Raises ``key_revoked``, ``key_expired``, ``key_inactive``, ``owner_suspended``: since the gate let it in."""
        require_good(reader, self.key)


@dataclass(frozen=True, slots=True)
class Member:
    """A user, who came with a key of its own, or for whom the platform's back-end came with one of staff."""

    key: str
    user: str
    scopes: frozenset[str]
    via: str
    """By which key: its id, or the name by which the audit knows the staff that holds it."""

    @property
    def name(self) -> str:
        """What tells this caller's writes apart from those of others."""
        return f"{self.key}/{self.user}"

    def actor(self, origin: str) -> Actor:
        """Who this is in the audit."""
        return Actor("member", self.user, origin, self.via)

    def require_good(self, reader: Reader) -> None:
        """As of staff; and ``owner_unknown``, ``owner_type_wrong``, as a back-end may name anybody."""
        require_good(reader, self.key)
        found = owners.require(reader, self.user)
        if found.kind != "user":
            raise ProblemError("owner_type_wrong", "Limen-Act-For names a user, not an organisation.")
        if found.state != "active":
            raise ProblemError("owner_suspended")


def who_calls(scope: MutableMapping[str, Any], act_for: list[str]) -> Staff | Member | None:
    """Who made a guarded request; None where it needs no key. *act_for*: what ``Limen-Act-For`` says.

    Raises ``act_for_refused`` where a member says so, ``request_malformed`` where it is said twice or of nobody.
    """
    caller = caller_of(scope)
    if caller is None:
        return None
    if len(act_for) > 1 or "" in act_for:
        raise ProblemError("request_malformed", "Limen-Act-For names one user, and is sent once.")
    if act_for:
        if caller.key_class != STAFF:
            raise ProblemError("act_for_refused")
        acting = Staff(caller.key_id, caller.owner, caller.scopes)
        return Member(caller.key_id, act_for[0], caller.scopes, str(acting.actor("")))
    return _known(caller)


def _known(caller: Caller) -> Staff | Member:
    if caller.key_class == STAFF:
        return Staff(caller.key_id, caller.owner, caller.scopes)
    return Member(caller.key_id, caller.owner, caller.scopes, caller.key_id)
