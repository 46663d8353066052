"""The fast greedy pass of both annealings, choice by choice against a plain one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra.draws import next_draw
from flipsearch.kernels.additions.energy import BLOCK, energy_of, memory_for
from flipsearch.kernels.additions.greedy import shorten_repeatedly


def plain_energy(matrix, state):
    """Replace the most frequent pair until none occurs twice, with rows as dictionaries."""

    def high_word():
        return int(next_draw(state)) >> 32

    rows = [{x: int(c) for x, c in enumerate(row) if c} for row in matrix]
    variables = matrix.shape[1]
    additions = sum(max(0, len(row) - 1) for row in rows)
    while True:
        places = []  # (count, x, y, sign) in the order of the triangle
        for y in range(1, variables):
            for sign in (1, -1):
                for x in range(y):
                    here = sum(x in row and row.get(y) == sign * row[x] for row in rows)
                    places.append((here, x, y, sign))
        largest = max((place[0] for place in places), default=0)
        if largest < 2:
            return additions
        ties, chosen = 0, []
        for start in range(0, len(places), BLOCK):
            here = [place for place in places[start : start + BLOCK] if place[0] == largest]
            ties += len(here)
            if here and high_word() * ties >> 32 < len(here):
                chosen = here
        _, x, y, sign = chosen[high_word() * len(chosen) >> 32]
        for row in rows:
            if x in row and row.get(y) == sign * row[x]:
                row[variables] = row.pop(x)
                del row[y]
        variables += 1
        additions -= largest - 1


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 80), st.integers(1, 9)),
    seed=st.integers(0, 10**6),
    density=st.sampled_from([0.3, 0.7, 1.0]),
)
def test_every_choice_is_that_of_the_plain_pass(shape, seed, density):
    random = np.random.default_rng(seed)
    matrix = (random.integers(-1, 2, shape) * (random.random(shape) < density)).astype(np.int8)
    memory = memory_for(*shape)
    states = [np.array([seed], np.uint64) for _ in range(2)]
    for _ in range(2):  # a second call finds the work space as the first did
        assert energy_of(matrix, memory, states[0]) == plain_energy(matrix, states[1])
        assert states[0][0] == states[1][0]
    assert not memory[2].any()


def test_no_pass_beats_the_best_of_many():
    random = np.random.default_rng(5)
    matrix = random.integers(-1, 2, (40, 12)).astype(np.int8)
    memory, state = memory_for(*matrix.shape), np.array([1], np.uint64)
    energies = [energy_of(matrix, memory, state) for _ in range(200)]
    bits = [
        np.array(
            [[sum(1 << r for r in range(40) if row[r] == sign)] for row in matrix.T], np.uint64
        )
        for sign in (1, -1)
    ]
    best = np.zeros((4097, 3), np.int64)
    _, fewest = shorten_repeatedly(bits[0], bits[1], best, 0, 1 << 60, 2000, state)
    assert fewest <= min(energies) <= fewest + 6


def test_a_pair_in_more_forms_than_a_byte_counts():
    matrix = np.ones((300, 2), np.int8)
    memory, state = memory_for(300, 2), np.array([1], np.uint64)
    assert energy_of(matrix, memory, state) == 1
