"""Read numpy's object arrays from their pickles without unpickling anything.

AlphaTensor's ``.npz`` members are pickled arrays of arrays. Unpickling would run the file's
instructions. This module instead walks the opcodes (`pickletools.genops` only decodes them) on a
stack of plain values. It knows three names: numpy's ``_reconstruct``, ``ndarray`` and ``dtype``.
Calling any of them only fills in a record here. The writer emits the same few opcodes by hand.

Invariant: no object is created other than integers, text, bytes, lists, tuples and `_Array`
records. Any other opcode or name is a `FormatError`.
"""

from __future__ import annotations

import pickletools
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError

_MARK = object()
_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
}
_PUSHED = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"),
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "TUPLE": None}
_DTYPE = re.compile(r"[<>|=]?[iuf][1248]")
LARGEST_OPCODES = 1_000_000


@dataclass(frozen=True)
class _Name:
    name: str


@dataclass
class _Type:
    code: str
    order: str = "<"


@dataclass
class _Array:
    shape: tuple[int, ...] = ()
    code: str = ""
    fortran: bool = False
    data: Any = b""


def read_object_array(data: bytes) -> list[Any]:
    """Return the elements of a pickled one-level object array: numeric arrays, or numbers.

    The pickle stands without numpy's header.
    """
    try:
        result = _walk(data)
    except FormatError:
        raise
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        StopIteration,
        struct.error,
    ) as error:
        raise FormatError(f"its pickled member is broken ({str(error)[:60]})") from None
    if not isinstance(result, _Array) or not isinstance(result.data, list):
        raise FormatError("its pickled member is no array of arrays")
    return [_numeric(item) if isinstance(item, _Array) else item for item in result.data]


def _walk(data: bytes) -> Any:
    """Interpret the opcodes and return the value left on the stack."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if count > LARGEST_OPCODES:
            raise FormatError("its pickled member is absurdly long")
        if name in _PUSHED:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("PROTO", "FRAME"):
            continue
        elif name == "STOP":
            if len(stack) != 1:
                raise FormatError("its pickled member is broken (values are left over)")
            return stack[0]
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in _TUPLES:
            stack.append(tuple(_taken(stack, _TUPLES[name])))
        elif name in ("APPEND", "APPENDS"):
            items = _taken(stack, 1 if name == "APPEND" else None)
            if not isinstance(stack[-1], list):
                raise TypeError("append to something that is no list")
            stack[-1] += items
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_name(module, attribute))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_reduced(stack.pop(), arguments))
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state)
        else:
            raise FormatError(f"its pickled member uses {name}, which numeric arrays never need")
    raise FormatError("its pickled member does not end")


def _taken(stack: list[Any], count: int | None) -> list[Any]:
    """Take so many values off the stack, or all down to the last mark."""
    if count is None:
        count = next(depth for depth, item in enumerate(reversed(stack)) if item is _MARK)
        place = len(stack) - count - 1
        items = stack[place + 1 :]
    else:
        place = len(stack) - count
        items = stack[place:]
    if place < 0:
        raise IndexError("stack too short")
    del stack[place:]
    return items


def _name(module: Any, attribute: Any) -> _Name:
    known = _GLOBALS.get((module, attribute)) if isinstance(module, str) else None
    if known is None:
        shown = f"{str(module)[:30]}.{str(attribute)[:30]}"
        raise FormatError(f"its pickled member asks for {shown!r}, which is refused")
    return _Name(known)


def _reduced(function: Any, arguments: Any) -> Any:
    """Return the record for a call of one of the known names."""
    if function == _Name("reconstruct"):
        if not isinstance(arguments, tuple) or arguments[:1] != (_Name("ndarray"),):
            raise TypeError("not an array")
        return _Array()
    if function == _Name("dtype") and isinstance(arguments, tuple) and arguments:
        code = arguments[0]
        if isinstance(code, str) and (code in ("O", "O8") or _DTYPE.fullmatch(code)):
            return _Type(code)
    raise FormatError("its pickled member calls something that is no array")


def _build(target: Any, state: Any) -> None:
    """Fill in a record from its state."""
    if isinstance(target, _Type) and isinstance(state, tuple) and len(state) >= 2:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("unknown byte order")
        target.order = state[1]
        return
    if not isinstance(target, _Array) or not isinstance(state, tuple) or len(state) != 5:
        raise TypeError("state of something that is no array")
    _, shape, kind, fortran, data = state
    if not isinstance(shape, tuple) or not isinstance(kind, _Type) or len(shape) > 3:
        raise TypeError("state of something that is no array")
    if not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise ValueError("sizes out of range")
    target.shape, target.fortran, target.data = shape, bool(fortran), data
    target.code = kind.code if kind.code[:1] in "<>|=O" else kind.order + kind.code


def _numeric(array: _Array) -> npt.NDArray[Any]:
    """Return the numbers of a record, its length checked against its shape."""
    if isinstance(array.data, list):
        if not all(type(item) in (int, float) for item in array.data):
            raise FormatError("its pickled member nests arrays too deeply")
        if any(type(item) is int and abs(item) >= 2**62 for item in array.data):
            raise FormatError("it has a coefficient of 2^62 or more")
        flat = np.array(array.data)
    elif isinstance(array.data, bytes) and not array.code.startswith("O"):
        flat = np.frombuffer(array.data, dtype=np.dtype(array.code))
    else:
        raise FormatError("its pickled member holds an array without numbers")
    if flat.size != int(np.prod(array.shape, dtype=object)):
        raise FormatError("a pickled array is not as long as its shape says")
    return flat.reshape(array.shape, order="F" if array.fortran else "C")


def write_object_array(arrays: Sequence[npt.NDArray[Any]]) -> bytes:
    """Return the pickle (protocol 3) of an object array of int64 or float64 arrays."""
    out = [b"\x80\x03", _new_array(), b"(K\x01", _integer(len(arrays)), b"\x85"]
    out += [_new_type("O8", "|"), b"\x89]("]
    for array in arrays:
        code = "f8" if array.dtype.kind == "f" else "i8"
        body = np.ascontiguousarray(array, dtype=f"<{code}").tobytes()
        sides = b"".join(_integer(side) for side in array.shape)
        out += [_new_array(), b"(K\x01(", sides, b"t", _new_type(code, "<"), b"\x89"]
        out += [b"B", struct.pack("<I", len(body)), body, b"tb"]
    out.append(b"etb.")
    return b"".join(out)


def _new_array() -> bytes:
    return b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


def _new_type(code: str, order: str) -> bytes:
    text = code.encode()
    flags = b"K\x3f" if code == "O8" else b"K\x00"
    head = b"cnumpy\ndtype\nX" + struct.pack("<I", len(text)) + text + b"\x89\x88\x87R"
    state = b"(K\x03X\x01\x00\x00\x00" + order.encode() + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    return head + state + flags + b"tb"


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
