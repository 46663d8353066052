"""The CUDA source compiles for every architecture that is supported; no device is needed."""

import ctypes
import importlib.util
from pathlib import Path

import pytest

from flipsearch.rings import Ring
from flipsearch.walk.gpu.device import Shape, source

ARCHITECTURES = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90"]
SHAPES = [
    Shape(Ring.F2, 16, 64, 1),
    Shape(Ring.F3, 16, 56, 1),
    Shape(Ring.ZT, 64, 64, 1),
    Shape(Ring.F2, 64, 352, 32),
    Shape(Ring.ZT, 256, 256, 32),
]


def _library():
    """Load NVRTC from its wheel, whose libraries lie in a package without code."""
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations] if found else []
    for place in places:
        for library in sorted(place.glob("*/lib/libnvrtc.so.*")):
            return ctypes.CDLL(str(library))
    return None


NVRTC = _library()
pytestmark = pytest.mark.skipif(NVRTC is None, reason="needs the wheel nvidia-cuda-nvrtc-cu12")


def compile_for(shape, architecture):
    """Return (whether it compiled, the compiler's log, bytes of machine code)."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    text = source().encode()
    assert NVRTC.nvrtcCreateProgram(ctypes.byref(program), text, b"walk.cu", 0, None, None) == 0
    options = [f"--gpu-architecture={architecture}", "--std=c++17", *shape.macros]
    pointers = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    code = NVRTC.nvrtcCompileProgram(program, len(options), pointers)
    NVRTC.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    NVRTC.nvrtcGetProgramLog(program, log)
    size.value = 0
    NVRTC.nvrtcGetCUBINSize(program, ctypes.byref(size))
    NVRTC.nvrtcDestroyProgram(ctypes.byref(program))
    return code == 0, log.value.decode(), size.value


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture):
    compiled, log, size = compile_for(SHAPES[0], architecture)
    assert compiled, log
    assert size > 1000
    assert "warning #" not in log


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_every_kind_of_shape(shape):
    compiled, log, size = compile_for(shape, "sm_90")
    assert compiled, log
    assert size > 1000
    assert "warning #" not in log


def test_a_wrong_shape_does_not_compile():
    compiled, log, _ = compile_for(Shape(Ring.F2, 16, 57, 1), "sm_90")
    assert not compiled
    assert "ROWS" in log
