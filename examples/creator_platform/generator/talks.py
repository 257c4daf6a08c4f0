"""Made-up chats: who talks with whom, how much, and what is still unread."""

from dataclasses import dataclass
from datetime import datetime, timedelta
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
from examples.creator_platform.generator.people import People
from examples.creator_platform.messages.shapes import MessageType
from examples.creator_platform.tables import NEVER

Pair = tuple[str, str]
"""A creator, and whoever talks with them or follows them."""


@dataclass(frozen=True, slots=True)
class Talk:
    """The rows of one chat, and the messages in it that were paid for."""

    chat: Row
    messages: list[Row]
    sides: list[Row]

    @property
    def bought(self) -> list[Row]:
        """The messages that the creator's peer has bought."""
        return [row for row in self.messages if row["purchased_at"] is not None]


def draw_pairs(random: Random, people: People, count: int) -> list[Pair]:
    """So many pairs, none of them twice. Squaring the draw makes the first creators the popular ones."""
    creators, fans = people.creator_uuids, people.fan_uuids
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        creator = creators[int(len(creators) * random.random() ** 2)]
        peer = random.choice(creators if chance(random, 0.02) else fans)
        if peer != creator and (peer, creator) not in pairs:
            pairs[creator, peer] = None
    return list(pairs)


def draw_lengths(random: Random, chats: int, messages: int) -> list[int]:
    """How many messages each chat holds: a few none, most some, a few very many; *messages* in all."""
    weights = [0.0 if chance(random, 0.03) else random.paretovariate(1.2) for _ in range(chats)]
    lengths = [0] * chats
    for chat in random.choices(range(chats), weights, k=messages):
        lengths[chat] += 1
    return lengths


def make_talk(random: Random, people: People, chat_id: int, *, pair: Pair, ids: range) -> Talk:
    """One chat with a message for each of *ids*. What one person said last may still be unread by the other."""
    created_at = draw_moment(random, BEGINNING, UNTIL - timedelta(hours=1))
    moments = sorted(draw_moment(random, created_at, UNTIL) for _ in ids)
    senders = [random.choice(pair) for _ in ids]
    unread = _unread_tail(random, senders)
    agents = people.agents_of.get(pair[0], [])
    messages: list[Row] = []
    for message_id, sender, sent_at in zip(ids, senders, moments, strict=True):
        row = _message(random, sent_at, agents if sender == pair[0] else None)
        row |= {"id": message_id, "chat_id": chat_id, "sender_uuid": sender}
        messages.append(row | {"is_read": len(messages) < len(senders) - unread})
    last = messages[-1] if messages else None
    sides = [_side(random, people, (one, other), last) for one, other in (pair, pair[::-1])]
    for side in sides:
        theirs = last is not None and last["sender_uuid"] == side["peer_uuid"]
        side |= {"chat_id": chat_id, "unread_count": unread if theirs else 0, "awaits_answer": theirs}
    return Talk({"id": chat_id, "created_at": created_at}, messages, sides)


def _message(random: Random, sent_at: datetime, agents: list[str] | None) -> Row:
    """A message; a creator's where *agents* are given, who may have written it. Some of those are mass ones or cost."""
    kind, price, purchased_at, sent_by = MessageType.SINGLE_RECIPIENT, None, None, None
    if agents is not None and chance(random, 0.1):
        kind = MessageType.BROADCAST
    elif agents is not None and chance(random, 0.08):
        price = random.randrange(3, 40) * 100
        purchased_at = draw_moment(random, sent_at, UNTIL) if chance(random, 0.5) else None
    if agents and chance(random, 0.3):
        sent_by = random.choice(agents)
    return {
        "uuid": draw_uuid(random),
        "sent_by_uuid": sent_by,
        "text": " ".join(random.choices(WORDS, k=random.randint(2, 12))).capitalize() + ".",
        "type": kind,
        "price": price,
        "purchased_at": purchased_at,
        "sent_at": sent_at,
    }


def _unread_tail(random: Random, senders: list[str]) -> int:
    """How many messages at the end are unread: in two chats of three none, else up to all that one person said last."""
    if not senders or chance(random, 0.67):
        return 0
    tail = next((n for n, sender in enumerate(reversed(senders)) if sender != senders[-1]), len(senders))
    return random.randint(1, tail)


def _side(random: Random, people: People, pair: Pair, last: Row | None) -> Row:
    user, peer = pair
    return {
        "user_uuid": user,
        "peer_uuid": peer,
        "last_message_id": last and last["id"],
        "last_message_at": last["sent_at"] if last else NEVER,
        "is_muted": chance(random, 0.05),
        "nickname": random.choice(WORDS) if chance(random, 0.1) else None,
        "peer_is_online": peer in people.online,
        "agency_uuid": people.agency_of.get(user),
    }
