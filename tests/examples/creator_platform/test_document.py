"""The OpenAPI document, the profiles that name its operations, and refusals outside any operation."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

import limen
from examples.creator_platform import app as application
from limen.profiles import load

REFUSALS = {"400", "401", "403", "410", "429", "503"}
"""What every secured operation may answer, whatever it does."""
OWN = Path(application.__file__).parent / "profile.yaml"
SHIPPED = Path(limen.__file__).parent / "profiles" / "creator.yaml"


@pytest.fixture(scope="module")
def document(anybody: TestClient) -> dict[str, Any]:
    answer = anybody.get("/openapi.json")
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Operation id to what the document says of it, with its call."""
    return {
        operation["operationId"]: operation | {"call": f"{method.upper()} {path}"}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.req("R97")
def test_routes_and_profiles_name_the_same_operations(document: dict[str, Any]) -> None:
    own, shipped = (yaml.safe_load(path.read_text())["operations"] for path in (OWN, SHIPPED))
    assert own == shipped
    named = {operation["id"]: operation["call"] for operation in own}
    assert {name: operation["call"] for name, operation in operations(document).items()} == named


@pytest.mark.req("R58", "R61")
def test_the_own_profile_serves_a_version_and_the_one_before_it() -> None:
    own, shipped = yaml.safe_load(OWN.read_text()), yaml.safe_load(SHIPPED.read_text())
    versioning = load(OWN).versioning
    assert versioning is not None
    newest, older, oldest = versioning.versions
    assert (newest.name, newest.deprecated_at) == ("2025-06-26", None)
    assert (older.successor, older.sunset_at, oldest.successor) == (newest.name, None, newest.name)
    assert older.deprecated_at is not None
    assert oldest.sunset_at is not None
    for part in ("owners", "carriers", "keys", "scopes"):
        assert own[part] == shipped[part]
    assert own["errors"]["style"] == "compat"  # the refusals that errors.py documents


def test_the_document_says_what_the_api_answers(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for name, operation in operations(document).items():
        method, path = operation["call"].split(" ")
        statuses = set(operation["responses"])
        if name == "getOpenapi":
            assert statuses == {"200", "304"}
            continue
        assert statuses >= REFUSALS, name
        assert (method == "GET") is ("304" in statuses), name
        assert ("404" in statuses) or "{" not in path, name
        assert len([status for status in statuses if status.startswith("2")]) == 1, name
        for status, response in operation["responses"].items():
            assert ("content" in response) is (status not in ("204", "304")), (name, status)
    assert "ValidationError" not in document["components"]["schemas"]


def test_parameters_are_named_as_on_the_wire(document: dict[str, Any]) -> None:
    named = {
        name: {parameter["name"] for parameter in operation.get("parameters", [])}
        for name, operation in operations(document).items()
    }
    assert named["listChats"] == {"page", "size", "filter", "smartListIds", "search", "sortBy"}
    assert named["listMessages"] == {"userUuid", "page", "size", "markAsRead"}
    assert named["sendMessage"] == {"userUuid"}
    assert named["deleteMessage"] == {"userUuid", "messageUuid"}
    assert named["listSubscribers"] == {"page", "size", "sortField", "sortDirection"}
    assert named["listEarnings"] == {"startDate", "endDate", "source", "cursor", "size"}
    assert named["getEarningsSummary"] == {"startDate", "endDate", "granularity", "timezone"}
    assert named["listTopSpenders"] == {"startDate", "endDate", "page", "size"}
    assert named["listSubscriberDays"] == {"startDate", "endDate", "cursor", "size"}


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi", "/users", "/chats/x/y/z"])
def test_an_unknown_path_is_not_found(anybody: TestClient, path: str) -> None:
    answer = anybody.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_an_unknown_method_says_which_are_known(anybody: TestClient) -> None:
    answer = anybody.delete("/users/me")
    assert (answer.status_code, answer.json()) == (405, {"message": "Method Not Allowed"})
    assert answer.headers["allow"] == "GET"
