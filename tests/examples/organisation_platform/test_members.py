"""An organisation and its members: roles, invitations, and an owner who can always come in."""

from typing import Any

import pytest

from tests.examples.organisation_platform.conftest import AsKey

USERS = "/organizations/me/users"


def team(client: Any) -> dict[str, dict[str, Any]]:
    """The members, by their addresses' beginnings."""
    return {each["email"].partition("@")[0]: each for each in client.get(USERS, params={"first": 100}).json()["data"]}


def test_the_team_has_every_role_and_somebody_who_has_not_accepted(reader: AsKey) -> None:
    members = list(team(reader()).values())
    assert {each["role"] for each in members} == {"owner", "admin", "editor", "viewer"}
    assert [each["name"] is None for each in members] == [each["status"] == "pending" for each in members]
    fields = {"id", "email", "name", "role", "status", "createdAt", "joinedAt", "lastActiveAt"}
    assert all(set(each) == fields for each in members)


def test_the_organisation_keeps_an_active_owner(writer: AsKey) -> None:
    client = writer()
    owner, admin, pending = (team(client)[name] for name in ("member0", "member1", "member5"))
    assert (owner["role"], pending["status"]) == ("owner", "pending")
    assert client.put(f"{USERS}/{pending['id']}", json={"role": "owner"}).status_code == 200, "who may never come in"
    for answer in (
        client.put(f"{USERS}/{owner['id']}", json={"role": "admin"}),
        client.delete(f"{USERS}/{owner['id']}"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert client.put(f"{USERS}/{owner['id']}", json={"role": "owner"}).status_code == 200
    assert client.put(f"{USERS}/{admin['id']}", json={"role": "owner"}).json()["role"] == "owner"
    assert client.delete(f"{USERS}/{owner['id']}").status_code == 204
    assert client.get(f"{USERS}/{owner['id']}").status_code == 404


def test_who_is_invited_is_pending_and_is_invited_once(writer: AsKey, organisation_ids: list[str]) -> None:
    client, body = writer(), {"email": "New@Example.com", "role": "editor", "message": "Come in"}
    invited = client.post(USERS, json=body)
    assert (invited.status_code, invited.json()["status"]) == (201, "pending")
    assert invited.json()["email"] == "new@example.com"
    again = client.post(USERS, json=body | {"role": "owner"})
    assert (again.status_code, again.json()["details"]) == (409, [{"field": "email", "message": "Is taken"}])
    assert writer(organisation_ids[1]).post(USERS, json=body).status_code == 201
    assert client.delete(f"{USERS}/{invited.json()['id']}").status_code == 204
    assert client.post(USERS, json=body).status_code == 201


@pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": None}, {"role": "owner", "email": "a@example.com"}])
def test_a_role_that_there_is_not_is_refused(writer: AsKey, body: dict[str, Any]) -> None:
    client = writer()
    assert client.put(f"{USERS}/{team(client)['member2']['id']}", json=body).status_code == 400


@pytest.mark.req("R200")
def test_the_organisation_is_changed_in_one_environment_alone(writer: AsKey) -> None:
    live, test = writer(), writer(environment="test")
    before = [client.get("/organizations/me").json() for client in (live, test)]
    assert [each["environment"] for each in before] == ["live", "test"]
    assert before[0]["id"] == before[1]["id"]
    changed = test.put("/organizations/me", json={"name": "Renamed", "currencyCode": "USD", "timeZone": "Asia/Tokyo"})
    assert (changed.status_code, changed.json()["name"], changed.json()["plan"]) == (200, "Renamed", "pro")
    assert live.get("/organizations/me").json() == before[0]
    assert test.put("/organizations/me", json={}).json() == changed.json()
    for wrong in ({"name": None}, {"currencyCode": "euro"}, {"timeZone": "Nowhere"}, {"plan": "enterprise"}):
        assert test.put("/organizations/me", json=wrong).status_code == 400
