"""Exact schemes moved to sparser ones."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from flipsearch.kernels.builtin import strassen
from flipsearch.numerical.sparsening import balanced, cost, sparser_schemes
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform.sandwich import sandwich
from flipsearch.verify import verify


@pytest.mark.parametrize("toward", ["ZT", "Z", "halves"])
def test_a_dense_scheme_becomes_as_sparse_as_strassens(toward: str) -> None:
    bases = [np.array(rows) for rows in ([[2, 1], [1, 1]], [[1, 1], [1, 2]], [[3, 2], [1, 1]])]
    dense = sandwich(strassen(), *bases)
    assert dense.nonzeros > 36
    costs = [cost(dense, toward)]
    for scheme in islice(sparser_schemes(dense, toward), 1500):
        verify(scheme)
        costs.append(cost(scheme, toward))
        if costs[-1] <= (False, 36, 1):
            break
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == (False, 36, 1)
    assert scheme.natural_ring is Ring.ZT


def test_balanced_entries_are_the_scheme() -> None:
    scheme = Scheme("1x1x1", "Q", [[4]], [[1]], [[2]], [8])
    np.testing.assert_allclose(balanced(scheme), [1, 1, 1])


def test_the_cost_counts_the_aim_first() -> None:
    naive = naive_scheme("1x1x1", "Q")
    third = Scheme("1x1x1", "Q", [[3]], [[1]], [[1]], [3])
    assert cost(third, "halves") == cost(naive, "halves") == (False, 3, 1)
    assert cost(Scheme("1x2x1", "Q", [[1, 3]], [[1, 0]], [[1]], [2]), "Z")[0]
    assert not cost(Scheme("1x2x1", "Q", [[1, 3]], [[1, 0]], [[1]], [2]), "halves")[0]
    assert cost(Scheme("1x2x1", "Q", [[1, 3]], [[1, 0]], [[1]], [3]), "halves")[0]
