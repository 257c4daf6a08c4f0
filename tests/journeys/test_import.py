"""Moving in: 10,000 keys of another system are brought as it hashed them, and go on working as they are."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.wire import Line, request
from tests.journeys.stage import VERSION, Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them

KEYS, OWNERS, CALLERS = 10_000, 500, 4


def _verify(stage: Stage, texts: list[str], path: str = "/chats") -> Counter[int]:
    """The statuses with which the gate answers a request with each of *texts*, over one connection."""
    told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", path), ("x-fanvue-api-version", VERSION)]
    line = Line(stage.gate_port)
    try:
        asked = (request("GET", "/gate/auth/legacy", [*told, ("x-fanvue-api-key", text)]) for text in texts)
        return Counter(line.ask(each).status for each in asked)
    finally:
        line.close()


@pytest.mark.timeout(240)
@pytest.mark.req("R47", "R66")
@pytest.mark.check("C004")
def test_ten_thousand_hashed_keys_are_brought_and_work(stage: Stage) -> None:
    chance = random.Random(11)
    texts = [f"old_{chance.randbytes(20).hex()}" for _ in range(KEYS)]
    lines = [
        {"owner": f"moved-{number % OWNERS}", "name": f"key {number}", "scopes": ["read:chat"]}
        | {"sha256": hashlib.sha256(text.encode()).hexdigest()}
        for number, text in enumerate(texts)
    ]
    file = stage.folder / "keys.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert stage.ask(texts[0], api="legacy") == "credential_invalid"
    brought = stage.json("keys", "import", "legacy", file.name, "--create-owners", "--allow")
    assert (len(brought["keys"]), brought["owners"], brought["wrong"]) == (KEYS, OWNERS, [])

    # Every one of them is admitted by the server, which has run all the time; nobody else is.
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = sum(callers.map(lambda at: _verify(stage, texts[at::CALLERS]), range(CALLERS)), Counter[int]())
    assert answers == {200: KEYS}
    assert stage.ask(texts[0], "POST /chats", api="legacy") == "scope_missing"
    assert stage.ask(f"{texts[0][:-1]}x", api="legacy") == "credential_invalid"

    # They are keys as all others: listed, shown without their text, ended at once.
    held = stage.staff.get("/keys?api=legacy&owner=moved-7&limit=200")["items"]
    assert len(held) == KEYS // OWNERS
    assert all(key["created_by"].startswith("terminal:") and key["state"] == "active" for key in held)
    number = next(number for number, line in enumerate(lines) if line["name"] == held[0]["name"])
    stage.staff.do("POST", f"/keys/{held[0]['key']}/revoke")
    assert stage.ask(texts[number], api="legacy") == "key_revoked"
    file.unlink()
    assert stage.files_with(texts[0]) == stage.files_with(lines[0]["sha256"]) == []
