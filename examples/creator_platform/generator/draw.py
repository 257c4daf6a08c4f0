"""What all made-up rows are drawn from: moments, uuids, words."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Table

Row = dict[str, Any]
Portion = list[tuple[Table, list[Row]]]
"""Rows by table, in an order in which nothing is referred to before it is there."""

UNTIL = datetime(2025, 11, 6, 12, 0, tzinfo=UTC)
"""The moment at which the made-up history ends."""

BEGINNING = UNTIL - timedelta(days=700)
_VOCABULARY = """
amber birch canvas delta ember fable garnet harbour indigo juniper kettle lantern meadow nectar orchard pepper quartz
ribbon saffron timber umbra velvet willow yonder zephyr
"""
WORDS = _VOCABULARY.split()


def draw_uuid(random: Random) -> str:
    """A version 4 uuid that depends on *random* alone."""
    return str(UUID(int=random.getrandbits(128), version=4))


def draw_moment(random: Random, start: datetime, end: datetime) -> datetime:
    """A moment from *start* until before *end*, in whole milliseconds."""
    return start + timedelta(milliseconds=random.randrange((end - start) // timedelta(milliseconds=1)))


def chance(random: Random, share: float) -> bool:
    """True in *share* of all draws."""
    return random.random() < share
