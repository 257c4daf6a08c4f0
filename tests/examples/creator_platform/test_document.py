"""The OpenAPI document, the profile that names its operations, and refusals outside any operation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

import limen

AsUser = Callable[[str], TestClient]


@pytest.fixture(scope="module")
def document(reader: AsUser) -> dict[str, Any]:
    answer = reader("nobody").get("/openapi.json")
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


def test_routes_and_profile_name_the_same_operations(document: dict[str, Any]) -> None:
    profile = yaml.safe_load((Path(limen.__file__).parent / "profiles" / "creator.yaml").read_text())
    named = {operation["id"]: operation["call"] for operation in profile["operations"]}
    assert {name: operation["call"] for name, operation in operations(document).items()} == named


def test_the_document_says_what_the_api_answers(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    described = operations(document)
    statuses = {name: set(operation["responses"]) for name, operation in described.items()}
    common = {"400", "401", "403", "410", "429"}
    assert statuses == {
        "getCurrentUser": {"200", "404", *common},
        "listChats": {"200", *common},
        "createChat": {"201", *common},
        "listMessages": {"200", "404", *common},
        "sendMessage": {"201", "404", *common},
        "getOpenapi": {"200"},
    }
    assert "ValidationError" not in document["components"]["schemas"]


def test_parameters_are_named_as_on_the_wire(document: dict[str, Any]) -> None:
    named = {
        name: {parameter["name"] for parameter in operation.get("parameters", [])}
        for name, operation in operations(document).items()
    }
    assert named["listChats"] >= {"page", "size", "filter", "search", "sortBy"}
    assert named["listMessages"] >= {"userUuid", "page", "size", "markAsRead"}
    assert named["sendMessage"] >= {"userUuid"}


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi", "/users", "/chats/x/y/z"])
def test_an_unknown_path_is_not_found(reader: AsUser, path: str) -> None:
    answer = reader("nobody").get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_an_unknown_method_says_which_are_known(reader: AsUser) -> None:
    answer = reader("nobody").delete("/users/me")
    assert (answer.status_code, answer.json()) == (405, {"message": "Method Not Allowed"})
    assert answer.headers["allow"] == "GET"
