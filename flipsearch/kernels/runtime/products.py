"""All products of a scheme, with the linear combinations fused into packing and unpacking.

A leaf product packs S_r = sum u_ra A_a panel by panel straight from the blocks of A, T_r likewise
from B, multiplies panels in registers and adds w_rc M_r to the blocks C_c tile by tile. So no
S_r, T_r or M_r is ever written to memory: the workspace is two packed panels a thread, of a size
that does not depend on the operands. Blocks that reach over the edge of a matrix count as
zero there, which costs neither a copy nor a special case.

Invariant: each element of C in the rows given is written exactly once before it is added to (the
`first` flags), so C need not be cleared; elements outside are not touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from flipsearch.kernels.runtime.microkernel import (
    TILE_ROWS,
    columns_of,
    multiply_tile,
    prefetch,
    tile_columns,
)


DEPTH, ROWS, COLUMNS = 512, 96, 1032
"""Blocking: a packed left block is ROWS x DEPTH (it stays in the second-level cache), a packed
right block DEPTH x COLUMNS."""


def workspace(dtype: Any) -> tuple[Any, Any, Any, Any]:
    """Return packed left block, packed right block, scratch rows and tile for one thread.

    About 4.6 MB for eight-byte elements, whatever the size of the matrices.
    """
    columns = tile_columns(np.dtype(dtype).itemsize)
    sizes = (
        (ROWS + TILE_ROWS) * DEPTH,
        (COLUMNS + columns) * DEPTH,
        max(TILE_ROWS, columns) * DEPTH,
        TILE_ROWS * columns,
    )
    left, right, scratch, tile = (np.zeros(size, dtype) for size in sizes)
    return left, right, scratch, tile


@njit(nogil=True, cache=True, inline="always")
def _inside(total: Any, block: Any, size: Any, start: Any, wanted: Any) -> Any:
    """Return how many of `wanted` places from `start` in a block lie inside the matrix."""
    return max(0, min(wanted, min(size, total - block * size) - start))


@njit(nogil=True, cache=True, inline="always")
def _pack(packed, width, scratch, operand, sides, terms, product, begin, extent):  # type: ignore[no-untyped-def]
    """Pack one combination of blocks into panels of `width`, depth running within a panel.

    Parameters
    ----------
    packed : flat array
        ``packed[(panel * depth + k) * width + x]`` is set.
    width : int
        Rows (of A) or columns (of B) of a panel.
    scratch : flat array
        At least width * depth elements.
    operand : tuple
        Flat array, index of element (0, 0), stride along the panels' side, stride along the depth.
    sides : tuple
        Length of the panels' side, of the depth, and of a block in both directions.
    terms : tuple
        First term of every product, block coordinates along both sides, coefficients, shifts (in
        elements: 1 for imaginary parts).
    product : int
        Which combination.
    begin, extent : pairs of int
        The part of the block to pack: first place and number of places, panels' side then depth.
    """
    flat, origin, stride, depth_stride = operand
    total, depth_total, block, depth_block = sides
    starts, places, depth_places, coefficients, shifts = terms
    depth = extent[1]
    lines = np.uint64(depth)
    step = np.uint64(stride)
    depth_step = np.uint64(depth_stride)
    columns = np.uint64(width)
    for first in range(0, extent[0], width):
        into = np.uint64(first * depth)
        target = packed if stride == 1 else scratch
        begin_target = into if stride == 1 else np.uint64(0)
        for x in range(columns * lines):
            target[begin_target + x] = 0
        for term in range(starts[product], starts[product + 1]):
            coefficient = coefficients[term]
            across = _inside(
                total, places[term], block, begin[0] + first, min(width, extent[0] - first)
            )
            along = np.uint64(
                _inside(depth_total, depth_places[term], depth_block, begin[1], depth)
            )
            source = np.uint64(
                origin
                + shifts[term]
                + (places[term] * block + begin[0] + first) * stride
                + (depth_places[term] * depth_block + begin[1]) * depth_stride
            )
            if stride == 1:
                if across == width:
                    for k in range(along):
                        for x in range(columns):
                            packed[into + k * columns + x] += (
                                coefficient * flat[source + k * depth_step + x]
                            )
                else:
                    for k in range(along):
                        for x in range(np.uint64(across)):
                            packed[into + k * columns + x] += (
                                coefficient * flat[source + k * depth_step + x]
                            )
            elif depth_stride == 1:
                for x in range(np.uint64(across)):
                    for k in range(along):
                        scratch[x * lines + k] += coefficient * flat[source + x * step + k]
            else:
                for k in range(along):
                    for x in range(np.uint64(across)):
                        scratch[x * lines + k] += (
                            coefficient * flat[source + x * step + k * depth_step]
                        )
        if stride != 1:
            for k in range(lines):
                for x in range(columns):
                    packed[into + k * columns + x] = scratch[x * lines + k]


@njit(nogil=True, cache=True)
def _pack_left(packed, scratch, operand, sides, terms, product, begin, extent):  # type: ignore[no-untyped-def]
    _pack(packed, TILE_ROWS, scratch, operand, sides, terms, product, begin, extent)


@njit(nogil=True, cache=True)
def _pack_right(packed, scratch, operand, sides, terms, product, begin, extent):  # type: ignore[no-untyped-def]
    _pack(packed, columns_of(packed), scratch, operand, sides, terms, product, begin, extent)


@njit(nogil=True, cache=True)
def _unpack(tile, operand, sides, terms, product, begin, extent, overwrite):  # type: ignore[no-untyped-def]
    """Add the tile, times each coefficient of the product, to the blocks of C it goes to."""
    flat, origin, row_stride, column_stride = operand
    rows_total, columns_total, row_block, column_block = sides
    starts, row_places, column_places, coefficients, shifts, first = terms
    width = columns_of(tile)
    for term in range(starts[product], starts[product + 1]):
        rows = _inside(rows_total, row_places[term], row_block, begin[0], extent[0])
        columns = _inside(columns_total, column_places[term], column_block, begin[1], extent[1])
        coefficient = coefficients[term]
        into = np.uint64(
            origin
            + shifts[term]
            + (row_places[term] * row_block + begin[0]) * row_stride
            + (column_places[term] * column_block + begin[1]) * column_stride
        )
        step = np.uint64(row_stride)
        column_step = np.uint64(column_stride)
        fresh = overwrite and first[term]
        if column_stride == 1 and columns == width:
            if fresh:
                for y in range(np.uint64(rows)):
                    for x in range(width):
                        flat[into + y * step + x] = coefficient * tile[y * width + x]
            else:
                for y in range(np.uint64(rows)):
                    for x in range(width):
                        flat[into + y * step + x] += coefficient * tile[y * width + x]
        else:
            for y in range(np.uint64(rows)):
                for x in range(np.uint64(columns)):
                    place = into + y * step + x * column_step
                    value = coefficient * tile[y * width + x]
                    if not fresh:
                        value += flat[place]
                    flat[place] = value


@njit(nogil=True, cache=True)
def _announce(tile, operand, sides, terms, product, begin, extent):  # type: ignore[no-untyped-def]
    """Prefetch the tiles of C that `_unpack` will add to, while the product is being formed."""
    flat, origin, row_stride, column_stride = operand
    rows_total, columns_total, row_block, column_block = sides
    starts, row_places, column_places, _coefficients, shifts, _first = terms
    if column_stride != 1:
        return
    width = np.int64(columns_of(tile))
    line = np.int64(64 // tile.itemsize)
    for term in range(starts[product], starts[product + 1]):
        rows = _inside(rows_total, row_places[term], row_block, begin[0], extent[0])
        columns = _inside(columns_total, column_places[term], column_block, begin[1], extent[1])
        if columns == width:
            into = (
                origin
                + shifts[term]
                + (row_places[term] * row_block + begin[0]) * row_stride
                + (column_places[term] * column_block + begin[1]) * column_stride
            )
            for y in range(rows):
                for x in range(0, columns, line):
                    prefetch(flat, np.uint64(into + y * row_stride + x))
                prefetch(flat, np.uint64(into + y * row_stride + columns - 1))


@njit(nogil=True, cache=True, inline="always")
def _piece(total, largest, multiple):  # type: ignore[no-untyped-def]
    """Return the size of equal pieces of `total`, at most `largest`, rounded up to `multiple`."""
    pieces = max(1, -(-total // largest))
    return -(-(-(-total // pieces)) // multiple) * multiple


@njit(nogil=True, cache=True)
def multiply_products(a, b, c, terms, shape, blocks, part, memory):  # type: ignore[no-untyped-def]
    """Run every product of a scheme on rows ``part[0]`` to ``part[1]`` of each block row.

    Parameters
    ----------
    a, b, c : tuples
        Flat array, index of element (0, 0), row stride, column stride (in elements).
    terms : tuple of three tuples
        For A, B, C: first term of each product, block rows, block columns, coefficients, shifts
        (in elements); for C also whether the term is the first that reaches its block.
    shape : (M, K, N)
        Sides of the operands.
    blocks : (m, k, n)
        Sides of the blocks.
    part : (int, int)
        Rows of each block row to compute: threads share a product by rows.
    memory : tuple
        What `workspace` returns.
    """
    left_terms, right_terms, out_terms = terms
    packed_left, packed_right, scratch, tile = memory
    columns = np.int64(columns_of(tile))
    rows_total, depth_total, columns_total = shape
    block_rows, block_depth, block_columns = blocks
    right = (b[0], b[1], b[3], b[2])
    right_terms_ = (
        right_terms[0], right_terms[2], right_terms[1], right_terms[3], right_terms[4],
    )  # fmt: skip
    left_sides = (rows_total, depth_total, block_rows, block_depth)
    right_sides = (columns_total, depth_total, block_columns, block_depth)
    out_sides = (rows_total, columns_total, block_rows, block_columns)
    column_piece = _piece(block_columns, COLUMNS, columns)
    row_piece = _piece(part[1] - part[0], ROWS, TILE_ROWS)
    depth_piece = _piece(block_depth, DEPTH, 1)
    for product in range(len(left_terms[0]) - 1):
        for jc in range(0, block_columns, column_piece):
            wide = min(column_piece, block_columns - jc)
            for pc in range(0, block_depth, depth_piece):
                deep = min(depth_piece, block_depth - pc)
                _pack_right(
                    packed_right, scratch, right, right_sides, right_terms_, product, (jc, pc),
                    (wide, deep),
                )  # fmt: skip
                for ic in range(part[0], part[1], row_piece):
                    tall = min(row_piece, part[1] - ic)
                    _pack_left(
                        packed_left, scratch, a, left_sides, left_terms, product, (ic, pc),
                        (tall, deep),
                    )  # fmt: skip
                    for j in range(0, wide, columns):
                        for i in range(0, tall, TILE_ROWS):
                            _announce(
                                tile, c, out_sides, out_terms, product, (ic + i, jc + j),
                                (min(TILE_ROWS, tall - i), min(columns, wide - j)),
                            )  # fmt: skip
                            multiply_tile(
                                np.uint64(deep), packed_left, np.uint64(i * deep),
                                packed_right, np.uint64(j * deep), tile,
                            )  # fmt: skip
                            _unpack(
                                tile, c, out_sides, out_terms, product, (ic + i, jc + j),
                                (min(TILE_ROWS, tall - i), min(columns, wide - j)), pc == 0,
                            )  # fmt: skip
