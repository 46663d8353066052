"""Apply a bilinear map to vectors, or to stacks of them, by a compiled program.

The program writes the result times a common denominator for each pair of rows. It serves integers
and floating point. If the denominator is not 1, integers take the products as written instead: a
division would lose the bits that wrap.

Invariant: the result has numpy's type for the two operands, and integers wrap as numpy's do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

COMPILED = {np.dtype(code) for code in ("i1", "i2", "i4", "i8", "f4", "f8", "c8", "c16")}


def apply_program(
    program: Any, target: Any, sizes: tuple[int, int, int], denominator: int, a: Any, b: Any
) -> Any:
    """Return the value of a bilinear map at two vectors, or at stacks of them.

    `a` and `b` have shapes (..., dU) and (..., dV), their leading dimensions are broadcast, and
    the result has shape (..., dW). `program` goes from rows of A and of B to rows of C times the
    denominator, shapes (N, dU), (N, dV) and (N, dW). `target` holds the map's entries (a, b, c,
    value): C[c] is the sum of value * A[a] * B[b]. A vector of another length raises a ValueError,
    anything but numbers a TypeError.
    """
    left, right = np.asarray(a), np.asarray(b)
    for name, operand, size in (("a", left, sizes[0]), ("b", right, sizes[1])):
        if operand.ndim == 0 or operand.shape[-1] != size:
            raise ValueError(f"{name} has shape {operand.shape}: its last side must be {size}")
        if operand.dtype.kind not in "iufcO":
            raise TypeError(f"{name} holds {operand.dtype}, not numbers")
    kind = np.result_type(left, right)
    shape = np.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    rows = [
        np.ascontiguousarray(np.broadcast_to(operand, (*shape, size)), kind).reshape(-1, size)
        for operand, size in ((left, sizes[0]), (right, sizes[1]))
    ]
    out = np.zeros((rows[0].shape[0], sizes[2]), kind)
    signed = np.dtype(f"i{kind.itemsize}") if kind.kind == "u" else kind  # wraps alike
    if signed not in COMPILED or (denominator != 1 and kind.kind in "iu"):
        for i, j, k, value in target:
            out[:, k] += value * rows[0][:, i] * rows[1][:, j]
    else:
        program(*(array.view(signed) for array in (*rows, out)))
        if denominator != 1:
            out /= denominator
    return out.reshape(*shape, sizes[2])


def prove_program(
    program: Any, target: Any, sizes: tuple[int, int, int], denominator: int
) -> None:
    """Run the program in Python's integers on all pairs of unit vectors; compare with the target.

    The program forms sums of entries of A, sums of entries of B, products of a sum of each, and
    sums of products. It is bilinear, and unit vectors therefore tell everything. A ValueError says
    that it computes another map.
    """
    plain = getattr(program, "py_func", program)
    expected = {(i, j, k): value for i, j, k, value in target}
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            a, b, c = (np.zeros((1, size), object) for size in sizes)
            a[0, i] = b[0, j] = 1
            plain(a, b, c)
            for k in range(sizes[2]):
                if c[0, k] != denominator * expected.get((i, j, k), 0):
                    raise ValueError("the program in this file is not valid: it was changed")
