"""What the fields of a profile must be to one another: looked at once each field has been read by itself.

Every check gets what was read, without what was mistaken, and stays silent where something that it needs is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Any

from limen.core.keys import BODY_CHARS
from limen.core.limits import warnings
from limen.core.profile import Profile
from limen.core.profile_fields import ALL
from limen.core.profile_form import Findings, listed, shown, under
from limen.core.routes import overlap, split_template
from limen.core.versions import well_formed

Read = Mapping[str, Any]
_SAFE = ("GET", "OPTIONS")  # methods that change nothing (RFC 9110 §9.2.1)


def check(read: Read, findings: Findings) -> None:
    """Note every mistake that lies between the fields of *read*, which the table of fields has read."""
    edges = implied(read["scopes"]) if "scopes" in read else None
    if edges is not None:
        _check_scopes(read["scopes"], edges, findings)
    keys = read.get("keys", {})
    if keys.get("max_active_per_owner") == 1 and keys.get("overlap", 0) > 0:
        found = f"an overlap of {keys['overlap']} s with max_active_per_owner: 1"
        findings.note("keys.overlap", found, "0 s, as two keys would be active while they overlap (C1, C17)")
    _check_classes(keys.get("classes", {}), edges, findings)
    _check_foreign(keys.get("foreign", {}), keys.get("classes", {}), findings)
    _check_plans(read.get("plans", {}), keys.get("classes", {}), findings)
    versioning = read.get("versioning") or {}
    _check_carriers(read.get("carriers", {}), versioning, findings)
    _check_versioning(versioning, findings)
    names = read.get("limits", {}).get("headers", {})
    for one, other in combinations(names, 2):
        if names[one].lower() == names[other].lower():
            findings.note(f"limits.headers.{other}", repr(names[other]), f"another header than {one}'s")
    _check_webhooks(read.get("webhooks") or {}, findings)
    operations = read.get("operations", {})
    for index, operation in operations.items():
        _check_operation(operation, f"operations.{index}", edges, findings)
    _check_paths(operations, versioning, findings)


def _check_webhooks(webhooks: Read, findings: Findings) -> None:
    """No two things travel in one header, and whoever receives can tell what was signed."""
    sent = {"signature.header": webhooks.get("signature", {}).get("header")}
    sent |= {f"headers.{name}": header for name, header in webhooks.get("headers", {}).items()}
    said = {path: header for path, header in sent.items() if header}
    for one, other in combinations(said, 2):
        if said[one].lower() == said[other].lower():
            findings.note(f"webhooks.{other}", repr(said[other]), f"another header than {one}'s")
    if "headers" not in webhooks or "signature" not in webhooks:
        return
    if webhooks.get("signed", "").startswith("id.") and not webhooks["headers"].get("id"):
        findings.note("webhooks.headers.id", "nothing", "a header for the id, which is signed")
    if not webhooks["headers"].get("timestamp") and "{timestamp}" not in webhooks["signature"].get(
        "form", "{timestamp}"
    ):
        findings.note("webhooks.headers.timestamp", "nothing", "a header for the timestamp, or {timestamp} in the form")


def odd(profile: Profile) -> list[str]:
    """What is odd about the limits of *profile*, and no mistake, with the place where it stands."""
    sets = {"limits.default": profile.default_limits}
    sets |= {f"plans.{name}.limit": plan.limits for name, plan in profile.plans.items()}
    sets |= {f"keys.classes.{name}.limit": of.limits for name, of in profile.keys.classes.items()}
    sets |= {f"operations.{each.name}.limit": each.limits for each in profile.operations}
    return [f"{path}: {line}" for path, limits in sets.items() for line in warnings(limits)]


def implied(scopes: Read) -> dict[str, tuple[str, ...]]:
    """Each scope, and those that it says it implies directly; ``all`` is every other."""
    edges: dict[str, tuple[str, ...]] = {}
    for name, scope in scopes.items():
        names = scope.get("implies", ())
        edges[name] = tuple(other for other in scopes if other != name) if names == ALL else names
    return edges


def cycles(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Cycles in *edges*, no two with a member in common: none where there is none, at least one where there is one."""
    left = dict(edges)
    found: list[list[str]] = []
    while left:
        ends = [name for name, to in left.items() if not any(other in left for other in to)]
        if ends:
            left = {name: to for name, to in left.items() if name not in ends}
            continue
        walk = [next(iter(left))]  # every one left leads on to another one left, so that a walk must meet itself
        while (onward := next(other for other in left[walk[-1]] if other in left)) not in walk:
            walk.append(onward)
        found.append(walk[walk.index(onward) :])
        left = {name: to for name, to in left.items() if name not in found[-1]}
    return found


def _reach(edges: Mapping[str, Collection[str]], start: str) -> set[str]:
    """*start*, and all that it leads to."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name in edges and name not in reached:
            reached.add(name)
            ahead.extend(edges[name])
    return reached


def _check_known(path: str, names: Iterable[str], known: Collection[str], findings: Findings) -> None:
    for index, name in enumerate(names):
        if name not in known:
            findings.unknown(under(path, index), name, known, "scope")


def _check_scopes(scopes: Read, edges: Mapping[str, Collection[str]], findings: Findings) -> None:
    for name, names in edges.items():
        _check_known(f"scopes.{name}.implies", names, scopes, findings)
    for cycle in cycles(edges):
        way = " → ".join((*cycle, cycle[0]))
        findings.note(f"scopes.{cycle[0]}.implies", f"the cycle {way}", "scopes that do not lead back to this one")


def _check_classes(classes: Read, edges: Mapping[str, Collection[str]] | None, findings: Findings) -> None:
    taken: dict[str, str] = {}
    for name, of in classes.items():
        at = f"keys.classes.{name}"
        prefixes = {where: prefix for where, prefix in of.get("prefixes", {}).items() if prefix is not None}
        if "prefixes" in of and of["prefixes"] == dict.fromkeys(("live", "test")):
            findings.note(f"{at}.prefixes", "no prefix", "a prefix for live, for test, or for both")
        for where, prefix in prefixes.items():
            path = f"{at}.prefixes.{where}"
            first = taken.setdefault(prefix, path)
            if first != path:
                findings.note(path, f"{prefix!r}, which is {first} already", "a prefix of its own")
        if edges is not None:
            _check_grants(of, at, edges, findings)
            if name == "public" and "scopes" in of:
                _check_public(of["scopes"], f"{at}.scopes", edges, findings)


def _check_foreign(foreign: Read, classes: Read, findings: Findings) -> None:
    """A text is one key's: neither one of ours, nor of two systems. And what is not told is not guessed."""
    ours = [
        (prefix, f"keys.classes.{name}.prefixes.{where}")
        for name, of in classes.items()
        for where, prefix in of.get("prefixes", {}).items()
        if prefix is not None
    ]
    shapes = [(prefix, len(prefix) + BODY_CHARS, len(prefix) + BODY_CHARS, place) for prefix, place in ours]
    for index, each in foreign.items():
        at = f"keys.foreign.{index}"
        named, hashed = each.get("secret", ...), each.get("hash")
        if hashed == "hmac-sha256" and named is None:
            findings.note(f"{at}.secret", "nothing", "the name of the secret that the hash was made with")
        elif hashed is not None and hashed != "hmac-sha256" and named not in (None, ...):
            findings.note(f"{at}.secret", repr(named), f"none, as {hashed} has no secret")
        where, key_class = each.get("environment"), each.get("class")
        if key_class is not None and key_class not in classes:
            findings.unknown(f"{at}.class", key_class, classes, "class")
        elif key_class is not None and where and classes[key_class].get("prefixes", {where: ""}).get(where) is None:
            findings.note(f"{at}.environment", repr(where), f"an environment of the class {key_class}")
        if "prefix" not in each or "length" not in each:
            continue
        prefix, (shortest, longest) = each["prefix"] or "", each["length"]
        for other, least, most, place in shapes:
            alike = prefix.startswith(other) or other.startswith(prefix)
            if alike and shortest <= most and least <= longest:
                findings.note(at, f"texts that are those of {place} too", "another prefix, or other lengths")
        shapes.append((prefix, shortest, longest, at))


def _check_plans(plans: Read, classes: Read, findings: Findings) -> None:
    """Where scopes cannot be named, there are some that a key gets."""
    coarse = [name for name, plan in plans.items() if plan.get("granular_scopes") is False]
    for name, of in classes.items():
        if coarse and of.get("default_scopes", ...) == ():
            found = f"no default scopes, with plans.{coarse[0]}.granular_scopes: off"
            findings.note(f"keys.classes.{name}.default_scopes", found, "what a key gets that may name none (R225)")


def _check_grants(of: Read, at: str, edges: Mapping[str, Collection[str]], findings: Findings) -> None:
    """What a class may hold, and what its keys get when none are named."""
    may_hold = edges if of.get("scopes") == ALL else of.get("scopes")
    default = of.get("default_scopes", ())
    if may_hold is not None and may_hold is not edges:
        _check_known(f"{at}.scopes", may_hold, edges, findings)
    _check_known(f"{at}.default_scopes", default, edges, findings)
    for index, name in enumerate(default):
        if may_hold is not None and name in edges and name not in may_hold:
            findings.note(f"{at}.default_scopes.{index}", shown(name), f"what the class may hold: {listed(may_hold)}")


def _check_public(scopes: Any, path: str, edges: Mapping[str, Collection[str]], findings: Findings) -> None:
    """A public key lies open, so that it must not hold what opens everything (C3)."""
    for index, name in enumerate(edges if scopes == ALL else scopes):
        if edges.get(name) and len(_reach(edges, name)) == len(edges):
            place = path if scopes == ALL else under(path, index)
            findings.note(place, f"{name!r}, which implies every scope", "in the class public, scopes that do not")


def _check_carriers(carriers: Read, versioning: Read, findings: Findings) -> None:
    seen: set[tuple[str, str]] = set()
    for index, carrier in carriers.items():
        at = f"carriers.{index}"
        if len(carrier) < 3:  # something in it is mistaken, and has been noted
            continue
        kinds = [kind for kind, value in carrier.items() if value]
        if len(kinds) != 1:
            findings.note(at, " and ".join(kinds) or "no carrier", "one of header: NAME, bearer, query: NAME")
            continue
        kind = kinds[0]
        name = "" if kind == "bearer" else carrier[kind]
        known = (kind, name.lower() if kind == "header" else name)
        if known in seen:
            findings.note(at, f"{kind} {name}".strip() + " again", "each carrier once")
        seen.add(known)
        if kind == "header" and name.lower() == str(versioning.get("header")).lower():
            findings.note(at, f"the header of the version, {name!r}", "a header of its own")


def _check_versioning(versioning: Read, findings: Findings) -> None:
    if "header" in versioning and versioning.get("carrier") == "header" and versioning["header"] is None:
        findings.note("versioning.header", "nothing", "the request header that carries the version")
    if versioning.get("carrier") == "path" and versioning.get("header") is not None:
        found = shown(versioning["header"])
        findings.note("versioning.header", found, "no header, as the version travels in the path")
    if versioning.get("carrier") == "path" and versioning.get("missing") == "pin":
        found = "pin with carrier: path"
        findings.note("versioning.missing", found, "refuse, as a path without a version is another path")
    versions = versioning.get("versions", {})
    form = versioning.get("format")
    active = [name for name, version in versions.items() if version.get("deprecated", 0) is None]
    for name, version in versions.items():
        at = f"versioning.versions.{name}"
        if form is not None and not well_formed(name, form):
            findings.note(at, repr(name), "a real day, as 2026-06-26" if form == "date" else "v and a number, as v1")
        successor = version.get("successor")
        if successor is not None and successor not in versions:
            findings.unknown(f"{at}.successor", successor, versions, "version")
        deprecated, sunset = version.get("deprecated", ...), version.get("sunset")
        if sunset is None or deprecated is ...:
            continue
        if deprecated is None:
            findings.note(f"{at}.sunset", "a sunset without deprecated", "a version that is deprecated first (R57)")
        elif sunset < deprecated:
            findings.note(f"{at}.sunset", "a sunset before deprecated", "the same moment or a later one (RFC 9745 §4)")
        others = [other for other in active if other != name]
        if version.get("successor", ...) is None and others:
            allowed = f"the version to move to (R81): {listed(others)}"
            findings.note(f"{at}.successor", "a sunset without a successor", allowed)
    onward = {name: [version["successor"]] if version.get("successor") else [] for name, version in versions.items()}
    for cycle in cycles(onward):
        way = " → ".join((*cycle, cycle[0]))
        findings.note(f"versioning.versions.{cycle[0]}.successor", f"the cycle {way}", "a version that leads on")


def _check_operation(operation: Read, at: str, edges: Mapping[str, Collection[str]] | None, findings: Findings) -> None:
    method = operation["call"][0] if "call" in operation else None
    scopes, write = operation.get("scopes", ...), operation.get("write", ...)
    if operation.get("public") is True:
        if scopes is not None and scopes is not ... and len(scopes) > 0:
            findings.note(f"{at}.scopes", "scopes of a public operation", "none, as no key is asked for")
        if operation.get("limit") is not None:
            findings.note(f"{at}.limit", "a limit of a public operation", "none, as it would be counted per key")
    elif operation.get("public") is False and scopes is None:
        allowed = "the scopes that are needed, [] where any valid key will do, or public: true"
        findings.note(f"{at}.scopes", "nothing", allowed)
    if edges is not None and isinstance(scopes, tuple):
        _check_known(f"{at}.scopes", scopes, edges, findings)
    if method == "OPTIONS" and operation.get("public") is not True:
        findings.note(f"{at}.public", "an OPTIONS that needs a key", "public: true, as a CORS preflight carries no key")
    if method in _SAFE and write is True:
        findings.note(f"{at}.write", f"write: true of a {method}", "write: false, as this method changes nothing")
    elif method is not None and method not in _SAFE and write is None:
        findings.note(f"{at}.write", "nothing", "say write: true, or write: false for a call that only reads")


def _check_paths(operations: Read, versioning: Read, findings: Findings) -> None:
    """One id and one path, one operation."""
    ids: dict[str, str] = {}
    templates: dict[tuple[str, ...], str] = {}
    alike: dict[tuple[str, int], list[tuple[str, Read]]] = {}
    for index, operation in operations.items():
        at, name = f"operations.{index}", operation.get("id")
        if name is not None and ids.setdefault(name, at) != at:
            findings.note(f"{at}.id", f"{name!r} again", f"an id of its own; {ids[name]} has this one")
        if "call" not in operation:
            continue
        method, path = operation["call"]
        segments = split_template(path)
        if versioning.get("carrier") == "path" and well_formed(segments[0], versioning.get("format", "date")):
            findings.note(f"{at}.call", f"the version in {path!r}", "the path as it stands after the version segment")
        shape = (method, *("{}" if segment[0] == "{" else segment for segment in segments))
        if templates.setdefault(shape, at) != at:
            first = operations[templates[shape].rpartition(".")[2]]
            findings.note(f"{at}.call", f"{method} {path} again", f"a call of its own; {_told(first)} has this one")
        else:
            alike.setdefault((method, len(segments)), []).append((at, operation))
    for group in alike.values():
        _check_group(group, findings)


def _check_group(group: list[tuple[str, Read]], findings: Findings) -> None:
    """Where two templates could be meant, the same answer from both. *group*: of one method and one length."""
    asked = [_access(operation) for _, operation in group]
    for (one, (_, first)), (other, (at, second)) in combinations(zip(asked, group, strict=True), 2):
        if one is None or other is None or one == other:
            continue
        if overlap(first["call"][1], second["call"][1]):
            found = f"{_told(second)} beside {_told(first)}: one path fits both, and they ask for different things"
            findings.note(f"{at}.call", found, "the same scopes, public and write in both, or paths that differ")


def _access(operation: Read) -> tuple[frozenset[str], bool, bool] | None:
    """What an operation asks for; None where that is mistaken."""
    public, scopes, write = (operation.get(name, ...) for name in ("public", "scopes", "write"))
    if ... in (public, scopes, write) or (scopes is None and not public):
        return None
    if write is None and operation["call"][0] not in _SAFE:
        return None
    return frozenset(scopes or ()), bool(public), bool(write)


def _told(operation: Read) -> str:
    method, path = operation["call"]
    return f"{operation.get('id', 'an operation')} ({method} {path})"
