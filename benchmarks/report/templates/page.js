"use strict";

// At once, before there is a body: what needs this script takes its place from the first paint on.
document.documentElement.classList.add("scripted");

const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function offerTheme(button) {
  const tell = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
}

function offerSorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const numeric = head.classList.contains("n");
      const key = (row) => row.cells[column].dataset.order;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return sign * (numeric ? x - y : x.localeCompare(y));
      });
      table.tBodies[0].append(...rows);
    });
  });
}

function offerFilters(bar) {
  const table = document.getElementById(bar.dataset.table);
  const rows = [...table.tBodies[0].rows];
  const search = bar.querySelector("input");
  const selects = [...bar.querySelectorAll("select")];
  const count = bar.querySelector("output");
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word)) || !selects.every((select) =>
        !select.value || row.cells[select.dataset.column].textContent === select.value);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  bar.addEventListener("input", apply);
}

function openRun(dialog) {
  dialog.showModal();
  dialog.scrollTop = 0;
  history.replaceState(null, "", `#${dialog.id}`);
}

function offerRuns() {
  const dialogOf = (hash) => {
    const found = document.getElementById(decodeURIComponent(hash.slice(1)));
    return found instanceof HTMLDialogElement ? found : null;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const dialog = link && dialogOf(link.getAttribute("href"));
    if (!dialog) return;
    event.preventDefault();
    openRun(dialog);
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => history.replaceState(null, "", "#"));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
  if (location.hash && dialogOf(location.hash)) openRun(dialogOf(location.hash));
}

function offerRows(dialog) {
  const facts = dialog.querySelector("dl");
  const known = JSON.parse(document.getElementById("row-data").textContent);
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".open-row")?.closest("tr");
    if (!row) return;
    facts.replaceChildren(...Object.entries(known[row.dataset.row]).flatMap(([name, value]) => {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      return [term, text];
    }));
    dialog.showModal();
    dialog.scrollTop = 0;
  });
}

document.addEventListener("DOMContentLoaded", () => {
  offerTheme(document.getElementById("theme"));
  document.querySelectorAll("table.sortable").forEach(offerSorting);
  document.querySelectorAll(".filters").forEach(offerFilters);
  offerRuns();
  const rows = document.getElementById("row-detail");
  if (rows) offerRows(rows);
});
