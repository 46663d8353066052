"""Hensel lifting: schemes over F2 and F3 to ZT, Z and Q."""

from pathlib import Path

from flipsearch.compiled import drop_stale
from flipsearch.lift.lifting import LiftResult, NotLiftedError, lift

drop_stale(Path(__file__).parent)

__all__ = ["LiftResult", "NotLiftedError", "lift"]
