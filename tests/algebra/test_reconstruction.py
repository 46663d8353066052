"""Rational reconstruction."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.algebra.reconstruction import fractions_of, height_bound


@given(st.sampled_from([(2, 11), (2, 31), (3, 11), (3, 19)]), st.data())
def test_every_small_fraction_comes_back(prime_power, data):
    p, exponent = prime_power
    modulus = p**exponent
    bound = height_bound(modulus)
    numerator = data.draw(st.integers(-bound, bound))
    denominator = data.draw(st.integers(1, bound).filter(lambda b: b % p))
    fraction = Fraction(numerator, denominator)
    residue = numerator * pow(denominator, -1, modulus) % modulus
    found = fractions_of(np.array([residue]), modulus)
    assert found is not None
    assert (found[0][0], found[1][0]) == (fraction.numerator, fraction.denominator)


@given(st.sampled_from([4, 8, 9, 16, 27, 32, 64, 81, 128, 243, 256, 512]))
def test_what_is_found_is_congruent_reduced_and_small(modulus):
    bound = height_bound(modulus)
    for residue in range(modulus):
        found = fractions_of(np.array([[residue]]), modulus)
        expected = [
            (a, b)
            for b in range(1, bound + 1)
            for a in range(-bound, bound + 1)
            if gcd(a, b) == 1 and gcd(b, modulus) == 1 and (a - b * residue) % modulus == 0
        ]
        if found is None:
            assert not expected
        else:
            assert expected == [(found[0][0, 0], found[1][0, 0])]


def test_a_residue_without_a_small_fraction_is_refused():
    assert fractions_of(np.array([0, 1, 2]), 4) is None  # 2 mod 4
    assert fractions_of(np.array([0, 1, 3]), 4) is not None
