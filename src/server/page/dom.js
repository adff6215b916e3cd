/** Elements: made in one expression; and what numbers and times look like. */

/**
 * An element.
 * @param tag Its name, with classes behind dots: `p.faint`.
 * @param given Attributes; `on…` for listeners. What is undefined or false is left out.
 */
export function make(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split("."), element = document.createElement(name);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** A table; every row a list of cells, each a text, an element, or `{ number }`, which stands right. */
export function makeTable(caption, heads, rows, kind = "") {
  const cell = (content) =>
    content?.number !== undefined ? make("td.number", {}, content.number) : make("td", {}, content ?? "–");
  // What is wider than the window is scrolled to by keyboard too.
  return make(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": caption },
    make(
      "table",
      { class: kind || undefined },
      make("caption.hidden", {}, caption),
      make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map(cell)))),
    ),
  );
}

/** Terms and what they are; those without a value are left out. */
export function makeFacts(facts) {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null);
  return make("dl", {}, known.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}

/** Tells screen readers, without moving the focus. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A number with four significant digits. */
export const digits = (number) => number === undefined || number === null ? "–" : String(+number.toPrecision(4));

/** A share as percents. */
export const percent = (share) => share === undefined || share === null ? "–" : `${(share * 100).toFixed(1)} %`;

/** A time of day. */
export const time = (iso) =>
  make("time", { datetime: iso }, new Date(iso).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" }));

/** Seconds between two times. */
export function duration({ startedAt, finishedAt }) {
  const seconds = Math.max(0, (Date.parse(finishedAt ?? new Date().toISOString()) - Date.parse(startedAt)) / 1000);
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
