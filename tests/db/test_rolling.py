"""While a new release comes, processes of two work on one database: a later revision says whether this one may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from limen.app import App
from limen.control import keys, owners
from limen.core.problems import ProblemError
from limen.core.verdict import Ask

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def later(creator: App) -> Callable[..., None]:
    """What a later release's revision does to the database: it adds, and may say that this release is too old."""

    def later(*statements: str) -> None:
        with creator.store.engine.begin() as connection:
            for statement in (
                "alter table keys add column colour text",
                "create table banners (banner text primary key)",
                "update alembic_version set version_num = '9999'",
                *statements,
            ):
                connection.execute(text(statement))

    return later


@pytest.mark.parametrize("store_kind", ["sqlite", "postgresql"], indirect=True)
def test_a_release_goes_on_and_starts_beside_a_later_one_that_only_adds(
    creator: App, owner: str, issue: Callable[..., Any], later: Callable[..., None]
) -> None:
    issued = issue("creator", owner)
    later()
    again = App.open(creator.settings)
    try:
        assert _code(again, issued.text) == "ok"
        other = again.act(keys.issue, keys.NewKey("creator", owner, "beside", scopes=("read:self",)))
        creator.act(keys.revoke, issued.key.key)
        assert (_code(creator, other.text), _code(again, issued.text)) == ("ok", "key_revoked")
        again.act(owners.create, owners.NewOwner("user", "Another", "u-2"))
    finally:
        again.close()


@pytest.mark.parametrize("store_kind", ["sqlite", "postgresql"], indirect=True)
def test_a_release_does_not_start_where_a_later_one_took_something_away(
    creator: App, later: Callable[..., None]
) -> None:
    later("update compatibility set oldest = '9000'")
    with pytest.raises(ProblemError, match="from revision 9000 on") as caught:
        App.open(creator.settings)
    assert caught.value.problem.code == "store_not_ready"


def _code(app: App, key: str) -> str:
    now, at = app.clock.read()
    ask = Ask(key.encode(), b"GET", b"/users/me", b"2025-06-26", b"live", now, at)
    return app.gate("creator").cold.decide_now(ask).code.slug
