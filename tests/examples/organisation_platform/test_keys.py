"""What each kind of key comes to, behind Limen: public ones in browsers, test ones, keys in the query."""

import pytest

from tests.examples.organisation_platform.guarded import OPERATIONS, ORIGIN, READS, SCOPES, Guarded, Ids, Operation

PUBLIC = {"key_class": "public"}
NOBODYS = Ids("exp_none", "cons_none", "user_none")
READ_SUBSET = {"listExperiences", "getExperience"}


@pytest.mark.req("R197", "R198")
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_public_key_reads_experiences_and_nothing_else(guarded: Guarded, operation: Operation) -> None:
    key = guarded.key("read:experiences", **PUBLIC)
    answer = guarded.call(key, operation, NOBODYS)
    if operation.name in READ_SUBSET:
        assert answer.status_code == (200 if operation.name == "listExperiences" else 404)
    else:
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


@pytest.mark.req("R197")
def test_a_public_key_sees_no_drafts(guarded: Guarded) -> None:
    draft = guarded.ask(guarded.key("write:experiences"), "POST", "/experiences", json={"name": "Secret"}).json()["id"]
    for more, status in (({}, 200), (PUBLIC, 404)):
        key = guarded.key("read:experiences", **more)
        assert guarded.ask(key, "GET", f"/experiences/{draft}").status_code == status
        assert (draft in guarded.ask(key, "GET", "/experiences").text) is (status == 200)


@pytest.mark.check("C011")
def test_a_page_of_the_keys_own_origin_reads_and_another_page_is_told_why_it_may_not(guarded: Guarded) -> None:
    key = guarded.key("read:experiences", **PUBLIC, origins=(ORIGIN,))
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    named = {"Access-Control-Request-Headers": "authorization, if-none-match"}
    preflight = guarded.client.options("/v1/experiences", headers=asked | named)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "if-none-match"} <= set(allowed)
    answer = guarded.ask(key, "GET", "/experiences", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"etag", "x-ratelimit-remaining", "retry-after"} <= set(exposed)
    known = {"Origin": ORIGIN, "If-None-Match": answer.headers["etag"]}
    assert guarded.ask(key, "GET", "/experiences", headers=known).status_code == 304
    for headers in ({"Origin": "https://elsewhere.example.com"}, {}):
        refused = guarded.ask(key, "GET", "/experiences", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
        assert refused.headers["access-control-allow-origin"] == "*", "the page may read the reason"


def test_a_preflight_of_what_there_is_not_goes_nowhere(guarded: Guarded) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    assert guarded.client.options("/v1/experiences", headers=asked).status_code == 404


@pytest.mark.req("R199", "R200", "R239")
@pytest.mark.check("C012")
@pytest.mark.parametrize("operation", READS, ids=str)
def test_a_test_key_reads_test_data_and_a_live_key_live_data(guarded: Guarded, operation: Operation) -> None:
    mine = {each: guarded.make(operation, environment=each) for each in ("live", "test")}
    keys = {each: guarded.key(operation.scope, environment=each) for each in mine}
    assert [text[:8] for text in keys.values()] == ["sk_live_", "sk_test_"]
    if "{" in operation.path:
        for each, key in keys.items():
            for other, ids in mine.items():
                assert guarded.call(key, operation, ids).status_code == (200 if each == other else 404)
    else:
        live, test = (guarded.call(key, operation, NOBODYS).json() for key in keys.values())
        assert live != test
        if "data" in live:
            assert not {each["id"] for each in live["data"]} & {each["id"] for each in test["data"]}


@pytest.mark.req("R200")
def test_a_write_in_one_environment_changes_nothing_in_the_other(guarded: Guarded) -> None:
    keys = {each: guarded.key(*SCOPES, "admin", environment=each) for each in ("live", "test")}

    def everything(key: str) -> list[bytes]:
        paths = ("/experiences", "/consumers", "/organizations/me", "/organizations/me/users")
        answers = [
            guarded.ask(key, "GET", path, params={} if path.endswith("me") else {"first": 100}) for path in paths
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.content for answer in answers]

    for one, other in (keys, {"test": "", "live": ""}):
        before = everything(keys[other])
        for path, body in (
            ("/experiences", {"name": "New", "slug": f"new-{one}"}),
            ("/consumers", {"email": "same@example.com"}),
            ("/organizations/me/users", {"email": "same@example.com", "role": "viewer"}),
        ):
            assert guarded.ask(keys[one], "POST", path, json=body).status_code == 201
        assert everything(keys[other]) == before


@pytest.mark.req("R237")
def test_a_key_may_travel_in_the_query_and_the_answer_is_kept_by_nobody(guarded: Guarded) -> None:
    answer = guarded.client.get("/v1/experiences", params={"api_key": guarded.key("read:experiences"), "first": 1})
    assert answer.status_code == 200, "the application never sees the parameter, which it would refuse"
    assert "no-store" in answer.headers.get_list("cache-control")[-1]
    both = guarded.ask(guarded.key("admin"), "GET", "/experiences", params={"api_key": guarded.key("admin")})
    assert (both.status_code, both.json()["error"]) == (400, "credential_conflict")


@pytest.mark.req("R252", "R253", "R254")
def test_an_organisation_is_told_its_plan_and_what_is_left_of_it(guarded: Guarded) -> None:
    answer = guarded.ask(guarded.key("admin", owner=2), "GET", "/organizations/me")
    assert (answer.json()["plan"], answer.headers["x-ratelimit-limit"]) == ("pro", "10000")
