"""The OpenAPI document: every route, what it takes, what it answers and what it asks of a key."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from limen.core.problems import PROBLEMS
from limen.http.routes import ROUTERS
from tests.gate.scene import Placed
from tests.http.v1.house import MODELS, PROFILE, Caller, House

METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = {each.name: each for each in PROFILE.operations}


@pytest.fixture(scope="module")
def document(house: House) -> Any:
    """The document."""
    return house.public._management.openapi()


def _calls(document: Any) -> dict[str, Any]:
    return {
        call["operationId"]: call
        for item in document["paths"].values()
        for method, call in item.items()
        if method in METHODS
    }


@pytest.mark.req("R50", "R83")
async def test_anybody_may_read_it(house: House, document: Any) -> None:
    shown = await house.stranger().get("/openapi.json")
    assert shown == document
    assert shown["openapi"].startswith("3.1.")


async def test_it_is_made_once_and_before_anybody_asks(tmp_path: Path, placed: Placed) -> None:
    made = House(placed(tmp_path))
    try:
        answers = await asyncio.gather(*(made.stranger()("GET", "/openapi.json") for _ in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        made.public._management.openapi_schema = {"title": "made anew"}
        assert (await made.stranger()("GET", "/openapi.json")).content == answers[0].content
    finally:
        made.close()


async def test_who_has_it_is_not_sent_it_again(house: House, document: Any) -> None:
    first = await house.stranger()("GET", "/openapi.json")
    again = await house.stranger()("GET", "/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "304" in document["paths"]["/v1/openapi.json"]["get"]["responses"]


def test_it_names_every_operation_as_the_profile_does(document: Any) -> None:
    said = {
        (call["operationId"], method.upper(), path)
        for path, item in document["paths"].items()
        for method, call in item.items()
    }
    assert said == {(each.name, each.method, each.path) for each in PROFILE.operations}


@pytest.mark.req("R50")
def test_it_says_what_each_operation_asks_of_a_key(document: Any) -> None:
    assert document["components"]["securitySchemes"]["ApiKey"] == {"type": "http", "scheme": "bearer"}
    for name, call in _calls(document).items():
        operation = OPERATIONS[name]
        wanted = [] if operation.public else [{"ApiKey": sorted(operation.scopes)}]
        assert [{key: sorted(value) for key, value in each.items()} for each in call["security"]] == wanted, name


def test_it_says_what_each_operation_answers(document: Any) -> None:
    for name, call in _calls(document).items():
        operation, statuses = OPERATIONS[name], set(call["responses"])
        assert "default" not in statuses
        assert statuses & {"200", "201", "202", "204"}, name
        if not operation.public:
            assert {"400", "401", "403", "404", "429", "503"} <= statuses, name
        if operation.write:
            assert {"409", "412", "413", "415", "422"} <= statuses or operation.public, name
            headers = {each["name"] for each in call["parameters"]} if not operation.public else set()
            assert {"Idempotency-Key", "If-Match", "Limen-Act-For"} <= headers or operation.public, name
        assert call["description"], name
        for status, answer in call["responses"].items():
            assert answer["description"]
            if status >= "400":
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_every_problem_is_in_it(document: Any) -> None:
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(PROBLEMS)


def test_whatever_it_refers_to_is_in_it(document: Any) -> None:
    named = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document)))
    assert named <= set(document["components"]["schemas"])
    assert set(document["components"]["schemas"]) - named <= {"Body", "Wanted"}


def _models() -> dict[str, type[BaseModel]]:
    """Every body that is read, and every answer that is shown, by its name."""
    found: dict[str, type[BaseModel]] = {}
    for router in ROUTERS:
        for context in iter_route_contexts(router.routes):
            field = getattr(context.original_route, "body_field", None)
            for model in (field.field_info.annotation if field is not None else None,):
                if isinstance(model, type) and issubclass(model, BaseModel):
                    found[model.__name__] = model
    shown = {each.__name__: each for each in MODELS.values() if isinstance(each, type) and issubclass(each, BaseModel)}
    return found | shown


@pytest.mark.parametrize("name", sorted(_models()))
def test_its_examples_are_what_they_are_examples_of(document: Any, name: str) -> None:
    (example,) = document["components"]["schemas"][name]["examples"]
    assert _models()[name].model_validate(example)


async def test_its_first_address_can_be_called(staff: Caller) -> None:
    document = await staff.get("/openapi.json")
    assert "/v1/me" in document["paths"]
    await staff.get("/me")
