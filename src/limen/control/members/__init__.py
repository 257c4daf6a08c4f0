"""Members: users that act for an organisation, by the role that they have in it; invited, and removed."""

from limen.control.members.actions import Invited, accept, invite, remove, set_role, withdraw
from limen.control.members.views import Invitation, Member, invitations_of, listed, require_right, role_of

__all__ = [
    "Invitation",
    "Invited",
    "Member",
    "accept",
    "invitations_of",
    "invite",
    "listed",
    "remove",
    "require_right",
    "role_of",
    "set_role",
    "withdraw",
]
