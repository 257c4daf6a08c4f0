"""An office: an installation with owners who want to be told, whose clock a test moves, and what it takes to send."""

from __future__ import annotations

import itertools
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.control import apis, channels, delivery, keys, owners
from limen.control.channels import NewChannel
from limen.deliver.dial import Dialler
from limen.deliver.mail import Mailer
from limen.deliver.sender import Post
from limen.profiles import load
from tests.control.desk import Desk

if TYPE_CHECKING:
    from limen.control.channels import Added

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Office(Desk):
    """An installation, at moments that the test names, and its post."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        app.clock = self  # type: ignore[assignment]  # whatever the app does, it does at our moment
        self.dialler = Dialler(allowed=LOOPBACK)
        self.mailer: Mailer | None = None
        self._numbers = itertools.count(1)
        self.act(apis.create, "creator", load("creator"))
        self.act(apis.create, "organisation", load("organisation"))

    def read(self) -> tuple[float, int]:
        """The moment, as a clock reads it."""
        return self.now, 0

    def owner(self, kind: str = "user") -> str:
        """A new owner who may hold keys."""
        owner = f"{kind[0]}-{next(self._numbers)}"
        self.act(owners.create, owners.NewOwner(kind, "Somebody", owner))
        if kind == "user":
            self.act(owners.allow, owner, "creator")
        return owner

    def key(self, owner: str, api: str = "creator") -> str:
        """The id of a new key."""
        scopes = ("read:self",) if api == "creator" else None
        return str(self.act(keys.issue, keys.NewKey(api, owner, name="a key", scopes=scopes)).key.key)

    def hook(self, owner: str, url: str, **more: Any) -> Added:
        """A new webhook."""
        found: Added = self.act(channels.add, NewChannel(owner, "webhook", url, **more), allowed=LOOPBACK)
        return found

    def hand_on(self) -> None:
        """Everything in the outbox is handed on."""
        while self.act(delivery.hand_on):
            continue

    def post(self, **more: Any) -> Post:
        """What sends."""
        return Post(self.app, self.dialler, self.mailer, **more)

    def send(self) -> int:
        """Hand on, and send what is due, once; how many attempts that was."""
        self.hand_on()
        post, sent = self.post(), 0
        try:
            while (came := post.step(5.0)) or post.busy:
                sent += came
        finally:
            post.close()
        return sent

    def deliveries(self, **wanted: Any) -> list[delivery.Delivery]:
        """The deliveries, the oldest first, each with its attempts."""
        found = self.ask(delivery.listed, **wanted)
        return [self.ask(delivery.shown, each.delivery) for each in reversed(found)]


@pytest.fixture
def office(installation: App) -> Office:
    """An installation, and its post."""
    return Office(installation)
