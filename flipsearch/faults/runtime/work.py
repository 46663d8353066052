"""Do the work of one worker: form two operands from their blocks and multiply them."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Leaf = Callable[[Any, Any], Any]
Drill = str | float | None


class Workspace(threading.local):
    """Arrays that each thread keeps from one product to the next, because fresh memory costs time.

    A pickled workspace is empty.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def take(self, name: str, shape: tuple[int, int], kind: np.dtype[Any]) -> Any:
        """Return an array with arbitrary contents; the last array of that name if it fits."""
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape or kept.dtype != kind:
            kept = self._kept[name] = np.empty(shape, kind)
        return kept

    def __reduce__(self) -> tuple[Any, ...]:
        return (Workspace, ())


WORKSPACE = Workspace()


def default_leaf(x: Any, y: Any, out: Any = None) -> Any:
    """Multiply two matrices: floats by BLAS into `out`, integers exactly modulo 2^64.

    Integers whose product cannot exceed 2^53 use float64 BLAS, which is then exact.
    """
    if x.dtype.kind != "i":
        return np.matmul(x, y, out=out)
    bound = x.shape[1] * _largest(x) * _largest(y)
    if bound < 2**53:
        return np.matmul(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)
    return np.matmul(x, y)


def _largest(x: Any) -> int:
    return max(abs(int(x.max(initial=0))), abs(int(x.min(initial=0))))


def resolve_leaf(leaf: Leaf | str) -> Leaf:
    """Return the leaf multiplication; a string is ``module:function``."""
    if isinstance(leaf, str):
        module, _, name = leaf.partition(":")
        found: Leaf = getattr(importlib.import_module(module), name or "matmul")
        return found
    return leaf


def blocks_of(matrix: Any, rows: int, columns: int) -> list[Any]:
    """Return the blocks, row by row, as views; the last blocks may be smaller or empty."""
    height, width = -(-matrix.shape[0] // rows), -(-matrix.shape[1] // columns)
    return [
        matrix[i * height : (i + 1) * height, j * width : (j + 1) * width]
        for i in range(rows)
        for j in range(columns)
    ]


def combine(
    shape: tuple[int, int], coefficients: Sequence[int], blocks: Sequence[Any], out: Any = None
) -> Any:
    """Return the sum of coefficient times block; blocks are padded with zeros to `shape`.

    A single block with coefficient 1 and the right shape is returned itself. Otherwise the sum is
    in `out` if it is given. Some rows are added at a time, so each block is read from memory once.
    """
    if len(blocks) == 1 and coefficients[0] == 1 and blocks[0].shape == shape:
        return blocks[0]
    kind = blocks[0].dtype
    total = np.empty(shape, dtype=kind) if out is None else out
    step = max(1, (1 << 17) // max(1, shape[1] * kind.itemsize))
    scaled = np.empty((min(step, shape[0]), shape[1]), dtype=kind)
    for start in range(0, shape[0], step):
        rows = total[start : start + step]
        is_first = True
        for coefficient, block in zip(coefficients, blocks, strict=True):
            part = block[start : start + step]
            into = rows[: part.shape[0], : part.shape[1]]
            if is_first and part.shape == rows.shape:
                np.multiply(part, kind.type(coefficient), out=into)
            else:
                if is_first:
                    rows[...] = 0
                if coefficient in (1, -1):
                    (np.add if coefficient == 1 else np.subtract)(into, part, out=into)
                else:
                    piece = scaled[: part.shape[0], : part.shape[1]]
                    np.multiply(part, kind.type(coefficient), out=piece)
                    into += piece
            is_first = False
    return total


def product_of_blocks(
    shapes: tuple[tuple[int, int], tuple[int, int]],
    left: Sequence[int],
    right: Sequence[int],
    leaf: Leaf | str | None,
    drill: Drill,
    *blocks: Any,
    keep: bool = False,
) -> Any:
    """Compute one product from its blocks of A and of B.

    Its operands are formed in memory that the thread keeps for the next product; with `keep` the
    product's memory is kept too, and the next product overwrites it. `shapes` are those of the
    padded blocks of A and of B. `left` and `right` are the nonzero coefficients, one a block.
    `leaf` multiplies the two operands: a callable, ``module:function``, or None for BLAS. `drill`
    is a simulated fault: ``"kill"``, ``"raise"``, ``"wrong"``, ``"lose"``, a delay in seconds, or
    None. A leaf that returns another shape or dtype raises a TypeError.
    """
    rehearse(drill)
    kind = blocks[0].dtype
    cut = len(left)
    x = combine(shapes[0], left, blocks[:cut], WORKSPACE.take("left", shapes[0], kind))
    y = combine(shapes[1], right, blocks[cut:], WORKSPACE.take("right", shapes[1], kind))
    shape = (shapes[0][0], shapes[1][1])
    if leaf is None:
        product = default_leaf(x, y, WORKSPACE.take("product", shape, kind) if keep else None)
    else:
        product = np.asarray(resolve_leaf(leaf)(x, y))
        if product.shape != shape:
            raise TypeError(f"the leaf returned shape {product.shape}; the product is {shape}")
        product = product.astype(kind, casting="same_kind", copy=False)
    return spoil(product) if drill == "wrong" else product


def rehearse(drill: Drill) -> None:
    """Carry out a simulated fault: sleep, raise an error, or kill this process."""
    if isinstance(drill, (int, float)):
        time.sleep(drill)
    elif drill == "raise":
        raise RuntimeError("a rehearsed failure of this worker")
    elif drill == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif drill == "lose":
        raise RuntimeError("a rehearsed loss of this product")


def spoil(product: Any) -> Any:
    """Return the product with one wrong entry, as after a silent error."""
    spoiled = np.array(product)
    at = (spoiled.shape[0] // 2, spoiled.shape[1] // 3)
    spoiled[at] += np.array(1 + abs(spoiled[at])).astype(spoiled.dtype)
    return spoiled
