"""The style and the script of the HTML page."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --panel: #f6f8fa; --line: #d0d7de;
  --grid: #d5d9de; --link: #0550ae; --heat: 9, 105, 218; --mark: #ddf4ff;
  --warn-paper: #fff1b8; --warn-ink: #4d2d00; --warn-line: #bf8700;
  --bad: #a40e26; --good: #116329;
  --s0: #0b62c4; --s1: #b3450a; --s2: #14743f; --s3: #8a3ab9; --s4: #a8123e; --s5: #4d5a66;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1318; --ink: #e6e9ed; --soft: #a4adb7; --panel: #181e25; --line: #333c46;
    --grid: #303842; --link: #7cb8ff; --heat: 64, 140, 240; --mark: #12324f;
    --warn-paper: #3b2d00; --warn-ink: #ffe08a; --warn-line: #d4a72c;
    --bad: #ff8a94; --good: #6fdd8b;
    --s0: #6cb2ff; --s1: #ffa060; --s2: #5fd08a; --s3: #d09cff; --s4: #ff8fae; --s5: #b3bec9;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 82rem; padding: 1rem clamp(0.9rem, 3vw, 2rem) 3rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.6rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
p, ul, dl { margin: 0.5rem 0; max-width: 48rem; }
ul { padding-left: 1.2rem; }
a { color: var(--link); }
code { font-size: 0.9em; overflow-wrap: anywhere; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; padding: 0; list-style: none;
  max-width: none; }
nav a { display: inline-block; padding: 0.3rem 0; }
.soft, figcaption { color: var(--soft); font-size: 0.9rem; }
.banner {
  background: var(--warn-paper); color: var(--warn-ink); border: 2px solid var(--warn-line);
  border-radius: 8px; padding: 0.7rem 1rem; margin: 1rem 0; font-weight: 600;
}
.banner ul { font-weight: 400; margin-bottom: 0; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; margin: 0.6rem 0; }
.scroll.fit { width: fit-content; max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-size: 0.9rem; min-width: 100%; }
.fit table { min-width: 0; }
th, td {
  padding: 0.4rem 0.65rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line);
}
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--panel); vertical-align: bottom; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody .n, tbody th, .short { white-space: nowrap; }
.long { min-width: 16rem; overflow-wrap: anywhere; }
tbody th { font-weight: 600; background: var(--panel); }
table.sortable th:first-child { border-right: 1px solid var(--line); }
.scroll:not(.fit) th:first-child {
  position: sticky; left: 0; max-width: 11rem; white-space: normal; overflow-wrap: break-word;
}
.marked { font-weight: 700; background: var(--mark); }
.bad { font-weight: 700; color: var(--bad); }
.good { font-weight: 700; color: var(--good); }
th button {
  all: unset; cursor: pointer; white-space: nowrap; padding: 0.25rem 0; border-radius: 3px;
}
th button::after { content: "\\2195"; display: inline-block; width: 1em; text-align: center;
  color: var(--soft); }
th[aria-sort="ascending"] button::after { content: "\\2191"; color: var(--ink); }
th[aria-sort="descending"] button::after { content: "\\2193"; color: var(--ink); }
:is(button, a, summary, .scroll):focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; }
.figures { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
.figures.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
.figures > * { min-width: 0; }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; max-width: 34rem; }
.matrix td { text-align: right; font-variant-numeric: tabular-nums; min-width: 2.3rem; }
.matrix th { white-space: nowrap; }
.matrix th, .matrix td { padding: 0.25rem 0.45rem; }
.matrix thead th.turned { padding: 0.5rem 0.45rem; text-align: center; }
.turned span { writing-mode: vertical-rl; transform: rotate(180deg); }
.matrix .diagonal { box-shadow: inset 0 0 0 1.5px var(--ink); }
@media (max-width: 32rem) {
  .scroll:not(.fit) th:first-child { max-width: 8rem; }
  .matrix { font-size: 0.8rem; }
  .matrix th, .matrix td { padding: 0.25rem 0.2rem; min-width: 1.6rem; }
  .matrix thead th.turned { padding: 0.4rem 0; }
  .matrix tbody th, .matrix thead td { padding-left: 0.5rem; }
}
dt { font-weight: 600; }
dd { margin: 0 0 0.3rem 1rem; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 0.3rem 0; }
@media print { th button::after { content: ""; } .scroll { overflow: visible; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const numeric = head.classList.contains("n");
      const key = (row) => row.cells[column].dataset.order;
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return sign * (numeric ? x - y : x.localeCompare(y));
      });
      body.append(...rows);
    });
  });
}
"""
