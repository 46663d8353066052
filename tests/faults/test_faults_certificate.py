"""Certificates: the golden table, brute force, and the models derived from them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra import exact
from flipsearch.errors import FormatError, InvalidSchemeError, UsageError
from flipsearch.faults import (
    FaultTolerantScheme,
    baselines,
    target_forms,
    union_of,
    worst_growth,
)
from flipsearch.faults.descent import ternary_vectors
from flipsearch.faults.orbit import two_by_two_orbit
from flipsearch.faults.parity import with_parities
from flipsearch.faults.patterns import fatal_counts, fatal_patterns
from flipsearch.formats import parse_format
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import naive_scheme
from flipsearch.transform import sandwich
from flipsearch.verify import is_valid

TWO = parse_format("2x2x2")
ONE_PARITY = ([[1, 0, 1, -1]], [[0, 1, 0, -1]])
TWO_PARITIES = ([[1, -1, 1, 0], [1, 1, 1, 1]], [[1, 1, -1, -1], [1, 1, 1, 0]])

GOLDEN = {
    "1 copy": "0;7;21;35;35;21;7;1",
    "2 copies": "0;0;7;84;441;1330;2555;3304;3003;2002;1001;364;91;14;1",
    "3 copies": (
        "0;0;0;7;126;1071;5691;21105;57771;120428;194523;245553;242900;188181;114093;54264;20349;"
        "5985;1330;210;21;1"
    ),
    "S+W": "0;0;2;40;362;1746;2956;3430;3003;2002;1001;364;91;14;1",
    "S+W+1": "0;0;1;22;207;1188;4575;6386;6433;5005;3003;1365;455;105;15;1",
    "S+W+2": "0;0;0;4;100;1103;6523;11079;12819;11438;8008;4368;1820;560;120;16;1",
}
PROBABILITIES = {
    "1 copy": (6.79e-2, 0.302, 0.522, 0.790),
    "2 copies": (7.00e-4, 1.74e-2, 6.79e-2, 0.249),
    "3 copies": (7.00e-6, 8.75e-4, 6.98e-3, 0.0547),
    "S+W": (2.17e-4, 7.28e-3, 3.90e-2, 0.214),
    "S+W+1": (1.09e-4, 3.78e-3, 2.15e-2, 0.141),
    "S+W+2": (4.50e-6, 8.57e-4, 1.01e-2, 0.114),
}
RANKS = {"1 copy": 7, "2 copies": 7, "3 copies": 7, "S+W": 10, "S+W+1": 10, "S+W+2": 11}


def golden_union(name: str) -> FaultTolerantScheme:
    s, w = strassen(), winograd()
    parts = {
        "1 copy": [s],
        "2 copies": [s, s],
        "3 copies": [s, s, s],
        "S+W": [s, w],
        "S+W+1": [s, w, ONE_PARITY],
        "S+W+2": [s, w, TWO_PARITIES],
    }[name]
    return union_of(TWO, parts)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_counts_and_probabilities(name: str) -> None:
    union = golden_union(name)
    certificate = union.certificate()
    assert ";".join(map(str, certificate.counts)) == GOLDEN[name]
    assert union.rank == RANKS[name]
    for p, expected in zip((0.01, 0.05, 0.1, 0.2), PROBABILITIES[name], strict=True):
        assert certificate.failure_probability(p) == pytest.approx(expected, rel=6e-3)


def test_all_ternary_orbit_partners_of_strassen() -> None:
    best, survivors, total = None, 0, 0
    for partner in two_by_two_orbit(1):
        total += 1
        certificate = union_of(TWO, [strassen(), partner]).certificate(4)
        if certificate.survives >= 2:
            survivors += 1
            best = certificate
    assert (total, survivors) == (640, 16)
    assert best is not None
    assert best.counts[3:5] == (20, 298)


def test_best_ternary_partner_has_the_golden_probabilities() -> None:
    partner = next(
        partner
        for partner in two_by_two_orbit(1)
        if union_of(TWO, [strassen(), partner]).certificate(2).survives >= 2
    )
    union = union_of(TWO, [strassen(), partner])
    assert union.rank == 10
    for p, expected in ((0.01, 2.08e-5), (0.05, 2.91e-3), (0.1, 2.48e-2), (0.2, 0.182)):
        assert union.certificate().failure_probability(p) == pytest.approx(expected, rel=6e-3)
    assert [worst_growth(union, k) for k in range(3)] == [4, 16, 24]


def test_a_partner_with_coefficients_up_to_three() -> None:
    x, y, z = (np.array(m) for m in ([[1, 3], [-1, 2]], [[2, 0], [1, -1]], [[4, -2], [3, 1]]))
    s = strassen()
    partner = sandwich(s, x.T, y.T, z.T)
    assert max(np.abs(side).max() for side in (partner.u, partner.v)) == 3
    union = union_of(TWO, [s, partner])
    certificate = union.certificate()
    assert (union.rank, certificate.kmin, certificate.counts[4:6]) == (10, 4, (40, 1636))
    for p, expected in ((0.01, 5.14e-7), (0.05, 5.04e-4), (0.1, 9.18e-3), (0.2, 0.120)):
        assert certificate.failure_probability(p) == pytest.approx(expected, rel=6e-3)


def test_strassen_and_winograd_have_two_fatal_pairs_and_thirty_minimal_relations() -> None:
    union = golden_union("S+W")
    assert len(union.fatal_patterns(2)) == 2
    supports = set()
    for rows in itertools.combinations(range(14), 11):  # a circuit has at most rank + 1 products
        for relation in exact.relations(union.products[list(rows)]):
            supports.add(frozenset(rows[i] for i in np.flatnonzero(relation)))
    minimal = {a for a in supports if not any(b < a for b in supports)}
    assert len(minimal) == 30
    assert {min(map(len, minimal)), max(map(len, minimal))} == {6, 11}


def test_the_best_ternary_parity_products() -> None:
    ternary = ternary_vectors(4)
    assert len(ternary) == 40
    union = golden_union("S+W")
    one = with_parities(union, 1, ternary, ternary)  # all 1600 candidates at once
    assert one.certificate() == golden_union("S+W+1").certificate()
    two = with_parities(union, 2, ternary, ternary)
    assert two.certificate() == golden_union("S+W+2").certificate()
    assert two.origin[14:] == ("parity", "parity")
    three = with_parities(union, 3, ternary, ternary, steps=30)
    assert (three.u[:14] == union.u).all()
    assert three.certificate().survives >= 2


def test_decoder_growth_of_the_classics() -> None:
    assert worst_growth(union_of(TWO, [strassen()]), 0) == 12
    assert worst_growth(union_of(TWO, [winograd()]), 0) == 18
    assert [worst_growth(golden_union("S+W"), k) for k in range(3)] == [10, 18, 28]


@pytest.mark.parametrize(
    ("name", "mean", "late"),
    [
        ("1 copy", 3.59, 7.55),
        ("2 copies", 2.30, 4.27),
        ("3 copies", 1.86, 3.18),
        ("S+W+2", 2.13, 3.30),
    ],
)
def test_latency_model(name: str, mean: float, late: float) -> None:
    found = baselines.latency(golden_union(name).certificate())
    assert found == pytest.approx((mean, late), abs=0.006)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_copies_formula(count: int) -> None:
    union = union_of(TWO, [strassen()] * count)
    assert baselines.copies(7, count) == union.certificate()


def polynomial_products(points: IntArray) -> tuple[IntArray, IntArray]:
    """Return the products of the entangled polynomial code of 2x2x2 at some points.

    A(x) = sum A_ij x^(j + 2i), B(x) = sum B_jk x^(1 - j + 4k); C_ik is the coefficient of
    x^(1 + 2i + 4k) of the product.
    """
    return points[:, None] ** [0, 1, 2, 3], points[:, None] ** [1, 5, 0, 4]


def test_polynomial_code_is_a_union_too() -> None:
    points = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5])
    for workers in (9, 10, 11):
        u, v = polynomial_products(points[:workers])
        certificate = FaultTolerantScheme(TWO, u, v).certificate()
        bound = baselines.polynomial_code(TWO, workers)
        assert certificate.kmin >= bound.kmin
        assert all(a <= b for a, b in zip(certificate.counts, bound.counts, strict=True))


def test_two_copies_and_an_orbit_partner_of_a_larger_format() -> None:
    format_ = parse_format("2x2x3")
    naive = naive_scheme(format_, Ring.ZT)
    twice = union_of(format_, [naive, naive]).certificate(2)
    assert twice.counts == (0, 0, 12)
    x = np.array([[1, 1], [1, 2]])
    y = np.array([[2, 1], [1, 1]])
    z = np.array([[1, 1, 0], [1, 2, 1], [0, 1, 2]])
    partner = sandwich(naive, x.T, y.T, z.T)
    assert union_of(format_, [naive, partner]).certificate(2).counts == (0, 0, 0)


def brute_rank(rows: list[list[int]]) -> int:
    work = [[Fraction(x) for x in row] for row in rows]
    rank = 0
    for column in range(len(work[0]) if work else 0):
        pivot = next((i for i in range(rank, len(work)) if work[i][column]), None)
        if pivot is None:
            continue
        work[rank], work[pivot] = work[pivot], work[rank]
        for i in range(rank + 1, len(work)):
            factor = work[i][column] / work[rank][column]
            work[i] = [a - factor * b for a, b in zip(work[i], work[rank], strict=True)]
        rank += 1
    return rank


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_counts_agree_with_brute_force(data: st.DataObject) -> None:
    format_ = parse_format(data.draw(st.sampled_from(["1x2x1", "2x1x1", "1x1x2", "1x2x2"])))
    du, dv, _ = format_.dimensions
    base = naive_scheme(format_, Ring.ZT)
    entry = st.integers(-3, 3)
    extra = data.draw(st.integers(0, 8 - base.rank))
    u = base.u.tolist() + [
        data.draw(st.lists(entry, min_size=du, max_size=du).filter(any)) for _ in range(extra)
    ]
    v = base.v.tolist() + [
        data.draw(st.lists(entry, min_size=dv, max_size=dv).filter(any)) for _ in range(extra)
    ]
    union = FaultTolerantScheme(format_, np.array(u), np.array(v))
    products, targets = union.products.tolist(), target_forms(format_).tolist()
    counts = [0] * (union.workers + 1)
    for size in range(union.workers + 1):
        fatal = []
        for lost in itertools.combinations(range(union.workers), size):
            kept = [row for r, row in enumerate(products) if r not in lost]
            if brute_rank(kept + targets) > brute_rank(kept):
                fatal.append(lost)
        counts[size] = len(fatal)
        assert union.fatal_patterns(size) == fatal
    assert union.certificate().counts == tuple(counts)


def test_a_minor_divisible_by_the_prime_is_not_taken_for_zero() -> None:
    prime = 2**31 - 1
    # column 0 of the checks vanishes modulo the first prime, not over Q: losing product 0 is fine
    checks = np.array([[prime, 1, 0]], dtype=np.int64)
    decoder = np.array([[1, 0, 0]], dtype=np.int64)
    assert fatal_counts(checks, decoder) == [0, 0, 1, 1]
    assert fatal_patterns(checks, decoder, 2) == [(0, 1)]


def test_a_truncated_certificate_gives_bounds() -> None:
    union = golden_union("S+W")
    short, full = union.certificate(3), union.certificate()
    assert not short.is_complete
    assert short.counts == full.counts[:4]
    low, high = short.failure_bounds(0.1)
    assert low < full.failure_probability(0.1) < high
    with pytest.raises(UsageError, match="bounds"):
        short.failure_probability(0.1)


def test_certificate_says_what_it_corrects() -> None:
    certificate = golden_union("S+W+2").certificate()
    assert (certificate.kmin, certificate.survives, certificate.detects) == (3, 2, 2)
    assert certificate.corrects == 1


def test_products_that_do_not_span_are_refused() -> None:
    s = strassen()
    with pytest.raises(InvalidSchemeError, match="do not span"):
        FaultTolerantScheme(TWO, s.u[:6], s.v[:6])
    with pytest.raises(FormatError, match="zero factor"):
        FaultTolerantScheme(TWO, np.vstack([s.u, np.zeros(4, int)]), np.vstack([s.v, s.v[0]]))


def test_a_union_is_a_valid_scheme_and_its_hash_ignores_order_and_sign() -> None:
    union = golden_union("S+W")
    assert is_valid(union.as_scheme())
    order = np.random.default_rng(1).permutation(14)
    other = FaultTolerantScheme(TWO, -union.u[order], union.v[order])
    assert other.content_hash == union.content_hash
    assert golden_union("S+W+1").content_hash != union.content_hash


def test_a_set_is_decodable_unless_the_certificate_counts_it() -> None:
    union = golden_union("S+W")
    for size in (1, 2):
        lost = [e for e in itertools.combinations(range(14), size) if not union.is_decodable(e)]
        assert lost == union.fatal_patterns(size)
        assert len(lost) == union.certificate().counts[size]
