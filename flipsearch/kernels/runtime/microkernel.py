"""The innermost loop: a tile of C in vector registers, as LLVM vector code.

numba's own loops do not keep a block of C in registers, so the loop is written as LLVM
instructions: rows x vectors accumulators, one broadcast and a few fused multiply-adds for each
step along the depth. Panels are packed, so every load is contiguous and the strides of the
operands do not matter here.

Elements of type uint64 are squares of 8 x 8 bits, and the arithmetic is that of F2: one
instruction of processors with GFNI multiplies as many squares as a vector holds, and their sum
is an exclusive or. A square's byte i is its row i, bit j the entry in column j; on the right side
byte 7 - j is column j.

Invariant: the tile is the exact sum (for integers, modulo 2^bits) or the sum in order of depth
with one rounding a step (floating point); no memory outside the three arrays is touched.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flipsearch.kernels.runtime.compiled import VECTOR_BITS


def _vector_shape() -> tuple[int, int, int]:
    """Return (bytes of a vector, rows, vectors) of the tile for this processor's registers.

    FLIPSEARCH_VECTOR_BITS bounds the width: 256 makes the code of processors without AVX-512.
    """
    features, most = llvm.get_host_cpu_features(), VECTOR_BITS or 512
    if features.get("avx512f") and most >= 512:
        return 64, 8, 3  # 24 accumulators of 32 registers
    if features.get("avx") and most >= 256:
        return 32, 4, 3  # 12 of 16
    if features.get("neon"):
        return 16, 8, 3  # 24 of 32
    return 16, 4, 2


VECTOR_BYTES, TILE_ROWS, TILE_VECTORS = _vector_shape()
"""Bytes of a vector register; rows of a tile; vectors in a row of a tile."""

SQUARE = types.uint64
"""Type of the elements that are 8 x 8 bits."""

MULTIPLIES_SQUARES = bool(llvm.get_host_cpu_features().get("gfni"))
"""Whether the processor has an instruction for products of such elements."""


_declared: Any = cgutils.get_or_insert_function


def tile_columns(itemsize: int) -> int:
    """Return the columns of a tile for elements of that many bytes."""
    return TILE_VECTORS * VECTOR_BYTES // itemsize


def _columns_of(_context: Any, array: Any) -> Any:
    """Return `tile_columns` of an array's elements as a constant that loops can unroll by."""
    columns = tile_columns(array.dtype.bitwidth // 8)

    def generate(_target: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), columns)

    return types.uint64(array), generate


columns_of: Any = intrinsic(_columns_of)


def _add_multiple(_context: Any, total: Any, coefficient: Any, value: Any) -> Any:
    """Return total + coefficient * value in the arithmetic of the element; 1 over F2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, factor, second = (
            context.cast(builder, value, kind, signature.args[0])
            for value, kind in zip(arguments, signature.args, strict=True)
        )
        if signature.args[0] == SQUARE:
            return builder.xor(first, second)
        if isinstance(signature.args[0], types.Float):
            return builder.fadd(first, builder.fmul(factor, second))
        return builder.add(first, builder.mul(factor, second))

    return total(total, coefficient, value), generate


add_multiple: Any = intrinsic(_add_multiple)


def _prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``, to be written soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = _declared(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        builder.call(function, [place, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


prefetch: Any = intrinsic(_prefetch)


def _multiply_tile(
    _context: Any,
    depth: Any,
    left: Any,
    left_start: Any,
    right: Any,
    right_start: Any,
    tile: Any,
    tile_start: Any,
) -> Any:
    """Set tile[i, j] = sum over k < depth of left[k, i] * right[k, j]; depth at least 1.

    Parameters
    ----------
    depth : uint64
        Steps along the common side.
    left, right : flat arrays
        Packed panels: ``left[left_start + k * TILE_ROWS + i]`` and
        ``right[right_start + k * tile_columns + j]``.
    left_start, right_start, tile_start : uint64
        Where the panels and the tile begin.
    tile : flat array
        TILE_ROWS x tile_columns elements from `tile_start`, row by row; overwritten.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = signature.args[1].dtype
        size = element.bitwidth // 8
        lanes = VECTOR_BYTES // size
        scalar = context.get_value_type(element)
        vector = ir.VectorType(scalar, lanes)
        word = ir.IntType(64)

        def start_of(position: int) -> Any:
            return context.make_array(signature.args[position])(
                context, builder, arguments[position]
            ).data

        def vector_at(pointer: Any, offset: int) -> Any:
            return builder.bitcast(builder.gep(pointer, [word(offset)]), vector.as_pointer())

        left_panel = builder.gep(start_of(1), [arguments[2]])
        right_panel = builder.gep(start_of(3), [arguments[4]])
        into = builder.gep(start_of(5), [arguments[6]])
        if isinstance(element, types.Float):
            name = f"llvm.fma.v{lanes}f{element.bitwidth}"
            kind = ir.FunctionType(vector, [vector] * 3)
            fused = _declared(builder.module, kind, name)
        elif element == SQUARE:
            octets = ir.VectorType(ir.IntType(8), VECTOR_BYTES)
            kind = ir.FunctionType(octets, [octets, octets, ir.IntType(8)])
            affine = _declared(builder.module, kind, f"llvm.x86.vgf2p8affineqb.{VECTOR_BYTES * 8}")
        before = builder.block
        loop = builder.append_basic_block("depth")
        after = builder.append_basic_block("store")
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(word)
        step.add_incoming(word(0), before)
        zero = ir.Constant(vector, [ir.Constant(scalar, 0)] * lanes)
        sums = [builder.phi(vector) for _ in range(TILE_ROWS * TILE_VECTORS)]
        left_row = builder.gep(left_panel, [builder.mul(step, word(TILE_ROWS))])
        right_row = builder.gep(right_panel, [builder.mul(step, word(TILE_VECTORS * lanes))])
        rights = []
        for j in range(TILE_VECTORS):
            rights.append(builder.load(vector_at(right_row, j * lanes)))
            rights[-1].align = size
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        updated = []
        for i in range(TILE_ROWS):
            single = builder.load(builder.gep(left_row, [word(i)]))
            first = builder.insert_element(
                ir.Constant(vector, ir.Undefined), single, ir.IntType(32)(0)
            )
            spread = builder.shuffle_vector(first, first, everywhere)
            for j in range(TILE_VECTORS):
                total = sums[i * TILE_VECTORS + j]
                if isinstance(element, types.Float):
                    updated.append(builder.call(fused, [spread, rights[j], total]))
                elif element == SQUARE:
                    pair = [builder.bitcast(x, octets) for x in (spread, rights[j])]
                    product = builder.call(affine, [*pair, ir.IntType(8)(0)])
                    updated.append(builder.xor(builder.bitcast(product, vector), total))
                else:
                    updated.append(builder.add(builder.mul(spread, rights[j]), total))
        following = builder.add(step, word(1))
        step.add_incoming(following, loop)
        for total, value in zip(sums, updated, strict=True):
            total.add_incoming(zero, before)
            total.add_incoming(value, loop)
        builder.cbranch(builder.icmp_unsigned("<", following, arguments[0]), loop, after)
        builder.position_at_end(after)
        for position, value in enumerate(updated):
            builder.store(value, vector_at(into, position * lanes)).align = size
        return context.get_dummy_value()

    word = types.uint64
    return types.void(word, left, word, right, word, tile, word), generate


multiply_tile: Any = intrinsic(_multiply_tile)
