"""The ground floor: exact arithmetic that every other room computes with, each piece once.

Nothing here imports any other part of flipsearch. Every compiled function has a slow plain
counterpart in the tests.
"""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
