"""Fault-tolerant unions of products: certificates, searches, decoders and kernels."""

from flipsearch.faults.decoders import Decoder, RowBook, decoder, worst_growth
from flipsearch.faults.emit import emit_fault_tolerant_kernel, write_fault_tolerant_kernel
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
    "from_scheme",
    "target_forms",
    "union_of",
    "worst_growth",
    "write_fault_tolerant_kernel",
]
