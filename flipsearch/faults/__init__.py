"""Find and certify products of which some may be lost; make their decoders and kernels."""

from flipsearch.faults.decoders import Decoder, RowBook, decoder, worst_growth
from flipsearch.faults.emit import emit_fault_tolerant_kernel, write_fault_tolerant_kernel
from flipsearch.faults.presets import presets, read_union, union_text
from flipsearch.faults.protect import find_union, protect
from flipsearch.faults.union import (
    Certificate,
    FaultTolerantScheme,
    from_scheme,
    target_forms,
    union_of,
)

__all__ = [
    "Certificate",
    "Decoder",
    "FaultTolerantScheme",
    "RowBook",
    "decoder",
    "emit_fault_tolerant_kernel",
    "find_union",
    "from_scheme",
    "presets",
    "protect",
    "read_union",
    "target_forms",
    "union_of",
    "union_text",
    "worst_growth",
    "write_fault_tolerant_kernel",
]
