"""Who plays in the tour: owners and keys that were there before, and the keys that the command line issues."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from limen.app import App
from limen.cli.demo.ground import DOOR, Ground, People
from limen.cli.demo.guarded import ORGANISATION
from limen.control import apis, keys, owners
from limen.core.people import Actor
from limen.profiles import load

COMPANY = "acme"
"""The owner of the keys for the gate's door."""
PLAN = "basic"
ALL = ("all",)
"""In place of scopes: every one of the API."""

_COMMANDS_AT_ONCE = 3
_DEMO = Actor("demo", "setup")


@dataclass(frozen=True, slots=True)
class Part:
    """A key. One that is not *allowed* has an owner who is not on the API's allow-list."""

    name: str
    scopes: tuple[str, ...] = ("read:self", "read:chat")
    options: tuple[str, ...] = ()
    api: str = "creator"
    allowed: bool = True
    before: bool = False
    """Whether it was issued before the demo begins: without a command, each of which takes a second."""
    key_class: str = "secret"
    """With *before*; a command has it among its *options*."""


PARTS = (
    Part("main", ALL),
    Part("agent", ALL, before=True),
    Part("narrow", ("read:self",), before=True),
    Part("busy", before=True),
    Part("changing"),
    Part("asleep", before=True),
    Part("fresh", before=True),
    Part("suspended", before=True),
    Part("unlisted", allowed=False, before=True),
    Part("testing", options=("--environment", "test")),
    Part("server", ("read:experiences", "write:experiences"), api=DOOR),
    Part("browser", (), ("--class", "public"), api=DOOR),
    Part("sandbox", (), ("--environment", "test"), api=DOOR),
    Part("fleeting", options=("--expires-in", "2 s")),
    Part("admin", ("admin",), api=ORGANISATION.name, before=True),
    Part("published", ("read:experiences",), api=ORGANISATION.name, before=True, key_class="public"),
)
"""Every key of the tour. The owners of ``creator`` are users, one key each; those of the others are organisations."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was issued. Its text is known here because the demo calls with it."""

    key_id: str
    owner: str
    text: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what: owners by part, and keys by part, as far as they are there."""

    owners: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)


def register(ground: Ground, people: People, parts: Iterable[Part]) -> Cast:
    """Make the two APIs of organisations, every part's owner, and the keys that are there before."""
    app, cast, users = App.open(ground.settings), Cast(), iter(user for user in people.users if user != people.agent)
    firms = {DOOR: COMPANY, ORGANISATION.name: people.organisations[0]}
    try:
        for api, firm in firms.items():
            app.act(apis.create, api, load("organisation"), actor=_DEMO)
            app.act(owners.create, owners.NewOwner("organisation", firm, firm), actor=_DEMO)
            app.act(owners.set_plan, firm, api, plan=PLAN, actor=_DEMO)
        for part in parts:
            firm_or_none = firms.get(part.api)
            owner = firm_or_none or (people.agent if part.name == "agent" else next(users))
            cast.owners[part.name] = owner
            if firm_or_none is None:
                app.act(owners.create, owners.NewOwner("user", part.name, owner), actor=_DEMO)
                if part.allowed:
                    app.act(owners.allow, owner, part.api, actor=_DEMO)
            if part.before:
                wanted = keys.NewKey(part.api, owner, part.name, key_class=part.key_class, scopes=_scopes(part))
                issued = app.act(keys.issue, wanted, actor=_DEMO)
                cast.keys[part.name] = Key(issued.key.key, owner, issued.text)
    finally:
        app.close()
    return cast


def issue_all(ground: Ground, cast: Cast, parts: Iterable[Part]) -> None:
    """Issue the keys of all other parts by the command line, a few at a time. Raises CommandFailed."""
    wanted = [part for part in parts if part.name not in cast.keys]
    with ThreadPoolExecutor(_COMMANDS_AT_ONCE) as pool:
        issued = pool.map(lambda part: _issue(ground, part, cast.owners[part.name]), wanted)
        cast.keys.update(zip((part.name for part in wanted), issued, strict=True))


def _issue(ground: Ground, part: Part, owner: str) -> Key:
    scopes = [word for scope in _scopes(part) for word in ("--scope", scope)]
    return key_of(ground.limen("keys", "issue", part.api, owner, "--name", part.name, "--yes", *scopes, *part.options))


def _scopes(part: Part) -> tuple[str, ...]:
    return tuple(load(part.api).catalogue.scopes) if part.scopes == ALL else part.scopes


def key_of(printed: Any) -> Key:
    """The key in what ``limen keys issue --json`` printed."""
    ends = printed["expires_at"]
    until = None if ends is None else datetime.fromisoformat(ends).timestamp()
    return Key(printed["key"], printed["owner"], printed["text"], until)
