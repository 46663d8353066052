"""Trilinear aggregation keeps its promise: rank, ring and proof, for small even squares."""

import pytest

from flipsearch.constructors import construct, offers
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring


@pytest.mark.parametrize(("side", "rank"), [(6, 200), (8, 408)])
def test_even_squares_are_made_and_proved(side, rank):
    scheme = construct(f"{side}x{side}x{side}")
    assert (scheme.rank, scheme.ring) == (rank, Ring.Q)


def test_ranks_follow_the_formula_without_a_scheme():
    ranks = [offers(parse_format(f"{n}x{n}x{n}"), Ring.Q) for n in (10, 14, 16)]
    assert ranks == [[(712, "trilinear")], [(1672, "trilinear")], [(2360, "trilinear")]]


@pytest.mark.parametrize("name", ["7x7x7", "4x4x4", "6x6x8", "gt:6x6x6"])
def test_other_formats_are_refused(name):
    with pytest.raises(UsageError, match="no constructor makes"):
        construct(name, by="trilinear")
