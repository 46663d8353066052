from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.errors import UsageError
from flipsearch.files.shapes import all_formats, formats_of_length
from flipsearch.formats import LARGEST_SIDE, MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import verify

SIDES = st.integers(1, LARGEST_SIDE)


@given(SIDES, SIDES, SIDES)
def test_a_name_parses_back(n: int, m: int, p: int) -> None:
    form = MatrixProduct(n, m, p)
    assert parse_format(form.name) == form
    assert form.dimensions == (n * m, m * p, n * p)
    assert form.naive_rank == n * m * p


def test_every_format_parses_back_and_small_ones_have_valid_naive_schemes() -> None:
    checked = 0
    for form, dimensions in all_formats():
        assert parse_format(form.name) == form
        assert form.dimensions == dimensions
        if max(form.sides) <= 3 and not form.is_general and form.naive_rank:
            verify(naive_scheme(form, Ring.Z))
            checked += 1
    assert checked > 100


@pytest.mark.parametrize("corner", ["", "a", "b", "c"])
def test_a_product_without_a_corner_is_not_general(corner: str) -> None:
    form = parse_format(f"gg:3x3x3{corner}")
    assert form.is_general is not bool(corner)
    assert parse_format("ug:3x3x3").is_general is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4x5", "unknown format"),
        ("4x5x6x7", "unknown format"),
        ("33x1x1", "sides are 1 to 32"),
        ("0x1x1", "sides are 1 to 32"),
        ("ug:17x17x17", "sides are 1 to 16"),
        ("17x17x17a", "sides are 1 to 16"),
        ("zz:2x2x2", "unknown operands"),
        ("gu:2x2x2", "unknown operands"),
        ("ug:2x3x2", "square"),
        ("gt:2x3x4", "transpose is square"),
        ("2x2x3a", "corner suffix"),
        ("2x2x2d", "unknown format"),
    ],
)
def test_names_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_format(text)


def test_variables_are_named_by_their_entries() -> None:
    form = parse_format("2x3x4")
    assert [form.variable(0, k) for k in (0, 3, 5)] == ["a11", "a21", "a23"]
    assert [form.variable(2, k) for k in (0, 1, 2, 7)] == ["c11", "c21", "c12", "c24"]
    assert parse_format("10x1x1").variable(0, 9) == "a10_1"
    assert parse_format("sg:3x3x3").variable(0, 4) == "a23"
    names = {form.variable(slot, k) for slot in range(3) for k in range(form.dimensions[slot])}
    assert len(names) == sum(form.dimensions)


def test_formats_that_fit_a_length_include_the_right_one() -> None:
    for name in ("3x3x3", "gt:4x4x4", "ss:2x2x2", "2x3x4"):
        form = parse_format(name)
        total = sum(form.dimensions) * form.naive_rank
        assert (form, form.naive_rank) in list(formats_of_length(total))


def test_a_format_without_its_corner_is_tabulated_by_itself() -> None:
    assert parse_format("5x3x4").sorted.name == "3x4x5"
    for name in ("gg:3x3x3a", "ug:3x3x2"):
        form = parse_format(name)
        assert form.sorted is form
        with pytest.raises(UsageError, match="permute"):
            form.permuted((1, 2, 0))
