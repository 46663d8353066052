from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_samples import samples, strassen

from flipsearch.errors import FormatError
from flipsearch.formats import parse_format
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme
from flipsearch.verify import is_valid


def respelled(scheme: Scheme, generator: np.random.Generator) -> Scheme:
    """The same terms in another order, signs and scalars spread otherwise over the factors."""
    order = generator.permutation(scheme.rank)
    u, v, w = (m[order].copy() for m in scheme.factors)
    below = scheme.denominators[order].copy()
    if scheme.ring is not Ring.F2:
        for first, second in ((u, v), (v, w), (u, w)):
            signs = generator.choice([-1, 1], scheme.rank)[:, None]
            first *= signs
            second *= signs
    ring = scheme.ring
    if ring is Ring.Q:
        factor = generator.integers(1, 5, scheme.rank)
        u *= factor[:, None]
        below *= factor
    return Scheme(scheme.format, ring, u, v, w, below)


@pytest.mark.parametrize("scheme", samples(), ids=repr)
def test_hash_and_canonical_form_do_not_depend_on_the_spelling(scheme: Scheme) -> None:
    generator = np.random.default_rng(3)
    for _ in range(3):
        other = respelled(scheme, generator)
        assert other == scheme
        assert hash(other) == hash(scheme)
        assert all(
            (x == y).all()
            for x, y in zip(other.canonical.factors, scheme.canonical.factors, strict=True)
        )
        assert is_valid(other.canonical)
    assert scheme.canonical.canonical == scheme


def test_the_order_of_arrays_in_memory_does_not_count() -> None:
    other = Scheme("2x2x2", "ZT", *(np.asfortranarray(matrix) for matrix in strassen().factors))
    assert other.canonical.content_hash == strassen().content_hash


def test_hashes_are_the_same_for_ever() -> None:
    """A change here breaks every stored scheme: it needs a new version in the hashed text."""
    assert strassen().content_hash == (
        "2371f2b5d46ac7f3e4d9a1febd86ffac4be647f2115c08b8b704c468cbe71a80"
    )
    assert strassen(Ring.F2).content_hash.startswith("023903d55730")


@pytest.mark.parametrize("scheme", samples(), ids=repr)
def test_the_hashed_text_is_plain(scheme: Scheme) -> None:
    """One line a term, whatever the size of its coefficients."""
    for factor in (1, 7, 10**12):
        if factor > 1 and scheme.ring not in (Ring.Z, Ring.Q):
            continue
        other = Scheme(
            scheme.format, scheme.ring, *scheme.factors[:2], scheme.w * factor, scheme.denominators
        )
        form = other.canonical
        text = f"flipsearch scheme 1\n{form.format}\n{form.ring.characteristic}\n"
        for *rows, below in zip(*form.factors, form.denominators, strict=True):
            text += ";".join(",".join(str(x) for x in row) for row in rows) + f";{below}\n"
        assert other.content_hash == hashlib.sha256(text.encode()).hexdigest()


def test_hash_is_the_same_in_another_process() -> None:
    code = (
        "from flipsearch.scheme import naive_scheme; from flipsearch.formats import parse_format;"
        "from flipsearch.rings import Ring;"
        "print(naive_scheme(parse_format('gt:3x2x3'), Ring.F3).content_hash)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    here = naive_scheme(parse_format("gt:3x2x3"), Ring.F3)
    assert result.stdout.strip() == here.content_hash


def test_different_schemes_have_different_hashes() -> None:
    hashes = {scheme.content_hash for scheme in samples()}
    over_z = {s.content_hash for s in samples() if s.ring.characteristic == 0}
    assert len(hashes) > len(over_z)
    assert strassen(Ring.Z).content_hash == strassen(Ring.Q).content_hash


def test_measures_of_strassen() -> None:
    scheme = strassen()
    assert (scheme.rank, scheme.nonzeros, scheme.additions) == (7, 36, 18)
    assert scheme.omega == pytest.approx(2.8073549)
    assert repr(scheme) == "<Scheme 2x2x2:7 over ZT 2371f2b5d46a>"
    naive = naive_scheme(parse_format("2x3x4"), Ring.Z)
    assert (naive.rank, naive.nonzeros, naive.additions) == (24, 72, 16)
    assert naive.omega == pytest.approx(3)


@pytest.mark.parametrize("scheme", [s for s in samples() if s.ring in (Ring.ZT, Ring.Z)], ids=repr)
def test_reduction_keeps_validity(scheme: Scheme) -> None:
    for ring in (Ring.F2, Ring.F3, Ring.Z, Ring.Q):
        image = scheme.over(ring)
        assert image.ring is ring
        assert is_valid(image)


def test_rational_schemes_and_their_images() -> None:
    base = strassen(Ring.Z)
    scheme = rational_scheme(
        base.format,
        [[Fraction(x, 2) for x in row] for row in base.u.tolist()],
        base.v.tolist(),
        [[2 * x for x in row] for row in base.w.tolist()],
    )
    assert scheme == base
    assert scheme.ring is Ring.ZT
    thirds = Scheme(base.format, Ring.Q, base.u, base.v, 3 * base.w, np.full(7, 3))
    assert thirds.natural_ring is Ring.ZT
    assert is_valid(thirds.over(Ring.F2))
    assert is_valid(thirds.over(Ring.F3))
    odd = Scheme(base.format, Ring.Q, base.u, base.v, base.w, np.full(7, 3))
    with pytest.raises(FormatError, match="divisible by 3"):
        odd.over(Ring.F3)
    with pytest.raises(FormatError, match="not over Z"):
        odd.over(Ring.Z)
    with pytest.raises(FormatError, match="must be lifted"):
        strassen(Ring.F2).over(Ring.Z)


def test_arrays_are_read_only_copies() -> None:
    u = strassen().u.copy()
    scheme = Scheme(strassen().format, Ring.ZT, u, strassen().v, strassen().w)
    u[0, 0] = 0
    assert scheme == strassen()
    with pytest.raises(ValueError, match="read-only"):
        scheme.u[0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"u": np.zeros((7, 3), dtype=int)}, r"U has shape \(7, 3\)"),
        ({"v": np.zeros((6, 4), dtype=int)}, "V has shape"),
        ({"w": np.full((7, 4), 2)}, "outside ZT"),
        ({"u": np.full((7, 4), 0.5)}, "not 64-bit integers"),
        ({"ring": Ring.Z, "u": np.full((7, 4), LARGEST_COEFFICIENT)}, r"2\^62"),
        ({"denominators": np.full(7, 2)}, "no denominators"),
        ({"ring": Ring.Q, "denominators": np.full(7, 0)}, "positive"),
        ({"ring": Ring.Q, "denominators": np.full(6, 1)}, "one positive integer a term"),
        ({"ring": Ring.F2}, "outside F2"),
        ({"u": np.full((7, 4), 2**64 - 1, dtype=np.uint64)}, r"2\^62"),
        ({"u": [[1, 0, 0, 1]] * 6 + [[1]]}, "different lengths"),
    ],
)
def test_ill_formed_schemes_are_refused(changes: dict[str, object], message: str) -> None:
    base = strassen()
    given_: dict[str, object] = {"ring": Ring.ZT, "u": base.u, "v": base.v, "w": base.w}
    with pytest.raises(FormatError, match=message):
        Scheme(base.format, **(given_ | changes))  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["1x2x1", "ug:1x1x2", "2x1x2"]))
def test_canonical_normalises_signs_and_content(seed: int, name: str) -> None:
    generator = np.random.default_rng(seed)
    form = parse_format(name)
    u, v, w = (generator.integers(-6, 7, (3, d)) for d in form.dimensions)
    scheme = Scheme(form, Ring.Q, u, v, w, generator.integers(1, 7, 3))
    form_ = scheme.canonical
    for matrix in (form_.u, form_.v):
        for row in matrix:
            nonzero = row[row != 0]
            if nonzero.size:
                assert nonzero[0] > 0
                assert np.gcd.reduce(row) == 1
    for row, below in zip(form_.w, form_.denominators, strict=True):
        assert np.gcd(np.gcd.reduce(row), below) == 1
    assert form_ == scheme


def test_rational_schemes_need_factors_that_fit() -> None:
    form = parse_format("1x1x2")
    with pytest.raises(FormatError, match="different numbers"):
        rational_scheme(form, [[1]], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    with pytest.raises(FormatError, match="different lengths"):
        rational_scheme(form, [[1], [1]], [[1, 0], [0]], [[1, 0], [0, 1]])


def test_a_normal_form_is_bounded_row_by_row() -> None:
    """A large factor in one row and a large content in another do not meet."""
    u, v = [[2**40], [1]], [[1, 0], [0, 1]]
    scheme = Scheme(parse_format("1x1x2"), Ring.Z, u, v, [[1, 0], [0, 2**40]])  # type: ignore[arg-type]
    assert scheme.canonical.w.tolist() == [[0, 2**40], [2**40, 0]]
    with pytest.raises(FormatError, match=r"2\^62"):
        _ = Scheme(scheme.format, Ring.Z, u, v, [[2**40, 0], [0, 1]]).canonical  # type: ignore[arg-type]
