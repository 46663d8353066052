# mypy: allow-untyped-defs
"""Panels packed in registers: combinations of blocks, and their transposes.

A panel holds, for each step along the depth, the entries of one tile's rows (of A) or columns (of
B). Where these lie side by side in memory a step is a few vectors. Where they lie along the depth,
squares of entries are transposed by perfect shuffles: interleaving row i with row i + g/2 for all
i, log2(g) times, sorts g rows by columns.

Invariant: every entry of the panel is set to the sum of the terms in their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flipsearch.kernels.runtime.compiled import compiled, inlined
from flipsearch.kernels.runtime.microkernel import (
    SQUARE,
    TILE_ROWS,
    VECTOR_BYTES,
    add_multiple,
    counted_loop,
    spread,
    tile_columns,
)

LEFT, RIGHT = (0,), (0, 0)
"""Which operand a panel belongs to, told to compiled code by its type."""

REALS, PAIRS = (0,), (0, 0)
"""Reals an element consists of, told in the same way: complex matrices are pairs of reals."""


def panel_width(side: Any, array: Any) -> int:
    """Return the rows (of A) or columns (of B) of a panel, given numba's types."""
    return TILE_ROWS if len(side) == 1 else tile_columns(array.dtype.bitwidth // 8)


def _width_of(_context: Any, side: Any, array: Any) -> Any:
    """Return `panel_width` as a constant that loops can unroll by."""
    width = panel_width(side, array)

    def generate(_target: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), width)

    return types.uint64(side, array), generate


width_of: Any = intrinsic(_width_of)


def _combined(
    context: Any,
    builder: Any,
    signature: Any,
    arguments: Any,
    offsets: list[Any],
    lanes: int,
    parts: int,
) -> list[list[Any]]:
    """Return, for each offset, the sum over the terms of coefficient * a vector from there.

    Of complex numbers (two parts) there is a list of real parts, and one of imaginary parts.
    """
    element, stored = signature.args[2].dtype, signature.args[6].dtype
    scalar = context.get_value_type(element)
    vector = ir.VectorType(scalar, lanes)
    loaded = ir.VectorType(context.get_value_type(stored), lanes)
    flat, corners, coefficients = (
        context.make_array(signature.args[x])(context, builder, arguments[x]).data
        for x in (6, 9, 10)
    )
    zero = ir.Constant(vector, [ir.Constant(scalar, 0)] * lanes)
    before = builder.block
    with counted_loop(builder, arguments[11], arguments[12], "terms") as term:
        sums = [builder.phi(vector) for _ in range(parts * len(offsets))]
        corner = builder.gep(flat, [builder.load(builder.gep(corners, [term]))])
        factor = spread(builder, builder.load(builder.gep(coefficients, [term])), lanes)
        updated = []
        for offset in offsets:
            for part in range(parts):
                place = builder.add(offset, ir.IntType(64)(part * lanes))
                source = builder.bitcast(builder.gep(corner, [place]), loaded.as_pointer())
                updated.append(builder.load(source))
                updated[-1].align = stored.bitwidth // 8
        for place, (total, value) in enumerate(zip(sums, updated, strict=True)):
            if element == SQUARE:
                updated[place] = builder.xor(total, value)
            elif isinstance(element, types.Float):
                number = value if element == stored else builder.sitofp(value, vector)
                updated[place] = builder.fadd(total, builder.fmul(factor, number))
            else:
                updated[place] = builder.add(total, builder.mul(factor, value))
        for total, value in zip(sums, updated, strict=True):
            total.add_incoming(zero, before)
            total.add_incoming(value, builder.block)
    if parts == 1:
        return [updated]
    kind = ir.VectorType(ir.IntType(32), lanes)
    orders = [ir.Constant(kind, list(range(part, 2 * lanes, 2))) for part in range(2)]
    pairs = list(zip(updated[::2], updated[1::2], strict=True))
    return [[builder.shuffle_vector(x, y, order) for x, y in pairs] for order in orders]


def _packer(is_turned: bool) -> Any:
    """Return the intrinsic that packs a panel whose depth lies side by side in memory, or not.

    Its parameters are

    side, parts : tuples
        LEFT or RIGHT; REALS or PAIRS.
    packed : flat array
        Step k of the panel is set at ``packed[into + k * width]`` onwards; of complex numbers
        (PAIRS) the imaginary parts follow `region` elements later, and then the sums of both.
    region, into, depth : uint64
        The panel's place and its steps; if turned, at least as many as a vector has elements.
    flat : flat array
        Entry (x, k) of term t is ``flat[start + corners[t] + x * parts + k * stride]``, or if
        turned ``flat[start + corners[t] + x * stride + k * parts]``.
    start, stride : uint64
        See `flat`.
    corners, coefficients : arrays of int64 and of the panel's elements
        A term each.
    first, last : uint64
        Terms from `first` to before `last` are summed up; at least one.
    """

    def pack(
        _context: Any,
        side: Any,
        parts: Any,
        packed: Any,
        region: Any,
        into: Any,
        depth: Any,
        flat: Any,
        start: Any,
        stride: Any,
        corners: Any,
        coefficients: Any,
        first: Any,
        last: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            width, size = panel_width(side, packed), packed.dtype.bitwidth // 8
            word, lanes, count = ir.IntType(64), VECTOR_BYTES // size, len(parts)
            target = context.make_array(packed)(context, builder, arguments[2]).data
            _, _, _, region, into, depth, _, start, stride, *_ = arguments

            def store(components: list[list[Any]], k: Any, places: list[int]) -> None:
                if count == 2:
                    add = builder.fadd if isinstance(packed.dtype, types.Float) else builder.add
                    components.append(list(map(add, *components)))
                step = builder.add(into, builder.mul(k, word(width)))
                for number, values in enumerate(components):
                    begin = builder.add(step, builder.mul(region, word(number)))
                    for place, value in zip(places, values, strict=True):
                        pointer = builder.gep(target, [builder.add(begin, word(place))])
                        pointer = builder.bitcast(pointer, value.type.as_pointer())
                        builder.store(value, pointer).align = size

            def straight(k: Any) -> None:
                begin = builder.add(start, builder.mul(k, stride))
                few = min(width, lanes)
                places = list(range(0, width, few))
                offsets = [builder.add(begin, word(x * count)) for x in places]
                store(
                    _combined(context, builder, signature, arguments, offsets, few, count),
                    k,
                    places,
                )

            def turned(piece: Any) -> None:
                latest = builder.sub(depth, word(lanes))
                k = builder.mul(piece, word(lanes))
                k = builder.select(builder.icmp_unsigned("<", k, latest), k, latest)
                begin = builder.add(start, builder.mul(k, word(count)))
                group = min(width & -width, lanes)
                for column in range(0, width, group):
                    offsets = [
                        builder.add(begin, builder.mul(stride, word(column + x)))
                        for x in range(group)
                    ]
                    sums = _combined(context, builder, signature, arguments, offsets, lanes, count)
                    apart = width if group == lanes else lanes
                    store(
                        [_interleaved(builder, rows) for rows in sums],
                        k,
                        [column + number * apart for number in range(group)],
                    )

            pieces = builder.udiv(builder.add(depth, word(lanes - 1)), word(lanes))
            with counted_loop(builder, word(0), pieces if is_turned else depth, "steps") as step:
                (turned if is_turned else straight)(step)
            return context.get_dummy_value()

        count = types.uint64
        return types.void(
            side, parts, packed, count, count, count, flat, count, count, corners, coefficients,
            count, count,
        ), generate  # fmt: skip

    return intrinsic(pack)


def _interleaved(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the entries of some rows sorted by columns: of each column, first that of row 0."""
    half, lanes = len(rows) // 2, rows[0].type.count
    kind = ir.VectorType(ir.IntType(32), lanes)
    orders = [
        ir.Constant(kind, [begin + i // 2 + lanes * (i % 2) for i in range(lanes)])
        for begin in (0, lanes // 2)
    ]
    for _ in range(half.bit_length()):
        pairs = zip(rows[:half], rows[half:], strict=True)
        rows = [builder.shuffle_vector(x, y, order) for x, y in pairs for order in orders]
    return rows


pack_straight: Any = _packer(is_turned=False)
pack_turned: Any = _packer(is_turned=True)

SHORTEST = 16
"""Panels of fewer steps are packed entry by entry, as panels at the edges of a matrix are."""


@inlined
def inside(total: Any, block: Any, size: Any, start: Any, wanted: Any) -> Any:
    """Return how many of `wanted` places from `start` in a block lie inside the matrix."""
    return max(0, min(wanted, min(size, total - block * size) - start))


@inlined
def corners_of(operand, sides, terms):
    """Return where the block of each term begins in an operand's flat array."""
    corners = np.empty(len(terms[1]), np.int64)
    for term in range(len(corners)):
        corners[term] = (
            operand[1]
            + terms[1][term] * sides[2] * operand[2]
            + terms[2][term] * sides[3] * operand[3]
        )
    return corners


@inlined
def _whole(sides, terms, product, begin, extent):
    """Return how many places lie inside the matrix for all terms at every step of the depth.

    `pack` has the same parameters.
    """
    whole = extent[0]
    for term in range(terms[0][product], terms[0][product + 1]):
        across = inside(sides[0], terms[1][term], sides[2], begin[0], extent[0])
        along = inside(sides[1], terms[2][term], sides[3], begin[1], extent[1])
        whole = min(whole, across if along == extent[1] else 0)
    return whole


@compiled
def pack(
    side, packed, region, scratch, operand, sides, terms, corners, product, begin, extent, parts
):
    """Pack one combination of blocks into panels, depth running within a panel.

    Parameters
    ----------
    side : tuple
        LEFT or RIGHT.
    packed : flat array
        ``packed[(panel * depth + k) * width + x]`` is set; for complex matrices that is the real
        part, and the imaginary part and the sum of both follow `region` elements later each.
    region : int
        See `packed`.
    scratch : flat array
        At least parts * depth elements for each row or column of a panel.
    operand : tuple
        Flat array, index of element (0, 0), stride along the panels' side, stride along the depth.
    sides : tuple
        Length of the panels' side, of the depth, and of a block in both directions.
    terms : tuple
        First term of every product, block coordinates along both sides, coefficients.
    corners : array
        Where the block of each term begins in the flat array.
    product : int
        Which combination.
    begin, extent : pairs of int
        The part of the block to pack: first place and number of places, panels' side then depth.
    parts : tuple
        REALS or PAIRS.
    """
    flat, _origin, stride, depth_stride = operand
    total, depth_total, block, depth_block = sides
    starts, places, depth_places, coefficients = terms
    depth = extent[1]
    count = len(parts)
    pair = np.uint64(count)
    lines = np.uint64(depth)
    step = np.uint64(stride)
    depth_step = np.uint64(depth_stride)
    columns = width_of(side, packed)
    width = np.int64(columns)
    is_straight = stride == count
    whole = 0
    if is_straight or (depth_stride == count and depth >= SHORTEST):
        whole = _whole(sides, terms, product, begin, extent)
    start, end, apart = starts[product], starts[product + 1], np.uint64(region)
    for first in range(0, extent[0], width):
        into = np.uint64(first * depth)
        place = np.uint64((begin[0] + first) * stride + begin[1] * depth_stride)
        if first + width <= whole:
            bounds = (np.uint64(start), np.uint64(end))
            if is_straight:
                pack_straight(
                    side, parts, packed, apart, into, lines, flat, place, depth_step, corners,
                    coefficients, *bounds,
                )  # fmt: skip
            else:
                pack_turned(
                    side, parts, packed, apart, into, lines, flat, place, step, corners,
                    coefficients, *bounds,
                )  # fmt: skip
            continue
        for x in range(columns * lines * pair):
            scratch[x] = 0
        for term in range(start, end):
            across = np.uint64(
                inside(total, places[term], block, begin[0] + first, min(width, extent[0] - first))
            )
            along = np.uint64(
                inside(depth_total, depth_places[term], depth_block, begin[1], depth)
            )
            source = np.uint64(corners[term]) + place
            coefficient = coefficients[term]
            if is_straight or depth_stride == count:
                rows, length = (along, across) if is_straight else (across, along)
                leap, line = (depth_step, columns) if is_straight else (step, lines)
                for row in range(rows):
                    for x in range(length * pair):
                        at = row * line * pair + x
                        scratch[at] = add_multiple(
                            scratch[at], coefficient, flat[source + row * leap + x]
                        )
            else:
                for row in range(across):
                    for x in range(along * pair):
                        at = row * lines * pair + x
                        y = source + row * step + x // pair * depth_step + x % pair
                        scratch[at] = add_multiple(scratch[at], coefficient, flat[y])
        row_step, column_step = (np.uint64(1), columns) if is_straight else (lines, np.uint64(1))
        for k in range(lines):
            for x in range(columns):
                at = (x * row_step + k * column_step) * pair
                to = into + k * columns + x
                packed[to] = scratch[at]
                if count == 2:
                    packed[to + np.uint64(region)] = scratch[at + np.uint64(1)]
                    packed[to + np.uint64(2 * region)] = scratch[at] + scratch[at + np.uint64(1)]
