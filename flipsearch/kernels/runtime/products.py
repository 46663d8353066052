# mypy: allow-untyped-defs
"""All products of a scheme, with the linear combinations fused into packing and unpacking.

A leaf product packs S_r = sum u_ra A_a panel by panel straight from the blocks of A, T_r likewise
from B, multiplies panels in registers and adds w_rc M_r to the blocks C_c tile by tile. So no
S_r, T_r or M_r is ever written to memory: the workspace is two packed blocks a thread, of a size
that does not depend on the operands. Blocks that reach over the edge of a matrix count as
zero there, which costs neither a copy nor a special case.

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
    columns_of,
    multiply_tile,
    prefetch,
    tile_columns,
)

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


@inlined
def _inside(total: Any, block: Any, size: Any, start: Any, wanted: Any) -> Any:
    """Return how many of `wanted` places from `start` in a block lie inside the matrix."""
    return max(0, min(wanted, min(size, total - block * size) - start))


@inlined
def _pack(packed, region, width, scratch, operand, sides, terms, product, begin, extent, parts):
    """Pack one combination of blocks into panels of `width`, depth running within a panel.

    Parameters
    ----------
    packed : flat array
        ``packed[(panel * depth + k) * width + x]`` is set; for complex matrices that is the real
        part, and the imaginary part and the sum of both follow `region` elements later each.
    region : int
        See `packed`.
    width : int
        Rows (of A) or columns (of B) of a panel.
    scratch : flat array
        At least parts * width * depth elements.
    operand : tuple
        Flat array, index of element (0, 0), stride along the panels' side, stride along the depth.
    sides : tuple
        Length of the panels' side, of the depth, and of a block in both directions.
    terms : tuple
        First term of every product, block coordinates along both sides, coefficients.
    product : int
        Which combination.
    begin, extent : pairs of int
        The part of the block to pack: first place and number of places, panels' side then depth.
    parts : int
        Reals an element: 1, or 2 for complex matrices.
    """
    flat, origin, stride, depth_stride = operand
    total, depth_total, block, depth_block = sides
    starts, places, depth_places, coefficients = terms
    depth = extent[1]
    pair = np.uint64(parts)
    lines = np.uint64(depth)
    step = np.uint64(stride)
    depth_step = np.uint64(depth_stride)
    columns = np.uint64(width)
    straight = stride == parts
    direct = straight and parts == 1
    for first in range(0, extent[0], width):
        into = np.uint64(first * depth)
        target = packed if direct else scratch
        begin_target = into if direct else np.uint64(0)
        for x in range(columns * lines * pair):
            target[begin_target + x] = 0
        for term in range(starts[product], starts[product + 1]):
            coefficient = coefficients[term]
            across = np.uint64(
                _inside(
                    total, places[term], block, begin[0] + first, min(width, extent[0] - first)
                )
            )
            along = np.uint64(
                _inside(depth_total, depth_places[term], depth_block, begin[1], depth)
            )
            source = np.uint64(
                origin
                + (places[term] * block + begin[0] + first) * stride
                + (depth_places[term] * depth_block + begin[1]) * depth_stride
            )
            if direct and across == columns:
                for k in range(along):
                    for x in range(columns):
                        place = into + k * columns + x
                        packed[place] = add_multiple(
                            packed[place], coefficient, flat[source + k * depth_step + x]
                        )
            elif straight:
                for k in range(along):
                    for x in range(across * pair):
                        place = begin_target + k * columns * pair + x
                        target[place] = add_multiple(
                            target[place], coefficient, flat[source + k * depth_step + x]
                        )
            elif depth_stride == parts:
                for x in range(across):
                    for k in range(along * pair):
                        place = x * lines * pair + k
                        scratch[place] = add_multiple(
                            scratch[place], coefficient, flat[source + x * step + k]
                        )
            else:
                for k in range(along):
                    for x in range(across):
                        for part in range(pair):
                            place = (x * lines + k) * pair + part
                            scratch[place] = add_multiple(
                                scratch[place],
                                coefficient,
                                flat[source + x * step + k * depth_step + part],
                            )
        if parts == 2:
            row_step = columns if straight else np.uint64(1)
            column_step = np.uint64(1) if straight else lines
            for k in range(lines):
                for x in range(columns):
                    real = scratch[np.uint64(2) * (k * row_step + x * column_step)]
                    imaginary = scratch[
                        np.uint64(2) * (k * row_step + x * column_step) + np.uint64(1)
                    ]
                    place = into + k * columns + x
                    packed[place] = real
                    packed[place + np.uint64(region)] = imaginary
                    packed[place + np.uint64(2 * region)] = real + imaginary
        elif not direct:
            for k in range(lines):
                for x in range(columns):
                    packed[into + k * columns + x] = scratch[x * lines + k]


@compiled
def _pack_left(packed, region, scratch, operand, sides, terms, product, begin, extent, parts):
    _pack(packed, region, TILE_ROWS, scratch, operand, sides, terms, product, begin, extent, parts)


@compiled
def _pack_right(packed, region, scratch, operand, sides, terms, product, begin, extent, parts):
    _pack(
        packed, region, columns_of(packed), scratch, operand, sides, terms, product, begin,
        extent, parts,
    )  # fmt: skip


@compiled
def _unpack(tile, operand, sides, terms, product, begin, extent, overwrite, parts):
    """Add the tile, times each coefficient of the product, to the blocks of C it goes to."""
    flat, origin, row_stride, column_stride = operand
    rows_total, columns_total, row_block, column_block = sides
    starts, row_places, column_places, coefficients, first = terms
    width = columns_of(tile)
    size = np.uint64(TILE_ROWS) * width
    step = np.uint64(row_stride)
    column_step = np.uint64(column_stride)
    if parts == 2:
        for x in range(size):
            both = tile[x] + tile[size + x]
            tile[x] = tile[x] - tile[size + x]
            tile[size + x] = tile[size + size + x] - both
    for term in range(starts[product], starts[product + 1]):
        rows = np.uint64(_inside(rows_total, row_places[term], row_block, begin[0], extent[0]))
        columns = np.uint64(
            _inside(columns_total, column_places[term], column_block, begin[1], extent[1])
        )
        coefficient = coefficients[term]
        into = np.uint64(
            origin
            + (row_places[term] * row_block + begin[0]) * row_stride
            + (column_places[term] * column_block + begin[1]) * column_stride
        )
        fresh = overwrite and first[term]
        if column_stride == 1 and columns == width:
            if fresh:
                for y in range(rows):
                    for x in range(width):
                        flat[into + y * step + x] = coefficient * tile[y * width + x]
            else:
                for y in range(rows):
                    for x in range(width):
                        place = into + y * step + x
                        flat[place] = add_multiple(flat[place], coefficient, tile[y * width + x])
        elif parts == 2:
            for y in range(rows):
                if fresh:
                    for x in range(columns):
                        place = into + y * step + x * column_step
                        flat[place] = 0
                        flat[place + np.uint64(1)] = 0
                if column_stride == 2:
                    row = into + y * step
                    for x in range(columns):
                        at = y * width + x
                        flat[row + x + x] += coefficient * tile[at]
                        flat[row + x + x + np.uint64(1)] += coefficient * tile[size + at]
                else:
                    for x in range(columns):
                        place = into + y * step + x * column_step
                        flat[place] += coefficient * tile[y * width + x]
                        flat[place + np.uint64(1)] += coefficient * tile[size + y * width + x]
        else:
            for y in range(rows):
                for x in range(columns):
                    place = into + y * step + x * column_step
                    value = coefficient * tile[y * width + x]
                    if not fresh:
                        value = add_multiple(flat[place], coefficient, tile[y * width + x])
                    flat[place] = value


@compiled
def _announce(tile, operand, sides, terms, product, begin, extent, parts):
    """Prefetch the tiles of C that `_unpack` will add to, while the product is being formed."""
    flat, origin, row_stride, column_stride = operand
    rows_total, columns_total, row_block, column_block = sides
    starts, row_places, column_places, _coefficients, _first = terms
    if column_stride != parts:
        return
    line = np.int64(64 // tile.itemsize)
    for term in range(starts[product], starts[product + 1]):
        rows = _inside(rows_total, row_places[term], row_block, begin[0], extent[0])
        columns = _inside(columns_total, column_places[term], column_block, begin[1], extent[1])
        into = (
            origin
            + (row_places[term] * row_block + begin[0]) * row_stride
            + (column_places[term] * column_block + begin[1]) * column_stride
        )
        if columns > 0:
            for y in range(rows):
                for x in range(0, columns * parts, line):
                    prefetch(flat, np.uint64(into + y * row_stride + x))
                prefetch(flat, np.uint64(into + y * row_stride + columns * parts - 1))


@inlined
def _piece(total: Any, largest: Any, multiple: Any) -> Any:
    """Return the size of equal pieces of `total`, at most `largest`, rounded up to `multiple`."""
    pieces = max(1, (total + largest - 1) // largest)
    size = (total + pieces - 1) // pieces
    return (size + multiple - 1) // multiple * multiple


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
    parts : int
        Reals an element: 1, or 2 for complex matrices.
    upper : bool
        Leave out tiles below the diagonal (for one block only: a symmetric result).
    """
    left_terms, right_terms, out_terms = terms
    packed_left, packed_right, scratch, tile = memory
    columns = np.int64(columns_of(tile))
    size = len(tile) // 3
    rows_total, depth_total, columns_total = shape
    block_rows, block_depth, block_columns = blocks
    right = (b[0], b[1], b[3], b[2])
    right_turned = (right_terms[0], right_terms[2], right_terms[1], right_terms[3])
    left_sides = (rows_total, depth_total, block_rows, block_depth)
    right_sides = (columns_total, depth_total, block_columns, block_depth)
    out_sides = (rows_total, columns_total, block_rows, block_columns)
    components = 3 if parts == 2 else 1
    column_piece = _piece(block_columns, COLUMNS // components, columns)
    row_piece = _piece(part[1] - part[0], ROWS // components, TILE_ROWS)
    depth_piece = _piece(block_depth, DEPTH, 1)
    left_region = row_piece * depth_piece
    right_region = column_piece * depth_piece
    for product in range(len(left_terms[0]) - 1):
        for jc in range(0, block_columns, column_piece):
            wide = min(column_piece, block_columns - jc)
            if upper and jc + wide <= part[0]:
                continue
            for pc in range(0, block_depth, depth_piece):
                deep = min(depth_piece, block_depth - pc)
                _pack_right(
                    packed_right, right_region, scratch, right, right_sides, right_turned,
                    product, (jc, pc), (wide, deep), parts,
                )  # fmt: skip
                for ic in range(part[0], part[1], row_piece):
                    tall = min(row_piece, part[1] - ic)
                    if upper and jc + wide <= ic:
                        break
                    _pack_left(
                        packed_left, left_region, scratch, a, left_sides, left_terms,
                        product, (ic, pc), (tall, deep), parts,
                    )  # fmt: skip
                    for j in range(0, wide, columns):
                        for i in range(0, tall, TILE_ROWS):
                            if upper and jc + j + columns <= ic + i:
                                break
                            begin = (ic + i, jc + j)
                            extent = (min(TILE_ROWS, tall - i), min(columns, wide - j))
                            _announce(tile, c, out_sides, out_terms, product, begin, extent, parts)
                            for component in range(components):
                                multiply_tile(
                                    np.uint64(deep),
                                    packed_left,
                                    np.uint64(component * left_region + i * deep),
                                    packed_right,
                                    np.uint64(component * right_region + j * deep),
                                    tile,
                                    np.uint64(component * size),
                                )
                            _unpack(
                                tile, c, out_sides, out_terms, product, begin, extent, pc == 0,
                                parts,
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
