import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import (
    PROJECTED_BASES,
    fitted,
    neighbours,
    oriented,
    sorted_scheme,
)
from flipsearch.search.pools import key_of
from flipsearch.search.strategies.meta import MetaStrategy, formats_within
from flipsearch.transform import extend, merge, permute, product
from flipsearch.verify import is_valid
from flipsearch.walk.engine import walk
from flipsearch.walk.task import WalkOutcome, WalkTask, pack, unpack

QUICK = ((20_000, 4_000, 3), (60_000, 6_000, 4))


def meta(seed: int = 1, **options: object) -> MetaStrategy:
    settings: dict[str, object] = {"known": {"2x2x2": 7, "2x2x3": 11}, "schedules": QUICK}
    return MetaStrategy(formats_within(2, 3), Ring.F2, seed, **(settings | options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def seven() -> Scheme:
    strategy = MetaStrategy([parse_format("2x2x2")], Ring.ZT, 3, {"2x2x2": 7}, schedules=QUICK)
    for _ in range(50):
        strategy.tell(walk(strategy.ask()))
        if strategy.held_rank((2, 2, 2)) == 7:
            break
    return strategy.held_scheme((2, 2, 2))


def test_formats_within() -> None:
    assert [str(f) for f in formats_within(2, 3)] == ["2x2x2", "2x2x3", "2x3x3", "3x3x3"]
    assert len(formats_within(2, 8)) == 84
    with pytest.raises(UsageError, match="range"):
        formats_within(3, 2)


def test_a_run_finds_small_ranks_and_passes_them_on() -> None:
    strategy = meta()
    for _ in range(60):
        strategy.tell(walk(strategy.ask()))
    ranks = {name: best for name, best, _ in strategy.table()}
    assert ranks["2x2x2"] == 7
    assert ranks["2x2x3"] == 11
    assert ranks["2x3x3"] <= 16
    assert ranks["3x3x3"] <= 25
    found = strategy.found()
    assert found
    assert not strategy.found()
    for scheme in found:
        assert is_valid(scheme)
        assert scheme.rank < scheme.format.naive_rank
    for name, pool in strategy.members.items():
        assert min(pool.pools.levels) == pool.best
        for rank, states in pool.pools.levels.items():
            assert rank <= pool.best + strategy.slack
            for state in states:
                assert len(state) == rank
                assert is_valid(unpack(parse_format(name), Ring.F2, state))


def test_runs_replay_and_resume() -> None:
    first, second = meta(seed=9), meta(seed=9)
    saved = None
    for number in range(12):
        if number == 6:
            saved = first.state()
        one, two = first.ask(), second.ask()
        assert (one.seed, str(one.format), one.steps) == (two.seed, str(two.format), two.steps)
        assert np.array_equal(one.start, two.start)
        first.tell(walk(one))
        second.tell(walk(two))
    resumed = meta(seed=9)
    assert saved is not None
    resumed.restore(saved)
    for _ in range(6):
        resumed.tell(walk(resumed.ask()))
    assert resumed.table() == first.table()
    assert resumed.ask().seed == first.ask().seed


def test_stale_and_broken_outcomes_are_ignored() -> None:
    strategy = meta()
    task = strategy.ask()
    outcome = walk(task)
    broken = WalkOutcome(
        task.number, outcome.best, outcome.final, outcome.history, *[0] * 4, "broken"
    )
    before = strategy.table()
    strategy.tell(broken)
    assert strategy.table() == before
    strategy.tell(outcome)  # its task has been told already
    assert strategy.table() == before


def test_offered_schemes_spread(seven: Scheme) -> None:
    strategy = MetaStrategy(formats_within(2, 4), Ring.ZT, 1, starts=[seven])
    pieces = 0
    while strategy.beginning:
        strategy.begin()
        pieces += 1
    assert pieces > 5
    ranks = {name: best for name, best, _ in strategy.table()}
    at_most = {"2x2x2": 7, "2x2x3": 11, "2x2x4": 14, "2x3x3": 17, "2x3x4": 22, "2x4x4": 28}
    at_most |= {"3x3x3": 26, "3x3x4": 34, "3x4x4": 44, "4x4x4": 49}
    assert ranks.keys() == at_most.keys()
    assert all(ranks[name] <= rank for name, rank in at_most.items())
    for pool in strategy.members.values():
        for states in pool.pools.levels.values():
            assert all(is_valid(unpack(pool.format, Ring.ZT, state)) for state in states)


def test_a_beginning_is_saved_and_goes_on(seven: Scheme) -> None:
    first = MetaStrategy(formats_within(2, 3), Ring.ZT, 1, starts=[seven])
    first.begin()
    assert first.beginning
    again = MetaStrategy(formats_within(2, 3), Ring.ZT, 1)
    assert not again.beginning
    again.restore(first.state())
    assert again.beginning
    for strategy in (first, again):
        while strategy.beginning:
            strategy.begin()
    assert again.table() == first.table()
    assert again.ask().seed == first.ask().seed


def test_pools_hold_distinct_states() -> None:
    strategy = meta(seed=2, width=8)
    for _ in range(60):
        strategy.tell(walk(strategy.ask()))
    resumed = meta(seed=2, width=8)
    resumed.restore(strategy.state())
    for each in (strategy, resumed):
        for pool in each.members.values():
            for rank, states in pool.pools.levels.items():
                assert len(states) <= 8
                assert len({key_of(state) for state in states}) == len(states)
                assert pool.pools._known[rank] == {key_of(state) for state in states}


def test_offers_in_any_orientation(seven: Scheme) -> None:
    strategy = meta()
    wide = permute(extend(seven, "p").over(Ring.F2), (2, 0, 1))
    assert wide.format.sides == (3, 2, 2)
    assert strategy.offer(wide)
    assert strategy.held_rank((2, 3, 2)) == 11
    assert not strategy.offer(seven)  # over another ring
    assert not strategy.offer(naive_scheme(parse_format("4x4x4"), Ring.F2))


def test_refusals() -> None:
    with pytest.raises(UsageError, match="F2, F3 and ZT"):
        MetaStrategy(formats_within(2, 2), Ring.Q, 0)
    with pytest.raises(UsageError, match="general"):
        MetaStrategy([parse_format("ug:2x2x2")], Ring.F2, 0)
    with pytest.raises(UsageError, match="not of this meta run"):
        meta(seed=1).restore(meta(seed=2).state())


def test_oriented_schemes(seven: Scheme) -> None:
    scheme = merge(seven, product(seven, naive_scheme(parse_format("1x1x2"), Ring.ZT)), "p")
    assert scheme.format.sides == (2, 2, 6)
    for sides in ((2, 6, 2), (6, 2, 2), (2, 2, 6)):
        turned = oriented(scheme, sides)
        assert is_valid(turned)
        assert turned.format.sides == sides
        assert sorted_scheme(turned).format.sides == (2, 2, 6)


class Everything:
    """A table that holds naive schemes of all small formats and wants everything."""

    def held_rank(self, sides: tuple[int, int, int]) -> int | None:
        return sides[0] * sides[1] * sides[2] if max(sides) <= 4 else None

    def held_scheme(self, sides: tuple[int, int, int]) -> Scheme:
        return naive_scheme(MatrixProduct(*sorted(sides)), Ring.ZT)

    def worth(self, sides: tuple[int, int, int], rank: int) -> bool:
        return max(sides) <= 4 and min(sides) > 1


def test_every_neighbour_is_a_scheme(seven: Scheme) -> None:
    scheme = merge(seven, seven, "p")
    reached = set()
    for other in neighbours(scheme, Everything(), np.random.default_rng(0)):
        assert is_valid(other)
        reached.add(tuple(sorted(other.format.sides)))
    assert {(2, 2, 3), (2, 3, 4), (2, 4, 4), (4, 4, 4)} <= reached


def test_projections_over_a_field_are_made_in_several_bases(seven: Scheme) -> None:
    class Projections(Everything):
        def worth(self, sides: tuple[int, int, int], rank: int) -> bool:
            return sorted(sides) == [2, 2, 3]

    scheme = merge(seven, seven, "p")
    ternary = list(neighbours(scheme, Projections(), np.random.default_rng(0)))
    binary = list(neighbours(scheme.over(Ring.F2), Projections(), np.random.default_rng(0)))
    assert len(ternary) == 4
    assert {cut.rank for cut in ternary} == {11}
    assert len(binary) == 4 * PROJECTED_BASES
    assert len({cut.rank for cut in binary}) > len({cut.rank for cut in ternary})
    assert all(is_valid(cut) for cut in binary)


def test_tasks_are_walks_of_their_pool(seven: Scheme) -> None:
    strategy = MetaStrategy(formats_within(2, 3), Ring.ZT, 4, starts=[seven])
    seeds = set()
    for _ in range(20):
        task = strategy.ask()
        assert isinstance(task, WalkTask)
        assert is_valid(unpack(task.format, task.ring, task.start))
        assert task.policy.stop_rank == strategy.held_rank(task.format.sides) - 1  # type: ignore[operator]
        seeds.add(task.seed)
    assert len(seeds) == 20
    assert len(pack(seven)) == 7


def test_a_scheme_is_fitted_to_a_larger_format(seven: Scheme) -> None:
    for name, rank in (("2x2x2", 7), ("2x2x3", 11), ("3x2x2", 11), ("3x3x3", 7 + 27 - 8)):
        larger = fitted(seven, parse_format(name))
        assert (str(larger.format), larger.rank) == (name, rank)
        assert is_valid(larger)
    turned = fitted(naive_scheme(parse_format("2x3x4"), Ring.F2), parse_format("4x2x4"))
    assert (str(turned.format), turned.rank, is_valid(turned)) == ("4x2x4", 32, True)
    tied = fitted(naive_scheme(parse_format("st:2x2x2"), Ring.F3), parse_format("st:4x4x4"))
    assert tied.rank <= tied.format.naive_rank
    assert is_valid(tied)
    for own, name in (("2x2x4", "3x3x3"), ("st:2x2x2", "wt:3x3x3"), ("ug:2x2x3", "ug:3x3x2")):
        with pytest.raises(
            UsageError, match=f"a scheme of {own} cannot start a search for {name}"
        ):
            fitted(naive_scheme(parse_format(own), Ring.F2), parse_format(name))
