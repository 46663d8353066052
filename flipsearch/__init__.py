"""flipsearch: find, prove, keep and run fast matrix-multiplication algorithms."""

__version__ = "0.1.0"
