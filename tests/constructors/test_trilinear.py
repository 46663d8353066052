"""Trilinear aggregation keeps its promise: rank, ring and proof, for sides from 8 on."""

import pytest

from flipsearch.constructors import construct, offers
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("8x8x8", 416),
        ("9x9x9", 563),
        ("10x10x10", 699),
        ("8x8x7", 404),
        ("9x8x8", 457),
        ("9x8x9", 509),
        ("10x9x10", 684),
        ("10x10x11", 761),
    ],
)
def test_schemes_are_made_and_proved(name, rank):
    scheme = construct(name, by="trilinear")
    assert (str(scheme.format), scheme.rank, scheme.ring) == (name, rank, Ring.Q)


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("13x13x13", 1379),
        ("14x14x14", 1593),
        ("15x15x15", 1977),
        ("16x16x16", 2236),
        ("13x14x14", 1572),
        ("14x14x15", 1709),
        ("14x15x15", 1842),
        ("15x16x16", 2212),
    ],
)
def test_ranks_are_published_ones_or_lower_without_a_scheme(name, rank):
    assert offers(parse_format(name), Ring.Q) == [(rank, "trilinear")]


@pytest.mark.parametrize(
    "name", ["7x7x7", "4x4x4", "8x8x10", "7x7x8", "7x8x9", "9x9x10", "gt:8x8x8"]
)
def test_other_formats_are_refused(name):
    with pytest.raises(UsageError, match="no constructor makes"):
        construct(name, by="trilinear")
