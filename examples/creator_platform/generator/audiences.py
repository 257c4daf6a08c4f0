"""Made-up audiences: who follows and subscribes, and what they have paid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from examples.creator_platform.generator.draw import BEGINNING, UNTIL, Row, chance, draw_moment, draw_uuid
from examples.creator_platform.generator.people import People
from examples.creator_platform.generator.talks import Pair

MONTH = timedelta(days=30)
TRIAL = timedelta(days=7)
TOP_SPENDER_CENTS = 20_000
"""Whoever has spent this much with a creator is one of that creator's top spenders."""
_NET_PERCENT = 80
_PRICES = (499, 999, 1_499)
_SINGLE = (("tip", 5, 200), ("post", 3, 30), ("mediaLink", 5, 50), ("giveaway", 1, 10))
"""What else is paid for, and from which to which amount, in dollars."""
_SUNDRY = ("referral", "affiliate")


@dataclass(frozen=True, slots=True)
class Tie:
    """What is between a creator and one fan: how it stands, every subscription, every payment."""

    fan: Row
    runs: list[Row]
    earned: list[Row]


def make_tie(random: Random, people: People, pair: Pair, bought: list[Row]) -> Tie:
    """How a fan stands with a creator. *bought*: the messages of theirs that the fan has paid for."""
    creator, fan = pair
    standing = random.random()
    runs: list[Row] = []
    is_subscribed, is_trial = standing < 0.35, standing < 0.04
    if standing < 0.5:
        runs = _runs(random, is_subscribed, is_trial)
    earned = [_earned(row["purchased_at"], "message", row["price"], row["uuid"]) for row in bought]
    for run in runs:
        earned += _paid_for(run)
    while chance(random, 0.25):
        source, least, most = random.choice(_SINGLE)
        at, cents = draw_moment(random, BEGINNING, UNTIL), random.randrange(least, most) * 100
        earned.append(_earned(at, source, cents, draw_uuid(random)))
    owned = {"creator_uuid": creator, "fan_uuid": fan}
    for row in (*runs, *earned):
        row.update(owned)
    began = runs[-1]["started_at"] if runs else None
    follows = standing < 0.95
    state: Row = {
        "followed_at": draw_moment(random, BEGINNING, UNTIL) if follows else None,
        "is_subscribed": is_subscribed,
        "subscribed_at": began,
        "expires_at": _paid_until(random, runs[-1], is_trial) if runs else None,
        "auto_renews": is_subscribed and chance(random, 0.8),
        "is_trial": is_trial,
        "agency_uuid": people.agency_of.get(creator),
    }
    return Tie(owned | state | _spent(earned), runs, earned)


def make_sundry(random: Random, people: People) -> list[Row]:
    """What creators earn from nobody in particular: up to ten payments each."""
    rows = []
    for creator in people.creator_uuids:
        for _ in range(random.randrange(10)):
            at, cents = draw_moment(random, BEGINNING, UNTIL), random.randrange(100, 5_000)
            row = _earned(at, random.choice(_SUNDRY), cents, None)
            rows.append(row | {"creator_uuid": creator, "fan_uuid": None})
    return rows


def _runs(random: Random, is_subscribed: bool, is_trial: bool) -> list[Row]:
    """The subscriptions of one fan: perhaps an earlier one, and the last, which runs where *is_subscribed*."""
    runs: list[Row] = []
    price = random.choice(_PRICES)
    started_at = draw_moment(random, BEGINNING, UNTIL - MONTH)
    if not is_subscribed or chance(random, 0.2):
        ended_at = draw_moment(random, started_at, UNTIL - TRIAL)
        runs.append({"started_at": started_at, "ended_at": ended_at, "price": price})
        started_at = draw_moment(random, ended_at, UNTIL)
    if is_subscribed:
        started_at = draw_moment(random, UNTIL - TRIAL, UNTIL) if is_trial else started_at
        runs.append({"started_at": started_at, "ended_at": None, "price": 0 if is_trial else price})
    return runs


def _paid_until(random: Random, run: Row, is_trial: bool) -> datetime:
    if run["ended_at"] is not None:
        ended_at: datetime = run["ended_at"]
        return ended_at
    return draw_moment(random, UNTIL, UNTIL + (TRIAL if is_trial else MONTH))


def _paid_for(run: Row) -> list[Row]:
    """The first payment of a subscription, and a renewal every month for as long as it ran."""
    at, until, source = run["started_at"], run["ended_at"] or UNTIL, "subscription"
    rows = []
    while run["price"] and at < until:
        rows.append(_earned(at, source, run["price"], None))
        at, source = at + MONTH, "renewal"
    return rows


def _earned(at: datetime, source: str, gross: int, origin: str | None) -> Row:
    """One payment. *origin*: the message or the post that it was for."""
    return {
        "at": at,
        "source": source,
        "gross": gross,
        "net": gross * _NET_PERCENT // 100,
        "currency": "USD",
        "message_uuid": origin if source == "message" else None,
        "post_uuid": origin if source == "post" else None,
    }


def _spent(earned: list[Row]) -> Row:
    """All payments of one fan, summed up."""
    gross = sum(row["gross"] for row in earned)
    return {
        "spent_gross": gross,
        "spent_net": sum(row["net"] for row in earned),
        "tipped_gross": sum(row["gross"] for row in earned if row["source"] == "tip"),
        "max_payment_gross": max((row["gross"] for row in earned), default=0),
        "messages_bought": sum(row["source"] == "message" for row in earned),
        "last_purchase_at": max((row["at"] for row in earned), default=None),
        "is_top_spender": gross >= TOP_SPENDER_CENTS,
    }
