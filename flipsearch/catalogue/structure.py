"""Columns that are measured from a scheme: when it is stored, and for rows of older schemas.

Invariant: only formats with structured operands have calls; `gamma` stands only where block
recursion is valid (`flipsearch.formats.recursion`).
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Table, bindparam, or_, select
from sqlalchemy.engine import Connection

from flipsearch.catalogue.models import FactorsRow, SchemeRow, TensorRow
from flipsearch.catalogue.packing import unpack_scheme
from flipsearch.catalogue.queries import TENSOR_PREFIX, as_format
from flipsearch.catalogue.reader import tensor_of
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


def measured_columns(scheme: Scheme) -> dict[str, Any]:
    """Return the columns `calls`, `gamma` and `denominator` of a scheme in canonical form."""
    divisors = (p for p in (2, 3) if (scheme.denominators % p == 0).any())
    columns: dict[str, Any] = {"calls": None, "gamma": None, "denominator": math.prod(divisors)}
    found = recursion_of(scheme)
    if found is None:
        return columns
    gamma = None if found.gamma is None else float(found.gamma)
    finite = gamma is not None and math.isfinite(gamma)
    return columns | {"calls": found.recursive_calls, "gamma": gamma if finite else None}


def fill_in(connection: Connection) -> None:
    """Measure what schemes stored by an older schema lack: calls, gamma, denominators over Q."""
    structured = SchemeRow.format.contains(":") & ~SchemeRow.format.startswith(TENSOR_PREFIX)
    statement = (
        select(
            SchemeRow.id,
            SchemeRow.format,
            SchemeRow.ring,
            SchemeRow.rank,
            TensorRow.definition,
            FactorsRow.data,
        )
        .join(FactorsRow, FactorsRow.scheme_id == SchemeRow.id)
        .outerjoin(TensorRow, TensorRow.name == SchemeRow.format)
        .where(or_(SchemeRow.denominator.is_(None), structured & SchemeRow.calls.is_(None)))
    )
    values = []
    for number, name, ring, rank, definition, data in connection.execute(statement).all():
        try:
            tensor = name.startswith(TENSOR_PREFIX)
            form = tensor_of(name, definition) if tensor else as_format(name)
            scheme = unpack_scheme(data, form, Ring(ring), rank)
        except (FlipsearchError, ValueError):
            continue  # damaged: flipsearch doctor tells
        values.append({"number": number, **measured_columns(scheme)})
    table = SchemeRow.__table__
    assert isinstance(table, Table)
    if values:
        names = ("calls", "gamma", "denominator")
        connection.execute(
            table.update()
            .where(table.c.id == bindparam("number"))
            .values({name: bindparam(name) for name in names}),
            values,
        )
