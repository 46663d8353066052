"""Growth factors on orbits: exact derivatives, and a least value that no change of basis moves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.orbits import Orbit, Stacks, growth_at, log_emax, log_gamma2
from flipsearch.kernels.stabilising import least_gamma2
from flipsearch.kernels.stability import growth
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import random_sandwich
from flipsearch.transform.sandwich import sandwich

LEAST = 4 / np.sqrt(2) + 16 / np.sqrt(3)
"""The least gamma2 of rank 7 (Dumas, Pernet, Sedoglavic 2024)."""


def random_stacks(seed: int) -> Stacks:
    generator = np.random.default_rng(seed)
    shapes = ((5, 2, 3), (5, 3, 4), (5, 4, 2))
    u, v, w = (generator.standard_normal(shape) for shape in shapes)
    return u, v, w


@pytest.mark.parametrize(
    "function", [log_gamma2, partial(log_emax, epsilon=0.1, power=8.0)], ids=["2", "max"]
)
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_agree_with_differences(function, seed) -> None:
    stacks = random_stacks(seed)
    _, slopes = function(stacks)
    generator = np.random.default_rng(seed)
    for k, (stack, slope) in enumerate(zip(stacks, slopes, strict=True)):
        step = 1e-6 * generator.standard_normal(stack.shape)
        ends = []
        for sign in (1, -1):
            moved = list(stacks)
            moved[k] = stack + sign * step
            ends.append(function(tuple(moved))[0])
        assert ends[0] - ends[1] == pytest.approx(2 * (slope * step).sum(), rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("function", [log_gamma2, partial(log_emax, epsilon=0.1, power=8.0)])
def test_derivatives_by_maps_agree_with_differences(function) -> None:
    orbit = Orbit.of(naive_scheme("2x3x4", "Z"))
    generator = np.random.default_rng(1)
    at = generator.standard_normal(4 + 9 + 16)
    _, slope = orbit._by_maps(at, function)
    step = 1e-6 * generator.standard_normal(len(at))
    ends = [orbit._by_maps(at + sign * step, function)[0] for sign in (1, -1)]
    assert ends[0] - ends[1] == pytest.approx(2 * (slope * step).sum(), rel=1e-4)


@pytest.mark.parametrize("scheme", [strassen(), winograd(), naive_scheme("2x3x4", "Q")])
def test_stacks_have_the_growth_factors_of_their_scheme(scheme: Scheme) -> None:
    stacks, factors = Orbit.of(scheme).factors, growth(scheme)
    assert growth_at("2", stacks) == pytest.approx(factors.gamma2)
    assert growth_at("max", stacks) == pytest.approx(factors.emax)
    assert np.exp(log_gamma2(stacks)[0]) == pytest.approx(factors.gamma2)
    smooth = np.exp(log_emax(stacks, 1e-9, 4000)[0])
    assert factors.emax <= smooth * (1 + 1e-9) <= 1.01 * factors.emax


def test_stacks_change_as_the_exact_sandwich_does() -> None:
    maps = [np.array(rows) for rows in ([[1, 2], [0, 1]], [[1, 0], [3, 1]], [[1, 1], [1, 2]])]
    moved = Orbit.of(sandwich(strassen(), *maps))
    stacks = Orbit.of(strassen()).at([matrix.astype(float) for matrix in maps])
    for kind in ("2", "max"):
        assert growth_at(kind, stacks) == pytest.approx(growth_at(kind, moved.factors))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_all_schemes_of_an_orbit_have_one_least_growth_factor(seed: int) -> None:
    moved = random_sandwich(winograd(), np.random.default_rng(seed))
    assert least_gamma2(moved) == pytest.approx(LEAST, rel=1e-7)
    assert growth(moved).gamma2 >= LEAST * (1 - 1e-9)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_every_start_reaches_the_least_growth_factor(seed: int) -> None:
    generator = np.random.default_rng(seed)
    orbit = Orbit.of(strassen())
    start = [np.eye(2) + 0.4 * generator.standard_normal((2, 2)) for _ in range(3)]
    if min(abs(np.linalg.det(matrix)) for matrix in start) < 0.1:
        return
    assert growth_at("2", orbit.at(orbit.least("2", start))) == pytest.approx(LEAST, rel=1e-7)
