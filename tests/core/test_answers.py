"""What a verdict is written as: each code in both styles, who came, and what the caller is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.answers import IDENTITY, NOBODY, Answer, caller_headers, identity_headers, refusal
from limen.core.keys import CONFLICT
from limen.core.limits import Limit
from limen.core.problems import VERDICTS
from limen.core.profile import Errors, Profile
from limen.core.profile_reader import read_profile
from limen.core.routes import Operation
from limen.core.rules import Rules, Switches, compile_rules
from limen.core.verdict import PRECEDENCE, Ask, Code, Verdict
from limen.core.versions import Brownout, Version
from limen.profiles import SHIPPED, load
from tests.core.documents import edited

NOW = 1_800_000_000.25
SECRET = b"fvak_0123456789ABsecretsecretsecretsecretsecret000000"
SEND = Operation("send", "POST", "/chats/{id}/message", frozenset({"write:chat", "read:chat"}), write=True)
SUNSET = Version("2025-06-26", NOW - 100, NOW - 1, "2026-01-15")
DEPRECATED = Version("2025-09-01", NOW - 100, NOW + 100, "2026-01-15")
CURRENT = Version("2026-01-15")
BROWNED_OUT = Version("2025-03-03", NOW - 100, NOW + 900, "2026-01-15", (Brownout("b1", NOW - 10, NOW + 89.5, 410),))
LIMIT = Limit("allowance", 100, 60)
REFUSALS = [code for code in Code if code is not Code.OK]
STATUS = {code: VERDICTS[code.slug].status for code in REFUSALS}


def _rules(profile: Profile, api: str = "creator") -> Rules:
    versions = {version.name: version for version in (SUNSET, DEPRECATED, CURRENT, BROWNED_OUT)}
    return compile_rules(profile, api=api, revision=1, switches=Switches(), versions=versions)


def _styled(name: str, style: str) -> Rules:
    return _rules(read_profile(edited({"errors.style": style}, load(name).document)), name)


STYLES = {f"{name} {style}": (name, style) for name in SHIPPED for style in ("problem", "compat")}


@pytest.fixture(scope="module", params=STYLES.values(), ids=STYLES)
def rules(request: pytest.FixtureRequest) -> Rules:
    """The rules of each shipped profile, in each style of errors."""
    return _styled(*request.param)


Refuse = Callable[..., Answer]


@pytest.fixture(scope="module")
def refuse(new: SimpleNamespace) -> Refuse:
    """Refuses an ask for the reason of a code, as the gate would."""

    def answer(code: Code, rules: Rules, **changes: Any) -> Answer:
        known = PRECEDENCE.index(code) > PRECEDENCE.index(Code.CREDENTIAL_INVALID)
        record = new.record(scopes=frozenset({"read:chat"}), granted=("read:chat",)) if known else None
        ending = {Code.VERSION_SUNSET: SUNSET, Code.VERSION_BROWNOUT: BROWNED_OUT}
        version = (ending | {Code.LIMIT_EXCEEDED: CURRENT}).get(code)
        limits = {"limit": LIMIT, "ends_in": 6.3} if code is Code.LIMIT_EXCEEDED else {}
        version = changes.pop("version", version)
        verdict = Verdict(code, record, SEND, version, **{"reading": 7 if known else 0, **limits, **changes})
        credential = {Code.CREDENTIAL_MISSING: None, Code.CREDENTIAL_CONFLICT: CONFLICT}.get(code, SECRET)
        asked = {
            Code.VERSION_SUNSET: b"2025-06-26",
            Code.VERSION_BROWNOUT: b"2025-03-03",
            Code.VERSION_MALFORMED: b"yesterday",
            Code.VERSION_UNKNOWN: b"2020-01-01",
        }
        ask = Ask(credential, b"POST", b"/chats/1/message", asked.get(code), b"live", NOW, 5.0)
        return refusal(verdict, ask, rules)

    return answer


def _header(answer: Answer, name: bytes) -> bytes | None:
    found = [value for given, value in answer.headers if given == name]
    assert len(found) <= 1, f"{name!r} twice"
    return found[0] if found else None


@pytest.mark.req("R78", "R79", "R80", "R81", "R82", "R120")
@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.slug)
def test_every_refusal_is_a_whole_answer_that_nobody_keeps(code: Code, rules: Rules, refuse: Refuse) -> None:
    answer = refuse(code, rules)
    body = json.loads(answer.body)
    assert answer.status == STATUS[code]
    assert body["code"] == code.slug
    assert _header(answer, b"cache-control") == b"no-store"
    assert _header(answer, b"content-length") == b"%d" % len(answer.body)
    compat = rules.profile.errors.style == "compat"
    assert _header(answer, b"content-type") == (b"application/json" if compat else b"application/problem+json")
    if not compat:
        assert (body["status"], body["type"]) == (answer.status, f"urn:limen:problem:{code.slug}")
        assert body["title"] == VERDICTS[code.slug].title
        assert body["detail"]
    assert all(name == name.lower() for name, _ in answer.headers)


STATUSES = {
    401: "credential_missing credential_malformed credential_invalid key_revoked key_expired key_inactive",
    400: "credential_conflict version_missing version_malformed version_unknown",
    403: "owner_suspended owner_not_allowed environment_mismatch origin_not_allowed address_not_allowed"
    " writes_disabled scope_missing access_blocked",
    404: "operation_unknown",
    410: "version_sunset version_brownout",
    429: "limit_exceeded",
    503: "unavailable",
}


@pytest.mark.req("R52", "R53", "R55", "R56", "R78", "R79", "R80", "R81", "R82", "R120", "R179")
def test_every_code_has_the_status_that_is_documented() -> None:
    assert {Code[slug.upper()]: status for status, slugs in STATUSES.items() for slug in slugs.split()} == STATUS


@pytest.mark.check("C039", "C040")
@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.slug)
def test_a_challenge_stands_on_every_401_and_names_the_error_where_there_is_one(
    code: Code, rules: Rules, refuse: Refuse
) -> None:
    """RFC 6750 §3: no error for a request without credentials, and the scopes that would have been enough on a 403."""
    errors = {
        Code.CREDENTIAL_MISSING: b"",
        Code.CREDENTIAL_CONFLICT: b', error="invalid_request"',
        Code.SCOPE_MISSING: b', error="insufficient_scope", scope="read:chat write:chat"',
    }
    expected = None
    if STATUS[code] == 401 or code in errors:
        expected = rules.challenge + errors.get(code, b', error="invalid_token"')
    assert _header(refuse(code, rules), b"www-authenticate") == expected


@pytest.mark.req("R121", "R82")
@pytest.mark.parametrize(("ends_in", "said"), [(59.99, 60), (6.0, 6), (6.000001, 7), (0.2, 1), (0.0, 1), (-3.0, 1)])
def test_retry_after_is_whole_seconds_rounded_up_and_never_nothing(
    rules: Rules, refuse: Refuse, ends_in: float, said: int
) -> None:
    answer = refuse(Code.LIMIT_EXCEEDED, rules, ends_in=ends_in)
    assert _header(answer, b"retry-after") == b"%d" % said
    assert json.loads(answer.body)["retryAfter"] == said


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.slug)
def test_retry_after_stands_where_waiting_helps_and_nowhere_else(code: Code, rules: Rules, refuse: Refuse) -> None:
    waiting = code in (Code.LIMIT_EXCEEDED, Code.UNAVAILABLE, Code.VERSION_BROWNOUT)
    assert (_header(refuse(code, rules), b"retry-after") is not None) == waiting


def test_a_limit_says_which_one_it_was(refuse: Refuse) -> None:
    body = json.loads(refuse(Code.LIMIT_EXCEEDED, _styled("creator", "problem")).body)
    assert body["violated-policies"] == ["allowance"]
    assert body["detail"] == "100 per 60 s are used up. Try again in 7 s."


@pytest.mark.req("R56", "R81")
@pytest.mark.check("C047")
def test_a_sunset_version_names_the_next_one(rules: Rules, refuse: Refuse) -> None:
    answer = refuse(Code.VERSION_SUNSET, rules)
    body = json.loads(answer.body)
    assert (answer.status, body["nextVersion"]) == (410, "2026-01-15")
    assert _header(answer, b"sunset") == b"Fri, 15 Jan 2027 07:59:59 GMT"
    assert _header(answer, rules.profile.versioning.next_header.lower().encode()) == b"2026-01-15"
    if rules.profile.errors.style == "problem":
        assert body["detail"] == "API version '2025-06-26' was sunset on 2027-01-15T07:59:59.250Z"


@pytest.mark.req("R55", "R78")
@pytest.mark.check("C047")
@pytest.mark.parametrize("slug", ["version_missing", "version_malformed", "version_unknown", "version_sunset"])
def test_a_refusal_for_its_version_says_which_are_supported(slug: str, refuse: Refuse) -> None:
    body = json.loads(refuse(Code[slug.upper()], _styled("creator", "problem")).body)
    assert body["supportedVersions"] == ["2025-03-03", "2025-09-01", "2026-01-15"]


@pytest.mark.req("R53", "R193", "R273")
def test_a_missing_scope_is_named(refuse: Refuse) -> None:
    body = json.loads(refuse(Code.SCOPE_MISSING, _styled("creator", "problem")).body)
    assert (body["requiredScopes"], body["missingScopes"]) == (["read:chat", "write:chat"], ["write:chat"])
    assert body["detail"] == "POST /chats/{id}/message needs write:chat, which the key does not hold."


@pytest.mark.req("R166")
@pytest.mark.parametrize("status", [410, 503])
def test_a_brownout_says_how_long_it_lasts_and_where_to_go(rules: Rules, refuse: Refuse, status: int) -> None:
    version = Version("2025-03-03", NOW - 100, NOW + 900, "2026-01-15", (Brownout("b1", NOW, NOW + 89.5, status),))
    answer = refuse(Code.VERSION_BROWNOUT, rules, version=version)
    body = json.loads(answer.body)
    assert (answer.status, _header(answer, b"retry-after")) == (status, b"90")
    assert _header(answer, b"sunset") == b"Fri, 15 Jan 2027 08:15:00 GMT"
    assert _header(answer, b"deprecation") is not None
    assert _header(answer, rules.profile.versioning.next_header.lower().encode()) == b"2026-01-15"
    if rules.profile.errors.style == "problem":
        assert (body["status"], body["nextVersion"], body["retryAfter"]) == (status, "2026-01-15", 90)
        assert "does not work until 2027-01-15T08:01:29.750Z" in body["detail"]


PINS = {"versioning.missing": "pin"}


@pytest.mark.req("R39")
def test_where_keys_are_pinned_an_answer_says_its_version_and_what_it_depends_on(new: SimpleNamespace) -> None:
    rules = _rules(read_profile(edited(PINS, load("creator").document)))
    record, vary = new.record(), (b"vary", b"x-fanvue-api-key, x-fanvue-api-version")
    told = caller_headers(Verdict(Code.OK, record, SEND, CURRENT, LIMIT, 99, 60.0), rules, NOW)
    assert told[3:] == (vary, (b"x-fanvue-api-version", b"2026-01-15"))
    assert caller_headers(Verdict(Code.CREDENTIAL_INVALID, None, SEND, None), rules, NOW) == (vary,)
    assert caller_headers(Verdict(Code.OK, record, SEND, CURRENT), _styled("creator", "problem"), NOW) == ()


@pytest.mark.req("R56", "R81")
@pytest.mark.parametrize("style", ["problem", "compat"])
def test_a_key_that_is_pinned_to_a_version_that_ended_is_told_which(refuse: Refuse, style: str) -> None:
    rules = _rules(read_profile(edited(PINS | {"errors.style": style}, load("creator").document)))
    verdict = Verdict(Code.VERSION_SUNSET, None, SEND, SUNSET)
    answer = refusal(verdict, Ask(SECRET, b"POST", b"/chats/1/message", None, b"live", NOW, 5.0), rules)
    assert answer.status == 410
    assert b"API version '2025-06-26' was sunset on" in answer.body
    assert _header(answer, b"x-fanvue-api-version") == b"2025-06-26"


def test_who_is_blocked_is_told_where_to_write_and_not_why(refuse: Refuse) -> None:
    body = json.loads(refuse(Code.ACCESS_BLOCKED, _styled("creator", "problem")).body)
    assert body["detail"] == "Access is blocked at the moment. Write to support@fanvue.com."


def test_a_suspended_owner_is_told_where_to_write(refuse: Refuse) -> None:
    body = json.loads(refuse(Code.OWNER_SUSPENDED, _styled("creator", "problem")).body)
    assert body["detail"].endswith("Write to support@fanvue.com.")


COMPAT = {
    Code.CREDENTIAL_MISSING: {"error": "Unauthorized"},
    Code.KEY_REVOKED: {"error": "Unauthorized"},
    Code.SCOPE_MISSING: {"error": "Forbidden"},
    Code.OPERATION_UNKNOWN: {"message": "Not found"},
    Code.CREDENTIAL_CONFLICT: {
        "error": "More than one credential",
        "message": "Send exactly one API key, in one place.",
    },
    Code.VERSION_MISSING: {"error": "Unsupported API version", "message": "API version is required"},
    Code.VERSION_UNKNOWN: {
        "error": "Unsupported API version",
        "message": "API version '2020-01-01' is not supported",
    },
    Code.VERSION_MALFORMED: {
        "error": "Unsupported API version",
        "message": "API version 'yesterday' is not supported",
    },
    Code.VERSION_SUNSET: {
        "error": "API version no longer supported",
        "message": "API version '2025-06-26' was sunset on 2027-01-15T07:59:59.250Z",
        "nextVersion": "2026-01-15",
    },
    Code.LIMIT_EXCEEDED: {"error": "Rate limit exceeded", "retryAfter": 7},
    Code.UNAVAILABLE: {"error": "Service unavailable"},
}


@pytest.mark.req("R81", "R82", "R193")
@pytest.mark.parametrize(("code", "shape"), COMPAT.items(), ids=lambda value: getattr(value, "slug", ""))
def test_a_platforms_own_shapes_are_as_it_published_them_with_the_code_beside(
    code: Code, shape: dict[str, Any], refuse: Refuse
) -> None:
    assert json.loads(refuse(code, _styled("creator", "compat")).body) == {**shape, "code": code.slug}


def test_a_status_without_a_shape_of_its_own_gets_title_and_detail(new: SimpleNamespace, refuse: Refuse) -> None:
    body = json.loads(refuse(Code.KEY_EXPIRED, _rules(new.profile(errors=Errors("compat", {})))).body)
    assert body == {"error": "Key expired", "message": "The API key has expired.", "code": "key_expired"}


def test_placeholders_are_filled_at_any_depth_and_numbers_stay_numbers(new: SimpleNamespace, refuse: Refuse) -> None:
    shape = {"errors": [{"wait": "{retry_after}", "text": "{retry_after} s", "flags": [True, None, 4]}], "of": "{code}"}
    answer = refuse(Code.LIMIT_EXCEEDED, _rules(new.profile(errors=Errors("compat", {"429": shape}))))
    assert json.loads(answer.body) == {
        "errors": [{"wait": 7, "text": "7 s", "flags": [True, None, 4]}],
        "of": "limit_exceeded",
        "code": "limit_exceeded",
    }


@pytest.mark.check("C042")
@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.slug)
def test_no_refusal_holds_anything_of_a_credential(code: Code, rules: Rules, refuse: Refuse) -> None:
    written = b"".join((refuse(code, rules).body, *(value for _, value in refuse(code, rules).headers)))
    assert b"secret" not in written
    assert b"fvak" not in written


@given(st.binary(max_size=200))
def test_a_version_is_repeated_in_few_and_plain_characters(asked: bytes) -> None:
    verdict = Verdict(Code.VERSION_MALFORMED, None, SEND, None)
    answer = refusal(verdict, Ask(SECRET, b"GET", b"/", asked, b"live", NOW, 0.0), RULES)
    detail = json.loads(answer.body)["detail"]
    assert detail.isascii()
    assert len(detail) <= len("API version '' is not supported") + 4 * 40


RULES = _rules(load("creator"))


@pytest.mark.req("R49")
def test_who_came_is_always_told_whole() -> None:
    assert [name for name, _ in NOBODY] == list(IDENTITY)
    assert {value for _, value in NOBODY} == {b""}
    assert set(IDENTITY) == {
        b"limen-owner",
        b"limen-owner-type",
        b"limen-key",
        b"limen-application",
        b"limen-scopes",
        b"limen-environment",
        b"limen-plan",
        b"limen-version",
    }
    assert identity_headers(Verdict(Code.OK, None, SEND, None)) == NOBODY


@pytest.mark.req("R49")
@pytest.mark.parametrize("version", [None, CURRENT, DEPRECATED])
@pytest.mark.parametrize("plan", ["", "pro"])
def test_an_admitted_request_is_told_by_owner_key_scopes_environment_plan_and_version(
    new: SimpleNamespace, version: Version | None, plan: str
) -> None:
    record = new.record(owner=new.owner(owner_id="ann", plan=plan), granted=("read:self", "read:chat"))
    for _ in range(2):  # the second time from what was made the first
        headers = identity_headers(Verdict(Code.OK, record, SEND, version))
        assert [name for name, _ in headers] == list(IDENTITY)
        assert dict(headers) == {
            b"limen-owner": b"ann",
            b"limen-owner-type": b"user",
            b"limen-key": b"0123456789AB",
            b"limen-application": b"",
            b"limen-scopes": b"read:self read:chat",
            b"limen-environment": b"live",
            b"limen-plan": plan.encode(),
            b"limen-version": b"" if version is None else version.tag,
        }


@pytest.mark.req("R116", "R117", "R118", "R119", "R257", "R258", "R259")
def test_the_caller_is_told_limit_remaining_and_reset_under_the_profiles_names() -> None:
    verdict = Verdict(Code.OK, None, SEND, CURRENT, LIMIT, 41, 6.3)
    assert caller_headers(verdict, RULES, NOW) == (
        (b"x-ratelimit-limit", b"100"),
        (b"x-ratelimit-remaining", b"41"),
        (b"x-ratelimit-reset", b"1800000007"),
    )
    assert caller_headers(Verdict(Code.OK, None, SEND, CURRENT), RULES, NOW) == ()


@pytest.mark.req("R119", "R259")
@given(st.floats(0, 1e10), st.floats(0, 1e6))
def test_reset_is_never_before_the_window_ends_and_less_than_a_second_after(now: float, ends_in: float) -> None:
    headers = dict(caller_headers(Verdict(Code.OK, None, SEND, None, LIMIT, 1, ends_in), RULES, now))
    reset = int(headers[b"x-ratelimit-reset"])
    assert now + ends_in <= reset <= now + ends_in + 1


@pytest.mark.req("R58", "R59", "R60", "R61")
@pytest.mark.check("C046")
def test_a_deprecated_version_is_told_on_admitted_and_refused_requests_alike(new: SimpleNamespace) -> None:
    admitted = caller_headers(Verdict(Code.OK, None, SEND, DEPRECATED, LIMIT, 1, 1.0), RULES, NOW)
    refused = refusal(Verdict(Code.SCOPE_MISSING, new.record(), SEND, DEPRECATED), _ask(DEPRECATED), RULES)
    for headers in (admitted, refused.headers):
        told = dict(headers)
        assert http_sf.parse(told[b"deprecation"], tltype="item")[0].timestamp() == int(NOW - 100)
        assert told[b"sunset"] == b"Fri, 15 Jan 2027 08:01:40 GMT"
        assert told[b"x-fanvue-api-next-version"] == b"2026-01-15"


def test_a_version_is_not_called_deprecated_before_it_is() -> None:
    verdict = Verdict(Code.OK, None, SEND, DEPRECATED)
    assert caller_headers(verdict, RULES, NOW - 100.5) == ()
    assert len(caller_headers(verdict, RULES, NOW - 100)) == 3
    assert caller_headers(Verdict(Code.OK, None, SEND, CURRENT), RULES, NOW) == ()


def _ask(version: Version) -> Ask:
    return Ask(SECRET, b"POST", b"/chats/1/message", version.tag, b"live", NOW, 5.0)


@pytest.mark.req("R116", "R120")
def test_a_request_over_its_limit_is_told_the_same_headers(refuse: Refuse) -> None:
    answer = refuse(Code.LIMIT_EXCEEDED, RULES)
    assert [_header(answer, name) for name in RULES.rate_names] == [b"100", b"0", b"1800000007"]
