"""Made-up data: the same seed, size and end give the same rows, to the byte. Nobody in it is a person.

Of the organisations the first has about half of everything. Of each organisation's data a tenth is test data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from sqlalchemy import Table

from examples.organisation_platform.tables import (
    consumers,
    distributions,
    events,
    experiences,
    members,
    organisations,
    sequences,
)
from examples.organisation_platform.wire import new_id

Row = dict[str, object]
Rows = tuple[Table, list[Row]]

_VOCABULARY = """
amber birch canvas delta ember fable garnet harbour indigo juniper kettle lantern meadow nectar orchard pepper quartz
ribbon saffron timber umbra velvet willow yonder zephyr
"""
_WORDS = _VOCABULARY.split()
_ROLES = ("owner", "admin", "editor", "editor", "viewer")
_COUNTRIES = ("AT", "DE", "FR", "GB", "JP", "US")
_DEVICES = ("desktop", "phone", "tablet")
_EVENTS = {
    "queue.consumer.entered": 30,
    "queue.consumer.admitted": 22,
    "queue.consumer.left": 6,
    "draw.consumer.entered": 14,
    "draw.consumer.won": 2,
    "auction.bid.placed": 8,
    "order.created": 10,
    "order.completed": 7,
    "order.cancelled": 1,
}
_HISTORY, _MEASURED = timedelta(days=700), timedelta(days=120)
_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make, over all organisations and both environments."""

    organisations: int
    experiences: int
    consumers: int
    events: int

    @property
    def rows(self) -> int:
        """How many rows of the three large tables there will be."""
        return self.experiences + self.consumers + self.events

    def share(self, of: int) -> "Size":
        """One part in *of*, rounded down."""
        return Size(self.organisations, self.experiences // of, self.consumers // of, self.events // of)

    def without(self, other: "Size") -> "Size":
        """What is left of it."""
        left = (self.experiences - other.experiences, self.consumers - other.consumers, self.events - other.events)
        return Size(self.organisations, *left)


SIZES = {
    "tiny": Size(organisations=3, experiences=60, consumers=400, events=4_000),
    "small": Size(organisations=5, experiences=500, consumers=20_000, events=60_000),
    "large": Size(organisations=20, experiences=5_000, consumers=200_000, events=1_000_000),
}


@dataclass(frozen=True, slots=True)
class Part:
    """What one organisation has in one environment."""

    number: int
    organisation_id: str
    environment: str
    size: Size


def make_all(random: Random, size: Size, until: datetime) -> Iterator[Rows]:
    """The rows of all tables, some at a time, each after those that it refers to. The history ends at *until*."""
    for part in _parts(random, size, until):
        name = random.choice(_WORDS).title()
        begun = until - _HISTORY
        row: Row = {"number": part.number, "id": part.organisation_id, "environment": part.environment}
        row |= {"name": f"{name} {part.number:03}", "slug": f"{name.lower()}-{part.number:03}"}
        row |= {"time_zone": "Europe/Vienna", "currency_code": "EUR", "created_at": begun, "updated_at": begun}
        yield organisations, [row]
        team = [_member(random, part, place, begun) for place in range(len(_ROLES) + 1)]
        yield members, team
        made = [_experience(random, part, place, until) for place in range(part.size.experiences)]
        for each in made:
            each["created_by"] = each["updated_by"] = random.choice(team)["id"]
        for batch in _batches(iter(made)):
            yield experiences, batch
            yield from _parts_of(random, batch, until)
        yield from ((consumers, batch) for batch in _batches(_consumers(random, part, until)))
        staged = [str(each["id"]) for each in made]
        staged = staged or [new_id("exp", begun, random.getrandbits(80))]  # one that has been deleted since
        yield from ((events, batch) for batch in _batches(_events(random, part, staged, until)))


def _parts(random: Random, size: Size, until: datetime) -> Iterator[Part]:
    """Who has how much: the first organisation half of all, the others the same; live first, then test."""
    left = size
    for place in range(size.organisations):
        mine = left.share(2 if place == 0 and size.organisations > 1 else size.organisations - place)
        left, tested = left.without(mine), mine.share(10)
        organisation_id = new_id("org", until - _HISTORY, random.getrandbits(80))
        yield Part(2 * place + 1, organisation_id, "live", mine.without(tested))
        yield Part(2 * place + 2, organisation_id, "test", tested)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        yield batch


def _moment(random: Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(milliseconds=random.randrange((end - start) // timedelta(milliseconds=1)))


def _member(random: Random, part: Part, place: int, begun: datetime) -> Row:
    """One of each organisation's team: its owner first, and last somebody who has not accepted yet."""
    pending = place == len(_ROLES)
    return {
        "id": new_id("user", begun, random.getrandbits(80)),
        "organisation": part.number,
        "email": f"member{place}@org{part.number:03}.example.com",
        "name": None if pending else f"Member {place}",
        "role": "viewer" if pending else _ROLES[place],
        "status": "pending" if pending else "active",
        "created_at": begun + timedelta(days=place),
        "joined_at": None if pending else begun + timedelta(days=place + 1),
        "last_active_at": None if pending else begun + timedelta(days=place + 30),
    }


def _experience(random: Random, part: Part, place: int, until: datetime) -> Row:
    """Of four experiences one is a draft, and of the others some are to come, some run and some are over."""
    created_at = _moment(random, until - _HISTORY, until)
    name = " ".join(random.choices(_WORDS, k=2)).title()
    opens = None if random.random() < 0.25 else _moment(random, created_at, until + timedelta(days=30))
    closes = opens + timedelta(days=random.randint(1, 200)) if opens and random.random() < 0.8 else None
    theme = {"primaryColor": f"#{random.getrandbits(24):06x}"} if random.random() < 0.5 else None
    return {
        "id": new_id("exp", created_at, random.getrandbits(80)),
        "organisation": part.number,
        "name": name,
        "slug": f"{name.lower().replace(' ', '-')}-{place}",
        "open_at": opens,
        "close_at": closes,
        "time_zone": "Europe/Vienna" if random.random() < 0.5 else None,
        "i18n": {"de": {"title": name}} if random.random() < 0.2 else None,
        "theme": theme,
        "created_at": created_at,
        "updated_at": _moment(random, created_at, until),
    }


def _parts_of(random: Random, staged: list[Row], until: datetime) -> Iterator[Rows]:
    """Up to three ways through each experience, and one way in which it hands out what it has."""
    ways: list[Row] = []
    hands: list[Row] = []
    for each in staged:
        for place in range(random.randint(1, 3)):
            row = {"experience_id": each["id"], "position": place, "name": random.choice(_WORDS).title()}
            ways.append(row | {"id": new_id("seq", until, random.getrandbits(80))})
        kind = random.choice(("queue", "draw", "auction"))
        row = {"experience_id": each["id"], "position": 0, "name": kind.title(), "type": kind}
        hands.append(row | {"id": new_id("dist", until, random.getrandbits(80))})
    yield sequences, ways
    yield distributions, hands


def _consumers(random: Random, part: Part, until: datetime) -> Iterator[Row]:
    for place in range(part.size.consumers):
        created_at = _moment(random, until - _HISTORY, until)
        first, last = random.choices(_WORDS, k=2)
        orders = int(random.paretovariate(1.2)) - 1
        yield {
            "id": new_id("cons", created_at, random.getrandbits(80)),
            "organisation": part.number,
            "email": f"{first}.{last}.{place}@example.com" if random.random() < 0.9 else None,
            "phone": f"+1555{place:07}" if random.random() < 0.5 else None,
            "full_name": f"{first.title()} {last.title()}" if random.random() < 0.8 else None,
            "metadata": {"tier": random.choice(("silver", "gold"))} if random.random() < 0.2 else None,
            "external_id": f"crm-{place}" if random.random() < 0.6 else None,
            "total_orders": orders,
            "total_order_value": orders * random.randint(900, 20_000),
            "last_order_at": _moment(random, created_at, until) if orders else None,
            "created_at": created_at,
            "updated_at": _moment(random, created_at, until),
        }


def _events(random: Random, part: Part, staged: list[str], until: datetime) -> Iterator[Row]:
    names = random.choices(list(_EVENTS), list(_EVENTS.values()), k=part.size.events)
    for name in names:
        sold = name.startswith("order.")
        quantity = random.randint(1, 4)
        yield {
            "organisation": part.number,
            "name": name,
            "at": _moment(random, until - _MEASURED, until),
            "experience_id": random.choice(staged),
            "country": random.choice(_COUNTRIES),
            "device": random.choice(_DEVICES),
            "amount": quantity * random.randint(900, 20_000) if sold or name == "auction.bid.placed" else None,
            "quantity": quantity if sold else None,
            "wait_seconds": random.randrange(3_600) if name == "queue.consumer.admitted" else None,
        }
