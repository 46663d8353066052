"""A device for tests: walk.cu compiled for this machine by its C++ compiler, numpy for memory."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from flipsearch.walk import gpu

SHIM = Path(__file__).parent / "host" / "walk_on_host.cpp"
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="flipsearch-host-")


@functools.cache
def compiled(shape):
    """Return the shared library of a shape."""
    library = Path(_folder().name) / ("walk" + "".join(shape.macros) + ".so")
    command = [COMPILER, "-std=c++17", "-O1", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-unknown-pragmas", "-shared", "-fPIC", *shape.macros]
    command += [f"-I{gpu.SOURCES}", str(SHIM), "-o", str(library)]
    subprocess.run(command, check=True, timeout=120)
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
