"""Blocks: divisions hold each product once, agree with a slow plain search, and are proved."""

import functools

import pytest
from scheme_samples import strassen

from flipsearch.constructors import construct
from flipsearch.constructors.blocks import BlockMaker, Blocks, dual_format, letters, whole
from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import OPERANDS, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import verify

BASE = strassen()


def blocks(ring=Ring.Q):
    return Blocks(ring, {BASE.format: (BASE.rank, BASE.content_hash)})


def maker(ring=Ring.Q):
    return BlockMaker(blocks(ring), lambda name: BASE)


def products(format_, box):
    """The products of a box that some output needs, as (a, b, c)."""
    found = []
    for i in range(*box[0]):
        for j in range(*box[1]):
            for k in range(*box[2]):
                a, b = format_.left.entry(i, j), format_.right_entry(j, k)
                c = format_.output_index(i, k)
                if a is not None and b is not None and c is not None:
                    found.append((a[0], b[0], c))
    return found


@pytest.mark.parametrize("operands", OPERANDS)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_blocks_of_a_division_hold_each_product_once(operands, n):
    format_ = parse_format(f"{operands}:{n}x{n}x{n}")
    held = [each for block in blocks().blocks(format_) for each in products(format_, block.box)]
    assert sorted(held) == sorted(products(format_, whole(format_)))


def test_a_triangular_product_is_the_best_of_all_divisions():
    """A plain recursion for ug:n x n x p, from naive products and those of Hopcroft and Kerr."""

    @functools.cache
    def plain(span, inner, p):
        """Rows and inner indices as ranges of an upper triangular matrix."""
        rows, columns = range(*span), range(*inner)
        if not any(i <= j for i in rows for j in columns):
            return 0
        naive = sum(i <= j for i in rows for j in columns) * p
        least, middle, most = sorted((len(rows), len(columns), p))
        best = (3 * middle * most + most + 1) // 2 if least == 2 else naive
        if not len(rows) == len(columns) == p == 1:
            for at in range(span[0] + 1, span[1]):
                best = min(best, plain((span[0], at), inner, p) + plain((at, span[1]), inner, p))
            for at in range(inner[0] + 1, inner[1]):
                best = min(best, plain(span, (inner[0], at), p) + plain(span, (at, inner[1]), p))
            for first in range(1, p):
                best = min(best, plain(span, inner, first) + plain(span, inner, p - first))
        return min(best, naive)

    for n, p in [(2, 2), (3, 2), (4, 2), (4, 4), (5, 3), (6, 4)]:
        found = blocks().rank(parse_format(f"ug:{n}x{n}x{p}"))
        assert found == plain((0, n), (0, n), p), (n, p)


@pytest.mark.parametrize("operands", OPERANDS[1:])
@pytest.mark.parametrize("ring", [Ring.Q, Ring.Z, Ring.F2, Ring.F3])
def test_every_pair_is_assembled_as_promised(operands, ring):
    making = maker(ring)
    for n in (3, 4):
        format_ = parse_format(f"{operands}:{n}x{n}x{n}")
        scheme, how = making.assembled(format_)
        verify(scheme)
        assert scheme.format == format_
        assert scheme.rank <= making.blocks.divided(format_) <= format_.naive_rank
        assert how.split()[0] == "blocks"


@pytest.mark.parametrize("name", ["ug:3x3x5", "gt:3x5x3", "sg:4x4x3", "kg:4x4x2", "wg:3x3x4"])
def test_rectangles_are_assembled(name):
    scheme, _ = maker().assembled(parse_format(name))
    verify(scheme)
    assert scheme.rank <= blocks().divided(parse_format(name))


def test_a_matrix_times_a_vector_serves_as_a_row():
    """us:4 of 16 + 9 + 4 + 1 products by rows, or less."""
    found = blocks()
    assert found.rank(parse_format("sg:4x4x1")) == 10
    assert found.divided(parse_format("us:4x4x4")) <= 30
    assert any(block.format.operands == "sg" for block in found.blocks(parse_format("us:4x4x4")))


def test_schemes_of_duals_serve_each_other():
    gt = naive_scheme("gt:3x3x3", Ring.ZT)
    found = Blocks(Ring.Q, {gt.format: (17, "f" * 64)})
    assert found.rank(parse_format("ug:3x3x3")) == 17
    assert found.choice(parse_format("ug:3x3x3")).format == gt.format
    assert dual_format(parse_format("ug:3x3x5")) == parse_format("gt:3x5x3")
    assert dual_format(parse_format("ss:3x3x3")) == parse_format("ss:3x3x3")


def test_a_format_has_a_scheme_of_its_own():
    making = maker()
    for name in ("uu:2x2x2", "ut:2x2x2", "ug:4x4x4", "gt:4x4x4"):
        own = making.fetch(making.own_name(parse_format(name)))
        assert own.format == parse_format(name)
        assert making.recipes[own.content_hash[:16]].rank == own.rank
    assert making.name(parse_format("2x2x2")) == BASE.content_hash


def test_blocks_that_leave_a_ring_are_refused():
    column = construct("kg:3x3x1")  # with halves
    held = {column.format: (column.rank, column.content_hash)}
    making = BlockMaker(Blocks(Ring.Z, held), lambda name: column)
    with pytest.raises(FormatError, match="not over Z"):
        making.assembled(parse_format("kg:3x3x2"))
    with pytest.raises(UsageError, match="leave the suffix out"):
        maker().assembled(parse_format("gt:4x4x4c"))


def test_letters_of_blocks():
    format_ = parse_format("uk:4x4x4")
    assert letters(format_, ((0, 2), (0, 2), (0, 2))) == ("u", "k")
    assert letters(format_, ((2, 4), (0, 2), (0, 2))) == ("", "k")
    assert letters(format_, ((0, 1), (0, 1), (0, 1))) == ("u", "")
    assert letters(format_, ((0, 3), (1, 4), (0, 1))) == ("g", "g")
