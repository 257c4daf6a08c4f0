"""The example APIs behind their guards, with data: asked with a key of every set of scopes that there is."""

from __future__ import annotations

import copy
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from limen.app import App
from limen.cli.demo.guarded import CREATOR, ORGANISATION, Example
from limen.control import apis, keys, owners
from limen.control.keys import NewKey
from limen.control.owners import NewOwner
from limen.core.profile import Profile
from limen.core.profile_reader import read_profile
from limen.profiles import load
from limen.settings import Settings
from tests.faults.processes import ROOT, environment
from tests.fuzz.contest import UNLIMITED, Run, Somebody, Target

KEY_HEADER, VERSION_HEADER, VERSION = "X-Fanvue-API-Key", "X-Fanvue-API-Version", "2025-06-26"
ALIKE = ("fuzzing",)
"""The phases of a run that differs from another in its scopes alone."""

_PART = 5
_LEFT_OUT = (
    # What the profile does not list is 404 for everybody, by whatever method: the guard does not tell what there is.
    "unsupported_method",
    "allow_header_conformance",
)
_ADMINS = "select user_uuid from agency_members where is_admin order by agency_uuid, joined_at"
_CREATORS = (
    "select user_uuid from creators join chat_sides using (user_uuid)"
    " group by user_uuid order by count(*) desc, user_uuid"
)
_PEERS = "select peer_uuid from chat_sides where user_uuid = ? order by last_message_at desc limit 3"
_MESSAGES = "select uuid from messages where sender_uuid = ? order by sent_at desc limit 3"
_THEIRS = (
    "select c.creator_uuid from agency_creators c join agency_members m using (agency_uuid)"
    " where m.user_uuid = ? order by c.added_at limit 3"
)
_THINGS = " union all ".join(
    f"select id from (select t.id from {table} t join organisations o on o.number = t.organisation"
    " where o.id = ?1 and o.environment = 'live' order by t.created_at desc limit 2)"
    for table in ("experiences", "consumers", "members")
)
_FIRMS = "select id from organisations where environment = 'live' order by number"


def creator(folder: Path) -> Target:
    """The creator platform. A user has one key, so that each set of scopes is another user's."""
    app, profile, settings = _installation(folder, CREATOR)
    every = tuple(profile.catalogue.scopes)
    admins, others = _found(folder, CREATOR, _ADMINS), _found(folder, CREATOR, _CREATORS)
    both_of = [user for user in others if user not in admins][:2]
    try:
        agents = [_of_user(app, user, every) for user in _one_of_each(folder, admins)]
        people = iter(user for user in others if user not in admins)
        both = [_of_user(app, next(people), every) for _ in both_of]
        single = [
            Run(f"a creator with {scope}", [_of_user(app, next(people), (scope,))], ALIKE, _PART) for scope in every
        ]
    finally:
        app.close()
    peers = [peer for user in both_of for peer in _found(folder, CREATOR, _PEERS, user)]
    written = [message for user in both_of for message in _found(folder, CREATOR, _MESSAGES, user)]
    theirs = [each for agent in agents for each in _found(folder, CREATOR, _THEIRS, agent.name)]
    there = {
        **dict.fromkeys(("path.userUuid", "body.userUuid"), peers),
        "path.messageUuid": written,
        "path.creatorUserUuid": theirs,
    }
    runs = (
        Run("two agencies with every scope", agents, whole=True),
        Run("two creators with every scope", both, ("fuzzing", "stateful")),
        *single,
        Run("nobody", [Somebody("nobody")], ALIKE, _PART),
    )
    return Target("creator", folder, settings, "/openapi.json", runs, {VERSION_HEADER: VERSION}, _LEFT_OUT, there)


def organisation(folder: Path) -> Target:
    """The organisation platform. What its keys may do goes by class, environment and scopes."""
    app, profile, settings = _installation(folder, ORGANISATION)
    firms = _found(folder, ORGANISATION, _FIRMS)[:2]
    try:
        for firm in firms:
            app.act(owners.create, NewOwner("organisation", firm, firm))
        both = [_of_firm(app, firm, scopes=("admin",)) for firm in firms]
        sets: list[tuple[str, dict[str, Any]]] = [
            ("the default scopes, on test data", {"environment": "test"}),
            ("a public key", {"key_class": "public"}),
            ("a public key, on test data", {"key_class": "public", "environment": "test"}),
            *((scope, {"scopes": (scope,)}) for scope in profile.catalogue.scopes if scope != "admin"),
        ]
        alike = [Run(f"one with {title}", [_of_firm(app, firms[0], **how)], ALIKE, _PART) for title, how in sets]
    finally:
        app.close()
    there = {"path.id": [each for firm in firms for each in _found(folder, ORGANISATION, _THINGS, firm)]}
    runs = (
        Run("two organisations with every scope", both, whole=True),
        *alike,
        Run("nobody", [Somebody("nobody")], ALIKE, _PART),
    )
    return Target("organisation", folder, settings, "/openapi.json", runs, left_out=_LEFT_OUT, there=there)


def _installation(folder: Path, example: Example) -> tuple[App, Profile, dict[str, str]]:
    """The example's data, and an installation with its API."""
    settings = {
        "LIMEN_DATABASE_URL": f"sqlite:///{folder}/limen.db",
        example.variable: f"sqlite:///{folder}/{example.name}.db",
    }
    line = [
        sys.executable,
        "-m",
        f"{example.package}.seed",
        "--database",
        settings[example.variable],
        "--size",
        "small",
    ]
    subprocess.run(line, cwd=folder, env=environment(settings), check=True, capture_output=True)
    app = App.initialise(Settings(database_url=settings["LIMEN_DATABASE_URL"]))
    profile = _unlimited(example)
    app.act(apis.create, example.name, profile)
    return app, profile, settings


def _unlimited(example: Example) -> Profile:
    """The example's own profile or, where it has none, the shipped one; with its compat bodies, and without limits."""
    own = ROOT / example.package.replace(".", "/") / "profile.yaml"
    document = copy.deepcopy(dict(load(own if own.exists() else example.name).document))
    document["limits"]["default"] = UNLIMITED
    document["errors"]["style"] = "compat"
    for operation in document["operations"]:
        operation.pop("limit", None)
    for key_class in document["keys"]["classes"].values():
        key_class.pop("limit", None)
    return read_profile(document)


def _found(folder: Path, example: Example, statement: str, *of: str) -> list[str]:
    with closing(sqlite3.connect(folder / f"{example.name}.db")) as database:
        return [row[0] for row in database.execute(statement, of)]


def _one_of_each(folder: Path, admins: list[str]) -> list[str]:
    """An admin of each of two agencies."""
    agencies = dict(
        zip(_found(folder, CREATOR, _ADMINS.replace("select user_uuid", "select agency_uuid")), admins, strict=True)
    )
    return list(agencies.values())[:2]


def _of_user(app: App, user: str, scopes: tuple[str, ...]) -> Somebody:
    app.act(owners.create, NewOwner("user", user[:8], user))
    app.act(owners.allow, user, "creator")
    issued = app.act(keys.issue, NewKey("creator", user, "fuzz", scopes=scopes))
    return Somebody(user, (KEY_HEADER, issued.text))


def _of_firm(app: App, firm: str, **how: Any) -> Somebody:
    issued = app.act(keys.issue, NewKey("organisation", firm, "fuzz", **how))
    return Somebody(firm, ("Authorization", f"Bearer {issued.text}"))
