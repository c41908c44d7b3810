"""The page's only script: it sorts and filters the rows of a table. Without it the table is whole."""

SCRIPT = """
for (const section of document.querySelectorAll("section.board")) {
  const body = section.querySelector("tbody"), filters = section.querySelector("form");
  const rows = Array.from(body.rows);
  filters.hidden = false;
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", () => {
    const words = filters.words.value.toLowerCase().split(/\\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word))
        && (!filters.network.value || row.dataset.network === filters.network.value)
        && (!filters.device.value || row.dataset.device === filters.device.value)
        && (!filters.several.checked || Number(row.dataset.runs) > 1)
        && (!filters.front.checked || row.dataset.front === "yes"));
      shown += !row.hidden;
    }
    filters.count.value = shown + " of " + rows.length;
  });
  for (const button of section.querySelectorAll("thead button")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const before = head.getAttribute("aria-sort") || head.dataset.first;
      const order = before === "ascending" ? "descending" : "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => row.cells[head.cellIndex].dataset.value;
      const compare = (a, b) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        const difference = Number(a) - Number(b);
        return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
      };
      body.append(...rows.sort((a, b) => compare(key(a), key(b))));
    });
  }
}
"""
