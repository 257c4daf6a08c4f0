"""Archives from and into PostgreSQL: moving up from a file, down to one, and on to another server."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from limen.app import App
from limen.archive import How, back_up
from limen.control import apis, audit, keys
from limen.core.problems import ProblemError
from limen.db import transfer
from limen.profiles import load as profile
from limen.server import bring_up_to_date
from tests.archive.conftest import House, nothing
from tests.archive.test_export import _sealed as sealed
from tests.archive.test_export import fill, rewritten, same_but_for_what_is_new, tables_of
from tests.db.children import in_child
from tests.db.dump import dump, postgresql_schema, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.servers.postgres import Postgres

WANTED = {"lives": "ok", "revoked": "key_revoked", "sleeps": "key_inactive", "chain": "ok"}


@pytest.fixture
def on_server(tmp_path: Path, house: House, postgres: Postgres) -> Iterator[Callable[[str], House]]:
    """``on_server("name")``: a new installation on PostgreSQL, as 'limen init' makes it, with the pepper of *house*."""
    made: list[tuple[str, House]] = []

    def on_server(name: str) -> House:
        folder, database = tmp_path / name, postgres.create()
        folder.mkdir()
        settings = replace(
            house.settings,
            database_url=postgres.url(database),
            state=folder / "state",
            pepper_file=folder / "pepper",
            tombstones=folder / "tombstones",
        )
        settings.pepper_path.write_bytes(house.settings.pepper_path.read_bytes())
        settings.pepper_path.chmod(0o600)
        made.append((database, House(settings, App.initialise(settings))))
        bring_up_to_date(made[-1][1].app)
        return made[-1][1]

    yield on_server
    for database, each in made:
        each.close()
        postgres.drop(database)


def schema_of(there: House) -> dict[tuple[str, ...], tuple[str, ...]]:
    """All that there is but rows; readings of days have tables of their own, which are not looked at."""
    with psycopg.connect(there.settings.database_url) as connection:
        return postgresql_schema(connection)


def with_stones(there: House, of: House) -> House:
    """*there*, which knows what ended in *of*."""
    there.settings.tombstones_path.write_bytes(of.settings.tombstones_path.read_bytes())
    return there


def works(there: House, issued: dict[str, keys.Issued]) -> None:
    """Every key is what it was, the chain is whole, and verbs go on from there."""
    assert there.verdicts(issued) == WANTED
    with there.app.reading() as reader:
        assert audit.verify(reader).whole
    new = there.key("acme")
    there.app.act(keys.revoke, issued["lives"].key.key)
    there.app.act(audit.lay)
    with there.app.reading() as reader:
        assert audit.verify(reader).whole
    assert there.verdicts({"new": new, "lives": issued["lives"]}) == {"new": "ok", "lives": "key_revoked"}


def test_a_file_moves_up_to_a_server_on_to_another_and_down_again(
    house: House, on_server: Callable[[str], House], another: Callable[[str], House]
) -> None:
    """The same rows in every table, each time."""
    issued = fill(house)
    before = tables_of(house)
    up = with_stones(on_server("up"), house)
    done = up.load(house.export(), How())
    assert (done.missing, done.aside) == ("", None)
    assert done.rows == sum(map(len, before.values()))
    moved = tables_of(up)
    assert same_but_for_what_is_new(before, moved)
    for name, there in (("on", on_server("on")), ("down", another("down"))):
        done = with_stones(there, up).load(up.export(f"{name}.zip"), How())
        assert (done.missing, done.rows) == ("", sum(map(len, moved.values())))
        assert same_but_for_what_is_new(moved, tables_of(there))
        works(there, issued)
    works(up, issued)


def test_what_a_server_has_afterwards_is_what_migrations_make(house: House, on_server: Callable[[str], House]) -> None:
    """Constraints put off and triggers put aside are as they were, and numbers go on behind the rows."""
    fill(house)
    there, fresh = on_server("there"), on_server("fresh")
    there.load(house.export(), How(trusted=True))
    assert schema_of(there) == schema_of(fresh)
    place = there.settings.database_url
    for statement in ("delete from keys", "truncate audit cascade", "update audit set verb = 'x'"):
        with pytest.raises(psycopg.errors.CheckViolation):
            rows(place, statement)
    ((given, last),) = rows(place, "select nextval(pg_get_serial_sequence('audit', 'id')), max(id) from audit")
    assert given == last


@pytest.mark.check("C038")
def test_what_ended_after_the_export_has_ended_or_nothing_is_admitted(
    house: House, on_server: Callable[[str], House]
) -> None:
    house.owner("acme")
    issued = {name: house.key("acme") for name in ("lives", "revoked")}
    archive = house.export()
    house.app.act(keys.revoke, issued["revoked"].key.key)
    knowing, without, trusted = with_stones(on_server("a"), house), on_server("b"), on_server("c")
    lines = knowing.settings.tombstones_path.read_bytes()
    assert knowing.load(archive, How()).missing == ""
    assert knowing.verdicts(issued) == {"lives": "ok", "revoked": "key_revoked"}
    assert knowing.settings.tombstones_path.read_bytes() == lines
    assert without.load(archive, How(heeds=False)).revived.unconfirmed == 2
    assert without.verdicts(issued) == dict.fromkeys(issued, "key_inactive")
    assert trusted.load(archive, How(trusted=True)).revived.unconfirmed == 0
    assert trusted.verdicts(issued) == dict.fromkeys(issued, "ok")


def test_a_server_that_has_keys_or_is_worked_on_is_left_as_it_is(
    house: House, on_server: Callable[[str], House]
) -> None:
    archive = house.export()
    there = on_server("there")
    there.close()
    assert refused(there, archive, How(replaces=True)) == "on_server"
    other_host = replace(there.settings, state=there.folder / "other")
    beside = House(other_host, App.initialise(other_host))
    beside.app.gate("limen")
    assert refused(there, archive, How(trusted=True)) == "in_use"
    beside.close()
    there.app.act(apis.create, "organisation", profile("organisation"))
    assert refused(there, archive, How(trusted=True)) == "not_empty"


def refused(there: House, archive: Path, how: How) -> str:
    """The code of the problem that an import has, which changes nothing."""
    there.close()
    before = dump(there.settings.database_url)
    with pytest.raises(ProblemError) as caught:
        there.load(archive, how)
    assert dump(there.settings.database_url) == before
    return caught.value.problem.code


WRONG: dict[str, Any] = {
    "a changed file": lambda name, content: content.replace(b"acme", b"acne"),
    "a file less": lambda name, content: None if "owners" in name else content,
}


@pytest.mark.parametrize("how", WRONG)
def test_an_archive_that_is_wrong_changes_nothing(house: House, on_server: Callable[[str], House], how: str) -> None:
    house.owner("acme")
    archive = rewritten(house.export(), house.folder / "wrong.zip", WRONG[how])
    assert refused(on_server("there"), archive, How(trusted=True)) == "archive_wrong"


def test_a_key_whose_predecessor_is_missing_is_found(house: House, on_server: Callable[[str], House]) -> None:
    house.owner("acme")
    old = house.key("acme")
    house.app.act(keys.regenerate, old.key.key)
    make = sealed(lambda told: told.remove(next(row for row in told if row["key"] == old.key.key)), "keys")
    archive = make(house.export(), house.folder / "wrong.zip")
    assert refused(on_server("there"), archive, How(trusted=True)) == "archive_wrong"


@pytest.mark.parametrize("name", ["peppers", "keys", "audit"])
def test_an_import_that_is_killed_changes_nothing(house: House, on_server: Callable[[str], House], name: str) -> None:
    house.owner("acme")
    archive, there = house.export(), on_server("there")
    for each in (house, there):
        each.close()
    before = dump(there.settings.database_url)

    def work() -> None:
        real = transfer.put_rows

        def dying(connection: Any, table: str, given: Any) -> int:
            return os._exit(9) if table == name else real(connection, table, given)

        transfer.put_rows = dying
        there.load(archive, How(trusted=True))

    assert in_child(work) == 9
    assert dump(there.settings.database_url) == before
    there.load(archive, How(trusted=True))
    assert rows(there.settings.database_url, "select count(*) from owners where owner = 'acme'") == [(1,)]


def test_what_is_done_to_a_file_alone_says_what_to_do_on_a_server(on_server: Callable[[str], House]) -> None:
    there = on_server("there")
    there.close()
    file = there.folder / "b.db"
    with pytest.raises(ProblemError, match=r"Found PostgreSQL.*pg_dump.*limen export") as caught:
        back_up(there.settings, file, replace=False, progress=nothing)
    assert caught.value.problem.code == "on_server"
    assert not file.exists()
    with pytest.raises(ProblemError, match=r"Found PostgreSQL.*pg_restore.*limen import") as caught:
        there.restore(file)
    assert caught.value.problem.code == "on_server"
