"""Hensel lifting: schemes over F2 and F3 to ZT, Z and Q."""

from flipsearch.lift.lifting import LiftFailure, LiftResult, lift

__all__ = ["LiftFailure", "LiftResult", "lift"]
