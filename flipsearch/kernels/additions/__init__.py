"""Find programs with fewer additions: shared subexpressions, other schemes of the same rank."""

from flipsearch.kernels.additions.portfolio import fewest_additions
from flipsearch.kernels.additions.reduction import reduce_additions, shorten
from flipsearch.programs import Program, Reduction, chained, transposed

__all__ = [
    "Program",
    "Reduction",
    "chained",
    "fewest_additions",
    "reduce_additions",
    "shorten",
    "transposed",
]
