"""A desk in an installation of its own for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from limen.control import keys
from tests.control.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued


@pytest.fixture
def desk(installation: App) -> Desk:
    """Where verbs are tried on the installation of this test."""
    return Desk(installation)


@pytest.fixture
def new_key(desk: Desk) -> Callable[..., Issued]:
    """As ``issue``, but at the desk's moment: ``new_key(api, owner, **more)``."""

    def new_key(api: str, owner: str, **more: Any) -> Issued:
        usual: dict[str, Any] = {"name": "a key", "scopes": ("read:self",) if api == "creator" else None}
        found: Issued = desk.act(keys.issue, keys.NewKey(api, owner, **usual | more))
        return found

    return new_key
