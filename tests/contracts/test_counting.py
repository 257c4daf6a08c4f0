"""The contract of whatever holds windows for several processes: it agrees with the definition, claim by claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limen.core.limits import Limit
from limen.gate.counting import Answer, Authority, Claim, Grant, Request, Return
from tests.contracts.authorities import AUTHORITIES, SLACK_S, Made, MemoryWindows, Moved, NewAuthority, request
from tests.contracts.servers import SERVERS

LIMIT = Limit("allowance", 3, 10)
NAMES = ("allowance", "operation:send", "emergency")

limits = st.builds(Limit, st.sampled_from(NAMES), st.integers(0, 9), st.sampled_from([50, 200]), st.booleans())
whoses = st.sampled_from([b"a", b"b", b"\0\xff"])
gaps = st.sampled_from([0.0, 0.0, 2.5, 10.0, 49.0, 50.0, 197.5, 200.0, 600.0])


@st.composite
def claims(draw: st.DrawFn) -> Request:
    """What one request asks for: several windows of a name, shadows and shares among them."""
    wanted = draw(st.lists(limits, min_size=1, max_size=4, unique_by=lambda limit: limit.windows))
    found = []
    for limit in wanted:
        least = draw(st.sampled_from([1, 1, 1, 2]))
        found.append(Claim(limit, draw(whoses), least, least + draw(st.integers(0, 6)), draw(st.integers(1, 4))))
    return tuple(found)


steps = st.lists(st.tuples(st.lists(claims(), min_size=1, max_size=3), gaps, st.integers(0, 3)), max_size=25)


@pytest.fixture(scope="module", params=[*AUTHORITIES, *SERVERS])
def new_authority(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewAuthority]:
    """Makes authorities of one kind, each with no window open."""
    made: list[Made] = []
    kind = request.param
    make = SERVERS[kind](request) if kind in SERVERS else AUTHORITIES[kind](tmp_path_factory.mktemp(kind))

    def new() -> Made:
        made.append(make())
        return made[-1]

    yield new
    for each in made:
        each.authority.close()


def _same(found: Answer, expected: Answer, made: Made) -> None:
    assert found.granted == expected.granted
    for grant, other in zip(found.grants, expected.grants, strict=True):
        assert grant[:2] == other[:2]
        assert grant.ends_in == pytest.approx(other.ends_in, abs=1e-6 if made.exact else SLACK_S)
        assert (grant.opened == 0) == (other.opened == 0)


@pytest.mark.req("R41", "R115", "R118", "R119", "R120")
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(steps)
def test_it_agrees_with_the_definition_claim_by_claim(
    new_authority: NewAuthority, steps: list[tuple[list[Request], float, int]]
) -> None:
    """Of each batch some of what was granted last is given back with the next."""
    made, clock = new_authority(), Moved()
    oracle = MemoryWindows(clock)
    ours: list[Return] = []
    theirs: list[Return] = []
    for batch, gap, back in steps:
        made.advance(gap)
        clock.advance(gap)
        found, expected = made.authority.decide(batch, ours), oracle.decide(batch, theirs)
        for answer, other in zip(found, expected, strict=True):
            _same(answer, other, made)
        ours, theirs = _given_back(batch, found, back), _given_back(batch, expected, back)


def _given_back(batch: Sequence[Request], answers: Sequence[Answer], units: int) -> list[Return]:
    pairs = [
        pair for asked, answer in zip(batch, answers, strict=True) for pair in zip(asked, answer.grants, strict=True)
    ]
    return [
        Return(claim.limit, claim.whose, grant.opened, min(units, grant.units))
        for claim, grant in pairs
        if units and grant.units
    ]


def _take(authority: Authority, limit: Limit, whose: bytes = b"a", **more: int) -> Grant:
    return authority.decide([(Claim(limit, whose, **more),)])[0].grants[0]


def test_a_claim_is_given_its_part_of_what_is_free(new_authority: NewAuthority) -> None:
    made, limit = new_authority(), Limit("allowance", 1_000, 60)
    shares = [_take(made.authority, limit, most=200, parts=8).units for _ in range(3)]
    assert shares == [125, 109, 95]
    assert _take(made.authority, limit, most=50, parts=8)[:2] == (50, 1_000 - 125 - 109 - 95 - 50)
    assert _take(made.authority, limit, least=700, most=700).units == 0, "the least, or nothing"
    assert _take(made.authority, limit, least=621, most=621, parts=8)[:2] == (621, 0)
    assert _take(made.authority, limit, most=200, parts=8)[:2] == (0, 0)


def test_no_limit_is_taken_from_where_another_refuses(new_authority: NewAuthority) -> None:
    authority = new_authority().authority
    wide, narrow = (Limit("allowance", 5, 60), b"a"), (Limit("operation:send", 1, 60), b"a")
    assert authority.decide([request(wide, narrow)])[0].granted
    for answer in authority.decide([request(wide, narrow), request(narrow, wide)]):
        assert not answer.granted
        assert [grant.units for grant in answer.grants] == [0, 0]
    assert authority.decide([request(wide)])[0].grants[0].free == 3


@pytest.mark.req("R123")
def test_a_shadow_limit_counts_and_never_refuses(new_authority: NewAuthority) -> None:
    authority = new_authority().authority
    real, shadow = (Limit("allowance", 4, 60), b"a"), (Limit("allowance", 2, 60, shadow=True), b"a")
    answers = authority.decide([request(shadow, real)] * 5)
    assert [answer.granted for answer in answers] == [True] * 4 + [False]
    assert [answer.grants[0].units for answer in answers] == [1, 1, 0, 0, 0]
    assert authority.decide([request(shadow)])[0].granted


@pytest.mark.req("R123")
@pytest.mark.check("C062")
@pytest.mark.parametrize(("count", "free"), [(1, -1), (3, -1), (4, 0), (6, 2)])
def test_what_was_used_stays_used_when_the_count_changes(new_authority: NewAuthority, count: int, free: int) -> None:
    """-1: refused."""
    authority = new_authority().authority
    assert _take(authority, Limit("allowance", 5, 60), least=3, most=3).units == 3
    answer = authority.decide([request((Limit("allowance", count, 60), b"a"))])[0]
    assert (answer.grants[0].free if answer.granted else -1) == free
    assert authority.decide([request((Limit("allowance", 5, 600), b"a"))])[0].grants[0].free == 4, "another length"


@pytest.mark.req("R115")
def test_a_window_refills_completely_and_only_when_it_ends(new_authority: NewAuthority) -> None:
    made, limit = new_authority(), Limit("allowance", 3, 100)
    assert [_take(made.authority, limit).units for _ in range(4)] == [1, 1, 1, 0]
    made.advance(90)
    last = _take(made.authority, limit)
    assert last.units == 0
    assert last.ends_in == pytest.approx(10, abs=SLACK_S)
    made.advance(last.ends_in)
    first = _take(made.authority, limit, most=3)
    assert (first.units, first.free) == (3, 0), "waiting as long as was said is enough"
    assert first.ends_in == pytest.approx(100, abs=SLACK_S)
    assert first.opened != last.opened


def test_a_limit_of_nothing_opens_no_window(new_authority: NewAuthority) -> None:
    made = new_authority()
    assert _take(made.authority, Limit("allowance", 0, 60)) == Grant(0, 0, 60.0, 0)
    made.advance(30)
    assert _take(made.authority, Limit("allowance", 1, 60)).ends_in == pytest.approx(60, abs=SLACK_S)


def test_what_is_given_back_is_free_again_and_moves_no_window(new_authority: NewAuthority) -> None:
    made, limit = new_authority(), Limit("allowance", 10, 100)
    grant = _take(made.authority, limit, most=10)
    made.advance(40)
    answer = made.authority.decide([request((limit, b"a"))], [Return(limit, b"a", grant.opened, 4)])[0]
    assert answer.grants[0][:2] == (1, 3)
    assert answer.grants[0].ends_in == pytest.approx(60, abs=SLACK_S)


@pytest.mark.check("C058")
def test_what_is_given_back_late_is_not_taken_from_the_next_window(new_authority: NewAuthority) -> None:
    made, limit = new_authority(), Limit("allowance", 10, 100)
    early = _take(made.authority, limit, most=10)
    made.advance(100)
    assert made.authority.decide([], [Return(limit, b"a", early.opened, 5)]) == []
    assert _take(made.authority, limit, most=10).units == 10
    for _ in range(2):
        made.authority.decide([], [Return(limit, b"a", early.opened, 5), Return(limit, b"nobody", early.opened, 5)])
    assert _take(made.authority, limit).units == 0


@pytest.mark.check("C058")
def test_of_a_thousand_at_once_for_the_last_one_exactly_one_is_admitted(new_authority: NewAuthority) -> None:
    authority, at_once, each = new_authority().authority, 20, 50
    limit, wide = Limit("allowance", 101, 600), Limit("emergency", 10_000, 600)
    assert _take(authority, limit, least=100, most=100).units == 100
    barrier, admitted = Barrier(at_once), list[bool]()

    def crowd() -> None:
        barrier.wait()
        for _ in range(each // 10):
            answers = authority.decide([request((limit, b"a"), (wide, b""))] * 10)
            admitted.extend(answer.granted for answer in answers)

    threads = [Thread(target=crowd) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == at_once * each
    assert sum(admitted) == 1
    assert _take(authority, wide, b"").free == 10_000 - 2


class _Greedy(MemoryWindows):
    """A build that grants what is asked for, whatever is free. Broken."""

    def _answer(self, request: Request) -> Answer:
        return super()._answer(tuple(claim._replace(parts=1) for claim in request))


class _Careless(MemoryWindows):
    """A build that takes back what is of another window. Broken."""

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        known = [self.kept.get((given.limit.windows, given.whose)) for given in returns]
        renamed = [
            given._replace(opened=0 if kept is None else kept.opened)
            for given, kept in zip(returns, known, strict=True)
        ]
        return super().decide(requests, renamed)


class _Partial(MemoryWindows):
    """A build that takes from the limits that have room, also where another refuses. Broken."""

    def _answer(self, request: Request) -> Answer:
        answers = [super(_Partial, self)._answer((claim,)) for claim in request]
        return Answer(all(each.granted for each in answers), tuple(each.grants[0] for each in answers))


CONTRACT: dict[type[MemoryWindows], Callable[[NewAuthority], None]] = {
    _Greedy: test_a_claim_is_given_its_part_of_what_is_free,
    _Careless: test_what_is_given_back_late_is_not_taken_from_the_next_window,
    _Partial: test_no_limit_is_taken_from_where_another_refuses,
}


@pytest.mark.parametrize("broken", CONTRACT)
def test_a_build_that_counts_otherwise_is_caught(broken: type[MemoryWindows]) -> None:
    clock = Moved()
    with pytest.raises(AssertionError):
        CONTRACT[broken](lambda: Made(broken(clock), clock.advance))


def test_the_host_file_is_the_same_for_whoever_opens_it(tmp_path: Path) -> None:
    from limen.gate.windows import HostWindows

    one, other = HostWindows(tmp_path, "creator"), HostWindows(tmp_path, "creator")
    assert [_take(each, LIMIT).units for each in (one, other, one, other)] == [1, 1, 1, 0]
    one.close()
    other.close()
