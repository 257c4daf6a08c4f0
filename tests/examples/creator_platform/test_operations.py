"""Every operation through the real guard, under the example's own profile: right, wrong, foreign, and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from examples.creator_platform.app import create_app
from examples.creator_platform.errors import (
    Errors,
    Message,
    RateLimited,
    SunsetVersion,
    Unauthorized,
    UnsupportedVersion,
)
from limen.control import terms
from limen.core.limits import read_limits
from limen.core.profile_reader import read_profile
from limen.guard.fastapi import protect
from limen.profiles import load
from tests.core.documents import edited
from tests.examples.creator_platform.calls import CALLS, People, find_people
from tests.examples.creator_platform.conftest import asking, seed_at
from tests.examples.creator_platform.test_document import OWN
from tests.gate.scene import Scene

if TYPE_CHECKING:
    from httpx2 import Response

LIMIT = 100_000
"""More requests than all of these tests make."""
PROFILE = read_profile(edited({"limits.default": f"{LIMIT} per 60 s"}, load(OWN).document))
OPERATIONS = {operation.name: operation for operation in PROFILE.operations if not operation.public}
NEWEST, OLDER, SUNSET = "2025-06-26", "2025-01-15", "2024-09-01"
every_operation = pytest.mark.parametrize("name", OPERATIONS)


class Platform:
    """The API behind a guard of its own, and keys to call it with."""

    def __init__(self, scene: Scene, url: str) -> None:
        self.scene, self.app = scene, create_app(url, guarded=False)
        protect(self.app, api="creator", opened=scene.app)
        self.client = TestClient(self.app, base_url="http://127.0.0.1", client=("127.0.0.1", 1))
        self.people: People = find_people(asking(self.app))
        self.keys: dict[tuple[str, tuple[str, ...]], str] = {}

    def key(self, owner: str, scopes: tuple[str, ...]) -> str:
        """A key of *owner* with exactly these scopes. Whoever is given a second one loses the first."""
        if (owner, scopes) not in self.keys:
            self.keys[owner, scopes] = self.scene.key(owner, scopes=scopes).decode()
        return self.keys[owner, scopes]

    def call(self, name: str, *, wrong: bool = False, foreign: bool = False, **headers: str | None) -> Response:
        """The answer to the operation's call with a key of all scopes; *headers* in place of key and version."""
        call, method = CALLS[name], OPERATIONS[name].method
        path = call.foreign if foreign else call.path
        query, body = call.query, call.body
        if wrong and (call.wrong_query or call.wrong_body):
            query, body = call.wrong_query, call.wrong_body
        elif wrong:
            path = path.replace("{peer}", "me").replace("{creator}", "me")
        sent = {"x_fanvue_api_key": None, "x_fanvue_api_version": NEWEST} | headers
        if "x_fanvue_api_key" not in headers:
            sent["x_fanvue_api_key"] = self.key(getattr(self.people, call.who), tuple(PROFILE.catalogue.scopes))
        return self.client.request(
            method,
            self.people.fill(path),
            params=query,
            json=self.people.fill(body),
            headers={header.replace("_", "-"): value for header, value in sent.items() if value is not None},
        )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The API on data of this module's own. What the guard decides does not depend on the platform's database."""
    folder = tmp_path_factory.mktemp("platform")
    url = f"sqlite:///{folder / 'creator.db'}"
    seed_at(url)
    (folder / "limen").mkdir()
    scene = Scene(folder / "limen", PROFILE)
    platform = Platform(scene, url)
    yield platform
    platform.client.close()
    platform.app.state.store.close()
    scene.close()


def test_every_operation_has_its_call() -> None:
    assert set(CALLS) == set(OPERATIONS)


@every_operation
def test_what_is_right_succeeds_in_the_newest_version(platform: Platform, name: str) -> None:
    answer = platform.call(name)
    assert answer.status_code == CALLS[name].status, answer.text
    assert "deprecation" not in answer.headers
    assert int(answer.headers["x-ratelimit-remaining"]) < LIMIT
    assert ("etag" in answer.headers) is (OPERATIONS[name].method == "GET")


@every_operation
def test_what_is_wrong_is_refused_by_name(platform: Platform, name: str) -> None:
    call = CALLS[name]
    if not (call.wrong_query or call.wrong_body or "{" in call.path):
        assert (call.query, call.body) == ({}, None), "what can be given can be wrong"
        return
    answer = platform.call(name, wrong=True)
    assert answer.status_code == 400, answer.text
    shape = Errors if call.wrong_query or call.wrong_body else Message
    assert set(answer.json()) == set(shape.model_validate(answer.json()).model_dump())


@pytest.mark.req("R125")
@every_operation
def test_what_belongs_to_somebody_else_is_not_found(platform: Platform, name: str) -> None:
    if "{" not in OPERATIONS[name].path:
        return
    answer = platform.call(name, foreign=True)
    assert answer.status_code == 404, answer.text
    assert list(Message.model_validate(answer.json()).model_dump()) == list(answer.json())


@pytest.mark.req("R97")
@every_operation
def test_each_missing_scope_is_refused(platform: Platform, name: str) -> None:
    for missing in OPERATIONS[name].scopes:
        held = tuple(scope for scope in PROFILE.catalogue.scopes if scope != missing)
        key = platform.key(f"without-{missing.replace(':', '-')}", held)
        answer = platform.call(name, x_fanvue_api_key=key)
        assert answer.status_code == 403, answer.text
        assert Unauthorized.model_validate(answer.json()).error == "Forbidden"


@every_operation
def test_a_version_that_was_sunset_is_gone_and_names_the_next(platform: Platform, name: str) -> None:
    answer = platform.call(name, x_fanvue_api_version=SUNSET)
    assert answer.status_code == 410
    assert SunsetVersion.model_validate(answer.json()).next_version == NEWEST
    assert answer.headers["x-fanvue-api-next-version"] == NEWEST


@pytest.mark.req("R58")
@every_operation
def test_a_deprecated_version_works_and_says_so(platform: Platform, name: str) -> None:
    answer = platform.call(name, x_fanvue_api_version=OLDER)
    assert answer.status_code == CALLS[name].status or (name, answer.status_code) == ("deleteMessage", 404)
    assert answer.headers["deprecation"]
    assert answer.headers["x-fanvue-api-next-version"] == NEWEST


@every_operation
def test_without_key_or_version_nobody_comes_in(platform: Platform, name: str) -> None:
    answer = platform.call(name, x_fanvue_api_key=None)
    assert (answer.status_code, Unauthorized.model_validate(answer.json()).error) == (401, "Unauthorized")
    for version in (None, "2020-01-01", "newest"):
        answer = platform.call(name, x_fanvue_api_version=version)
        assert answer.status_code == 400
        assert UnsupportedVersion.model_validate(answer.json()).error == "Unsupported API version"


def test_over_the_limit_says_when_to_come_back(platform: Platform) -> None:
    issued = platform.scene.issued("hasty", scopes=("read:self",))
    platform.scene.app.act(terms.set_limits, issued.key.key, limits=read_limits("1 per 60 s", "allowance"))
    answers = [platform.call("getCurrentUser", x_fanvue_api_key=issued.text) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 429]  # the first has no account behind its key
    assert RateLimited.model_validate(answers[1].json()).retry_after == int(answers[1].headers["retry-after"]) > 0


@pytest.mark.req("R84", "R58")
def test_the_version_that_was_admitted_decides_the_shape(platform: Platform) -> None:
    newest, older = (platform.call("getCurrentUser", x_fanvue_api_version=name).json() for name in (NEWEST, OLDER))
    counts = newest.pop("fanCounts")
    assert set(counts) == {"followersCount", "subscribersCount"}
    assert older == newest | counts


@pytest.mark.req("R97")
def test_the_document_states_the_scopes_and_the_header_that_carries_the_key(platform: Platform) -> None:
    document = platform.client.get("/openapi.json").json()
    stated = {
        operation["operationId"]: {scope for way in operation.get("security", []) for scope in way["ApiKey"]}
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert stated == {name: set(operation.scopes) for name, operation in OPERATIONS.items()} | {"getOpenapi": set()}
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert scheme == {"type": "apiKey", "in": "header", "name": "X-Fanvue-API-Key"}


@pytest.mark.req("R277")
@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.method == "GET"])
def test_what_a_client_has_already_is_not_sent_again(platform: Platform, name: str) -> None:
    etag = platform.call(name).headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = platform.call(name, if_none_match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, "private, no-cache")
        assert "x-ratelimit-remaining" in answer.headers
    assert platform.call(name, if_none_match='"other"').status_code == 200
