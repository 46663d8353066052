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

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flipsearch.kernels.runtime.compiled import VECTOR_BITS


def vector_shape(features: Any, most: int) -> tuple[int, int, int]:
    """Return (bytes of a vector, rows, vectors) of the tile for a processor's registers.

    Parameters
    ----------
    features : mapping from str to bool
        LLVM's names of the processor's features.
    most : int
        Widest vectors to use, in bits: 256 makes the code of processors without AVX-512.
    """
    if features.get("avx512f") and most >= 512:
        return 64, 8, 3  # 24 accumulators of 32 registers
    if features.get("avx") and most >= 256:
        return 32, 4, 3  # 12 of 16
    if features.get("neon"):
        return 16, 8, 3  # 24 of 32
    return 16, 4, 2


VECTOR_BYTES, TILE_ROWS, TILE_VECTORS = vector_shape(
    llvm.get_host_cpu_features(), VECTOR_BITS or 512
)
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


def _fetch(builder: Any, pointer: Any, to_write: int) -> None:
    """Ask for the cache line at a pointer, to be read or written soon."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, *[ir.IntType(32)] * 3])
    function = _declared(builder.module, kind, "llvm.prefetch.p0")
    options = map(ir.IntType(32), (to_write, 3, 1))
    builder.call(function, [builder.bitcast(pointer, byte), *options])


def _prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``, to be written soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _fetch(builder, builder.gep(data, [arguments[1]]), 1)
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


prefetch: Any = intrinsic(_prefetch)


@contextmanager
def counted_loop(builder: Any, first: Any, last: Any, name: str) -> Iterator[Any]:
    """Write a loop over the integers from `first` to before `last`, at least one; yield it."""
    before = builder.block
    body, after = (builder.append_basic_block(part) for part in (name, f"{name}.done"))
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(first.type)
    index.add_incoming(first, before)
    yield index
    following = builder.add(index, first.type(1))
    index.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_unsigned("<", following, last), body, after)
    builder.position_at_end(after)


def spread(builder: Any, single: Any, lanes: int) -> Any:
    """Return a vector of so many equal elements."""
    kind = ir.VectorType(single.type, lanes)
    alone = builder.insert_element(ir.Constant(kind, ir.Undefined), single, ir.IntType(64)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(alone, alone, order)


Call = tuple[Any, Any, Any, Any]  # context, builder, signature, arguments


def start_of(context: Any, builder: Any, signature: Any, arguments: Any, position: int) -> Any:
    """Return the pointer to the first element of an array among the arguments."""
    return context.make_array(signature.args[position])(context, builder, arguments[position]).data


def _rows_of(call: Call, begin: int, term: Any) -> list[Any]:
    """Return pointers to the rows of a term's tile; argument `begin` is the array it is in."""
    _, builder, _, arguments = call
    corner = builder.load(builder.gep(start_of(*call, begin + 3), [term]))
    place = builder.add(arguments[begin + 1], corner)
    steps = [builder.mul(arguments[begin + 2], ir.IntType(64)(i)) for i in range(TILE_ROWS)]
    return [builder.gep(start_of(*call, begin), [builder.add(place, step)]) for step in steps]


def _add_to_terms(
    call: Call, begin: int, element: Any, values: list[tuple[int, int, Any]]
) -> None:
    """Add vectors, each with its row and column in a tile, to each term's tile.

    The arguments from `begin` on are those of `multiply_tile` from `into` on.
    """
    context, builder, signature, arguments = call
    stored = signature.args[begin].dtype
    vector = values[0][2].type
    lanes = vector.count
    kind = ir.VectorType(context.get_value_type(stored), lanes)
    zero = ir.Constant(kind, [ir.Constant(kind.element, 0)] * lanes)
    bit = ir.IntType(1)
    with counted_loop(builder, arguments[begin + 6], arguments[begin + 7], "term") as term:
        rows = _rows_of(call, begin, term)
        coefficient, is_fresh = (
            builder.load(builder.gep(start_of(*call, begin + x), [term])) for x in (4, 5)
        )
        factor = spread(builder, coefficient, lanes)
        is_fresh = builder.and_(
            builder.trunc(is_fresh, bit), builder.trunc(arguments[begin + 8], bit)
        )
        with builder.if_else(is_fresh) as (then, otherwise):
            for branch, overwrites in ((then, True), (otherwise, False)):
                with branch:
                    for row, column, value in values:
                        target = builder.gep(rows[row], [ir.IntType(64)(column)])
                        target = builder.bitcast(target, kind.as_pointer())
                        old = zero if overwrites else builder.load(target)
                        if not overwrites:
                            old.align = stored.bitwidth // 8
                        if element == SQUARE:
                            total = builder.xor(value, old)
                        elif element != stored:
                            total = builder.fptosi(builder.fmul(factor, value), kind)
                            total = builder.add(total, old)
                        else:
                            total = add_product(builder, old, factor, value)
                        builder.store(total, target).align = stored.bitwidth // 8


def add_product(builder: Any, total: Any, x: Any, y: Any) -> Any:
    """Return total + x * y of vectors of floats, fused where the processor can, or of integers."""
    kind = total.type
    if isinstance(kind.element, ir.IntType):
        return builder.add(builder.mul(x, y), total)
    bits = 64 if isinstance(kind.element, ir.DoubleType) else 32
    name = f"llvm.fmuladd.v{kind.count}f{bits}"
    fused = _declared(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(fused, [x, y, total])


def _add_pairs(
    _context: Any,
    parts: Any,
    tile: Any,
    into: Any,
    place: Any,
    row_stride: Any,
    corners: Any,
    coefficients: Any,
    fresh: Any,
    first: Any,
    last: Any,
    overwrite: Any,
) -> Any:
    """Add a tile of complex numbers to some places, given three tiles of reals.

    These are the products of the real parts, of the imaginary parts, and of the sums of both.
    For one part there is nothing to do; other parameters are those of `multiply_tile`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call = (context, builder, signature, arguments)
        element = tile.dtype
        if len(parts) == 1:
            return context.get_dummy_value()
        lanes = VECTOR_BYTES // (element.bitwidth // 8)
        vector = ir.VectorType(context.get_value_type(element), lanes)
        kind, values = ir.VectorType(ir.IntType(32), lanes), []
        count = TILE_ROWS * TILE_VECTORS
        for number in range(count):
            products = []
            for component in range(3):
                offset = ir.IntType(64)((component * count + number) * lanes)
                pointer = builder.gep(start_of(*call, 1), [offset])
                products.append(builder.load(builder.bitcast(pointer, vector.as_pointer())))
                products[-1].align = element.bitwidth // 8
            real = builder.fsub(products[0], products[1])
            imaginary = builder.fsub(products[2], builder.fadd(products[0], products[1]))
            row, j = divmod(number, TILE_VECTORS)
            for half in range(2):
                order = [(half * lanes + i) // 2 + lanes * (i % 2) for i in range(lanes)]
                pair = builder.shuffle_vector(real, imaginary, ir.Constant(kind, order))
                values.append((row, (2 * j + half) * lanes, pair))
        _add_to_terms(call, 2, element, values)
        return context.get_dummy_value()

    count = types.uint64
    return types.void(
        parts, tile, into, count, count, corners, coefficients, fresh, count, count, types.boolean
    ), generate


add_pairs: Any = intrinsic(_add_pairs)


def _multiply_tile(
    _context: Any,
    depth: Any,
    left: Any,
    left_start: Any,
    right: Any,
    right_start: Any,
    ahead: Any,
    step_ahead: Any,
    into: Any,
    place: Any,
    row_stride: Any,
    corners: Any,
    coefficients: Any,
    fresh: Any,
    first: Any,
    last: Any,
    overwrite: Any,
) -> Any:
    """Add the tile sum over k < depth of left[k, i] * right[k, j] to some places, times factors.

    It stays in registers from the first step to the last place.

    Parameters
    ----------
    depth : uint64
        Steps along the common side; at least 1.
    left, right : flat arrays
        Packed panels: ``left[left_start + k * TILE_ROWS + i]`` and
        ``right[right_start + k * tile_columns + j]``.
    left_start, right_start : uint64
        Where the panels begin.
    ahead, step_ahead : uint64
        ``right[ahead + k * step_ahead]`` is fetched into the caches at step k.
    into : flat array
        Entry (i, j) of term t is at ``into[place + corners[t] + i * row_stride + j]``.
    place, row_stride : uint64
        See `into`.
    corners, coefficients, fresh : arrays of int64, of the panels' elements and of bool
        A term each.
    first, last : uint64
        Terms from `first` to before `last` are served; at least one.
    overwrite : bool
        Whether terms that are `fresh` are set and not added to.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call = (context, builder, signature, arguments)
        element = signature.args[1].dtype
        size = element.bitwidth // 8
        lanes = VECTOR_BYTES // size
        scalar = context.get_value_type(element)
        vector = ir.VectorType(scalar, lanes)
        word, width = ir.IntType(64), TILE_VECTORS * lanes

        def multiply(total: Any, x: Any, y: Any) -> Any:
            if element != SQUARE:
                return add_product(builder, total, x, y)
            octet = ir.IntType(8)
            octets = ir.VectorType(octet, VECTOR_BYTES)
            kind = ir.FunctionType(octets, [octets, octets, octet])
            affine = _declared(builder.module, kind, f"llvm.x86.vgf2p8affineqb.{VECTOR_BYTES * 8}")
            pair = [builder.bitcast(z, octets) for z in (x, y)]
            product = builder.call(affine, [*pair, octet(0)])
            return builder.xor(builder.bitcast(product, vector), total)

        left_panel = builder.gep(start_of(*call, 1), [arguments[2]])
        right_panel = builder.gep(start_of(*call, 3), [arguments[4]])
        ahead = builder.gep(start_of(*call, 3), [arguments[5]])
        with counted_loop(builder, arguments[13], arguments[14], "fetch") as term:
            for row in _rows_of(call, 7, term):
                for offset in (*range(0, width, 64 // size), width - 1):
                    _fetch(builder, builder.gep(row, [word(offset)]), 1)
        zero = ir.Constant(vector, [ir.Constant(scalar, 0)] * lanes)
        before = builder.block
        with counted_loop(builder, word(0), arguments[0], "depth") as step:
            sums = [builder.phi(vector) for _ in range(TILE_ROWS * TILE_VECTORS)]
            left_row = builder.gep(left_panel, [builder.mul(step, word(TILE_ROWS))])
            right_row = builder.gep(right_panel, [builder.mul(step, word(width))])
            _fetch(builder, builder.gep(ahead, [builder.mul(step, arguments[6])]), 0)
            rights = []
            for j in range(TILE_VECTORS):
                pointer = builder.gep(right_row, [word(j * lanes)])
                rights.append(builder.load(builder.bitcast(pointer, vector.as_pointer())))
                rights[-1].align = size
            updated = []
            for i in range(TILE_ROWS):
                single = spread(builder, builder.load(builder.gep(left_row, [word(i)])), lanes)
                updated += [
                    multiply(sums[i * TILE_VECTORS + j], single, rights[j])
                    for j in range(TILE_VECTORS)
                ]
            for total, value in zip(sums, updated, strict=True):
                total.add_incoming(zero, before)
                total.add_incoming(value, builder.block)
        places = [(i, j * lanes) for i in range(TILE_ROWS) for j in range(TILE_VECTORS)]
        values = [(*place, value) for place, value in zip(places, updated, strict=True)]
        _add_to_terms(call, 7, element, values)
        return context.get_dummy_value()

    word, flag = types.uint64, types.boolean
    return types.void(
        word, left, word, right, word, word, word, into, word, word, corners, coefficients, fresh,
        word, word, flag,
    ), generate  # fmt: skip


multiply_tile: Any = intrinsic(_multiply_tile)
