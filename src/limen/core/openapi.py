"""An OpenAPI document as the operations of a profile: what it asks of a key is read, or a problem, and never guessed.

``security`` says the scopes. Three extensions of an operation say what OpenAPI cannot: ``x-limen-scopes`` (in place of
those in ``security``; ``[]`` for any valid key), ``x-limen-write`` and ``x-limen-limit``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from limen.core.limits import read_limits, write_limits
from limen.core.profile_fields import OPERATION_ID
from limen.core.profile_form import listed, shown
from limen.core.routes import METHODS, Operation, split_template
from limen.core.scopes import SCOPE
from limen.core.versions import well_formed

EXTENSIONS = ("x-limen-scopes", "x-limen-write", "x-limen-limit")
"""What an operation may say beside OpenAPI."""

_READS = ("GET", "OPTIONS")
_BESIDE = ("$ref", "summary", "description", "servers", "parameters")  # of a path, and no operation
_REFERENCE = "#/components/pathItems/"
_SECURITY = (
    "security with one requirement of one scheme and the scopes that are needed, as [{ApiKey: [read:things]}];"
    " [] where no key is asked for"
)
_SCOPES = "a list of scopes, each verb:resource or one word"


@dataclass(frozen=True, slots=True)
class Described:
    """An operation, as a document describes it. *limit* is empty where the document names none."""

    name: str
    method: str
    path: str
    """As a profile has it: without the segment of a version."""
    scopes: tuple[str, ...]
    public: bool
    write: bool
    limit: str
    pointer: str
    """Where it stands in the document (RFC 6901)."""

    def item(self) -> dict[str, Any]:
        """The item of a profile's ``operations`` that says the same."""
        said: dict[str, Any] = {"id": self.name, "call": f"{self.method} {self.path}"}
        said |= {"public": True} if self.public else {"scopes": list(self.scopes)}
        if self.method not in _READS:
            said["write"] = self.write
        return said | ({"limit": self.limit} if self.limit else {})


@dataclass(frozen=True, slots=True)
class Unsaid:
    """One thing in a document that cannot become part of a profile: where, what was found and what is allowed."""

    pointer: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """``/paths/~1users/get/security: found nothing, allowed: …``, on one line, all printable."""
        text = f"{self.pointer or '/'}: found {self.found}, allowed: {self.allowed}"
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(slots=True)
class Reading:
    """What was read of a document. Where there is a problem, *operations* is not all of it."""

    operations: list[Described] = field(default_factory=list)
    problems: list[Unsaid] = field(default_factory=list)

    def note(self, pointer: str, found: str, allowed: str) -> None:
        """Keep a problem."""
        self.problems.append(Unsaid(pointer, found, allowed))


@dataclass(frozen=True, slots=True)
class _Around:
    """What holds for every operation of a document."""

    document: Mapping[str, Any]
    schemes: Mapping[str, Any]
    catalogue: Collection[str] | None
    version_form: str | None


def read_openapi(
    document: Any, *, catalogue: Collection[str] | None = None, version_form: str | None = None
) -> Reading:
    """The operations that *document*, an OpenAPI document of 3.1 as plain data, describes, in its order.

    *catalogue*: the scopes that there are; None: any. *version_form*: ``segment`` or ``date`` where the version is the
    first segment of a path, which is left out then; an operation of two versions that asks the same is one. Never
    raises, whatever *document* is.
    """
    reading = Reading()
    if not isinstance(document, Mapping) or not str(document.get("openapi", "")).startswith(("3.0.", "3.1.")):
        found = shown(document.get("openapi")) if isinstance(document, Mapping) else shown(document)
        reading.note("/openapi", found, "an OpenAPI document of 3.1 (or 3.0)")
        return reading
    paths = document.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        reading.note("/paths", "no path" if paths == {} else shown(paths), "a mapping of at least one path")
        return reading
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    around = _Around(document, schemes if isinstance(schemes, Mapping) else {}, catalogue, version_form)
    found_all: list[tuple[str, Described]] = []
    for path, item in paths.items():
        if not str(path).startswith("x-"):
            found_all += _path(str(path), item, around, reading)
    reading.operations = _once(found_all, reading)
    return reading


def _path(path: str, item: Any, around: _Around, reading: Reading) -> Iterator[tuple[str, Described]]:
    """The operations of one path, each with the path as the document has it."""
    pointer = f"/paths/{_escaped(path)}"
    own = _resolved(item, pointer, around, reading)
    if own is None:
        return
    try:
        call = _without_version(split_template(path), around.version_form)
    except ValueError as error:
        reading.note(pointer, str(error), "segments that are literal (letters, digits, _ . ~ -) or {name}")
        return
    for word, operation in own.items():
        method = str(word).upper()
        at = f"{pointer}/{_escaped(str(word))}"
        if word in _BESIDE or str(word).startswith("x-"):
            continue
        if str(word) != method.lower() or method not in (*METHODS, "HEAD"):
            reading.note(at, f"the method {shown(word)}", f"{', '.join(METHODS).lower()}; head beside get")
        elif not isinstance(operation, Mapping):
            reading.note(at, shown(operation), "an operation")
        elif method == "HEAD":
            _head(operation, own.get("get"), at, around, reading)
        else:
            described = _operation(method, call, operation, at, (around, reading))
            if described is not None:
                yield path, described


def _resolved(item: Any, pointer: str, around: _Around, reading: Reading) -> Mapping[str, Any] | None:
    """The path's operations, also where they stand under ``components``; None, and a problem, where there are none."""
    allowed = f"operations, or a $ref to {_REFERENCE}NAME"
    if isinstance(item, Mapping) and "$ref" in item:
        name = str(item["$ref"]).removeprefix(_REFERENCE).replace("~1", "/").replace("~0", "~")
        components = around.document.get("components")
        kept = components.get("pathItems") if isinstance(components, Mapping) else None
        target = kept.get(name) if isinstance(kept, Mapping) else None
        if not isinstance(target, Mapping) or "$ref" in target:
            reading.note(f"{pointer}/$ref", shown(item["$ref"]), allowed)
            return None
        return {**target, **{word: of for word, of in item.items() if word != "$ref"}}
    if not isinstance(item, Mapping):
        reading.note(pointer, shown(item), allowed)
        return None
    return item


def _without_version(segments: list[str], form: str | None) -> str:
    """The path as it stands after the segment of its version, if it has one."""
    if form is not None and len(segments) > 1 and (segments[0] == "{version}" or well_formed(segments[0], form)):
        del segments[0]
    return "/" + "/".join(segments)


def _operation(
    method: str, path: str, said: Mapping[str, Any], at: str, where: tuple[_Around, Reading]
) -> Described | None:
    """What one operation says; None, and a problem, where a part of it cannot be read."""
    around, reading = where
    before = len(reading.problems)
    for word in said:
        if str(word).startswith("x-limen-") and word not in EXTENSIONS:
            reading.note(f"{at}/{_escaped(str(word))}", "an unknown extension", listed(EXTENSIONS))
    name = said.get("operationId")
    try:
        OPERATION_ID.read(name)
    except ValueError:
        reading.note(f"{at}/operationId", shown(name), OPERATION_ID.allowed)
    scopes = _access(said, at, around, reading)
    write, limit = _write(method, said, at, reading), _limit(said, at, reading)
    for scope in scopes[0] if scopes is not None and around.catalogue is not None else ():
        if scope not in (around.catalogue or ()):
            allowed = f"one of the profile's: {listed(around.catalogue or ())}"
            reading.note(f"{at}/security", f"the scope {shown(scope)}", allowed)
    if len(reading.problems) > before or scopes is None:
        return None
    return Described(str(name), method, path, scopes[0], scopes[1], write, limit, at)


def _access(said: Mapping[str, Any], at: str, around: _Around, reading: Reading) -> tuple[tuple[str, ...], bool] | None:
    """The scopes that are needed, and whether no key is asked for; None, and a problem, where it is not said."""
    extra = said.get("x-limen-scopes")
    if extra is not None and not _scopes(extra):
        reading.note(f"{at}/x-limen-scopes", shown(extra), _SCOPES)
        return None
    own = "security" in said
    security = said.get("security") if own else around.document.get("security")
    at = f"{at}/security" if own or security is None else "/security"
    if security == [] and own and extra is None:
        return (), True
    if not isinstance(security, list) or not security:
        found = "nothing" if security is None else shown(security) if security != [] else "[]"
        reading.note(at, found, _SECURITY)
        return None
    asked = [_requirement(each, f"{at}/{index}", around, reading) for index, each in enumerate(security)]
    if any(scopes is None for scopes in asked):
        return None
    if extra is not None:
        return _in_order(extra), False
    if len({frozenset(scopes or ()) for scopes in asked}) > 1:
        reading.note(at, "alternatives that need different scopes", "the same scopes in each, or x-limen-scopes")
        return None
    if not asked[0]:
        reading.note(f"{at}/0", "no scope", "at least one; x-limen-scopes: [] where any valid key will do")
        return None
    return asked[0], False


def _requirement(each: Any, at: str, around: _Around, reading: Reading) -> tuple[str, ...] | None:
    """The scopes of one requirement; None, and a problem, where it is none that a profile can say."""
    if not isinstance(each, Mapping) or len(each) != 1:
        found = f"{len(each)} schemes at once" if isinstance(each, Mapping) else shown(each)
        reading.note(at, found, "one scheme: a request carries one credential; security: [] where it carries none")
        return None
    ((scheme, scopes),) = each.items()
    if scheme not in around.schemes:
        reading.note(at, f"the scheme {shown(scheme)}", f"of components.securitySchemes: {listed(around.schemes)}")
        return None
    if not _scopes(scopes):
        reading.note(f"{at}/{_escaped(str(scheme))}", shown(scopes), _SCOPES)
        return None
    return _in_order(scopes)


def _scopes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(scope, str) and SCOPE.fullmatch(scope) for scope in value)


def _in_order(scopes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scopes))


def _write(method: str, said: Mapping[str, Any], at: str, reading: Reading) -> bool:
    """Whether the operation changes data: by its method, unless it says that it does not."""
    extra = said.get("x-limen-write")
    if extra is None:
        return method not in _READS
    if not isinstance(extra, bool) or (extra and method in _READS):
        reading.note(f"{at}/x-limen-write", shown(extra), "false" if method in _READS else "true, false")
    return extra is True


def _limit(said: Mapping[str, Any], at: str, reading: Reading) -> str:
    extra = said.get("x-limen-limit")
    if extra is None:
        return ""
    try:
        read_limits(str(extra), "operation")
    except ValueError as error:
        reading.note(f"{at}/x-limen-limit", shown(extra), f"limits, as '100 per 60 s' ({error})")
    return str(extra)


def _head(said: Mapping[str, Any], get: Any, at: str, around: _Around, reading: Reading) -> None:
    """A HEAD is decided as its GET is: it needs one, of the same scopes."""
    if not isinstance(get, Mapping):
        reading.note(at, "HEAD without GET", "GET, which answers HEAD too")
        return
    quiet = Reading()
    if _access(said, at, around, reading) != _access(get, at, around, quiet) and not quiet.problems:
        reading.note(f"{at}/security", "another requirement than that of GET", "the same: HEAD is decided as GET is")


def _escaped(name: str) -> str:
    """*name* as a part of a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _once(found: list[tuple[str, Described]], reading: Reading) -> list[Described]:
    """Each operation once: a call of two versions that asks the same in both is one. Ids stand once."""
    kept: dict[tuple[str, ...], tuple[str, Described]] = {}
    names: dict[str, str] = {}
    for path, operation in found:
        first = names.setdefault(operation.name, operation.pointer)
        if first != operation.pointer:
            reading.note(f"{operation.pointer}/operationId", f"{operation.name!r} again", f"an id that {first} has not")
        known = kept.setdefault(shape(operation.method, operation.path), (path, operation))
        if known[1] is operation:
            continue
        if known[0].partition("/")[2].partition("/")[0] == path.partition("/")[2].partition("/")[0]:
            reading.note(operation.pointer, f"the call of {known[1].pointer} again", "each path once")
        elif _asks(known[1]) != _asks(operation):
            allowed = f"the same scopes, write and limit as {known[1].pointer}, which is another version of it"
            reading.note(operation.pointer, "an operation that asks for something else in this version", allowed)
    return [operation for _, operation in kept.values()]


def _asks(operation: Described) -> tuple[object, ...]:
    return frozenset(operation.scopes), operation.public, operation.write, operation.limit


def shape(method: str, path: str) -> tuple[str, ...]:
    """What two calls have in common that differ in the names of their parameters alone."""
    return (method, *("{}" if segment[:1] == "{" else segment for segment in path.strip("/").split("/")))


def differing(described: Iterable[Described], operations: Iterable[Operation]) -> list[str]:
    """In what *described* differs from the *operations* of a profile, a line each; empty where it does not.

    The order and the names of parameters make no difference, nor does a limit that the document says nothing of.
    """
    there = {shape(each.method, each.path): each for each in described}
    held = {shape(each.method, each.path): each for each in operations}
    lines = []
    for call, found in there.items():
        own = held.get(call)
        if own is None:
            lines.append(f"{found.method} {found.path} ({found.name}): in the document, and not in the profile")
        else:
            lines += [f"{own.method} {own.path} ({own.name}): {line}" for line in _apart(found, own)]
    for call, own in held.items():
        if call not in there:
            lines.append(f"{own.method} {own.path} ({own.name}): in the profile, and not in the document")
    return lines


def _apart(found: Described, own: Operation) -> Iterator[str]:
    """In what one operation differs."""
    if found.name != own.name:
        yield f"the document calls it {found.name}"
    if found.public != own.public:
        yield "public in the document, and not in the profile" if found.public else "public in the profile alone"
    elif frozenset(found.scopes) != own.scopes:
        has, asks = (", ".join(sorted(scopes)) or "none" for scopes in (own.scopes, found.scopes))
        yield f"scopes {has} in the profile, {asks} in the document"
    if found.write != own.write:
        yield f"a write in the {'document' if found.write else 'profile'} alone"
    if found.limit and write_limits(own.limits) != write_limits(read_limits(found.limit, "operation")):
        yield f"limit {write_limits(own.limits) or 'none'} in the profile, {found.limit} in the document"
