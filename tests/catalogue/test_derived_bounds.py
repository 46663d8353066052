"""Bounds by block composition: blocks add up, and the shipped table is that of the program."""

import sys
from pathlib import Path

import pytest

from flipsearch.catalogue.bounds import shipped_table
from flipsearch.formats import OPERANDS, parse_format
from flipsearch.rings import Ring

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))  # benchmarks are no package
composition = pytest.importorskip("benchmarks.structured_bounds")


def test_blocks_add_up_to_the_whole() -> None:
    """The naive products of the parts of every cut are those of the format."""
    cuts = 0
    for format_ in composition.formats():
        if max(format_.sides) <= 5:
            for parts in composition.splits(format_):
                cuts += 1
                assert sum(part.naive_rank for part in parts) == format_.naive_rank, format_
    assert cuts > 400


def test_the_shipped_bounds_are_the_composed_ones() -> None:
    table = {(name, ring): (value, source) for name, ring, value, source in shipped_table()[2]}
    for name in ("gt:3x5x3", "ug:4x4x7", "ul:8x8x8", "uu:6x6x6", "ut:7x7x7", "sg:6x6x2"):
        for ring in composition.RINGS:
            value, source = table[name, ring]
            assert value == composition.bound(parse_format(name), ring)[0]
            assert source.startswith("derived here")
    assert table["ss:5x5x5", Ring.Q][0] == 55  # below the cited 59
    assert table["ug:4x4x4", Ring.Q] == (34, "arXiv 2511.10786 (flip-cpd)")
    for operands in set(OPERANDS) - {"gg"}:
        for n in range(2, 9):
            assert (f"{operands}:{n}x{n}x{n}", Ring.Q) in table
