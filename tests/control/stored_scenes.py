"""States of how keys are stored, and the verbs to be done there: for the sweep over every failure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from limen.control import apis, imports, keys, owners, peppers
from limen.core.keys import locator
from limen.db.rehash import Proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.core.profile import Profile
    from tests.control.desk import Desk

    Altered = Callable[..., Profile]
    Done = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

FOREIGN = {"prefix": "old_", "length": "20", "hash": "sha256", "class": "secret", "environment": "live"}


def _do(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Done:
    return verb, args, kwargs


def _key(desk: Desk) -> str:
    new = keys.NewKey("creator", "u-1", "a key", scopes=("read:self",))
    text: str = desk.act(keys.issue, new).text
    return text


def _under_an_old_pepper(desk: Desk) -> str:
    text = _key(desk)
    desk.act(peppers.add, desk.app.settings.pepper_path)
    return text


def _seen(desk: Desk) -> Done:
    text = _under_an_old_pepper(desk).encode()
    ((digest,),) = desk.rows("select digest from keys")
    anew = desk.act(lambda tx: tx.digest(text))
    return _do(peppers.store_anew, [Proof(locator(text), digest, anew, 2, True)])


def _retired(desk: Desk) -> Done:
    """A pepper that only a key needs that has ended."""
    key = _under_an_old_pepper(desk)[5:17]
    desk.act(keys.revoke, key)
    return _do(peppers.retire, desk.app.settings.pepper_path, 1, forget_ended=True)


def _secret(desk: Desk) -> Done:
    desk.act(peppers.add_secret, desk.app.settings.pepper_path, "legacy", bytes(16))
    return _do(peppers.retire, desk.app.settings.pepper_path, "legacy")


def _bring(desk: Desk, altered: Altered) -> Done:
    """For an owner who is there and not on the list, and one who has yet to be made."""
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.foreign": [FOREIGN]}))
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    entries = [
        imports.Entry(
            number, f"u-{number}", scopes=("read:self",), hash="sha256", hashed=hashlib.sha256(bytes([number])).digest()
        )
        for number in (2, 3)
    ]
    return _do(imports.bring, imports.Import("creator", create_owners=True, allow_owners=True), entries)


STORED: dict[str, Callable[[Desk, Altered], Done]] = {
    "peppers.add": lambda desk, _: _do(peppers.add, desk.app.settings.pepper_path),
    "peppers.add_secret": lambda desk, _: _do(peppers.add_secret, desk.app.settings.pepper_path, "legacy", bytes(16)),
    "peppers.wrap": lambda desk, _: (_under_an_old_pepper(desk), _do(peppers.wrap))[1],
    "peppers.store_anew": lambda desk, _: _seen(desk),
    "peppers.retire": lambda desk, _: _retired(desk),
    "peppers.retire of a secret": lambda desk, _: _secret(desk),
    "imports.bring": _bring,
}
"""A state of things, and the verb to be done in it."""
