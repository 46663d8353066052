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
