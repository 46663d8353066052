"""The part of a kernel that no scheme changes: leaf, products, tables, driver.

The text of these modules is what `flipsearch.kernels.emit` writes behind a scheme's own integers,
in the order of its `RUNTIME`, so that a kernel stands alone.

Invariant: they import nothing of flipsearch but one another, and each name is defined in one of
them only.
"""
