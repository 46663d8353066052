from fractions import Fraction

import numpy as np
import pytest

from flipsearch.formats import OPERANDS, parse_format
from flipsearch.formats.recursion import (
    BEST_GAMMA,
    RECURSIVE,
    general_factor,
    recursion,
    recursion_factor,
)
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

# n, rank, calls (itself-first-second), gamma as printed in the literature's tables
PUBLISHED = {
    "ug": "2 6 4-0-0 .6667, 3 17 8-0-0 .6498, 4 34 12-0-0 .5946, 5 63 17-0-0 .6160",
    "sg": "2 6 1-0-0 .8333, 3 18 0-0-0 .8238, 4 40 0-0-0 .8163, 5 75 0-0-0 .8181",
    "wg": "2 6 1-0-0 .8333, 3 18 2-0-0 .8061, 4 40 0-0-0 .8163, 5 75 0-0-0 .8181",
    "uu": "2 4 2-1-1 .2378, 3 10 3-3-3 .2423, 4 19 4-5-5 .2432, 5 32 5-6-6 .2554",
    "us": "2 5 2-1-0 .5189, 3 14 1-5-0 .5263, 4 28 1-6-0 .5118, 5 52 1-11-0 .5133",
    "uw": "2 5 2-1-0 .5189, 3 14 1-5-0 .5263, 4 29 1-8-0 .5158, 5 54 1-12-0 .5308",
    "ul": "2 5 2-1-1 .4378, 3 13 2-3-3 .4316, 4 27 2-5-6 .4370, 5 47 2-9-8 .4250",
    "ss": "2 5 0-1-1 .6618, 3 14 0-1-1 .6239, 4 30 0-0-1 .6085, 5 59 0-0-0 .6436",
    "sw": "2 5 0-1-0 .6880, 3 14 0-2-1 .6150, 4 31 0-0-0 .6327, 5 64 0-2-0 .6941",
    "ww": "2 5 0-1-1 .6589, 3 15 3-0-0 .6366, 4 33 0-0-0 .6735, 5 68 0-0-2 .7375",
    "gt": "2 6 4-0-0 .6667, 3 17 9-0-0 .6226, 4 34 12-0-0 .5946, 5 63 14-0-0 .6308",
    "ut": "2 4 2-1-1 .2378, 3 10 3-3-3 .2423, 4 19 3-6-3 .2685, 5 32 2-7-8 .2667",
    "st": "2 4 0-0-2 .4556, 3 10 0-0-3 .4020, 4 20 0-0-4 .3751, 5 35 0-0-5 .3597",
    "wt": "2 4 0-0-2 .4556, 3 11 0-0-3 .4478, 4 22 0-0-4 .4159, 5 40 0-0-6 .4098",
}
ROWS = [
    (operands, *row.split()) for operands, rows in PUBLISHED.items() for row in rows.split(",")
]
SYMMETRIC = {"s": recursion_factor(4, 40, (0, 0, 0)), "w": recursion_factor(3, 18, (2, 0, 0))}


def general_companion(letter: str) -> float | Fraction:
    return (
        SYMMETRIC[letter] if letter in SYMMETRIC else BEST_GAMMA["ug" if letter in "ul" else "gg"]
    )


@pytest.mark.parametrize(("operands", "n", "rank", "calls", "expected"), ROWS)
def test_published_factors(operands: str, n: str, rank: str, calls: str, expected: str) -> None:
    triple = tuple(int(x) for x in calls.split("-"))
    second = "u" if operands[1] == "t" else operands[1]
    gamma = recursion_factor(
        int(n),
        int(rank),
        triple,  # type: ignore[arg-type]
        general_companion(operands[0]),
        general_companion(second),
    )
    assert abs(float(gamma) - float(expected)) < 5.1e-5


def test_exact_factors() -> None:
    assert recursion_factor(4, 34, (8, 0, 0)) == Fraction(26, 41)
    assert recursion_factor(4, 34, (10, 0, 0)) == Fraction(8, 13)
    assert BEST_GAMMA["ug"] == BEST_GAMMA["gt"] == Fraction(22, 37)
    assert recursion_factor(4, 19, (4, 5, 5), *[Fraction(22, 37)] * 2) == Fraction(9, 37)
    assert recursion_factor(4, 19, (4, 4, 6), *[Fraction(22, 37)] * 2) == Fraction(9, 37)
    assert BEST_GAMMA["uu"] == Fraction(44, 185)
    assert round(float(BEST_GAMMA["ul"]), 4) == 0.4250
    assert general_factor(8) == 343
    assert round(float(general_factor(3)), 2) == 21.85


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("ug:4x4x4", (16, 0, 0)),
        ("gt:3x3x3", (9, 0, 0)),
        ("uu:4x4x4", (4, 6, 6)),
        ("ut:4x4x4", (4, 6, 6)),
        ("ul:3x3x3", (3, 3, 3)),
        ("us:3x3x3", (3, 6, 3)),
        ("kt:3x3x3", (0, 0, 0)),
        ("sk:3x3x3", (0, 6, 0)),
        ("gg:3x3x3", (0, 0, 0)),
    ],
)
def test_calls_of_naive_schemes(text: str, calls: tuple[int, int, int]) -> None:
    format_ = parse_format(text)
    found = recursion(format_, naive_scheme(format_, Ring.ZT).factors)
    assert found.calls == calls
    assert found.rank == format_.naive_rank


def test_naive_gammas() -> None:
    expected = {"ug": Fraction(2, 3), "gt": Fraction(2, 3), "uu": Fraction(44, 185)}
    expected |= {"ut": Fraction(44, 185), "ul": Fraction(81, 185)}
    for operands, gamma in expected.items():
        format_ = parse_format(f"{operands}:2x2x2")
        assert recursion(format_, naive_scheme(format_, Ring.ZT).factors).gamma == gamma


@pytest.mark.parametrize("operands", [o for o in OPERANDS if o not in RECURSIVE])
def test_no_gamma_without_a_valid_block_recursion(operands: str) -> None:
    format_ = parse_format(f"{operands}:3x3x3")
    assert recursion(format_, naive_scheme(format_, Ring.ZT).factors).gamma is None


def test_no_gamma_for_unequal_block_counts() -> None:
    format_ = parse_format("ug:4x4x3")
    found = recursion(format_, naive_scheme(format_, Ring.ZT).factors)
    assert found.gamma is None
    assert found.calls == (12, 0, 0)


@pytest.mark.parametrize(("operands", "added"), [("gt", (8, 0, 0)), ("ut", (2, 0, 3))])
def test_left_out_corners_return_as_calls(operands: str, added: tuple[int, int, int]) -> None:
    format_ = parse_format(f"{operands}:4x4x4c")
    # one arbitrary product that is no call: only what the corners add is counted
    du, dv, dw = format_.dimensions
    u, v, w = (np.zeros((1, d), dtype=np.int64) for d in (du, dv, dw))
    u[0, 1] = v[0, 2] = w[0, 1] = 1
    found = recursion(format_, (u, v, w))
    assert found.calls == added
    assert found.rank == 1 + sum(added)


def test_gram_and_output_rules_differ() -> None:
    format_ = parse_format("gt:2x2x2")
    u = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, -1, 0, 0]])
    v = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [-2, 2, 0, 0]])
    w = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0]])
    found = recursion(format_, (u, v, w))
    assert found.calls == (2, 0, 0)  # the first, and the third up to the scalar -2
    assert found.output_calls == (1, 0, 0)  # the second reaches diagonal outputs only
    assert found.destinations == {"self": 2, "ug": 1}
    # used with independent operands it has (3 - 1) / (7 - 1) = 1/3, below 22/37
    assert found.gamma == Fraction(1, 3) / (7 - 2)
    assert found.recursive_calls == 3
    # mod 3, -2 = 1: still a multiple; mod 2 the third v vanishes and is none
    assert recursion(format_, (u, v, w), 3).calls == (2, 0, 0)
    assert recursion(format_, (u % 2, v % 2, w), 2).calls == (1, 0, 0)


def test_both_rules_never_lose_to_one() -> None:
    generator = np.random.default_rng(0)
    format_ = parse_format("gt:4x4x4")
    for _ in range(20):
        u, v, w = (generator.integers(0, 2, (34, d)) for d in format_.dimensions)
        v[:8] = u[:8]
        w[4:14, [1, 2, 3, 5, 6, 8]] = 0
        found = recursion(format_, (u, v, w), 2)
        assert found.gamma is not None
        for calls in (found.calls, found.output_calls):
            assert found.gamma <= recursion_factor(4, 34, calls)
