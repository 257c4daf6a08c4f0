"""``limen members``."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def acme(limen) -> Any:
    """A terminal at an installation with an organisation and two users."""
    limen("owners", "create", "--type", "organisation", "--id", "acme")
    for user in ("u-1", "u-2"):
        limen("owners", "create", "--type", "user", "--id", user, "--name", f"Somebody {user}")
    return limen


def _join(limen, member: str, role: str) -> dict[str, Any]:
    invited = limen.json("members", "invite", "acme", f"{member}@example.com", "--role", role)
    return limen.json("members", "accept", member, input=invited["token"] + "\n")


def test_somebody_is_invited_and_accepts(acme) -> None:
    result = acme("members", "invite", "acme", "new@example.com", "--role", "owner", "--message", "Welcome.")
    token = result.stdout.splitlines()[-1]
    assert token.startswith("limen_invite_")
    assert result.stdout.count(token) == 1
    assert "only time" in result.stderr
    (waiting,) = acme.json("members", "list", "acme", "--invitations")
    assert (waiting["email"], waiting["role"], waiting["state"]) == ("new@example.com", "owner", "open")
    assert "new@example.com" in acme("members", "list", "acme", "--invitations").stdout
    joined = acme.json("members", "accept", "u-1", input=token)
    assert {name: joined[name] for name in ("organisation", "member", "role", "state")} == {
        "organisation": "acme", "member": "u-1", "role": "owner", "state": "active"
    }  # fmt: skip
    assert acme.json("members", "list", "acme") == [joined]
    assert "Somebody u-1" in acme("members", "list", "acme").stdout
    assert acme.problem("members", "accept", "u-2", input=token)["code"] == "invitation_unknown"
    assert token not in "".join(acme.said[acme.said.index(result.stdout) + 1 :])


def test_a_token_is_no_argument(acme) -> None:
    token = acme.json("members", "invite", "acme", "new@example.com", "--role", "viewer")["token"]
    result = acme("members", "accept", "u-1", token, expect=2)
    assert token not in result.output
    assert acme.json("members", "list", "acme") == []


def test_lists_are_told_in_pages(acme) -> None:
    _join(acme, "u-1", "owner")
    _join(acme, "u-2", "viewer")
    assert "--after u-1" in acme("members", "list", "acme", "--limit", "1").stderr
    assert [found["member"] for found in acme.json("members", "list", "acme", "--after", "u-1")] == ["u-2"]
    made = acme.json("members", "invite", "acme", "a@example.com", "--role", "viewer")["invitation"]
    assert f"--after {made}" in acme("members", "list", "acme", "--invitations", "--limit", "1").stderr
    assert acme.json("members", "list", "acme", "--invitations", "--after", made) == []


def test_an_organisation_that_is_not_there_has_no_members(limen) -> None:
    for words in ((), ("--invitations",)):
        assert limen.problem("members", "list", "nosuch", *words)["code"] == "owner_unknown"


def test_a_role_is_given_and_the_last_owner_stays(acme) -> None:
    _join(acme, "u-1", "owner")
    assert acme.problem("members", "role", "acme", "u-1", "editor")["code"] == "last_owner"
    _join(acme, "u-2", "viewer")
    assert acme.json("members", "role", "acme", "u-2", "owner")["role"] == "owner"
    assert acme.json("members", "role", "acme", "u-1", "editor")["role"] == "editor"
    for word in ("boss", "owner", "admin", "editor", "viewer"):
        assert word in acme("members", "role", "acme", "u-1", "boss", expect=2).stderr


@pytest.mark.req("R250")
def test_whoever_is_removed_leaves_keys_to_be_rotated(acme) -> None:
    from limen.app import App
    from limen.control import keys
    from limen.core.people import Actor

    acme("apis", "create", "shop", "--profile", "organisation")
    for member in ("u-1", "u-2"):
        _join(acme, member, "owner")
    app = App.open()
    issued = app.act(keys.issue, keys.NewKey("shop", "acme", "a server"), actor=Actor("member", "u-1"))
    app.close()
    refused = acme("members", "remove", "acme", "u-1", expect=2)
    assert "--yes" in refused.stderr
    assert len(acme.json("members", "list", "acme")) == 2
    result = acme("members", "remove", "acme", "u-1", "--yes")
    assert issued.key.key in result.stdout
    assert "limen keys regenerate" in result.stderr
    assert acme.problem("members", "remove", "acme", "u-1", "--yes")["code"] == "member_unknown"
    _join(acme, "u-1", "admin")
    found = acme.json("members", "remove", "acme", "u-1", "--yes")
    assert [key["key"] for key in found["keys"]] == [issued.key.key]


def test_an_invitation_is_withdrawn(acme) -> None:
    invited = acme.json("members", "invite", "acme", "new@example.com", "--role", "editor")
    found = acme.json("members", "withdraw", "acme", invited["invitation"])
    assert found == {"invitation": invited["invitation"], "state": "withdrawn"}
    assert acme.problem("members", "accept", "u-1", input=invited["token"])["code"] == "invitation_unknown"


def test_what_somebody_wrote_steers_no_terminal(acme) -> None:
    acme("members", "invite", "acme", "\u202eann@example.com", "--role", "viewer", "--message", "a\nb")
    out = acme("members", "list", "acme", "--invitations").stdout
    assert "\\u202eann@example.com" in out
    assert "\u202e" not in out
