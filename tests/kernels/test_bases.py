"""Schemes in alternative bases: exact, and as sparse as published."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra.exact import rank
from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.errors import InvalidSchemeError, UsageError
from flipsearch.files.convert import write
from flipsearch.kernels.bases import (
    AlternativeBasis,
    alternative_basis,
    leading_constant,
    sparsest_basis,
    written_additions,
)
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.programs import transposed
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import random_sandwich
from flipsearch.transform.sandwich import sandwich


@pytest.fixture(scope="module")
def found() -> AlternativeBasis:
    return alternative_basis(winograd(), 0.2)


def test_leading_constants_of_the_standard_basis() -> None:
    assert written_additions(strassen()) == (5, 5, 8)
    assert leading_constant(strassen(), (5, 5, 8)) == 7
    assert leading_constant(winograd(), (4, 4, 7)) == 6
    assert leading_constant(naive_scheme("2x2x2", "Z"), (0, 0, 4)) == 2
    assert leading_constant(naive_scheme("1x1x2", "Z"), (0, 0, 1)) == float("inf")


def test_winograds_scheme_has_the_published_constant(found: AlternativeBasis) -> None:
    assert (found.nonzeros, found.additions) == (30, (3, 3, 6))
    assert found.leading_constant == 5  # Karstadt and Schwartz 2017
    found.check()


def test_programs_compute_the_sparse_factors(found: AlternativeBasis) -> None:
    for matrix, program in zip(found.sparse, found.programs, strict=True):
        np.testing.assert_array_equal(program.matrix(), matrix)
    assert transposed(found.programs[2]).additions == found.additions[2]


def test_products_by_way_of_the_bases_are_those_of_the_scheme(found: AlternativeBasis) -> None:
    generator = np.random.default_rng(0)
    a, b = generator.integers(-9, 10, (2, 2, 2)).astype(object)
    P, Q, R = (np.array(basis, dtype=object) for basis in found.bases)
    left, right, output = (matrix.astype(object) for matrix in found.sparse)
    products = (left @ (P @ a.ravel())) * (right @ (Q @ b.ravel()))
    transposed_output = R.T @ (output.T @ products)
    np.testing.assert_array_equal(transposed_output.reshape(2, 2).T, a @ b)


def test_a_wrong_basis_is_refused(found: AlternativeBasis) -> None:
    wrong = [[Fraction(x) for x in row] for row in np.eye(4, dtype=int).tolist()]
    singular = [[Fraction(0)] * 4] * 4
    for basis in (wrong, singular):
        with pytest.raises(InvalidSchemeError, match="basis V"):
            replace(found, bases=(found.bases[0], basis, found.bases[2])).check()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_sparse_factors_do_not_depend_on_the_basis_of_the_scheme(seed: int) -> None:
    moved = random_sandwich(strassen(), np.random.default_rng(seed))
    for factor, own in zip(moved.factors, strassen().factors, strict=True):
        assert np.count_nonzero(sparsest_basis(factor)) == np.count_nonzero(sparsest_basis(own))


@given(st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=3, max_size=6))
def test_no_basis_of_small_numbers_is_sparser(rows: list[list[int]]) -> None:
    matrix = np.array(rows, dtype=np.int64)
    if rank(matrix) < 2:
        with pytest.raises(UsageError, match="leaves out an entry"):
            sparsest_basis(matrix)
        return
    columns = sparsest_basis(matrix)
    assert rank(np.hstack([matrix, columns])) == rank(columns) == 2
    changes = [np.array(x).reshape(2, 2) for x in product(range(-2, 3), repeat=4)]
    least = min(np.count_nonzero(matrix @ x) for x in changes if round(np.linalg.det(x)))
    assert np.count_nonzero(columns) == least


def test_large_factors_are_combined_in_pairs() -> None:
    scheme = random_sandwich(naive_scheme("3x3x3", "Z"), np.random.default_rng(3), 4)
    for factor in scheme.factors:  # 27 rows: too many sets of 8
        columns = sparsest_basis(factor)
        assert np.count_nonzero(columns) <= np.count_nonzero(factor)
        assert rank(np.hstack([factor, columns])) == rank(columns) == 9


def test_denominators_go_into_the_bases() -> None:
    halves = sandwich(strassen(), [[1, 0], [0, 2]], [[1, 0], [0, 1]], [[3, 0], [0, 1]])
    assert (halves.denominators != 1).any()
    basis = alternative_basis(halves, 0.2)
    assert (basis.nonzeros, basis.leading_constant) == (30, 5)
    basis.check()


@pytest.mark.parametrize(
    "scheme",
    [
        strassen().over(Ring.F2),
        Scheme("1x1x2", "Z", [[1], [1]], [[1, 0], [1, 0]], [[1, 0], [0, 0]]),
    ],
)
def test_what_has_no_basis_is_refused(scheme: Scheme) -> None:
    with pytest.raises(UsageError):
        alternative_basis(scheme, 0.1)


def test_the_command_prints_both_bases_and_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    Catalogue.open(tmp_path / "c.sqlite").close()
    database = ["--db", str(tmp_path / "c.sqlite")]
    file, out = tmp_path / "w.json", tmp_path / "sparse.json"
    write(winograd(), file)
    words = ["basis", str(file), "--budget", "0.2s", "-o", str(out), *database]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "24 additions (7 + 7 + 10), leading constant 9" in text
    assert "12 additions (3 + 3 + 6), leading constant 5" in text
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["leading_constant"] == {"as_written": 9.0, "in_sparse_bases": 5.0}
    held = json.loads(out.read_text())
    for name, factor in zip(("left", "right", "output"), winograd().factors, strict=True):
        basis = [[Fraction(x) for x in row] for row in held[name]["basis"]]
        made = np.array(held[name]["sparse"], dtype=object) @ np.array(basis, dtype=object)
        np.testing.assert_array_equal(made, factor)
