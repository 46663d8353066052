"""Formats: general and structured matrix products, and tensors, as sparse integer tensors."""

from flipsearch.formats.format import (
    LARGEST_SIDE,
    OPERANDS,
    TABULATED_SIDE,
    Format,
    MatrixProduct,
    is_product,
    parse_format,
)
from flipsearch.formats.layout import LETTERS, Layout

__all__ = [
    "LARGEST_SIDE",
    "LETTERS",
    "OPERANDS",
    "TABULATED_SIDE",
    "Format",
    "Layout",
    "MatrixProduct",
    "is_product",
    "parse_format",
]
