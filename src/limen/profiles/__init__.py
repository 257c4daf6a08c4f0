"""Profiles as files: the shipped ones, and the reader of YAML that keeps the line of every value.

The file is composed, never constructed: no tag makes an object, and a scalar stays the text that it was written as.
Only whole numbers, ``true``, ``false`` and ``null`` become what they are in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limen.core.profile import BUILT_IN, Mistake, Profile, ProfileError
from limen.core.profile_form import under
from limen.core.profile_reader import read_profile

if TYPE_CHECKING:
    from yaml import Node

SHIPPED: Final[tuple[str, ...]] = ("creator", "organisation")
"""The profiles that come with Limen, by the name under which ``load`` finds them."""

MAX_BYTES = 1024 * 1024
MAX_NODES = 50_000
"""Values in a file, each alias counted with all that it stands for."""
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a document may be: its bytes, its values (each alias counted with all that it stands for), its depth."""

    bytes: int = MAX_BYTES
    nodes: int = MAX_NODES
    depth: int = MAX_DEPTH


_PROFILE = Bounds()
_HERE = Path(__file__).parent
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map"})


@dataclass(slots=True)
class Parsed:
    """A file as plain data: what ``read_profile`` reads, the line of every dotted path, and mistakes in the YAML."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    bounds: Bounds = _PROFILE
    nodes: int = 0


def load(source: str | Path) -> Profile:
    """The profile in the file *source*, or the shipped one of that name. Reads one file.

    Raises ProfileError, with every mistake and its line, for a file that cannot be read too; nothing else.
    """
    path = _HERE / f"{source}.yaml" if source in SHIPPED else Path(source)
    name = path.name if source in SHIPPED else str(source)
    try:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            reason = getattr(error, "strerror", None) or "a name that no file can have"
            raise _wrong(reason, f"a file, or one of {', '.join(SHIPPED)}") from error
        parsed = parse(content)
        try:
            profile = read_profile(parsed.data, parsed.lines)
        except ProfileError as error:
            raise ProfileError((*parsed.mistakes, *error.mistakes)) from None
        if parsed.mistakes:
            raise ProfileError(parsed.mistakes)
    except ProfileError as error:
        raise ProfileError(replace(mistake, source=name) for mistake in error.mistakes) from None
    return profile


def built_in() -> Profile:
    """The profile of Limen's own management API. Reads one file."""
    return load(_HERE / f"{BUILT_IN}.yaml")


def parse(content: bytes, bounds: Bounds = _PROFILE) -> Parsed:
    """*content*, one YAML document in UTF-8, as plain data. Of a key that stands twice the first value counts.

    Raises ProfileError where there is no data: no YAML, no UTF-8, more than *bounds*, which are those of a profile.
    Mistakes that leave the rest readable are in the answer.
    """
    import yaml

    if len(content) > bounds.bytes:
        raise _wrong("a larger file", f"at most {bounds.bytes} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _wrong("bytes that are not UTF-8", "UTF-8", content.count(b"\n", 0, error.start) + 1) from None
    try:
        _measure(text, bounds)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except ProfileError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _wrong(f"no YAML ({error.problem})", "one YAML document", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _wrong(f"the character U+{error.character:04X}", "printable characters", line) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes beyond Unicode
        raise _wrong(f"no YAML ({error})", "one YAML document") from None
    parsed = Parsed(bounds=bounds)
    if root is not None:
        parsed.lines[""] = root.start_mark.line + 1
        parsed.data = _plain(root, "", parsed, 1)
    return parsed


def _wrong(found: str, allowed: str, line: int | None = None) -> ProfileError:
    return ProfileError([Mistake("", line, found, allowed)])


def _measure(text: str, bounds: Bounds) -> None:
    """Refuse what is too deep or too much before it is composed, which is done by recursion."""
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > bounds.depth:
            raise _wrong("deeper nesting", f"at most {bounds.depth} levels", line)
        if count > 2 * bounds.nodes + 4:  # a collection has two events; the stream and the document have four
            raise _wrong("more values", f"at most {bounds.nodes} values", line)


def _plain(node: Node, path: str, parsed: Parsed, depth: int) -> Any:
    """What *node* says. Its aliases are followed here, so that depth and number are bounded once more."""
    import yaml

    line = node.start_mark.line + 1
    parsed.nodes += 1
    bounds = parsed.bounds
    if parsed.nodes > bounds.nodes:
        raise _wrong("more values, counting what aliases stand for", f"at most {bounds.nodes} values", line)
    if depth > bounds.depth:
        raise _wrong("deeper nesting, following aliases", f"at most {bounds.depth} levels", line)
    if node.tag.removeprefix(_TAG) not in _TAGS:
        parsed.mistakes.append(Mistake(path, line, f"the tag {node.tag!r}", "no tags"))
    if isinstance(node, yaml.MappingNode):
        return {
            name: _plain(value, under(path, name), parsed, depth + 1) for name, value in _entries(node, path, parsed)
        }
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            place = under(path, index)
            parsed.lines.setdefault(place, item.start_mark.line + 1)
            items.append(_plain(item, place, parsed, depth + 1))
        return items
    return _scalar(node)


def _entries(node: Node, path: str, parsed: Parsed) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping whose key is text that no earlier key was. Their lines are those of the keys."""
    import yaml

    first: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            parsed.mistakes.append(Mistake(path, line, "a key that is a list or a mapping", "keys that are text"))
        elif key.value in first:
            found = f"the key {key.value!r} again, first on line {first[key.value]}"
            parsed.mistakes.append(Mistake(under(path, key.value), line, found, "each key once"))
        else:
            first[key.value] = line
            parsed.lines.setdefault(under(path, key.value), line)
            yield key.value, value


def _scalar(node: Node) -> str | int | bool | None:
    text = str(node.value)
    if node.tag == _TAG + "null":
        return None
    if node.tag == _TAG + "bool" and text in ("true", "false"):
        return text == "true"
    return int(text) if node.tag == _TAG + "int" and _WHOLE.fullmatch(text) else text
