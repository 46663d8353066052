"""Provide exact arithmetic and basic services to every other room.

This room imports no other part of flipsearch except its errors. Every compiled function has a slow
plain counterpart in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]


def __getattr__(name: str) -> Any:
    """Return `IntArray`; numpy, which takes a tenth of a second, is imported when needed."""
    if name == "IntArray":
        import numpy as np
        import numpy.typing as npt

        return npt.NDArray[np.int64]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
