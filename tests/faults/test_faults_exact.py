"""Exact linear algebra against fractions, and decoders against the Brent equations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from flipsearch.algebra.exact import determinant
from flipsearch.errors import InvalidSchemeError
from flipsearch.faults import RowBook, decoder, orbit, union_of
from flipsearch.faults.decoders import least_growth_row, product_weights
from flipsearch.formats import parse_format
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import sandwich
from flipsearch.verify import is_valid, verify

TWO = parse_format("2x2x2")


def test_classics_are_valid() -> None:
    verify(strassen())
    verify(winograd())


def test_adjugates_of_small_matrices() -> None:
    matrices = orbit._invertible(2)
    adjugates = orbit._adjugates(matrices)
    plain = [m for m in itertools.product(range(-2, 3), repeat=4) if m[0] * m[3] != m[1] * m[2]]
    assert 2 * len({matrix.tobytes() for matrix in matrices}) == 2 * len(matrices) == len(plain)
    for matrix, adjugate in zip(matrices, adjugates, strict=True):
        assert (matrix @ adjugate == determinant(matrix) * np.eye(2, dtype=int)).all()


def test_sandwiches_still_span_the_outputs() -> None:
    format_ = parse_format("2x3x2")
    naive = naive_scheme(format_, Ring.ZT)
    x, z = np.array([[1, 2], [0, 1]]), np.array([[3, 1], [1, 1]])
    y = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 2]])
    assert union_of(format_, [sandwich(naive, x, y, z)]).rank == 12


def test_decoders_are_exact_schemes_and_least_among_sampled_ones() -> None:
    union = union_of(TWO, [strassen(), winograd()])
    weights = product_weights(union)
    generator = np.random.default_rng(0)
    for lost in [(), (0,), (3, 9), (1, 2, 12)]:
        if not union.is_decodable(lost):
            continue
        found = decoder(union, lost)
        union.prove_decoder(found.rows, found.scales.tolist(), found.lost)
        assert not found.rows[:, list(lost)].any()
        for _ in range(200):  # adding relations that avoid the lost never lowers the growth
            multipliers = generator.integers(-2, 3, size=len(union.relations))
            other = union.relations.T @ multipliers
            if other[list(lost)].any():
                continue
            for row, scale in zip(found.rows, found.scales, strict=True):
                changed = (np.abs(row + scale * other) * weights).sum() / scale
                assert changed >= (np.abs(row) * weights).sum() / scale - 1e-9


def test_a_wrong_decoder_is_refused() -> None:
    union = union_of(TWO, [strassen(), winograd()])
    found = decoder(union)
    rows = found.rows.copy()
    rows[0, 0] += 1
    assert not is_valid(union.decoding_scheme(rows, found.scales.tolist()))
    with pytest.raises(InvalidSchemeError):
        union.prove_decoder(rows, found.scales.tolist())
    used = int(np.flatnonzero(found.rows.any(axis=0))[0])
    with pytest.raises(InvalidSchemeError, match="lost"):
        union.prove_decoder(found.rows, found.scales.tolist(), (used,))


def test_a_fatal_pattern_has_no_decoder() -> None:
    union = union_of(TWO, [strassen(), strassen()])
    with pytest.raises(InvalidSchemeError, match=r"\[2, 9\]"):
        decoder(union, (2, 9))
    assert least_growth_row(union, 0, range(14)) is None


def test_the_row_book_agrees_with_separate_programmes() -> None:
    union = union_of(TWO, [strassen(), winograd()])
    book = RowBook(union)
    for lost in itertools.islice(itertools.combinations(range(14), 2), 0, None, 13):
        for output in range(4):
            shared, alone = book.row(output, lost), least_growth_row(union, output, lost)
            assert (shared is None) == (alone is None)
            if shared is not None and alone is not None:
                assert book.growth(shared) == pytest.approx(book.growth(alone))
                assert not shared[0][list(lost)].any()


def test_decoders_with_denominators_are_proved_over_q() -> None:
    x = np.array([[1, 1], [-1, 1]])
    scheme = union_of(TWO, [sandwich(strassen(), x, x, x)]).as_scheme()
    assert isinstance(scheme, Scheme)
    assert scheme.ring is Ring.Q
    verify(scheme)
