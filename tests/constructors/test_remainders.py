"""Products of polynomials by remainders: ranks that are known, each scheme proved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.constructors import construct, offers
from flipsearch.constructors.points import _divides, _factors, _moduli, _times, full
from flipsearch.errors import UsageError
from flipsearch.formats.named import named_format
from flipsearch.rings import Ring

FIELDS = st.sampled_from([Ring.F2, Ring.F3])
RINGS = st.sampled_from([Ring.F2, Ring.F3, Ring.Z, Ring.Q])


@pytest.mark.parametrize(
    ("ring", "ranks"),
    [
        ("F2", [1, 3, 6, 9, 13, 17, 22, 26, 30, 35]),
        ("F3", [1, 3, 6, 9, 12, 15, 19, 23, 27, 31]),
        ("Z", [1, 3, 6, 9, 13, 17, 22, 26, 30, 35]),
        ("Q", [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]),
    ],
)
def test_squares_of_up_to_ten_terms(ring, ranks):
    assert [construct(f"poly:{n}x{n}", ring).rank for n in range(1, 11)] == ranks


@pytest.mark.parametrize(
    ("name", "ring", "rank"),
    [
        ("poly:5x5:mod", "F2", 11),
        ("poly:3x7:mod", "Z", None),
        ("cyclic:7", "F2", 13),
        ("cyclic:8", "F3", 11),
        ("cyclic:12", "Q", 18),
        ("cyclic:5", "Z", 13),
        ("toeplitz:4x6", "F2", 14),
        ("complex:1x1x1", "Q", 3),
    ],
)
def test_other_products(name, ring, rank):
    scheme = construct(name, ring)
    assert scheme.rank == (offers(named_format(name), Ring(ring))[0][0] if rank is None else rank)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 12), m=st.integers(1, 12), ring=RINGS)
def test_promises_are_kept_for_all_sizes(n, m, ring):
    (promised, name), *_ = offers(named_format(f"poly:{n}x{m}"), ring)
    assert name == "remainders"
    assert construct(f"poly:{n}x{m}", ring).rank <= promised <= n * m


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 10), ring=RINGS)
def test_rank_grows_with_the_number_of_terms(n, ring):
    assert full(ring, n - 1, n).rank <= full(ring, n, n).rank


@given(n=st.integers(1, 16), ring=FIELDS)
def test_factors_multiply_to_the_modulus(n, ring):
    p, product = ring.characteristic, (1,)
    for base, power in _factors(ring, n):
        for _ in range(power):
            product = _times(product, base, p)
    assert product == (-1 % p, *[0] * (n - 1), 1)


@given(degree=st.integers(1, 30), ring=FIELDS)
def test_moduli_are_irreducible(degree, ring):
    infinity, *bases = _moduli(ring, degree)
    assert infinity == ()
    assert sum(len(base) - 1 for base in bases) >= degree
    for number, base in enumerate(bases):
        assert not any(_divides(each, base, ring.characteristic) for each in bases[:number])


@pytest.mark.parametrize("name", ["poly:21x2", "cyclic:21", "quaternion", "complex:1x1x2"])
def test_others_are_refused(name):
    with pytest.raises(UsageError, match="no constructor makes"):
        construct(name, "F2")
