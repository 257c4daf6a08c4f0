"""The store and the data in it: what a database may be, seeds, and writers who come at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from examples.organisation_platform.generator import SIZES, Size, make_all
from examples.organisation_platform.seed import NotEmpty, main, seed
from examples.organisation_platform.store import Store
from examples.organisation_platform.tables import consumers, events, experiences
from examples.organisation_platform.wire import new_id
from tests.examples.organisation_platform.conftest import UNTIL, AsKey


@pytest.mark.parametrize("url", ["", "organisation.db", "sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_what_is_no_database_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="the database must be"):
        Store(url)


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="the database must be") as refused:
        Store("mysql://somebody:canary@host/name")
    assert "canary" not in str(refused.value)


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [line for line in database.iterdump() if "sqlite_stat" not in line]


def test_the_same_seed_makes_the_same_data_and_another_makes_others(tmp_path: Path, seeded_file: Path) -> None:
    for name, number in (("same", 7), ("other", 8)):
        store = Store(f"sqlite:///{tmp_path / name}")
        seed(store, SIZES["tiny"], number, until=UNTIL)
        store.close()
    assert _dump(tmp_path / "same") == _dump(seeded_file)
    assert _dump(tmp_path / "other") != _dump(seeded_file)


@pytest.mark.parametrize("organisations", [1, 2, 7, 40])
def test_any_size_comes_to_what_it_says(tmp_path: Path, organisations: int) -> None:
    size = Size(organisations, experiences=90, consumers=130, events=250)
    store, told = Store(f"sqlite:///{tmp_path}/sized.db"), []
    made = seed(store, size, 1, until=UNTIL, progress=lambda done, total: told.append((done, total)))
    assert len(set(made.organisation_ids)) == organisations
    with store.writing() as conn:
        counts = [
            conn.execute(select(func.count()).select_from(each)).scalar_one()
            for each in (experiences, consumers, events)
        ]
    assert counts == [90, 130, 250]
    assert told == sorted(told)
    assert told[-1] == (size.rows, size.rows)
    store.close()


def test_no_moment_of_the_history_lies_after_its_end() -> None:
    for table, rows in make_all(Random(3), SIZES["tiny"], UNTIL):
        for row in rows:
            for name in ("created_at", "updated_at", "at", "last_order_at"):
                assert row.get(name) is None or row[name] <= UNTIL, (table.name, row)  # type: ignore[operator]


def test_the_command_fills_an_empty_database_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--database", f"sqlite:///{tmp_path}/made.db", "--size", "tiny", "--until", "2025-11-06"]
    assert main(line) == 0
    said = capsys.readouterr()
    assert "6 organisations, 60 experiences, 400 consumers, 4,000 events." in said.out
    assert "An organisation with much data: org_" in said.out
    assert main(line) == 1
    assert "holds data already" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--database", "mysql://host/name"])


def test_seeding_is_refused_before_anything_is_written(copied: str) -> None:
    store = Store(copied)
    with pytest.raises(NotEmpty):
        seed(store, SIZES["tiny"], 8, until=UNTIL)
    store.close()


def test_ids_are_in_the_order_of_their_making() -> None:
    early, late = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert new_id("exp", early, 2**80 - 1) < new_id("exp", late, 0)
    assert len({new_id("exp", early) for _ in range(1_000)}) == 1_000
    assert len(new_id("exp", early)) == len("exp_") + 26


def test_of_many_who_want_one_address_at_once_one_gets_it(writer: AsKey) -> None:
    def ask(number: int) -> int:
        paths = {"/consumers": {"email": "one@example.com"}, "/experiences": {"name": "x", "slug": "one"}}
        path, body = list(paths.items())[number % 2]
        status: int = writer().post(path, json=body).status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(16)))
    assert sorted(statuses[::2]) == [201] + [409] * 7
    assert sorted(statuses[1::2]) == [201] + [409] * 7


def test_an_owner_stays_however_many_leave_at_once(writer: AsKey) -> None:
    client, users = writer(), "/organizations/me/users"
    active = [each["id"] for each in client.get(users).json()["data"] if each["status"] == "active"]
    for each in active:
        assert client.put(f"{users}/{each}", json={"role": "owner"}).status_code == 200
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda each: client.delete(f"{users}/{each}").status_code, active))
    assert sorted(statuses) == [204] * (len(active) - 1) + [409]
