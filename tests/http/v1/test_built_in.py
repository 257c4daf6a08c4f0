"""The API that is Limen's own: made by Limen, decided for by the public listener, there when all else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from limen import server
from limen.app import App
from limen.control import apis
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.core.profile_reader import read_profile
from limen.http.public import Public
from limen.profiles import SHIPPED, built_in
from tests.db.dump import dump, place_of
from tests.gate.scene import Placed, named
from tests.guard.served import ask, started
from tests.http.v1.house import House


def _revision(app: App) -> int:
    with app.reading() as reader:
        return apis.require(reader, BUILT_IN).revision


def test_it_is_brought_up_to_date_once(installation: App) -> None:
    app = installation
    server.bring_up_to_date(app)
    before = dump(place_of(app))
    server.bring_up_to_date(app)
    assert (_revision(app), dump(place_of(app))) == (1, before)
    older = dict(built_in().document) | {"title": "An older release"}
    with app.store.write(app._tx(server.Actor("worker", "test"))) as tx:
        apis.ensure_built_in(tx, read_profile(older))
    server.bring_up_to_date(app)
    assert _revision(app) == 3
    with app.reading() as reader:
        assert apis.document_of(reader, BUILT_IN) == built_in().document


def test_it_is_no_profile_that_one_can_name() -> None:
    assert BUILT_IN not in SHIPPED


async def test_a_full_journal_keeps_nobody_from_the_management_api(tmp_path: Path, placed: Placed) -> None:
    house = House(placed(tmp_path), segments=2)
    staff, few = house.staff(), house.staff("read:apis")
    try:
        journal = house.app.gate(BUILT_IN).gate.journal
        while journal.outcome(1, 200, 0.0):
            pass
        assert not journal.has_room()
        await staff.do("POST", "/owners", {"kind": "user"})
        await few.refused("scope_missing", "GET", "/keys")
    finally:
        house.close()


async def test_the_listener_opens_its_gate_and_closes_what_it_opened(tmp_path: Path, placed: Placed) -> None:
    house = House(placed(tmp_path))
    async with started(house.public) as failed:
        assert failed == ""
        assert set(house.app.gates) == {BUILT_IN}
        assert (await ask(house.public, b"/livez")).status == 200
    assert house.app.gates == {}
    house.close()


async def test_a_second_listener_starts_beside_the_first(tmp_path: Path, placed: Placed) -> None:
    house = House(placed(tmp_path))
    house.app.gate(BUILT_IN)
    other = App.open(house.app.settings)
    async with started(Public(other)) as failed:
        assert failed == ""
        assert set(other.gates) == set(house.app.gates) == {BUILT_IN}
    house.close()


async def test_it_does_not_start_where_its_routes_and_its_profile_differ(installation: App) -> None:
    document = dict(built_in().document)
    document["operations"] = [each for each in document["operations"] if each["id"] != "getCaller"]
    installation.act(apis.ensure_built_in, read_profile(document))
    async with started(Public(installation)) as failed:
        assert "GET /v1/me is not in the profile" in failed


def test_without_its_gate_the_doors_decide_for_the_others(
    tmp_path: Path, placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(placed(tmp_path))
    house.close()
    for name, value in named(house.app.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server, "_belong", lambda: None)  # this process has the parent that it has
    door = server.gate_app()._app
    assert set(door._houses) == {"creator", "organisation"}
    door._app.close()
    monkeypatch.setenv("LIMEN_APIS", f"creator,{BUILT_IN}")
    with pytest.raises(ProblemError, match="public listener decides for it"):
        server.gate_app()
