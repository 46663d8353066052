from __future__ import annotations

import itertools
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_samples import corrupted, product, samples, strassen

from flipsearch.errors import InvalidSchemeError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import (
    defect,
    is_proved,
    is_valid,
    prove_and_seal,
    seal_key,
    seal_of,
    verify,
)


def plain_defect(scheme: Scheme) -> tuple[int, int, int] | None:
    """Say the first failing equation by the definition, one equation at a time."""
    target = {(a, b, c): value for a, b, c, value in scheme.format.target.tolist()}
    scale = int(np.lcm.reduce(scheme.denominators))
    weights = [scale // d for d in scheme.denominators.tolist()]
    u, v, w = (m.tolist() for m in scheme.factors)
    p = scheme.ring.characteristic
    for a, b, c in itertools.product(*(range(d) for d in scheme.format.dimensions)):
        total = sum(x[a] * y[b] * z[c] * k for x, y, z, k in zip(u, v, w, weights, strict=True))
        difference = total - scale * target.get((a, b, c), 0)
        if difference % p if p else difference:
            return a, b, c
    return None


@pytest.mark.parametrize("scheme", samples(), ids=repr)
def test_every_sample_is_valid(scheme: Scheme) -> None:
    verify(scheme)


@pytest.mark.parametrize("scheme", [s for s in samples() if s.rank < 13], ids=repr)
def test_defect_is_the_first_failing_equation(scheme: Scheme) -> None:
    generator = np.random.default_rng(scheme.rank)
    for _ in range(3):
        wrong = corrupted(scheme, generator)
        found = defect(wrong)
        assert found is not None
        assert (found.a, found.b, found.c) == plain_defect(wrong)


def test_single_coefficient_corruption_of_2000_schemes_is_always_caught() -> None:
    generator = np.random.default_rng(1)
    for number in range(2000):
        scheme = samples()[number % len(samples())]
        assert not is_valid(corrupted(scheme, generator))


def test_message_names_the_equation_by_its_entries() -> None:
    wrong = strassen().w.copy()
    wrong[0, 0] = 0
    scheme = Scheme(strassen().format, Ring.ZT, strassen().u, strassen().v, wrong)
    with pytest.raises(InvalidSchemeError, match=r"2x2x2 over ZT: at a11 b11 c11 .* sum to 0"):
        verify(scheme)


@pytest.mark.parametrize("size", [1, 12, 26, 40, 61])
def test_large_coefficients_are_exact(size: int) -> None:
    """The same tensor plus and minus a huge product: float32, float64 and integer paths."""
    base = strassen(Ring.Z)
    x = np.zeros((1, 4), dtype=np.int64)
    x[0, 0] = 2**size
    one = np.ones((1, 4), dtype=np.int64)
    u = np.concatenate([base.u, x, x])
    v = np.concatenate([base.v, one, -one])
    w = np.concatenate([base.w, one, one])
    verify(Scheme(base.format, Ring.Z, u, v, w))
    near = u.copy()
    near[-1, 0] += 1
    assert not is_valid(Scheme(base.format, Ring.Z, near, v, w))


def test_a_sum_that_wraps_around_64_bits_is_not_zero() -> None:
    base = strassen(Ring.Z)
    x = np.zeros((4, 4), dtype=np.int64)
    x[:, 0] = 2**62 - 1
    one = np.zeros((4, 4), dtype=np.int64)
    one[:, 0] = 2**60
    pairs = zip(base.factors, (x, one, one), strict=True)
    u, v, w = (np.concatenate([m, extra]) for m, extra in pairs)
    assert not is_valid(Scheme(base.format, Ring.Z, u, v, w))


def test_denominators_that_differ_between_terms() -> None:
    base = strassen(Ring.Z)
    below = np.array([2, 3, 1, 5, 7, 4, 6], dtype=np.int64)
    w = base.w * below[:, None]
    verify(Scheme(base.format, Ring.Q, base.u, base.v, w, below))
    below[0] = 3
    found = defect(Scheme(base.format, Ring.Q, base.u, base.v, w, below))
    assert found is not None
    assert found.scale == 420


def test_zero_terms_and_no_terms() -> None:
    base = strassen()
    zero = np.zeros((1, 4), dtype=np.int64)
    factors = [np.concatenate([m, zero]) for m in base.factors]
    verify(Scheme(base.format, Ring.ZT, *factors))
    empty = np.zeros((0, 4), dtype=np.int64)
    assert not is_valid(Scheme(base.format, Ring.ZT, empty, empty, empty))


def test_large_formats() -> None:
    eight = product(product(strassen(), strassen()), strassen())
    verify(eight)
    verify(eight.over(Ring.F2))
    verify(naive_scheme(parse_format("12x9x11"), Ring.F3))
    wrong = eight.w.copy()
    wrong[-1, -1] = 1 - abs(wrong[-1, -1])
    assert not is_valid(Scheme(eight.format, Ring.ZT, eight.u, eight.v, wrong))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(list(Ring)))
def test_random_terms_agree_with_the_definition(seed: int, ring: Ring) -> None:
    generator = np.random.default_rng(seed)
    base = naive_scheme(parse_format("2x1x2"), ring)
    u, v, w = (m.copy() for m in base.factors)
    for matrix in (u, v, w):
        if generator.random() < 0.4:
            matrix[generator.integers(4), generator.integers(2)] += generator.integers(-1, 2)
    scheme = Scheme(
        base.format,
        ring if ring is not Ring.ZT else Ring.Z,
        *(ring.balanced(m) for m in (u, v, w)),
    )
    found = defect(scheme)
    assert (found and (found.a, found.b, found.c)) == plain_defect(scheme)


def test_factors_without_entries_and_targets_without_equations() -> None:
    """kg:1x1x1 has no parameter in A, gg:1x1x1a no output: what is left computes nothing."""
    one = np.ones((1, 1), dtype=np.int64)
    verify(Scheme(parse_format("kg:1x1x1"), Ring.Z, one[:, :0], one, one))
    zero = np.zeros((3, 1), dtype=np.int64)
    below = np.array([2**61 - 1, 2**60 - 1, 2**59 - 1])
    verify(Scheme(parse_format("gg:1x1x1a"), Ring.Q, zero, zero, zero, below))
    assert not is_valid(Scheme(parse_format("gg:1x1x1a"), Ring.Z, one, one, one))


def test_a_seal_spares_the_second_proof_of_the_same_content_only() -> None:
    good = naive_scheme("2x2x2", Ring.ZT)
    wrong = Scheme("2x2x2", Ring.ZT, -good.u, good.v, good.w)
    with pytest.raises(InvalidSchemeError):
        prove_and_seal(wrong)
    assert not seal_of(wrong)
    assert not is_proved(good)
    prove_and_seal(good)
    assert is_proved(good)
    turned = Scheme("2x2x2", Ring.ZT, -good.u[::-1], -good.v[::-1], good.w[::-1])
    assert not is_proved(turned)
    assert not is_proved(turned, b"0" * 32)
    assert is_proved(turned, seal_of(good))
    assert not is_proved(wrong, seal_of(good))
    assert not is_proved(good.over(Ring.F2), seal_of(good))


def test_the_seal_of_another_key_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = naive_scheme("2x2x2", Ring.ZT)
    prove_and_seal(scheme)
    monkeypatch.setattr(import_module("flipsearch.verify"), "_key", [b"another"])
    assert not is_proved(scheme)
    seal_key(b"its parent's")
    prove_and_seal(scheme)
    assert is_proved(scheme)
