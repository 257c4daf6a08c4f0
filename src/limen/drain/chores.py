"""What is to be done again and again beside the drain. One list: whatever else comes is put into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from threading import Thread
from time import monotonic
from typing import Any

from limen.app import App
from limen.control import alerts, audit, channels, delivery, expiry, inbox, recording, replies
from limen.core.alerting import PACES
from limen.core.people import Actor
from limen.core.problems import StoreDown
from limen.db import changes, partitions, windows
from limen.drain.otlp import Pusher

LINKS = 1_000
"""Links of the audit's chain in one transaction: 50 ms, for which other writers wait."""

_STRETCH = 50
"""How many such transactions at a time: others want the drain too."""

_ALERTS_S = 1.0
"""For how long keys are looked at, at a time: the drain waits meanwhile. The next time it goes on from there."""

WORKER = Actor("worker", "chores")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done at most every *every_s* seconds. It is done again, and harmlessly, if it was cut off."""

    name: str
    every_s: float
    do: Callable[[App], object]
    beside: bool = False
    """Whether it waits for somebody else: it is done in a thread of its own then, and on every host."""


def lay_chain(app: App) -> None:
    """The chain reaches over every row of the audit, but for those of this moment."""
    with app.reading() as reader:
        if audit.waiting(reader).count == 0:  # so that an installation at rest is not written to
            return
    for _ in range(_STRETCH):
        if app.act(audit.lay, LINKS, actor=WORKER) < LINKS:
            return


def settle_outcomes(app: App) -> None:
    """What was answered before its reading was recorded is in the reading."""
    place: tuple[int, int] | None = (-1, -1)
    while place is not None:
        with app.reading() as reader:
            if not recording.waiting(reader, place):
                return
        place = app.note(recording.settle, place, actor=WORKER)


def forget_old(app: App) -> None:
    """What was recorded goes when its time is over."""
    for _ in range(_STRETCH):
        if not app.act(recording.purge, actor=WORKER):
            return


def hand_on(app: App) -> None:
    """What happened is on its way to whoever wants to be told."""
    for _ in range(_STRETCH):
        with app.reading() as reader:
            if not delivery.waiting(reader).events:
                return
        app.note(delivery.hand_on, actor=WORKER)


def forget_told(app: App) -> None:
    """Deliveries and messages go when their time is over."""
    while app.act(delivery.trim, actor=WORKER) or app.act(inbox.trim, actor=WORKER):
        continue


def raise_alerts(app: App, listed: dict[str, Any] | None = None) -> None:
    """Rules looked at the keys with news, each at its own pace; owners are told.

    Each pace has its share of the time, a page at least, and what those before it left of theirs. *listed*: by pace,
    the keys whose turn is to come, for the next time.
    """
    until, known = monotonic() + _ALERTS_S, {} if listed is None else listed
    for done, pace in enumerate(PACES):
        share = monotonic() + (until - monotonic()) / (len(PACES) - done)
        while True:
            with app.reading() as reader:
                looked = alerts.look(reader, pace, known.get(pace))
            if looked is None:
                break
            app.note(alerts.settle, looked, actor=WORKER)
            known[pace] = looked.listed
            if monotonic() >= share:
                break


def seal_anew(app: App) -> None:
    """No webhook's secret is sealed under a pepper that is to go."""
    with app.reading() as reader:
        if not channels.outdated(reader, app.ring.current):
            return
    while app.act(channels.reseal, actor=WORKER):
        continue


def find_the_dead(app: App) -> None:
    """Processes of other hosts that ended without a word are taken for dead, before a change has to wait for them."""
    if app.cluster is not None:
        app.cluster.undertaker.round()


CHORES = (
    Chore("audit", 0.25, lay_chain),
    Chore("outbox", 0.25, hand_on),
    Chore("expiry", 5.0, lambda app: app.act(expiry.mark, actor=WORKER)),
    Chore("outcomes", 2.0, settle_outcomes),
    Chore("retention", 600.0, forget_old),
    Chore("replies", 60.0, lambda app: app.act(replies.forget_old, actor=WORKER)),
    Chore("told", 600.0, forget_told),
    Chore("seals", 60.0, seal_anew),
    Chore("partitions", 3_600.0, lambda app: app.act(partitions.prepare, actor=WORKER)),
    Chore("windows", 60.0, lambda app: app.act(windows.clear, actor=WORKER)),
    Chore("changes", 600.0, lambda app: app.act(changes.trim, actor=WORKER)),
    Chore("nodes", 5.0, find_the_dead),
)

LAST_S = 2.0
"""How long whoever ends waits for what is done beside."""


def usual() -> tuple[Chore, ...]:
    """The chores, and those that know how far they came."""
    return (
        *CHORES,
        Chore("alerts", 5.0, partial(raise_alerts, listed={})),
        Chore("metrics", 60.0, Pusher(), beside=True),
    )


@dataclass(slots=True)
class Rota:
    """Whose turn it is, and what failed. One that fails stands in nobody's way, and has its turn again in time."""

    chores: tuple[Chore, ...] = field(default_factory=usual)
    failures: dict[str, Exception] = field(default_factory=dict, init=False)
    """What failed when it was last tried, by its name."""
    _done_at: dict[str, float] = field(default_factory=dict, init=False)
    _beside: dict[str, Thread] = field(default_factory=dict, init=False)

    def do(self, app: App) -> None:
        """Do the chores whose turn it is, unless another host is at it."""
        due = [chore for chore in self.chores if monotonic() - self._done_at.get(chore.name, -inf) >= chore.every_s]
        for chore in due:
            if chore.beside:
                self._begin(app, chore)
        ours = [chore for chore in due if not chore.beside]
        if not ours:
            return
        try:
            with app.store.alone() as alone:
                if alone:
                    for chore in ours:
                        self._do(app, chore)
        except StoreDown as error:
            self.failures |= {chore.name: error for chore in ours}

    def finish(self) -> None:
        """Wait for what is done beside, 2 s at most."""
        until = monotonic() + LAST_S
        for thread in self._beside.values():
            thread.join(max(0.0, until - monotonic()))

    def _begin(self, app: App, chore: Chore) -> None:
        before = self._beside.get(chore.name)
        if before is not None and before.is_alive():
            self.failures[chore.name] = TimeoutError("it is still at it since its last turn")
            self._done_at[chore.name] = monotonic()
            return
        thread = Thread(target=self._do, args=(app, chore), name=f"limen-{chore.name}", daemon=True)
        self._beside[chore.name] = thread
        self._done_at[chore.name] = monotonic()
        thread.start()

    def _do(self, app: App, chore: Chore) -> None:
        try:
            chore.do(app)
            self.failures.pop(chore.name, None)
        except Exception as error:  # whatever it is: the drain and the other chores go on
            self.failures[chore.name] = error
        self._done_at[chore.name] = monotonic()
