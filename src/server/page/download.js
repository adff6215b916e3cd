/** Tables as files: CSV for a spreadsheet, JSON for a program, made in the page out of what it shows, numbers in full. */
import { make } from "./dom.js";

/** What a spreadsheet takes for a formula: a text that begins so was not meant as one. */
const FORMULA = /^[=+\-@\t\r]/;

/** A cell of CSV (RFC 4180). */
function field(value) {
  if (typeof value === "number") return String(value);
  const text = value === null ? "" : String(value), safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows as CSV, the heads first. */
export const toCsv = ({ heads, rows }) => [heads, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");

/** Rows as a list of objects, the heads their keys; heads of one name are told apart by their numbers. */
export function toJson({ heads, rows }) {
  const keys = heads.map((head, at) => {
    const same = heads.slice(0, at).filter((before) => before === head).length;
    return same ? `${head} ${same + 1}` : head;
  });
  const objects = rows.map((row) => Object.fromEntries(row.map((value, at) => [keys[at], value])));
  return `${JSON.stringify(objects, null, 2)}\n`;
}

const FORMS = [["CSV", "text/csv", toCsv], ["JSON", "application/json", toJson]];

/** Milliseconds until a file that was given to the browser is forgotten here. */
const KEPT = 10_000;

/** Gives the browser a file to keep. */
function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  // Browsers begin to read it when this is over.
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** The buttons that save a table; `read()` gives its `heads` and `rows` as they are then. */
export function makeDownloads(caption, read) {
  const name = caption.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "");
  return make(
    "p.downloads",
    {},
    FORMS.map(([form, type, write]) =>
      make("button", {
        type: "button",
        "aria-label": `${caption} as ${form}`,
        onclick: () => save(`${name}.${form.toLowerCase()}`, type, write(read())),
      }, form)
    ),
  );
}
