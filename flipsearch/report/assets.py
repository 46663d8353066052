"""The style and the script of the pages, written into each page: a page needs no other file.

The script sorts and filters tables that are complete without it. Invariant: no request leaves a
page, and text and background keep a contrast of 4.5:1 or more in both colour schemes.
"""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--dim:#57606a;--line:#d0d7de;
--soft:#f6f8fa;--link:#0a53b0;--better:#cfe3ff;--even:#cdeed4;--near:#fbf0b8;--far:#fbdcc0;
--farther:#f8cfd0;--open:#eef0f2}
@media (prefers-color-scheme:dark){:root{--page:#0f141a;--text:#e4e9ef;--dim:#a3adb8;
--line:#38414b;--soft:#19202a;--link:#85b9ff;--better:#143d73;--even:#164a27;--near:#4c430e;
--far:#5b3413;--farther:#5d2226;--open:#20272f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}
footer{margin-top:3rem;padding-top:1rem;padding-bottom:2rem;border-top:1px solid var(--line);
color:var(--dim);font-size:.875rem}
h1{font-size:1.75rem;line-height:1.25;margin:.25rem 0 .5rem}
h2{font-size:1.25rem;margin:2.25rem 0 .5rem}
p{margin:.5rem 0;max-width:46rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99em}
.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.25rem .75rem;z-index:9}
nav ol{display:flex;flex-wrap:wrap;gap:.25rem;list-style:none;margin:0;padding:0;
font-size:.875rem}
nav li+li::before{content:"/";color:var(--dim);padding:0 .35rem}
.numbers{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0;padding:0}
.numbers>div{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;
padding:.6rem 1rem;min-width:8rem;display:flex;flex-direction:column-reverse}
.numbers dt{color:var(--dim);font-size:.8125rem}
.numbers dd{margin:0;font-size:1.5rem;font-weight:600;line-height:1.25;
font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;max-width:100%}
.tall{max-height:85vh;overflow:auto;border:1px solid var(--line);border-radius:.375rem}
table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums;
font-size:.9375rem}
caption{text-align:left;color:var(--dim);font-size:.875rem;padding:.35rem .5rem;
max-width:60rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:baseline}
thead th{background:var(--soft);position:sticky;top:0;white-space:nowrap;z-index:1}
tbody th{font-weight:600;white-space:nowrap}
.n{text-align:right;white-space:nowrap}
thead button{font:inherit;color:inherit;background:none;border:0;padding:.1rem .1rem;
cursor:pointer}
thead button::after{content:"\\2195";color:var(--dim);padding-left:.3rem;font-size:.8em}
[aria-sort=ascending] button::after{content:"\\2191";color:var(--text)}
[aria-sort=descending] button::after{content:"\\2193";color:var(--text)}
.better{background:var(--better)}.even{background:var(--even)}.near{background:var(--near)}
.far{background:var(--far)}.farther{background:var(--farther)}.open{background:var(--open)}
.cell small,small.dim{color:inherit;font-size:.8125rem}
.cell a{font-weight:600}
.cell .gap{display:inline-block;min-width:2.2em;text-align:right}
.legend{display:flex;flex-wrap:wrap;gap:.4rem;list-style:none;padding:0;margin:.75rem 0;
font-size:.8125rem}
.legend li{padding:.1rem .6rem;border-radius:1rem;border:1px solid var(--line)}
.tools{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;margin:.75rem 0}
.tools fieldset{border:0;margin:0;padding:0;display:flex;gap:.75rem}
.tools legend{float:left;padding:0;margin-right:.75rem}
.tools input[type=search]{font:inherit;color:inherit;background:var(--page);
border:1px solid var(--dim);border-radius:.375rem;padding:.25rem .5rem;width:12rem}
.tools[hidden]{display:none}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.25rem;margin:.75rem 0}
.facts dt{color:var(--dim)}.facts dd{margin:0;overflow-wrap:anywhere}
.origin{border-left:3px solid var(--line);padding-left:1rem;margin:.75rem 0}
.files{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;padding:0}
.files a{display:block;border:1px solid var(--line);border-radius:.375rem;
padding:.3rem .75rem;text-decoration:none;background:var(--soft)}
.files a:hover{text-decoration:underline}
.written{list-style:none;padding:.75rem 1rem;margin:.5rem 0;background:var(--soft);
border:1px solid var(--line);border-radius:.375rem;
font:.875rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.written li{padding-left:5rem;text-indent:-5rem;overflow-wrap:anywhere}
.written li:target{background:var(--near)}
.written b{display:inline-block;min-width:calc(5rem - 1ch);text-indent:0;font-weight:600}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));
gap:1.25rem}
figure{margin:0}
figure img{width:100%;height:auto;background:#fff;border:1px solid var(--line);
border-radius:.375rem}
time{white-space:nowrap}
figcaption{color:var(--dim);font-size:.875rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em;
overflow-wrap:anywhere}
@media print{.tools,nav,.skip{display:none}.scroll{overflow:visible;max-height:none}}
"""

SCRIPT = """
"use strict";
(function () {
  var all = function (selector, within) {
    return Array.prototype.slice.call((within || document).querySelectorAll(selector));
  };
  var status = document.getElementById("status");
  var say = function (text) { if (status) { status.textContent = text; } };
  var keyOf = function (row, column) {
    var cell = row.cells[column];
    var by = document.querySelector("input[name=ring-key]:checked");
    if (by && cell.hasAttribute("data-" + by.value)) {
      return cell.getAttribute("data-" + by.value);
    }
    return cell.hasAttribute("data-key") ? cell.getAttribute("data-key") : cell.textContent;
  };
  var sortBy = function (table, column, descending) {
    var rows = all("tbody > tr", table).map(function (row, place) {
      var key = keyOf(row, column);
      return { row: row, place: place, key: key, empty: key === "", number: Number(key) };
    });
    var numeric = rows.every(function (item) { return item.empty || !isNaN(item.number); });
    rows.sort(function (first, second) {
      if (first.empty !== second.empty) { return first.empty ? 1 : -1; }
      var order = first.empty ? 0 : numeric ? first.number - second.number
        : first.key < second.key ? -1 : first.key > second.key ? 1 : 0;
      return (descending ? -order : order) || first.place - second.place;
    });
    var body = table.tBodies[0];
    rows.forEach(function (item) { body.appendChild(item.row); });
    all("thead th", table).forEach(function (head, place) {
      if (place === column) {
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    });
  };
  all("table.sortable").forEach(function (table) {
    all("thead th", table).forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var descending = head.getAttribute("aria-sort") === "ascending";
        sortBy(table, column, descending);
        say("Sorted by " + button.textContent + (descending ? ", descending" : ", ascending"));
      });
    });
  });
  all("input[name=ring-key]").forEach(function (input) {
    input.addEventListener("change", function () {
      var head = document.querySelector("#best thead th[aria-sort]");
      if (head) {
        sortBy(document.getElementById("best"), head.cellIndex,
          head.getAttribute("aria-sort") === "descending");
      }
    });
  });
  all(".tools").forEach(function (tools) {
    tools.hidden = false;
    var text = tools.querySelector("input[type=search]");
    var stored = tools.querySelector("input[type=checkbox]");
    var rows = all("#" + tools.getAttribute("data-table") + " tbody > tr");
    var show = function () {
      var wanted = text ? text.value.trim().toLowerCase() : "";
      var shown = 0;
      rows.forEach(function (row) {
        var hit = row.textContent.toLowerCase().indexOf(wanted) >= 0
          && !(stored && stored.checked && row.hasAttribute("data-open"));
        row.hidden = !hit;
        shown += hit ? 1 : 0;
      });
      say(shown + " of " + rows.length + " rows shown");
    };
    [text, stored].forEach(function (input) {
      if (input) { input.addEventListener("input", show); }
    });
    show();
  });
}());
"""

SCRIPT_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
    f"script-src '{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded but pictures beside the page, and no script runs but ours."""
