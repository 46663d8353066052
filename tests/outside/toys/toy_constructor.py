"""A constructor: Karatsuba's three products for two polynomials of two terms, ``toy:2``."""

import numpy as np

from flipsearch.constructors import Constructor
from flipsearch.scheme import Scheme


def rank(format_, ring):
    """Return the number of products for ``toy:2``, None for other formats."""
    return 3 if format_.name.startswith("tensor:toy-2:") else None


def build(format_, ring):
    """Return a0 b0, a1 b1 and (a0 + a1)(b0 + b1), from which the middle term follows."""
    factors = [[1, 0], [0, 1], [1, 1]]
    outputs = ring.balanced(np.array([[1, -1, 0], [0, -1, 1], [0, 1, 0]]))
    return Scheme(format_, ring, factors, factors, outputs)


toy = Constructor("Karatsuba's product of two polynomials of two terms", rank, build)
