"""Linear dependence between products of factors, against plain elimination on schemes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.algebra.exact import dependency
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.pools import sandwiched, without_dependence
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.dependence import is_dependent
from flipsearch.walk.task import Policy, WalkTask, pack, unpack

RINGS = [Ring.F2, Ring.F3, Ring.ZT]


def walked(ring: Ring, name: str, seed: int, steps: int = 2000) -> np.ndarray:
    format_ = parse_format(name)
    start = pack(naive_scheme(format_, ring))
    return engine.walk(WalkTask(format_, ring, start, seed, steps, Policy(200, 3))).final


def plainly_dependent(scheme: Scheme, ring: Ring) -> bool:
    p = 2 if ring is Ring.F2 else 3
    for first, second in ((0, 1), (0, 2), (1, 2)):
        x, y = scheme.factors[first], scheme.factors[second]
        products = (x[:, :, None] * y[:, None, :]).reshape(len(x), -1)
        if dependency(products, p) is not None:
            return True
    return False


def with_a_term_too_many(scheme: Scheme) -> Scheme:
    """u v1 w1 + u v2 w2 = u v1 (w1 - x) + u v2 (w2 - x) + u (v1 + v2) x, for rows 0 and 1."""
    u, v, w = (matrix.copy() for matrix in scheme.factors)
    shared = [(i, j) for i in range(len(u)) for j in range(i) if (u[i] == u[j]).all()]
    i, j = shared[0]
    x = np.zeros_like(w[0])
    x[int(np.flatnonzero((w[i] == 0) & (w[j] == 0))[0])] = 1
    u, v = np.vstack([u, u[i]]), np.vstack([v, v[i] + v[j]])
    w = np.vstack([w, x])
    w[i] -= x
    w[j] -= x
    return Scheme(scheme.format, scheme.ring, *(scheme.ring.balanced(m) for m in (u, v, w)))


@given(st.sampled_from(RINGS), st.sampled_from(["2x2x2", "2x3x2", "3x3x3"]), st.integers(0, 99))
def test_agrees_with_plain_elimination(ring, name, seed):
    state = walked(ring, name, seed, 300)
    scheme = unpack(parse_format(name), ring, state)
    assert is_dependent(scheme.format, ring, state) == plainly_dependent(scheme, ring)


@pytest.mark.parametrize("ring", RINGS)
def test_a_term_too_many_is_found_and_taken_away(ring):
    naive = naive_scheme(parse_format("3x3x3"), ring)
    assert not is_dependent(naive.format, ring, pack(naive))
    assert without_dependence(naive.format, ring, pack(naive)).shape == pack(naive).shape
    longer = with_a_term_too_many(naive)
    verify(longer)
    state = pack(longer)
    assert is_dependent(longer.format, ring, state)
    shorter = unpack(longer.format, ring, without_dependence(longer.format, ring, state))
    verify(shorter)
    assert shorter.rank == naive.rank


def test_a_sandwich_is_another_scheme_of_the_same_rank():
    format_, random = parse_format("2x3x3"), np.random.default_rng(1)
    state = walked(Ring.ZT, "2x3x3", 5)
    seen = set()
    for _ in range(6):
        other = sandwiched(format_, state, random)
        verify(unpack(format_, Ring.ZT, other))
        assert len(other) == len(state)
        seen.add(other.tobytes())
    assert len(seen) > 1
