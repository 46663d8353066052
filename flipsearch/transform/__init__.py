"""Turn valid schemes into other valid schemes, exactly.

Project, extend, merge and product change sizes. Permute, transpose, dual and sandwich are
symmetries. The serendipitous product exploits shared factors. `reduce_terms` removes terms. Every
function takes and returns immutable `Scheme` values; none of them searches.
"""

from flipsearch.transform.dimensions import (
    Part,
    assemble,
    complete,
    extend,
    free_dimensions,
    merge,
    project,
    tied_dimensions,
)
from flipsearch.transform.kronecker import product
from flipsearch.transform.reduce import reduce_terms
from flipsearch.transform.sandwich import (
    random_invertible,
    random_sandwich,
    random_unimodular,
    sandwich,
)
from flipsearch.transform.serendipity import (
    Group,
    serendipitous_product,
    serendipitous_rank,
    shared_factors,
)
from flipsearch.transform.symmetry import ORDERS, cyclic, dual, permute, transpose

__all__ = [
    "ORDERS",
    "Group",
    "Part",
    "assemble",
    "complete",
    "cyclic",
    "dual",
    "extend",
    "free_dimensions",
    "merge",
    "permute",
    "product",
    "project",
    "random_invertible",
    "random_sandwich",
    "random_unimodular",
    "reduce_terms",
    "sandwich",
    "serendipitous_product",
    "serendipitous_rank",
    "shared_factors",
    "tied_dimensions",
    "transpose",
]
