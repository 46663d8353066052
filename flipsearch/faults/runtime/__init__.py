"""What an emitted fault-tolerant kernel does at run time.

These modules need numpy alone (and Ray where it is asked for): `flipsearch.faults.emit` copies
them, in the order of its `_PARTS`, into the standalone module.

Invariant: nothing here imports anything of flipsearch but its siblings.
"""
