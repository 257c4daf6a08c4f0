"""Made-up people: creators, fans, and the agencies with their members."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from examples.creator_platform.generator.draw import (
    BEGINNING,
    UNTIL,
    WORDS,
    Row,
    chance,
    draw_moment,
    draw_uuid,
)

NOTIFICATIONS = (
    "newFollower",
    "newPostComment",
    "newPostLike",
    "newPurchase",
    "newSubscriber",
    "newTip",
    "newPromotion",
)
_AGENCY_SIZE = 10
"""So many creators follow one another in the list before the next agency begins; the last two of them are with none,
unless there are no more than these."""
_MEMBERS = 3
"""How many work for an agency. The first of them is its admin."""


@dataclass(slots=True)
class People:
    """The rows of everybody, and who is which."""

    users: list[Row] = field(default_factory=list)
    creators: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    agencies: list[Row] = field(default_factory=list)
    members: list[Row] = field(default_factory=list)
    managed: list[Row] = field(default_factory=list)
    access: list[Row] = field(default_factory=list)

    creator_uuids: list[str] = field(default_factory=list)
    fan_uuids: list[str] = field(default_factory=list)
    online: set[str] = field(default_factory=set)
    agency_of: dict[str, str] = field(default_factory=dict)
    """Creator to agency."""
    agents_of: dict[str, list[str]] = field(default_factory=dict)
    """Creator to the members who may write in the creator's place."""


def make_people(random: Random, count: int) -> People:
    """So many users: a tenth of them creators, who come first; then the agencies' members; then fans."""
    people = People()
    creators = count // 10
    blocks = [range(start, min(start + _AGENCY_SIZE, creators)) for start in range(0, creators, _AGENCY_SIZE)]
    if creators <= _AGENCY_SIZE:  # so few that each of two agencies gets one or two
        blocks = [range(creators // 2), range(creators // 2, creators)]
    members = len(blocks) * _MEMBERS
    for number in range(1, count + 1):
        role = "creator" if number <= creators else "member" if number <= creators + members else "fan"
        people.users.append(_user(random, number, role, people))
    uuids = [str(row["uuid"]) for row in people.users]
    people.creator_uuids, people.fan_uuids = uuids[:creators], uuids[creators + members :]
    for uuid in people.creator_uuids:
        people.creators.append(_creator(random, uuid))
        kinds = [(kind, random.randrange(-3, 12)) for kind in NOTIFICATIONS]
        people.notifications += [{"user_uuid": uuid, "kind": kind, "count": n} for kind, n in kinds if n > 0]
    for number, block in enumerate(blocks):
        first = creators + number * _MEMBERS
        with_it = [uuids[i] for i in block][: len(block) if creators <= _AGENCY_SIZE else max(1, len(block) - 2)]
        _add_agency(random, people, with_it, uuids[first : first + _MEMBERS])
    return people


def _user(random: Random, number: int, role: str, people: People) -> Row:
    uuid, handle = draw_uuid(random), f"{role}{number:05}"
    created_at = draw_moment(random, BEGINNING - timedelta(days=300), BEGINNING)
    has_avatar, hides, is_online = chance(random, 0.8), chance(random, 0.1), chance(random, 0.2)
    if is_online and not hides:
        people.online.add(uuid)
    seen_at = UNTIL if is_online else draw_moment(random, UNTIL - timedelta(days=30), UNTIL)
    return {
        "uuid": uuid,
        "handle": handle,
        "email": f"{handle}@example.test",
        "display_name": f"{random.choice(WORDS).title()} {role.title()} {number:05}",
        "bio": f"Made-up {role} number {number}.",
        "avatar_url": f"https://media.example.test/avatars/{uuid}.png" if has_avatar else None,
        "banner_url": f"https://media.example.test/banners/{uuid}.png" if role == "creator" else None,
        "is_contactable": number == 1 or chance(random, 0.95),
        "is_online": uuid in people.online,
        "last_seen_at": None if hides else seen_at,
        "created_at": created_at,
        "updated_at": draw_moment(random, created_at, UNTIL) if chance(random, 0.5) else None,
    }


def _creator(random: Random, uuid: str) -> Row:
    posts = random.randrange(400)
    return {
        "user_uuid": uuid,
        "likes_count": random.randrange(50_000),
        "followers_count": 0,  # counted when everything is there
        "subscribers_count": 0,
        "image_count": random.randrange(2_000),
        "video_count": random.randrange(300),
        "audio_count": random.randrange(50),
        "post_count": posts,
        "pay_to_view_post_count": random.randrange(posts + 1),
    }


def _add_agency(random: Random, people: People, creators: list[str], members: list[str]) -> None:
    """An agency that these creators are with. Its second member writes for the first of them, the third for nobody."""
    agency = draw_uuid(random)
    people.agencies.append(
        {"uuid": agency, "name": f"{random.choice(WORDS).title()} Agency {len(people.agencies) + 1}"}
    )
    for number, uuid in enumerate(members):
        people.members.append(
            {
                "user_uuid": uuid,
                "agency_uuid": agency,
                "is_admin": number == 0,
                "nickname": random.choice(WORDS) if chance(random, 0.5) else None,
                "joined_at": draw_moment(random, BEGINNING, UNTIL),
            }
        )
    reached = creators[: (len(creators) + 1) // 2]
    for number, uuid in enumerate(creators):
        people.agency_of[uuid] = agency
        people.agents_of[uuid] = [members[0], *([members[1]] if uuid in reached else [])]
        people.managed.append(
            {"creator_uuid": uuid, "agency_uuid": agency, "added_at": draw_moment(random, BEGINNING, UNTIL)}
        )
        if uuid in reached:
            role = "ADMIN" if number == 0 else "CHATTER"
            people.access.append({"member_uuid": members[1], "creator_uuid": uuid, "role": role})
