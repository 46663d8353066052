import numpy as np
import pytest

from flipsearch.constructors.closure import Leaf
from flipsearch.constructors.recipes import NAIVE, source
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import cuts, fitted, oriented, sorted_scheme
from flipsearch.search.members import formats_within
from flipsearch.search.pools import key_of
from flipsearch.search.strategies.meta import MetaStrategy
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
        if strategy.members["2x2x2"].best == 7:
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
        assert pool.pools.best_rank >= pool.best
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


def test_a_search_begins_with_the_plan_of_its_starts(seven: Scheme) -> None:
    strategy = MetaStrategy(formats_within(2, 4), Ring.ZT, 1, starts=[seven])
    ranks = {name: best for name, best, _ in strategy.table()}
    at_most = {"2x2x2": 7, "2x2x3": 11, "2x2x4": 14, "2x3x3": 17, "2x3x4": 22, "2x4x4": 28}
    at_most |= {"3x3x3": 26, "3x3x4": 34, "3x4x4": 44, "4x4x4": 49}
    assert ranks.keys() == at_most.keys()
    assert all(ranks[name] <= rank for name, rank in at_most.items())
    assert not any(member.pools.levels for member in strategy.members.values())
    for name, rank in ranks.items():
        scheme = strategy.held_scheme(parse_format(name).sides)
        assert is_valid(scheme)
        assert (str(scheme.format), scheme.rank) == (name, rank)
    assert not strategy.found()


def test_a_new_best_lowers_what_is_made_of_it(seven: Scheme) -> None:
    strategy = MetaStrategy(formats_within(2, 4), Ring.F3, 1)  # no formula is over F3
    assert strategy.members["4x4x4"].best == 64
    for member in strategy.members.values():
        member.idle = 1 << 60
    assert strategy.offer(seven.over(Ring.F3))
    assert strategy.members["4x4x4"].best == 49
    assert strategy.held_scheme((4, 4, 4)).rank == 49
    assert [str(scheme.format) for scheme in strategy.found()] == ["2x2x2"]
    assert strategy.members["4x4x4"].idle == 0
    assert [str(format_) for format_, _ in strategy.families()] == ["2x2x2"]


def test_formats_that_pay_are_drawn_and_idle_ones_rest(seven: Scheme) -> None:
    known = {"2x2x2": 7, "2x2x3": 11, "2x3x3": 15, "3x3x3": 23}
    strategy = MetaStrategy(formats_within(2, 3), Ring.F3, 1, known, [seven])
    members = strategy.members
    assert members["2x2x2"].weight < members["3x3x3"].weight < members["2x3x3"].weight
    before = members["2x3x3"].weight
    members["2x3x3"].idle = 1 << 60
    assert members["2x3x3"].weight < before / 10


def test_priorities_steer_the_draw(seven: Scheme) -> None:
    strategy = meta(starts=[seven])
    strategy.prioritise({"2x2x2": 0, "2x2x3": 0, "2x3x3": 0})
    assert {str(strategy.ask().format) for _ in range(10)} == {"3x3x3"}
    with pytest.raises(UsageError, match="4x4x4 is not among"):
        strategy.prioritise({"4x4x4": 2})
    with pytest.raises(UsageError, match="above 0"):
        strategy.prioritise(dict.fromkeys(strategy.members, 0))


def test_recipes_are_made_when_they_are_wanted(seven: Scheme) -> None:
    how = f"product {source(seven.content_hash, (2, 2, 2))} {source(NAIVE, (1, 1, 2))}"
    leaf = Leaf((2, 2, 4), 14, "f" * 64, how, Ring.ZT)
    strategy = MetaStrategy(formats_within(2, 4), Ring.F2, 1, starts=[seven], composed=[leaf])
    scheme = strategy.held_scheme((2, 2, 4))
    assert (scheme.rank, scheme.ring, is_valid(scheme)) == (14, Ring.F2, True)


def test_large_states_have_small_pools() -> None:
    strategy = MetaStrategy(formats_within(2, 16), Ring.F2, 1)
    widths = {name: member.pools.width for name, member in strategy.members.items()}
    assert (widths["2x2x2"], widths["16x16x16"]) == (64, 2)


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
    strategy = MetaStrategy(formats_within(2, 3), Ring.F3, 1)
    wide = permute(extend(seven, "p"), (2, 0, 1))
    assert wide.format.sides == (3, 2, 2)
    assert strategy.offer(wide.over(Ring.F3))
    assert strategy.members["2x2x3"].best == 11
    assert not strategy.offer(seven.over(Ring.F2))
    assert not strategy.offer(naive_scheme(parse_format("4x4x4"), Ring.ZT))


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


def test_projections_over_a_field_are_made_in_several_bases(seven: Scheme) -> None:
    scheme = merge(seven, seven, "p")
    wanted = {(2, 2, 3): 13}

    def held(*sides: int) -> int:
        return wanted.get(tuple(sorted(sides)), 0)

    ternary = list(cuts(scheme, held, np.random.default_rng(0)))
    binary = list(cuts(scheme.over(Ring.F2), held, np.random.default_rng(0)))
    assert {cut.rank for cut in ternary} == {11}
    assert len(binary) > len(ternary)
    assert {cut.rank for cut in binary} <= {11, 12}
    assert all(is_valid(cut) for cut in (*ternary, *binary))


def test_tasks_are_walks_of_their_pool(seven: Scheme) -> None:
    strategy = MetaStrategy(formats_within(2, 3), Ring.ZT, 4, starts=[seven])
    seeds = set()
    for _ in range(20):
        task = strategy.ask()
        assert isinstance(task, WalkTask)
        assert is_valid(unpack(task.format, task.ring, task.start))
        assert task.policy.stop_rank == strategy.members[str(task.format)].best - 1
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
