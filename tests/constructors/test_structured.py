"""The other structured products for every n: proved schemes of the promised ranks."""

import re
from math import comb
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.constructors.columns import column_scheme, row_scheme
from flipsearch.constructors.skew import skew_scheme, triangle_scheme
from flipsearch.constructors.triples import triple_scheme
from flipsearch.errors import UsageError
from flipsearch.formats import OPERANDS, parse_format
from flipsearch.rings import Ring
from flipsearch.verify import verify

ROW = re.compile(
    r"^\| `(.+)` \| (\d+) \| (\S+) \| (\d*) \| ([\d.]*) \| (\d+) \| [\d.]+ \|$", re.MULTILINE
)
"""Format, rank, ring, calls, gamma and rank by blocks in a row of structured_table.md."""


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


def test_the_page_of_structured_products_has_the_shipped_schemes(database):
    page = Path(__file__).parents[2] / "docs/structured_table.md"
    rows = ROW.findall(page.read_text(encoding="utf8"))
    squares = {f"{pair}:{n}x{n}x{n}" for pair in OPERANDS[1:] for n in range(2, 9)}
    assert squares < {name for name, *_ in rows}
    assert len(rows) == len(squares) + 7 + 5 * 5 * 5  # general squares; pairs x n x m, m not n
    with Catalogue.open(database, read_only=True) as catalogue:
        for name, rank, ring, calls, gamma, by_blocks in rows:
            format_ = catalogue.format(name)
            best = catalogue.schemes.query(format=format_, ring=Ring.Q, sort="rank", limit=8)
            assert min(record.rank for record in best) == int(rank) <= int(by_blocks)
            shown = (ring.replace("Z[1/2]", "Q"), calls, gamma)
            assert shown in [cells(record) for record in best if record.rank == int(rank)]


def cells(record):
    """Return the ring, the calls and gamma of a record as the page shows them."""
    gamma = "" if record.gamma is None else f"{record.gamma:.4f}"
    return str(record.ring), "" if record.calls is None else str(record.calls), gamma
