"""Made-up data: the same seed and size give the same rows, to the byte. Nobody in it is a person.

The first user is a creator with many chats; most users are fans, and some of them have no chat at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from examples.creator_platform.messages.shapes import MessageType

Row = dict[str, object]

UNTIL = datetime(2025, 11, 6, 12, 0, tzinfo=UTC)
"""The moment at which the made-up history ends."""

_BEGINNING = UNTIL - timedelta(days=700)
_VOCABULARY = """
amber birch canvas delta ember fable garnet harbour indigo juniper kettle lantern meadow nectar orchard pepper quartz
ribbon saffron timber umbra velvet willow yonder zephyr
"""
_WORDS = _VOCABULARY.split()


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make. A tenth of the users are creators; every chat is between a fan and a creator."""

    users: int
    chats: int
    messages: int


SIZES = {
    "tiny": Size(users=40, chats=50, messages=1_000),
    "small": Size(users=500, chats=1_000, messages=20_000),
    "large": Size(users=5_000, chats=20_000, messages=500_000),
}


@dataclass(frozen=True, slots=True)
class People:
    """The rows of users and creators, and who is which."""

    users: list[Row]
    creators: list[Row]

    @property
    def creator_uuids(self) -> list[str]:
        """The creators, who come first."""
        return [str(row["uuid"]) for row in self.users[: len(self.creators)]]

    @property
    def fan_uuids(self) -> list[str]:
        """Everyone else."""
        return [str(row["uuid"]) for row in self.users[len(self.creators) :]]


@dataclass(frozen=True, slots=True)
class Talk:
    """The rows of one chat."""

    chat: Row
    messages: list[Row]
    sides: list[Row]


def make_people(random: Random, size: Size) -> People:
    """*size.users* users, the creators among them first."""
    count = size.users // 10
    users = [_user(random, number, number <= count) for number in range(1, size.users + 1)]
    return People(users, [_creator(random, str(row["uuid"])) for row in users[:count]])


def make_talks(random: Random, size: Size, people: People) -> Iterator[Talk]:
    """*size.chats* chats that hold *size.messages* messages in all, a few of them none."""
    pairs = _pairs(random, size, people)
    lengths = _lengths(random, size)
    first_id = 1
    for number, (creator, fan) in enumerate(pairs, start=1):
        length = lengths[number - 1]
        yield _talk(random, number, (creator, fan), range(first_id, first_id + length))
        first_id += length


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _moment(random: Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(milliseconds=random.randrange((end - start) // timedelta(milliseconds=1)))


def _user(random: Random, number: int, is_creator: bool) -> Row:
    role = "creator" if is_creator else "fan"
    uuid, handle = _uuid(random), f"{role}{number:05}"
    created_at = _moment(random, _BEGINNING - timedelta(days=300), _BEGINNING)
    has_avatar = random.random() < 0.8
    return {
        "uuid": uuid,
        "handle": handle,
        "email": f"{handle}@example.test",
        "display_name": f"{random.choice(_WORDS).title()} {role.title()} {number:05}",
        "bio": f"Made-up {role} number {number}.",
        "avatar_url": f"https://media.example.test/avatars/{uuid}.png" if has_avatar else None,
        "banner_url": f"https://media.example.test/banners/{uuid}.png" if is_creator else None,
        "is_contactable": number == 1 or random.random() < 0.95,
        "created_at": created_at,
        "updated_at": _moment(random, created_at, UNTIL) if random.random() < 0.5 else None,
    }


def _creator(random: Random, uuid: str) -> Row:
    posts = random.randrange(400)
    return {
        "user_uuid": uuid,
        "likes_count": random.randrange(50_000),
        "followers_count": random.randrange(10_000),
        "subscribers_count": random.randrange(2_000),
        "image_count": random.randrange(2_000),
        "video_count": random.randrange(300),
        "audio_count": random.randrange(50),
        "post_count": posts,
        "pay_to_view_post_count": random.randrange(posts + 1),
    }


def _pairs(random: Random, size: Size, people: People) -> list[tuple[str, str]]:
    """Who chats with whom, once each. Squaring the draw makes the first creators the popular ones."""
    creators, fans = people.creator_uuids, people.fan_uuids
    pairs: dict[tuple[str, str], None] = {}
    while len(pairs) < size.chats:
        creator = creators[int(len(creators) * random.random() ** 2)]
        pairs[creator, random.choice(fans)] = None
    return list(pairs)


def _lengths(random: Random, size: Size) -> list[int]:
    """How many messages each chat holds: a few none, most some, a few very many; *size.messages* in all."""
    weights = [0.0 if random.random() < 0.03 else random.paretovariate(1.2) for _ in range(size.chats)]
    lengths = [0] * size.chats
    for chat in random.choices(range(size.chats), weights, k=size.messages):
        lengths[chat] += 1
    return lengths


def _talk(random: Random, chat_id: int, pair: tuple[str, str], ids: range) -> Talk:
    """One chat with a message for each of *ids*. What one person said last may still be unread by the other."""
    created_at = _moment(random, _BEGINNING, UNTIL - timedelta(hours=1))
    moments = sorted(_moment(random, created_at, UNTIL) for _ in ids)
    senders = [random.choice(pair) for _ in ids]
    unread = _unread_tail(random, senders)
    messages: list[Row] = []
    for message_id, sender, sent_at in zip(ids, senders, moments, strict=True):
        is_broadcast = sender == pair[0] and random.random() < 0.1
        messages.append(
            {
                "id": message_id,
                "uuid": _uuid(random),
                "chat_id": chat_id,
                "sender_uuid": sender,
                "text": " ".join(random.choices(_WORDS, k=random.randint(2, 12))).capitalize() + ".",
                "type": MessageType.BROADCAST if is_broadcast else MessageType.SINGLE_RECIPIENT,
                "sent_at": sent_at,
                "is_read": len(messages) < len(senders) - unread,
            }
        )
    last = messages[-1] if messages else None
    sides = [_side(random, chat_id, (one, other), last, unread) for one, other in (pair, pair[::-1])]
    return Talk({"id": chat_id, "created_at": created_at}, messages, sides)


def _unread_tail(random: Random, senders: list[str]) -> int:
    """How many messages at the end are unread: in two chats of three none, else up to all that one person said last."""
    if not senders or random.random() < 0.67:
        return 0
    tail = next((n for n, sender in enumerate(reversed(senders)) if sender != senders[-1]), len(senders))
    return random.randint(1, tail)


def _side(random: Random, chat_id: int, pair: tuple[str, str], last: Row | None, unread: int) -> Row:
    user, peer = pair
    return {
        "user_uuid": user,
        "peer_uuid": peer,
        "chat_id": chat_id,
        "last_message_id": last and last["id"],
        "last_message_at": last and last["sent_at"],
        "unread_count": unread if last and last["sender_uuid"] == peer else 0,
        "is_muted": random.random() < 0.05,
        "is_top_spender": random.random() < 0.02,
        "nickname": random.choice(_WORDS) if random.random() < 0.1 else None,
    }
