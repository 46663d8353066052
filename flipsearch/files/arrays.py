"""numpy files: AlphaTensor's ``.npz`` and flip-cpd's ``.npy``.

``.npz``: keys ``"n,m,p"``, three factors d x R each, as one array (3, d, R) or as an object array
of three; W holds C transposed. ``.npy`` of flip-cpd: one int64 array of numerator and denominator
alternating, blocks U, V, W, each R x d row by row; W holds C, not transposed; which format it is
must be found out.

Invariant: headers are matched by a pattern, never evaluated; object arrays go through
`flipsearch.files.pickled`; sizes are checked before anything is allocated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import check_sides
from flipsearch.files.pickled import read_object_array
from flipsearch.files.shapes import formats_of_length
from flipsearch.formats import MatrixProduct

MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([<>|=]?[a-zA-Z]\d{0,2})',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d,\s]*)\),?\s*\}\s*"
)
_NUMERIC = re.compile(r"[<>|=]?[iuf][1248]")
_KEY = re.compile(r"(\d{1,3})\s*[,x]\s*(\d{1,3})\s*[,x]\s*(\d{1,3})")


def read_npy(data: bytes) -> npt.NDArray[Any] | list[Any]:
    """Return the array of a ``.npy`` file, or the elements of an object array.

    Raises
    ------
    FormatError
        It is no such file, cut short, or holds something else than numbers.
    """
    if data[:6] != MAGIC or len(data) < 12:
        raise FormatError("it is no .npy file")
    wide = data[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(data[8:start], "little")
    match = _HEADER.fullmatch(data[start : start + length]) if length <= 10_000 else None
    if match is None:
        raise FormatError("the header of the .npy file is broken")
    code = match[1].decode()
    sides = [part.strip() for part in match[3].split(b",") if part.strip()]
    if len(sides) > 4 or not all(side.isdigit() and len(side) < 10 for side in sides):
        raise FormatError("the shape in the header of the .npy file is broken")
    shape = tuple(int(side) for side in sides)
    body = data[start + length :]
    if code.lstrip("<>|=") == "O":
        return read_object_array(body)
    if not _NUMERIC.fullmatch(code):
        raise FormatError(f"the .npy file holds {code} instead of numbers")
    kind = np.dtype(code)
    if len(body) != math.prod(shape) * kind.itemsize:
        raise FormatError("the .npy file is not as long as its header says")
    order: Any = "F" if match[2] == b"True" else "C"
    return np.frombuffer(body, dtype=kind).reshape(shape, order=order)


def claims_in(key: str, data: bytes) -> Iterator[Claim]:
    """Yield the alternative claims of a ``.npy`` content.

    Three matrices are a member of AlphaTensor's archive, whatever surrounds them; a flat array of
    integers is flip-cpd's.

    Raises
    ------
    FormatError
        It is neither.
    """
    array = read_npy(data)
    if isinstance(array, list) or array.ndim == 3:
        yield claim_of_member(key, array)
    else:
        yield from claims_of_vector(array)


def claim_of_member(key: str, array: npt.NDArray[Any] | list[Any]) -> Claim:
    """Return what one member of an ``.npz`` file claims.

    Parameters
    ----------
    key : str
        Name of the member without ``.npy``; ``"n,m,p"`` gives the sizes, otherwise they follow
        from the lengths of the factors.
    array : array of shape (3, d, R), or three arrays of shape (d, R)
        The member as `read_npy` returns it.

    Raises
    ------
    FormatError
        It holds no three factors that fit.
    """
    factors = list(array)
    if len(factors) != 3 or any(getattr(factor, "ndim", 0) != 2 for factor in factors):
        raise FormatError(f"member {key[:30]!r} does not hold three factor matrices")
    match = _KEY.fullmatch(key)
    lengths = [len(factor) for factor in factors]
    sides = check_sides([int(side) for side in match.groups()]) if match else _sides(lengths)
    form = MatrixProduct(*sides)
    if tuple(lengths) != form.dimensions:
        raise FormatError(f"member {key[:30]!r} has factors of {lengths} entries, not {form}'s")
    rows = (
        numbers.from_array(np.ascontiguousarray(factor.T), name)
        for factor, name in zip(factors, "UVW", strict=True)
    )
    return terms_of(form, *rows, order=TRANSPOSED)


def _sides(lengths: list[int]) -> tuple[int, int, int]:
    """Return n, m, p from nm, mp, np."""
    a, b, c = lengths
    if min(lengths) < 1 or max(lengths) > 256:
        raise FormatError(f"factors of {lengths} entries belong to no format")
    n, m, p = (
        math.isqrt(top // below) if top % below == 0 else 0
        for top, below in ((a * c, b), (a * b, c), (b * c, a))
    )
    if (n * m, m * p, n * p) != (a, b, c):
        raise FormatError(f"factors of {lengths} entries belong to no matrix product")
    return check_sides((n, m, p))


def claims_of_vector(array: npt.NDArray[Any]) -> Iterator[Claim]:
    """Yield the alternative claims of a flip-cpd ``.npy`` file, one a format that fits.

    Raises
    ------
    FormatError
        It is no flat array of integer pairs.
    """
    if array.dtype.kind not in "iu":
        raise FormatError("the .npy file holds no flat array of integers")
    if array.ndim > 2 or (array.ndim == 2 and 1 not in array.shape) or array.size % 2:
        raise FormatError(f"an array of shape {array.shape} is no list of integer pairs")
    flat, _ = numbers.from_array(array.reshape(1, -1), "the array")
    above, below = flat[0, ::2], flat[0, 1::2]
    if (below == 0).any():
        raise FormatError("a denominator is 0")
    for form, rank in formats_of_length(len(above)):
        factors, at = [], 0
        for dimension in form.dimensions:
            part = slice(at, at + rank * dimension)
            factors.append(
                numbers.pairs(
                    above[part].reshape(rank, dimension), below[part].reshape(rank, dimension)
                )
            )
            at = part.stop
        yield terms_of(form, *factors, order=PLAIN)
