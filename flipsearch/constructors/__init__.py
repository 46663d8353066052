"""Schemes that are made, not found: from closed formulas, and from other schemes by recipes.

A constructor of another package is found by `register_constructor`, or by an entry point of the
group ``flipsearch.constructors`` whose name is the constructor's and whose object is it.
"""

from flipsearch.constructors.constructor import (
    CONSTRUCTORS,
    Constructor,
    best_offer,
    construct,
    offers,
)

register_constructor = CONSTRUCTORS.register

__all__ = [
    "CONSTRUCTORS",
    "Constructor",
    "best_offer",
    "construct",
    "offers",
    "register_constructor",
]
