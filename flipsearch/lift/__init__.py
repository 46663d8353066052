"""Lift schemes over F2 and F3 to ZT, Z and Q by Hensel's method."""

from flipsearch.lift.lifting import LiftResult, NotLiftedError, lift

__all__ = ["LiftResult", "NotLiftedError", "lift"]
