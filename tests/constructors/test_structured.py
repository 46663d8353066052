"""The other structured products for every n: proved schemes of the promised ranks."""

from math import comb

import pytest

from flipsearch.constructors.columns import column_scheme, row_scheme
from flipsearch.constructors.skew import skew_scheme, triangle_scheme
from flipsearch.constructors.triples import triple_scheme
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.verify import verify


def cube(operands, n):
    return parse_format(f"{operands}:{n}x{n}x{n}")


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("operands", ["kk", "sk"])
def test_triangles_give_a_scheme_over_the_integers(operands, n):
    scheme = triangle_scheme(cube(operands, n))
    assert scheme.ring is not Ring.Q
    assert scheme.rank == (n * (n + 1) * (2 * n + 1) // 6 if n > 2 else 3)
    verify(scheme)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize(("operands", "fewer"), [("kk", 0), ("sk", -2)])
def test_dependent_products_are_taken_out(operands, fewer, n):
    scheme = skew_scheme(cube(operands, n))
    squares = n * (n + 1) * (2 * n + 1) // 6
    exceptions = {("kk", 2): 1, ("kk", 3): 9}
    assert scheme.rank == exceptions.get((operands, n), squares + (fewer or -n))
    verify(scheme)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(("operands", "fewer"), [("sw", 1), ("ww", 0)])
def test_triples_and_four_products_a_pair(operands, fewer, n):
    scheme = triple_scheme(cube(operands, n))
    if n > 1:
        assert scheme.rank == 2 * comb(n, 3) + 4 * comb(n, 2) + 2 * n - fewer
    verify(scheme)


@pytest.mark.parametrize("n", [3, 4, 6])
def test_triples_and_three_products_a_pair_in_the_upper_half(n):
    scheme = triple_scheme(cube("wt", n))
    assert scheme.rank == comb(n, 3) + 3 * comb(n, 2) + n
    verify(scheme)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_triples_of_a_skew_matrix_times_its_transpose(n):
    scheme = triple_scheme(cube("kt", n))
    assert scheme.rank == comb(n, 3) + 3 * comb(n, 2) - 4
    verify(scheme)


@pytest.mark.parametrize("name", ["sg:4x4x4", "wg:3x3x5", "kg:2x2x2", "kg:4x4x3", "kg:5x5x1"])
def test_columns_cost_what_a_vector_costs(name):
    format_ = parse_format(name)
    n = format_.n
    scheme = column_scheme(format_)
    assert scheme.rank == format_.p * (n * (n + 1) // 2 - (format_.operands == "kg"))
    verify(scheme)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("operands", ["us", "uw", "uk"])
def test_rows_cost_what_a_vector_and_a_triangle_cost(operands, n):
    scheme = row_scheme(cube(operands, n))
    assert scheme.rank == n * (n + 1) * (2 * n + 1) // 6 - (n if operands == "uk" else 0)
    verify(scheme)


@pytest.mark.parametrize("build", [skew_scheme, triple_scheme, column_scheme, row_scheme])
def test_other_formats_are_refused(build):
    with pytest.raises(UsageError, match="no such construction"):
        build(parse_format("3x3x3"))
