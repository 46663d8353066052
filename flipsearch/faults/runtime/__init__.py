"""What an emitted fault-tolerant kernel does at run time.

These modules need numpy alone (and Ray where it is asked for): `flipsearch.faults.emit` copies
them, in the order code, work, checks, decode, transports, processes, product, into the standalone
module.

Invariant: nothing here imports anything of flipsearch but its siblings.
"""
