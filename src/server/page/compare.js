/** Two runs side by side: what they were asked, what came of them, and every linear. */
import { get } from "./api.js";
import { digits, duration, make, makeTable, percent } from "./dom.js";

const SAME = { true: "same", false: "differs", null: "only one" };

function verdict({ identical, linears, sameMasks, sameWeights, first }) {
  if (identical) return `Identical: ${linears} linears, the same to the bit.`;
  return `Of ${linears} linears that both have, ${sameMasks} have the same mask and ${sameWeights} the same weights. ` +
    `The first that differs: ${first.name} (${first.what}).`;
}

/** What was asked and measured, a row for each thing that either run has. */
function rowsOf(runs) {
  const of = (run) => ({
    status: run.status,
    model: run.manifest.plan.model.name,
    backend: run.manifest.backend,
    ...Object.fromEntries(
      Object.entries(run.manifest.plan.request).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
    calibration: run.manifest.plan.calibration?.description,
    ...Object.fromEntries(
      run.perplexities.map(({ label, perplexity }) => [`perplexity, ${label}`, digits(perplexity)]),
    ),
    took: duration(run),
  });
  const [a, b] = runs.map(of);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] ?? b[key]).map((key) => [
    key,
    a[key],
    b[key],
  ]);
}

/** Shows two runs. */
export async function showComparison(here, signal, ids) {
  const { runs, comparison, layers } = await get(`/api/compare?${new URLSearchParams({ runs: ids })}`, signal);
  const links = runs.map(({ id }) => make("a.id", { href: `#/runs/${encodeURIComponent(id)}` }, id));
  const number = (value, show) => ({ number: show(value) });
  here.append(
    make("h1", {}, "Two runs compared"),
    make("p", {}, verdict(comparison)),
    makeTable("Both runs", ["", ...links], rowsOf(runs)),
    make("h2", {}, "Linears"),
    makeTable(
      "Linears of both runs",
      ["linear", "sparsity", "of the second", "output error", "of the second", "mask", "weights"],
      layers.map(({ name, sparsity, outputError, sameMask, sameWeight }) => [
        name,
        ...sparsity.map((value) => number(value, percent)),
        ...outputError.map((value) => number(value, digits)),
        SAME[sameMask],
        SAME[sameWeight],
      ]),
    ),
  );
  return "Two runs compared";
}
