"""What one worker does: form its two operands from their blocks and multiply them."""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Leaf = Callable[[Any, Any], Any]
Drill = str | float | None


def default_leaf(x: Any, y: Any) -> Any:
    """Multiply two matrices: BLAS for floats; integers exactly modulo 2^64.

    Integers whose product cannot exceed 2^53 go through float64 BLAS, which is then exact.
    """
    if x.dtype.kind != "i":
        return np.matmul(x, y)
    bound = x.shape[1] * _largest(x) * _largest(y)
    if bound < 2**53:
        return np.matmul(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)
    return np.matmul(x, y)


def _largest(x: Any) -> int:
    return max(abs(int(x.max(initial=0))), abs(int(x.min(initial=0))))


def resolve_leaf(leaf: Leaf | str | None) -> Leaf:
    """Return the leaf multiplication: None is the default, a string ``module:function``."""
    if leaf is None:
        return default_leaf
    if isinstance(leaf, str):
        module, _, name = leaf.partition(":")
        found: Leaf = getattr(importlib.import_module(module), name or "matmul")
        return found
    return leaf


def blocks_of(matrix: Any, rows: int, columns: int) -> list[Any]:
    """Return the blocks, row by row, as views; the last ones are smaller or empty."""
    height, width = -(-matrix.shape[0] // rows), -(-matrix.shape[1] // columns)
    return [
        matrix[i * height : (i + 1) * height, j * width : (j + 1) * width]
        for i in range(rows)
        for j in range(columns)
    ]


def combine(shape: tuple[int, int], coefficients: Sequence[int], blocks: Sequence[Any]) -> Any:
    """Return the sum of coefficient times block, blocks padded with zeros to `shape`."""
    if len(blocks) == 1 and coefficients[0] == 1 and blocks[0].shape == shape:
        return blocks[0]
    total = np.zeros(shape, dtype=blocks[0].dtype)
    for coefficient, block in zip(coefficients, blocks, strict=True):
        part = total[: block.shape[0], : block.shape[1]]
        if coefficient == 1:
            part += block
        elif coefficient == -1:
            part -= block
        else:
            part += block * block.dtype.type(coefficient)
    return total


def product_of_blocks(
    shapes: tuple[tuple[int, int], tuple[int, int]],
    left: Sequence[int],
    right: Sequence[int],
    leaf: Leaf | str | None,
    drill: Drill,
    *blocks: Any,
) -> Any:
    """Return one product from the blocks it needs, those of A first.

    Parameters
    ----------
    shapes : two pairs of int
        Shapes of the padded blocks of A and of B.
    left, right : sequences of int
        Nonzero coefficients, one a block.
    leaf : callable, ``module:function`` or None
        Multiplies the two operands.
    drill : rehearsal of a fault, or None
        ``"kill"``, ``"raise"``, ``"wrong"``, or seconds to be late by.
    """
    rehearse(drill)
    x = combine(shapes[0], left, blocks[: len(left)])
    y = combine(shapes[1], right, blocks[len(left) :])
    product = resolve_leaf(leaf)(x, y)
    return spoil(product) if drill == "wrong" else product


def rehearse(drill: Drill) -> None:
    """Be late, raise, or die, as a rehearsal asks."""
    if isinstance(drill, (int, float)):
        time.sleep(drill)
    elif drill == "raise":
        raise RuntimeError("a rehearsed failure of this worker")
    elif drill == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif drill == "lose":
        raise RuntimeError("a rehearsed loss of this product")


def spoil(product: Any) -> Any:
    """Return the product with one entry wrong, as a silent error would."""
    spoiled = np.array(product)
    at = (spoiled.shape[0] // 2, spoiled.shape[1] // 3)
    spoiled[at] += np.array(1 + abs(spoiled[at])).astype(spoiled.dtype)
    return spoiled
