"""Recursive calls of structured schemes: measured when stored, and for rows of older schemas.

Invariant: only formats with structured operands have calls; `gamma` stands only where block
recursion is valid (`flipsearch.formats.recursion`).
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Table, bindparam, select
from sqlalchemy.engine import Connection

from flipsearch.catalogue.models import FactorsRow, SchemeRow
from flipsearch.catalogue.packing import unpack_scheme
from flipsearch.catalogue.queries import TENSOR_PREFIX, as_format
from flipsearch.errors import FlipsearchError
from flipsearch.formats import MatrixProduct
from flipsearch.formats.recursion import Recursion, recursion
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def recursion_of(scheme: Scheme) -> Recursion | None:
    """Return the recursive calls of a scheme, or None unless its format is structured."""
    form = scheme.format
    if not isinstance(form, MatrixProduct) or form.operands == "gg":
        return None
    return recursion(form, scheme.factors, scheme.ring.characteristic)


def structure_columns(scheme: Scheme) -> dict[str, Any]:
    """Return the columns `calls` and `gamma` of a scheme."""
    found = recursion_of(scheme)
    if found is None:
        return {"calls": None, "gamma": None}
    gamma = None if found.gamma is None else float(found.gamma)
    finite = gamma is not None and math.isfinite(gamma)
    return {"calls": found.recursive_calls, "gamma": gamma if finite else None}


def fill_in(connection: Connection) -> None:
    """Measure the structured schemes that an older schema has stored without."""
    statement = (
        select(SchemeRow.id, SchemeRow.format, SchemeRow.ring, SchemeRow.rank, FactorsRow.data)
        .join(FactorsRow, FactorsRow.scheme_id == SchemeRow.id)
        .where(SchemeRow.format.contains(":"), SchemeRow.calls.is_(None))
        .where(~SchemeRow.format.startswith(TENSOR_PREFIX))
    )
    values = []
    for number, name, ring, rank, data in connection.execute(statement).all():
        try:
            scheme = unpack_scheme(data, as_format(name), Ring(ring), rank)
        except (FlipsearchError, ValueError):
            continue  # damaged: flipsearch doctor tells
        values.append({"number": number, **structure_columns(scheme)})
    table = SchemeRow.__table__
    assert isinstance(table, Table)
    if values:
        connection.execute(
            table.update()
            .where(table.c.id == bindparam("number"))
            .values(calls=bindparam("calls"), gamma=bindparam("gamma")),
            values,
        )
