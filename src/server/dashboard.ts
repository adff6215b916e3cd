/**
 * The dashboard's files, as they stand in `page/` and in the plot library's package: no build step, nothing from another
 * host. What it shows it asks of `/api`, like any other client.
 */
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplot from "uplot/dist/uPlot.esm.js" with { type: "text" };
import api from "./page/api.js" with { type: "text" };
import benchmarks from "./page/benchmarks.js" with { type: "text" };
import command from "./page/command.js" with { type: "text" };
import compare from "./page/compare.js" with { type: "text" };
import comparison from "./page/comparison.js" with { type: "text" };
import curve from "./page/curve.js" with { type: "text" };
import dom from "./page/dom.js" with { type: "text" };
import download from "./page/download.js" with { type: "text" };
import filter from "./page/filter.js" with { type: "text" };
import format from "./page/format.js" with { type: "text" };
import heatmap from "./page/heatmap.js" with { type: "text" };
import histogram from "./page/histogram.js" with { type: "text" };
import layer from "./page/layer.js" with { type: "text" };
import main from "./page/main.js" with { type: "text" };
import measured from "./page/measured.js" with { type: "text" };
import names from "./page/names.js" with { type: "text" };
import perplexities from "./page/perplexities.js" with { type: "text" };
import plot from "./page/plot.js" with { type: "text" };
import progress from "./page/progress.js" with { type: "text" };
import run from "./page/run.js" with { type: "text" };
import runs from "./page/runs.js" with { type: "text" };
import sweep from "./page/sweep.js" with { type: "text" };
import table from "./page/table.js" with { type: "text" };
import welcome from "./page/welcome.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import index from "./page/index.html" with { type: "text" };
import style from "./page/style.css" with { type: "text" };
import { prepare, type Prepared } from "./prepared.ts";

const SCRIPTS = {
  uplot,
  api,
  benchmarks,
  command,
  compare,
  comparison,
  curve,
  dom,
  download,
  filter,
  format,
  heatmap,
  histogram,
  layer,
  main,
  measured,
  names,
  perplexities,
  plot,
  progress,
  run,
  runs,
  sweep,
  table,
  welcome,
};

const STYLES = { uplot: uplotStyle, style };

/** By path. */
export const DASHBOARD: ReadonlyMap<string, Prepared> = new Map([
  ["/", prepare(index, "text/html")],
  ["/page/icon.svg", prepare(icon, "image/svg+xml")],
  ...Object.entries(SCRIPTS).map(([name, text]) => [`/page/${name}.js`, prepare(text, "text/javascript")] as const),
  ...Object.entries(STYLES).map(([name, text]) => [`/page/${name}.css`, prepare(text, "text/css")] as const),
]);
