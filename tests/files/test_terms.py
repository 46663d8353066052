"""The grammar of written-out schemes: every spelling means the same, and nothing else passes."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheme_samples import strassen

from flipsearch.errors import FormatError
from flipsearch.files import Read, read_piece
from flipsearch.files.pieces import Piece
from flipsearch.files.terms import Form, Reader, constant, variable
from flipsearch.formats.written import written

STRASSEN = """\
(a11 + a22)*(b11 + b22)*(c11 + c22)
(a21 + a22)*(b11)*(c12 - c22)
(a11)*(b12 - b22)*(c21 + c22)
(a22)*(-b11 + b21)*(c11 + c12)
(a11 + a12)*(b22)*(-c11 + c21)
(-a11 + a21)*(b11 + b12)*(c22)
(a12 - a22)*(b21 + b22)*(c11)
"""
EQUATIONS = """\
t1 := a21 + a22;
h1 = (a11 + a22) * (b11 + b22); h2 = t1 b11
h3 = (a11) * (b12 - b22)
h4 = -(a22) * (b11 - b21)
h5 = (a11 + a12) * (b22)
h6 = (-a11 + a21) * (b11 + b12)
h7 = (a12 - a22) * (b21 + b22)
s = h1 + h4
c11 = s - h5 + h7   # the first entry
c12 = h3 + h5
c21 = h2 + h4
c22 = h1 - h2 + h3 + h6
"""


def read(text: str) -> Read:
    return read_piece(Piece("a.txt", text.encode()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(a11 + a22)*", "# by hand\n\n# [c] transposed\n(a11 + a22)*"),
        ("(a21 + a22)*(b11)", "(-2*(-a21 - a22))*(b11)/2"),
        ("(a21 + a22)*(b11)*(c12 - c22)", "-((-a21 - a22) (b11) (c12 - c22))"),
        ("(a11)*(b12 - b22)", "a11/2 b12*(0) + 0"),
        ("(a11)*(b12 - b22)", "(0.5a11)*(2*b12 - 4/2 b22)"),
        ("(a11)*(b12 - b22)", "1/3*(a11)·(3*(b12-b22))"),
        ("(a11)*(b12 - b22)", "-1*a11 × (b22 − b12)"),
        ("(c11)\n", "(c11)\n\n"),
        (")\n", "),\r\n"),
        (")\n", ") # product\n"),
        ("a", "A_"),
        ("a11", "a[1, 1]"),
        ("c22", "c_2_2"),
    ],
)
def test_spellings_of_strassen(old: str, new: str) -> None:
    text = STRASSEN.replace(old, new)
    if new.endswith("+ 0"):
        assert "product" in read(text).reason
        return
    assert read(text).reason == ""
    assert read(text).scheme == strassen()


def test_entries_may_be_counted_from_zero() -> None:
    assert read(STRASSEN.translate({ord("1"): "0", ord("2"): "1"})).scheme == strassen()


def test_equations_with_sums_under_names() -> None:
    found = read(EQUATIONS)
    assert found.reason == ""
    assert (found.scheme, found.w_order) == (strassen(), "C")
    for old, new, message in (
        ("t1 b11", "t2 b11", "line 2: 't2' is no entry"),
        ("h3 =", "h1 =", "line 3: expected an equation"),
        ("(a11) * (b12 - b22)", "(a11) * (a12)", "line 3: an entry of a is no entry of b"),
        ("c12 = h3 + h5", "c12 = h3 + a11", "line 10: it adds entries of different matrices"),
        ("c12 = h3 + h5", "c12 = h3", "not a scheme for 2x2x2"),
        ("c12 = h3 + h5", "c12 h3 + h5", "line 10: expected an equation"),
    ):
        assert message in read(EQUATIONS.replace(old, new)).reason


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("0*0", 0), ("-1*1", -1), ("1-0", 1), ("0**2*0", 0), ("2^3/4", 2), ("+3", 3),
        ("-(1-1)", 0), ("1/3", Fraction(1, 3)), ("-.25", Fraction(-1, 4)),
        ("(1+1)/(2*3)", Fraction(1, 3)), ("+".join(["1*0"] * 9000) + "-1", -1),
    ],
)  # fmt: skip
def test_arithmetic_as_an_entry(entry: str, value: Any) -> None:
    assert constant(entry) == value
    triple = f"{{{{1, 0}}, {{{entry}, 0}}}}"
    expected = read(f"{{{{{{{{1, 0}}, {{{value}, 0}}}}, {{{{1}}, {{0}}}}, {{{{1, 0}}}}}}}}").reason
    assert read(f"{{{{{triple}, {{{{1}}, {{0}}}}, {{{{1, 0}}}}}}}}").reason == expected


@pytest.mark.parametrize(
    "text",
    ["", "1 1", "1//2", "2**65", "2**-1", "9" * 20, "1/0", "x", "(1", "1)", "1e5", "*1", "1*"],
)
def test_what_is_no_arithmetic(text: str) -> None:
    with pytest.raises(FormatError):
        constant(text)


@pytest.mark.parametrize(
    "line",
    [
        "(" * 50_000,
        "-" * 50_000 + "a11",
        " " * 100_000 + "a11",
        "(a11" + " " * 100_000 + "$",
        "(" + "a11+" * 40_000 + "$)",
        "1*" * 90_000,
        "(2*" * 11 + "a11" + ")" * 11 + "**9",
        "a" * 100_000,
        "(" + "1" * 150_000,
    ],
)
def test_hostile_lines_are_refused_at_once(line: str) -> None:
    start = time.process_time()
    for text in (line, f"(a11)*{line}", f"m1 = {line}", f"{line} = 1"):
        assert read(text).scheme is None
    assert time.process_time() - start < 5


NUMBERS = st.fractions(max_denominator=50, min_value=-50, max_value=50).filter(bool)


@given(st.dictionaries(st.sampled_from(["a1", "b_2_3", "x"]), NUMBERS))
def test_printing_a_combination_and_reading_it(combination: dict[str, Fraction]) -> None:
    found = Reader(written(combination), variable).whole().linear()
    assert found == combination
    bracket = Reader(f"({written(combination)})/3", variable).whole()
    assert bracket == Form(Fraction(1, 3), (combination,))
