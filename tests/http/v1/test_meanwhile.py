"""What happens between the gate and the transaction: a key that ended meanwhile does nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from limen.app import App
from limen.control import audit, keys, owners
from limen.http.calls import Call
from limen.http.routes import audit as route
from tests.http.v1.house import Caller, House


@pytest.fixture
def elsewhere(house: House) -> Iterator[App]:
    """Another process on the same installation."""
    opened = App.open(house.app.settings)
    yield opened
    opened.close()


async def _while_it_waits(house: House, sent: Any, happens: Callable[[], object]) -> httpx2.Response:
    """The answer to the write that is *sent*, and let in, and waits for its turn while something *happens*."""
    with house.waiting():
        task = asyncio.create_task(sent)
        await asyncio.sleep(0.3)
        assert not task.done()
        happens()
    answer: httpx2.Response = await task
    return answer


ENDS: dict[str, Callable[[App, Caller], object]] = {
    "key_revoked": lambda app, caller: app.act(keys.revoke, _key(caller)),
    "key_inactive": lambda app, caller: app.act(keys.deactivate, _key(caller)),
    "owner_suspended": lambda app, caller: app.act(owners.suspend, caller.owner, reason="stolen"),
}


def _key(caller: Caller) -> str:
    assert caller.held is not None
    return caller.held.key.key


def _delete(app: App, caller: Caller) -> None:
    app.act(keys.delete, _key(caller))


@pytest.mark.req("R69", "R162")
@pytest.mark.parametrize(("code", "end"), [*ENDS.items(), ("key_revoked", _delete)], ids=[*ENDS, "deleted"])
@pytest.mark.parametrize("who", ["staff", "member", "back-end"])
async def test_a_key_that_ended_while_its_write_waited_writes_nothing(
    house: House, elsewhere: App, who: str, code: str, end: Callable[[App, Caller], object]
) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    caller = house.member(user) if who == "member" else house.staff()
    sends = caller.acting_for(user) if who == "back-end" else caller
    sent = sends("POST", f"/owners/{firm}/invitations", {"email": "a@example.com", "role": "owner"})
    answer = await _while_it_waits(house, sent, lambda: end(elsewhere, caller))
    assert answer.json()["code"] == code, answer.text
    assert house.rows("select * from invitations where email = 'a@example.com' and organisation = ?", firm) == []


async def test_a_key_whose_time_ran_out_writes_nothing(house: House, elsewhere: App, staff: Caller) -> None:
    def ends() -> None:
        with elsewhere.reading() as reader:
            elsewhere.act(keys.set_expiry, _key(staff), expires_at=reader.now + 0.25)

    async def sent() -> httpx2.Response:
        return await staff("POST", "/owners", {"kind": "user", "owner": "u-too-late"})

    answer = await _while_it_waits(house, sent(), ends)
    if answer.status_code != 401:  # it may have been done in the last quarter of a second of its time
        await asyncio.sleep(0.3)
        answer = await sent()
    assert answer.json()["code"] == "key_expired"


async def test_an_export_of_the_audit_ends_with_the_key(
    house: House, elsewhere: App, staff: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches, written = [], audit.export

    def export(reader: Any, **asked: Any) -> Iterator[str]:
        stretches.append(asked["after"])
        if len(stretches) == 2:
            elsewhere.act(keys.revoke, _key(staff))
        return written(reader, **asked)

    monkeypatch.setattr(route, "_STRETCH", 1)
    monkeypatch.setattr(route.audit, "export", export)
    with pytest.raises(
        RuntimeError, match="already started"
    ):  # the server breaks off: no export looks whole that is not
        await staff("GET", "/audit/export")
    assert len(stretches) == 2


async def test_a_question_that_was_let_in_before_is_not_answered(
    house: House, elsewhere: App, staff: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Call.ask

    def ask(call: Call, question: Any) -> Any:
        elsewhere.act(keys.revoke, _key(staff))
        return asked(call, question)

    monkeypatch.setattr(Call, "ask", ask)
    answer = await staff("GET", "/me")
    assert answer.json()["code"] == "key_revoked"
    assert "www-authenticate" in answer.headers
