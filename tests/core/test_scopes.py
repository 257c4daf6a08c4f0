"""Scopes: what a grant carries with it, and when it covers a need."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.scopes import SCOPE, Catalogue, Scope, covers

Implied = dict[str, set[str]]


@st.composite
def implications(draw: st.DrawFn) -> Implied:
    """Scopes in any order, each implying some of those after it in another order: never a cycle."""
    names = [f"read:thing{number}" for number in range(draw(st.integers(1, 8)))]
    implied: Implied = {names[-1]: set()}
    for at, name in enumerate(names[:-1], 1):
        implied[name] = draw(st.sets(st.sampled_from(names[at:])))
    return {name: implied[name] for name in draw(st.permutations(names))}


def _catalogue(implied: Mapping[str, set[str]]) -> Catalogue:
    return Catalogue({name: Scope(name, f"May {name}", frozenset(below)) for name, below in implied.items()})


def _reached(implied: Implied, granted: set[str]) -> set[str]:
    """Written apart from the code under test: follow implications until nothing is new."""
    found = granted & implied.keys()
    while new := {below for name in found for below in implied[name]} - found:
        found |= new
    return found


@st.composite
def catalogues_and_grants(draw: st.DrawFn, grants: int) -> tuple[Implied, list[set[str]]]:
    """A catalogue and sets of names, of which some are not in it."""
    implied = draw(implications())
    names = st.sets(st.sampled_from([*sorted(implied), "read:gone", "admin"]))
    return implied, [draw(names) for _ in range(grants)]


@pytest.mark.req("R12")
@given(catalogues_and_grants(1))
def test_a_grant_carries_all_that_it_implies_at_any_distance(case: tuple[Implied, list[set[str]]]) -> None:
    implied, (granted,) = case
    assert _catalogue(implied).expand(granted) == _reached(implied, granted)


@given(catalogues_and_grants(2))
def test_expanding_is_extensive_idempotent_and_monotone(case: tuple[Implied, list[set[str]]]) -> None:
    implied, (one, other) = case
    expand = _catalogue(implied).expand
    assert one & implied.keys() <= expand(one)
    assert expand(expand(one)) == expand(one)
    assert expand(one) | expand(other) == expand(one | other)
    assert expand(one & other) <= expand(one)


@pytest.mark.req("R51")
@pytest.mark.check("C013")
@given(catalogues_and_grants(3))
def test_covering_is_a_partial_order_on_expanded_grants(case: tuple[Implied, list[set[str]]]) -> None:
    implied, grants = case
    a, b, c = (_catalogue(implied).expand(granted) for granted in grants)
    assert covers(a, a)
    assert (covers(a, b) and covers(b, a)) == (a == b)
    assert [covers(a | b | c, a | b), covers(a | b, a), covers(a | b | c, a)] == [True] * 3, (
        "a chain that always is one"
    )
    if covers(a, b) and covers(b, c):
        assert covers(a, c)


@pytest.mark.req("R51")
@given(catalogues_and_grants(2))
def test_the_whole_need_must_be_held(case: tuple[Implied, list[set[str]]]) -> None:
    implied, (held, needed) = case
    catalogue = _catalogue(implied)
    needed &= implied.keys()
    expected = needed <= _reached(implied, held)
    assert covers(catalogue.expand(held), frozenset(needed)) is expected
    assert covers(catalogue.expand(held), catalogue.expand(needed)) is expected, "expanding a need asks for no more"


@pytest.mark.req("R51")
@pytest.mark.check("C013")
def test_half_of_a_need_and_nothing_at_all_are_not_enough() -> None:
    needed = frozenset({"read:chat", "write:chat"})
    assert covers(frozenset({"read:chat", "write:chat", "read:self"}), needed)
    assert not covers(frozenset({"read:chat"}), needed)
    assert not covers(frozenset(), needed)
    assert covers(frozenset(), frozenset())


@pytest.mark.check("C013")
@given(implications(), st.sets(st.text(max_size=12)))
def test_a_scope_that_is_not_in_the_catalogue_grants_nothing(implied: Implied, names: set[str]) -> None:
    assert _catalogue(implied).expand(names - implied.keys()) == frozenset()


@pytest.mark.check("C013")
def test_only_a_scope_that_says_so_implies_others() -> None:
    catalogue = _catalogue(
        {"admin": {"write:chat"}, "write:chat": {"read:chat"}, "read:chat": set(), "read:self": set()}
    )
    assert catalogue.expand({"admin"}) == {"admin", "write:chat", "read:chat"}
    assert catalogue.expand({"write:chat"}) == {"write:chat", "read:chat"}
    assert catalogue.expand({"read:chat"}) == {"read:chat"}
    assert catalogue.expand([]) == frozenset()


@pytest.mark.parametrize(
    ("implied", "path"),
    [
        ({"a": {"a"}}, "a → a"),
        ({"a": {"b"}, "b": {"a"}}, "a → b → a"),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, "a → b → c → b"),
        ({"z": set(), "a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"a"}}, "a → b → c → d → a"),
    ],
)
def test_a_scope_that_implies_itself_is_refused_with_the_way_round(implied: Implied, path: str) -> None:
    with pytest.raises(ValueError, match="implies itself") as refusal:
        _catalogue(implied)
    assert path in str(refusal.value)


@given(implications(), st.data())
def test_any_cycle_anywhere_is_refused(implied: Implied, data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(sorted(implied)))
    below = data.draw(st.sampled_from(sorted(_reached(implied, {end}))))
    implied[below].add(end)
    with pytest.raises(ValueError, match="implies itself"):
        _catalogue(implied)


def test_a_scope_that_implies_an_unknown_one_is_refused_with_both_names() -> None:
    with pytest.raises(ValueError, match="'b' implies 'read:gone', which is not in the catalogue"):
        _catalogue({"a": {"b"}, "b": {"read:gone"}})


def test_a_catalogue_with_very_many_ways_to_one_scope_is_closed_at_once() -> None:
    """Forty layers of two scopes, each implying both of the next: 2**40 ways down."""
    layers = [(f"a{depth}", f"b{depth}") for depth in range(40)]
    below = [set(layer) for layer in layers[1:]] + [set()]
    implied: Implied = {name: implies for layer, implies in zip(layers, below, strict=True) for name in layer}
    begun = time.process_time()
    assert len(_catalogue(implied).expand({"a0"})) == 79
    assert time.process_time() - begun < 1


@given(catalogues_and_grants(1))
def test_names_are_ordered_as_the_catalogue_lists_them_each_once(case: tuple[Implied, list[set[str]]]) -> None:
    implied, (names,) = case
    found = _catalogue(implied).ordered([*names, *names])
    assert list(found) == [name for name in implied if name in names]


def test_unknown_names_are_told_in_the_order_they_came() -> None:
    catalogue = _catalogue({"read:self": set(), "read:chat": set()})
    assert catalogue.unknown(["z", "read:chat", "a", "READ:SELF"]) == ["z", "a", "READ:SELF"]
    assert catalogue.unknown(["read:self", "read:chat"]) == []


SCOPES = """
admin read:chat write:experiences read:insights a a:b read:a_b-c.2
abcdefghijklmnopqrstuvwxyz123456:abcdefghijklmnopqrstuvwxyz123456
"""

NO_SCOPES = """
: read: :chat read::chat read:chat:all read:* * *:chat re*:chat Read:chat read:Chat READ:CHAT 1read:chat read:1chat
réad:chat read:"chat" read:ch\\at read:chat,write:chat _read:chat -a .a a:-b
abcdefghijklmnopqrstuvwxyz1234567 a:abcdefghijklmnopqrstuvwxyz1234567
"""

SPACES = [
    "",
    " ",
    "read chat",
    "read: chat",
    "read:chat ",
    " read:chat",
    "read:chat\n",
    "read:chat\x00",
    "read:\uff43hat",
]


@pytest.mark.parametrize("name", SCOPES.split())
def test_a_scope_is_a_verb_and_a_resource_or_one_word(name: str) -> None:
    assert SCOPE.fullmatch(name)


@pytest.mark.check("C013")
@pytest.mark.parametrize("name", [*NO_SCOPES.split(), *SPACES])
def test_any_other_text_is_no_scope_and_there_is_no_wildcard(name: str) -> None:
    assert SCOPE.fullmatch(name) is None
