/**
 * The dashboard's files, as they stand in `page/` and in the plot library's package: no build step, nothing from another
 * host. What it shows it asks of `/api`, like any other client.
 */
import icon from "./page/icon.svg" with { type: "text" };
import index from "./page/index.html" with { type: "text" };
import style from "./page/style.css" with { type: "text" };
import { prepare, type Prepared } from "./prepared.ts";

const HTML = "text/html", CSS = "text/css";

/** By path. */
export const DASHBOARD: ReadonlyMap<string, Prepared> = new Map([
  ["/", prepare(index, HTML)],
  ["/page/icon.svg", prepare(icon, "image/svg+xml")],
  ["/page/style.css", prepare(style, CSS)],
]);
