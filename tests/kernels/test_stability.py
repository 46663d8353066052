"""Growth factors against the published values, and their behaviour."""

import pytest

from flipsearch.formats import parse_format
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.stability import error_bound, growth
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme


@pytest.mark.parametrize(
    ("scheme", "emax", "qmax", "gamma2"),
    [(strassen(), 12, 8, 14.828), (winograd(), 18, 10, 17.853)],
    ids=["Strassen", "Winograd"],
)
def test_published_values(scheme, emax, qmax, gamma2):
    factors = growth(scheme)
    assert (factors.emax, factors.qmax) == (emax, qmax)
    assert factors.gamma2 == pytest.approx(gamma2, abs=5e-4)


def test_naive_scheme_grows_by_its_middle_side():
    factors = growth(naive_scheme(parse_format("2x3x4"), Ring.Z))
    assert (factors.emax, factors.qmax, factors.gamma2) == (3, 5, 24)


def test_bound_grows_with_levels_and_depth():
    factors = growth(strassen())
    bounds = [error_bound(factors, 2, 512, levels, 2.0**-53) for levels in range(4)]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(513 * 512 * 2.0**-53)
