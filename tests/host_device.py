"""A device for tests: walk.cu compiled for this machine by its C++ compiler, numpy for memory."""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from flipsearch.executors.walker import private_folder
from flipsearch.walk.gpu import device as gpu

SHIM = Path(__file__).parent / "host" / "walk_on_host.cpp"
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")


@functools.cache
def folder():
    """Return where compiled sources are kept, for these sources and all processes."""
    sources = gpu.source() + SHIM.read_text(encoding="utf-8") + str(COMPILER)
    name = "host-" + hashlib.sha256(sources.encode()).hexdigest()[:16]
    kept = private_folder() / name
    kept.mkdir(exist_ok=True)
    return kept


@functools.cache
def compiled(shape):
    """Return the shared library of a shape."""
    library = folder() / ("walk" + "".join(shape.macros) + ".so")
    if not library.exists():
        command = [COMPILER, "-std=c++17", "-O1", "-fno-strict-aliasing", "-Wall", "-Wextra"]
        command += ["-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC", *shape.macros]
        unfinished = library.with_suffix(f".{os.getpid()}")
        command += [f"-I{gpu.SOURCES}", str(SHIM), "-o", str(unfinished)]
        subprocess.run(command, check=True, timeout=120)
        unfinished.replace(library)
    return ctypes.CDLL(str(library))


class HostDevice:
    """Runs blocks and threads one after another."""

    name = "host"
    arrays = np
    out_of_memory = MemoryError

    def __init__(self, walkers=64):
        self.launches = 0
        self._walkers = walkers

    def attach(self):
        pass

    def kernel(self, shape):
        function = compiled(shape).walk_all
        pointer = ctypes.c_void_p
        function.argtypes = [*[pointer] * 4, *[ctypes.c_uint32] * 3, ctypes.c_uint64]

        def launch(states, numbers, snapshots, history, walkers, room, entries, chunk):
            self.launches += 1
            addresses = [array.ctypes.data for array in (states, numbers, snapshots, history)]
            function(*addresses, walkers, room, entries, chunk)

        return launch

    def walkers(self, shape):
        return self._walkers

    def to_host(self, array):
        return np.array(array)
