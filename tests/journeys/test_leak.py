"""A key is found in the open: GitHub says so, signed with its key, and before it has its answer the key is dead."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.journeys.stage import Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them

PLACE = "https://code.example.com/acme/app/blob/main/.env"
FIRST = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"


class Scanner:
    """Who scans public code, and signs what it found with a key that it publishes."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._key = stage, ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
        published = {"public_keys": [{"key_identifier": FIRST, "key": pem, "is_current": True}]}
        (stage.folder / "github.json").write_text(json.dumps(published))

    def alert(self, *texts: str, signed: bytes | None = None) -> Any:
        """The answer to an alert of *texts*; *signed*: the bytes that were signed, where they are not those sent."""
        found = [{"token": text, "type": "limen_creator", "url": PLACE, "source": "content"} for text in texts]
        body = json.dumps(found).encode()
        signature = self._key.sign(body if signed is None else signed, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            "Github-Public-Key-Identifier": FIRST,
            "Github-Public-Key-Signature": base64.b64encode(signature).decode(),
        }
        return self._stage.public.post("/leaked-keys/github", content=body, headers=headers)


def _written(stage: Stage) -> tuple[int, ...]:
    """How much the audit and the outbox hold."""
    return stage.rows("select (select count(*) from audit), (select count(*) from outbox)")[0]


@pytest.mark.req("R21", "R28", "R69", "R164", "R165")
@pytest.mark.check("C023", "C024", "C027")
def test_a_signed_alert_ends_the_key_and_a_wrong_one_does_nothing(stage: Stage) -> None:
    user = stage.user()
    found = stage.issue(user, "read:chat")
    noise = f"{found['text'][:-8]}00000000"
    scanner = Scanner(stage)
    assert stage.ask(found["text"]) == "ok"

    # A signature over anything else than the body has no effect.
    before = _written(stage)
    refused = scanner.alert(found["text"], signed=b"[]")
    assert (refused.status_code, refused.json()["code"]) == (403, "signature_wrong")
    assert (stage.ask(found["text"]), _written(stage)) == ("ok", before)

    # The real one has: the key is dead at the gate, and what is no key is told apart.
    answer = scanner.alert(found["text"], noise)
    assert stage.ask(found["text"]) == "key_revoked"
    assert answer.status_code == 200
    assert answer.json() == [
        {"token_hash": hashlib.sha256(text.encode()).hexdigest(), "token_type": "limen_creator", "label": label}
        for text, label in ((found["text"], "true_positive"), (noise, "false_positive"))
    ]

    # Staff see what happened and whence; the owner's event waits to be sent, and holds no key.
    (entry,) = stage.staff.get(f"/audit?subject={found['key']}&verb=leaks.report")["items"]
    assert (entry["actor"], entry["detail"], entry["personal"]["where"]) == (
        "holder:github",
        {"source": "github", "done": "revoked"},
        PLACE,
    )
    assert entry["personal"]["origin"] == "127.0.0.1"
    ((payload,),) = stage.rows(
        "select payload from outbox where event = 'key.leaked' and payload ->> 'subject' = ?", found["key"]
    )
    told = json.loads(payload)
    assert (told["owner"], told["source"], told["where"], told["done"]) == (user, "github", PLACE, "revoked")
    assert stage.staff.get(f"/keys/{found['key']}")["ended_reason"] == "leaked (github)"
    assert stage.files_with(found["text"]) == []

    # A sender that heard no answer tries again: the same answer, and nothing happens twice.
    before = _written(stage)
    assert scanner.alert(found["text"], noise).json() == answer.json()
    assert _written(stage) == before
