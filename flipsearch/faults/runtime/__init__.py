"""The code that an emitted fault-tolerant kernel runs.

These modules need numpy alone (and Ray where it is asked for): `flipsearch.faults.emit` copies
them, in the order of its `_PARTS`, into the standalone module.

Invariant: of flipsearch only siblings and `flipsearch.algebra.cores` are imported here.
"""
