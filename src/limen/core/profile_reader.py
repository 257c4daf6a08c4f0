"""Plain data to a ``Profile``, or to every mistake in it: the fields, what they are to one another, then the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limen.core.limits import named
from limen.core.profile import (
    Carrier,
    Errors,
    ForeignKeys,
    KeyClass,
    KeyPolicy,
    Mistake,
    Plan,
    Profile,
    ProfileError,
    RateHeaders,
    Retention,
    Versioning,
)
from limen.core.profile_alerts import read_alerts
from limen.core.profile_checks import Read, check, implied
from limen.core.profile_fields import ALL, PROFILE
from limen.core.profile_form import Findings
from limen.core.profile_hooks import dialect
from limen.core.routes import Operation
from limen.core.scopes import Catalogue, Scope
from limen.core.versions import Version

__all__ = ["Mistake", "ProfileError", "read_profile"]


def read_profile(data: Mapping[str, Any], lines: Mapping[str, int] | None = None) -> Profile:
    """The profile that *data* states: text, whole numbers, true, false, null, lists and mappings, as JSON has them.

    *lines* gives the line of each dotted path. Raises ProfileError with every mistake, and nothing else, whatever
    *data* is. ``Profile.document`` is a copy of *data* in plain dicts and lists, from which the same profile is read.
    """
    findings = Findings(lines or {})
    read = PROFILE.take(data, "", findings)
    check(read, findings)
    if findings.mistakes:
        raise ProfileError(findings.mistakes)
    return _build(read, _plain(data))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(content) for name, content in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _build(read: Read, document: Mapping[str, Any]) -> Profile:
    """The values of a profile without mistakes."""
    edges = implied(read["scopes"])
    catalogue = Catalogue(
        {
            name: Scope(name, scope["description"], frozenset(edges[name]), scope["extension"])
            for name, scope in read["scopes"].items()
        }
    )
    owner_type, limits, errors = read["owners"]["type"], read["limits"], read["errors"]
    return Profile(
        name=read["profile"],
        title=read["title"],
        support=read["support"],
        documentation=read["documentation"] or "",
        words={"key": read["words"]["key"], "owner": read["words"]["owner"] or owner_type},
        owner_type=owner_type,
        allowlist=read["owners"]["allowlist"],
        carriers=tuple(_carrier(carrier) for carrier in read["carriers"].values()),
        keys=_keys(read["keys"], catalogue),
        catalogue=catalogue,
        versioning=_versioning(read["versioning"]) if read["versioning"] is not None else None,
        count_per=limits["per"],
        default_limits=limits["default"],
        in_flight=limits["in_flight"] or 0,
        alerts=read_alerts(read["alerts"]),
        retention=Retention(**{f"{name}_s": span for name, span in read["usage"].items()}),
        rate_headers=RateHeaders(**limits["headers"]),
        plans={
            name: Plan(name, plan["title"], plan["limit"], plan["granular_scopes"])
            for name, plan in read["plans"].items()
        },
        operations=tuple(_operation(operation) for operation in read["operations"].values()),
        errors=Errors(errors["style"], document.get("errors", {}).get("compat", {})),
        document=document,
        webhooks=dialect(read["webhooks"]),
    )


def _carrier(carrier: Read) -> Carrier:
    kind = next(kind for kind, value in carrier.items() if value)
    return Carrier(kind) if kind == "bearer" else Carrier(kind, carrier[kind])


def _keys(keys: Read, catalogue: Catalogue) -> KeyPolicy:
    return KeyPolicy(
        max_active_per_owner=keys["max_active_per_owner"],
        on_overflow=keys["on_overflow"],
        issuance=keys["issuance"],
        overlap_s=keys["overlap"],
        max_lifetime_s=keys["max_lifetime"],
        classes={name: _key_class(name, of, catalogue) for name, of in keys["classes"].items()},
        on_leak=keys["on_leak"],
        foreign=tuple(_foreign(each) for each in keys["foreign"].values()),
    )


def _key_class(name: str, of: Read, catalogue: Catalogue) -> KeyClass:
    return KeyClass(
        name=name,
        prefixes={where: prefix for where, prefix in of["prefixes"].items() if prefix is not None},
        scopes=tuple(catalogue.scopes) if of["scopes"] == ALL else catalogue.ordered(of["scopes"]),
        default_scopes=catalogue.ordered(of["default_scopes"]),
        origins=of["origins"],
        limits=named(of["limit"] or (), f"class:{name}"),
    )


def _foreign(foreign: Read) -> ForeignKeys:
    shortest, longest = foreign["length"]
    return ForeignKeys(
        prefix=foreign["prefix"] or "",
        shortest=shortest,
        longest=longest,
        hash=foreign["hash"],
        secret=foreign["secret"] or "",
        key_class=foreign["class"],
        environment=foreign["environment"],
    )


def _versioning(versioning: Read) -> Versioning:
    return Versioning(
        carrier=versioning["carrier"],
        header=versioning["header"] or "",
        form=versioning["format"],
        deprecation=versioning["deprecation"],
        next_header=versioning["next_header"],
        versions=tuple(
            Version(name, version["deprecated"], version["sunset"], version["successor"])
            for name, version in versioning["versions"].items()
        ),
        missing=versioning["missing"],
    )


def _operation(operation: Read) -> Operation:
    method, path = operation["call"]
    return Operation(
        name=operation["id"],
        method=method,
        path=path,
        scopes=frozenset(operation["scopes"] or ()),
        public=operation["public"],
        write=operation["write"] or False,
        limits=named(operation["limit"] or (), f"operation:{operation['id']}"),
        tag=operation["id"].encode(),
    )
