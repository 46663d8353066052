"""Bit and vector operations that numba does not have, as LLVM in a few lines each.

The walk finds rows with equal factors by comparing 64 short tags at once, and chooses the k-th set
bit of a mask without a branch. LLVM lowers these to AVX-512, AVX2 or NEON, whatever the machine
has; where x86 has `pdep` the k-th set bit is two instructions, elsewhere a short branch-free
ladder.

Invariant: every function here has a slow plain counterpart in the tests.
"""

from __future__ import annotations

import platform
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 64
_I1, _I16, _I64 = ir.IntType(1), ir.IntType(16), ir.IntType(64)
_TAGS = ir.VectorType(_I16, ROWS)


_FEATURES = llvmlite.binding.get_host_cpu_features()


def _has_pdep() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64") and bool(_FEATURES.get("bmi2"))


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Return the number of set bits of a uint64, as uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of a uint64, 64 if there is none."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(_I1, 0))

    return types.uint64(types.uint64), generate


@intrinsic
def kth_set_bit(typing_context: Any, word: Any, k: Any) -> Any:
    """Return the index of the k-th (from 0) set bit of a uint64; undefined if k >= popcount."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word_, k_ = arguments
        if _has_pdep():
            kind = ir.FunctionType(_I64, [_I64, _I64])
            pdep = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.bmi.pdep.64")
            bit = builder.call(pdep, [builder.shl(ir.Constant(_I64, 1), k_), word_])
            return builder.cttz(bit, ir.Constant(_I1, 0))
        index = ir.Constant(_I64, 0)
        for width in (32, 16, 8, 4, 2, 1):
            low = builder.and_(builder.lshr(word_, index), ir.Constant(_I64, (1 << width) - 1))
            count = builder.ctpop(low)
            beyond = builder.icmp_unsigned(">=", k_, count)
            k_ = builder.select(beyond, builder.sub(k_, count), k_)
            index = builder.select(beyond, builder.add(index, ir.Constant(_I64, width)), index)
        return index

    return types.uint64(types.uint64, types.uint64), generate


def _vector(builder: Any, context: Any, array_type: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    pointer = builder.gep(data, [offset])
    return builder.bitcast(pointer, _TAGS.as_pointer())


def _opaque(builder: Any, vector: Any) -> Any:
    """Return the vector, hidden from LLVM: else it makes a masked store, which never forwards."""
    if not _FEATURES.get("avx512bw"):
        return vector
    half = ir.VectorType(_I16, ROWS // 2)
    kind = ir.FunctionType(half, [half])
    undefined = ir.Constant(_TAGS, ir.Undefined)
    index = ir.VectorType(ir.IntType(32), ROWS // 2)
    halves = []
    for start in (0, ROWS // 2):
        part = builder.shuffle_vector(
            vector, undefined, ir.Constant(index, list(range(start, start + ROWS // 2)))
        )
        halves.append(builder.asm(kind, "", "=v,0", [part], side_effect=False))
    whole = ir.Constant(ir.VectorType(ir.IntType(32), ROWS), list(range(ROWS)))
    return builder.shuffle_vector(halves[0], halves[1], whole)


def _splat(builder: Any, value: Any) -> Any:
    vector = builder.insert_element(ir.Constant(_TAGS, ir.Undefined), value, ir.Constant(_I64, 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), ROWS), [0] * ROWS)
    return builder.shuffle_vector(vector, ir.Constant(_TAGS, ir.Undefined), mask)


@intrinsic
def equal_rows(typing_context: Any, tags: Any, offset: Any, tag: Any) -> Any:
    """Return the mask of rows among tags[offset : offset + 64] that equal `tag`.

    `tags` is a flat C-contiguous uint16 array; `offset` and `tag` are uint64.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, offset_, tag_ = arguments
        pointer = _vector(builder, context, signature.args[0], array, offset_)
        vector = builder.load(pointer)
        vector.align = 2
        wanted = _splat(builder, builder.trunc(tag_, _I16))
        return builder.bitcast(builder.icmp_unsigned("==", vector, wanted), _I64)

    return types.uint64(types.Array(types.uint16, 1, "C"), types.uint64, types.uint64), generate


@intrinsic
def set_row(typing_context: Any, tags: Any, offset: Any, row: Any, tag: Any) -> Any:
    """Store `tag` at tags[offset + row], row < 64, by rewriting all 64.

    The next step reads the 64 tags as whole vectors: a store of two bytes would not be forwarded
    to such a load, one of the whole vectors is.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, offset_, row_, tag_ = arguments
        pointer = _vector(builder, context, signature.args[0], array, offset_)
        vector = builder.load(pointer)
        vector.align = 2
        one = builder.bitcast(builder.shl(ir.Constant(_I64, 1), row_), ir.VectorType(_I1, ROWS))
        value = _splat(builder, builder.trunc(tag_, _I16))
        store = builder.store(_opaque(builder, builder.select(one, value, vector)), pointer)
        store.align = 2
        return context.get_dummy_value()

    array = types.Array(types.uint16, 1, "C")
    return types.void(array, types.uint64, types.uint64, types.uint64), generate
