"""Find out whether walks can run on a GPU of this machine.

This module imports no part of the walk, so the check costs `doctor` no time.
"""

from __future__ import annotations

OLDEST_CUPY = 13
"""Oldest major version; earlier ones lack support for present devices and compilers."""


def availability() -> str | None:
    """Return None if walks can run on a GPU here, else one line with the reason."""
    try:
        import cupy
    except ImportError:
        return "no GPU: cupy is not installed (pip install 'flipsearch[gpu]')"
    except Exception as error:  # a broken installation fails in many ways
        return f"no GPU: cupy does not load: {_line(error)}"
    version = getattr(cupy, "__version__", "")
    if version.split(".")[0].isdigit() and int(version.split(".")[0]) < OLDEST_CUPY:
        return f"no GPU: cupy {version} is too old (pip install --upgrade 'flipsearch[gpu]')"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if count == 0:
            return "no GPU: the driver lists no CUDA device"
        major = cupy.cuda.runtime.getDeviceProperties(0)["major"]
    except Exception as error:  # no driver, an old driver, a driver of another version
        return f"no GPU: {_line(error)} (is the NVIDIA driver installed and recent enough?)"
    if major < 7:
        return f"no GPU: the device has compute capability {major}, 7.0 or later is needed"
    return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
