"""A key is never seen twice: not in a file, a log, an error or an answer, whatever it was sent as.

A whole run with real processes, logs at debug, and keys in every place where a careless caller could put one. Then all
that it wrote and answered is searched for every key, whole and in parts, as it is and in four encodings.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from limen.core.keys import BODY_CHARS, CHECK_CHARS, ID_CHARS, checksum, mint
from tests.faults.installation import VERSION, Installation, Server, cli
from tests.faults.processes import START_S, environment
from tests.faults.wire import Header, once, request

BUILDS = "tests.faults.builds:"
PIECE = 12
"""A dozen characters of a secret are not drawn twice, and too many to be shown."""


def needles(text: str) -> set[bytes]:
    """What must not be found of the key *text*: pieces of its secret, plain, percent-encoded, in hex and in base64."""
    secret = text[ID_CHARS - BODY_CHARS : -CHECK_CHARS].encode()
    pieces = [secret[:PIECE], secret[PIECE - 2 : 2 * PIECE - 2], secret[-PIECE:]]
    found = {text.encode(), *pieces}
    for piece in pieces:
        found |= {piece.hex().encode(), piece.hex().upper().encode()}
        found |= {b"".join(b"%%%02X" % byte for byte in piece), b"".join(b"%%%02x" % byte for byte in piece)}
        for lead in range(3):  # base64 goes by threes: a piece may begin at any of them
            whole = base64.b64encode(b"\0" * lead + piece).rstrip(b"=")
            found.add(whole[4 if lead else 0 : len(whole) - 2])
    return found


@dataclass
class Search:
    """What is searched for, and what of it was found where."""

    keys: dict[str, str] = field(default_factory=dict)
    """Text to what kind of key it is."""
    found: set[str] = field(default_factory=set)

    def add(self, kind: str, text: str) -> str:
        """Search for *text* from now on."""
        self.keys[text] = kind
        return text

    def look(self, where: str, content: bytes) -> None:
        """Look through *content*."""
        for text, kind in self.keys.items():
            if any(needle in content for needle in needles(text)):
                self.found.add(f"{kind} in {where}")

    def look_into(self, folder: Path) -> int:
        """Look through every file under *folder*; how many there are."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in files:
            self.look(str(path.relative_to(folder)), path.read_bytes())
        return len(files)


def altered(text: str) -> str:
    """*text* with another last character of its secret, so that its checksum is wrong."""
    at = len(text) - CHECK_CHARS - 1
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def wrong_secret(text: str) -> str:
    """A key with *text*'s id and another secret."""
    other = mint(text[:-BODY_CHARS], secrets.token_bytes)[1]
    stem = text[: ID_CHARS - BODY_CHARS] + other[ID_CHARS - BODY_CHARS : -CHECK_CHARS]
    return stem + checksum(stem.encode()).decode()


def everywhere(text: str, path: str) -> Iterator[tuple[str, str, list[Header]]]:
    """*text* in every place of a request to *path* but its own: where it is, the address, further headers."""
    yield "its header", path, [("x-fanvue-api-key", text)]
    yield "bearer", path, [("authorization", f"Bearer {text}")]
    yield "basic", path, [("authorization", "Basic " + base64.b64encode(f"{text}:".encode()).decode())]
    yield "its parameter", f"{path}?api_key={text}", []
    yield "its parameter, encoded", f"{path}?api%5Fkey=%{ord(text[0]):02X}{text[1:]}", []
    yield "another parameter", f"{path}?token={text}&fail", []
    yield "the path", f"{path}/{text}", []
    yield "the path, encoded", f"{path}/%{ord(text[0]):02x}{text[1:]}", []
    yield "the path, all of it encoded", f"{path}/{''.join(f'%{ord(each):02X}' for each in text)}", []
    yield "the path, between", f"{path.rpartition('/')[0]}/{text}/messages", []
    yield "the path's version", f"/{text}{path}", []
    for name in ("x-fanvue-api-version", "user-agent", "referer", "cookie", "origin", "limen-owner", "accept"):
        yield name, path, [(name, text)]


class Run:
    """The run: servers, what was answered, and the keys that it knows."""

    def __init__(self, installation: Installation, search: Search, door: str = "talkative") -> None:
        self.installation, self.search = installation, search
        installation.owner("u1")
        installation.owner("o1", api="organisation")
        named = {"LIMEN_APIS": "organisation"}
        self.door = installation.serve(BUILDS + door, level="debug", **named)
        self.guard = installation.serve(BUILDS + "talkative_guarded", level="debug")
        self.texts = {
            "a key of the guarded API": installation.key("u1", "read:chat").text,
            "a key of the door's API": installation.key("o1", "read:experiences", api="organisation").text,
        }
        self.answers = 0
        for server in (self.door, self.guard):
            server.ready()

    def ask(self, server: Server, where: str, sent: bytes) -> None:
        """Ask, and look through the answer."""
        answer = once(server.port, sent)
        assert answer.status != 500 or b"&fail" in sent, where
        self.answers += 1
        self.search.look(f"the answer to a key in {where}", answer.head + answer.body)

    def requests(self) -> None:
        """Every kind of key in every place of a request, with and without a good key beside it."""
        creator, organisation = self.texts.values()
        for text, kind in list(self.search.keys.items()):
            for where, path, headers in everywhere(text, "/chats"):
                version = [] if headers[:1] and "version" in headers[0][0] else [("x-fanvue-api-version", VERSION)]
                for own in ([], [("x-fanvue-api-key", creator)]):
                    self.ask(self.guard, f"{where} ({kind})", request("GET", path, [*headers, *own, *version]))
            good = [("authorization", f"Bearer {organisation}")]
            for where, path, headers in everywhere(text, "/v1/experiences"):
                for own in ([], good):
                    self.ask(self.door, f"{where} ({kind})", self.forwarded(path, [*headers, *own]))
            for name in (
                "x-forwarded-method",
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "limen-door",
            ):
                sent = self.forwarded("/v1/experiences", good, **{name: text})
                self.ask(self.door, f"{name} ({kind})", sent)
            self.ask(self.door, f"the door's address ({kind})", request("GET", f"/gate/auth/{text}"))
            self.ask(self.door, f"an address ({kind})", request("GET", f"/{text}?{text}={text}"))

    def forwarded(self, uri: str, headers: Iterable[Header], **named: str) -> bytes:
        """A question of forward authentication, some of its own headers set to *named*."""
        own = {"x-forwarded-method": "GET", "x-forwarded-uri": uri} | named
        return request("GET", "/gate/auth/organisation", [*own.items(), *headers])

    def calls(self) -> None:
        """Every kind of key in every member of a question by call, and in questions that are none."""
        good = self.texts["a key of the door's API"]
        asked = {"api": "organisation", "method": "GET", "path": "/v1/experiences", "credential": good}
        for text, kind in list(self.search.keys.items()):
            bodies = [json.dumps(asked | {"credential": text}), json.dumps(asked | {text: 1}), f'{{"api": {text}']
            for name in ("api", "method", "path", "version", "address", "origin", "environment"):
                bodies.append(json.dumps(asked | {name: f"/v1/{text}" if name == "path" else text}))
            bodies += [json.dumps(asked | {"credential": [text]}), json.dumps(text), text, f'"{text}\xff']
            bodies += [json.dumps({"outcomes": [{"reading": text, "status": 200}]}), json.dumps({"outcomes": text})]
            for body in bodies:
                for path in ("/gate/verify", "/gate/outcomes"):
                    sent = request("POST", path, [("content-type", "application/json")], body.encode("latin-1"))
                    where = body.replace(text, "KEY")[:80]
                    self.ask(self.door, f"the body {where} ({kind})", sent)

    def command(self, *words: str, given: str = "", code: int = 0) -> bytes:
        """What a command wrote. A key is never among its words, which others can read, unless it is to be refused."""
        settings = environment(self.installation.environment)
        sent = given.encode()
        done = subprocess.run(cli(*words), input=sent, env=settings, capture_output=True, timeout=START_S, check=False)
        assert done.returncode == code, (words[:2], done.returncode, done.stderr[-500:])
        self.search.look(f"what '{' '.join(words[:2])}' said", done.stderr)
        return done.stdout

    def commands(self) -> None:
        """Keys made, looked at, replaced and ended at the terminal."""
        made = json.loads(
            self.command("keys", "issue", "organisation", "o1", "--name", "n", "--scope", "read:experiences", "--json")
        )
        text = self.search.add("a key from the terminal", made["text"])
        self.ask(self.door, "bearer", self.forwarded("/v1/experiences", [("authorization", f"Bearer {text}")]))
        for words, given, code in (
            (("keys", "show", "-"), text, 0),
            (("keys", "show", text), "", 2),
            (("keys", "revoke", "-", "--reason", "a test", "--yes"), text, 0),
            (("keys", "revoke", "-", "--reason", "a test", "--yes"), altered(text), 2),
            (("keys", "list", "--json"), "", 0),
            (("keys", "list"), "", 0),
        ):
            self.search.look(f"what '{words[1]}' printed", self.command(*words, given=given, code=code))
        self.ask(self.door, "bearer", self.forwarded("/v1/experiences", [("authorization", f"Bearer {text}")]))


def canaries(run: Run) -> None:
    """The keys that are searched for: good ones, and all kinds of wrong ones."""
    for kind, text in run.texts.items():
        add = run.search.add
        add(kind, text)
        add(f"{kind}, wrong secret", wrong_secret(text))
        add(f"{kind}, unknown", mint(text[:-BODY_CHARS], secrets.token_bytes)[1])
        add(f"{kind}, malformed", altered(mint(text[:-BODY_CHARS], secrets.token_bytes)[1]))


def whole_run(run: Run) -> None:
    """Everything, searched as the processes left it, and again when the journals have been drained."""
    installation, search = run.installation, run.search
    hand = installation.hand()
    run.requests()
    run.calls()
    run.commands()
    for text in list(run.texts.values()):
        key = text[-BODY_CHARS : ID_CHARS - BODY_CHARS]
        answer = hand.do("regenerate", key)
        search.add("a regenerated key", answer["value"]["text"])
        hand.do("revoke", answer["value"]["key"])
    run.requests()
    for server in (run.door, run.guard):
        server.kill()
    search.look_into(installation.folder)
    installation.drain_all(installation.segments())
    files = search.look_into(installation.folder)
    print(f"{len(search.keys)} keys, {run.answers} answers and {files} files searched")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a journal of small segments."""
    made = Installation(tmp_path / "i", segment_bytes="1048576")
    yield made
    made.close()


@pytest.mark.req("R67", "R208")
@pytest.mark.check("C003", "C004", "C020")
def test_no_key_is_seen_twice(installation: Installation) -> None:
    run = Run(installation, Search())
    canaries(run)
    whole_run(run)
    assert not run.search.found, "\n".join(sorted(run.search.found))
    assert b"DEBUG:sqlalchemy" in run.door.child.log.read_bytes()
    paths = [path for path in installation.recorded() if "…" in path]
    assert len(paths) > 3, "no key was in the path of a request that was recorded"


def test_a_gate_that_tells_its_log_of_a_key_is_caught(installation: Installation) -> None:
    run = Run(installation, Search(), "telltale")
    text = run.search.add("an unknown key", mint("sk_live_", secrets.token_bytes)[1])
    run.ask(run.door, "bearer", run.forwarded("/v1/experiences", [("authorization", f"Bearer {text}")]))
    run.search.look_into(installation.folder)
    assert run.search.found == {"an unknown key in server.log"}


@pytest.mark.parametrize("lead", [b"", b"a", b"ab"])
def test_a_key_is_found_in_whatever_it_hides(lead: bytes) -> None:
    text = mint("sk_live_", secrets.token_bytes)[1]
    secret = text[ID_CHARS - BODY_CHARS : -CHECK_CHARS].encode()
    hidden = [lead + text.encode(), lead + secret[:20], lead + secret[12:], (lead + secret).hex().encode()]
    hidden += [base64.b64encode(lead + text.encode()), base64.urlsafe_b64encode(lead + secret + lead)]
    hidden.append("".join(f"%{byte:02x}" for byte in lead + secret).encode())
    for content in hidden:
        search = Search({text: "a key"})
        search.look("there", content)
        assert search.found == {"a key in there"}, content
    search.look("elsewhere", text[:-BODY_CHARS].encode() + text[-BODY_CHARS : ID_CHARS - BODY_CHARS].encode())
    assert search.found == {"a key in there"}
