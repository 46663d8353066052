"""The products of symmetric matrices for every n: proved schemes of the promised ranks."""

import itertools

import numpy as np
import pytest

from flipsearch.constructors.symmetric import basis, symmetric_rank, symmetric_scheme
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.verify import verify


@pytest.mark.parametrize("operands", ["ss", "st"])
@pytest.mark.parametrize(
    "n", [1, 2, 3, 4, 5, 6, *(pytest.param(n, marks=pytest.mark.slow) for n in (7, 8))]
)
def test_the_construction_is_a_scheme_of_the_promised_rank(operands, n):
    scheme = symmetric_scheme(parse_format(f"{operands}:{n}x{n}x{n}"))
    assert scheme.rank == symmetric_rank(n, half=operands == "st")
    verify(scheme)


def test_ranks_are_sums_of_squares_and_of_triangular_numbers():
    for n in range(20):
        assert symmetric_rank(n) == sum(k * k for k in range(n + 1))
        assert symmetric_rank(n, half=True) == sum(k * (k + 1) // 2 for k in range(n + 1))


@pytest.mark.parametrize("half", [False, True])
def test_no_contiguous_minor_of_the_basis_is_zero(half):
    n = 9
    P = basis(n, half=half).astype(float)
    assert (P[: n - 1, : n - 1] == basis(n - 1, half=half).astype(float)).all()
    for size in range(1, n + 1):
        for i in range(n - size + 1):
            for t in range(n - size + 1):
                minor = round(np.linalg.det(P[i : i + size, t : t + size]))
                assert (minor == 0) == (half and i > t)


def test_minors_satisfy_the_identity_of_the_proof():
    S = np.random.default_rng(0).integers(-9, 10, (4, 4))

    def minor(rows, columns):
        return round(np.linalg.det(S[np.ix_(rows, columns)]))

    for k, m, i, j in itertools.permutations(range(4)):
        for q, r, t, s in itertools.permutations(range(4)):
            left = minor([k, m], [q, r]) * minor([i, j], [t, s])
            left -= minor([k, m], [t, s]) * minor([i, j], [q, r])
            right = S[j, s] * minor([k, i, m], [q, t, r]) - S[j, t] * minor([k, i, m], [q, s, r])
            right += S[i, t] * minor([k, j, m], [q, s, r]) - S[i, s] * minor([k, j, m], [q, t, r])
            assert left == right - minor([k, i, j, m], [q, t, s, r])


@pytest.mark.parametrize("name", ["3x3x3", "sk:3x3x3"])
def test_other_formats_are_refused(name):
    with pytest.raises(UsageError, match="no product of symmetric matrices"):
        symmetric_scheme(parse_format(name))
