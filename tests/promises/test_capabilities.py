"""What the product stands for, each as one assertion from end to end; and the same assertion where it is switched off.

The API stands behind a Guard, as a customer has it, and another App on the same database changes things, as the
command line does. An assertion that holds without the capability would prove nothing, so each is seen to fail.
"""

from __future__ import annotations

import copy
import math
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from limen.control import apis, keys, owners
from limen.core.profile_reader import read_profile
from limen.core.verdict import Code, judge
from limen.gate.clock import Clock
from limen.gate.counters import MemoryCounters
from limen.gate.lease import HostLease
from limen.guard.asgi import Guard
from tests.faults.installation import VERSION, Installation

API = "creator"
READ, WRITE = "read:chat", "write:chat"
Answer = tuple[int, dict[str, str], str]


class Platform:
    """A guarded API, its database, and the App beside it."""

    def __init__(self, installation: Installation, patch: pytest.MonkeyPatch) -> None:
        self.installation, self.app, self.patch = installation, installation.app, patch
        self.guard = Guard(_api, api=API, settings=installation.settings)
        self.owner = installation.owner("u1")

    async def ask(self, text: str, method: str = "GET", path: str = "/chats") -> Answer:
        """The answer to one request: its status, its headers, its body."""
        named = [(b"x-fanvue-api-key", text.encode()), (b"x-fanvue-api-version", VERSION.encode())]
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": named,
            "client": ("127.0.0.1", 1),
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await self.guard(scope, _nothing, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(part["body"] for part in sent[1:]).decode()

    async def code(self, text: str, method: str = "GET", path: str = "/chats") -> str:
        """``ok``, or why the request was refused."""
        status, _, body = await self.ask(text, method, path)
        return "ok" if status == 200 else next(code.slug for code in Code if f'"{code.slug}"' in body)

    def key(self, *scopes: str) -> keys.Issued:
        """A new key of the owner."""
        return self.installation.key(self.owner, *scopes)

    def at_the_database(self, *statements: str) -> None:
        """Somebody works on the database by hand."""
        with closing(sqlite3.connect(self.installation.settings.database_path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def without_triggers(self) -> None:
        """Take away what the database itself refuses."""
        with closing(sqlite3.connect(self.installation.settings.database_path)) as connection:
            names = connection.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        self.at_the_database(*(f"drop trigger {name}" for (name,) in names))

    def judging(self, altered: Callable[[Code, Any, Any], Code]) -> None:
        """Let the gate go by *altered*, of the right code, the record and the operation."""
        self.patch.setattr("limen.gate.check.judge", lambda *given: altered(judge(*given), given[0], given[2]))

    def letting(self, *codes: Code) -> None:
        """Let the gate admit what it ought to refuse with *codes*."""
        self.judging(lambda code, _record, _operation: Code.OK if code in codes else code)


async def _api(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"chats"})


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b""}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform of its own for every test."""
    installation = Installation(tmp_path / "i", segment_bytes="65536")
    made = Platform(installation, monkeypatch)
    yield made
    made.guard.close()
    installation.close()


Assertion = Callable[[Platform], Awaitable[None]]
Breakage = Callable[[Platform], None]


async def one_active_key(platform: Platform) -> None:
    """A second key takes the place of the first, which is refused from then on; the owner has one (R9)."""
    first = platform.key(READ)
    assert await platform.code(first.text) == "ok"
    second = platform.key(READ)
    assert await platform.code(second.text) == "ok"
    assert await platform.code(first.text) == "key_revoked"
    with platform.app.reading() as reader:
        assert [key.key for key in keys.listed(reader, owner=platform.owner, state="active").items] == [second.key.key]


def many_active_keys(platform: Platform) -> None:
    """No slot is taken, and the database does not mind."""
    platform.without_triggers()
    platform.patch.setattr("limen.control.keys.actions._slot", lambda *_: None)


async def fixed_scopes(platform: Platform) -> None:
    """A key's scopes are what they were, by whatever hand somebody tries to change them (R14)."""
    key = platform.key(READ)
    assert await platform.code(key.text, "POST") == "scope_missing"
    with suppress(sqlite3.IntegrityError):
        platform.at_the_database(f"update keys set scopes = '[\"{READ}\", \"{WRITE}\"]' where key = '{key.key.key}'")
    platform.guard.close()  # what is in memory is no proof: it is read anew
    assert await platform.code(key.text, "POST") == "scope_missing"
    with platform.app.reading() as reader:
        assert keys.require(reader, key.key.key).scopes == (READ,)


async def revoked_keys_are_rejected(platform: Platform) -> None:
    """A revoked key is refused, and the answer says why (R48)."""
    key = platform.key(READ)
    assert await platform.code(key.text) == "ok"
    platform.app.act(keys.revoke, key.key.key, reason="a test")
    status, headers, body = await platform.ask(key.text)
    assert (status, '"key_revoked"' in body) == (401, True)
    assert "invalid_token" in headers["www-authenticate"]


async def all_scopes_are_needed(platform: Platform) -> None:
    """An operation that needs two scopes is open to a key that holds both, and to no other (R51)."""
    document = copy.deepcopy(document_of(platform))
    sending = next(operation for operation in document["operations"] if operation["id"] == "sendMessage")
    sending["scopes"] = [READ, WRITE]
    platform.app.act(apis.apply_profile, API, read_profile(document))
    call = ("POST", "/chats/u2/message")
    assert await platform.code(platform.key(READ, WRITE).text, *call) == "ok"
    for scopes in ([READ], [WRITE], ["read:self"]):
        assert await platform.code(platform.key(*scopes).text, *call) == "scope_missing"


def document_of(platform: Platform) -> dict[str, Any]:
    """The profile of the API, as data."""
    with platform.app.reading() as reader:
        return dict(apis.profile_of(reader, API).document)


def any_scope_will_do(platform: Platform) -> None:
    """One scope of several is taken for enough."""

    def altered(code: Code, record: Any, operation: Any) -> Code:
        return Code.OK if code is Code.SCOPE_MISSING and operation.scopes & record.terms.scopes else code

    platform.judging(altered)


async def revocation_is_immediate(platform: Platform) -> None:
    """The first request after a revocation in another process is refused, however often the key was used (R69)."""
    for _ in range(20):
        key = platform.key(READ)
        for _ in range(3):
            assert await platform.code(key.text) == "ok"
        platform.app.act(keys.revoke, key.key.key)
        assert await platform.code(key.text) == "key_revoked"


def what_is_known_is_believed(platform: Platform) -> None:
    """Memory is believed for as long as the process lives."""
    platform.patch.setattr(HostLease, "holds", lambda self, _at: self._applied >= 0)


async def only_the_allowed_are_admitted(platform: Platform) -> None:
    """While the allow-list is on, an owner who is not on it is refused; when it is off, nobody is (R99)."""
    key = platform.key(READ)
    assert await platform.code(key.text) == "ok"
    platform.app.act(owners.disallow, platform.owner, API)
    assert await platform.code(key.text) == "owner_not_allowed"
    platform.app.act(apis.switch, API, "allowlist", False)
    assert await platform.code(key.text) == "ok"
    platform.app.act(apis.switch, API, "allowlist", True)
    assert await platform.code(key.text) == "owner_not_allowed"
    platform.app.act(owners.allow, platform.owner, API)
    assert await platform.code(key.text) == "ok"


async def windows_refill_at_once(platform: Platform) -> None:
    """A hundred in 60 s, none before the window's end, and the whole hundred as soon as it has ended (R115)."""
    elapsed = 0.0
    read = Clock.read

    def moved(self: Clock) -> tuple[float, float]:
        now, at = read(self)
        return now + elapsed, at + elapsed

    platform.patch.setattr(Clock, "read", moved)
    platform.app.act(owners.set_plan, platform.owner, API, plan="")
    text = platform.key(READ).text
    for window in range(3):
        elapsed = window * 100.0
        assert [await platform.code(text) for _ in range(101)] == ["ok"] * 100 + ["limit_exceeded"]
        _, headers, _ = await platform.ask(text)
        assert 55 <= int(headers["retry-after"]) <= 60
        elapsed += 50
        assert await platform.code(text) == "limit_exceeded", "some of the window was given back before its end"


def trickle(platform: Platform) -> None:
    """A bucket of a hundred that fills drop by drop, in the place of windows."""
    buckets: dict[bytes, tuple[float, float]] = {}

    def take(_self: MemoryCounters, wants: Any, at: float) -> tuple[bool, Any, int, float, tuple[()]]:
        limit, whose = wants[0]
        rate = limit.count / limit.window_s
        left, then = buckets.get(whose, (limit.count, at))
        left = min(limit.count, left + (at - then) * rate)
        granted = left >= 1
        buckets[whose] = (left - granted, at)
        return granted, limit, math.floor(left - granted), (limit.count - left) / rate, ()

    platform.patch.setattr(MemoryCounters, "take", take)


async def writes_need_their_documents(platform: Platform) -> None:
    """A write is served where the profile documents it, and not while the API is read-only; reads go on (R127)."""
    text = platform.key(READ, WRITE, "write:creator", "write:agency").text
    assert await platform.code(text, "POST") == "ok"
    for method, path in (("DELETE", "/chats"), ("PUT", "/chats"), ("PATCH", "/users/me"), ("POST", "/users/me")):
        assert await platform.code(text, method, path) == "operation_unknown", (method, path)
    platform.app.act(apis.switch, API, "read_only", True)
    assert await platform.code(text, "POST") == "writes_disabled"
    assert await platform.code(text) == "ok"
    platform.app.act(apis.switch, API, "read_only", False)
    assert await platform.code(text, "POST") == "ok"


@pytest.mark.parametrize(
    "assertion",
    [
        pytest.param(one_active_key, marks=pytest.mark.req("R9")),
        pytest.param(fixed_scopes, marks=pytest.mark.req("R14")),
        pytest.param(revoked_keys_are_rejected, marks=pytest.mark.req("R48")),
        pytest.param(all_scopes_are_needed, marks=pytest.mark.req("R51")),
        pytest.param(revocation_is_immediate, marks=pytest.mark.req("R69")),
        pytest.param(only_the_allowed_are_admitted, marks=pytest.mark.req("R99")),
        pytest.param(windows_refill_at_once, marks=pytest.mark.req("R115")),
        pytest.param(writes_need_their_documents, marks=pytest.mark.req("R127")),
    ],
)
async def test_it_is_so(platform: Platform, assertion: Assertion) -> None:
    await assertion(platform)


@pytest.mark.parametrize(
    ("assertion", "broken"),
    [
        (one_active_key, many_active_keys),
        (fixed_scopes, Platform.without_triggers),
        (revoked_keys_are_rejected, lambda platform: platform.letting(Code.KEY_REVOKED)),
        (all_scopes_are_needed, any_scope_will_do),
        (all_scopes_are_needed, lambda platform: platform.letting(Code.SCOPE_MISSING)),
        (revocation_is_immediate, what_is_known_is_believed),
        (only_the_allowed_are_admitted, lambda platform: platform.letting(Code.OWNER_NOT_ALLOWED)),
        (windows_refill_at_once, trickle),
        (writes_need_their_documents, lambda platform: platform.letting(Code.WRITES_DISABLED)),
        (writes_need_their_documents, lambda platform: platform.letting(Code.OPERATION_UNKNOWN)),
    ],
)
async def test_it_is_missed_where_it_is_switched_off(
    platform: Platform, assertion: Assertion, broken: Breakage
) -> None:
    broken(platform)
    with pytest.raises(AssertionError) as missed:
        await assertion(platform)
    print(str(missed.value).splitlines()[0])
