"""The management API, with things in it to find: asked by staff, and by two members who must not see each other's."""

from __future__ import annotations

from pathlib import Path

from limen.app import App
from limen.control import apis, keys, members, owners, terms
from limen.control.keys import NewKey
from limen.control.owners import NewOwner
from limen.core.limits import read_limits
from limen.core.people import Role
from limen.core.profile import BUILT_IN
from limen.profiles import built_in, load
from limen.server import bring_up_to_date
from limen.settings import Settings
from tests.fuzz.contest import UNLIMITED, Run, Somebody, Target


def prepared(folder: Path) -> Target:
    """An installation in *folder*."""
    url = f"sqlite:///{folder}/limen.db"
    app = App.initialise(Settings(database_url=url))
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
        held = built_in().keys.classes["member"].scopes
        both = [_with_key(app, user, "member", held) for user in ("u-1", "u-2")]
    finally:
        app.close()
    runs = (Run("staff", staff, whole=True), Run("two members", both))
    return Target("v1", folder, {"LIMEN_DATABASE_URL": url}, "/v1/openapi.json", runs)


def _with_key(app: App, user: str, key_class: str, scopes: tuple[str, ...]) -> Somebody:
    issued = app.act(keys.issue, NewKey(BUILT_IN, user, "fuzz", key_class=key_class, scopes=scopes))
    app.act(terms.set_limits, issued.key.key, limits=read_limits(UNLIMITED, "allowance"))
    return Somebody(user, ("Authorization", f"Bearer {issued.text}"))
