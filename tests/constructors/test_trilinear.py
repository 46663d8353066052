"""Trilinear aggregation keeps its promise: rank, ring and proof, for squares from side 8."""

import pytest

from flipsearch.constructors import construct, offers
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring


@pytest.mark.parametrize(("side", "rank"), [(8, 416), (9, 563), (10, 699), (11, 913)])
def test_squares_are_made_and_proved(side, rank):
    scheme = construct(f"{side}x{side}x{side}", by="trilinear")
    assert (scheme.rank, scheme.ring) == (rank, Ring.Q)


def test_ranks_are_the_published_ones_without_a_scheme():
    offered = [offers(parse_format(f"{n}x{n}x{n}"), Ring.Q) for n in (13, 14, 15, 16)]
    assert offered == [[(rank, "trilinear")] for rank in (1379, 1593, 1977, 2236)]


@pytest.mark.parametrize("name", ["7x7x7", "4x4x4", "8x8x9", "gt:8x8x8"])
def test_other_formats_are_refused(name):
    with pytest.raises(UsageError, match="no constructor makes"):
        construct(name, by="trilinear")
