"""The site as a real browser sees it, from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import headless
import pytest

from flipsearch.report import Report

pytestmark = pytest.mark.chromium
Site = tuple[Path, Report]

CONTRASTS = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = color.map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = rgb(getComputedStyle(element).backgroundColor);
      if (color.length < 4 || color[3] > 0) { return color.slice(0, 3); }
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(x => x.nodeType === 3 && x.textContent.trim());
    if (!own || ["SCRIPT", "STYLE"].includes(element.tagName)) { continue; }
    const one = light(rgb(getComputedStyle(element).color).slice(0, 3));
    const two = light(behind(element));
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) { low.push([element.tagName, element.className, ratio]); }
  }
  return low;
})()
"""
ROWS = (
    "[...document.querySelectorAll('#best tbody tr')].filter(r => !r.hidden)"
    ".map(r => [r.cells[0].textContent, r.cells[1].dataset.key, r.cells[2].dataset.gap])"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[headless.Browser]:
    program = headless.find()
    if program is None:
        pytest.skip("needs a Chromium")
    with headless.browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_no_page_complains_or_asks_for_anything_else(
    browser: headless.Browser, site: Site
) -> None:
    pages = sorted(site[0].rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        browser.open(page)
        pictures = browser.do(
            "Promise.all([...document.images].map(x => { x.loading = 'eager'; "
            "return x.decode(); })).then(() => [...document.images].every(x => x.naturalWidth))"
        )
        assert pictures is True
        assert browser.complaints() == []
        folder = site[0].as_uri()
        assert page.as_uri() in browser.requests()
        others = [url for url in browser.requests() if not url.startswith((folder, "data:"))]
        assert others == []
        title = browser.do("document.title")
        assert title != "owned"
        assert browser.do("document.querySelector('h1').textContent.length") > 1
        assert browser.do("document.documentElement.scrollWidth <= innerWidth") is True


def test_the_table_sorts_by_mouse_and_keyboard(browser: headless.Browser, site: Site) -> None:
    browser.open(site[0] / "index.html")
    before = browser.do(ROWS)
    button = "document.querySelectorAll('#best thead button')"
    browser.do(f"{button}[1].click()")
    naive = [int(row[1]) for row in browser.do(ROWS) if row[1]]
    assert naive == sorted(naive)
    assert len(set(naive)) > 3
    assert browser.do(ROWS)[-1][1] == ""  # a tensor has no naive rank: empty cells come last
    assert browser.do("document.querySelectorAll('#best th')[1].ariaSort") == "ascending"
    browser.do(f"{button}[1].focus()")
    browser.press("Enter", 13, "\r")
    again = [int(row[1]) for row in browser.do(ROWS) if row[1]]
    assert again == sorted(naive, reverse=True)
    assert browser.do("document.querySelectorAll('#best th')[1].ariaSort") == "descending"
    assert "descending" in browser.do("document.getElementById('status').textContent")
    assert browser.do(ROWS)[-1][1] == ""
    browser.press("Tab", 9)
    browser.press(" ", 32, " ")
    gaps = [int(row[2]) for row in browser.do(ROWS) if row[2]]
    assert gaps == sorted(gaps)
    assert len(set(gaps)) > 1
    browser.do(f"{button}[0].click()")
    assert browser.do(ROWS) == before
    assert browser.complaints() == []


def test_the_table_filters(browser: headless.Browser, site: Site) -> None:
    browser.open(site[0] / "index.html")
    stored = browser.do(ROWS)
    assert len(stored) == site[1].formats
    browser.do("document.getElementById('stored-only').click()")
    assert len(browser.do(ROWS)) > 600
    browser.do("document.getElementById('best-filter').focus()")
    browser.call("Input.insertText", text="ug:")
    names = [row[0] for row in browser.do(ROWS)]
    assert names
    assert all(name.startswith("ug:") for name in names)
    assert f"{len(names)} of" in browser.do("document.getElementById('status').textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: headless.Browser, site: Site, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    newest = next((site[0] / "schemes").iterdir()) / "index.html"
    for page in (site[0] / "index.html", site[0] / "formats" / "2x2x2.html", newest):
        browser.open(page)
        background = json.loads(
            "[" + browser.do("getComputedStyle(document.body).backgroundColor")[4:-1] + "]"
        )
        assert (sum(background) > 380) == (scheme == "light")
        assert browser.do(CONTRASTS) == []


def test_pages_fit_a_narrow_screen(browser: headless.Browser, site: Site) -> None:
    size = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    for page in (site[0] / "index.html", site[0] / "formats" / "2x2x2.html"):
        browser.open(page)
        assert browser.do("document.documentElement.scrollWidth") <= 360
    browser.open(site[0] / "index.html")  # all five rings are seen, also without scrolling
    last = "document.querySelector('#best thead th:nth-child(7)').getBoundingClientRect().right"
    assert browser.do(last) <= 360


def test_everything_that_can_be_used_has_a_name(browser: headless.Browser, site: Site) -> None:
    browser.open(site[0] / "index.html")
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    used = ("button", "link", "checkbox", "radio", "searchbox", "image", "table", "region")
    named = dict.fromkeys(used, 0)
    for node in tree:
        role = node.get("role", {}).get("value")
        if role in named and not node["ignored"]:
            assert node["name"]["value"].strip(), node
            named[role] += 1
    assert all(count > 0 for role, count in named.items() if role != "region"), named
    assert named["radio"] == 2
