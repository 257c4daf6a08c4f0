"""One call of every operation: right, wrong, and for what belongs to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Ask = Callable[..., list[tuple[Any, ...]]]

MAX_PAGE = {"size": "51"}
NOBODY = str(uuid4())
RANGE = {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-12-31T00:00:00Z"}
TOO_LONG = {"startDate": "2024-01-01T00:00:00Z", "endDate": "2025-12-31T00:00:00Z"}


@dataclass(frozen=True, slots=True)
class Call:
    """How an operation is called: who calls, and what its path, query and body are. Paths name one of ``People``."""

    path: str
    status: int = 200
    who: str = "creator"
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    wrong_query: dict[str, str] = field(default_factory=dict)
    wrong_body: Any = None
    """Where neither is given, but the path has a uuid, ``me`` stands in its place; else nothing can be wrong."""
    foreign: str = ""
    """The path to what belongs to somebody else: 404."""


@dataclass(frozen=True, slots=True)
class People:
    """Users of the made-up data, and a message. Every one of them is there."""

    creator: str
    """Has a chat with *peer*, who is a fan of theirs."""
    peer: str
    stranger: str
    """Exists, and has nothing to do with the creator."""
    newcomer: str
    """As the stranger; a chat with them may be started."""
    message: str
    """The creator's own, and may be deleted."""
    admin: str
    """Of the agency that the creator is with."""
    other_creator: str
    """With another agency."""
    member: str
    """Of the same agency, without a right to any creator."""

    def fill(self, value: Any) -> Any:
        """*value* with ``{creator}`` and so on replaced."""
        if isinstance(value, str):
            return value.format(**{name: getattr(self, name) for name in self.__dataclass_fields__})
        if isinstance(value, dict):
            return {name: self.fill(below) for name, below in value.items()}
        return [self.fill(below) for below in value] if isinstance(value, list) else value


def find_people(ask: Ask) -> People:
    """Those whom the calls are about."""
    ((creator, peer, message, agency),) = ask(
        "SELECT s.user_uuid, s.peer_uuid, m.uuid, s.agency_uuid FROM chat_sides AS s JOIN messages AS m"
        " ON m.chat_id = s.chat_id AND m.sender_uuid = s.user_uuid AND m.purchased_at IS NULL AND m.type <> 'BROADCAST'"
        " JOIN users AS p ON p.uuid = s.peer_uuid AND p.is_contactable JOIN fans AS f"
        " ON f.creator_uuid = s.user_uuid AND f.fan_uuid = s.peer_uuid"
        " JOIN creator_access AS a ON a.creator_uuid = s.user_uuid ORDER BY 1, 2, 3 LIMIT 1"
    )
    ((stranger,), (newcomer,)) = ask(
        "SELECT uuid FROM users WHERE is_contactable AND uuid <> ?"
        " AND uuid NOT IN (SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?)"
        " AND uuid NOT IN (SELECT fan_uuid FROM fans WHERE creator_uuid = ?) ORDER BY uuid LIMIT 2",
        *(creator, creator, creator),
    )
    ((admin,),) = ask("SELECT user_uuid FROM agency_members WHERE agency_uuid = ? AND is_admin", agency)
    ((member,),) = ask(
        "SELECT user_uuid FROM agency_members WHERE agency_uuid = ? AND NOT is_admin"
        " AND user_uuid NOT IN (SELECT member_uuid FROM creator_access) ORDER BY 1 LIMIT 1",
        agency,
    )
    ((other,),) = ask("SELECT creator_uuid FROM agency_creators WHERE agency_uuid <> ? ORDER BY 1 LIMIT 1", agency)
    return People(creator, peer, stranger, newcomer, message, admin, other, member)


def _twin(path: str, status: int = 200, **more: Any) -> Call:
    """What an agency's admin does for a creator; foreign is a creator of another agency."""
    return Call("/creators/{creator}" + path, status, "admin", foreign="/creators/{other_creator}" + path, **more)


CALLS: dict[str, Call] = {
    "getCurrentUser": Call("/users/me"),
    "listChats": Call("/chats", query={"filter": "spenders"}, wrong_query=MAX_PAGE),
    "createChat": Call("/chats", 201, body={"userUuid": "{newcomer}"}, wrong_body={"userUuid": "me"}),
    "getUnread": Call("/chats/unread"),
    "listStatuses": Call("/chats/statuses", body={"userUuids": ["{peer}"]}, wrong_body={"userUuids": ["me"]}),
    "updateChat": Call(
        "/chats/{peer}", 204, body={"isRead": True}, wrong_body={"isRead": "maybe"}, foreign="/chats/{stranger}"
    ),
    "listMessages": Call("/chats/{peer}/messages", wrong_query=MAX_PAGE, foreign="/chats/{stranger}/messages"),
    "sendMessage": Call(
        "/chats/{peer}/message",
        201,
        body={"text": "hello"},
        wrong_body={"text": ""},
        foreign="/chats/{stranger}/message",
    ),
    "deleteMessage": Call("/chats/{peer}/messages/{message}", 204, foreign="/chats/{peer}/messages/" + NOBODY),
    "listFollowers": Call("/followers", wrong_query=MAX_PAGE),
    "listSubscribers": Call("/subscribers", wrong_query={"sortField": "name"}),
    "listEarnings": Call("/insights/earnings", query={"source": "tip,message"}, wrong_query={"source": "gold"}),
    "getEarningsSummary": Call("/insights/earnings/summary", query=RANGE, wrong_query={"timezone": "Mars/Olympus"}),
    "listTopSpenders": Call("/insights/top-spenders", wrong_query={"startDate": "yesterday"}),
    "listSubscriberDays": Call("/insights/subscribers", query=RANGE, wrong_query={"cursor": "x"}),
    "getFanInsights": Call("/insights/fans/{peer}", foreign="/insights/fans/{stranger}"),
    "listCreators": Call("/creators", who="admin", wrong_query=MAX_PAGE),
    "listCreatorFollowers": _twin("/followers", wrong_query=MAX_PAGE),
    "listCreatorSubscribers": _twin("/subscribers", wrong_query={"sortField": "name"}),
    "listCreatorChats": _twin("/chats", wrong_query=MAX_PAGE),
    "createCreatorChat": _twin("/chats", 201, body={"userUuid": "{newcomer}"}, wrong_body={"userUuid": "me"}),
    "updateCreatorChat": _twin("/chats/{peer}", 204, body={"isRead": True}, wrong_body={"isRead": "maybe"}),
    "listCreatorMessages": _twin("/chats/{peer}/messages", wrong_query=MAX_PAGE),
    "sendCreatorMessage": _twin("/chats/{peer}/message", 201, body={"text": "hello"}, wrong_body={"text": ""}),
    "listCreatorEarnings": _twin("/insights/earnings", wrong_query={"source": "gold"}),
    "getCreatorEarningsSummary": _twin(
        "/insights/earnings/summary", query=RANGE, wrong_query={"timezone": "Mars/Olympus"}
    ),
    "listCreatorTopSpenders": _twin("/insights/top-spenders", wrong_query={"startDate": "yesterday"}),
    "listCreatorSubscriberDays": _twin("/insights/subscribers", query=RANGE, wrong_query={"cursor": "x"}),
    "listTeamMembers": Call("/agencies/team-members", who="admin"),
    "updateTeamMember": Call(
        "/agencies/team-members/{member}",
        who="admin",
        body={"creatorUuids": ["{creator}"], "nickname": "Al"},
        wrong_body={"nickname": "Al"},
        foreign="/agencies/team-members/{other_creator}",
    ),
    "listAgencyChats": Call("/agencies/chats", who="admin", wrong_query=MAX_PAGE),
    "listAgencySubscribers": Call("/agencies/subscribers", who="admin", wrong_query={"creatorUuids": "me"}),
    "listAgencyEarnings": Call("/agencies/earnings", who="admin", query=RANGE, wrong_query=TOO_LONG),
    "listAgencySubscriberDays": Call("/agencies/subscribers-history", who="admin", query=RANGE, wrong_query=TOO_LONG),
}
"""Every secured operation of the profile, by its id."""
