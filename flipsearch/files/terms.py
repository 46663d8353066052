"""Parse schemes written out as text by one grammar, without evaluating anything.

Products, equations, lists and our readable form differ in spelling only. An expression is a sum of
products of numbers, names and brackets; ``*``, ``·`` or a blank stands between factors. Each
expression is multiplied out on the way to a `Form`: a number times linear factors.

Invariant: the cost is linear in the length of the text. `flipsearch.files.limits` bounds numbers,
lines and nesting. Anything but a number, a name or a sign of the grammar is a `FormatError` with
its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_NUMBER_DIGITS, LONGEST_LINE, check_time
from flipsearch.normal import LARGEST_COEFFICIENT

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*(?:[ ]?\[ *\d{1,3} *, *\d{1,3} *\])?)"
    r"|(?P<sign>\*\*|:=|[-+*/^()=:,·⋅×−])|(?P<comment>\#.*)|(?P<other>[^ \t\r\n]))",
    re.ASCII,
)
_PLAIN = r"\s*(?:\d{1,18}(?:\s*\*)?\s*)?[A-Za-z][A-Za-z0-9_]*\s*"
_PLAIN_SUM = re.compile(rf"(?:\s*[-+])?{_PLAIN}(?:[-+]{_PLAIN})*\)", re.ASCII)
_PLAIN_TERM = re.compile(r"([-+]?)\s*(\d*)[\s*]*([A-Za-z][A-Za-z0-9_]*)", re.ASCII)
_SPELLED = {"·": "*", "⋅": "*", "×": "*", "−": "-", "^": "**", ":=": "="}
_WHOLE = re.compile(r"\s*[-+]?\d{1,18}\s*", re.ASCII)
_DEEPEST = 12
_HIGHEST_POWER = 64
Number = Fraction | int
Combination = dict[Any, Number]


@dataclass(frozen=True)
class Form:
    """A number times linear factors; without factors it is a constant."""

    scale: Number
    factors: tuple[Combination, ...] = ()

    def linear(self) -> Combination:
        """Return the value as one sum of variables, which is no product and no number but 0."""
        if self.scale == 1 and len(self.factors) == 1:
            return self.factors[0]
        if len(self.factors) > 1:
            raise FormatError("expected a sum of single variables but found a product of them")
        if not self.factors and self.scale:
            raise FormatError(f"expected a variable but found the number {self.scale}")
        if not self.scale or not self.factors:
            return {}
        return {key: bounded(self.scale * x) for key, x in self.factors[0].items()}


@contextmanager
def numbered(line: int) -> Iterator[None]:
    """Name the line in the `FormatError` of the block."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"line {line}: {error}") from None


def variable(key: Hashable) -> Form:
    """Return the form of one variable."""
    return Form(1, ({key: 1},))


def _add(total: Combination, more: Combination, coefficient: Number) -> None:
    """Add a multiple of a combination to another one."""
    for key, x in more.items():
        added = total.get(key, 0) + coefficient * x
        if added:
            total[key] = bounded(added)
        else:
            total.pop(key, None)


def bounded(value: Number) -> Number:
    """Return a number, which must stay below 2^62: sums of many fractions would take long."""
    size = abs(value) if isinstance(value, int) else max(abs(value.numerator), value.denominator)
    if size >= LARGEST_COEFFICIENT:
        raise FormatError("a coefficient is 2^62 or more in absolute value")
    return value


class Reader:
    """The tokens of one line, read from left to right; `value_of` gives the value of a name."""

    def __init__(self, line: str, value_of: Callable[[str], Form]) -> None:
        if len(line) > LONGEST_LINE:
            raise FormatError(f"a line of {len(line)} characters is no product")
        self.line, self.value_of = line, value_of
        self.start = self.end = 0
        self.kind = self.text = ""
        self.take()

    def take(self) -> str:
        """Return the current token and go to the next one; `kind` and `text` tell which."""
        taken = self.text
        match = _TOKEN.match(self.line, self.end)
        if match is None:
            self.start = self.end = len(self.line)
            self.kind, self.text = "end", ""
            return taken
        self.kind = str(match.lastgroup)
        self.start, self.text, self.end = match.start(self.kind), match[self.kind], match.end()
        if self.kind == "sign":
            self.text = _SPELLED.get(self.text, self.text)
        elif self.kind == "number" and len(self.text) > LARGEST_NUMBER_DIGITS:
            raise FormatError(f"a number of {len(self.text)} digits is no coefficient")
        elif self.kind == "other":
            raise FormatError(f"unexpected {self.text!r} at column {self.start + 1}")
        elif self.kind == "comment":
            self.kind, self.text = "end", ""
        return taken

    def accept(self, text: str) -> bool:
        """Go past the current token if it is that one, and say whether it was."""
        if self.text != text:
            return False
        self.take()
        return True

    def whole(self) -> Form:
        """Read the rest of the line as one expression."""
        found = self.expression()
        if self.kind != "end":
            raise FormatError(f"unexpected {self.text!r}")
        return found

    def expression(self, depth: int = 0) -> Form:
        """Read a sum, up to the first token that does not belong to it."""
        if depth > _DEEPEST:
            raise FormatError("the brackets nest too deeply")
        negative = self.accept("-") or (self.accept("+") and False)
        found = self._product(depth, negative)
        if self.text not in ("+", "-"):
            return found
        constant: Number = 0
        total: Combination = {}
        while True:
            check_time()
            if not found.factors:
                constant = bounded(constant + found.scale)
            else:
                _add(total, found.linear(), 1)
            if self.accept("-"):
                found = self._product(depth, True)
            elif self.accept("+"):
                found = self._product(depth, self.accept("-"))
            else:
                break
        if constant and total:
            raise FormatError(f"the number {constant} is added to variables")
        return Form(1, (total,)) if not constant and total else Form(constant)

    def _plain_sum(self, end: int) -> Form:
        """Read a bracket of whole numbers times names, the usual one, in one go."""
        total: Combination = {}
        for sign, size, name in _PLAIN_TERM.findall(self.line, self.end, end):
            check_time()
            _add(total, self.value_of(name).linear(), int(f"{sign}{size or 1}"))
        self.end = end
        self.take()
        return Form(1, (total,))

    def _product(self, depth: int, negative: bool) -> Form:
        """Read factors; a number between them scales the product."""
        scale: Number = -1 if negative else 1
        factors: tuple[Combination, ...] = ()
        while True:
            found = self._factor(depth)
            scale = bounded(scale * found.scale)
            factors += found.factors
            while self.accept("/"):
                below = self._factor(depth)
                if below.factors:
                    raise FormatError("a denominator is no number")
                if not below.scale:
                    raise FormatError("it divides by 0: a denominator is 0")
                scale = bounded(Fraction(scale) / below.scale)
            if len(factors) > 3:
                raise FormatError("expected the end of the product after the third factor")
            if self.accept("*"):
                continue
            if self.kind != "name" and self.text != "(":
                return Form(scale, factors)

    def _factor(self, depth: int) -> Form:
        """Read a number, a name or a bracket, with a sign and a power perhaps."""
        if self.accept("-"):
            found = self._factor(depth + 1)
            return Form(-found.scale, found.factors)
        if self.text == "(":
            if plain := _PLAIN_SUM.match(self.line, self.end):
                return self._plain_sum(plain.end())
            self.take()
            found = self.expression(depth + 1)
            if not self.accept(")"):
                raise FormatError(f"expected ')' but found {self.text or 'the end of the line'!r}")
            if len(found.factors) == 1 or not found.scale:  # a number stays in its bracket
                found = Form(1, (found.linear(),))
        elif self.kind == "number":
            text = self.take()
            found = Form(bounded(int(text) if text.isdigit() else Fraction(text)))
        elif self.kind == "name":
            found = self.value_of(self.take())
        else:
            raise FormatError(f"expected a variable but found {self.text or 'the end'!r}")
        if self.accept("**"):
            text = self.take()
            if found.factors or not text.isdigit() or int(text) > _HIGHEST_POWER:
                raise FormatError("only numbers have powers, from 0 to 64")
            power: Number = 1
            for _ in range(int(text)):
                power = bounded(power * found.scale)
            return Form(power)
        return found


@lru_cache(maxsize=1 << 12)
def constant(text: str) -> Number:
    """Return the value of arithmetic with numbers, such as ``-1*1/2``."""

    def refused(name: str) -> Form:
        raise FormatError(f"symbols such as {name[:20]!r} cannot be verified, only numbers")

    if _WHOLE.fullmatch(text):
        return int(text)
    found = Reader(text, refused).whole()
    return 0 if found.factors else found.scale


def factors_of(form: Form, letters: str) -> list[Combination]:
    """Return the linear factors of a product over variables (letter, index), letters cut off.

    There is one factor for each of the letters, in this order. A number in front goes to the last.
    """
    factors = [dict(factor) for factor in form.factors]
    if len(factors) != len(letters):
        raise FormatError(f"expected {len(letters)} factors but found {len(factors)}")
    if form.scale != 1:
        factors[-1] = Form(form.scale, (factors[-1],)).linear()
    for letter, factor in zip(letters, factors, strict=True):
        for key in factor:
            if key[0] != letter:
                raise FormatError(f"an entry of {key[0]} is no entry of {letter}")
    return [{key[1]: x for key, x in factor.items()} for factor in factors]
