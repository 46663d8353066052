"""Sums of named variables as text that people and our readers read: ``a11 - 2 a12 + 1/3 a21``."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def written(combination: Mapping[str, Fraction | int]) -> str:
    """Return ``a11 - 2 a12 + 1/3 a21`` for names and coefficients; ``0`` for none."""
    parts: list[str] = []
    for name, coefficient in combination.items():
        sign = "-" if coefficient < 0 else "+" if parts else ""
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient)} "
        parts.append(f"{sign}{' ' if parts else ''}{size}{name}")
    return " ".join(parts) or "0"
