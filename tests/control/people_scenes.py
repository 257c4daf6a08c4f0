"""States of things with people in them, and the verbs to be done there: for the sweep over every failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limen.control import keys, members, owners, requests
from limen.core.people import Actor, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.db.transaction import Tx
    from tests.control.desk import Desk

    Done = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def _do(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Done:
    return verb, args, kwargs


def _acme(desk: Desk) -> str:
    """The token of an open invitation to acme, of which u-2 and u-3 are owners; u-2 made it."""
    token: str = desk.act(_lay_out)
    return token


def _lay_out(tx: Tx) -> str:
    owners.create(tx, owners.NewOwner("organisation", "Acme", "acme"))
    for user in ("u-2", "u-3"):
        owners.create(tx, owners.NewOwner("user", "Somebody", user))
        invited = members.invite(tx, "acme", email=f"{user}@example.com", role=Role.OWNER)
        members.accept(tx, invited.token, member=user)
    tx.actor = Actor("member", "u-2", "192.0.2.1")
    return members.invite(tx, "acme", email="new@example.com", role=Role.OWNER).token


def _invitation(desk: Desk) -> str:
    _acme(desk)
    return str(desk.rows("select invitation from invitations where state = 'open'")[0][0])


def _accept(desk: Desk) -> Done:
    return _do(members.accept, _acme(desk), member="u-1")


def _of_acme(desk: Desk, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Done:
    _acme(desk)
    return _do(verb, "acme", *args, **kwargs)


def _erase(desk: Desk) -> Done:
    _acme(desk)
    return _do(owners.erase, "acme")


def _wish() -> requests.Wish:
    return requests.Wish("creator", "u-1", "a key", {"read:self": "A test.", "read:chat": "Another."}, "Tests.")


def _asked(desk: Desk) -> str:
    request: str = desk.act(requests.ask, _wish()).request
    return request


def _reveal(desk: Desk) -> Done:
    """In place of another key."""
    request = _asked(desk)
    desk.act(requests.grant, request, scopes=("read:self",))
    desk.act(keys.issue, keys.NewKey("creator", "u-1", "before", scopes=("read:self",)))
    return _do(requests.reveal, request)


PEOPLE: dict[str, Callable[[Desk, Any], Done]] = {
    "owners.erase": lambda desk, _: _erase(desk),
    "members.invite in place of another": lambda desk, _: _of_acme(
        desk, members.invite, email="new@example.com", role=Role.ADMIN
    ),
    "members.accept": lambda desk, _: _accept(desk),
    "members.withdraw": lambda desk, _: _do(members.withdraw, "acme", _invitation(desk)),
    "members.set_role": lambda desk, _: _of_acme(desk, members.set_role, "u-2", role=Role.ADMIN),
    "members.remove": lambda desk, _: _of_acme(desk, members.remove, "u-2"),
    "requests.ask": lambda desk, _: _do(requests.ask, _wish()),
    "requests.grant": lambda desk, _: _do(requests.grant, _asked(desk), scopes=("read:self",)),
    "requests.refuse": lambda desk, _: _do(requests.refuse, _asked(desk), reason="A test."),
    "requests.withdraw": lambda desk, _: _do(requests.withdraw, _asked(desk)),
    "requests.reveal": lambda desk, _: _reveal(desk),
}
"""By its name a state of things, and the verb to be done in it."""
