"""What the tests look at in a page, by the standard library's parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "img", "input", "br", "hr"}


@dataclass
class Element:
    """One element with its attributes and its text, that of its children included."""

    name: str
    attributes: dict[str, str | None]
    above: list[str]
    text: str = ""

    def get(self, key: str) -> str:
        return self.attributes.get(key) or ""


@dataclass
class Outline(HTMLParser):
    """All elements of a page, in order; fails on tags that do not nest."""

    elements: list[Element] = field(default_factory=list)
    unclosed: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attributes}) == len(attributes)
        element = Element(tag, dict(attributes), [e.name for e in self.unclosed])
        self.elements.append(element)
        if tag not in VOID:
            self.unclosed.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self.unclosed:
            element.text += data

    def all(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]


def outline(page: Path) -> Outline:
    """Return the elements of a page; every tag that was opened must be closed."""
    found = Outline()
    found.feed(page.read_text(encoding="utf-8"))
    found.close()
    assert not found.unclosed
    return found
