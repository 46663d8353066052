"""Operands and outputs as the products see them: flat memory and strides.

Invariant: a flat view covers exactly the memory between the first and the last element of its
matrix; views of operands are read-only, whatever the matrix is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


def has_own_product(x: Any) -> bool:
    """Whether numpy.matmul does more to an object than multiply its numbers.

    Subclasses of arrays may (numbers of a finite field, masks, `numpy.matrix`), and so may
    classes that define numpy's protocol for themselves.
    """
    kind = type(x)
    if kind is np.ndarray or kind is np.memmap:
        return False
    return isinstance(x, np.ndarray) or hasattr(kind, "__array_ufunc__")


def is_half(dtype: Any) -> bool:
    """Whether a type has floats of 16 bits: float16, or bfloat16 of another library."""
    return dtype.itemsize == 2 and dtype.name in ("float16", "bfloat16")


def check_output(out: Any, a: Any, b: Any) -> None:
    """Raise ValueError unless `out` is a writable array of the product's shape."""
    if not isinstance(out, np.ndarray):
        raise ValueError("out must be a numpy array")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if a.ndim == 2 and b.ndim == 2:
        expected = (a.shape[0], b.shape[1])
        if out.shape != expected:
            raise ValueError(f"out has shape {out.shape}; the product has shape {expected}")


def may_overlap(out: Any, a: Any, b: Any) -> bool:
    """Whether writing to `out` may change an operand that is still to be read."""
    return np.may_share_memory(out, a) or np.may_share_memory(out, b)


def check_type(out: Any, dtype: Any) -> None:
    """Raise TypeError unless elements of that type may be stored in `out`, as numpy has it."""
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise TypeError(f"out is {out.dtype}; the product is {dtype}")


def integer_matrix(x: Any, kinds: str = "iub") -> Any:
    """Return a plain matrix of one of numpy's kinds of integers; TypeError if it is none."""
    if has_own_product(x):
        raise TypeError("operands are plain arrays: give x.view(numpy.ndarray)")
    array = np.asarray(x)
    if array.ndim != 2 or array.dtype.kind not in kinds:
        raise TypeError("operands are matrices of integers or bools")
    return array


def integer_matrices(a: Any, b: Any, kinds: str = "iub") -> tuple[Any, Any]:
    """Return both operands as `integer_matrix` does; ValueError if their shapes do not fit."""
    a, b = (integer_matrix(x, kinds) for x in (a, b))
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not multiply")
    return a, b


def check_exact_output(out: Any, a: Any, b: Any, dtype: Any) -> None:
    """Raise as `check_output`, and TypeError unless `out` holds every number of an exact type."""
    if out is None:
        return
    check_output(out, a, b)
    rounds = out.dtype.kind in "fc" and dtype.itemsize == 8
    if rounds or not np.can_cast(dtype, out.dtype, "safe"):
        raise TypeError(f"out is {out.dtype}; the product is {dtype}")


def kept_in(out: Any, product: Any) -> Any:
    """Return `out` with the product written into it, or the product where there is no `out`."""
    if out is None or out is product:
        return product
    out[...] = product
    return out


def addressable(array: Any) -> bool:
    """Whether elements can be reached as offsets from one another, in native byte order."""
    return (
        array.flags.aligned
        and array.dtype.isnative
        and all(stride % array.itemsize == 0 for stride in array.strides)
    )


def flat_view(array: Any, element: Any, writeable: bool) -> tuple[Any, int, int, int]:
    """Return a flat view of a matrix' memory, where (0, 0) lies in it, and both strides.

    Complex matrices become twice as many reals (`element`), unsigned integers signed ones.
    Operands are always read-only views: one compiled version serves all.
    """
    size = element.itemsize
    rows, columns = array.shape
    row_stride, column_stride = (stride // size for stride in array.strides)
    if array.flags.forc:
        flat = array.ravel(order="K").view(element)
        if not writeable:
            flat.flags.writeable = False
        return flat, 0, row_stride, column_stride
    i, j = (x - 1 if s < 0 else 0 for x, s in zip(array.shape, array.strides, strict=True))
    span = abs(row_stride) * (rows - 1) + abs(column_stride) * (columns - 1)
    corner = as_strided(array[i:, j:], (1,), (array.itemsize,), writeable=writeable)
    flat = as_strided(
        corner.view(element), (span + array.itemsize // size,), (size,), writeable=writeable
    )
    origin = -min(0, row_stride) * (rows - 1) - min(0, column_stride) * (columns - 1)
    return flat, origin, row_stride, column_stride
