"""Code of the innermost loop for processors that are not here: AArch64, x86 without AVX-512."""

import re
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from llvmlite.binding import Target

from flipsearch.kernels.runtime import microkernel, panels

TARGETS = {
    "aarch64-unknown-linux-gnu": ("neoverse-n1", r"fmla\tv\d+\.2d", r"\[sp"),
    "x86_64-unknown-linux-gnu": ("haswell", r"vfmadd\w+pd.*%ymm", r"\(%rsp"),
}
SHAPES = {"aarch64-unknown-linux-gnu": {"neon": True}, "x86_64-unknown-linux-gnu": {"avx": True}}


@pytest.fixture(params=TARGETS)
def target(request, monkeypatch):
    """Give the triple of a processor, with the tile that its registers hold."""
    shape = microkernel.vector_shape(SHAPES[request.param], 512)
    for name, value in zip(("VECTOR_BYTES", "TILE_ROWS", "TILE_VECTORS"), shape, strict=True):
        monkeypatch.setattr(microkernel, name, value)
        if hasattr(panels, name):
            monkeypatch.setattr(panels, name, value)
    return request.param


def assembly(function: Any, triple: str) -> str:
    """Return the code of a compiled function for another processor, its helpers left out."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    [text] = function.inspect_llvm().values()
    text = re.sub(r'target (triple|datalayout) = ".*"\n', "", text)
    _first, *helpers = re.findall(r"^define .*?^}\n", text, re.MULTILINE | re.DOTALL)
    for helper in helpers:
        text = text.replace(helper, "")
    machine = Target.from_triple(triple).create_target_machine(cpu=TARGETS[triple][0], opt=3)
    module = llvm.parse_assembly(f'target triple = "{triple}"\n{text}')
    module.data_layout = str(machine.target_data)
    return machine.emit_assembly(module)


def test_the_tile_stays_in_registers(target):
    @numba.njit
    def multiply(depth, left, right, into, corners, factors, fresh):
        microkernel.multiply_tile(
            np.uint64(depth), left, np.uint64(0), right, np.uint64(0), np.uint64(0), np.uint64(1),
            into, np.uint64(0), np.uint64(100), corners, factors, fresh, np.uint64(0),
            np.uint64(1), True,
        )  # fmt: skip

    numbers, whole = numba.float64[::1], numba.int64[::1]
    multiply.compile((numba.int64, numbers, numbers, numbers, whole, numbers, numba.boolean[::1]))
    _, fused, memory = TARGETS[target]
    blocks = re.split(r"\n\.?L\w+:", assembly(multiply, target))
    loop = max(blocks, key=lambda block: len(re.findall(fused, block)))
    _, rows, vectors = microkernel.vector_shape(SHAPES[target], 512)
    assert len(re.findall(fused, loop)) % (rows * vectors) == 0
    assert not re.search(memory, loop)  # nothing is spilt to the stack


CODES = [("pack_straight", "REALS"), ("pack_turned", "REALS"), ("pack_turned", "PAIRS")]


@pytest.mark.parametrize(("name", "reals"), CODES)
def test_packing_is_code_of_the_other_processor(target, name, reals):
    packer, parts = getattr(panels, name), getattr(panels, reals)

    @numba.njit
    def pack(packed, flat, corners, factors):
        packer(
            panels.LEFT, parts, packed, np.uint64(0), np.uint64(0), np.uint64(32), flat,
            np.uint64(0), np.uint64(100), corners, factors, np.uint64(0), np.uint64(1),
        )  # fmt: skip

    numbers = numba.float64[::1]
    pack.compile((numbers, numbers, numba.int64[::1], numbers))
    assert "ymm" in assembly(pack, target) or target.startswith("aarch64")


def test_shapes_of_tiles():
    everything = {"avx512f": True, "avx": True, "neon": False}
    assert microkernel.vector_shape(everything, 512) == (64, 8, 3)
    assert microkernel.vector_shape(everything, 256) == (32, 4, 3)
    assert microkernel.vector_shape(everything, 128) == (16, 4, 2)
    assert microkernel.vector_shape({"neon": True}, 512) == (16, 8, 3)
