"""The management API as it is in life: behind its Guard, over an installation of its own; and callers of every kind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

import httpx2
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy import Connection, event

from limen.app import App
from limen.control import apis, keys, members, owners
from limen.control.keys import Issued, NewKey
from limen.control.owners import NewOwner
from limen.core.people import Role
from limen.core.problems import PROBLEMS
from limen.core.profile import BUILT_IN
from limen.core.routes import Routes
from limen.db.postgresql import WRITERS
from limen.http.public import Public
from limen.profiles import built_in, load
from limen.server import bring_up_to_date
from limen.settings import Settings
from tests.db.dump import dump, kept, place_of, rows
from tests.db.hand import hand_at, shut

MEMBERS = ("read:keys", "write:keys", "read:owners", "write:owners", "read:requests", "write:requests", "read:apis")
"""What most members' keys hold here; ``read:usage`` and the scopes of channels beside."""

PROFILE = built_in()
ROUTES = Routes(PROFILE.operations)
SECRET = re.compile(r"[a-z_]*[0-9A-Za-z]{12}[0-9A-Za-z]{32,}")


class House:
    """An installation with the two shipped APIs and the management API, and who calls it."""

    def __init__(self, settings: Mapping[str, Any], **more: Any) -> None:
        """*settings*: by which an installation is found that is there, with nothing in it; and *more*."""
        self.app = App.open(Settings(**{"segment_bytes": 65_536, "drain": False} | settings | more))
        bring_up_to_date(self.app)
        for name in ("creator", "organisation"):
            self.app.act(apis.create, name, load(name))
        self.path = place_of(self.app)
        self.public = Public(self.app)
        self._numbers = itertools.count(1)
        self.commits = 0
        """How often something was committed."""
        event.listen(self.app.store.engine, "commit", self._count)

    def name(self, kind: str = "u") -> str:
        """An id that nobody has yet."""
        return f"{kind}-{next(self._numbers)}"

    def user(self, *, allowed: bool = True) -> str:
        """A new user, who may hold keys of ``creator``."""
        user = self.name()
        self.app.act(owners.create, NewOwner("user", "Somebody", user))
        if allowed:
            self.app.act(owners.allow, user, "creator")
        return user

    def firm(self, **people: str) -> str:
        """A new organisation, with *people* as its members: by role, ``admin="u-1"``."""
        firm = self.name("o")
        self.app.act(owners.create, NewOwner("organisation", "A firm", firm))
        for role, user in people.items():
            self.join(firm, user, Role(role))
        return firm

    def join(self, firm: str, user: str, role: Role) -> str:
        """The *user*, who is a member of *firm* now."""
        invited = self.app.act(members.invite, firm, email=f"{user}@example.com", role=role)
        return self.app.act(members.accept, invited.token, member=user).member

    def key(self, owner: str, api: str = "creator", **more: Any) -> Issued:
        """A new key."""
        usual: dict[str, Any] = {"name": "a key", "scopes": ("read:self",) if api == "creator" else None}
        return self.app.act(keys.issue, NewKey(api, owner, **usual | more))

    def staff(self, *scopes: str, **more: Any) -> Caller:
        """Staff with a new key of *scopes*; none: with one that may do everything."""
        return Caller(self, self.key(self.user(), BUILT_IN, key_class="staff", scopes=scopes or ("admin",)), **more)

    def member(self, user: str = "", *scopes: str, **more: Any) -> Caller:
        """The *user*, or a new one, with a new key of its own."""
        held = scopes or (*MEMBERS, "read:usage", "read:channels", "write:channels", "read:alerts", "write:alerts")
        return Caller(self, self.key(user or self.user(), BUILT_IN, key_class="member", scopes=held), **more)

    def stranger(self, **more: Any) -> Caller:
        """Somebody without a key."""
        return Caller(self, None, **more)

    def dump(self) -> Any:
        """Everything in the database."""
        return dump(self.path)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What *statement* finds."""
        return rows(self.path, statement, *values)

    def execute(self, statement: str, *values: Any) -> None:
        """Do *statement*, by a hand at the database."""
        with hand_at(self.path) as hand:
            hand.execute(statement, *values)

    def _count(self, connection: Connection) -> None:
        self.commits += bool(connection.get_execution_options().get("limen_writes"))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within, somebody writes, and takes their time: whoever wants to write here waits."""
        if self.app.store.epoch is not None:
            with self.app.store.epoch._thread_lock:
                yield
            return
        with hand_at(self.path) as hand:
            hand.execute("select pg_advisory_lock(?)", WRITERS)
            yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within, whoever wants to write here waits for the turn; who does elsewhere, does not."""
        turn, let = self.app.store.turn, Event()

        @contextmanager
        def late() -> Iterator[None]:
            let.wait(30)
            with turn():
                yield

        self.app.store.turn = late  # type: ignore[method-assign]
        try:
            yield
        finally:
            let.set()
            self.app.store.turn = turn  # type: ignore[method-assign]

    @contextmanager
    def down(self) -> Iterator[None]:
        """Within, the database cannot be opened."""
        if isinstance(self.path, str):
            with shut(self.path):
                yield
            return
        self.app.store.engine.dispose()
        away = self.path.with_suffix(".away")
        self.path.rename(away)
        self.path.mkdir()
        try:
            yield
        finally:
            self.path.rmdir()
            away.rename(self.path)

    def kept(self) -> dict[str, bytes]:
        """All that lies anywhere, by its name."""
        return kept(self.path, self.app.settings.pepper_path.parent)

    def close(self) -> None:
        """Let go of everything."""
        self.app.close()


class Caller:
    """Somebody who calls. What is answered is looked at in any case: see ``check``."""

    def __init__(self, house: House, held: Issued | None, *, act_for: str = "", peer: str = "127.0.0.1") -> None:
        self.house, self.held = house, held
        self.headers = {"Authorization": f"Bearer {held.text}"} if held is not None else {}
        if act_for:
            self.headers["Limen-Act-For"] = act_for
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(house.public, client=(peer, 1)), base_url="https://limen.example/v1"
        )

    @property
    def owner(self) -> str:
        """Who holds the key."""
        assert self.held is not None
        return self.held.key.owner

    def acting_for(self, user: str) -> Caller:
        """The same, on behalf of *user*."""
        return Caller(self.house, self.held, act_for=user)

    async def __call__(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        """Send a request, and look at what every answer must be."""
        if body is not None:
            more["json"] = body
        answer = await self._client.request(method, path, headers={**self.headers, **(headers or {})}, **more)
        check(method, answer)
        return answer

    async def get(self, path: str, **more: Any) -> Any:
        """What is shown at *path*."""
        answer = await self("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What is answered to a write that is done."""
        answer = await self(method, path, body, **more)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json() if answer.content else None

    async def refused(self, code: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """The problem with which a request is refused: that of *code*. A write that is refused has changed nothing."""
        before = self.house.commits
        answer = await self(method, path, body, **more)
        assert answer.status_code >= 400, answer.text
        problem: dict[str, Any] = answer.json()
        assert problem["code"] == code, problem
        assert self.house.commits == before
        return problem


def check(method: str, answer: httpx2.Response) -> None:
    """What holds of every answer: nobody keeps it, nobody guesses it, errors are problems, bodies are as documented."""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    kind = answer.headers.get("content-type", "")
    if answer.status_code >= 400:
        assert kind == "application/problem+json"
        problem = answer.json() if answer.content else None
        if problem is not None:
            assert problem["status"] == answer.status_code == PROBLEMS[problem["code"]].status
            assert problem["type"].endswith(problem["code"])
            assert "Traceback" not in answer.text
        assert answer.status_code != 401 or "www-authenticate" in answer.headers
        assert answer.status_code not in (429, 503) or "retry-after" in answer.headers
        return
    if answer.content:
        shown = documented(method, answer.request.url.path)
        if isinstance(shown, type) and issubclass(shown, BaseModel):
            shown.model_validate(answer.json())


def documented(method: str, path: str) -> Any:
    """What the OpenAPI document says is shown by this operation."""
    operation = ROUTES.find(method.encode(), path.encode())
    return MODELS[operation.name] if operation is not None else None


def _models() -> dict[str, Any]:
    from limen.http.management import operation_id
    from limen.http.routes import ROUTERS

    found = {}
    for router in ROUTERS:
        for context in iter_route_contexts(router.routes):
            route: Any = context.original_route
            found[operation_id(route)] = route.response_model
    return found


MODELS = _models()
"""What each operation shows, by its id."""
