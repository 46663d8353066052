"""Products with a side of 2 have Hopcroft and Kerr's rank, over Q and over F2."""

from math import ceil

import numpy as np
import pytest

from flipsearch.algebra.exact import determinant
from flipsearch.constructors import construct
from flipsearch.constructors.hopcroft import circular, euclidean, rank, tripartite
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring

SIDES = [(n, p) for n in range(2, 17) for p in range(n, 17)]


@pytest.mark.parametrize(
    ("n", "p"), [(2, 3), (3, 4), (4, 4), (4, 6), (5, 12), (6, 9), (7, 8), (7, 10)]
)
def test_schemes_over_the_rationals_are_made_and_proved(n: int, p: int) -> None:
    for format_ in (MatrixProduct(2, n, p), MatrixProduct(p, 2, n)):
        scheme = construct(format_, Ring.Q, "hopcroft")
        assert scheme.rank == ceil((3 * n * p + p) / 2)


@pytest.mark.parametrize(("n", "p"), [(3, 3), (4, 6), (5, 6), (5, 7), (6, 9), (7, 9), (7, 10)])
def test_schemes_over_two_elements_are_made_and_proved(n: int, p: int) -> None:
    scheme = construct(MatrixProduct(2, n, p), Ring.F2, "hopcroft")
    assert scheme.rank == ceil((3 * n * p + p) / 2)


def test_any_successive_vectors_are_a_basis_of_the_integers() -> None:
    for n, p in SIDES:
        if n <= p < 2 * n:
            vectors = np.concatenate([np.eye(n, dtype=np.int64), euclidean(n, p - n).T])
            for first in range(p):
                successive = vectors[(first + np.arange(n)) % p]
                assert abs(determinant(successive)) == 1


@pytest.mark.parametrize(("n", "p"), [side for side in SIDES if side[1] < 2 * side[0]])
def test_neighbours_are_mutual_and_of_different_colours(n: int, p: int) -> None:
    arranged = [circular(n, p)]
    if n < 8 and rank(MatrixProduct(2, n, p), Ring.F2) is not None:
        arranged.append(tripartite(n, p))
    for each in arranged:
        edges = {(i, j) for j, near in enumerate(each.neighbours) for i in near}
        assert edges == {(j, i) for i, j in edges}
        assert all(each.colours[i] != each.colours[j] for i, j in edges)
        assert len(edges) == p * (n - 1) - p * (n - 1) % 2


def test_where_there_are_too_few_points_nothing_is_promised() -> None:
    for name in ("2x7x8", "2x8x11", "2x16x16"):
        with pytest.raises(UsageError, match="no constructor makes"):
            construct(name, "F2", "hopcroft")
    for name in ("3x3x3", "1x2x2", "gt:2x2x2"):
        with pytest.raises(UsageError, match="no constructor makes"):
            construct(name, by="hopcroft")
