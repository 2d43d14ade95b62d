/* The rest of the page: tables that sort, figures that enlarge, code that can be copied. */

document.querySelector(".no-script").remove();

const SIZES = { k: 1e3, M: 1e6, G: 1e9 };

/** What a cell is sorted by: its number where it begins with one, 12.7 k as well; else its text. */
function sortKey(cell) {
  const text = cell.textContent.trim();
  const number = Number.parseFloat(text.replaceAll(",", "").replaceAll("−", "-"));
  return Number.isNaN(number) ? text.toLowerCase() : number * (SIZES[text.at(-1)] ?? 1);
}

function sortRows(table, column, heading) {
  const falling = heading.getAttribute("aria-sort") === "descending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[column]), row]);
  rows.sort(([one], [other]) => {
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    return (one < other ? -1 : one > other ? 1 : 0) * falling;
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling > 0 ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortRows(table, column, heading));
  });
}

const lightbox = document.getElementById("lightbox");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const picture = button.closest("figure").querySelector("img").cloneNode();
    lightbox.querySelector(".plate").replaceChildren(picture);
    lightbox.showModal();
  });
}
lightbox.addEventListener("click", (event) => {
  if (event.target === lightbox) lightbox.close();
});

/** Into the clipboard where the browser lets a page do so, else selected, for Ctrl-C. */
async function copy(button) {
  const lines = button.closest(".code").querySelector("pre");
  try {
    await navigator.clipboard.writeText(lines.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(lines);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => copy(button));
}

const entries = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((changes) => {
  for (const change of changes.filter((each) => each.isIntersecting)) {
    entries.forEach((link, key) => link.toggleAttribute("aria-current", key === change.target.id));
  }
}, { rootMargin: "-20% 0px -70% 0px" });
document.querySelectorAll("main > section").forEach((section) => watcher.observe(section));
