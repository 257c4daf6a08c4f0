"""A key that is asked for, and what its API's profile says to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from limen.control import apis, owners, versions
from limen.core.problems import ProblemError
from limen.core.profile import KeyClass, Profile
from limen.core.versions import Stage
from limen.db.transaction import Reader

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:\d{1,5})?")
END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no calendar shows what is later."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be issued. What is None is as the profile says."""

    api: str
    owner: str
    name: str
    key_class: str = "secret"
    environment: str = "live"
    scopes: tuple[str, ...] | None = None
    expires_at: float | None = None
    origins: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    pinned: str | None = None
    """The version that a request without one is for, where the profile pins; default: the newest."""

    def check(self, reader: Reader) -> None:
        """It could be issued now, but for the owner's one place. Raises what ``issue`` would say otherwise."""
        columns(reader, self, apis.profile_of(reader, self.api))

    def columns(self, reader: Reader, profile: Profile, owner: owners.Owner) -> dict[str, Any]:
        """The columns that it asks for: *profile* is its API's, *owner* its owner, who may have yet to be made.

        Raises what ``issue`` would say otherwise.
        """
        return columns(reader, self, profile, owner)


def columns(reader: Reader, new: NewKey, profile: Profile, owner: owners.Owner | None = None) -> dict[str, Any]:
    """The columns that *new* asks for. Raises a problem for whatever the profile does not allow."""
    owner = owner or owners.require(reader, new.owner)
    if owner.state == "erased":
        raise ProblemError("owner_erased", f"Owner {new.owner!r} has been erased; it is given no keys.")
    if owner.kind != profile.owner_type:
        raise ProblemError(
            "owner_type_wrong", f"Keys of {new.api} belong to a {profile.owner_type}, not to a {owner.kind}."
        )
    if _NAME.fullmatch(new.name) is None:
        raise ProblemError("name_wrong")
    key_class = profile.keys.classes.get(new.key_class)
    if key_class is None:
        raise ProblemError("class_unknown", f"Class {new.key_class!r} is none of {', '.join(profile.keys.classes)}.")
    if new.environment not in key_class.prefixes:
        raise ProblemError("environment_unknown", f"{new.environment!r} is none of {', '.join(key_class.prefixes)}.")
    return {
        "api": new.api,
        "owner": new.owner,
        "class": new.key_class,
        "environment": new.environment,
        "name": new.name,
        "scopes": _scopes(new, profile, key_class, owner),
        "origins": _origins(new, key_class),
        "addresses": _addresses(new),
        "expires_at": _expiry(reader, new, profile),
        "pinned": _pinned(reader, new, profile),
    }


def _scopes(new: NewKey, profile: Profile, key_class: KeyClass, owner: owners.Owner) -> list[str]:
    wanted = key_class.default_scopes if new.scopes is None else new.scopes
    if unknown := profile.catalogue.unknown(wanted):
        raise ProblemError(
            "scope_unknown", f"Unknown: {', '.join(unknown)}. Known: {', '.join(profile.catalogue.scopes)}."
        )
    if beyond := [scope for scope in wanted if scope not in key_class.scopes]:
        raise ProblemError("scope_not_grantable", f"A {key_class.name} key may not hold {', '.join(beyond)}.")
    if not wanted:
        raise ProblemError("scope_unknown", f"Name the scopes: {key_class.name} keys of {new.api} have no default.")
    if set(wanted) != set(key_class.default_scopes):
        _require_granular(new.api, profile, owner)
    return list(profile.catalogue.ordered(wanted))


def _require_granular(api: str, profile: Profile, owner: owners.Owner) -> None:
    """Raises ``plan_feature_missing`` where the owner's plan gives its keys the default scopes and no others (R225)."""
    plan = next((standing.plan for standing in owner.standings if standing.api == api), "")
    if plan in profile.plans and not profile.plans[plan].granular_scopes:
        others = [name for name, found in profile.plans.items() if found.granular_scopes]
        raise ProblemError(
            "plan_feature_missing",
            f"With plan {plan} a key has the default scopes of its class. Plans that let scopes be named: "
            f"{', '.join(others) or 'none'}.",
        )


def _pinned(reader: Reader, new: NewKey, profile: Profile) -> str | None:
    if profile.versioning is None or profile.versioning.missing != "pin":
        if new.pinned is not None:
            raise ProblemError("pin_wrong", f"Keys of {new.api} are pinned to no version: its profile does not say so.")
        return None
    if new.pinned is None:
        return versions.newest(reader, new.api)
    return _served(reader, new.api, new.pinned)


def _served(reader: Reader, api: str, version: str) -> str:
    """The *version*, if a key can be pinned to it. Raises ``version_not_registered``, ``pin_wrong`` (a sunset one)."""
    if versions.require(reader, api, version).stage(reader.now) is Stage.SUNSET:
        raise ProblemError("pin_wrong", f"Version {version} has stopped working.")
    return version


def _origins(new: NewKey, key_class: KeyClass) -> list[str] | None:
    if new.origins is None:
        return None
    if not key_class.origins:
        raise ProblemError("origins_wrong", f"Keys of class {key_class.name} carry no list of origins.")
    if not new.origins or any(_ORIGIN.fullmatch(origin) is None for origin in new.origins):
        raise ProblemError(
            "origins_wrong", "Write origins as browsers send them: https://example.com, lower case, no path."
        )
    return sorted(set(new.origins))


def _addresses(new: NewKey) -> list[str] | None:
    if new.addresses is None:
        return None
    try:
        found = sorted({str(ip_network(address)) for address in new.addresses})
    except ValueError as error:
        raise ProblemError("addresses_wrong", f"{error}.") from error
    if not found:
        raise ProblemError("addresses_wrong", "An empty list would admit nobody; leave it out to admit every address.")
    return found


def _expiry(reader: Reader, new: NewKey, profile: Profile) -> float | None:
    ends_at = latest(reader, profile)
    if new.expires_at is None:
        return ends_at
    if not reader.now < new.expires_at < END_OF_TIME_S:
        raise ProblemError("expiry_wrong", "An expiry lies ahead, before the year 9999.")
    if ends_at is not None and new.expires_at > ends_at:
        raise ProblemError("expiry_wrong", f"A key of this API lives at most {profile.keys.max_lifetime_s} s.")
    return new.expires_at


def latest(reader: Reader, profile: Profile) -> float | None:
    """When a key that is made now must end; None: it need not."""
    return None if profile.keys.max_lifetime_s is None else reader.now + profile.keys.max_lifetime_s
