"""Made-up data: the same seed and size give the same rows, to the byte. Nobody in it is a person.

The first user is a creator with many chats; most users are fans, and some of them have no chat at all. Most creators
are with an agency, the first one with the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from examples.creator_platform.generator.audiences import Tie, make_sundry, make_tie
from examples.creator_platform.generator.draw import Portion, Row
from examples.creator_platform.generator.people import People, make_people
from examples.creator_platform.generator.talks import Talk, draw_lengths, draw_pairs, make_talk
from examples.creator_platform.tables import (
    agencies,
    agency_creators,
    agency_members,
    chat_sides,
    chats,
    creator_access,
    creators,
    earnings,
    fans,
    messages,
    subscriptions,
    unread_notifications,
    users,
)

__all__ = ["SIZES", "Made", "Size", "make"]

_PAIRS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make. A tenth of the users are creators; every chat is one of a creator's, nearly all with a fan."""

    users: int
    chats: int
    messages: int
    followers: int
    """How many follow a creator without a chat, counted once for each of the creators that they follow."""


SIZES = {
    "tiny": Size(users=40, chats=50, messages=1_000, followers=30),
    "small": Size(users=500, chats=1_000, messages=20_000, followers=1_500),
    "medium": Size(users=20_000, chats=40_000, messages=200_000, followers=40_000),
    "large": Size(users=20_000, chats=50_000, messages=1_000_000, followers=50_000),
}


@dataclass(frozen=True, slots=True)
class Made:
    """Rows in the order in which they can be written, and after how many chats of all this is."""

    portion: Portion
    chats: int


def make(random: Random, size: Size) -> Iterator[Made]:
    """Everything, in portions: the people first, then their chats and what else is between them."""
    people = make_people(random, size.users)
    yield Made(_people(people), 0)
    pairs = draw_pairs(random, people, size.chats + size.followers)
    lengths = iter(draw_lengths(random, size.chats, size.messages))
    numbered = enumerate(pairs, start=1)
    next_id = 1
    while batch := list(islice(numbered, _PAIRS_AT_ONCE)):
        talks, ties = [], []
        for number, pair in batch:
            talk = None
            if number <= size.chats:
                ids = range(next_id, next_id + next(lengths))
                talk, next_id = make_talk(random, people, number, pair=pair, ids=ids), ids.stop
                talks.append(talk)
            ties.append(make_tie(random, people, pair, talk.bought if talk else []))
        yield Made(_between(talks, ties), min(batch[-1][0], size.chats))
    yield Made([(earnings, make_sundry(random, people))], size.chats)


def _people(people: People) -> Portion:
    return [
        (users, people.users),
        (creators, people.creators),
        (unread_notifications, people.notifications),
        (agencies, people.agencies),
        (agency_members, people.members),
        (agency_creators, people.managed),
        (creator_access, people.access),
    ]


def _between(talks: list[Talk], ties: list[Tie]) -> Portion:
    def all_of(lists: Iterator[list[Row]]) -> list[Row]:
        return [row for rows in lists for row in rows]

    return [
        (chats, [talk.chat for talk in talks]),
        (messages, all_of(talk.messages for talk in talks)),
        (chat_sides, all_of(talk.sides for talk in talks)),
        (fans, [tie.fan for tie in ties]),
        (subscriptions, all_of(tie.runs for tie in ties)),
        (earnings, all_of(tie.earned for tie in ties)),
    ]
