"""Straight-line programs, for the searches of this folder; the type is `flipsearch.programs`'s."""

from flipsearch.programs import Output, Program, Step, chained, transposed

__all__ = ["Output", "Program", "Step", "chained", "transposed"]
