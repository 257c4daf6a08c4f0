"""An installation to measure on: a real store in a temporary folder, an API, owners and keys."""

from __future__ import annotations

import math
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from limen.app import App, GateHouse
from limen.control import apis
from limen.core.keys import State, locator, mint
from limen.core.limits import Limit
from limen.core.profile import Profile
from limen.core.record import Owner, Record, Terms
from limen.core.rules import Rules, Switches, compile_rules
from limen.core.versions import Version
from limen.profiles import load
from limen.settings import Settings

NEVER = 2_000_000_000
"""A limit that no benchmark reaches."""


@contextmanager
def installed(*, records: int = 4_000_000) -> Iterator[tuple[App, GateHouse]]:
    """An installation with the API ``creator``, its gate open."""
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/limen.db", records=records, segments=65_536, segment_bytes=1 << 26
        )
        app = App.initialise(settings)
        app.act(apis.create, "creator", wide_profile())
        try:
            yield app, app.gate("creator", own_process=True)
        finally:
            app.close()


def wide_profile() -> Profile:
    """The profile ``creator`` with a limit that is never reached."""
    profile = load("creator")
    limits = {**profile.document["limits"], "default": f"{NEVER} per 60 s"}
    from limen.core.profile_reader import read_profile

    return read_profile({**profile.document, "limits": limits})


def thirty_operations(rules: Rules, *, limits: int) -> Rules:
    """*rules* with 30 operations; with three limits, listMessages has one and the API an emergency one."""
    own = (Limit("operation:listMessages", NEVER, 60),) if limits > 1 else ()
    operations = [
        replace(found, limits=own if found.name == "listMessages" else ()) for found in rules.profile.operations
    ]
    pattern = operations[0]
    for number in range(30 - len(operations)):
        path = f"/things{number}/{{id}}/parts/{{part}}"
        operations.append(replace(pattern, name=f"op{number}", path=path, tag=b"op%d" % number))
    return compile_rules(
        replace(rules.profile, operations=tuple(operations)),
        api=rules.api,
        revision=rules.revision,
        switches=Switches(False, True, (Limit("emergency", NEVER, 60),) if limits > 2 else ()),
        versions={name.decode(): Version(name.decode()) for name in rules.versions},
    )


def fill(app: App, house: GateHouse, count: int) -> list[bytes]:
    """Put *count* keys of *count* owners straight into the directory; their texts."""
    house.cold.catch_up()
    digest = app.ring.digests[1]
    terms = Terms("secret", b"live", frozenset({"read:self", "read:chat"}), ("read:self", "read:chat"))
    texts = []
    for number in range(count):
        _, text = mint("fvak_", secrets.token_bytes)
        place = locator(text.encode())
        owner = Owner(f"owner-{number:012d}", "user", False, True, "", ())
        made = digest(text.encode())
        record = Record(place, place, made, 1, owner, State.ACTIVE, math.inf, place, place, terms)
        house.gate.directory.put(place, record, 1 << 60)
        texts.append(text.encode())
    return texts


def folder_of(app: App) -> Path:
    """Where the installation lies."""
    return app.settings.database_path.parent
