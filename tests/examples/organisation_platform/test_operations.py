"""Every operation behind Limen: done, refused for its input, its scope, its key, and for what belongs to others."""

import pytest

from tests.examples.organisation_platform.guarded import OPERATIONS, SCOPES, WITH_ID, Guarded, Ids, Operation

EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def test_the_table_names_every_operation(guarded: Guarded) -> None:
    described = {
        operation["operationId"]: [scope for scheme in operation["security"] for scope in scheme["ApiKey"]]
        for methods in guarded.document["paths"].values()
        for operation in methods.values()
    }
    assert described == {each.name: [each.scope] for each in OPERATIONS} | {"getOpenapi": []}


@EVERY
@pytest.mark.req("R226", "R227", "R228", "R229", "R230", "R231", "R236", "R238")
def test_a_key_with_the_scope_and_no_other_succeeds(guarded: Guarded, operation: Operation) -> None:
    answer = guarded.call(guarded.key(operation.scope), operation, guarded.make(operation))
    assert answer.status_code == operation.status, answer.text
    assert guarded.described(operation, answer)


@EVERY
@pytest.mark.req("R231")
def test_a_key_with_admin_succeeds(guarded: Guarded, operation: Operation) -> None:
    if operation.name == "inviteMember":
        operation = operation._replace(sent={"json": {"email": "other@example.com", "role": "owner"}})
    answer = guarded.call(guarded.key("admin"), operation, guarded.make(operation))
    assert answer.status_code == operation.status, answer.text


@EVERY
@pytest.mark.req("R178", "R179", "R273")
def test_a_key_with_every_other_scope_is_refused_and_told_which_it_lacks(
    guarded: Guarded, operation: Operation
) -> None:
    key = guarded.key(*(scope for scope in SCOPES if scope != operation.scope))
    answer = guarded.call(key, operation, guarded.make(operation))
    body = answer.json()
    assert (answer.status_code, body["error"], body["code"]) == (403, "forbidden", "scope_missing")
    assert f"needs {operation.scope}" in body["message"]
    assert guarded.described(operation, answer)


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.wrong is not None], ids=str)
def test_input_that_makes_no_sense_is_refused_field_by_field(guarded: Guarded, operation: Operation) -> None:
    answer = guarded.call(guarded.key(operation.scope), operation, guarded.make(operation), wrong=True)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, "validation_error"), answer.text
    assert all(each["field"] and each["message"] for each in body["details"])
    assert guarded.described(operation, answer)


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
@pytest.mark.req("R125", "R200")
@pytest.mark.parametrize(("owner", "environment"), [(1, "live"), (0, "test"), (1, "test")])
def test_what_belongs_to_others_is_not_there(
    guarded: Guarded, operation: Operation, owner: int, environment: str
) -> None:
    """The same answer, to the byte, for what is another's, for one's own in the other environment, for nobody's."""
    key, nobodys = guarded.key(operation.scope), Ids("exp_none", "cons_none", "user_none")
    nothing = guarded.call(key, operation, nobodys)
    theirs = guarded.make(operation, owner=owner, environment=environment)
    answer = guarded.call(key, operation, theirs)
    assert (answer.status_code, answer.content) == (404, nothing.content)
    assert answer.json()["error"] == "not_found"
    assert guarded.described(operation, answer)
    still = guarded.call(guarded.key("admin", owner=owner, environment=environment), operation, theirs)
    assert still.status_code == operation.status, "it was theirs, and is unchanged"


def test_a_batch_with_anothers_consumer_changes_nothing(guarded: Guarded) -> None:
    about = next(each for each in OPERATIONS if each.name == "getConsumer")
    mine, theirs, key = guarded.make(about), guarded.make(about, owner=1), guarded.key(*SCOPES)
    changes = [{"id": each.consumer, "fullName": "Changed"} for each in (mine, theirs)]
    answer = guarded.ask(key, "PUT", "/consumers/batch", json={"consumers": changes})
    assert (answer.status_code, answer.json()["details"]) == (
        404,
        [{"field": "consumers.1.id", "message": "Not found"}],
    )
    assert guarded.ask(key, "GET", f"/consumers/{mine.consumer}").json()["fullName"] == "Made"


@EVERY
def test_without_a_key_nothing_is_told(guarded: Guarded, operation: Operation) -> None:
    for key in (None, "sk_live_" + "0" * 50):
        answer = guarded.call(key, operation, Ids("exp_none", "cons_none", "user_none"))
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
        assert guarded.described(operation, answer)


@EVERY
@pytest.mark.req("R238")
def test_the_version_is_in_the_path(guarded: Guarded, operation: Operation) -> None:
    key = guarded.key(operation.scope)
    path = operation.path.format(experience="e", consumer="c", member="m")
    for before, code in (("", "version_missing"), ("/v2", "version_unknown")):
        headers = {"Authorization": f"Bearer {key}"}
        answer = guarded.client.request(operation.method, before + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, code)
        assert guarded.described(operation, answer)


def test_a_key_that_outlived_its_organisation_finds_nothing(guarded: Guarded) -> None:
    from limen.control import keys, owners

    guarded.limen.act(owners.create, owners.NewOwner("organisation", "A firm", "o-gone"))
    text = guarded.limen.act(keys.issue, keys.NewKey("organisation", "o-gone", "a key")).text
    for path in ("/experiences", "/consumers"):
        answer = guarded.ask(text, "GET", path)
        assert (answer.status_code, answer.json()["message"]) == (404, "There is no such organization.")


def test_the_document_is_public_and_the_only_thing_beside_v1(guarded: Guarded) -> None:
    answer = guarded.client.get("/openapi.json")
    assert (answer.status_code, answer.json()) == (200, guarded.document)
    key = guarded.key("admin")
    for path in ("/", "/docs", "/redoc", "/v1", "/v1/", "/v1/experience", "/v1/consumers/a/b"):
        answer = guarded.client.get(path, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
