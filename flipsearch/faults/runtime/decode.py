"""Combine the arrived products into C in one pass, in pieces that fit the cache."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping
from typing import Any

import numpy as np

from flipsearch.algebra.cores import available_cores
from flipsearch.faults.runtime.code import Code, Decoding
from flipsearch.faults.runtime.work import WORKSPACE, blocks_of

_CACHE = 1 << 21  # bytes to combine at a time
_ONE_THREAD = 1 << 18  # fewest multiplications for which BLAS starts threads


def decode(
    code: Code, decoding: Decoding, products: Mapping[int, Any], a: Any, b: Any, out: Any = None
) -> Any:
    """Combine the products into C; each step takes as many rows as fit the cache."""
    n, _, p = code.sides
    c = np.empty((a.shape[0], b.shape[1]), dtype=a.dtype) if out is None else out
    blocks = blocks_of(c, n, p)
    height, width = blocks[0].shape
    together = 1 if c.dtype.kind == "i" else len(decoding.used)
    step = min(max(1, _CACHE // (together * width * c.itemsize)), height)
    combine_rows = _add_rows if c.dtype.kind == "i" else _multiply_rows
    threads = 1 if c.nbytes < 1 << 22 else available_cores()

    def work(start: int) -> None:
        end = min(start + share, height)
        for here in range(start, end, step):
            combine_rows(decoding, products, blocks, here, min(step, end - here))

    share = -(-height // (4 * threads)) if threads > 1 else height
    starts = range(0, height, share)
    if threads == 1:
        work(0)
    else:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return c


def _multiply_rows(
    decoding: Decoding, products: Mapping[int, Any], blocks: list[Any], start: int, height: int
) -> None:
    """Decode some rows of all blocks of C by BLAS; the decoder has a row for each output."""
    width, kind = blocks[0].shape[1], blocks[0].dtype
    used, size = decoding.used, height * width
    pieces = WORKSPACE.take("pieces", (len(used), size), kind)
    decoded = WORKSPACE.take("decoded", (len(blocks), size), kind)
    for piece, r in zip(pieces, used, strict=True):
        piece.reshape(height, width)[...] = products[r][start : start + height]
    numerators = np.array(decoding.rows)[:, used].astype(kind)
    part = max(1, _ONE_THREAD // numerators.size)
    for here in range(0, size, part):
        columns = slice(here, here + part)
        np.matmul(numerators, pieces[:, columns], out=decoded[:, columns])
    for block, whole, scale in zip(blocks, decoded, decoding.scales, strict=True):
        into = block[start : start + height]
        rows = whole.reshape(height, width)[: into.shape[0], : into.shape[1]]
        if scale == 1:
            into[...] = rows
        else:
            np.divide(rows, kind.type(scale), out=into)


def _add_rows(
    decoding: Decoding, products: Mapping[int, Any], blocks: list[Any], start: int, height: int
) -> None:
    """Decode some rows of all blocks of C for integers modulo 2^64."""
    kind = blocks[0].dtype
    for block, row, scale in zip(blocks, decoding.rows, decoding.scales, strict=True):
        into = block[start : start + height]
        here = WORKSPACE.take("decoded", (height, blocks[0].shape[1]), kind)
        here = here[: into.shape[0], : into.shape[1]]
        is_first = True
        for r, x in enumerate(row):
            if x == 0:
                continue
            part = products[r][start : start + into.shape[0], : into.shape[1]]
            if is_first:
                np.multiply(part, _scalar(x), out=into)
                is_first = False
            elif x in (1, -1):
                (np.add if x == 1 else np.subtract)(into, part, out=into)
            else:
                np.multiply(part, _scalar(x), out=here)
                into += here
        if scale != 1:
            _divide(into, scale)


def _scalar(x: int) -> Any:
    """Return an integer modulo 2^64."""
    return np.int64((x + 2**63) % 2**64 - 2**63)


def _divide(block: Any, scale: int) -> None:
    """Divide integers in place: modulo 2^64 by an odd denominator, else exactly."""
    if scale % 2:
        inverse = pow(scale, -1, 2**64)
        block *= np.array(inverse, dtype=np.uint64).astype(np.int64)
    else:
        block //= scale
