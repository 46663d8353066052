import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.search.strategies.cyclic import Group, State, default_parts


def test_default_parts() -> None:
    assert default_parts(5) == (((0, 4), (1, 3), (2,)),)
    assert default_parts(6) == (((0, 5), (1, 4), (2, 3)), ((0, 1), (2, 3), (4, 5)))
    assert default_parts(2) == (((0, 1),),)
    for n in range(2, 9):
        for parts in default_parts(n):
            assert sorted(i for part in parts for i in part) == list(range(n))


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    mirrored=st.booleans(),
    width=st.integers(1, 4),
    slack=st.integers(0, 2),
)
def test_a_pool_keeps_what_is_near_its_best(
    counts: list[int], mirrored: bool, width: int, slack: int
) -> None:
    group, choice = Group((), mirrored, width, slack), np.random.default_rng(0)
    pool = group.pools
    cubes = np.ones(2, dtype=np.uint64)
    best = 1 << 30
    for count in counts:
        rank = (6 if mirrored else 3) * count + 2
        near = rank <= best + slack * group.orbit
        orbits = np.full((count, 3, 1), count, dtype=np.uint64)
        assert pool.admit(State(orbits, cubes), choice) == near
        best = min(best, rank)
    assert pool.best_rank == min(pool.levels) == best
    assert max(pool.levels) <= best + slack * group.orbit
    for rank, states in pool.levels.items():
        assert 1 <= len(states) <= width
        assert all(group.rank(state) == rank for state in states)
    drawn = pool.draw(choice, 0.5)
    assert group.rank(drawn) in pool.levels
