"""Write ``docs/reference.md``, the reference of the public names, from their docstrings.

Usage: ``.venv/bin/python docs/reference.py``. A test builds the page and follows its links.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flipsearch

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Reference

Made from the docstrings by `docs/reference.py`: edit those. `import flipsearch as fs` gives
every name below; [the tutorial](tutorial.md) shows some of them at work.
"""
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def page() -> str:
    """Return the text of the page."""
    names = sorted((n for n in flipsearch.__all__ if not n.startswith("_")), key=str.lower)
    parts = [HEAD, " · ".join(f"[{name}](#{name.lower()})" for name in names) + "\n"]
    for name in names:
        parts += entry(name, getattr(flipsearch, name), "##")
    return "\n".join(parts)


def entry(name: str, thing: Any, level: str) -> Iterator[str]:
    """Yield the paragraphs of a class, function or module."""
    yield f"{level} {name}\n"
    if callable(thing) and (signature := _signature(name, thing)):
        yield f"```python\n{signature}\n```\n"
    yield _markdown(inspect.getdoc(thing) or "")
    if isinstance(thing, type):
        for member, value in vars(thing).items():
            if not member.startswith("_") and inspect.getdoc(value) and _is_own(value):
                yield from entry(f"{name}.{member}", getattr(thing, member), level + "#")
    elif isinstance(thing, ModuleType) and not callable(thing):
        for member in sorted(getattr(thing, "__all__", ())):
            yield from entry(f"{name}.{member}", getattr(thing, member), level + "#")


def _is_own(value: Any) -> bool:
    kinds = (staticmethod, classmethod, property)
    return inspect.isfunction(value) or isinstance(value, kinds) or hasattr(value, "attrname")


def _signature(name: str, thing: Any) -> str:
    """Return a call with its parameters, one a line where they do not fit in one."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    text = f"{name}{signature}"
    if len(text) > 95:
        returned = text.rpartition(" -> ")[2]
        words, marked = [], False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and not marked:
                words.append("*")
                marked = True
            words.append(str(parameter))
        text = f"{name}(\n    " + ",\n    ".join(words) + f"\n) -> {returned}"
    return re.sub(r" at 0x[0-9a-f]+", "", text).replace("'", "")


def _markdown(text: str) -> str:
    """Return a docstring in NumPy style as Markdown."""
    text = text.replace("``", "`")
    first, *rest = _SECTION.split(text)
    parts = [first.strip() + "\n"]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f"**{title}**\n")
        if title == "Examples":
            parts.append(f"```python\n{body.strip()}\n```\n")
            continue
        for item in re.split(r"\n(?=\S)", body.strip("\n")):
            head, _, about = item.partition("\n")
            words, _, kind = head.partition(" : ")
            told = " ".join(line.strip() for line in about.splitlines())
            kind = f": {kind}" if kind else ""
            parts.append(f"- `{words}`{kind}{'. ' if told else ''}{told}")
        parts[-1] += "\n"
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
