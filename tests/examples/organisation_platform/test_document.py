"""The OpenAPI document: what each operation needs and answers, as clients and profiles read it."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from limen.profiles import load
from tests.examples.organisation_platform.guarded import OPERATIONS, OWN, Guarded


@pytest.fixture(scope="module")
def described(guarded: Guarded) -> dict[str, dict[str, Any]]:
    """Operation id to what the document says of it, with its call."""
    return {
        operation["operationId"]: operation | {"call": f"{method.upper()} {path.removeprefix('/v1')}"}
        for path, methods in guarded.document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.parametrize("which", ["organisation", OWN], ids=["shipped", "own"])
def test_routes_and_profiles_name_the_same_operations(described: dict[str, dict[str, Any]], which: str | Path) -> None:
    profile = {each.name: each for each in load(which).operations}
    calls = {name: operation["call"] for name, operation in described.items()}
    assert calls == {name: f"{each.method} {each.path}" for name, each in profile.items()}
    needed = {
        name: {scope for scheme in operation["security"] for scope in scheme["ApiKey"]}
        for name, operation in described.items()
    }
    assert needed == {name: each.scopes for name, each in profile.items()}


def test_the_own_profile_is_the_shipped_one_with_the_platforms_own_refusals() -> None:
    own, shipped = (dict(load(which).document) for which in (OWN, "organisation"))
    assert (own["errors"].pop("style"), shipped["errors"].pop("style")) == ("compat", "problem")
    assert own == shipped


def test_what_changes_something_is_a_write_in_the_profile() -> None:
    profile = {each.name: each for each in load("organisation").operations}
    writes = {each.name for each in OPERATIONS if each.method != "GET"} - {"queryAnalytics"}
    assert {name for name, each in profile.items() if each.write} == writes


def test_it_says_with_which_shape_each_status_is_answered(
    guarded: Guarded, described: dict[str, dict[str, Any]]
) -> None:
    assert guarded.document["openapi"].startswith("3.1")
    assert guarded.document["components"]["securitySchemes"] == {"ApiKey": {"type": "http", "scheme": "bearer"}}
    for operation in OPERATIONS:
        answers = described[operation.name]["responses"]
        assert {str(operation.status), "400", "401", "403", "404", "410", "429", "503"} <= set(answers)
        assert ("304" in answers) is (operation.method == "GET")
        for status, answer in answers.items():
            assert ("content" in answer) is (status not in ("204", "304")), (operation, status)
    schemas = set(guarded.document["components"]["schemas"])
    assert not {"HTTPValidationError", "ValidationError"} & schemas
    assert {"Page_Experience_", "Page_Consumer_", "PageInfo", "AnalyticsResult", "ErrorBody"} <= schemas


def test_parameters_are_named_as_on_the_wire(described: dict[str, dict[str, Any]]) -> None:
    named = {
        name: {parameter["name"] for parameter in operation.get("parameters", [])}
        for name, operation in described.items()
    }
    paging = {"first", "after", "last", "before", "sortBy", "sortDir"}
    assert named["listExperiences"] == {*paging, "include"}
    assert named["listConsumers"] == {*paging, "search", "createdAfter", "createdBefore"}
    assert named["searchConsumers"] == {"q", "email", "phone", "externalId", "first"}
    assert named["listMembers"] == {*paging, "role"}
    assert named["updateExperience"] == {"id"}


def test_it_is_made_once(on_sqlite: FastAPI) -> None:
    assert on_sqlite.openapi() is on_sqlite.openapi()
