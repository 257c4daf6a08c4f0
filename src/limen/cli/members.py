"""``limen members``: who acts for an organisation, by invitation and role."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.control import members, owners
from limen.core.people import Role
from limen.core.plain import plain

app = group("Who acts for an organisation: owners, admins, editors, viewers.")

Organisation = Annotated[str, typer.Argument(metavar="ORGANISATION", help="The organisation's id.")]
Member = Annotated[str, typer.Argument(metavar="MEMBER", help="The user's id.")]

COLUMNS = ("member", "name", "role", "state", "joined_at")
WAITING = ("invitation", "email", "role", "state", "invited_by", "expires_at")


@app.command(
    "invite",
    epilog=examples(
        "limen members invite acme new@example.com --role editor",
        "limen members invite acme new@example.com --role owner --message 'Welcome.' | tail -1",
    ),
)
def invite(
    organisation: Organisation,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Where the token will be sent. Limen sends nothing.")],
    *,
    role: Annotated[Role, typer.Option("--role", help="What they will be.")],
    message: Annotated[
        str, typer.Option("--message", metavar="TEXT", help="What to tell them; at most 500 characters.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Invite somebody, and show the token that accepts it once, alone on the last line.

    It can be accepted for 7 days. An open invitation to the same address ends.
    """
    with opened() as limen:
        invited = limen.act(members.invite, organisation, email=email, role=role, message=message)
    typer.echo("This is the only time that the token is shown. Send it to nobody else.", err=True)
    if as_json:
        show.json_out(plain(invited.invitation) | {"token": invited.token})
        return
    show.one(invited.invitation, as_json=False)
    typer.echo(invited.token)


@app.command("accept", epilog=examples("limen members accept u-1024", "limen members accept u-1024 < token.txt"))
def accept(member: Member, as_json: AsJson = False) -> None:
    """Make a user a member, by the token of an invitation.

    The token comes from standard input; at a terminal it is asked for.
    """
    token = read.token()
    with opened() as limen:
        joined = limen.act(members.accept, token, member=member)
    show.one(joined, as_json=as_json)


@app.command(
    "list",
    epilog=examples(
        "limen members list acme", "limen members list acme --invitations", "limen members list acme --json"
    ),
)
def list_(
    organisation: Organisation,
    invitations: Annotated[
        bool, typer.Option("--invitations", help="In place of members: invitations that wait, the newest first.")
    ] = False,
    after: Annotated[str, typer.Option("--after", metavar="ID", help="From behind this member or invitation on.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """An organisation's members, in the order of their ids."""
    with opened() as limen, limen.reading() as reader:
        owners.require(reader, organisation)
        if invitations:
            waiting = members.invitations_of(reader, organisation, after=after, limit=limit)
            ids = [each.invitation for each in waiting]
            show.many(waiting, WAITING, as_json=as_json, nothing="No invitation waits.")
        else:
            found = members.listed(reader, organisation=organisation, after=after, limit=limit)
            ids = [each.member for each in found]
            show.many(found, COLUMNS, as_json=as_json, nothing="There are no members.")
    if len(ids) == limit:
        typer.echo(f"There may be more: --after {show.printable(ids[-1])}", err=True)


@app.command("role", epilog=examples("limen members role acme u-1024 admin"))
def role(
    organisation: Organisation,
    member: Member,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="owner, admin, editor or viewer.")],
    as_json: AsJson = False,
) -> None:
    """Give a member another role.

    Invitations that it made, and could not make any more, are withdrawn. The last owner stays one.
    """
    with opened() as limen:
        found = limen.act(members.set_role, organisation, member, role=role)
    show.one(found, as_json=as_json)


@app.command(
    "remove", epilog=examples("limen members remove acme u-1024", "limen members remove acme u-1024 --yes --json")
)
def remove(organisation: Organisation, member: Member, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove a member, and name the keys that it made: rotate these.

    They go on working until then, and whoever left may have them still.
    """
    confirm(f"{member} can do nothing for {organisation} any more, and its invitations are withdrawn.", yes=yes)
    with opened() as limen:
        made = limen.act(members.remove, organisation, member)
    if as_json:
        show.json_out({"organisation": organisation, "member": member, "keys": made})
        return
    if made:
        typer.echo("It made these keys, and may have them still. Rotate them: limen keys regenerate KEY", err=True)
    columns = ("key", "hint", "api", "name", "key_class", "environment", "state", "created_at", "last_used_at")
    show.many(made, columns, as_json=False, nothing="It made no key that is alive.")


@app.command("withdraw", epilog=examples("limen members withdraw acme 9dQ0wZr81kTb"))
def withdraw(
    organisation: Organisation,
    invitation: Annotated[str, typer.Argument(metavar="INVITATION", help="The invitation's id.")],
    as_json: AsJson = False,
) -> None:
    """Take an invitation back. Its token is good for nothing then."""
    with opened() as limen:
        limen.act(members.withdraw, organisation, invitation)
    show.one({"invitation": invitation, "state": "withdrawn"}, as_json=as_json)
