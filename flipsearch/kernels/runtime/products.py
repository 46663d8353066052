# mypy: allow-untyped-defs
"""All products of a scheme, with the linear combinations fused into packing and unpacking.

A leaf product packs S_r = sum u_ra A_a panel by panel straight from the blocks of A, and T_r from
B in the same way. It multiplies panels in registers and adds w_rc M_r to the blocks C_c from
there, tile by tile. No S_r, T_r or M_r is ever written to memory: the workspace is two packed
blocks a thread, of a size that does not depend on the operands. Blocks that reach over the edge
of a matrix count as zero there, which costs no copy.

Complex matrices are stored as pairs of reals. Each leaf packs real parts, imaginary parts and
their sums, and makes three real products of them (Karatsuba's), as if the scheme were
multiplied by that one.

Invariant: each element of C in the rows given is written exactly once before it is added to (the
`first` flags), so C need not be cleared; elements outside are not touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flipsearch.kernels.runtime.compiled import compiled, inlined
from flipsearch.kernels.runtime.microkernel import (
    TILE_ROWS,
    add_multiple,
    add_pairs,
    columns_of,
    multiply_tile,
    prefetch,
    tile_columns,
)
from flipsearch.kernels.runtime.panels import LEFT, RIGHT, corners_of, inside, pack

DEPTH, ROWS, COLUMNS = 512, 96, 1032
"""Blocking: a packed left block is ROWS x DEPTH (it stays in the second-level cache), a packed
right block DEPTH x COLUMNS (in the third)."""


def workspace(dtype: Any) -> tuple[Any, Any, Any, Any]:
    """Return packed left block, packed right block, scratch rows and tile for one thread.

    About 5 MB for eight-byte elements, whatever the size of the matrices.
    """
    columns = tile_columns(np.dtype(dtype).itemsize)
    sizes = (
        (ROWS + 3 * TILE_ROWS) * DEPTH,
        (COLUMNS + 3 * columns) * DEPTH,
        2 * max(TILE_ROWS, columns) * DEPTH,
        3 * TILE_ROWS * columns,
    )
    left, right, scratch, tile = (np.zeros(size, dtype) for size in sizes)
    return left, right, scratch, tile


@compiled
def _unpack(tile, operand, sides, terms, corners, product, begin, extent, overwrite, parts):
    """Add the tile, times each coefficient of the product, to the blocks of C it goes to."""
    flat, _origin, row_stride, column_stride = operand
    starts, row_places, column_places, coefficients, first = terms
    width, pair = columns_of(tile), np.uint64(len(parts))
    size = np.uint64(TILE_ROWS) * width
    column_step = np.uint64(column_stride)
    if len(parts) == 2:
        for x in range(size):
            both = tile[x] + tile[size + x]
            tile[x] = tile[x] - tile[size + x]
            tile[size + x] = tile[size + size + x] - both
    for term in range(starts[product], starts[product + 1]):
        rows = inside(sides[0], row_places[term], sides[2], begin[0], extent[0])
        columns = np.uint64(inside(sides[1], column_places[term], sides[3], begin[1], extent[1]))
        coefficient = coefficients[term]
        into = corners[term] + begin[0] * row_stride + begin[1] * column_stride
        for y in range(rows):
            row, at = np.uint64(into + y * row_stride), np.uint64(y) * width
            if overwrite and first[term]:
                for x in range(columns):
                    for part in range(pair):
                        flat[row + x * column_step + part] = 0
            for x in range(columns):
                for part in range(pair):
                    place = row + x * column_step + part
                    value = tile[part * size + at + x]
                    flat[place] = add_multiple(flat[place], coefficient, value)


@compiled
def _announce(tile, operand, sides, terms, corners, product, begin, extent, parts):
    """Prefetch the tiles of C that `_unpack` will add to, while the product is being formed."""
    flat, _origin, row_stride, column_stride = operand
    starts, row_places, column_places, _coefficients, _first = terms
    count = len(parts)
    if column_stride != count:
        return
    for term in range(starts[product], starts[product + 1]):
        rows = inside(sides[0], row_places[term], sides[2], begin[0], extent[0])
        columns = inside(sides[1], column_places[term], sides[3], begin[1], extent[1])
        into = corners[term] + begin[0] * row_stride + begin[1] * column_stride
        if columns > 0:
            for y in range(rows):
                for x in range(0, columns * count, 64 // tile.itemsize):
                    prefetch(flat, np.uint64(into + y * row_stride + x))
                prefetch(flat, np.uint64(into + y * row_stride + columns * count - 1))


@inlined
def piece(total: Any, largest: Any, multiple: Any) -> Any:
    """Return the size of equal pieces of `total`, at most `largest`, rounded up to `multiple`."""
    pieces = max(1, (total + largest - 1) // largest)
    size = (total + pieces - 1) // pieces
    return (size + multiple - 1) // multiple * multiple


@compiled
def multiply_panels(packed, regions, tile, c, sides, terms, corners, product, begin, extent, parts,
                    overwrite, upper):  # fmt: skip
    """Multiply packed blocks, and add the product to the blocks of C it belongs to.

    Parameters
    ----------
    packed, regions : pairs
        Packed blocks of A and B, and how many elements apart their components are.
    tile : flat array
        From `workspace`.
    c, sides, terms, corners, product
        As for `pack`, of C; terms also say which is the first to reach its block.
    begin : (int, int)
        Where the product of the packed blocks begins in a block of C.
    extent : (int, int, int)
        Its rows and columns, and the depth of the packed blocks.
    parts : tuple
        REALS or PAIRS (see `panels`).
    overwrite : bool
        Whether terms that reach their block first set it.
    upper : bool
        Leave out tiles below the diagonal.
    """
    left, right = packed
    tall, wide, deep = extent
    columns = np.int64(columns_of(tile))
    size = len(tile) // 3
    components = 3 if len(parts) == 2 else 1
    starts, row_places, column_places, coefficients, fresh = terms
    first, last = np.uint64(starts[product]), np.uint64(starts[product + 1])
    whole_rows, whole_columns = 0, sides[3]
    if c[3] == len(parts):
        whole_rows = sides[2]
    for term in range(first, last):
        whole_rows = min(whole_rows, sides[0] - row_places[term] * sides[2])
        whole_columns = min(whole_columns, sides[1] - column_places[term] * sides[3])
    nowhere, once, afresh = np.zeros(1, np.int64), np.ones(1, tile.dtype), np.ones(1, np.bool_)
    step_ahead = (columns * TILE_ROWS + tall - 1) // tall
    for j in range(0, wide, columns):
        for i in range(0, tall, TILE_ROWS):
            if upper and begin[1] + j + columns <= begin[0] + i:
                break
            at = (begin[0] + i, begin[1] + j)
            ahead = (j + columns + i // TILE_ROWS * step_ahead) * deep
            place, stride = np.uint64(at[0] * c[2] + at[1] * c[3]), np.uint64(c[2])
            is_whole = (
                i + TILE_ROWS <= tall
                and at[0] + TILE_ROWS <= whole_rows
                and at[1] + columns <= whole_columns
            )
            if is_whole and len(parts) == 1:
                multiply_tile(
                    np.uint64(deep), left, np.uint64(i * deep), right, np.uint64(j * deep),
                    np.uint64(ahead), np.uint64(step_ahead), c[0], place, stride, corners,
                    coefficients, fresh, first, last, overwrite,
                )  # fmt: skip
                continue
            inner = (min(TILE_ROWS, tall - i), min(columns, wide - j))
            _announce(tile, c, sides, terms, corners, product, at, inner, parts)
            for component in range(components):
                multiply_tile(
                    np.uint64(deep), left, np.uint64(component * regions[0] + i * deep), right,
                    np.uint64(component * regions[1] + j * deep), np.uint64(ahead),
                    np.uint64(step_ahead), tile, np.uint64(component * size), np.uint64(columns),
                    nowhere, once, afresh, np.uint64(0), np.uint64(1), True,
                )  # fmt: skip
            if is_whole:
                add_pairs(
                    parts, tile, c[0], place, stride, corners, coefficients, fresh, first, last,
                    overwrite,
                )  # fmt: skip
                continue
            _unpack(tile, c, sides, terms, corners, product, at, inner, overwrite, parts)


@compiled
def multiply_products(a, b, c, terms, shape, blocks, part, memory, parts, upper):
    """Run every product of a scheme on rows ``part[0]`` to ``part[1]`` of each block row.

    Parameters
    ----------
    a, b, c : tuples
        Flat array, index of element (0, 0), row stride, column stride (in reals).
    terms : tuple of three tuples
        For A, B, C: first term of each product, block rows, block columns, coefficients; for C
        also whether the term is the first that reaches its block.
    shape : (M, K, N)
        Sides of the operands.
    blocks : (m, k, n)
        Sides of the blocks.
    part : (int, int)
        Rows of each block row to compute: threads share a product by rows.
    memory : tuple
        From `workspace`.
    parts : tuple
        REALS or PAIRS (see `panels`).
    upper : bool
        Leave out tiles below the diagonal (for one block only: a symmetric result).
    """
    left_terms, right_terms, out_terms = terms
    packed_left, packed_right, scratch, tile = memory
    columns = np.int64(columns_of(tile))
    rows_total, depth_total, columns_total = shape
    block_rows, block_depth, block_columns = blocks
    right = (b[0], b[1], b[3], b[2])
    right_turned = (right_terms[0], right_terms[2], right_terms[1], right_terms[3])
    left_sides = (rows_total, depth_total, block_rows, block_depth)
    right_sides = (columns_total, depth_total, block_columns, block_depth)
    out_sides = (rows_total, columns_total, block_rows, block_columns)
    components = 3 if len(parts) == 2 else 1
    column_piece = piece(block_columns, COLUMNS // components, columns)
    row_piece = piece(part[1] - part[0], ROWS // components, TILE_ROWS)
    depth_piece = piece(block_depth, DEPTH, 1)
    left_region = row_piece * depth_piece
    right_region = column_piece * depth_piece
    left_corners = corners_of(a, left_sides, left_terms)
    right_corners = corners_of(right, right_sides, right_turned)
    corners = corners_of(c, out_sides, out_terms)
    for product in range(len(left_terms[0]) - 1):
        for jc in range(0, block_columns, column_piece):
            wide = min(column_piece, block_columns - jc)
            if upper and jc + wide <= part[0]:
                continue
            for pc in range(0, block_depth, depth_piece):
                deep = min(depth_piece, block_depth - pc)
                pack(
                    RIGHT, packed_right, right_region, scratch, right, right_sides, right_turned,
                    right_corners, product, (jc, pc), (wide, deep), parts,
                )  # fmt: skip
                for ic in range(part[0], part[1], row_piece):
                    tall = min(row_piece, part[1] - ic)
                    if upper and jc + wide <= ic:
                        break
                    pack(
                        LEFT, packed_left, left_region, scratch, a, left_sides, left_terms,
                        left_corners, product, (ic, pc), (tall, deep), parts,
                    )  # fmt: skip
                    multiply_panels(
                        (packed_left, packed_right), (left_region, right_region), tile, c,
                        out_sides, out_terms, corners, product, (ic, jc), (tall, wide, deep),
                        parts, pc == 0, upper,
                    )  # fmt: skip


@compiled
def mirror(flat, origin, row_stride, column_stride, size):
    """Copy the upper triangle of a square matrix onto the lower one, block by block."""
    block = 32
    for top in range(0, size, block):
        for left in range(0, top + 1, block):
            for i in range(top, min(top + block, size)):
                for j in range(left, min(left + block, i)):
                    flat[np.uint64(origin + i * row_stride + j * column_stride)] = flat[
                        np.uint64(origin + j * row_stride + i * column_stride)
                    ]
