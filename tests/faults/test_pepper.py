"""The pepper changes while requests come: none is refused, and whoever is killed at it leaves nothing half-done."""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from collections import Counter
from threading import Thread
from typing import Any

import pytest

from limen.app import App
from limen.control import apis, imports, peppers
from limen.core.profile_reader import read_profile
from limen.core.verdict import Ask
from limen.db import pepper
from limen.profiles import load
from tests.core.documents import edited
from tests.faults.conftest import Install
from tests.faults.installation import GATE, VERSION, Installation
from tests.faults.processes import ANSWER_S, wait_until
from tests.faults.wire import Load, once, request

SECRET = b"the secret of the other one"
LIVE = {"class": "secret", "environment": "live"}
FOREIGN = [
    {"prefix": "sha_", "length": "36", "hash": "sha256"} | LIVE,
    {"prefix": "mac_", "length": "36", "hash": "hmac-sha256", "secret": "legacy"} | LIVE,
]


class Rotation:
    """An installation with keys of its own and of another system, a gate that answers, and a hand that rotates."""

    def __init__(self, installation: Installation, *, own: int, foreign: int) -> None:
        self.installation = installation
        changes = {"keys.foreign": FOREIGN, "keys.max_active_per_owner": "unlimited"}
        profile = read_profile(edited(changes, load("creator").document))
        app = installation.app
        app.act(apis.apply_profile, "creator", profile)
        app.act(peppers.add_secret, app.settings.pepper_path, "legacy", SECRET)
        installation.owner("u1")
        self.texts = [installation.key("u1", "read:chat").text for _ in range(own)]
        others = [("sha_", "mac_")[number % 2] + secrets.token_hex(16) for number in range(foreign)]
        app.act(imports.bring, imports.Import("creator"), [_entry(*each) for each in enumerate(others, 1)])
        self.texts += others
        random.Random(7).shuffle(self.texts)

    def ask(self, number: int) -> bytes:
        """A request with the key of a number; each key has its turn."""
        headers = [("x-fanvue-api-key", self.texts[number % len(self.texts)]), ("x-fanvue-api-version", VERSION)]
        told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/chats")]
        return request("GET", "/gate/auth/creator", [*told, *headers])

    def stored(self) -> Counter[str]:
        """How many keys are stored how."""
        with self.installation.app.reading() as reader:
            rows = reader.connection.exec_driver_sql("select pepper, scheme, count(*) from keys where api = 'creator'"
                                                     " group by 1, 2")  # fmt: skip
            return Counter({f"{row[0]} {row[1]}": row[2] for row in rows})

    def wrong(self) -> int:
        """How many texts do not give what is stored of them, by a process that starts now."""
        app = App.open(self.installation.settings)
        try:
            return sum(not each.keys for each in app.recognise(self.texts))
        finally:
            app.close()


def _entry(number: int, text: str) -> imports.Entry:
    if text.startswith("sha_"):
        how: dict[str, Any] = {"hash": "sha256", "hashed": hashlib.sha256(text.encode()).digest()}
    else:
        how = {"hash": "hmac-sha256", "hashed": hmac.digest(SECRET, text.encode(), "sha256")}
    return imports.Entry(number, "u1", scopes=("read:chat",), **how)


@pytest.mark.req("R47", "R66")
@pytest.mark.check("C004", "C006")
def test_a_rotation_under_load_refuses_nobody(install: Install) -> None:
    """Added, wrapped, stored anew as they come, retired: three times over, while every key is asked for all the time.

    The gate holds fewer records than there are keys, so that it loads all of them again and again.
    """
    rotation = Rotation(install(records="100"), own=120, foreign=80)
    path = rotation.installation.settings.pepper_path
    server, hand = rotation.installation.serve().ready(), rotation.installation.hand()
    load = Load(rotation.ask)
    asking = Thread(target=load.run, args=(server.port, 16, 100.0))
    asking.start()
    try:
        wait_until(lambda: len(load.answers) > 500, "a load")
        for version in (2, 3, 4):
            since = len(load.answers)
            assert hand.do("pepper_add")["value"] == version
            if version != 3:  # once without: each key comes by itself
                assert "value" in hand.do("pepper_wrap", 30)
            wait_until(
                lambda version=version: rotation.stored() == {f"{version} b2": 200},
                "every key under the new pepper",
                40,
            )
            retired = hand.do("pepper_retire", version - 1)
            assert "returned" in retired, retired
            assert "problem" not in retired, retired
            wait_until(lambda since=since: len(load.answers) > since + 500, "requests after it")
        assert list(pepper.read(path).peppers) == [4]
    finally:
        server.kill()
        asking.join(ANSWER_S)
    statuses = Counter(answer.status for answer in load.answers.values())
    print(f"{len(load.answers)} requests while the pepper changed three times: {dict(statuses)}")
    assert set(statuses) == {200}
    assert rotation.wrong() == 0
    again = rotation.installation.serve().ready()
    assert {once(again.port, rotation.ask(number)).status for number in range(len(rotation.texts))} == {200}


@pytest.mark.check("C005", "C006")
def test_a_process_that_runs_goes_on_with_an_old_file_and_none_starts_with_it(install: Install) -> None:
    """A copy, as some systems hand secrets to a service: it stays what it was when the service started."""
    rotation = Rotation(install(), own=20, foreign=10)
    installation = rotation.installation
    copy = installation.folder / "copy"
    copy.touch(mode=0o600)
    copy.write_text(installation.settings.pepper_path.read_text())
    server = installation.serve(GATE, LIMEN_PEPPER_FILE=str(copy)).ready()
    ask = [rotation.ask(number) for number in range(len(rotation.texts))]
    assert {once(server.port, each).status for each in ask} == {200}
    installation.app.act(peppers.add, installation.settings.pepper_path)
    assert {once(server.port, each).status for each in ask} == {200}, "it stores nothing anew"
    assert {name.split()[0] for name in rotation.stored()} == {"1"}
    late = installation.serve(GATE, LIMEN_PEPPER_FILE=str(copy))
    wait_until(lambda: "no version 2" in late.said(), "a gate that refuses to start", 60)
    late.kill()
    installation.app.act(peppers.wrap)
    wrapped = {once(server.port, each).status for each in ask}
    assert wrapped == {503}, "what it cannot check it admits to nobody, and calls nobody's key wrong"
    copy.write_text(installation.settings.pepper_path.read_text())
    assert {once(server.port, each).status for each in ask} == {200}


@pytest.mark.check("C006")
@pytest.mark.parametrize("point", ["before", "written", "committed"])
def test_wrapping_that_is_killed_at_any_point_goes_on(install: Install, point: str) -> None:
    rotation = Rotation(install(), own=50, foreign=50)
    installation = rotation.installation
    hand = installation.hand()
    installation.app.act(peppers.add, installation.settings.pepper_path)
    for batch in (1, 2, 3):
        assert hand.do("pepper_wrap", 20, dies_at=point, batch=batch)["finished"] is False
        stored = rotation.stored()
        done = sum(count for name, count in stored.items() if name.startswith("2 "))
        assert done % 20 == 0
        assert sum(stored.values()) == 100
        assert rotation.wrong() == 0
    hand.do("pepper_wrap", 20)
    assert rotation.stored() == {"2 b2/b2.1": 50, "2 b2/b2.1/sha256": 25, "2 b2/b2.1/hmac-sha256:legacy": 25}
    assert rotation.wrong() == 0


@pytest.mark.check("C005", "C006")
def test_adding_and_retiring_that_is_killed_at_any_moment_leaves_an_installation_that_starts(install: Install) -> None:
    rotation = Rotation(install(), own=5, foreign=0)
    installation, chance = rotation.installation, random.Random(2641)
    path, hand = installation.settings.pepper_path, rotation.installation.hand()
    finished = Counter[bool]()
    for round_ in range(24):
        version = max(pepper.read(path).peppers)
        order = ("pepper_add",) if round_ % 2 == 0 else ("pepper_retire", min(pepper.read(path).peppers))
        point = ("before", "written", "committed")[round_ // 2 % 3]
        how = {"dies_at": point} if chance.random() < 0.5 else {"killed_after_ms": chance.uniform(0, 150)}
        finished[hand.do(*order, **how)["finished"]] += 1
        assert rotation.wrong() == 0
        assert max(pepper.read(path).peppers) in (version, version + 1)
        installation.app.act(peppers.wrap)
        for text in rotation.texts:
            assert once_more(installation, text) == "ok"
    print(f"seed 2641: {finished[True]} orders were done before the kill, {finished[False]} were not")
    assert finished[False] > 5


def once_more(installation: Installation, text: str) -> str:
    """What a gate says that has been here all the time."""
    app = installation.app
    now, at = app.clock.read()
    ask = Ask(text.encode(), b"GET", b"/chats", VERSION.encode(), b"live", now, at)
    return app.gate("creator").cold.decide_now(ask).code.slug
