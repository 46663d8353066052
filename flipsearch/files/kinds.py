"""Tell the kind of a piece's content by its first characters, never by its name.

Invariant: the answer costs time linear in the length of the content, at worst.
"""

from __future__ import annotations

from flipsearch.errors import FormatError
from flipsearch.files import arrays, linear, lists, native, products, tables, unpack

_TEXTS = (
    ("sms", linear.is_sms),
    ("table", tables.is_table),
    ("maple", lists.is_maple),
    ("slp", linear.is_slp),
    ("products", products.is_products),
)


def kind_of(data: bytes) -> tuple[str, str]:
    """Return the kind of a piece and its text, which is empty for arrays."""
    if data.startswith(arrays.MAGIC):
        return "array", ""
    if unpack.is_zip(data):
        return "archive", ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise FormatError("it is neither UTF-8 text nor a binary format known here")
    start = text.lstrip()
    if not start:
        raise FormatError("it is empty")
    if native.is_native(text):
        return "scheme", text
    if is_object(start):
        return "json", text
    if start[0] in "{[":
        return "braces", text
    for kind, matches in _TEXTS:
        if matches(text):
            return kind, text
    raise FormatError("it is in no scheme format known here")


def is_object(start: str) -> bool:
    """Return whether a text starts as a JSON object: a brace, then a quote or the other brace."""
    return start[0] == "{" and start[1:2_000].lstrip()[:1] in ('"', "}")
