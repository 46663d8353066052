"""Fewer additions: common subexpressions shared, schemes made sparser at the same rank."""

from flipsearch.kernels.additions.anneal import fewer_additions
from flipsearch.kernels.additions.reduction import fewest_additions, reduce_additions, shorten
from flipsearch.programs import Program, Reduction, chained, transposed

__all__ = [
    "Program",
    "Reduction",
    "chained",
    "fewer_additions",
    "fewest_additions",
    "reduce_additions",
    "shorten",
    "transposed",
]
