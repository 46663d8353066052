"""Turn a proved scheme into the tables a kernel runs by.

Invariant: the tables of `algorithm_of` were verified exactly in the same call and consist of
integers only. No text of a scheme's file or name reaches a kernel.
"""

from __future__ import annotations

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.sparse import SparseTensor
from flipsearch.kernels.runtime.algorithm import Algorithm, Term
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

BLOCKWISE_LETTERS = "gul"
MOST_PRODUCTS = 5_000


def algorithm_of(scheme: Scheme) -> Algorithm:
    """Return the tables of a scheme, after proving it.

    Its operands are general or triangular matrices, or a matrix and its own transpose: blocks of
    these multiply as their entries do. Over F2 and F3 they are general. Another format, or more
    than `MOST_PRODUCTS` products, raises a `UsageError`; a Brent equation that fails, an
    `InvalidSchemeError`.
    """
    algorithm = unproved_algorithm(scheme)
    verify(scheme)
    return algorithm


def unproved_algorithm(scheme: Scheme) -> Algorithm:
    """Return the tables of a scheme without a proof, to price it; raise as `algorithm_of` does."""
    format_ = blockwise(scheme.format)
    modulus = scheme.ring.characteristic
    if modulus and not format_.is_general:
        raise UsageError(f"kernels over {scheme.ring} multiply general matrices, not {format_}")
    if scheme.rank > MOST_PRODUCTS:
        raise UsageError(
            f"no kernel for {scheme.rank} products: the most is {MOST_PRODUCTS}, and a smaller "
            "format multiplies the same matrices in more blocks"
        )
    form = scheme.canonical
    if max(abs(int(x)) for matrix in form.factors for x in matrix.flat) >= 2**31:
        raise FormatError("a coefficient is 2^31 or more in absolute value: no kernel for that")
    products = tuple(
        (_terms(format_, 0, u), _terms(format_, 1, v), _terms(format_, 2, w))
        for u, v, w in zip(*form.factors, strict=True)
    )
    denominators = tuple(int(d) for d in form.denominators)
    return Algorithm(format_.sides, products, denominators, format_.is_general, modulus)


def check_format(format_: Format) -> None:
    """Raise a `UsageError` if there are no kernels for a format: see `blockwise`."""
    if not isinstance(format_, SparseTensor):
        blockwise(format_)


def blockwise(format_: Format) -> MatrixProduct:
    """Return a format for whose schemes kernels can be written, which hold for blocks.

    A `UsageError` says that it is no product of matrices, or holds for numbers but not for blocks.
    """
    if not isinstance(format_, MatrixProduct):
        raise UsageError(f"no kernel for {format_}: kernels exist for products of matrices")
    letters = format_.operands.replace("t", "g")
    if format_.corner or any(letter not in BLOCKWISE_LETTERS for letter in letters):
        raise UsageError(
            f"no kernel for {format_}, whose schemes hold for numbers and not for blocks: kernels "
            "exist for general (g) and triangular (u, l) operands and for a matrix times its "
            "transpose (gt), without corner suffix"
        )
    return format_


def _terms(format_: MatrixProduct, slot: int, row: IntArray) -> tuple[Term, ...]:
    """Return the nonzero coefficients of a factor as (coefficient, block row, block column)."""
    terms = []
    for index in np.flatnonzero(row).tolist():
        if slot == 2:
            i, j = format_.output_position(index)
        else:
            i, j = (format_.left, format_.right)[slot].position(index)
            if slot == 1 and format_.is_gram:
                i, j = j, i
        terms.append((int(row[index]), i, j))
    return tuple(terms)
