"""Signatures and headers: by the published example of Standard Webhooks, and by dialects that are data."""

from __future__ import annotations

import json

import pytest

from limen.core.delivering import LONGEST_WAIT_S, SCHEDULE_S, wait_s
from limen.core.profile import ProfileError
from limen.core.profile_reader import read_profile
from limen.core.webhooks import STANDARD, Attempt, Dialect, Headers, headers, is_form, new_secret, payload, signature
from limen.profiles import load

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ATTEMPT = Attempt("msg_p5jXN8AQM9LWM0D4loKWxJek", "test", "0123456789Ab", 1614265330, 1614265330, 0)


def test_the_published_example() -> None:
    """That of the specification's own documents: secret, id, timestamp, body and signature."""
    made = signature(STANDARD, SECRET, ATTEMPT, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_secret_is_32_characters_without_padding() -> None:
    secret = new_secret(lambda size: bytes(range(size)))
    assert (secret[:6], len(secret), "=" in secret) == ("whsec_", 38, False)


def test_signatures_are_separated_by_one_space_and_nothing_else() -> None:
    said = headers(STANDARD, [SECRET, new_secret(bytes)], ATTEMPT, b"{}")["webhook-signature"]
    assert [part.partition(",")[0] for part in said.split(" ")] == ["v1", "v1"]


def test_where_one_signature_fits_the_older_secret_signs() -> None:
    dialect = Dialect("X-Sig", "sha256={hex}", "timestamp.body", headers=Headers(timestamp="X-At"))
    old, new = "whsec_old", "whsec_new"
    said = headers(dialect, [new, old], ATTEMPT, b"{}")
    assert said["X-Sig"] == signature(dialect, old, ATTEMPT, b"{}")
    assert set(said) == {"Content-Type", "User-Agent", "X-Sig", "X-At"}


def test_the_body_is_what_happened() -> None:
    body = payload("msg_1", "key.issued", 1_795_400_702.5, {"owner": "ü"})
    assert json.loads(body) == {
        "id": "msg_1",
        "type": "key.issued",
        "timestamp": "2026-11-23T02:25:02.500Z",
        "data": {"owner": "ü"},
    }


@pytest.mark.parametrize("form", ["", "{hex}{base64}", "{hex}{hex}", "v1,{secret}", "{", "x" * 101, "é{hex}", "none"])
def test_what_is_no_form(form: str) -> None:
    assert not is_form(form)


@pytest.mark.parametrize(
    ("webhooks", "place"),
    [
        ({"signed": "timestamp.body", "signature": {"header": "X-Sig", "form": "{hex}"}}, "webhooks.headers.timestamp"),
        (
            {"signed": "id.timestamp.body", "signature": {"header": "X", "form": "{timestamp},{hex}"}},
            "webhooks.headers.id",
        ),
        (
            {
                "signed": "timestamp.body",
                "signature": {"header": "X", "form": "{timestamp},{hex}"},
                "headers": {"id": "x"},
            },
            "webhooks.headers.id",
        ),
        ({"signed": "body", "signature": {"header": "X", "form": "{timestamp},{hex}"}}, "webhooks.signed"),
        (
            {"signed": "timestamp.body", "signature": {"header": "Host", "form": "{timestamp},{hex}"}},
            "webhooks.signature.header",
        ),
        ({"signed": "timestamp.body", "signature": {"header": "X", "form": "{timestamp}"}}, "webhooks.signature.form"),
        (
            {"signed": "timestamp.body", "signature": {"header": "X", "form": "{timestamp},{hex}", "several": "x"}},
            "webhooks.signature.several",
        ),
    ],
)
def test_what_is_wrong_with_a_dialect_is_named(webhooks: object, place: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile({**load("creator").document, "webhooks": webhooks})
    assert [mistake.path for mistake in caught.value.mistakes] == [place]


def test_a_wait_is_never_shorter_than_what_was_asked_for_and_never_longer_than_a_day_for_it() -> None:
    assert wait_s(1, 0.0) == SCHEDULE_S[1]
    assert wait_s(1, 1.0) == SCHEDULE_S[1] * 1.2
    assert wait_s(1, 0.0, 500.0) == 500.0
    assert wait_s(1, 0.0, 1e9) == LONGEST_WAIT_S
    assert wait_s(len(SCHEDULE_S), 0.5) is None
