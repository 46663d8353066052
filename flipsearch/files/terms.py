"""Tokens of written-out schemes: ``(a11 - 2*a12)`` and the like, without evaluating anything.

Four formats write products as text (our own, ``.exp``, and the ``m1 = (...)(...)`` listings);
they differ in spelling only. One tokenizer and one parser of linear combinations serve them all.

Invariant: the cost is linear in the length of the text, numbers and lines are bounded as
`flipsearch.files.limits` says, and whatever is not a number, a name or one of the signs
``+ - * / ( ) = : ,`` is a `FormatError` that says where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_NUMBER_DIGITS, LONGEST_LINE
from flipsearch.scheme import LARGEST_COEFFICIENT

_TOKEN = re.compile(r"[ \t\r]*(?:(\d+)|([A-Za-z][A-Za-z0-9_]*)|([-+*/()=:,]))")
_BLANK = re.compile(r"[ \t\r]*")
Combination = dict[int, Fraction | int]


def tokens(line: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of each token of a line; kinds are ``number``, ``name``, ``sign``.

    Raises
    ------
    FormatError
        A character starts no token, or a number is too long to be a coefficient.
    """
    if len(line) > LONGEST_LINE:
        raise FormatError(f"a line of {len(line)} characters is no product")
    position = 0
    end = len(line.rstrip())
    while position < end:
        match = _TOKEN.match(line, position)
        if match is None:
            at = _BLANK.match(line, position)
            column = at.end() if at else position
            raise FormatError(f"unexpected {line[column]!r} at column {column + 1}")
        number, name, sign = match.groups()
        if number is not None:
            if len(number) > LARGEST_NUMBER_DIGITS:
                raise FormatError(f"a number of {len(number)} digits is no coefficient")
            yield "number", number
        elif name is not None:
            yield "name", name
        else:
            yield "sign", sign
        position = match.end()


@dataclass
class Reader:
    """The tokens of one line, read from left to right."""

    line: str
    _tokens: list[tuple[str, str]] = field(init=False)
    _next: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._tokens = list(tokens(self.line))

    @property
    def kind(self) -> str:
        """Kind of the next token, or ``end``."""
        return self._tokens[self._next][0] if self._next < len(self._tokens) else "end"

    @property
    def text(self) -> str:
        """Text of the next token, or the empty string."""
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        """Return the next token and go past it."""
        text = self.text
        self._next += 1
        return text

    def accept(self, text: str) -> bool:
        """Go past the next token if it is that one, and say whether it was."""
        if self.kind == "end" or self.text != text:
            return False
        self._next += 1
        return True

    def expect(self, text: str) -> None:
        """Go past the next token, which must be that one."""
        if not self.accept(text):
            raise FormatError(
                f"expected {text!r} but found {self.text or 'the end of the line'!r}"
            )

    def number(self) -> Fraction | int:
        """Read ``3`` or ``3/2``."""
        if self.kind != "number":
            raise FormatError(f"expected a number but found {self.text or 'the end'!r}")
        value = int(self.take())
        if not self.accept("/"):
            return value
        if self.kind != "number":
            raise FormatError("expected a denominator after '/'")
        below = int(self.take())
        if below == 0:
            raise FormatError("a denominator is 0")
        return Fraction(value, below)

    def combination(self, index_of: Callable[[str], int]) -> Combination:
        """Read ``-a11 + 2*a12 - 1/2 a21``, up to the first token that does not belong to it.

        Parameters
        ----------
        index_of : callable
            From a variable's name to its coordinate; raises `FormatError` for other names.

        Returns
        -------
        dict from coordinate to nonzero coefficient
            A name that occurs twice is added up.

        Raises
        ------
        FormatError
            It is no such sum, or a coefficient is 2^62 or more, also on the way: sums of many
            fractions would take long.
        """
        result: Combination = {}
        first = True
        while True:
            sign = -1 if self.accept("-") else 1
            signed = sign < 0 or self.accept("+")
            if not signed and not first:
                return result
            coefficient: Fraction | int = 1
            if self.kind == "number":
                coefficient = self.number()
                self.accept("*")
                if coefficient == 0 and self.kind != "name":
                    first = False
                    continue
            if self.kind != "name":
                raise FormatError(f"expected a variable but found {self.text or 'the end'!r}")
            index = index_of(self.take())
            total = result.get(index, 0) + sign * coefficient
            if max(abs(total.numerator), total.denominator) >= LARGEST_COEFFICIENT:
                raise FormatError("a coefficient is 2^62 or more in absolute value")
            if total:
                result[index] = total
            else:
                result.pop(index, None)
            first = False


def written(combination: Mapping[str, int | Fraction]) -> str:
    """Return ``a11 - 2 a12 + 1/3 a21`` for names and coefficients; ``0`` for none."""
    parts: list[str] = []
    for name, coefficient in combination.items():
        sign = "-" if coefficient < 0 else "+" if parts else ""
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient)} "
        parts.append(f"{sign}{' ' if parts else ''}{size}{name}")
    return " ".join(parts) or "0"
