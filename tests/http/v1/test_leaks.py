"""Keys that were found in the open: what anybody, GitHub, GitLab and whoever holds one may have done about them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from http.client import BadStatusLine, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from limen.control import keys
from limen.core.keys import mint
from limen.core.problems import ProblemError, StoreDown
from limen.gate.strangers import FREE
from limen.http import signing
from limen.http.routes import leaks
from limen.http.signing import KEPT_S, UNKNOWN_S, SigningKeys
from tests.gate.scene import Placed
from tests.http.v1.house import Caller, House

PLACE = "https://code.example.com/acme/app/blob/main/.env"
GITHUB = "/leaked-keys/github"


def noise(prefix: str = "fvak_") -> str:
    """A text that has the whole form of a key, and is none."""
    return mint(prefix, secrets.token_bytes)[1]


def state(house: House, key: str) -> str:
    """The state of a key, as its row says."""
    return house.rows("select state from keys where key = ?", key)[0][0]


@pytest.fixture(autouse=True)
def _patient(house: House) -> None:
    """No test waits for what another tried."""
    house.app.attempts._failed.clear()


@pytest.fixture
def stranger(house: House) -> Caller:
    """Somebody without a key, from an address of their own."""
    return house.stranger(peer="203.0.113.7")


# -- by anybody ------------------------------------------------------------------------------------------------------


@pytest.mark.req("R21", "R27", "R28")
@pytest.mark.check("C024")
async def test_a_key_that_somebody_reports_is_dead(house: House, stranger: Caller) -> None:
    found = house.key(house.user())
    sent = {"keys": [{"text": found.text, "url": PLACE}, {"text": "noise"}, {"text": noise(), "url": PLACE}]}
    answer = await stranger("POST", "/leaked-keys", sent)
    assert (answer.status_code, answer.json()) == (202, {"status": "received"})
    assert house.rows("select state, ended_reason, leaked_at > 0 from keys where key = ?", found.key.key) == [
        ("revoked", "leaked (report)", 1)
    ]
    (audited,) = house.rows("select actor, id from audit where verb = 'leaks.report' and subject = ?", found.key.key)
    assert audited[0] == "holder:leaked-keys"
    kept = dict(house.rows("select field, value from audit_personal where id = ?", audited[1]))
    assert kept == {"where": PLACE, "origin": "203.0.113.7"}
    (told,) = house.rows("select payload from outbox where event = 'key.leaked' order by id desc limit 1")
    assert json.loads(told[0])["owner"] == found.key.owner


async def test_the_answer_to_noise_is_the_same_and_leaves_nothing_behind(house: House, stranger: Caller) -> None:
    found = house.key(house.user())
    house.app.act(keys.revoke, found.key.key)
    answers = []
    for text in (found.text, found.key.key, noise(), "noise", ""):
        before = house.dump()
        began = time.monotonic()
        answers.append(await stranger("POST", "/leaked-keys", {"keys": [{"text": text, "url": PLACE}]}))
        assert time.monotonic() - began >= leaks.EVEN_S
        assert text == found.text or house.dump() == before
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


@pytest.mark.parametrize(
    "sent",
    [
        {"keys": []},
        {"keys": [{"text": "a"}] * 101},
        {"keys": [{"text": "a" * 1_001}]},
        {"keys": [{"text": 1}]},
        {"keys": [{"text": "a", "url": "b" * 2_001}]},
        {"keys": [{"text": "a", "more": "b"}]},
        {"text": "a"},
        [],
    ],
)
async def test_what_is_not_of_the_form_is_refused(stranger: Caller, sent: Any) -> None:
    await stranger.refused("request_malformed", "POST", "/leaked-keys", sent)


async def test_a_key_in_the_wrong_place_is_not_repeated(house: House, stranger: Caller) -> None:
    text = house.key(house.user()).text
    for sent in ({"keys": [{"text": "a", text: "b"}]}, {text: 1}, {"keys": text}, {"keys": [text]}):
        answer = await stranger("POST", "/leaked-keys", sent)
        assert (answer.status_code, text in answer.text) == (400, False)


async def test_who_goes_on_reporting_is_answered_later_whatever_they_report(house: House, stranger: Caller) -> None:
    house.app.attempts._failed["203.0.113.7"] = FREE * 6
    house.app.attempts._minute = int(time.time() // 60)
    began = time.monotonic()
    found = house.key(house.user())
    assert (await stranger("POST", "/leaked-keys", {"keys": [{"text": found.text}]})).status_code == 202
    assert time.monotonic() - began > 1 or house.app.attempts._failed["203.0.113.7"] < FREE
    assert state(house, found.key.key) == "revoked"


# -- by whoever holds one --------------------------------------------------------------------------------------------


@pytest.mark.req("R68")
async def test_whoever_holds_a_key_may_end_it(house: House, stranger: Caller) -> None:
    held = house.key(house.user())
    for _ in range(2):
        assert await stranger.do("POST", "/self-revoke", {"key": held.text}) is None
    found = house.rows("select state, ended_reason from keys where key = ?", held.key.key)
    assert found == [("revoked", "by its holder")]
    (actor,) = house.rows("select actor from audit where verb = 'keys.revoke' and subject = ?", held.key.key)
    assert actor == (f"holder:{held.key.key}",)


async def test_a_deleted_key_has_ended(house: House, stranger: Caller) -> None:
    held = house.key(house.user())
    house.app.act(keys.delete, held.key.key)
    before = house.dump()
    await stranger.do("POST", "/self-revoke", {"key": held.text})
    assert house.dump() == before


async def test_a_key_of_staff_ends_by_itself_too(house: House, stranger: Caller) -> None:
    staff = house.staff("read:apis")
    assert staff.held is not None
    assert await staff.get("/apis")
    await stranger.do("POST", "/self-revoke", {"key": staff.held.text})
    assert (await staff("GET", "/apis")).json()["code"] == "key_revoked"


async def test_what_is_no_key_is_refused_all_alike(house: House, stranger: Caller) -> None:
    held = house.key(house.user())
    wrong = held.text[:20] + ("0" if held.text[20] != "0" else "1") + held.text[21:]
    given = (held.key.key, wrong, noise(), "noise", "")
    refused = [await stranger.refused("credential_invalid", "POST", "/self-revoke", {"key": each}) for each in given]
    assert all(problem == refused[0] for problem in refused)
    assert house.app.attempts._failed["203.0.113.7"] == len(given)


# -- by GitHub -------------------------------------------------------------------------------------------------------


class GitHub:
    """Signs alerts, with keys that it publishes in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.rotate("first")

    def rotate(self, name: str) -> None:
        """Publish one more key."""
        self.keys[name] = ec.generate_private_key(ec.SECP256R1())
        self.path.write_text(json.dumps({"public_keys": [_published(name, key) for name, key in self.keys.items()]}))

    def signed(self, body: bytes, name: str = "first") -> dict[str, str]:
        """The headers with which *body* is sent."""
        signature = base64.b64encode(self.keys[name].sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        return {
            "Content-Type": "application/json",
            "Github-Public-Key-Identifier": name,
            "Github-Public-Key-Signature": signature,
        }


def _published(name: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"key_identifier": name, "key": pem.decode(), "is_current": True}


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> GitHub:
    """The sender of alerts."""
    return GitHub(tmp_path_factory.mktemp("github") / "keys.json")


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory, placed_once: Placed, github: GitHub) -> Iterator[House]:
    """An installation that takes the alerts of ``github``."""
    made = House(placed_once(tmp_path_factory.mktemp("listening")), github_keys=str(github.path))
    yield made
    made.close()


@pytest.fixture
def alerted(listening: House) -> Caller:
    """Somebody who sends alerts."""
    listening.app.attempts._failed.clear()
    return listening.stranger(peer="203.0.113.8")


def alert(*tokens: str) -> bytes:
    """The body of an alert of *tokens*, spaced as nobody's JSON is."""
    found = [{"token": token, "type": "limen_creator", "url": PLACE, "source": "commit"} for token in tokens]
    return json.dumps(found, indent=3).encode() + b"\n "


@pytest.mark.check("C023", "C024")
@pytest.mark.req("R28")
async def test_an_alert_of_github_ends_keys_and_is_answered_with_feedback(
    listening: House, github: GitHub, alerted: Caller
) -> None:
    found, other = listening.key(listening.user()), noise()
    body = alert(found.text, other)
    answer = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
    assert answer.status_code == 200
    assert answer.json() == [
        {"token_hash": hashlib.sha256(text.encode()).hexdigest(), "token_type": "limen_creator", "label": label}
        for text, label in ((found.text, "true_positive"), (other, "false_positive"))
    ]
    assert found.text not in answer.text
    assert listening.rows("select state, ended_reason from keys where key = ?", found.key.key) == [
        ("revoked", "leaked (github)")
    ]
    again = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
    assert again.json() == answer.json()  # it may not have heard the first answer


@pytest.mark.check("C023")
@pytest.mark.parametrize(
    "wrong",
    [
        "another body",
        "the same JSON",
        "another key",
        "unknown key",
        "no signature",
        "no key",
        "two signatures",
        "not base64",
        "not der",
        "empty",
    ],
)
async def test_what_is_not_signed_as_it_must_be_has_no_effect(
    listening: House, github: GitHub, alerted: Caller, wrong: str
) -> None:
    body = alert(listening.key(listening.user()).text)
    headers = github.signed(body)
    name, signature = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
    if wrong == "another body":
        body = body.replace(b"commit", b"gist_content")
    elif wrong == "the same JSON":
        body = json.dumps(json.loads(body)).encode()
    elif wrong == "another key":
        stranger = GitHub(github.path.with_name("others.json"))
        headers = stranger.signed(body)
    elif wrong == "unknown key":
        headers[name] = "third"
    elif wrong in ("no signature", "no key"):
        del headers[signature if wrong == "no signature" else name]
    else:
        headers[signature] = {"not base64": "???", "not der": base64.b64encode(b"a" * 70).decode(), "empty": ""}.get(
            wrong, headers[signature]
        )
    sent: Any = [*headers.items(), (signature, headers[signature])] if wrong == "two signatures" else headers
    await alerted.refused("signature_wrong", "POST", GITHUB, content=body, headers=_joined(sent))


def _joined(headers: Any) -> Any:
    """Headers of which one comes twice, as the client takes them."""
    return httpx2.Headers(headers)


@pytest.mark.check("C023")
async def test_a_body_that_comes_again_much_later_is_refused(
    listening: House, github: GitHub, alerted: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = alert(listening.key(listening.user()).text)
    assert (await alerted("POST", GITHUB, content=body, headers=github.signed(body))).status_code == 200
    monkeypatch.setattr(leaks, "REPLAY_S", -1)
    await alerted.refused("report_replayed", "POST", GITHUB, content=body, headers=github.signed(body))


@pytest.mark.check("C023")
async def test_an_alert_that_could_not_be_handled_is_handled_when_it_comes_again(
    listening: House, github: GitHub, alerted: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listening.key(listening.user())
    body = alert(found.text)
    monkeypatch.setattr(leaks, "REPLAY_S", -1)  # at once is late
    with monkeypatch.context() as down:
        down.setattr(listening.app, "recognise", _down)
        answer = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
        assert (answer.status_code, state(listening, found.key.key)) == (503, "active")
    assert (await alerted("POST", GITHUB, content=body, headers=github.signed(body))).status_code == 200
    assert state(listening, found.key.key) == "revoked"


def _down(_texts: Any) -> Any:
    raise StoreDown("The database cannot be read.")


async def test_nothing_of_an_alert_is_read_before_it_is_known_who_sent_it(
    listening: House, github: GitHub, alerted: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = github.signed(b"[]")
    for body in (b"{", b"[" + b"{}," * 100_000 + b"{}]", b'[{"token": 1}]'):
        await alerted.refused("signature_wrong", "POST", GITHUB, content=body, headers=headers)


async def test_what_is_not_of_githubs_form_is_refused(listening: House, github: GitHub, alerted: Caller) -> None:
    for body in (b"{}", b'[{"token": 1, "type": "a"}]', b'[{"type": "a"}]', b"[", b'[{"token": "a", "token": "b"}]'):
        before = listening.dump()
        answer = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
        assert (answer.status_code, listening.dump() == before) == (400, True)


async def test_what_github_may_leave_out_or_add(listening: House, github: GitHub, alerted: Caller) -> None:
    found = listening.key(listening.user())
    for one in ({}, {"url": ""}, {"url": None, "source": None}, {"url": "no address", "more": [1]}):
        body = json.dumps([{"token": found.text, "type": "a"} | one]).encode()
        answer = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
        assert answer.json()[0]["label"] == "true_positive"


@pytest.mark.check("C024")
async def test_an_alert_of_a_thousand_is_answered_in_time(listening: House, github: GitHub, alerted: Caller) -> None:
    found = listening.key(listening.user())
    body = alert(*(noise() for _ in range(999)), found.text)
    began = time.process_time()
    answer = await alerted("POST", GITHUB, content=body, headers=github.signed(body))
    assert time.process_time() - began < 5
    assert [each["label"] for each in answer.json()].count("true_positive") == 1
    assert state(listening, found.key.key) == "revoked"


async def test_without_githubs_keys_there_is_no_such_address(house: House, github: GitHub, stranger: Caller) -> None:
    body = alert(house.key(house.user()).text)
    await stranger.refused("not_found", "POST", GITHUB, content=body, headers=github.signed(body))


def test_githubs_keys_are_kept_and_read_again_for_one_that_is_not_known(tmp_path: Path) -> None:
    github = GitHub(tmp_path / "keys.json")
    known = SigningKeys(str(github.path))

    def verified(name: str, at: float) -> str:
        headers = github.signed(b"[]", name)
        try:
            known.verify(b"[]", identifier=name, signature=headers["Github-Public-Key-Signature"], at=at)
        except ProblemError as error:
            return error.problem.code
        return "good"

    assert verified("first", 0) == "good"
    github.rotate("second")
    assert verified("second", UNKNOWN_S - 1) == "signature_wrong"  # nobody has it asked for by naming what is not there
    assert verified("second", UNKNOWN_S) == "good"
    github.path.write_text("no longer a document")
    assert verified("first", KEPT_S * 2) == "good"
    del github.keys["first"]
    github.rotate("third")
    github.keys["first"] = ec.generate_private_key(ec.SECP256R1())
    assert verified("third", KEPT_S * 3) == "good"
    assert verified("first", KEPT_S * 3 + 1) == "signature_wrong"  # it is published no more


def test_where_no_keys_could_be_read_it_can_not_be_said_now(tmp_path: Path) -> None:
    nothing = SigningKeys(str(tmp_path / "nowhere"))
    for at in (0.0, 1.0):
        with pytest.raises(ProblemError, match="could not be read") as caught:
            nothing.verify(b"", identifier="a", signature="", at=at)
        assert caught.value.problem.code == "unavailable"


@pytest.mark.parametrize("breaks", [IncompleteRead(b""), BadStatusLine(""), RecursionError()], ids=type)
def test_an_answer_that_breaks_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: Exception) -> None:
    github = GitHub(tmp_path / "keys.json")
    known = SigningKeys(str(github.path))
    signature = github.signed(b"[]")["Github-Public-Key-Signature"]
    known.verify(b"[]", identifier="first", signature=signature, at=0)

    def broken(_source: str) -> bytes:
        raise breaks

    monkeypatch.setattr(signing, "_fetch", broken)
    known.verify(b"[]", identifier="first", signature=signature, at=KEPT_S)  # what it had still holds
    with pytest.raises(ProblemError, match="could not be read"):
        SigningKeys("https://keys.example.com").verify(b"[]", identifier="first", signature=signature, at=0)


class _Published(BaseHTTPRequestHandler):
    """Serves GitHub's keys at /keys, and sends whoever asks elsewhere on."""

    content = b""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/keys" else 302)
        self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.check("C023")
def test_githubs_keys_are_fetched_over_tls_and_from_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github = GitHub(tmp_path / "keys.json")
    signature = github.signed(b"[]")["Github-Public-Key-Signature"]
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(
        ("localhost", 0), type("Handler", (_Published,), {"content": github.path.read_bytes()})
    )
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    source = f"https://localhost:{server.server_address[1]}"
    try:
        with pytest.raises(ProblemError, match="could not be read"):  # nobody vouches for that server
            SigningKeys(f"{source}/keys").verify(b"[]", identifier="first", signature=signature, at=0)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        SigningKeys(f"{source}/keys").verify(b"[]", identifier="first", signature=signature, at=0)
        with pytest.raises(ProblemError, match="could not be read"):
            SigningKeys(f"{source}/elsewhere").verify(b"[]", identifier="first", signature=signature, at=0)
    finally:
        server.shutdown()
        server.server_close()


# -- by GitLab -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gitlab(house: House) -> Caller:
    """GitLab, with a key of staff that may report leaks."""
    return house.staff("report:leaks")


def token(text: str, kind: str = "gitleaks_rule_id_limen_creator_secret_live") -> dict[str, str]:
    """A token, as GitLab sends it."""
    return {"type": kind, "token": text, "location": PLACE}


@pytest.mark.check("C025")
async def test_gitlab_is_told_which_types_it_may_send(gitlab: Caller) -> None:
    shown = await gitlab.get("/revocable_token_types")
    assert {"gitleaks_rule_id_limen_creator_secret_live", "gitleaks_rule_id_limen_limen_staff_live"} <= set(
        shown["types"]
    )


@pytest.mark.check("C025")
@pytest.mark.parametrize("scheme", ["", "Bearer "])
async def test_gitlab_has_keys_revoked_with_its_key_bare_or_with_a_scheme(
    house: House, gitlab: Caller, scheme: str
) -> None:
    assert gitlab.held is not None
    gitlab.headers["Authorization"] = scheme + gitlab.held.text
    found = house.key(house.user())
    for _ in range(2):
        answer = await gitlab("POST", "/revoke_tokens", [token(found.text), token(noise())])
        assert (answer.status_code, answer.content) == (204, b"")
    assert house.rows("select state, ended_reason from keys where key = ?", found.key.key) == [
        ("revoked", "leaked (gitlab)")
    ]
    told = house.rows("select count(*) from audit where verb = 'leaks.report' and subject = ?", found.key.key)
    assert told == [(1,)]


@pytest.mark.check("C025")
async def test_a_type_that_is_not_revocable_is_refused_once_what_is_a_key_is_handled(
    house: House, gitlab: Caller
) -> None:
    found = house.key(house.user())
    answer = await gitlab("POST", "/revoke_tokens", [token(found.text, "another"), token(noise(), "another")])
    assert (answer.status_code, state(house, found.key.key)) == (400, "revoked")
    await gitlab.do("POST", "/revoke_tokens", [token(found.text, "another")])


@pytest.mark.check("C025")
async def test_nobody_else_has_keys_revoked(house: House, stranger: Caller) -> None:
    sent = [token(house.key(house.user()).text)]
    await stranger.refused("credential_missing", "POST", "/revoke_tokens", sent)
    await house.staff("read:keys").refused("scope_missing", "POST", "/revoke_tokens", sent)
    stranger.headers["Authorization"] = noise("limen_sk_")
    await stranger.refused("credential_invalid", "POST", "/revoke_tokens", sent)
    stranger.headers["Authorization"] = "Basic YTpi"
    await stranger.refused("credential_missing", "GET", "/revocable_token_types")
    answer = await house.staff("report:leaks")("GET", "/revoke_tokens")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_key_without_a_scheme_is_read_at_gitlabs_addresses_alone(house: House) -> None:
    staff = house.staff()
    assert staff.held is not None
    staff.headers["Authorization"] = staff.held.text
    await staff.refused("credential_missing", "GET", "/apis")


async def test_reports_and_writes_beside_each_other_do_no_harm(house: House, stranger: Caller, gitlab: Caller) -> None:
    found = [house.key(house.user()) for _ in range(4)]
    sent = {"keys": [{"text": each.text} for each in found]}
    answers = await asyncio.gather(
        stranger("POST", "/leaked-keys", sent),
        gitlab("POST", "/revoke_tokens", [token(each.text) for each in found]),
        *(stranger("POST", "/self-revoke", {"key": each.text}) for each in found),
    )
    assert [answer.status_code for answer in answers] == [202, 204, 204, 204, 204, 204]
    assert [state(house, each.key.key) for each in found] == ["revoked"] * 4
    told = house.rows("select subject from audit where verb = 'keys.revoke' and at > ?", found[0].key.created_at)
    assert sorted(told) == sorted({(each.key.key,) for each in found})
