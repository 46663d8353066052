"""Provide bit operations that numba lacks, as LLVM code.

The walk chooses the k-th row of a bitmap twice in every step. With the x86 instruction `pdep` the
k-th set bit takes two instructions, without it a short branch-free ladder.

Invariant: every function here has a slow plain counterpart in the tests.
"""

from __future__ import annotations

import platform
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flipsearch.algebra.jit import njit

U = np.uint64
ZERO, ONE, TWO, THREE, SIX, LOW6 = U(0), U(1), U(2), U(3), U(6), U(63)
HALF, LOW32 = U(32), U(0xFFFFFFFF)
_I1, _I64 = ir.IntType(1), ir.IntType(64)


@njit(inline="always")
def flag(condition: Any) -> Any:
    """Return 1 or 0 as uint64."""
    return U(condition)


@njit
def copy_words(target: Any, source: Any, count: Any) -> None:
    """Copy the first `count` entries of one array to another.

    An assignment of slices would make numba compile the words of its error message, for seconds.
    """
    for place in range(count):
        target[place] = source[place]


_FEATURES = llvmlite.binding.get_host_cpu_features()


def _has_pdep() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64") and bool(_FEATURES.get("bmi2"))


def _kth_set_bit(typing_context: Any, word: Any, k: Any) -> Any:
    """Return the index of the k-th (from 0) set bit of a uint64; undefined if k >= popcount."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word_, k_ = arguments
        if _has_pdep():
            kind = ir.FunctionType(_I64, [_I64, _I64])
            name = "llvm.x86.bmi.pdep.64"
            pdep = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
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


def _of_a_word(build: Any) -> Any:
    """Return a compiled function of a uint64 from one that builds its code."""

    def define(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return build(builder, arguments[0])

        return types.uint64(types.uint64), generate

    return intrinsic(define)


def _pointer_to(typing_context: Any, array: Any) -> Any:
    """Return a pointer to the first entry of an array, which is indexed like the array.

    numba counts the references to an array at every call that is not inlined. A pointer has none;
    the caller keeps the array alive.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate  # type: ignore[no-untyped-call]


popcount = _of_a_word(lambda builder, word: builder.ctpop(word))
"""The number of set bits of a uint64, as uint64."""
trailing_zeros = _of_a_word(lambda builder, word: builder.cttz(word, ir.Constant(_I1, 0)))
"""The index of the lowest set bit of a uint64, or 64 for zero."""
leading_zeros = _of_a_word(lambda builder, word: builder.ctlz(word, ir.Constant(_I1, 0)))
"""63 minus the index of the highest set bit of a uint64, or 64 for zero."""
opaque = _of_a_word(
    lambda builder, word: builder.asm(
        ir.FunctionType(_I64, [_I64]), "", "=r,0", [word], side_effect=False
    )
)
"""A uint64 unchanged; the compiler cannot know its value.

LLVM turns a branch on `x & y` into two branches. If either is taken at random and both together
hardly ever, that costs a misprediction every few times. An opaque x keeps one branch."""
pointer_to: Any = intrinsic(_pointer_to)
kth_set_bit: Any = intrinsic(_kth_set_bit)
