"""Hold the part of a kernel that no scheme changes: leaf, products, tables, driver.

`flipsearch.kernels.emit` writes the text of these modules behind a scheme's own integers, in the
order of its `RUNTIME`: a kernel stands alone.

Invariant: they import nothing of flipsearch but one another and two modules of `algebra` that
`RUNTIME` names, and each name is defined in one of them only.
"""
