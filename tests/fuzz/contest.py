"""schemathesis against an API behind Limen: a real listener, real keys, and the checks that a report must pass.

``make fuzz`` runs it; the continuous integration runs a short one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from limen.app import App
from limen.control import apis, keys, members, owners, terms
from limen.control.keys import NewKey
from limen.control.owners import NewOwner
from limen.core.limits import read_limits
from limen.core.people import Role
from limen.core.profile import BUILT_IN
from limen.profiles import load
from limen.server import bring_up_to_date
from limen.settings import Settings
from tests.faults.processes import Child, free_port, wait_until

LEFT_OUT = (
    # A request may be right in form and still ask for what is not there, or not theirs: 404, 409, 422 are the answers.
    "positive_data_acceptance",
)
REFUSED = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "428", "429", "503"]
"""What a request that is wrong may be answered: 413 too, where a list is too long for a body."""

UNLIMITED = read_limits("1000000 per 60 s", "allowance")


@dataclass(frozen=True, slots=True)
class Somebody:
    """Somebody who calls, and the key that they call with."""

    name: str
    text: str


def prepared(folder: Path) -> tuple[list[Somebody], list[Somebody]]:
    """An installation in *folder* with things to find: its staff, and two members who must not see each other's."""
    app = App.initialise(Settings(database_url=f"sqlite:///{folder}/limen.db"))
    try:
        bring_up_to_date(app)
        for name in ("creator", "organisation"):
            app.act(apis.create, name, load(name))
        for user in ("staff", "u-1", "u-2"):
            app.act(owners.create, NewOwner("user", f"User {user}", user))
            app.act(owners.allow, user, "creator")
        for number, user in enumerate(("u-1", "u-2"), 1):
            firm = f"o-{number}"
            app.act(owners.create, NewOwner("organisation", f"Firm {number}", firm))
            invited = app.act(members.invite, firm, email=f"{user}@example.com", role=Role.OWNER)
            app.act(members.accept, invited.token, member=user)
            app.act(keys.issue, NewKey("organisation", firm, f"key of {firm}"))
            app.act(keys.issue, NewKey("creator", user, f"key of {user}", scopes=("read:self",)))
        staff = [_with_key(app, "staff", "staff", ("admin",))]
        held = load_member_scopes()
        return staff, [_with_key(app, user, "member", held) for user in ("u-1", "u-2")]
    finally:
        app.close()


def load_member_scopes() -> tuple[str, ...]:
    """All that a member's key may hold."""
    from limen.profiles import built_in

    return built_in().keys.classes["member"].scopes


def _with_key(app: App, user: str, key_class: str, scopes: tuple[str, ...]) -> Somebody:
    issued = app.act(keys.issue, NewKey(BUILT_IN, user, "fuzz", key_class=key_class, scopes=scopes))
    app.act(terms.set_limits, issued.key.key, limits=UNLIMITED)
    return Somebody(user, issued.text)


def serve(folder: Path) -> tuple[Child, str]:
    """``limen serve`` on *folder*, ready, and its address."""
    port = free_port()
    settings = {
        "LIMEN_DATABASE_URL": f"sqlite:///{folder}/limen.db",
        "LIMEN_LISTEN": f"127.0.0.1:{port}",
        "LIMEN_GATE_LISTEN": f"127.0.0.1:{free_port()}",
    }
    child = Child([sys.executable, "-m", "limen", "serve"], settings, folder / "serve.log")
    wait_until(lambda: _ready(port), "the listener", 60)
    return child, f"http://127.0.0.1:{port}"


def _ready(port: int) -> bool:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def run(address: str, folder: Path, callers: list[Somebody], *, peers: bool, examples: int, seed: int) -> str:
    """What schemathesis reports of the API at *address*, asked by *callers*; empty where it found nothing."""
    wfc = folder / "callers.json"
    wfc.write_text(
        json.dumps(
            {
                "auth": [
                    {"name": each.name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {each.text}"}]}
                    for each in callers
                ]
            }
        )
    )
    names = ", ".join(f'"{each.name}"' for each in callers)
    config = folder / "schemathesis.toml"
    config.write_text(
        f'[auth.wfc]\npath = "{wfc}"\n'
        + (f"peers = [{names}]\n" if peers else "")
        + f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSED}\n"
    )
    line = [
        *[sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"],
        *[f"{address}/v1/openapi.json", "--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)],
        *["--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--no-color"],
        *["--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off"],
    ]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=3_000, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
