"""Schemes read off from residues."""

from __future__ import annotations

import numpy as np
from lift_examples import STRASSEN

from flipsearch.lift.reconstruction import scheme_of_residues
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def test_scheme_with_denominators():
    modulus = 3**9
    half = pow(2, -1, modulus)
    u = STRASSEN.u * half % modulus
    w = STRASSEN.w * 2 % modulus
    found = scheme_of_residues(STRASSEN.format, (u, STRASSEN.v % modulus, w), modulus)
    assert found == STRASSEN
    assert found.ring is Ring.ZT
    halved = scheme_of_residues(
        STRASSEN.format, (u, STRASSEN.v % modulus, STRASSEN.w % modulus), modulus
    )
    assert halved is not None
    assert halved.ring is Ring.Q
    assert (halved.denominators == 2).all()


def test_common_denominators_out_of_range_are_refused():
    ones = np.ones((1, 4), dtype=np.int64)
    modulus = 2**31
    row = np.array([[pow(q, -1, modulus) for q in (32719, 32717, 32713, 32707)]])
    assert isinstance(scheme_of_residues(STRASSEN.format, (row, ones, ones), modulus), Scheme)
    assert scheme_of_residues(STRASSEN.format, (row, row, ones), modulus) is None
