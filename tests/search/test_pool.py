"""The pool strategy: a deterministic function of its seed and of what it is told."""

from itertools import pairwise

import numpy as np
import pytest
from scheme_samples import strassen

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.constructors import construct
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.ladder import Descent, draw_ladder, removable
from flipsearch.search.pools import Pools, can_flip, key_of
from flipsearch.search.registry import best_held
from flipsearch.search.request import Request
from flipsearch.search.strategies.pool import STEPS, PoolStrategy
from flipsearch.search.strategy import task_seed
from flipsearch.transform.dimensions import extend
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkTask, pack, unpack


def drive(strategy: PoolStrategy, tasks: int) -> None:
    for _ in range(tasks):
        if strategy.finished:
            return
        strategy.tell(engine.walk(strategy.ask()))


@pytest.mark.parametrize(("ring", "name", "rank"), [("F2", "2x2x3", 11), ("ZT", "2x2x2", 7)])
def test_reaches_known_ranks(ring, name, rank):
    strategy = PoolStrategy(parse_format(name), Ring(ring), seed=1, target=rank)
    drive(strategy, 200)
    assert strategy.finished
    for state in strategy.best_states():
        verify(unpack(strategy.format, strategy.ring, state))


def test_same_seed_same_run_and_resumes_where_it_was():
    def fresh(seed: int) -> PoolStrategy:
        return PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=seed, steps=20_000)

    whole, halves, other = fresh(5), fresh(5), fresh(6)
    drive(whole, 40)
    drive(halves, 20)
    resumed = fresh(5)
    resumed.restore(halves.state())
    drive(resumed, 20)
    drive(other, 40)
    assert whole.sizes == resumed.sizes
    keys = {key_of(state) for states in whole.levels.values() for state in states}
    assert keys == {key_of(state) for states in resumed.levels.values() for state in states}
    assert keys != {key_of(state) for states in other.levels.values() for state in states}


def test_a_key_does_not_depend_on_the_order_of_rows():
    state = pack(naive_scheme(parse_format("2x3x2"), Ring.ZT))
    shuffled = state[np.random.default_rng(0).permutation(len(state))]
    assert key_of(state) == key_of(shuffled)
    changed = state.copy()
    changed[0, 0, 0] ^= np.uint64(2)
    assert key_of(state) != key_of(changed)


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.ZT])
@pytest.mark.parametrize("name", ["2x2x2", "9x9x9"])
def test_can_flip_agrees_with_factors_equal_up_to_sign(ring, name):
    format_ = parse_format(name)
    start = pack(naive_scheme(format_, ring))
    state = engine.reference(WalkTask(format_, ring, start, 1, 300, Policy(50, 3))).final
    for rows in (1, 2, 3, 5, len(state)):
        part = state[:rows]
        seen = []
        for slot in range(3):
            words = part.shape[2] if ring is Ring.F2 else part.shape[2] // 2
            for row in part[:, slot].tolist():
                bits = [(w >> b) & 1 for w in row[:words] for b in range(64)]
                minus = [(w >> b) & 1 for w in row[words:] for b in range(64)] or [0] * len(bits)
                vector = [b * (1 - 2 * m) for b, m in zip(bits, minus, strict=True)]
                lead = next(x for x in vector if x)
                seen.append((slot, tuple(lead * x for x in vector)))
        assert can_flip(part, ring) == (len(set(seen)) < len(seen))


def test_every_task_has_a_seed_of_its_own():
    seeds = {task_seed(run, number) for run in range(20) for number in range(50)}
    assert len(seeds) == 1000


def test_refuses_the_state_of_another_run():
    def fresh(name: str = "2x2x2", ring: Ring = Ring.F2, seed: int = 1) -> PoolStrategy:
        return PoolStrategy(parse_format(name), ring, seed)

    for other in (fresh(seed=2), fresh("2x2x3"), fresh(ring=Ring.ZT)):
        with pytest.raises(UsageError, match="not of this pool run"):
            fresh().restore(other.state())
    old = fresh().state()  # which did not say whose it is
    for key in ("strategy", "format", "ring", "seed"):
        del old[key]
    fresh().restore(old)


def test_refuses_starts_of_other_formats():
    other = naive_scheme(parse_format("ug:3x3x2"), Ring.F2)
    with pytest.raises(UsageError, match="ug:3x3x2 cannot start a search for ug:3x3x3"):
        PoolStrategy(parse_format("ug:3x3x3"), Ring.F2, starts=[other])


def test_refuses_starts_that_are_not_walked():
    format_ = parse_format("2x2x2")
    with pytest.raises(UsageError, match="over ZT cannot start a search over F2"):
        PoolStrategy(format_, Ring.F2, starts=[naive_scheme(format_, Ring.ZT)])
    with pytest.raises(UsageError, match="from 1 to 4096 products"):
        PoolStrategy(parse_format("gg:1x1x1a"), Ring.F2)


def test_formats_without_their_corner_keep_their_basis():
    strategy = PoolStrategy(parse_format("gg:2x2x2c"), Ring.ZT, seed=1)
    starts = {key_of(task.start) for task in (strategy.ask() for _ in range(48))}
    assert starts == {key_of(strategy.starts[0])}


def test_a_descent_climbs_a_ladder_one_side_at_a_time():
    for name in ("4x5x3", "ug:4x4x3", "gt:3x5x3", "uu:4x4x4c", "2x2x2", "1x5x3", "kk:4x4x4c"):
        format_, random = parse_format(name), np.random.default_rng(3)
        ladder = draw_ladder(format_, random)
        assert ladder[-1][0] == format_
        assert not removable(ladder[0][0])
        for (small, _), (large, dimension) in pairwise(ladder):
            start = naive_scheme(small, Ring.ZT)
            grown = extend(start, dimension)
            assert grown.format == large
            verify(grown)


def test_no_ladder_begins_where_nothing_is_left_to_compute():
    format_ = parse_format("kt:3x3x3c")
    assert draw_ladder(format_, np.random.default_rng(0)) == [(format_, 0)]
    strategy = PoolStrategy(format_, Ring.F2)
    assert [strategy.ask().format for _ in range(3)] == [format_] * 3


def test_rungs_are_walked_until_the_top():
    strategy = PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=2, target=23)
    seen = []
    while not strategy.finished:
        task = strategy.ask()
        seen.append(str(task.format))
        strategy.tell(engine.walk(task))
    below = [name for name in seen if name != "3x3x3"]
    assert below[0] == "2x2x2"
    assert {"3x3x2", "3x2x3", "2x3x3"} & set(below)


def test_the_archive_takes_no_more_steps_than_a_descent_and_judges_no_schedule():
    strategy = PoolStrategy(parse_format("4x4x4"), Ring.F2, seed=1)
    archive, descent = strategy.ask(), strategy.ask()
    assert (str(archive.format), str(descent.format)) == ("4x4x4", "2x2x2")
    assert archive.steps == descent.steps < STEPS
    for task, judged in ((archive, 0), (descent, 1)):
        strategy.tell(engine.walk(task))
        assert sum(strategy.memory()["tried"]) == judged
    start = naive_scheme(strategy.format, Ring.F2)
    held = PoolStrategy(strategy.format, Ring.F2, held=[start]).ask()
    assert held.steps == STEPS


@pytest.mark.parametrize(("name", "patience"), [("2x2x2", 2_000_000), ("2x3x4", 3_456_000)])
def test_a_last_rung_is_given_up_by_the_size_of_its_format(name, patience):
    descent = Descent(0, Ring.F2, [(parse_format(name), 0)], Pools())
    assert descent.patience == patience


def test_refuses_rings_that_are_not_walked():
    with pytest.raises(UsageError, match="F2, F3 and ZT"):
        PoolStrategy(parse_format("2x2x2"), Ring.Z)


def test_a_pool_walks_from_the_best_stored_schemes(tmp_path):
    database = str(tmp_path / "catalogue.sqlite")
    with Catalogue.open(database, shipped=False) as catalogue:
        catalogue.schemes.add(strassen())
        held, parameters = Request("2x2x2", "F2", seed=1).made(catalogue)
        assert parameters["parameters"]["held"] == [strassen().content_hash]
        assert held.best_rank == 7
        fresh, parameters = Request("2x2x2", "F2", seed=1, fresh=True).made(catalogue)
        assert parameters["parameters"]["held"] == []
        assert fresh.best_rank == 8
        other, _ = Request("3x3x3", "F2", seed=1).made(catalogue)
        assert other.best_rank == 27
    with pytest.raises(UsageError, match="fresh has no effect with start"):
        Request("2x2x2", start=[strassen()], fresh=True).settled()
    assert main(["search", "--within", "2..3", "--fresh", "--db", database]) == 2


def test_a_search_starts_from_blocks_unless_a_better_scheme_is_stored() -> None:
    with Catalogue.open(":memory:", shipped=False) as catalogue:
        catalogue.schemes.add(strassen())
        format_ = parse_format("ug:4x4x4")
        strategy, parameters = Request("ug:4x4x4", "F2", seed=1).made(catalogue)
        [made] = parameters["parameters"]["held"]
        assert strategy.best_rank == catalogue.schemes.get(made).rank < format_.naive_rank
        assert best_held(catalogue, format_, Ring.F2) == [made]
        fresh, parameters = Request("ug:4x4x4", "F2", seed=1, fresh=True).made(catalogue)
        assert fresh.best_rank == format_.naive_rank


def test_schemes_with_denominators_start_searches_over_fields_that_they_reduce_to() -> None:
    with Catalogue.open(":memory:", shipped=False) as catalogue:
        halves = catalogue.schemes.add(construct("kg:4x4x4")).hash
        assert catalogue.schemes.get(halves).ring is Ring.Q
        format_ = parse_format("kg:4x4x4")
        assert halves in best_held(catalogue, format_, Ring.F3)
        assert halves not in best_held(catalogue, format_, Ring.F2)
