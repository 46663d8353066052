"""Hensel lifting: schemes over F2 and F3 to ZT, Z and Q.

Called, it is `flipsearch.lift.lifting.lift`.
"""

from flipsearch.callables import make_callable
from flipsearch.lift.lifting import LiftResult, NotLiftedError, find_lift, lift

__all__ = ["LiftResult", "NotLiftedError", "find_lift", "lift"]

make_callable(__name__)
