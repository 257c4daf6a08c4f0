"""The API behind Limen as an operator sets it up, and every operation of it as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
from fastapi.testclient import TestClient

import examples.organisation_platform as application
from examples.organisation_platform.app import create_app
from limen.app import App
from limen.control import apis, keys, owners
from limen.profiles import load
from limen.settings import Settings

API = "organisation"
OWN = Path(application.__file__).parent / "profile.yaml"
ORIGIN = "https://shop.example.com"
SCOPES = ("read:experiences", "write:experiences", "read:consumers", "write:consumers", "read:analytics")
Answer = Any  # httpx's, or that of the library in its place: the test client knows which

_COUNTED = {"measures": [{"name": "orders", "event": "order.created", "op": "count"}], "timeRange": "7d"}


class Operation(NamedTuple):
    """One operation with a call that succeeds, and one whose input makes no sense."""

    name: str
    method: str
    path: str
    """With ``{experience}``, ``{consumer}`` or ``{member}`` for the id of one."""
    scope: str
    status: int
    sent: Mapping[str, Any]
    """What a call that succeeds is made with: ``json`` or ``params``."""
    wrong: Mapping[str, Any] | None
    """As *sent*, with input that is refused; None where an operation has no input but an id."""

    def __str__(self) -> str:
        return self.name


OPERATIONS = [
    Operation(name, *call.split(" "), scope, status, sent, wrong)  # type: ignore[misc]  # a method and a path
    for name, call, scope, status, sent, wrong in (
        ("listExperiences", "GET /experiences", SCOPES[0], 200, {"params": {"first": 3}}, {"params": {"first": 0}}),
        (
            "getExperience",
            "GET /experiences/{experience}",
            SCOPES[0],
            200,
            {"params": {"include": "sequences,distributions"}},
            {"params": {"include": "all"}},
        ),
        ("createExperience", "POST /experiences", SCOPES[1], 201, {"json": {"name": "A"}}, {"json": {"name": ""}}),
        (
            "updateExperience",
            "PUT /experiences/{experience}",
            SCOPES[1],
            200,
            {"json": {"name": "B"}},
            {"json": {"a": 1}},
        ),
        ("deleteExperience", "DELETE /experiences/{experience}", SCOPES[1], 204, {}, None),
        ("duplicateExperience", "POST /experiences/{experience}/duplicate", SCOPES[1], 201, {}, {"json": {"name": 1}}),
        ("listConsumers", "GET /consumers", SCOPES[2], 200, {"params": {"search": "am"}}, {"params": {"search": "a"}}),
        ("searchConsumers", "GET /consumers/search", SCOPES[2], 200, {"params": {"q": "am"}}, {"params": {}}),
        ("getConsumer", "GET /consumers/{consumer}", SCOPES[2], 200, {}, None),
        (
            "createConsumer",
            "POST /consumers",
            SCOPES[3],
            201,
            {"json": {"fullName": "A", "metadata": {"tier": "gold", "since": 2020, "vip": True}}},
            {"json": {"phone": "0800"}},
        ),
        (
            "updateConsumer",
            "PUT /consumers/{consumer}",
            SCOPES[3],
            200,
            {"json": {"phone": None}},
            {"json": {"email": "a"}},
        ),
        ("deleteConsumer", "DELETE /consumers/{consumer}", SCOPES[3], 204, {}, None),
        (
            "createConsumers",
            "POST /consumers/batch",
            SCOPES[3],
            201,
            {"json": {"consumers": [{"fullName": "A"}, {"fullName": "A"}]}},
            {"json": {"consumers": [{}] * 501}},
        ),
        (
            "updateConsumers",
            "PUT /consumers/batch",
            SCOPES[3],
            200,
            {"json": {"consumers": [{"id": "{consumer}", "fullName": "A"}]}},
            {"json": {"consumers": [{"id": "{consumer}"}, {"id": "{consumer}"}]}},
        ),
        ("queryAnalytics", "POST /analytics/query", SCOPES[4], 200, {"json": _COUNTED}, {"json": {"timeRange": "7d"}}),
        ("getOrganization", "GET /organizations/me", "admin", 200, {}, None),
        (
            "updateOrganization",
            "PUT /organizations/me",
            "admin",
            200,
            {"json": {"name": "A"}},
            {"json": {"plan": "pro"}},
        ),
        ("listMembers", "GET /organizations/me/users", "admin", 200, {}, {"params": {"role": "king"}}),
        (
            "inviteMember",
            "POST /organizations/me/users",
            "admin",
            201,
            {"json": {"email": "new@example.com", "role": "editor"}},
            {"json": {"email": "new@example.com"}},
        ),
        ("getMember", "GET /organizations/me/users/{member}", "admin", 200, {}, None),
        (
            "updateMember",
            "PUT /organizations/me/users/{member}",
            "admin",
            200,
            {"json": {"role": "admin"}},
            {"json": {}},
        ),
        ("removeMember", "DELETE /organizations/me/users/{member}", "admin", 204, {}, None),
    )
]
READS = [each for each in OPERATIONS if each.method == "GET"]
WITH_ID = [each for each in OPERATIONS if "{" in each.path]

_NEW = {
    "experience": ("/experiences", {"name": "Made"}),
    "consumer": ("/consumers", {"fullName": "Made"}),
    "member": ("/organizations/me/users", {"email": "made{}@example.com", "role": "viewer"}),
}
_numbers = count()


class Ids(NamedTuple):
    """Something of each kind that one organisation has in one environment, and that may be deleted."""

    experience: str
    consumer: str
    member: str


@dataclass(frozen=True)
class Guarded:
    """The API behind the guard, and the keys of the first two organisations."""

    limen: App
    client: TestClient
    organisation_ids: tuple[str, ...]
    document: dict[str, Any]
    texts: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, database_url: str) -> Iterator[Guarded]:
        """A new installation in *folder* in front of the data at *database_url*."""
        settings = Settings(database_url=f"sqlite:///{folder / 'limen.db'}", segment_bytes=1 << 20, drain=False)
        app = create_app(database_url, settings=settings)
        with app.state.store.engine.connect() as conn:
            found = conn.exec_driver_sql("SELECT id FROM organisations WHERE environment = 'live' ORDER BY number")
            ids = tuple(row[0] for row in found)
        limen = App.initialise(settings)
        limen.act(apis.create, API, load(OWN))
        for each in ids:
            limen.act(owners.create, owners.NewOwner("organisation", "A firm", each))
            limen.act(owners.set_plan, each, API, plan="pro")
        try:
            with TestClient(app, base_url="https://testserver") as client:
                yield cls(limen, client, ids, app.openapi())
        finally:
            limen.close()

    def key(self, *scopes: str, owner: int = 0, **more: Any) -> str:
        """The text of a key with *scopes* of an organisation, live and secret unless *more* says otherwise."""
        which = (scopes, owner, *sorted(more.items()))
        if which not in self.texts:
            new = keys.NewKey(API, self.organisation_ids[owner], "a key", scopes=scopes, **more)
            self.texts[which] = self.limen.act(keys.issue, new).text
        return self.texts[which]

    def ask(self, key: str | None, method: str, path: str, **sent: Any) -> Answer:
        """The answer to a call of v1."""
        headers = sent.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        return self.client.request(method, f"/v1{path}", headers=headers, **sent)

    def call(self, key: str | None, operation: Operation, ids: Ids, *, wrong: bool = False) -> Answer:
        """The answer to *operation*, about what has *ids*."""
        sent = (operation.wrong if wrong else operation.sent) or {}
        return self.ask(key, operation.method, operation.path.format_map(ids._asdict()), **_filled(sent, ids))

    def make(self, operation: Operation, *, owner: int = 0, environment: str = "live") -> Ids:
        """A new draft, a new consumer or a new member, where *operation* is about one."""
        key = self.key("admin", owner=owner, environment=environment)
        made = []
        for kind, (path, pattern) in _NEW.items():
            wanted = f"{{{kind}}}" in operation.path + str(operation.sent)
            body = {name: value.format(next(_numbers)) for name, value in pattern.items()}
            made.append(self.ask(key, "POST", path, json=body).json()["id"] if wanted else "")
        return Ids(*made)

    def described(self, operation: Operation, answer: Answer) -> bool:
        """Whether *answer* is one that the document states for *operation*: its status, its media type, its shape."""
        found = self.document["paths"]["/v1" + _template(operation.path)][operation.method.lower()]
        stated = found["responses"].get(str(answer.status_code))
        if stated is None or "content" not in stated:
            return stated is not None and not answer.content
        media = answer.headers["content-type"]
        schema = stated["content"][media]["schema"] | {"components": self.document["components"]}
        return bool(jsonschema_rs.is_valid(schema, answer.json()))


def _template(path: str) -> str:
    return path.replace("{experience}", "{id}").replace("{consumer}", "{id}").replace("{member}", "{id}")


def _filled(sent: Any, ids: Ids) -> Any:
    if isinstance(sent, str):
        return ids.consumer if sent == "{consumer}" else sent
    if isinstance(sent, dict):
        return {name: _filled(below, ids) for name, below in sent.items()}
    return [_filled(below, ids) for below in sent] if isinstance(sent, list) else sent
