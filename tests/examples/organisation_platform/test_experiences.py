"""Experiences: their states, their names, copies, and what each key sees of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.examples.organisation_platform.conftest import Ask, AsKey

FIELDS = {
    *("id", "name", "slug", "openAt", "closeAt", "timeZone", "i18n", "theme", "status"),
    *("createdAt", "updatedAt", "createdBy", "updatedBy"),
}


def at(**ago: int) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def make(client: Any, **given: Any) -> dict[str, Any]:
    answer = client.post("/experiences", json={"name": "Drop"} | given)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.req("R227")
def test_what_is_made_is_what_was_asked_for(writer: AsKey) -> None:
    client = writer()
    given = {
        "name": "Winter Drop",
        "slug": "winter-drop",
        "openAt": "2031-01-01T01:00:00+02:00",
        "closeAt": "2031-02-01T00:00:00.5Z",
        "timeZone": "Europe/Vienna",
        "i18n": {"de-AT": {"title": "Winterverkauf"}},
        "theme": {"primaryColor": "#7a1fa2"},
    }
    made = make(client, **given)
    assert set(made) == FIELDS
    moments = {"openAt": "2030-12-31T23:00:00.000Z", "closeAt": "2031-02-01T00:00:00.500Z"}
    assert made | given | moments == made | moments
    assert made["createdBy"] == made["updatedBy"] == "key_0123456789Ab"
    assert client.get(f"/experiences/{made['id']}").json() == made
    assert client.get("/experiences", params={"first": 1}).json()["data"] == [made]


@pytest.mark.parametrize(
    ("opens", "closes", "status"),
    [
        (None, None, "draft"),
        (-2, None, "scheduled"),
        (-2, -3, "scheduled"),
        (2, None, "active"),
        (2, -2, "active"),
        (2, 1, "completed"),
    ],
)
def test_the_state_follows_the_dates_and_what_is_active_is_not_deleted(
    writer: AsKey, opens: int | None, closes: int | None, status: str
) -> None:
    """*opens*, *closes*: so many days ago."""
    client = writer()
    dates = {"openAt": opens, "closeAt": closes}
    made = make(client, **{name: at(days=days) for name, days in dates.items() if days is not None})
    assert made["status"] == status
    answer = client.delete(f"/experiences/{made['id']}")
    if status == "active":
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
        assert client.get(f"/experiences/{made['id']}").status_code == 200
        closed = client.put(f"/experiences/{made['id']}", json={"closeAt": at(seconds=1)})
        assert closed.json()["status"] == "completed"
        answer = client.delete(f"/experiences/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/experiences/{made['id']}").status_code == 404
    assert client.delete(f"/experiences/{made['id']}").status_code == 404


def test_a_change_leaves_alone_what_it_does_not_name(writer: AsKey) -> None:
    client = writer()
    made = make(client, theme={"a": "b"}, timeZone="UTC")
    changed = client.put(f"/experiences/{made['id']}", json={"name": "Other", "timeZone": None}).json()
    assert changed == made | {"name": "Other", "timeZone": None, "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] >= made["updatedAt"]
    assert client.put(f"/experiences/{made['id']}", json={}).json() == changed


@pytest.mark.parametrize(
    "body",
    [
        *({"name": bad} for bad in (None, 7, "", "x" * 121, "a\0")),
        *({"slug": bad} for bad in (None, "", "A", "a--b", "-a", "a b")),
        *({"openAt": bad} for bad in (0, "now", "2031-01-01", "2031-01-01T00:00:00", "9999-12-31T23:59:59-01:00")),
        {"closeAt": "2031-01-01T00:00:00Z"},
        {"openAt": "2031-01-02T00:00:00Z", "closeAt": "2031-01-02T00:00:00Z"},
        *({"timeZone": bad} for bad in ("Vienna", "../etc/passwd", "", 1)),
        *({"i18n": bad} for bad in ({"German": {}}, {"de": "title"}, {"de": {"title": 1}}, [], {"de": {"": "c"}})),
        *({"theme": bad} for bad in ({"a": None}, "dark", {"a": "x" * 501})),
        *({unknown: "x"} for unknown in ("status", "createdBy", "id", "open_at_")),
    ],
    ids=str,
)
def test_a_body_that_makes_no_sense_is_refused(on_a_copy: AsKey, body: dict[str, Any]) -> None:
    client = on_a_copy()
    before = client.get("/experiences", params={"first": 100, "sortBy": "name"}).json()["data"]
    (experience,) = client.get("/experiences", params={"first": 1, "sortBy": "name"}).json()["data"]
    clear = {"openAt": None, "closeAt": None}
    assert client.put(f"/experiences/{experience['id']}", json=clear).status_code == 200
    name, slug = "Drop", body.get("slug", "")
    calls = [client.put(f"/experiences/{experience['id']}", json=body)]
    if slug is not None:  # without a slug one is made
        calls.append(client.post("/experiences", json={"name": name} | body))
    for answer in calls:
        assert (answer.status_code, answer.json()["error"]) == (400, "validation_error"), answer.text
        assert answer.json()["details"]
    after = client.get("/experiences", params={"first": 100, "sortBy": "name"}).json()["data"]
    assert [each["id"] for each in after] == [each["id"] for each in before]


def test_a_slug_is_one_experiences_own(writer: AsKey, organisation_ids: list[str]) -> None:
    client = writer()
    one, other = make(client, slug="drop-one"), make(client, name="Drop One!")
    assert other["slug"].startswith("drop-one-")
    for answer in (
        client.post("/experiences", json={"name": "x", "slug": "drop-one"}),
        client.put(f"/experiences/{other['id']}", json={"slug": "drop-one"}),
    ):
        assert (answer.status_code, answer.json()["details"]) == (409, [{"field": "slug", "message": "Is taken"}])
    assert client.put(f"/experiences/{one['id']}", json={"slug": "drop-one"}).status_code == 200
    for elsewhere in (writer(organisation_ids[1]), writer(environment="test")):
        assert make(elsewhere, slug="drop-one")["slug"] == "drop-one"
    assert make(client, name="Ünïcödé ☃")["slug"] == "n-c-d"
    assert make(client, name="☃")["slug"] == "experience"


def test_a_copy_is_a_draft_of_all_that_the_original_consists_of(writer: AsKey) -> None:
    client = writer()
    shown = {"include": "sequences,distributions"}
    page = client.get("/experiences", params=shown | {"first": 100}).json()["data"]
    original = next(
        each for each in page if len(each["sequences"]) == 3 and each["status"] != "draft" and each["theme"]
    )
    made = client.post(f"/experiences/{original['id']}/duplicate", json={"name": "Again"})
    assert made.status_code == 201
    copy = client.get(f"/experiences/{made.json()['id']}", params=shown).json()
    assert (copy["name"], copy["status"], copy["openAt"], copy["closeAt"]) == ("Again", "draft", None, None)
    assert (copy["theme"], copy["i18n"]) == (original["theme"], original["i18n"])
    for kind in ("sequences", "distributions"):
        assert [each["name"] for each in copy[kind]] == [each["name"] for each in original[kind]]
        assert not {each["id"] for each in copy[kind]} & {each["id"] for each in original[kind]}
    assert client.get(f"/experiences/{original['id']}", params=shown).json() == original
    unnamed = client.post(f"/experiences/{original['id']}/duplicate").json()
    assert unnamed["name"] == f"Copy of {original['name']}"
    assert client.delete(f"/experiences/{copy['id']}").status_code == 204


def test_the_name_of_a_copy_is_no_longer_than_a_name(writer: AsKey) -> None:
    made = make(writer(), name="x" * 120)
    assert writer().post(f"/experiences/{made['id']}/duplicate").json()["name"] == f"Copy of {'x' * 112}"


@pytest.mark.parametrize("include", ["sequences", "distributions", "sequences,distributions", ""])
def test_parts_are_shown_where_they_are_asked_for(reader: AsKey, seen: Ask, include: str) -> None:
    params = {"include": include} if include else {}
    page = reader().get("/experiences", params=params | {"first": 100}).json()["data"]
    for each in page:
        assert set(each) == FIELDS | {*include.split(",")} - {""}
        for kind in {*include.split(",")} - {""}:
            asked = f"SELECT id FROM {kind} WHERE experience_id = ? ORDER BY position"
            assert [(part["id"],) for part in each[kind]] == seen(asked, each["id"])
        assert reader().get(f"/experiences/{each['id']}", params=params).json() == each


@pytest.mark.req("R197")
def test_a_public_key_sees_no_drafts(reader: AsKey) -> None:
    everything = reader().get("/experiences", params={"first": 100}).json()["data"]
    published = reader(key_class="public").get("/experiences", params={"first": 100}).json()["data"]
    assert published == [each for each in everything if each["status"] != "draft"]
    assert 0 < len(published) < len(everything)
    for each in everything:
        status = 404 if each["status"] == "draft" else 200
        assert reader(key_class="public").get(f"/experiences/{each['id']}").status_code == status
