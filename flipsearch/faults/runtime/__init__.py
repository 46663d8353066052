"""Run an emitted fault-tolerant kernel.

These modules need only numpy, and Ray if the user chooses it. `flipsearch.faults.emit` copies
them, in the order of its `_PARTS`, into the standalone module.

Invariant: modules here import only siblings and `flipsearch.algebra.cores` from flipsearch.
"""
