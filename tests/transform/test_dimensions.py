import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import OPERANDS, MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme
from flipsearch.transform import (
    Part,
    assemble,
    complete,
    extend,
    free_dimensions,
    merge,
    product,
    project,
    tied_dimensions,
)
from flipsearch.verify import is_valid

RINGS = st.sampled_from([Ring.F2, Ring.F3, Ring.ZT])
STRUCTURED = st.builds(
    lambda operands, n, corner: parse_format(f"{operands}:{n}x{n}x{n}{corner}"),
    st.sampled_from(OPERANDS),
    st.integers(2, 4),
    st.sampled_from(["", "a", "b", "c"]),
)


@given(format_=STRUCTURED, ring=RINGS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_extend_and_project_keep_validity(
    format_: MatrixProduct, ring: Ring, data: st.DataObject
) -> None:
    scheme = naive_scheme(format_, ring)
    dimension = data.draw(st.sampled_from(free_dimensions(format_)))
    larger = extend(scheme, dimension)
    assert is_valid(larger)
    side = larger.format.sides[dimension]
    assert side == format_.sides[dimension] + 1
    smaller = project(larger, dimension, data.draw(st.integers(0, side - 1)))
    assert is_valid(smaller)
    assert smaller.format.sides == format_.sides


def test_extending_the_naive_scheme_gives_the_naive_scheme() -> None:
    scheme = naive_scheme(parse_format("ug:3x3x2"), Ring.ZT)
    assert extend(scheme, "m") == naive_scheme(parse_format("ug:4x4x2"), Ring.ZT)
    assert extend(scheme, 2) == naive_scheme(parse_format("ug:3x3x3"), Ring.ZT)


def test_project_undoes_extend(strassen: Scheme) -> None:
    for dimension in range(3):
        larger = extend(strassen, dimension)
        assert larger.rank == 7 + 4
        assert project(larger, dimension, 2) == strassen


def test_project_merges_to_a_fixpoint(strassen: Scheme) -> None:
    for dimension in "nmp":
        for index in (0, 1):
            small = project(strassen, dimension, index)
            assert is_valid(small)
            assert small.rank <= 6
            assert small.format.naive_rank == 4


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("4x5x6", [(0,), (1,), (2,)]),
        ("ug:4x4x3", [(0, 1), (0, 1), (2,)]),
        ("gt:4x3x4", [(0, 2), (1,), (0, 2)]),
        ("st:3x3x3", [(0, 1, 2)] * 3),
        ("ul:3x3x3", [(0, 1, 2)] * 3),
        ("gg:3x3x3a", [(0, 1, 2)] * 3),
    ],
)
def test_tied_dimensions(text: str, classes: list[tuple[int, ...]]) -> None:
    assert [tied_dimensions(parse_format(text), d) for d in range(3)] == classes


def test_corners_stay_only_while_they_exist() -> None:
    scheme = naive_scheme(parse_format("gt:3x3x3c"), Ring.F3)
    names = [str(project(scheme, 0, i).format) for i in range(3)]
    assert names == ["gt:2x2x2b", "gt:2x2x2c", "gt:2x2x2a"]


@given(ring=RINGS, dimension=st.integers(0, 2), sides=st.tuples(*[st.integers(1, 3)] * 4))
@settings(max_examples=40, deadline=None)
def test_merge_adds_along_one_dimension(
    ring: Ring, dimension: int, sides: tuple[int, int, int, int]
) -> None:
    first = list(sides[:3])
    second = list(sides[:3])
    second[dimension] = sides[3]
    one, two = (naive_scheme(MatrixProduct(*s), ring) for s in (first, second))
    total = merge(one, two, dimension)
    assert is_valid(total)
    assert total.rank == one.rank + two.rank
    assert total.format.sides[dimension] == first[dimension] + second[dimension]


def test_merge_of_structured_schemes_along_the_free_side() -> None:
    ug = merge(*(naive_scheme(parse_format(f"ug:3x3x{p}"), Ring.ZT) for p in (1, 2)), "p")
    gt = merge(*(naive_scheme(parse_format(f"gt:3x{m}x3"), Ring.F2) for m in (1, 2)), "m")
    assert is_valid(ug)
    assert is_valid(gt)
    assert (str(ug.format), str(gt.format)) == ("ug:3x3x3", "gt:3x3x3")
    with pytest.raises(UsageError, match="tied"):
        merge(*[naive_scheme(parse_format("ug:3x3x3"), Ring.ZT)] * 2, "n")
    with pytest.raises(UsageError, match="more than dimension"):
        merge(*(naive_scheme(parse_format(t), Ring.ZT) for t in ("2x2x2", "2x3x3")), "n")


def test_assemble_builds_structured_formats_from_blocks(strassen: Scheme) -> None:
    half = naive_scheme(parse_format("ug:2x2x4"), Ring.ZT)
    dense = merge(strassen, strassen, "p")
    target = parse_format("ug:4x4x4")
    everything = range(4)
    scheme = assemble(
        target,
        Ring.ZT,
        [
            Part(half, (0, 1), (0, 1), everything),
            Part(half, (2, 3), (2, 3), everything),
            Part(dense, (0, 1), (2, 3), everything),
        ],
    )
    assert is_valid(scheme)
    assert scheme.rank == 12 + 12 + 14
    with pytest.raises(UsageError, match="is zero in"):
        assemble(target, Ring.ZT, [Part(dense, (2, 3), (0, 1), everything)])
    with pytest.raises(UsageError, match="not over F2"):
        assemble(target, Ring.F2, [Part(dense, (0, 1), (2, 3), everything)])


def test_assemble_subtracts_what_is_computed_twice(strassen: Scheme) -> None:
    whole = range(2)
    twice = assemble(
        strassen.format, Ring.F3, [Part(strassen.over(Ring.F3), whole, whole, whole)] * 2
    )
    assert is_valid(twice)
    with pytest.raises(UsageError, match="symmetry"):
        assemble(
            parse_format("4x4x4"),
            Ring.F3,
            [Part(naive_scheme(parse_format("sg:2x2x2"), Ring.F3), whole, (2, 3), whole)],
        )


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.Z])
@pytest.mark.parametrize("operands", ["sg", "wg", "ss"])
def test_a_general_block_on_a_symmetric_diagonal(
    strassen: Scheme, ring: Ring, operands: str
) -> None:
    """There two entries of the block are one parameter: their coefficients add up."""
    target = parse_format(f"{operands}:3x3x3")
    block = (1, 2)
    scheme = assemble(target, ring, [Part(strassen.over(ring), block, block, block)])
    assert is_valid(scheme)
    assert scheme.rank < target.naive_rank
    small = naive_scheme(parse_format("sg:2x2x2"), ring)
    with pytest.raises(UsageError, match="symmetry"):
        assemble(parse_format("wg:2x2x2"), ring, [Part(small, (0, 1), (0, 1), (0, 1))])


@pytest.mark.parametrize(("operands", "added"), [("gt", 8), ("ut", 5), ("gg", 8), ("ug", 5)])
def test_complete_adds_the_corner_products(operands: str, added: int) -> None:
    corner = naive_scheme(parse_format(f"{operands}:4x4x4c"), Ring.ZT)
    full = complete(corner)
    assert is_valid(full)
    assert full.rank == corner.rank + added
    assert full == naive_scheme(parse_format(f"{operands}:4x4x4"), Ring.ZT)


@pytest.mark.parametrize("ring", list(Ring))
def test_product_multiplies_sides_and_ranks(strassen: Scheme, ring: Ring) -> None:
    big = product(strassen.over(ring), naive_scheme(parse_format("2x3x1"), ring))
    assert is_valid(big)
    assert (str(big.format), big.rank) == ("4x6x2", 42)


def test_product_of_rational_schemes() -> None:
    half = rational_scheme(parse_format("1x1x1"), [[2]], [[1]], [["1/2"]])
    scheme = Scheme(half.format, Ring.Q, *([[2]], [[3]], [[1]]), [6])  # type: ignore[arg-type]
    assert is_valid(scheme)
    assert is_valid(product(scheme, half.over(Ring.Q)))


def test_refusals(strassen: Scheme) -> None:
    with pytest.raises(UsageError, match="cannot delete"):
        project(strassen, "n", 2)
    with pytest.raises(UsageError, match="cannot delete"):
        project(naive_scheme(parse_format("1x2x2"), Ring.ZT), "n", 0)
    with pytest.raises(UsageError, match="unknown dimension"):
        extend(strassen, "q")
    with pytest.raises(UsageError, match="structured"):
        product(strassen, naive_scheme(parse_format("ug:2x2x2"), Ring.ZT))
    with pytest.raises(UsageError, match="cannot multiply"):
        product(strassen, strassen.over(Ring.F2))
    large = Scheme(strassen.format, Ring.Z, strassen.u * 2**40, strassen.v, strassen.w)
    with pytest.raises(FormatError, match=r"2\^62"):
        product(large, large)


def test_projection_of_a_large_product_is_exact(strassen: Scheme) -> None:
    scheme = product(strassen, strassen)
    for dimension, index in ((0, 3), (1, 1), (2, 0)):
        scheme = project(scheme, dimension, index)
    assert is_valid(scheme)
    assert str(scheme.format) == "3x3x3"
    assert scheme.rank <= 27 + 8
    assert np.abs(scheme.u).max() == 1
