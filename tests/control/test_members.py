"""Members: invited by a token that is shown once, given roles, removed; and nobody above their own role."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import audit, keys, members, owners, peppers
from limen.core.keys import BODY_CHARS
from limen.core.people import Actor, Right, Role, may
from limen.db import pepper
from tests.control.desk import Said
from tests.db.dump import kept

if TYPE_CHECKING:
    from pathlib import Path

    from limen.db.transaction import Tx
    from tests.control.desk import Desk

DAY_S = 86_400
STAFF = Actor("terminal", "tester")


@pytest.fixture
def acme(desk: Desk) -> str:
    """An organisation, and a user of each role in it: u-owner, u-admin, u-editor, u-viewer; u-nobody has none."""
    desk.act(_lay_out)
    return "acme"


def _lay_out(tx: Tx) -> None:
    for organisation in ("acme", "other"):
        owners.create(tx, owners.NewOwner("organisation", owner=organisation))
    for name in (*Role, "nobody"):
        owners.create(tx, owners.NewOwner("user", owner=f"u-{name}"))
    for role in Role:
        _joined(tx, role, f"u-{role}", "acme")


def _joined(tx: Tx, role: Role, member: str, organisation: str) -> members.Member:
    token = members.invite(tx, organisation, email=f"{member}@example.com", role=role).token
    return members.accept(tx, token, member=member)


def _join(desk: Desk, role: Role, member: str, organisation: str = "acme") -> members.Member:
    joined: members.Member = desk.act(_joined, role, member, organisation)
    return joined


def _as(desk: Desk, member: str, kind: str = "member") -> None:
    desk.actor = Actor(kind, member) if member else STAFF


def _roles(desk: Desk) -> dict[str, Role]:
    return {found.member: found.role for found in desk.ask(members.listed, organisation="acme")}


# -- what somebody is to an owner --------------------------------------------------------------------------------------


def test_a_user_is_its_own_owner_and_an_organisation_nobodys(desk: Desk, acme: str) -> None:
    assert desk.ask(members.role_of, "u-nobody", "u-nobody") is Role.OWNER
    assert desk.ask(members.role_of, "acme", "acme") is None
    assert desk.ask(members.role_of, "u-nobody", "acme") is None
    assert desk.ask(members.role_of, "nowhere", "nowhere") is None
    assert desk.ask(members.role_of, "u-editor", "acme") is Role.EDITOR
    assert desk.ask(members.role_of, "u-editor", "u-owner") is None


def test_a_right_comes_with_the_role_or_is_refused(desk: Desk, acme: str) -> None:
    for role, right in product(Role, Right):
        if may(role, right):
            assert desk.ask(members.require_right, f"u-{role}", acme, right) is role
        else:
            said = desk.refused("role_too_low", members.require_right, f"u-{role}", acme, right)
            assert f"You are {role} of 'acme'" in said


def test_a_stranger_cannot_tell_an_owner_from_none(desk: Desk, acme: str) -> None:
    said = {
        desk.refused("owner_unknown", members.require_right, "u-nobody", owner, Right.KNOW).replace(owner, "")
        for owner in (acme, "u-owner", "nowhere", "")
    }
    assert said == {"There is no owner ''."}


@pytest.mark.parametrize("verb", ["suspend", "erase"])
def test_who_is_suspended_acts_for_nobody(desk: Desk, acme: str, verb: str) -> None:
    if verb == "suspend":
        desk.act(owners.suspend, "u-owner", reason="a test")
    else:
        desk.act(owners.erase, "u-owner")
    for owner in (acme, "u-owner"):
        desk.refused("owner_suspended", members.require_right, "u-owner", owner, Right.KNOW)


# -- invited -----------------------------------------------------------------------------------------------------------


def test_an_invitation_is_accepted_once(desk: Desk, acme: str) -> None:
    before = desk.said()
    invited = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR, message="Welcome.\nWe meet.")
    held = invited.invitation
    assert held == members.Invitation(
        invitation=held.invitation,
        organisation=acme,
        email="new@example.com",
        role=Role.EDITOR,
        message="Welcome.\nWe meet.",
        state="open",
        invited_by="terminal:tester",
        invited_at=desk.now,
        expires_at=desk.now + 7 * 86400,
    )
    assert desk.ask(members.invitations_of, acme) == [held]
    desk.now += 60
    joined = desk.act(members.accept, invited.token, member="u-nobody")
    assert joined == members.Member(acme, "u-nobody", "", Role.EDITOR, "active", desk.now)
    assert desk.said()[len(before) :] == [
        Said("members.invite", "invitation.made", "", held.invitation),
        Said("members.accept", "member.joined", "", acme),
    ]
    assert desk.ask(members.invitations_of, acme) == []
    desk.act(members.remove, acme, "u-nobody")
    desk.refused("invitation_unknown", members.accept, invited.token, member="u-nobody")


@pytest.mark.check("C007")
def test_a_token_is_compared_as_a_whole(desk: Desk, acme: str) -> None:
    token = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR).token
    assert len(token) == len("limen_invite_") + BODY_CHARS
    other = "0" if token[-20] != "0" else "1"
    for wrong in ("", "limen_invite_", token[:-1], token + "0", token.upper(), token[:-20] + other + token[-19:],
                  "x" + token[1:], token[-BODY_CHARS:], "\udc80" * 60, "é" * 60):  # fmt: skip
        desk.refused("invitation_unknown", members.accept, wrong, member="u-nobody")
    desk.act(members.accept, token, member="u-nobody")


def test_a_token_is_kept_nowhere(desk: Desk, acme: str, tmp_path: Path) -> None:
    invited = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR)
    secret = invited.token[-BODY_CHARS + 12 :]
    assert secret not in repr(invited)
    desk.refused("invitation_unknown", members.accept, invited.token + "x", member="u-nobody")
    contents = b"".join(kept(desk.path, tmp_path).values())
    assert invited.invitation.invitation.encode() in contents  # the control: what is no secret is found
    assert secret.encode() not in contents


def test_a_token_is_good_under_the_pepper_of_its_day(desk: Desk, acme: str) -> None:
    token = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR).token
    desk.act(peppers.add, desk.app.settings.pepper_path)
    desk.keyring = pepper.read(desk.app.settings.pepper_path)
    assert max(desk.keyring.peppers) == 2
    assert desk.act(members.accept, token, member="u-nobody").role is Role.EDITOR


def test_an_invitation_ends_by_its_date(desk: Desk, acme: str) -> None:
    token = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR).token
    desk.now += 7 * DAY_S - 1
    assert desk.ask(members.invitations_of, acme)[0].state == "open"
    desk.now += 1
    assert desk.ask(members.invitations_of, acme)[0].state == "expired"
    desk.refused("invitation_unknown", members.accept, token, member="u-nobody")


def test_another_invitation_to_the_same_address_takes_the_place_of_the_first(desk: Desk, acme: str) -> None:
    first = desk.act(members.invite, acme, email="new@example.com", role=Role.ADMIN)
    second = desk.act(members.invite, acme, email="new@example.com", role=Role.VIEWER)
    desk.act(members.invite, "other", email="new@example.com", role=Role.OWNER)
    assert desk.ask(members.invitations_of, acme) == [second.invitation]
    desk.refused("invitation_unknown", members.accept, first.token, member="u-nobody")
    assert desk.act(members.accept, second.token, member="u-nobody").role is Role.VIEWER


def test_an_invitation_is_withdrawn_once(desk: Desk, acme: str) -> None:
    invited = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR)
    invitation = invited.invitation.invitation
    desk.refused("invitation_unknown", members.withdraw, "other", invitation)
    before = desk.said()
    desk.act(members.withdraw, acme, invitation)
    assert desk.said()[len(before) :] == [Said("members.withdraw", "invitation.withdrawn", "", invitation)]
    after = desk.dump()
    desk.act(members.withdraw, acme, invitation)
    assert desk.dump() == after
    desk.refused("invitation_unknown", members.accept, invited.token, member="u-nobody")
    accepted = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR)
    desk.act(members.accept, accepted.token, member="u-nobody")
    desk.refused("invitation_unknown", members.withdraw, acme, accepted.invitation.invitation)
    desk.refused("invitation_unknown", members.withdraw, acme, "nothing")


@pytest.mark.req("R73")
def test_an_address_is_in_no_event_and_goes_when_the_invitation_has_ended(desk: Desk, acme: str) -> None:
    for end in ("accept", "withdraw"):
        invited = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR, message="Dear friend")
        if end == "accept":
            desk.act(members.accept, invited.token, member="u-nobody")
        else:
            desk.act(members.withdraw, acme, invited.invitation.invitation)
    kept = desk.rows("select email, message from invitations where organisation = ?", acme)
    assert set(kept) == {("", "")}
    for table in ("outbox", "audit"):
        assert "new@example.com" not in str(desk.rows(f"select * from {table}"))
    assert ("new@example.com",) in desk.rows("select value from audit_personal where field = 'email'")


def test_members_are_users_of_organisations(desk: Desk, acme: str) -> None:
    desk.refused("owner_type_wrong", members.invite, "u-owner", email="new@example.com", role=Role.EDITOR)
    desk.refused("owner_unknown", members.invite, "nowhere", email="new@example.com", role=Role.EDITOR)
    token = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR).token
    desk.refused("owner_type_wrong", members.accept, token, member="other")
    desk.refused("owner_unknown", members.accept, token, member="nowhere")
    desk.refused("member_exists", members.accept, token, member="u-viewer")
    desk.act(owners.erase, "u-nobody")
    desk.refused("owner_erased", members.accept, token, member="u-nobody")
    desk.act(owners.create, owners.NewOwner("user", owner="u-new"))
    desk.act(owners.erase, acme)
    desk.refused("invitation_unknown", members.accept, token, member="u-new")
    desk.refused("owner_erased", members.invite, acme, email="new@example.com", role=Role.EDITOR)


def test_what_is_no_address_is_not_invited(desk: Desk, acme: str) -> None:
    for email in ("", "ann", "@example.com", "ann@", "a b@example.com", "a@b@c", "a@b\n", "a@" + "x" * 190):
        desk.refused("request_malformed", members.invite, acme, email=email, role=Role.EDITOR)


def test_a_message_is_short_and_plain(desk: Desk, acme: str) -> None:
    for message in ("x" * 501, "a\x1b[2J", "a\x00"):
        desk.refused(
            "request_malformed", members.invite, acme, email="a@example.com", role=Role.VIEWER, message=message
        )


def test_a_token_is_accepted_by_whoever_it_makes_a_member(desk: Desk, acme: str) -> None:
    token = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR).token
    _as(desk, "u-owner")
    desk.refused("owner_unknown", members.accept, token, member="u-nobody")
    _as(desk, "u-nobody", "holder")
    desk.refused("owner_unknown", members.accept, token, member="u-nobody")
    _as(desk, "u-nobody")
    assert desk.act(members.accept, token, member="u-nobody").member == "u-nobody"


# -- by role -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", Role)
def test_nobody_gives_a_role_above_their_own(desk: Desk, acme: str, own: Role) -> None:
    _as(desk, f"u-{own}")
    for role in reversed(Role):
        new = {"email": f"{role}@example.com", "role": role}
        if may(own, Right.MANAGE_PEOPLE) and own.reaches(role):
            desk.act(members.invite, acme, **new)
            desk.act(members.set_role, acme, "u-viewer", role=role)
        else:
            desk.refused("role_too_low", members.invite, acme, **new)
            desk.refused("role_too_low", members.set_role, acme, "u-viewer", role=role)


@pytest.mark.parametrize("own", Role)
def test_nobody_touches_who_is_above_them(desk: Desk, acme: str, own: Role) -> None:
    for other in Role:
        _as(desk, "")
        desk.act(owners.create, owners.NewOwner("user", owner=f"other-{other}"))
        _join(desk, other, f"other-{other}")
        _as(desk, f"u-{own}")
        new = Role.EDITOR if other is Role.VIEWER else Role.VIEWER
        if may(own, Right.MANAGE_PEOPLE) and own.reaches(other):
            assert desk.act(members.set_role, acme, f"other-{other}", role=new).role is new
            desk.act(members.remove, acme, f"other-{other}")
            assert f"other-{other}" not in _roles(desk)
        else:
            desk.refused("role_too_low", members.set_role, acme, f"other-{other}", role=new)
            desk.refused("role_too_low", members.remove, acme, f"other-{other}")


def test_an_invitation_to_a_higher_role_is_not_touched(desk: Desk, acme: str) -> None:
    invited = desk.act(members.invite, acme, email="new@example.com", role=Role.OWNER).invitation
    _as(desk, "u-admin")
    desk.refused("role_too_low", members.withdraw, acme, invited.invitation)
    desk.refused("role_too_low", members.invite, acme, email="new@example.com", role=Role.VIEWER)
    _as(desk, "u-owner")
    desk.act(members.withdraw, acme, invited.invitation)


@pytest.mark.parametrize("kind", ["member", "holder"])
def test_a_stranger_manages_nobody(desk: Desk, acme: str, kind: str) -> None:
    invitation = desk.act(members.invite, acme, email="new@example.com", role=Role.VIEWER).invitation.invitation
    _as(desk, "u-nobody", kind)
    code = "owner_unknown" if kind == "member" else "role_too_low"
    desk.refused(code, members.invite, acme, email="new@example.com", role=Role.VIEWER)
    desk.refused(code, members.withdraw, acme, invitation)
    desk.refused(code, members.set_role, acme, "u-viewer", role=Role.EDITOR)
    desk.refused(code, members.remove, acme, "u-viewer")


def test_a_role_is_set_once(desk: Desk, acme: str) -> None:
    before = desk.said()
    assert desk.act(members.set_role, acme, "u-editor", role=Role.ADMIN).role is Role.ADMIN
    assert desk.said()[len(before) :] == [Said("members.set_role", "member.role_set", "", acme)]
    assert desk.rows("select before, after from audit order by id desc limit 1") == [
        ('{"role": "editor"}', '{"role": "admin"}')
    ]
    after = desk.dump()
    desk.act(members.set_role, acme, "u-editor", role=Role.ADMIN)
    assert desk.dump() == after
    desk.refused("member_unknown", members.set_role, acme, "u-nobody", role=Role.ADMIN)


# -- the last owner ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["", "u-owner"])
def test_the_last_owner_stays(desk: Desk, acme: str, by: str) -> None:
    _as(desk, by)
    assert "'u-owner'" in desk.refused("last_owner", members.remove, acme, "u-owner")
    desk.refused("last_owner", members.set_role, acme, "u-owner", role=Role.ADMIN)
    desk.act(members.set_role, acme, "u-admin", role=Role.OWNER)
    desk.act(members.set_role, acme, "u-owner", role=Role.EDITOR)
    assert _roles(desk)["u-owner"] is Role.EDITOR
    _as(desk, "")
    desk.refused("last_owner", members.remove, acme, "u-admin")


def test_who_has_been_erased_is_no_other_owner(desk: Desk, acme: str) -> None:
    desk.act(members.set_role, acme, "u-admin", role=Role.OWNER)
    desk.act(owners.erase, "u-admin")
    desk.refused("last_owner", members.remove, acme, "u-owner")
    desk.act(members.remove, acme, "u-admin")


# -- removed -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R250")
def test_whoever_leaves_leaves_keys_to_be_rotated(desk: Desk, firm: str) -> None:
    for name in ("u-7", "u-8"):
        desk.act(owners.create, owners.NewOwner("user", owner=name))
        _join(desk, Role.OWNER, name, firm)
    desk.act(owners.create, owners.NewOwner("organisation", owner="o-2"))
    _join(desk, Role.OWNER, "u-7", "o-2")

    def made(by: str, owner: str = firm, **more: Any) -> str:
        _as(desk, by)
        key: str = desk.act(keys.issue, keys.NewKey("organisation", owner, "a key", **more)).key.key
        return key

    lives, sleeps, ended, past = made("u-7"), made("u-7"), made("u-7"), made("u-7", expires_at=desk.now + 60)
    made("u-8"), made(""), made("u-7", "o-2")
    anew = desk.act(keys.regenerate, made("u-8")).key.key
    _as(desk, "u-7")
    again = desk.act(keys.regenerate, anew).key.key
    desk.act(keys.deactivate, sleeps)
    desk.act(keys.revoke, ended)
    desk.now += 60
    assert past
    _as(desk, "u-8")
    before = desk.said()
    found = desk.act(members.remove, firm, "u-7")
    assert {key.key for key in found} == {lives, sleeps, again}
    assert {key.created_by for key in found} == {"member:u-7"}
    assert desk.said()[len(before) :] == [Said("members.remove", "member.removed", "", firm)]
    payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
    assert payload == {"api": "", "subject": firm, "member": "u-7", "keys": [key.key for key in found]}
    assert desk.ask(members.role_of, "u-7", firm) is None
    desk.refused("member_unknown", members.remove, firm, "u-7")


def test_every_key_is_named_however_many_there_are(desk: Desk, firm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.control.members.actions._PAGE", 2)
    for name in ("u-7", "u-8"):
        desk.act(owners.create, owners.NewOwner("user", owner=name))
        _join(desk, Role.OWNER, name, firm)
    _as(desk, "u-7")
    made = {desk.act(keys.issue, keys.NewKey("organisation", firm, "a key")).key.key for _ in range(5)}
    assert {key.key for key in desk.act(members.remove, firm, "u-7")} == made


def test_whoever_is_a_member_may_leave(desk: Desk, acme: str) -> None:
    for role in (Role.ADMIN, Role.EDITOR, Role.VIEWER):
        _as(desk, f"u-{role}")
        assert desk.act(members.remove, acme, f"u-{role}") == ()
        desk.refused("owner_unknown", members.remove, acme, f"u-{role}")


def test_nobody_comes_in_by_who_has_left(desk: Desk, acme: str) -> None:
    _as(desk, "u-admin")
    own = desk.act(members.invite, acme, email="friend@example.com", role=Role.ADMIN)
    _as(desk, "u-owner")
    others = desk.act(members.invite, acme, email="else@example.com", role=Role.ADMIN)
    desk.act(members.remove, acme, "u-admin")
    assert desk.ask(members.invitations_of, acme) == [others.invitation]
    _as(desk, "")
    desk.refused("invitation_unknown", members.accept, own.token, member="u-nobody")


def test_nobody_comes_in_above_the_role_of_who_invited(desk: Desk, acme: str) -> None:
    desk.act(members.set_role, acme, "u-admin", role=Role.OWNER)
    _as(desk, "u-admin")
    for role in Role:
        desk.act(members.invite, acme, email=f"{role}@example.com", role=role)
    _as(desk, "u-owner")
    desk.act(members.set_role, acme, "u-admin", role=Role.ADMIN)
    assert {each.role for each in desk.ask(members.invitations_of, acme)} == {Role.ADMIN, Role.EDITOR, Role.VIEWER}
    desk.act(members.set_role, acme, "u-admin", role=Role.EDITOR)
    assert desk.ask(members.invitations_of, acme) == []


# -- listed ------------------------------------------------------------------------------------------------------------


def test_members_are_listed_in_pages(desk: Desk, acme: str) -> None:
    _join(desk, Role.VIEWER, "u-viewer", "other")
    desk.act(owners.suspend, "u-editor", reason="a test")
    first = desk.ask(members.listed, organisation=acme, limit=3)
    assert [(found.member, found.state) for found in first] == [
        ("u-admin", "active"), ("u-editor", "suspended"), ("u-owner", "active")
    ]  # fmt: skip
    assert [found.member for found in desk.ask(members.listed, organisation=acme, after="u-owner")] == ["u-viewer"]
    of_one = desk.ask(members.listed, member="u-viewer")
    assert [(found.organisation, found.role) for found in of_one] == [("acme", "viewer"), ("other", "viewer")]
    assert [found.organisation for found in desk.ask(members.listed, member="u-viewer", after="acme")] == ["other"]
    assert len(desk.ask(members.listed, organisation="other", member="u-viewer")) == 1
    desk.refused("request_malformed", members.listed)


def test_invitations_are_listed_in_pages_the_newest_first(desk: Desk, acme: str) -> None:
    made = []
    for number in range(5):
        desk.now += number % 2
        made.append(desk.act(members.invite, acme, email=f"{number}@example.com", role=Role.VIEWER).invitation)
    found: list[members.Invitation] = []
    while page := desk.ask(members.invitations_of, acme, after=found[-1].invitation if found else "", limit=2):
        found += page
    assert sorted(found, key=lambda each: each.email) == made
    assert [each.invited_at for each in found] == sorted((each.invited_at for each in made), reverse=True)
    for after in ("nothing", desk.act(members.invite, "other", email="a@b.c", role=Role.VIEWER).invitation.invitation):
        desk.refused("invitation_unknown", members.invitations_of, acme, after=after)


@pytest.mark.parametrize(
    ("how", "good"),
    [
        ("stays", True),
        ("is suspended", False),
        ("is erased", False),
        ("was removed by a hand", False),
        ("is admin by a hand", False),
        ("is editor by a hand", False),
    ],
)
def test_an_invitation_is_worth_what_its_maker_is_today(desk: Desk, acme: str, how: str, good: bool) -> None:
    role = Role.EDITOR if "editor" in how else Role.OWNER
    _as(desk, "u-owner")
    token = desk.act(members.invite, acme, email="new@example.com", role=role).token
    _as(desk, "")
    if how == "is suspended":
        desk.act(owners.suspend, "u-owner", reason="rogue")
    elif how == "is erased":
        desk.act(owners.erase, "u-owner")
    elif how != "stays":  # what set_role and remove withdraw themselves is asked for all the same
        to = f"update members set role = '{how.split()[1]}'"
        change = "delete from members" if "removed" in how else to
        with desk.app.store.engine.connect() as connection:
            connection.exec_driver_sql(f"{change} where organisation = 'acme' and member = 'u-owner'")
            connection.commit()
    if good:
        assert desk.act(members.accept, token, member="u-nobody").role is role
    else:
        desk.refused("invitation_unknown", members.accept, token, member="u-nobody")


def test_no_more_than_fifty_invitations_are_open(desk: Desk, acme: str) -> None:
    def invite(number: int) -> members.Invited:
        return desk.act(members.invite, acme, email=f"{number}@example.com", role=Role.VIEWER)  # type: ignore[no-any-return]

    first, *_ = (invite(number) for number in range(50))
    assert "50 invitations" in desk.refused(
        "too_many_open", members.invite, acme, email="more@example.com", role=Role.VIEWER
    )
    invite(1)
    desk.act(members.withdraw, acme, first.invitation.invitation)
    invite(50)
    desk.now += 7 * DAY_S
    invite(51)


# -- forgotten ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("R73")
def test_erasing_forgets_who_was_invited_and_where_a_member_was(desk: Desk, acme: str) -> None:
    desk.actor = Actor("member", "u-admin", "192.0.2.7")
    invited = desk.act(members.invite, acme, email="new@example.com", role=Role.EDITOR)
    desk.actor = STAFF
    desk.act(members.accept, invited.token, member="u-nobody")
    pending = desk.act(members.invite, acme, email="else@example.com", role=Role.EDITOR).invitation.invitation

    def kept() -> set[str]:
        return {value for entry in desk.ask(audit.listed) for value in entry.personal.values() if value}

    assert {"new@example.com", "192.0.2.7", "else@example.com", "u-viewer@example.com"} <= kept()
    desk.act(owners.erase, "u-nobody")
    assert not kept() & {"new@example.com"}
    desk.act(owners.erase, "u-admin")
    assert not kept() & {"192.0.2.7", "u-admin@example.com"}
    desk.act(owners.erase, acme)
    assert kept() == set()
    assert desk.rows("select email, message from invitations where invitation = ?", pending) == [("", "")]
