"""Products with a side of 2 have Hopcroft and Kerr's rank, over Z, Q and F2."""

from math import ceil

import numpy as np
import pytest

from flipsearch.algebra.exact import determinant
from flipsearch.constructors import construct
from flipsearch.constructors.hopcroft import circular, euclidean
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring

SIDES = [(n, p) for n in range(2, 17) for p in range(n, 17)]


@pytest.mark.parametrize(
    ("n", "p"), [(2, 3), (3, 4), (4, 4), (4, 6), (5, 12), (6, 9), (7, 8), (7, 10), (8, 10)]
)
@pytest.mark.parametrize("ring", [Ring.Z, Ring.F2])
def test_schemes_are_made_and_proved(n: int, p: int, ring: Ring) -> None:
    for format_ in (MatrixProduct(2, n, p), MatrixProduct(p, 2, n)):
        scheme = construct(format_, ring, "hopcroft")
        assert scheme.rank == ceil((3 * n * p + p) / 2)


def test_any_successive_vectors_are_a_basis_of_the_integers() -> None:
    for n, p in SIDES:
        if n <= p < 2 * n:
            vectors = np.concatenate([np.eye(n, dtype=np.int64), euclidean(n, p - n).T])
            for first in range(p):
                successive = vectors[(first + np.arange(n)) % p]
                assert abs(determinant(successive)) == 1


@pytest.mark.parametrize(("n", "p"), [side for side in SIDES if side[1] < 2 * side[0]])
def test_neighbours_are_mutual_and_bases_and_have_bridges(n: int, p: int) -> None:
    arranged = circular(n, p)
    edges = {(i, j) for j, near in enumerate(arranged.neighbours) for i in near}
    assert edges == {(j, i) for i, j in edges}
    assert len(edges) == p * (n - 1) - p * (n - 1) % 2
    for i, j in edges:
        bridge = arranged.bridge(i, j)
        if arranged.colours[i] == arranged.colours[j]:
            assert bridge is not None
            assert arranged.colours[bridge] != arranged.colours[i]
    for j, near in enumerate(arranged.neighbours):
        if len(near) == n - 1:
            assert abs(determinant(arranged.vectors[[j, *near]])) == 1


def test_schemes_are_ternary_where_one_side_divides_the_other() -> None:
    for name in ("2x3x6", "2x5x5", "2x7x7"):
        assert construct(name, "ZT", "hopcroft").ring is Ring.ZT
    for name in ("2x7x8", "3x3x3", "1x2x2", "gt:2x2x2"):
        with pytest.raises(UsageError, match="no constructor makes"):
            construct(name, "ZT", "hopcroft")
