# mypy: allow-untyped-defs
"""All products of a scheme over F2 or F3 by tables of sums: the Method of the Four Russians.

A matrix over F2 is one plane of bits; over F3 it has two, where entries are 1 and where -1. Eight
rows of T over F2, or four over F3, have 256 or 81 sums. They are tabulated, and a byte made of
as many entries of S says which of them to add to a row of the product. As in `products`, S and T
are combined from blocks of A and B where they are used, and each strip of a product is added to
the blocks of C it belongs to while it is still in the second-level cache.

Operands are arrays (rows, strips, planes, words) of uint64: a strip is as wide as a table.
Arlazarov, Dinic, Kronrod, Faradzev (1970); several tables a pass: Albrecht, Bard, Hart,
"Efficient multiplication of dense matrices over GF(2)" (2010); two planes: Boothby, Bradshaw,
"Bitslicing and the Method of Four Russians over larger finite fields" (2009).

Invariant: as in `products`; sums over F3 keep the two planes apart (no entry is in both).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flipsearch.kernels.runtime.compiled import compiled, inlined
from flipsearch.kernels.runtime.microkernel import start_of

PLANES = {2: (0,), 3: (0, 0)}
"""By characteristic: a tuple of as many zeros as planes, which tells compiled code the field."""

WORDS = {1: 4, 2: 8}
"""By planes: words of a plane in a strip."""

TABLES = {1: 4, 2: 8}
"""By planes: tables looked up at once."""

SUMS = {1: 256, 2: 81}
"""By planes: rows of a table."""

STRIP_ROWS = {1: 4096, 2: 2048}
"""By planes: rows of a product formed at once; each pays for the same tables."""

STRIP_DEPTH = 32
"""Words of the common side whose products are summed up before they are added to C."""


def _constant(table: dict[int, int]) -> Any:
    """Return an intrinsic: the entry for a tuple of planes, known when code is compiled."""

    def read(_context: Any, planes: Any) -> Any:
        value = table[len(planes)]

        def generate(_target: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
            return ir.Constant(ir.IntType(64), value)

        return types.int64(planes), generate

    return intrinsic(read)


words_of: Any = _constant(WORDS)
tables_of: Any = _constant(TABLES)
sums_of: Any = _constant(SUMS)


def _sum_of(builder: Any, x: list[Any], y: list[Any]) -> list[Any]:
    """Return the planes of x + y."""
    if len(x) == 1:
        return [builder.xor(x[0], y[0])]
    (x_plus, x_minus), (y_plus, y_minus) = x, y
    mixed = builder.xor(builder.or_(x_plus, y_minus), builder.or_(x_minus, y_plus))
    plus = builder.xor(builder.or_(x_minus, y_minus), mixed)
    return [plus, builder.xor(builder.or_(x_plus, y_plus), mixed)]


def _planes_at(builder: Any, pointer: Any, place: Any, planes: int) -> list[Any]:
    """Return pointers to the planes of a strip's row that begins at a place of flat memory."""
    word, words = ir.IntType(64), WORDS[planes]
    vector = ir.VectorType(word, words).as_pointer()
    starts = [builder.add(place, word(plane * words)) for plane in range(planes)]
    return [builder.bitcast(builder.gep(pointer, [start]), vector) for start in starts]


def _loaded(builder: Any, pointers: list[Any]) -> list[Any]:
    values = [builder.load(pointer) for pointer in pointers]
    for value in values:
        value.align = 8
    return values


def _store(builder: Any, values: list[Any], pointers: list[Any]) -> None:
    for value, pointer in zip(values, pointers, strict=True):
        builder.store(value, pointer).align = 8


def _add_row(
    _context: Any,
    planes: Any,
    into: Any,
    place: Any,
    left: Any,
    left_place: Any,
    right: Any,
    right_place: Any,
    negative: Any,
) -> Any:
    """Set a row of a strip to the sum of two, or to their difference if `negative`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count = len(signature.args[0])
        target, x, y = (
            _planes_at(
                builder,
                start_of(context, builder, signature, arguments, position),
                arguments[position + 1],
                count,
            )
            for position in (1, 3, 5)
        )
        first, second = _loaded(builder, x), _loaded(builder, y)
        if count == 2:
            second = [builder.select(arguments[7], second[1 - i], second[i]) for i in (0, 1)]
        _store(builder, _sum_of(builder, first, second), target)
        return context.get_dummy_value()

    word = types.uint64
    return types.void(planes, into, word, left, word, right, word, types.boolean), generate


add_row: Any = intrinsic(_add_row)


def _look_up(
    _context: Any, planes: Any, rows: Any, strip: Any, table: Any, index: Any, start: Any
) -> Any:
    """Add to each row of a strip the rows of the tables that its bytes of the index name.

    There is at least one row. `strip` and `table` are flat uint64 arrays, the tables one after the
    other; `index`, flat uint8, names the row of table t for row i at ``start + i * TABLES + t``.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, count = ir.IntType(64), len(signature.args[0])
        width, tables = word(count * WORDS[count]), TABLES[count]
        target, source, names = (
            start_of(context, builder, signature, arguments, position) for position in (2, 3, 4)
        )
        before = builder.block
        loop, after = (builder.append_basic_block(name) for name in ("rows", "done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(word)
        i.add_incoming(word(0), before)
        row = _planes_at(builder, target, builder.mul(i, width), count)
        name = builder.add(arguments[5], builder.mul(i, word(tables)))
        found = [_loaded(builder, row)]
        for t in range(tables):
            byte = builder.load(builder.gep(names, [builder.add(name, word(t))]))
            entry = builder.add(builder.zext(byte, word), word(t * SUMS[count]))
            place = builder.mul(entry, width)
            found.append(_loaded(builder, _planes_at(builder, source, place, count)))
        while len(found) > 1:  # pairs first: short chains of dependent sums
            pairs = zip(found[1::2], found[2::2], strict=False)
            odd = found[len(found) - 1 :] if len(found) % 2 == 0 else []
            found = [found[0], *(_sum_of(builder, x, y) for x, y in pairs), *odd]
            if len(found) == 2:
                found = [_sum_of(builder, *found)]
        _store(builder, found[0], row)
        following = builder.add(i, word(1))
        i.add_incoming(following, loop)
        builder.cbranch(builder.icmp_unsigned("<", following, arguments[1]), loop, after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    word = types.uint64
    return types.void(planes, word, strip, table, index, word), generate


look_up: Any = intrinsic(_look_up)


def table_workspace(planes: int, rows: int, words: int) -> tuple[Any, ...]:
    """Return index, strip, rows of T, tables and a row of zeros for blocks of such sides."""
    width, rows = planes * WORDS[planes], min(rows, STRIP_ROWS[planes])
    index = np.zeros(2 * min(words, STRIP_DEPTH) * rows * TABLES[planes], np.uint8)
    sizes = (rows * width, 64 * width, TABLES[planes] * SUMS[planes] * width, width)
    return index, *(np.zeros(size, np.uint64) for size in sizes)


@inlined
def _digits(x):
    """Return the lower four bits of each byte, read in base 3."""
    ones = np.uint64(0x0101010101010101)
    return (
        (x & ones)
        + np.uint64(3) * ((x >> np.uint64(1)) & ones)
        + np.uint64(9) * ((x >> np.uint64(2)) & ones)
        + np.uint64(27) * ((x >> np.uint64(3)) & ones)
    )


@compiled
def reduce_modulo_3(entries, residues, offset):
    """Set residues to (entries + offset) modulo 3; of bytes their sum has to be 0 or more."""
    for x in range(entries.size):
        if entries.itemsize == 1:
            value = np.uint32(entries[x] + offset)
            residues[x] = value - np.uint32(3) * ((value * np.uint32(21846)) >> np.uint32(16))
        else:
            residues[x] = entries[x] % 3


@compiled
def _make_index(planes, index, a, terms, product, block, begin, extent):
    """Form a part of S and the bytes that name its entries.

    The bytes of half h of word w are at ``(2 w + h) * rows * TABLES``. Half h has, over F2, bits
    32 h to 32 h + 31 as bytes; over F3 the bits 8 t + 4 h to 8 t + 4 h + 3 for t < 8.
    """
    starts, row_places, word_places, coefficients = terms
    tables = tables_of(planes)
    rows, words = extent
    low = np.uint64(0x0F0F0F0F0F0F0F0F)
    for w in range(words):
        for i in range(rows):
            plus = minus = np.uint64(0)
            for term in range(starts[product], starts[product + 1]):
                row = row_places[term] * block[0] + begin[0] + i
                word = word_places[term] * block[1] + begin[1] + w
                if row < a.shape[0] and word < a.shape[1]:
                    if len(planes) == 1:
                        plus ^= a[row, word, 0, 0]
                    else:
                        p, m = a[row, word, 0, 0], a[row, word, 1, 0]
                        if coefficients[term] < 0:
                            p, m = m, p
                        mixed = (plus | m) ^ (minus | p)
                        plus, minus = (minus | m) ^ mixed, (plus | p) ^ mixed
            for half in range(2):
                if len(planes) == 1:
                    names = plus >> np.uint64(32 * half)
                else:
                    p = (plus >> np.uint64(4 * half)) & low
                    m = (minus >> np.uint64(4 * half)) & low
                    names = _digits(p) + np.uint64(2) * _digits(m)
                place = ((2 * w + half) * rows + i) * tables
                for t in range(tables):
                    index[place + t] = np.uint8(names >> np.uint64(8 * t) & np.uint64(255))


@compiled
def _make_rows(planes, rows, b, terms, product, block, word, strip):
    """Form 64 rows of a strip of T."""
    starts, word_places, strip_places, coefficients = terms
    width = len(planes) * words_of(planes)
    flat = b.reshape(b.size)
    rows[:] = 0
    for term in range(starts[product], starts[product + 1]):
        across = strip_places[term] * block[1] + strip
        first = (word_places[term] * block[0] + word) * 64
        if strip < block[1] and across < b.shape[1]:
            for x in range(min(64, b.shape[0] - first)):
                place = np.uint64(x * width)
                source = np.uint64(((first + x) * b.shape[1] + across) * width)
                add_row(planes, rows, place, rows, place, flat, source, coefficients[term] < 0)


@compiled
def _make_tables(planes, tables, rows, half):
    """Tabulate the sums of the rows that a half of a word selects."""
    width = len(planes) * words_of(planes)
    entries = tables_of(planes)
    depth = 8 if len(planes) == 1 else 4
    for t in range(entries):
        begin = t * sums_of(planes)
        first = 32 * half + 8 * t if len(planes) == 1 else 8 * t + 4 * half
        size = 1
        for bit in range(depth):
            row = np.uint64((first + bit) * width)
            for digit in range(1, len(planes) + 1):
                for x in range(size):
                    add_row(
                        planes, tables, np.uint64((begin + digit * size + x) * width),
                        tables, np.uint64((begin + x) * width), rows, row, digit == 2,
                    )  # fmt: skip
            size *= len(planes) + 1


@compiled
def _add_strip(planes, c, strip, terms, product, block, begin, rows, across, overwrite, zeros):
    """Add a strip of a product to the blocks of C that it belongs to."""
    starts, row_places, strip_places, coefficients, first = terms
    width = len(planes) * words_of(planes)
    flat = c.reshape(c.size)
    for term in range(starts[product], starts[product + 1]):
        column = strip_places[term] * block[1] + across
        top = row_places[term] * block[0] + begin
        if column < c.shape[1]:
            for i in range(min(rows, c.shape[0] - top)):
                place = np.uint64(((top + i) * c.shape[1] + column) * width)
                source = np.uint64(i * width)
                negative = coefficients[term] < 0
                if overwrite and first[term]:
                    add_row(planes, flat, place, zeros, np.uint64(0), strip, source, negative)
                else:
                    add_row(planes, flat, place, flat, place, strip, source, negative)


@compiled
def multiply_by_tables(planes, a, b, c, terms, blocks, part, memory):
    """Run every product of a scheme on rows ``part[0]`` to ``part[1]`` of each block row.

    Parameters
    ----------
    planes : tuple
        See `PLANES`.
    a : uint64 array, shape (M, K words, planes, 1)
    b, c : uint64 arrays, shapes (K, N strips, planes, words) and (M, N strips, planes, words)
        Right operand and result, which is overwritten.
    terms : tuple of three tuples
        As for `multiply_products`; coefficients are 1 or -1.
    blocks : (rows, words, strips)
        Sides of the blocks.
    part, memory
        Threads share a product by rows; work space from `table_workspace`.
    """
    left, right, out = terms
    index, strip, rows, tables, zeros = memory
    entries = tables_of(planes)
    width = len(planes) * words_of(planes)
    most = strip.size // width
    for product in range(len(left[0]) - 1):
        for top in range(part[0], part[1], most):
            tall = min(most, part[1] - top)
            for pc in range(0, blocks[1], STRIP_DEPTH):
                deep = min(STRIP_DEPTH, blocks[1] - pc)
                _make_index(
                    planes, index, a, left, product, (blocks[0], blocks[1]), (top, pc),
                    (tall, deep),
                )  # fmt: skip
                for across in range(blocks[2]):
                    strip[:] = 0
                    for w in range(deep):
                        _make_rows(
                            planes, rows, b, right, product, (blocks[1], blocks[2]), pc + w,
                            across,
                        )  # fmt: skip
                        for half in range(2):
                            _make_tables(planes, tables, rows, half)
                            look_up(
                                planes, np.uint64(tall), strip, tables, index,
                                np.uint64((2 * w + half) * tall * entries),
                            )  # fmt: skip
                    _add_strip(
                        planes, c, strip, out, product, (blocks[0], blocks[2]), top, tall,
                        across, pc == 0, zeros,
                    )  # fmt: skip
