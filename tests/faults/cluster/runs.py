"""One schedule, carried out on a cluster; and what the checker says of what happened."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Timer
from typing import Any

from tests.faults.cluster.hand import drawn
from tests.faults.cluster.history import ADMITTED, FENCE, UNKNOWN, Change, Seen, State, unexplained
from tests.faults.cluster.members import Cluster, Gone, Member
from tests.faults.cluster.plan import OF_OWNERS, OWNERS, TEXTS, Fault, Order, Plan, text_of
from tests.faults.processes import ANSWER_S, START_S

ASKERS, PAUSE_S = 3, 0.003
"""How many askers each node has, and how long each of them waits between two asks; one more asks for every key, and
waits eight times as long: a key that is not held costs a hundred times as much as one that is."""

BACK_S = 5.0
"""Within what time after the last fault every node answers for every key, on a machine that has other things to do."""

KILLED = "killed"


@dataclass(slots=True)
class Made:
    """One change as it was asked for, and what came of it."""

    order: Order
    change: Change
    outcome: str
    detail: str = ""

    @property
    def took_s(self) -> float:
        """How long it took to answer."""
        return self.change.ended - self.change.began


@dataclass(slots=True)
class Run:
    """What happened in one schedule."""

    plan: Plan
    made: list[Made] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    wrong: dict[int, list[Seen]] = field(default_factory=dict)
    """By owner: verifications that no order of the changes explains."""
    silent: dict[str, list[int]] = field(default_factory=dict)
    """By node: texts for which it had no answer after all faults were over."""

    def changes(self, owner: int, fence: Change) -> list[Change]:
        """The changes of one owner that were made, or may have been."""
        return [made.change for made in self.made if made.order.owner == owner and made.outcome != "refused"] + [fence]

    def report(self) -> str:
        """What a person needs to see what went wrong."""
        lines = [str(self.plan)]
        for owner, wrong in self.wrong.items():
            lines.append(f"  owner {owner}:")
            for made in self.made:
                if made.order.owner == owner:
                    told = made.order
                    lines.append(
                        f"    {made.change.began:.4f}..{made.change.ended:.4f} {told.verb} {told.text} "
                        f"{told.successor} by hand{told.hand}: {made.outcome} {made.detail}"
                    )
            lines += [f"    {seen} IS NOT EXPLAINED" for seen in wrong]
        return "\n".join(lines)


class Runner:
    """Carries out schedules on *cluster*, one after another."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.prepared: set[int] = set()

    def prepare(self, seeds: list[int]) -> None:
        """What the schedules of *seeds* need before they begin."""
        for seed in seeds:
            if seed not in self.prepared:
                self.cluster.prepare(f"s{seed}", [_draw(seed, text_of(owner, 0)) for owner in range(OWNERS)])
                self.prepared.add(seed)

    def run(self, plan: Plan) -> Run:
        """Carry it out: all that happened, checked."""
        self.prepare([plan.seed])
        run, cluster = Run(plan), self.cluster
        texts = [drawn(_draw(plan.seed, text))[1] for text in range(OWNERS * TEXTS)]
        begin = {"texts": texts, "askers": ASKERS, "pause_s": PAUSE_S}
        for node in cluster.nodes:
            for ledger in node.ledgers:
                ledger.clear()
            node.begin = begin
            node.do(ANSWER_S, do="begin", **begin)
        self._act(run, time.monotonic())
        self.heal()
        for node in cluster.nodes:
            node.tell(do="rest")
        for node in cluster.nodes:
            node.answer(ANSWER_S)
        cluster.settle()
        fence = self._fence()
        for node in cluster.nodes:
            node.tell(do="look", seconds=BACK_S)
        for node in cluster.nodes:
            if silent := node.answer(ANSWER_S)["answer"]:
                run.silent[node.name] = silent
        for number, node in enumerate(cluster.nodes):
            run.seen += [seen for ledger in node.ledgers for seen in ledger.read(number)]
            node.ledgers = node.ledgers[-1:]
        self._check(run, fence)
        return run

    def _check(self, run: Run, fence: Change) -> None:
        for owner in range(OWNERS):
            start = State(keys=((text_of(owner, 0), "active"),))
            seen = [each for each in run.seen if each.text // TEXTS == owner]
            if wrong := unexplained(start, run.changes(owner, fence), seen):
                run.wrong[owner] = wrong

    def _fence(self) -> Change:
        began = time.monotonic()
        self.cluster.act(lambda tx: tx.change("owner", subject=b"nobody"))
        return Change(FENCE, began=began, ended=time.monotonic())

    def _act(self, run: Run, began: float) -> None:
        """All changes and faults of the plan, at their times."""
        again = Queue[Order]()  # a SimpleQueue's timed get by two threads may wait for ever (CPython 3.11.7)
        pool = ThreadPoolExecutor(len(self.cluster.hands), thread_name_prefix="hands")
        hands = [pool.submit(self._hand, run, number, began, again) for number in range(len(self.cluster.hands))]
        self.suffer(run.plan.faults, began, run.plan.lasts)
        for hand in hands:
            hand.result(START_S + 2 * ANSWER_S)  # it may have been born again
        pool.shutdown()

    def suffer(self, faults: Sequence[Fault], began: float, lasts: float) -> None:
        """All *faults* at their times, since *began*; after so long no fault is left, but for who is dead."""
        moments: list[tuple[float, Callable[[], None]]] = []
        for fault in faults:
            begin, end = self.fault(fault)
            moments += [(fault.at, begin), (min(lasts, fault.at + fault.lasts), end)]
        for at, action in sorted(moments, key=lambda moment: moment[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            action()
        time.sleep(max(0.0, began + lasts - time.monotonic()))
        self.mend()

    def _hand(self, run: Run, number: int, began: float, again: Queue[Order]) -> None:
        """What one hand does in a schedule; and what the other was killed at."""
        own = [order for order in run.plan.orders if order.hand == number]
        end = began + run.plan.lasts
        while time.monotonic() < end:
            due = began + own[0].at if own else end
            try:
                order = again.get(timeout=max(0.0, min(due, end) - time.monotonic()))
            except Empty:
                if not own:
                    return
                order = own.pop(0)
            made = self._make(run.plan, number, order)
            if made is None:
                return
            run.made.append(made)
            if made.outcome == "unknown" and order.at and order.verb not in ("issue", "regenerate"):
                again.put(Order(0.0, order.hand, order.owner, order.verb, order.text))  # once, and before a birth
            if made.detail == KILLED:
                self.cluster.hands[number].be_born()

    def _make(self, plan: Plan, number: int, order: Order) -> Made | None:
        """Let hand *number* carry out *order*; None where it cannot be told."""
        hand, asked = self.cluster.hands[number], time.monotonic()
        about = {"owner": f"s{plan.seed}-{order.owner}"}
        drawn_by = order.successor if order.successor >= 0 else order.text
        if order.text >= 0:
            about["key"] = drawn(_draw(plan.seed, order.text))[0]
        change = Change(order.verb, -1 if order.verb in OF_OWNERS else order.text, order.successor, asked)
        try:
            hand.ready()
            hand.tell(verb=order.verb, seed=_draw(plan.seed, max(0, drawn_by)), **about)
        except Gone:
            hand.be_born()
            return Made(order, change, "refused", "there was nobody to ask")
        killing = Timer(order.killed_after or 0, hand.kill)
        if order.killed_after is not None:
            killing.start()
        answer: dict[str, Any] | None = None
        try:
            with suppress(Gone):
                answer = hand.answer(ANSWER_S)
        finally:
            killing.cancel()
            if killing.ident is not None:
                killing.join()  # whoever is born now is not whom it was to kill
        if answer is None:
            return Made(order, change, "unknown", KILLED)
        ended = answer["ended"] if answer["outcome"] == "done" else math.inf
        change = Change(change.verb, change.text, change.successor, answer["began"], ended)
        return Made(order, change, answer["outcome"], answer["detail"])

    def fault(self, fault: Fault) -> tuple[Callable[[], None], Callable[[], None]]:
        """What begins *fault*, and what ends it."""
        cluster = self.cluster
        members = [cluster.members[name] for name in fault.members]
        ways = [way for member in members for way in member.ways]

        def of_all(*acts: Callable[[], object]) -> Callable[[], None]:
            def all_of_them() -> None:
                for act in acts:
                    act()

            return all_of_them

        heal = of_all(*(way.heal for way in ways))
        direction = {fault.kind.split()[-1]: True}
        match fault.kind:
            case "stop":
                return (
                    of_all(*(lambda m=member: m.signal(signal.SIGSTOP) for member in members)),
                    of_all(*(lambda m=member: m.signal(signal.SIGCONT) for member in members)),
                )
            case "kill":
                nodes = [member for member in members if member.role == "node"]  # a hand is born by who uses it
                return of_all(*(member.kill for member in members)), of_all(*(node.be_born for node in nodes))
            case "hold up" | "hold down":
                return of_all(*(lambda w=way: w.hold(**direction) for way in ways)), heal
            case "lose up" | "lose down":
                return of_all(*(lambda w=way: w.lose(**direction) for way in ways)), heal
            case "partition":
                return of_all(*(way.partition for way in ways)), heal
            case "delay":
                return of_all(*(lambda w=way: w.delay(up_s=fault.amount, down_s=fault.amount) for way in ways)), heal
            case "reset":
                return of_all(*(way.reset for way in ways)), of_all(*(way.reset for way in ways))
            case "refuse":
                return of_all(*(way.refuse for way in ways), *(way.reset for way in ways)), heal
            case "empty":
                return cluster.empty_counters, of_all()
            case "restart":
                return cluster.postgres.stop, cluster.start_database
            case "server clock":
                return of_all(lambda: cluster.set_clock(fault.amount)), of_all(lambda: cluster.set_clock(0))
            case _:
                name = {"wall clock": "ahead_s", "slow loads": "load_s", "slow renewals": "renewal_s"}[fault.kind]
                return (
                    of_all(*(lambda m=member: _hook(m, name, fault.amount) for member in members)),
                    of_all(*(lambda m=member: _hook(m, name, 0.0) for member in members)),
                )

    def mend(self) -> None:
        """No fault is left, but for who is dead."""
        self.cluster.start_database()
        for proxy in self.cluster.proxies:
            proxy.heal()
        for member in self.cluster.members.values():
            member.signal(signal.SIGCONT)
        self.cluster.set_clock(0)

    def heal(self) -> None:
        """All members live and are ready."""
        for member in self.cluster.members.values():
            if not member.lives_now():
                member.be_born()
        for member in self.cluster.members.values():
            member.ready()
            if member.role == "node":
                member.tell(do="hooks", ahead_s=0.0, load_s=0.0, renewal_s=0.0)


def _hook(member: Member, name: str, value: float) -> None:
    with suppress(Gone):
        member.tell(do="hooks", **{name: value})


def _draw(seed: int, text: int) -> int:
    """The seed by which the key of a *text* of the schedule of *seed* is made."""
    return seed * 1_000 + text


def admitted(seen: list[Seen]) -> int:
    """How many of *seen* were admitted."""
    return sum(each.result == ADMITTED for each in seen)


def unanswered(seen: list[Seen]) -> int:
    """How many of *seen* had no answer."""
    return sum(each.result == UNKNOWN for each in seen)
