/** Tables, each of which can be taken away as CSV and JSON. */
import { make } from "./dom.js";
import { makeDownloads } from "./download.js";

/** A cell: of a text, an element, or `{ number }` or `{ show }` with the `value` behind it, the former standing right. */
function makeCell(content) {
  if (content?.number !== undefined) return make("td.number", {}, content.number);
  return make("td", {}, content?.show ?? content ?? "–");
}

/** What a cell holds as data. */
function valueOf(content) {
  if (content === undefined || content === null) return null;
  if (typeof content !== "object") return content;
  if ("value" in content) return content.value ?? null;
  return content.number ?? content.textContent;
}

/**
 * A table, and the same as CSV and JSON.
 * @param heads A text or an element for each column; a column of pictures has none, and is no data.
 * @param rows Lists of cells: a text, an element, `{ number, value }` (stands right) or `{ show, value }`.
 */
export function makeTable(caption, heads, rows, kind = "") {
  const texts = heads.map((head) => head?.textContent ?? head),
    data = [...texts.keys()].filter((at) => at === 0 || texts[at]);
  return make(
    "div",
    {},
    // What is wider than the window is scrolled to by keyboard too.
    make(
      `div.scroll${kind === "tall" ? ".tall" : ""}`,
      { tabindex: "0", role: "region", "aria-label": caption },
      make(
        "table",
        { class: kind || undefined },
        make("caption.hidden", {}, caption),
        make("thead", {}, make("tr", {}, heads.map((head) => head ? make("th", { scope: "col" }, head) : make("td")))),
        make("tbody", {}, rows.map((row) => make("tr", {}, row.map(makeCell)))),
      ),
    ),
    makeDownloads(caption, () => ({
      heads: data.map((at) => texts[at] || "what"),
      rows: rows.map((row) => data.map((at) => valueOf(row[at]))),
    })),
  );
}
