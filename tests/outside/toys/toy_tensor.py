"""A tensor: the product of two polynomials of n terms each, ``toy:n``."""

from flipsearch.errors import UsageError
from flipsearch.formats.tensors import SparseTensor, sparse_tensor


def toy(text: str) -> SparseTensor:
    """Return the tensor ``toy:n`` for the text ``n``."""
    if text not in {"2", "3", "4"}:
        raise UsageError(f"toy:{text}: the toy multiplies polynomials of 2, 3 or 4 terms")
    n = int(text)
    entries = [(i, j, i + j, 1) for i in range(n) for j in range(n)]
    return sparse_tensor(f"toy-{n}", entries)
