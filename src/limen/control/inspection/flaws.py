"""What is wrong with a text that is no key: said precisely, and without repeating any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limen.core.keys import ALPHABET, BODY_CHARS, CHECK_CHARS, checksum
from limen.core.profile import Profile

_AROUND = " \t\r\n\"'`<>,;"
_SCHEMES = ("bearer ", "basic ", "apikey ", "token ")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, as programs and as people read it."""

    flaw: str
    said: str


def flaw_of(text: str, near: str, profiles: Mapping[str, Profile]) -> Flaw:
    """What is wrong with *text*, which is no key of any API. *near*: the hint of the key that it names, if any."""
    if not text.strip():
        return Flaw("empty", "Nothing was given.")
    if text != text.strip(_AROUND) or text.lower().startswith(_SCHEMES):
        return Flaw("surrounded", "There are spaces, quotes or a scheme around it: give the key alone.")
    prefixes = {prefix: api for api, profile in profiles.items() for prefix in _prefixes(profile)}
    prefix = max((each for each in prefixes if text.startswith(each)), key=len, default="")
    if not prefix:
        if _is_foreign(text, profiles.values()):
            return Flaw("unknown_key", "It has the form of keys that came from another system, and is none of them.")
        return Flaw("unknown_prefix", f"It begins with no prefix that keys have here: {', '.join(sorted(prefixes))}.")
    body = text[len(prefix) :]
    kind = f"a key of {prefixes[prefix]}"
    if len(body) != BODY_CHARS:
        found = "cut off" if len(body) < BODY_CHARS else "too long"
        return Flaw(
            "wrong_length", f"It is {found}: {len(body)} characters follow {prefix}, {BODY_CHARS} do in {kind}."
        )
    if wrong := [place for place, char in enumerate(body, len(prefix) + 1) if char not in ALPHABET]:
        return Flaw("wrong_alphabet", f"Character {wrong[0]} is neither a letter nor a digit; in {kind} all are.")
    if text[-CHECK_CHARS:].encode() != checksum(text[:-CHECK_CHARS].encode()):
        return Flaw("wrong_checksum", "Its checksum is wrong: a character was mistyped, or some changed places.")
    if near:
        return Flaw("wrong_secret", f"Its id is that of {near}, its secret is not: it was made up, or is not ours.")
    return Flaw("unknown_id", f"It has the form of {kind}, and there has never been one of this id.")


def _prefixes(profile: Profile) -> Iterable[str]:
    return (prefix for each in profile.keys.classes.values() for prefix in each.prefixes.values())


def _is_foreign(text: str, profiles: Iterable[Profile]) -> bool:
    size = len(text.encode("utf-8", "surrogatepass"))
    patterns = (pattern for profile in profiles for pattern in profile.keys.foreign)
    return any(each.shortest <= size <= each.longest and text.startswith(each.prefix) for each in patterns)
