"""Every endpoint of both platforms, called once at least: a line a group, with what earlier answers told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from limen.cli.demo.guarded import CREATOR, ORGANISATION, Example
from limen.cli.demo.rules import ACTIVE, DEPRECATED
from limen.cli.demo.scene import Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Check, Claim, Want, each, equal, members, text, whole
from limen.cli.demo.wire import Answer
from limen.core.routes import Operation
from limen.profiles import load

Known = dict[str, str]
"""What may be filled in, by name: who is there, and what earlier answers told."""

_PARAMETER = re.compile(r"\{(\w+)\}")
_KEPT = re.compile(r"\w+|\d+")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one operation, and what its answer is to be."""

    operation: str
    status: int = 200
    shows: Check | str = field(default_factory=lambda: members({}, others=True))
    query: str = ""
    body: Callable[[Known], object] | None = None
    fills: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the path that are known under another name than their own."""
    keeps: Mapping[str, str] = field(default_factory=dict)
    """What is known from then on, and where it stands in the answer: ``data.0.uuid``."""


def _list(*names: str, beside: str = "pagination") -> Check:
    """A page of a list with at least one item, which has these members."""
    wanted = members(dict.fromkeys(names, _there), others=True)

    def check(found: Any) -> str:
        data = found.get("data") if isinstance(found, dict) else None
        if not isinstance(data, list) or not data or (beside and beside not in found):
            return f"wanted a page of a list, with data and {beside}"
        return each(len(data), wanted)(data)

    return check


def _any(wanted: Check) -> Check:
    """A list of at least one, each as *wanted* says."""

    def check(found: Any) -> str:
        return each(len(found), wanted)(found) if isinstance(found, list) and found else "wanted a list of some"

    return check


def _there(found: object) -> str:
    return "" if found is not None else "missing"


def _shape(*names: str) -> Check:
    return members(dict.fromkeys(names, _there), others=True)


_EMPTY = ""
_RANGE = "startDate=2025-06-01T00:00:00Z&endDate=2025-07-01T00:00:00Z&size=3"
_EMAIL = "tour@example.com"

CREATOR_CALLS: dict[str, tuple[str, Sequence[Call]]] = {
    "Users": ("main", [Call("getCurrentUser", shows=_shape("uuid", "email", "fanCounts", "contentCounts"))]),
    "Chats": (
        "main",
        [
            Call("listChats", query="size=5&filter=not_muted", shows=_list("user", "lastMessage", "isRead")),
            Call("getUnread", shows=_shape("unreadChatsCount", "unreadMessagesCount", "unreadNotifications")),
            Call("listStatuses", body=lambda known: {"userUuids": [known["userUuid"]]}),
            Call("createChat", 201, body=lambda known: {"userUuid": known["userUuid"]}, shows=_shape("message")),
            Call("updateChat", 204, body=lambda _: {"isMuted": False, "nickname": "Tour"}, shows=_EMPTY),
            Call("listMessages", query="size=3", shows=_list("uuid", "sender", "recipient", "type")),
            Call(
                "sendMessage",
                201,
                body=lambda _: {"text": "Written by the tour."},
                shows=_shape("messageUuid"),
                keeps={"messageUuid": "messageUuid"},
            ),
            Call("deleteMessage", 204, shows=_EMPTY),
        ],
    ),
    "Creators": (
        "main",
        [
            Call("listFollowers", query="size=2", shows=_list("uuid", "handle", "registeredAt")),
            Call("listSubscribers", query="sortDirection=asc", shows=_list("uuid", "handle", "registeredAt")),
        ],
    ),
    "Insights": (
        "main",
        [
            Call("listEarnings", query="size=2", shows=_list("date", "gross", "net", "source", beside="nextCursor")),
            Call("getEarningsSummary", shows=_shape("totals", "breakdownBySource", "overTime")),
            Call("listTopSpenders", shows=_list("gross", "net", "user"), keeps={"fan": "data.0.user.uuid"}),
            Call("listSubscriberDays", query="size=3", shows=_list("date", "total", beside="nextCursor")),
            Call("getFanInsights", fills={"userUuid": "fan"}, shows=_shape("status", "spending", "subscription")),
        ],
    ),
    "Agencies": (
        "agent",
        [
            Call("listCreators", query="size=3", shows=_list("uuid", "handle")),
            Call("listCreatorFollowers", shows=_list("uuid", "handle")),
            Call("listCreatorSubscribers", shows=_list("uuid", "handle")),
            Call("listCreatorChats", query="size=3&sortBy=most_unanswered_chats", shows=_list("user", "lastMessage")),
            Call("createCreatorChat", 201, body=lambda known: {"userUuid": known["userUuid"]}, shows=_shape("message")),
            Call("updateCreatorChat", 204, body=lambda _: {"isRead": True}, shows=_EMPTY),
            Call("listCreatorMessages", query="size=3", shows=_list("uuid", "sender")),
            Call("sendCreatorMessage", 201, body=lambda _: {"text": "By the agency."}, shows=_shape("messageUuid")),
            Call("listCreatorEarnings", query="size=2", shows=_list("gross", "net", beside="nextCursor")),
            Call("getCreatorEarningsSummary", shows=_shape("totals", "overTime")),
            Call("listCreatorTopSpenders", shows=_list("gross", "user")),
            Call("listCreatorSubscriberDays", query="size=3", shows=_list("date", "total", beside="nextCursor")),
            Call("listTeamMembers", keeps={"userId": "0.uuid"}, shows=_any(_shape("uuid", "email", "creatorAccess"))),
            Call("updateTeamMember", body=lambda _: {"creatorUuids": None, "nickname": "T"}, shows=_shape("nickname")),
            Call("listAgencyChats", query="size=3", shows=_list("creatorUuid", "user")),
            Call("listAgencySubscribers", query="size=3", shows=_list("creatorUuid", "subscribedAt")),
            Call("listAgencyEarnings", query=_RANGE, shows=_list("creatorUuid", "date", "gross")),
            Call("listAgencySubscriberDays", query=_RANGE, shows=_list("creatorUuid", "date", "total")),
        ],
    ),
    "the document": ("main", [Call("getOpenapi", shows=_shape("openapi", "paths", "components"))]),
}
"""By group: whose key, and the calls in their order. ``creatorUserUuid`` has a chat with ``userUuid``."""

_MEASURES = [
    {"name": "entries", "event": "queue.consumer.entered", "op": "count"},
    {"name": "sales", "event": "order.completed", "op": "sum", "field": "amount", "unit": "currency"},
]
_RELAY = "pageInfo"

ORGANISATION_CALLS: dict[str, tuple[str, Sequence[Call]]] = {
    "Experiences": (
        "admin",
        [
            Call("createExperience", 201, body=lambda _: {"name": "Tour"}, keeps={"id": "id"}, shows=_shape("slug")),
            Call("listExperiences", query="first=2&include=sequences", shows=_list("id", "status", beside=_RELAY)),
            Call("getExperience", shows=members({"name": "Tour", "status": "draft"}, others=True)),
            Call("updateExperience", body=lambda _: {"name": "Tour 2"}, shows=members({"name": "Tour 2"}, others=True)),
            Call("duplicateExperience", 201, body=lambda _: {"name": "Copy"}, keeps={"copy": "id"}, shows=_shape("id")),
            Call("deleteExperience", 204, fills={"id": "copy"}, shows=_EMPTY),
        ],
    ),
    "Consumers": (
        "admin",
        [
            Call("createConsumer", 201, body=lambda _: {"email": _EMAIL}, keeps={"id": "id"}, shows=_shape("id")),
            Call("listConsumers", query="first=2&sortBy=email", shows=_list("id", "createdAt", beside=_RELAY)),
            Call("searchConsumers", query=f"email={_EMAIL}", shows=_list("id", beside="")),
            Call("getConsumer", shows=members({"email": _EMAIL}, others=True)),
            Call("updateConsumer", body=lambda _: {"fullName": "T"}, shows=members({"fullName": "T"}, others=True)),
            Call(
                "createConsumers",
                201,
                body=lambda _: {"consumers": [{"fullName": "One"}, {"fullName": "Two"}]},
                keeps={"one": "data.0.id"},
                shows=_list("id", beside=""),
            ),
            Call(
                "updateConsumers",
                body=lambda known: {"consumers": [{"id": known["one"], "metadata": {"tier": "gold"}}]},
                shows=_list("metadata", beside=""),
            ),
            Call("deleteConsumer", 204, shows=_EMPTY),
        ],
    ),
    "Analytics": (
        "admin",
        [
            Call(
                "queryAnalytics",
                body=lambda _: {"measures": _MEASURES, "timeRange": "30d", "granularity": "week", "groupBy": "country"},
                shows=members({"measures": each(2, _shape("name", "value", "series", "groups"))}, others=True),
            )
        ],
    ),
    "Organizations": (
        "admin",
        [
            Call("getOrganization", shows=_shape("id", "name", "plan")),
            Call("updateOrganization", body=lambda _: {"name": "Tour"}, shows=members({"name": "Tour"}, others=True)),
            Call("listMembers", query="first=2", shows=_list("id", "role", beside=_RELAY)),
            Call(
                "inviteMember",
                201,
                body=lambda _: {"email": _EMAIL, "role": "viewer"},
                keeps={"id": "id"},
                shows=members({"status": "pending"}, others=True),
            ),
            Call("getMember", shows=members({"role": "viewer"}, others=True)),
            Call("updateMember", body=lambda _: {"role": "editor"}, shows=members({"role": "editor"}, others=True)),
            Call("removeMember", 204, shows=_EMPTY),
        ],
    ),
    "the document": ("admin", [Call("getOpenapi", shows=_shape("openapi", "paths", "components"))]),
}


@cache
def _operations(example: Example) -> Mapping[str, Operation]:
    return {each.name: each for each in load(example.name).operations}


def _endpoints(example: Example, part: str, calls: Sequence[Call]) -> Callable[[Scene], Iterator[Claim]]:
    """What plays one group: each call in turn, and the first read once more with its ``ETag`` (R277)."""

    def play(scene: Scene) -> Iterator[Claim]:
        known: Known = {"userUuid": scene.people.peer, "creatorUserUuid": scene.people.users[0]}
        revalidated = False
        for call in calls:
            operation = _operations(example)[call.operation]
            answer = _send(scene, example, part, call, known)
            yield Want(f"{call.operation} {call.status}", call.status, body=call.shows).of(answer)
            known |= {name: _found(answer.data, place) for name, place in call.keeps.items()}
            if operation.method == "GET" and not operation.public and not revalidated:
                revalidated = True
                tag = answer.header("ETag") or ""
                again = _send(scene, example, part, call, known, tag)
                yield Want("304", 304, {"ETag": tag or text}, "").of(again)

    return play


def _send(scene: Scene, example: Example, part: str, call: Call, known: Known, tag: str = "") -> Answer:
    operation = _operations(example)[call.operation]
    path = _PARAMETER.sub(lambda match: known[call.fills.get(match[1], match[1])], operation.path)
    more = [("If-None-Match", tag)] if tag else []
    target = path + (f"?{call.query}" if call.query else "")
    body = call.body(known) if call.body else None
    credential = None if operation.public else part
    if example is CREATOR:
        return scene.ask(credential, target, method=operation.method, more=more, body=body)
    return scene.ask_organisation(credential, target, method=operation.method, more=more, body=body)


def _found(data: Any, place: str) -> str:
    """What stands at *place* in an answer. Raises where nothing does: then the calls after it make no sense."""
    for step in _KEPT.findall(place):
        data = data[int(step)] if step.isdigit() else data[step]
    return str(data)


def _older_version(scene: Scene) -> Iterator[Claim]:
    """Two versions are live beside each other: which one Limen admitted decides an answer's shape."""
    for version, shape in (
        (ACTIVE, {"fanCounts": _COUNTS}),
        (DEPRECATED, {"followersCount": _MANY, "fanCounts": _none}),
    ):
        answer = scene.ask("main", version=version)
        yield Want(f"200 of {version}", 200, body=members({"uuid": text, **shape}, others=True)).of(answer)


def _browser(scene: Scene) -> Iterator[Claim]:
    """A page of somebody's reads with a public key what is published, and may do nothing else."""
    origin = [("Origin", "https://shop.example.com")]
    asks = [*origin, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")]
    allowed = {"Access-Control-Allow-Origin": "*"}
    preflight = scene.ask_organisation(None, "/experiences", method="OPTIONS", more=asks)
    yield Want(f"preflight {preflight.status}", preflight.status, allowed, "").of(preflight)
    answer = scene.ask_organisation("published", "/experiences", more=origin)
    yield Want("200, no drafts", 200, allowed, _no_drafts).of(answer)
    refused = scene.ask_organisation("published", "/experiences", method="POST", body={"name": "No"}, more=origin)
    yield said("403 scope_missing", refused.title, equal("403 scope_missing")(refused.title))


def _no_drafts(found: Any) -> str:
    missing = _list("status", beside=_RELAY)(found)
    return missing or ("a draft" if any(item["status"] == "draft" for item in found["data"]) else "")


def _none(found: object) -> str:
    return "" if found is None else "there, in a version that has it elsewhere"


_MANY = whole(0, 10**9)
_COUNTS = members({"followersCount": _MANY, "subscribersCount": _MANY})

ENDPOINTS = (
    *(
        Line(f"{example.name}: every endpoint of {group}", _endpoints(example, part, calls))
        for example, table in ((CREATOR, CREATOR_CALLS), (ORGANISATION, ORGANISATION_CALLS))
        for group, (part, calls) in table.items()
    ),
    Line("creator: an older version beside the newest, in its own shape", _older_version),
    Line("organisation: from a page in a browser, with a public key", _browser),
)
