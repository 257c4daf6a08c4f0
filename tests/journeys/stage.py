"""The stage of a journey: an installation as ``limen init`` makes it, ``limen serve`` over it, and who comes there.

All of it is real: processes, sockets, files. Nothing reaches into a server; what the database holds is read beside it.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from limen.app import App
from limen.control import apis
from limen.core.profile import Profile
from limen.settings import Settings, read_settings
from tests.db.dump import rows
from tests.faults.processes import START_S, Child, environment, free_port, wait_until

VERSION = "2025-06-26"
ADDRESS = "203.0.113.9"
"""Whence the callers at the gate come, where a journey does not say."""

PATIENCE_S = 90.0
"""How long anything may take on a machine that has other things to do."""

MEMBER = ["read:keys", "write:keys", "read:owners", "write:owners", "read:requests", "write:requests", "read:apis"]
"""The scopes of a member's key."""


class Stage:
    """An installation in *folder*, and the server over it once ``open`` was called."""

    def __init__(self, folder: Path, profiles: Mapping[str, Profile], **settings: str) -> None:
        """*profiles*: those of the APIs to be made. *settings*: as in the environment, without prefix, in small."""
        self.folder = folder
        self.gate_port, self.public_port = free_port(), free_port()
        named = {
            "database_url": f"sqlite:///{folder}/limen.db",
            "gate_listen": f"127.0.0.1:{self.gate_port}",
            "listen": f"127.0.0.1:{self.public_port}",
            **settings,
        }
        self.environment = {f"LIMEN_{name.upper()}": value for name, value in named.items()}
        *_, key = self.json("init")
        app = App.open(self.settings)
        for name, profile in profiles.items():
            app.act(apis.create, name, profile)
        app.close()
        self.gate = httpx2.Client(base_url=f"http://127.0.0.1:{self.gate_port}/gate", timeout=PATIENCE_S)
        self.public = httpx2.Client(base_url=f"http://127.0.0.1:{self.public_port}/v1", timeout=PATIENCE_S)
        self.staff = Caller(self, key["text"])
        """Whoever keeps the first key."""
        self._numbers = itertools.count(1)
        self._server: Child | None = None

    # -- processes -----------------------------------------------------------------------------------------------

    def open(self, *words: str) -> Stage:
        """``limen serve`` runs, with *words* on its command line, and both listeners answer."""
        line = [sys.executable, "-m", "limen", "serve", *words]
        self._server = server = Child(line, self.environment, self.folder / "serve.log")

        def ready() -> bool:
            assert server.process.poll() is None, f"the server ended: {server.said()[-3000:]}"
            return all(_answers(port) for port in (self.gate_port, self.public_port))

        wait_until(ready, "both listeners", START_S)
        return self

    def shut(self) -> None:
        """The server is told to end, and has ended."""
        if self._server is not None:
            server, self._server = self._server, None
            assert server.stop() == 0, server.said()[-3000:]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing runs any more, whatever became of it."""
        if self._server is not None:
            self._server.kill()
        self.gate.close()
        self.public.close()

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """The command ``limen`` with *words*, in a process of its own; *said*: its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "limen", *words],
            env=environment(self.environment),
            cwd=self.folder,
            input=said,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def limen(self, *words: str, said: str = "") -> str:
        """What the command wrote, which was done."""
        done = self.run(*words, said=said)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def json(self, *words: str, said: str = "") -> Any:
        """What the command answered with ``--json``, which was done."""
        return json.loads(self.limen(*words, "--json", said=said))

    @property
    def settings(self) -> Settings:
        """The settings of all these processes."""
        return read_settings(self.environment, self.folder)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What *statement* finds in the database."""
        return rows(self.folder / "limen.db", statement, *values)

    def files_with(self, text: str) -> list[Path]:
        """The files below the folder that hold *text*."""
        return [path for path in self.folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]

    # -- who comes -----------------------------------------------------------------------------------------------

    def user(self, *, api: str = "creator") -> str:
        """A new user, whom *api* lets in."""
        user = f"u-{next(self._numbers)}"
        self.staff.do("POST", "/owners", {"kind": "user", "owner": user})
        self.staff.do("PUT", f"/owners/{user}/standings/{api}/allowed")
        return user

    def firm(self) -> str:
        """A new organisation, with a plan that no journey uses up."""
        firm = f"o-{next(self._numbers)}"
        self.staff.do("POST", "/owners", {"kind": "organisation", "owner": firm})
        self.staff.do("PUT", f"/owners/{firm}/standings/organisation", {"plan": "pro"})
        return firm

    def issue(self, owner: str, *scopes: str, api: str = "creator", **more: Any) -> dict[str, Any]:
        """A new key, issued by staff: the key, and its text."""
        asked = {"api": api, "owner": owner, "name": "a key", **more} | ({"scopes": list(scopes)} if scopes else {})
        made: dict[str, Any] = self.staff.do("POST", "/keys", asked)
        return {**made["key"], "text": made["text"]}

    def caller(self, user: str, *, key_class: str, scopes: list[str]) -> Caller:
        """The *user* at the management API, with a new key of its own."""
        return Caller(self, self.issue(user, *scopes, api="limen", key_class=key_class)["text"])

    def member(self, user: str) -> Caller:
        """The *user*, with a key of members."""
        return self.caller(user, key_class="member", scopes=MEMBER)

    def colleague(self) -> Caller:
        """Another one of staff, who may do everything too."""
        return self.caller(self.user(), key_class="staff", scopes=["admin"])

    def ask(self, text: str, call: str = "GET /chats", *, api: str = "creator", address: str = ADDRESS) -> str:
        """What the gate says to *call* with the key *text*: ``ok``, or the code of its refusal."""
        method, path = call.split(" ", 1)
        credential = {"Authorization": f"Bearer {text}"} if api == "organisation" else {"X-Fanvue-API-Key": text}
        told = {"X-Forwarded-Method": method, "X-Forwarded-Uri": path, "X-Forwarded-Proto": "https"}
        headers = credential | told | {"X-Forwarded-For": address, "X-Fanvue-API-Version": VERSION}
        answer = self.gate.get(f"/auth/{api}", headers=headers)
        return "ok" if answer.status_code == 200 else str(answer.json()["code"])


class Caller:
    """Somebody at the management API, with a key or without."""

    def __init__(self, stage: Stage, text: str = "", *, act_for: str = "") -> None:
        self.stage, self.text = stage, text
        self._headers = {"Authorization": f"Bearer {text}"} if text else {}
        if act_for:
            self._headers["Limen-Act-For"] = act_for

    def acting_for(self, user: str) -> Caller:
        """The same, on behalf of *user*, as the platform's own back-end is."""
        return Caller(self.stage, self.text, act_for=user)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """The answer. *headers*: ``if_match`` is sent as ``If-Match``."""
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stage.public.request(method, path, headers=sent, **({} if body is None else {"json": body}))

    def get(self, path: str) -> Any:
        """What is shown at *path*."""
        return self.do("GET", path)

    def do(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """What is answered to what is done."""
        answer = self(method, path, body, **headers)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """With which status and code a request is refused."""
        answer = self(method, path, body, **headers)
        assert answer.is_error, (method, path, answer.status_code, answer.text)
        return answer.status_code, answer.json()["code"]


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False
