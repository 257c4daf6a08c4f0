"""Roles and rights: who may what, over the whole matrix, and the table that says so."""

from __future__ import annotations

import inspect
from itertools import product
from pathlib import Path

import pytest

from limen.core.people import Actor, Right, Role, may, needed

ALL, SETTINGS, ADMINS, OWNERS = set(Role), {Role.OWNER, Role.ADMIN, Role.EDITOR}, {Role.OWNER, Role.ADMIN}, {Role.OWNER}

# Settings: owner and admin edit, an editor views, a viewer has none of them. Team: owner and admin. Deleting: owner.
WHO = {
    Right.KNOW: ALL,
    Right.SEE: SETTINGS,
    Right.USE_KEYS: ADMINS,
    Right.REVOKE: ADMINS,
    Right.MANAGE_PEOPLE: ADMINS,
    Right.EDIT: ADMINS,
    Right.DELETE: OWNERS,
}


@pytest.mark.parametrize(("role", "right"), list(product(Role, Right)))
def test_a_role_may_what_it_may_and_nothing_else(role: Role, right: Right) -> None:
    assert may(role, right) == (role in WHO[right])


@pytest.mark.parametrize("right", Right)
def test_whoever_is_no_member_may_nothing(right: Right) -> None:
    assert not may(None, right)


def test_the_table_in_words_says_the_same() -> None:
    lines = [line.split() for line in inspect.getdoc(Right).splitlines()]  # type: ignore[union-attr]
    head = next(line for line in lines if line[:1] == ["Right"])
    table = {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines if len(line) == len(head)}
    for role, right in product(Role, Right):
        assert table[right.name][role.value] == ("yes" if may(role, right) else "no")


def test_the_page_says_the_same() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "roles.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:2] == "| "]
    head, *rights = rows
    table = {row[0].split("`")[1]: dict(zip(head[1:], row[1:], strict=True)) for row in rights}
    assert set(table) == {right.name for right in Right}
    for role, right in product(Role, Right):
        assert table[right.name][role.value] == ("yes" if may(role, right) else "no")


@pytest.mark.parametrize("right", Right)
def test_the_role_that_is_needed_is_the_lowest_that_may(right: Right) -> None:
    assert [role for role in Role if may(role, right)][-1] is needed(right)


def test_roles_reach_downwards_only() -> None:
    ladder = [Role.OWNER, Role.ADMIN, Role.EDITOR, Role.VIEWER]
    for higher, lower in product(range(4), repeat=2):
        assert ladder[higher].reaches(ladder[lower]) == (higher <= lower)


@pytest.mark.parametrize(
    ("kind", "staff"),
    [("terminal", True), ("staff", True), ("worker", True), ("demo", True), ("member", False), ("holder", False),
     ("", False), ("Staff", False)],
)  # fmt: skip
def test_only_who_acts_for_the_platform_is_staff(kind: str, staff: bool) -> None:
    assert Actor(kind, "somebody").is_staff is staff


def test_an_actor_is_written_as_kind_and_name() -> None:
    assert str(Actor("member", "u-1024", origin="192.0.2.1")) == "member:u-1024"
