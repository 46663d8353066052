"""Provide exact arithmetic and basic services to every other room.

This room imports no other part of flipsearch except its errors. Every compiled function has a slow
plain counterpart in the tests.
"""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
