"""The SQL of members and invitations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, tuple_, update

from limen.db.tables import invitations, members, owners


def role(connection: Connection, organisation: str, member: str) -> str | None:
    """The member's role in the organisation; None: it is no member of it."""
    statement = select(members.c.role).where(members.c.organisation == organisation, members.c.member == member)
    return connection.execute(statement).scalar_one_or_none()


def add(connection: Connection, **values: Any) -> None:
    """A new member's row."""
    connection.execute(insert(members).values(**values))


def change(connection: Connection, organisation: str, member: str, *, role: str) -> None:
    """Set a member's role."""
    of = (members.c.organisation == organisation) & (members.c.member == member)
    connection.execute(update(members).where(of).values(role=role))


def remove(connection: Connection, organisation: str, member: str) -> None:
    """The member's row is gone."""
    connection.execute(delete(members).where(members.c.organisation == organisation, members.c.member == member))


def other_owners(connection: Connection, organisation: str, member: str) -> int:
    """How many of the organisation's members besides *member* are its owners. Who has been erased is none."""
    statement = (
        select(func.count())
        .select_from(members)
        .join(owners, owners.c.owner == members.c.member)
        .where(
            members.c.organisation == organisation,
            members.c.member != member,
            members.c.role == "owner",
            owners.c.erased_at.is_(None),
        )
    )
    return int(connection.execute(statement).scalar_one())


def page(connection: Connection, *, organisation: str, member: str, after: str, limit: int) -> Sequence[Row[Any]]:
    """Members of an organisation in the order of their ids, or what a member is a member of in the order of its ids.

    From behind *after* on; each with what the member's own row says of it.
    """
    statement = select(members, owners.c.name, owners.c.suspended_at, owners.c.erased_at)
    statement = statement.join(owners, owners.c.owner == members.c.member)
    if organisation:
        statement = statement.where(members.c.organisation == organisation)
    if member:
        statement = statement.where(members.c.member == member)
    place = members.c.member if organisation else members.c.organisation
    return connection.execute(statement.where(place > after).order_by(place).limit(limit)).all()


def add_invitation(connection: Connection, **values: Any) -> None:
    """A new invitation's row."""
    connection.execute(insert(invitations).values(**values))


def invitation(connection: Connection, invitation: str) -> Row[Any] | None:
    """The invitation's row, whatever became of it."""
    return connection.execute(select(invitations).where(invitations.c.invitation == invitation)).one_or_none()


def open_invitations(connection: Connection, organisation: str, **of: str) -> Sequence[Row[Any]]:
    """Invitations to the organisation that nothing ended but maybe their date, with these values, the oldest first."""
    statement = select(invitations).where(invitations.c.organisation == organisation, invitations.c.state == "open")
    for name, value in of.items():
        statement = statement.where(invitations.c[name] == value)
    return connection.execute(statement.order_by(invitations.c.invited_at, invitations.c.invitation)).all()


def count_open(connection: Connection, organisation: str, now: float) -> int:
    """How many invitations to the organisation can be accepted at *now*."""
    of = (
        (invitations.c.organisation == organisation)
        & (invitations.c.state == "open")
        & (invitations.c.expires_at > now)
    )
    return int(connection.execute(select(func.count()).select_from(invitations).where(of)).scalar_one())


def page_of_invitations(
    connection: Connection, organisation: str, *, before: tuple[float, str], limit: int
) -> Sequence[Row[Any]]:
    """The same, the newest first, from behind *before* (invited at, invitation) on."""
    statement = select(invitations).where(
        invitations.c.organisation == organisation,
        invitations.c.state == "open",
        tuple_(invitations.c.invited_at, invitations.c.invitation) < before,
    )
    newest = (invitations.c.invited_at.desc(), invitations.c.invitation.desc())
    return connection.execute(statement.order_by(*newest).limit(limit)).all()


def end_invitation(connection: Connection, invitation: str, **values: Any) -> None:
    """The invitation has ended, and says no more who was invited."""
    ended = values | {"email": "", "message": ""}
    connection.execute(update(invitations).where(invitations.c.invitation == invitation).values(**ended))
