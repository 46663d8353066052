"""Render the pages of the site from the templates in this folder.

Names of runs, sources and tensors come from files and users. jinja2 escapes all text that comes
from outside the templates, and `foreign` isolates its direction of writing.

Invariant: every tag of a page comes from a template, and control characters become U+FFFD. A page
is complete without its script and loads only pictures of its site.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flipsearch import __version__
from flipsearch.formats.named import short_name

GAPS = {
    "better": "below the known bound",
    "even": "reaches it",
    "near": "at most 2 % above",
    "far": "at most 10 % above",
    "farther": "more than 10 % above",
    "open": "no scheme stored",
}
LONGEST_FOREIGN = 2000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_FOLDERS = re.compile(r"""(?<![^\s'"(\[])(?:file://)?(?:/|~|[A-Za-z]:[\\/])(?=\S)[^,\n]*[\\/]""")


def rendered(template: str, **values: Any) -> bytes:
    """Render a page of a template in ``templates/`` as UTF-8.

    Every page takes ``heading``, ``site`` (name of the site), ``home`` (relative path to the
    site's folder, such as ``../../``), ``trail`` (addresses and names of the pages above it) and
    ``sortable`` (whether it has a table to sort or filter).
    """
    return _environment().get_template(template).render(values).encode()


@cache
def _environment() -> Environment:
    """Return the templates with their filters, style, script and policy."""
    made = Environment(
        loader=PackageLoader("flipsearch.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (folder_name, foreign, moment, number, reference, scheme_name):
        made.filters[function.__name__] = function
    made.filters |= {
        "short": short_name,
        "signed": signed,
        "size": size,
        "without_folders": without_folders,
    }
    made.filters["shortened"] = lambda text: text if len(text) <= 60 else text[:57] + "..."
    style, script = (made.get_template(name).render() for name in ("style.css", "script.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals |= {
        "gaps": list(GAPS.items()),
        "colour": lambda of: gap_class(of.gap, of.known_bound, stored=of.rank is not None) or "",
        "policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        "script": Markup(script),
        "style": Markup(style),
        "version": __version__,
    }
    return made


def _shown(value: object) -> object:
    """Return the text of a value on a page: empty for None, without control characters."""
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _CONTROL.sub("\ufffd", value)


def foreign(text: object) -> Markup | None:
    """Return foreign text, cut at 2,000 characters and with its direction of writing isolated."""
    if text is None:
        return None
    written = _CONTROL.sub("\ufffd", str(text))
    if len(written) > LONGEST_FOREIGN:
        written = written[:LONGEST_FOREIGN] + " ..."
    return Markup("<bdi>{}</bdi>").format(written)


def reference(text: str | None) -> Markup | None:
    """Return foreign text as a link if it is a web address, else as `foreign` does."""
    if text and re.fullmatch(r"https?://[!-~]+", text) and len(text) <= LONGEST_FOREIGN:
        return link(text, foreign(text), rel="noopener noreferrer")
    return foreign(text)


def link(address: str, shown: object, **attributes: str) -> Markup:
    """Return a link."""
    more = Markup("").join(Markup(' {}="{}"').format(*item) for item in attributes.items())
    return Markup('<a href="{}"{}>{}</a>').format(address, more, shown)


def code(text: str) -> Markup:
    """Return text set as code."""
    return Markup("<code>{}</code>").format(text)


def folder_name(format_: str) -> str:
    """Return a file name for a format's page; different formats have different names.

    ``4x4x4`` stays, ``ug:4x4x4`` becomes ``ug-4x4x4``; the name of a tensor gets a digest.
    """
    plain = format_.replace(":", "-", 1)
    if re.fullmatch(r"(?:[a-z]{2}-)?[0-9]+x[0-9]+x[0-9]+[abc]?", plain):
        return plain
    kept = re.sub(r"[^a-z0-9.-]+", "-", format_.lower())[:60].strip("-.")
    return f"{kept or 'format'}_{hashlib.sha256(format_.encode()).hexdigest()[:8]}"


def scheme_name(hash_: str) -> str:
    """Return the name of a scheme's folder."""
    return hash_[:16]


def without_folders(text: str) -> str:
    """Return text in which absolute paths keep only their last part, for publication."""
    return _FOLDERS.sub("", text)


def gap_class(gap: int | None, bound: int | None, *, stored: bool = True) -> str | None:
    """Return the name in `GAPS` that colours a gap, or None without a known bound."""
    if not stored:
        return "open"
    if gap is None or not bound:
        return None
    if gap <= 0:
        return "better" if gap < 0 else "even"
    return "near" if gap <= 0.02 * bound else "far" if gap <= 0.1 * bound else "farther"


def signed(gap: int | None) -> str | None:
    """Return a gap with its sign, or ``0``."""
    return None if gap is None else f"{gap:+d}" if gap else "0"


def number(value: float | None, digits: int = 6) -> str | None:
    """Return a number with spaces between thousands, or with `digits` digits if not whole."""
    if value is None:
        return None
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.{digits}g}"


def size(count: int) -> str:
    """Return a number of bytes with its unit."""
    return f"{count} bytes" if count < 1000 else f"{count / 1000:.3g} kB"


def moment(when: dt.datetime | None, shown: str = "%Y-%m-%d %H:%M UTC") -> Markup | None:
    """Return a moment in UTC, by default to the minute."""
    if when is None:
        return None
    there = when.astimezone(dt.UTC)
    exact = there.strftime("%Y-%m-%dT%H:%M:%SZ" if " " in shown else shown)
    return Markup('<time datetime="{}">{}</time>').format(exact, there.strftime(shown))
