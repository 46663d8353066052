from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.errors import UsageError
from flipsearch.rings import Ring, parse_ring

INTEGERS = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "ring"),
    [("F2", Ring.F2), ("z2", Ring.F2), (" gf3 ", Ring.F3), ("zt", Ring.ZT), ("Z", Ring.Z),
     ("q", Ring.Q)],
)  # fmt: skip
def test_names(text: str, ring: Ring) -> None:
    assert parse_ring(text) is ring
    assert parse_ring(str(ring)) is ring


@pytest.mark.parametrize("text", ["", "R", "F4", "F22"])
def test_unknown_names_say_which_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="choose one of F2, F3, ZT, Z, Q"):
        parse_ring(text)


@given(INTEGERS)
def test_balanced_representatives(numbers: list[int]) -> None:
    array = np.array(numbers, dtype=np.int64)
    for ring in Ring:
        balanced = ring.balanced(array.copy())
        p = ring.characteristic
        if p:
            assert ((balanced - array) % p == 0).all()
            assert ring.contains(balanced)
            assert (ring.balanced(balanced) == balanced).all()
        else:
            assert (balanced == array).all()
        assert (array == numbers).all()


def test_what_belongs_to_which_ring() -> None:
    signs = np.array([-1, 0, 1])
    assert [ring.contains(signs) for ring in Ring] == [False, True, True, True, True]
    assert not Ring.ZT.contains(np.array([2]))
    assert Ring.F2.contains(np.array([0, 1]))
    assert [ring.is_field_of_search for ring in Ring] == [True, True, True, False, False]
