"""The compiled equations against dense ones in numpy and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.named import named_format
from flipsearch.numerical.problem import Descent, Problem, refuse_too_large
from flipsearch.numerical.reference import PlainProblem
from flipsearch.numerical.unknowns import Unknowns, unknowns_of

CASES = [("2x2x2", 7, ""), ("2x3x2", 5, "Z2"), ("3x3x3", 7, "C3xZ2"), ("st:3x3x3", 4, "")]
CASE = pytest.mark.parametrize(("name", "rank", "symmetry"), CASES)


def point(name: str, rank: int, symmetry: str, seed: int = 1) -> tuple[Unknowns, np.ndarray]:
    unknowns = unknowns_of(parse_format(name), rank, symmetry, seed)
    return unknowns, np.random.default_rng(seed).standard_normal(len(unknowns))


@CASE
def test_the_normal_matrix_is_that_of_the_dense_jacobian(
    name: str, rank: int, symmetry: str
) -> None:
    unknowns, values = point(name, rank, symmetry)
    fast, plain = (kind(parse_format(name), rank) for kind in (Problem, PlainProblem))
    np.testing.assert_allclose(
        np.tril(fast.normal(unknowns, values)), plain.normal(unknowns, values), atol=1e-9
    )


@CASE
def test_a_descent_is_that_of_dense_jacobians(name: str, rank: int, symmetry: str) -> None:
    unknowns, values = point(name, rank, symmetry)
    weights = np.linspace(0.5, 2, len(unknowns))
    found = [
        kind(parse_format(name), rank).descended(
            unknowns, Descent(values, 1.0, 0.1, decay=0.8, least=0.05, weights=weights), 6
        )
        for kind in (Problem, PlainProblem)
    ]
    np.testing.assert_allclose(found[0].variables, found[1].variables, atol=1e-7)
    assert found[0].pull == found[1].pull
    assert found[0].squares == pytest.approx(found[1].squares)
    assert found[0].damping == pytest.approx(found[1].damping)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), fixed=st.integers(0, 40))
def test_fixed_variables_keep_their_values(seed: int, fixed: int) -> None:
    unknowns, values = point("3x3x3", 7, "C3", seed % 97)
    which = np.zeros(len(unknowns), dtype=bool)
    which[np.random.default_rng(seed).permutation(len(unknowns))[:fixed]] = True
    left = unknowns.fixing(which, values)
    assert len(left) == len(unknowns) - fixed
    np.testing.assert_array_equal(left.entries(values[~which]), unknowns.entries(values))
    found = Problem(parse_format("3x3x3"), 7).descended(left, Descent(values[~which]), 2)
    held = left.owners < 0
    np.testing.assert_array_equal(left.entries(found.variables)[held], left.constants[held])


def test_scipy_finds_the_same_minimum_from_a_nearby_point() -> None:
    format_, rank = parse_format("2x2x2"), 7
    unknowns, values = point("2x2x2", rank, "", seed=4)
    problem, plain = Problem(format_, rank), PlainProblem(format_, rank)
    ours = problem.descended(unknowns, Descent(values, pull=0.1, decay=0.9, least=1e-3), 200)
    assert ours.is_solution
    start = ours.variables + 1e-3 * values
    theirs = least_squares(
        lambda x: plain.error(unknowns, x), start, lambda x: plain.jacobian(unknowns, x)
    )
    assert theirs.cost < 1e-15
    assert problem.descended(unknowns, Descent(start, 1e-3), 20).is_solution


def test_freedom_counts_the_dimension_of_the_variety() -> None:
    """Strassen's schemes are one orbit: scalings (2 * 7) and changes of basis (3 * 3)."""
    problem = Problem(parse_format("2x2x2"), 7)
    unknowns, values = point("2x2x2", 7, "", seed=4)
    found = problem.descended(unknowns, Descent(values, pull=0.1, decay=0.9, least=1e-3), 200)
    assert problem.freedom(unknowns, found.variables).sum() == pytest.approx(23, abs=1e-3)


def test_the_target_is_the_format() -> None:
    tensor = named_format("complex:1x1x1")
    assert Problem(tensor, 3).target.tolist() == [[1, 0], [0, 1], [0, 1], [-1, 0]]


def test_a_problem_too_large_for_memory_tells_its_size() -> None:
    with pytest.raises(UsageError, match=r"1,000,000 unknowns, whose equations take 29802 GiB of"):
        refuse_too_large(parse_format("9x9x9"), 1_000_000)
