"""The operations of a profile's file, written anew: line by line, so that everything else in it stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from limen.core.limits import write_limits
from limen.core.openapi import shape
from limen.core.profile import ProfileError
from limen.core.profile_fields import OPERATION
from limen.core.profile_form import Findings
from limen.profiles import parse

if TYPE_CHECKING:
    from yaml import Node

SECTION: Final = "operations"
_PLAIN = re.compile(r"[0-9A-Za-z/][0-9A-Za-z_/ .~:-]*[0-9A-Za-z_/.~-]|[0-9A-Za-z]")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True, slots=True)
class _Item:
    """An item that stands in the file: the comments before it, its own lines, and what it says."""

    lead: str
    text: str
    said: Mapping[str, Any]


def section(items: Iterable[Mapping[str, Any]]) -> str:
    """*items* as the section of a file: a line each, each line ended."""
    return f"{SECTION}:\n" + "".join(f"  - {_line(item)}\n" for item in items)


def with_operations(text: str, items: Sequence[Mapping[str, Any]]) -> str:
    """*text*, a profile's file, with *items* as its operations; every line outside of the section is as it was.

    Items that say the same as before keep their lines, comments and order. A limit that an item says nothing of stays.
    Raises ProfileError where *text* is no YAML, and ValueError, saying what is allowed, where its section does not
    stand on lines of its own.
    """
    import yaml

    before = parse(text.encode()).data
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style or not isinstance(before, dict):
        raise ValueError("a profile's file is one field a line")
    names = [key.value for key, _ in root.value]
    ends = [*(key.start_mark.index for key, _ in root.value[1:]), root.end_mark.index]
    newline = "\r\n" if "\r\n" in text else "\n"
    if SECTION not in names:
        kept = text if not text or text.endswith("\n") else text + newline
        written = kept + newline + section(items).replace("\n", newline)
        return _same_but(before, items, written)
    index = names.index(SECTION)
    key, value = root.value[index]
    start, end = key.start_mark.index, _content_end(text, key.start_mark.index, ends[index])
    first = _line_end(text, start)
    old = _items(text, value, first, end)
    written, kept_items = _merged(old, items, "  " if not old else _indent(old[0].text))
    # A comment on the section's own line stays where nothing of the list stands on that line.
    head = text[start:first] if value.start_mark.index >= first else f"{SECTION}:{newline}"
    return _same_but(before, kept_items, text[:start] + head + written.replace("\n", newline) + text[end:])


def _same_but(before: Mapping[str, Any], items: Sequence[Mapping[str, Any]], text: str) -> str:
    """*text*, where it says what was *before*, with *items*; what cannot be written by lines is not written."""
    try:
        same = parse(text.encode()).data == {**before, SECTION: [dict(item) for item in items]}
    except ProfileError:
        same = False
    if not same:
        raise ValueError("its operations are used elsewhere in the file, or share lines with something else")
    return text


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _merged(
    old: Sequence[_Item], items: Sequence[Mapping[str, Any]], indent: str
) -> tuple[str, list[Mapping[str, Any]]]:
    """The section's lines, and what they say: what was there in its order, what is new behind what it follows."""
    there = {_call(item.said): item for item in old}
    wanted = {_call(item): item for item in items}
    order = [call for call in there if call in wanted]
    known = list(wanted)
    for at, call in enumerate(known):
        if call not in there:
            order.insert(order.index(known[at - 1]) + 1 if at else 0, call)
    lines, said = [], []
    for call in order:
        item, held = dict(wanted[call]), there.get(call)
        if held is not None and "limit" in held.said and not item.get("public"):
            item.setdefault("limit", held.said["limit"])
        if held is not None and _read(item) == _read(held.said):
            lines.append(held.lead + held.text)
            said.append(held.said)
        else:
            lines.append((held.lead if held is not None else "") + f"{indent}- {_line(item)}\n")
            said.append(item)
    return "".join(lines), said


def _items(text: str, value: Node, start: int, end: int) -> list[_Item]:
    """The items whose lines stand from *start* to *end*; none where they are written in another way."""
    import yaml

    if not isinstance(value, yaml.SequenceNode) or value.flow_style or not value.value:
        return []
    plain = parse(text.encode()).data[SECTION]
    begins = [_line_start(text, node.start_mark.index) for node in value.value]
    if begins[0] < start or any(not text[at:].lstrip(" ").startswith("- ") for at in begins):
        return []
    found, before = [], start
    for at, following, said in zip(begins, [*begins[1:], end], plain, strict=True):
        stop = _content_end(text, at, following)
        if isinstance(said, dict):
            item = text[at:stop].replace("\r\n", "\n")
            found.append(_Item(text[before:at].replace("\r\n", "\n"), item, said))
        before = stop
    return found


def _call(item: Mapping[str, Any]) -> tuple[str, ...]:
    method, _, path = str(item.get("call")).partition(" ")
    return shape(method, path)


def _read(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What *item* says, however it is written; None where it says it wrongly."""
    findings = Findings({})
    read = OPERATION.take(item, "", findings)
    if findings.mistakes:
        return None
    limits = write_limits(read["limit"] or ())
    return {**read, "write": read["write"] or False, "scopes": frozenset(read["scopes"] or ()), "limit": limits}


def _line(item: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_value(value)}" for name, value in item.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and ": " not in text and text.lower() not in _WORDS
    return text if plain else f'"{text}"'


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _content_end(text: str, start: int, end: int) -> int:
    """Where the last line between *start* and *end* ends that is neither empty nor a comment."""
    at, last = start, start
    while at < end:
        following = _line_end(text, at)
        line = text[at:following].strip()
        at = following
        if line and not line.startswith("#"):
            last = at
    return min(last, end) if last > start else _line_end(text, start)
