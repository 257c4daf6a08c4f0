"""GET /consumers/search: one way of looking at a time, each a stretch of an index."""

import pytest

from tests.examples.organisation_platform.conftest import Ask, AsKey


@pytest.mark.parametrize("q", ["amber", "AMBER b", "amber.", "zeph", "Canvas Delta"])
def test_q_is_how_a_name_or_an_address_begins(reader: AsKey, seen: Ask, q: str) -> None:
    where = " OR ".join(f"instr(lower(coalesce({name}, '')), lower(?)) = 1" for name in ("full_name", "email"))
    expected = seen(f"SELECT id FROM consumers WHERE organisation = 1 AND ({where}) ORDER BY id", q, q)
    found = reader().get("/consumers/search", params={"q": q, "first": 100}).json()["data"]
    assert [(each["id"],) for each in found] == expected
    few = reader().get("/consumers/search", params={"q": q, "first": 2}).json()["data"]
    assert len(few) == min(2, len(expected))
    assert {each["id"] for each in few} <= {each["id"] for each in found}


@pytest.mark.parametrize("name", ["email", "phone", "externalId"])
def test_the_others_find_the_one_that_has_it(reader: AsKey, seen: Ask, name: str) -> None:
    column = {"externalId": "external_id"}.get(name, name)
    asked = f"SELECT id, {column} FROM consumers WHERE organisation = 1 AND {column} IS NOT NULL LIMIT 1"
    ((consumer, value),) = seen(asked)
    written = value.upper() if name == "email" else value
    found = reader().get("/consumers/search", params={name: written}).json()["data"]
    assert [each["id"] for each in found] == [consumer]
    other = seen("SELECT id FROM organisations WHERE number = 5")[0][0]
    assert consumer not in reader(other).get("/consumers/search", params={name: written}).text


@pytest.mark.parametrize(
    "query", [{}, {"q": "a"}, {"q": "ab", "phone": "+15550000001"}, {"email": "x"}, {"name": "ab"}]
)
def test_exactly_one_way_of_looking_is_given(reader: AsKey, query: dict[str, str]) -> None:
    answer = reader().get("/consumers/search", params=query)
    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")
