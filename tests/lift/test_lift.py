"""Lifts end to end: round trips, failures that name the step, planted errors, choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lift_examples import (
    STRASSEN,
    flipped,
    kronecker,
    not_liftable,
    sandwiched,
    symmetric_product_mod_3,
)

from flipsearch.errors import InvalidSchemeError, LiftError
from flipsearch.formats import parse_format
from flipsearch.lift import NotLiftedError, find_lift, lifting
from flipsearch.lift.lifting import preference
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid, verify

STRASSEN_SQUARED = kronecker(STRASSEN, STRASSEN)
TWICE = kronecker(STRASSEN, naive_scheme(parse_format("1x1x2"), Ring.ZT))


def reduces_to(lifted: Scheme, scheme: Scheme) -> bool:
    return lifted.over(scheme.ring) == scheme


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3])
@pytest.mark.parametrize("source", [STRASSEN, TWICE, STRASSEN_SQUARED], ids=repr)
def test_known_schemes_come_back_ternary(source, ring):
    scheme = source.over(ring)
    result = find_lift(scheme)
    verify(result.scheme)
    assert (result.scheme.ring, result.scheme.rank) == (Ring.ZT, source.rank)
    assert (result.field, result.support_kept) == (ring, True)
    assert reduces_to(result.scheme, scheme)


@pytest.mark.parametrize("source", [STRASSEN, TWICE], ids=repr)
def test_all_coefficients_unknown(source):
    scheme = source.over(Ring.F2)
    result = find_lift(scheme, keep_support=False)
    verify(result.scheme)
    assert result.scheme.rank == source.rank
    assert not result.support_kept
    assert result.steps >= 1
    assert reduces_to(result.scheme, scheme)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([Ring.F2, Ring.F3]))
def test_dense_schemes_after_a_change_of_basis(seed, ring):
    scheme = sandwiched(STRASSEN.over(ring), np.random.default_rng(seed))
    result = find_lift(scheme, seed=seed)
    assert is_valid(result.scheme)
    assert result.scheme.rank == 7
    assert reduces_to(result.scheme, scheme)
    assert result.scheme.natural_ring is result.scheme.ring


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["2x2x3", "2x3x3", "us:3x3x3", "gt:2x3x2"]))
def test_schemes_of_a_walk_over_f2(seed, name):
    start = naive_scheme(parse_format(name), Ring.F2)
    scheme = flipped(start, 40, np.random.default_rng(seed))
    lifted = find_lift(scheme).scheme
    assert is_valid(lifted)
    assert lifted.rank == scheme.rank
    assert reduces_to(lifted, scheme)


def test_a_structured_format_that_needs_one_half():
    scheme = symmetric_product_mod_3()
    assert scheme.rank == 5
    result = find_lift(scheme)
    verify(result.scheme)
    assert result.scheme.ring is Ring.Q
    assert result.scheme.rank == 5
    assert set(result.scheme.denominators.tolist()) <= {1, 2, 4, 8}
    assert reduces_to(result.scheme, scheme)


@pytest.mark.parametrize("keep_support", [True, False])
def test_a_scheme_without_a_lift_fails_at_the_first_step_and_for_good(keep_support):
    with pytest.raises(NotLiftedError, match="does not lift: its first Hensel step") as caught:
        find_lift(not_liftable(), keep_support=keep_support)
    assert (caught.value.step, caught.value.final) == (1, True)
    assert isinstance(caught.value, LiftError)


def test_too_few_steps_is_said_plainly():
    dense = sandwiched(STRASSEN_SQUARED.over(Ring.F3), np.random.default_rng(0))
    with pytest.raises(NotLiftedError, match=r"after Hensel step 1,") as caught:
        find_lift(dense, steps=1, retries=0)
    assert (caught.value.step, caught.value.final) == (1, False)


def test_bad_arguments():
    with pytest.raises(LiftError, match="over ZT already"):
        find_lift(STRASSEN)
    with pytest.raises(LiftError, match="steps"):
        find_lift(STRASSEN.over(Ring.F2), steps=0)
    with pytest.raises(LiftError, match="steps"):
        find_lift(STRASSEN.over(Ring.F3), steps=39)


def test_an_invalid_scheme_is_refused():
    u = STRASSEN.over(Ring.F2).u.copy()
    u[3, 2] ^= 1
    over = STRASSEN.over(Ring.F2)
    with pytest.raises(InvalidSchemeError):
        find_lift(Scheme(over.format, Ring.F2, u, over.v, over.w))


def test_a_planted_error_is_never_returned(monkeypatch):
    """One digit changed after every step: the exact check must refuse what comes out."""
    honest = lifting.Steps.solve

    def corrupted(self, factors, modulus, free):
        solved = honest(self, factors, modulus, free)
        if solved is None:
            return None
        solved[0][0, 0] = (solved[0][0, 0] + modulus) % (2 * modulus)
        return solved

    scheme = TWICE.over(Ring.F2)
    assert find_lift(scheme, retries=0, keep_support=False).steps >= 1
    monkeypatch.setattr(lifting.Steps, "solve", corrupted)
    with pytest.raises(NotLiftedError):
        find_lift(scheme, retries=1, keep_support=False)


def test_the_same_seed_gives_the_same_lift():
    scheme = sandwiched(TWICE.over(Ring.F2), np.random.default_rng(1))
    first, second = (find_lift(scheme, seed=4) for _ in range(2))
    assert first == second
    assert first.scheme.content_hash == second.scheme.content_hash


def test_preference_is_ring_then_denominator_then_nonzeros():
    u = STRASSEN.u * 2
    integers = Scheme(STRASSEN.format, Ring.Z, u, STRASSEN.v, STRASSEN.w)
    halves = Scheme(STRASSEN.format, Ring.Q, u, STRASSEN.v, STRASSEN.w, np.full(7, 2))
    thirds = Scheme(STRASSEN.format, Ring.Q, u, STRASSEN.v, STRASSEN.w, np.full(7, 3))
    assert sorted([thirds, halves, integers, STRASSEN], key=preference) == [
        STRASSEN,
        integers,
        halves,
        thirds,
    ]


def test_naive_schemes_need_no_step():
    for ring in (Ring.F2, Ring.F3):
        result = find_lift(naive_scheme(parse_format("2x3x4"), ring))
        assert (result.steps, result.scheme.ring) == (0, Ring.ZT)
