/** Runs side by side: what came of them, what differs in their plans, their errors block by block, and every linear. */
import { get, runPath } from "./api.js";
import { compareBenchmarks } from "./benchmarks.js";
import { makeCommand } from "./command.js";
import { showCurves, textOf, titleOf } from "./curve.js";
import { linkTo, make } from "./dom.js";
import { delta, digits, error, memory, percent, seconds, secondsOf } from "./format.js";
import { describeProtocol, measurements, protocolOf } from "./measured.js";
import { askedFlat, namesOf } from "./names.js";
import { drawLines } from "./plot.js";
import { drawSweep, groupsOf } from "./sweep.js";
import { makeTable } from "./table.js";

/** Runs that an evaluation of these is looked for in: the newest. */
const BESIDE = 500;

const NUMBERS = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight"];

/** What a hash has of its digits where it is only to be told apart. */
const SHORT = 12;

/** What is said of all linears together. */
function verdict({ identical, linears, sameMasks, sameWeights, first }, count) {
  if (!linears && !first) return "None of them has linears: there are no masks and weights to compare.";
  if (identical) return `Identical: ${linears} linears, the same to the bit.`;
  const all = count === 2 ? "both" : "all";
  if (!linears) return `No linear is in ${all} of them: there are no masks and weights to compare.`;
  return `Of ${linears} linears that ${all} have, ${sameMasks} have the same mask and ${sameWeights} the same weights. ` +
    `The first that is not the same: ${first.name} (${first.what}).`;
}

const hash = (value) => ({ show: make("span.id", {}, value.slice(0, SHORT)), value });

/** A cell for each run: the number, and how far it is from the first run's. */
function withDeltas(values, show, showDelta = show) {
  const [first] = values;
  return values.map((value, at) => {
    if (value === undefined || value === null) return undefined;
    const from = at ? delta(first, value, showDelta) : undefined;
    return { number: from ? `${show(value)} (${from})` : show(value), value };
  });
}

const mean = (numbers) => numbers.length ? numbers.reduce((a, b) => a + b) / numbers.length : undefined;

/** What came of each: a row for each thing that was measured of any. */
function resultRows(runs, layers, entries) {
  const own = runs.map(({ id }) => entries.filter((entry) => entry.id === id));
  const column = (at, field) => layers.map((layer) => layer[field][at]).filter((value) => value !== null);
  const rows = [
    ["status", ...runs.map(({ status }) => status)],
    ["sparsity", ...withDeltas(runs.map((_, at) => mean(column(at, "sparsity"))), percent)],
    ["output error, mean", ...withDeltas(runs.map((_, at) => mean(column(at, "outputError"))), error)],
  ];
  // Perplexities stand beside each other under one protocol only.
  const kinds = new Map();
  for (const entry of own.flat()) {
    const { evaluation, run, dense, model, name } = entry, { kind } = run.manifest.plan;
    // What an evaluation measured is the dense model of those that prune it.
    const isBase = kind !== "eval" ||
      runs.some(({ manifest: { plan } }) => plan.kind !== "eval" && plan.model.sha256 === model);
    const what = dense && isBase ? "dense" : kind === "compare" ? name : "";
    const key = `${protocolOf(evaluation)} ${what}`;
    if (!kinds.has(key)) kinds.set(key, { what, evaluation, values: runs.map(() => undefined) });
    kinds.get(key).values[runs.findIndex(({ id }) => id === entry.id)] ??= entry.perplexity;
  }
  for (const { what, evaluation, values } of kinds.values()) {
    const title = ["perplexity", what, `on ${describeProtocol(evaluation)}`].filter(Boolean).join(", ");
    rows.push([title, ...withDeltas(values, digits)]);
  }
  rows.push(
    ["took", ...withDeltas(runs.map(secondsOf), seconds)],
    ["peak memory", ...withDeltas(runs.map(({ peakBytes }) => peakBytes), memory)],
    ["error", ...runs.map((run) => run.error)],
    ["tags", ...runs.map(({ tags }) => tags?.join(" ") || undefined)],
    ["note", ...runs.map(({ note }) => note)],
  );
  return rows.filter(([, ...values]) => values.some((value) => value !== undefined));
}

/** All of a plan and of what carried it out, flat. */
const flatten = ({ manifest: { plan, kernels, environment, backend } }) =>
  new Map([
    ...askedFlat(plan).filter(([key]) => key !== "backend"),
    [plan.backend ? "backend" : "machine", backend],
    ...askedFlat({ kernels, environment }),
  ]);

/** A value of a plan in a cell: hashes short, texts whole. */
const planCell = (value) => value === undefined ? undefined : /^[0-9a-f]{64}$/.test(value) ? hash(value) : value;

/** The rows of the plans' table: those that are alike, or those that are not. */
export function planRows(runs) {
  const plans = runs.map(flatten), keys = [...new Set(plans.flatMap((plan) => [...plan.keys()]))];
  const rows = keys.map((key) => [key, ...plans.map((plan) => plan.get(key))]);
  const { different = [], alike = [] } = Object.groupBy(
    rows,
    ([, first, ...others]) => others.every((value) => value === first) ? "alike" : "different",
  );
  return { different, alike };
}

/** A linear's name without its block, and its block. */
function placeOf(name) {
  const [, before, block, kind] = /^(.*?)\.(\d+)\.(.*)$/.exec(name) ?? [];
  return kind === undefined ? { kind: name, block: 0 } : { kind, block: Number(block), before };
}

/** Of each run the mean error of each block's linears, of one kind or of all. */
export function errorsByBlock(layers, count, kind = "") {
  const placed = layers.map((layer) => ({ ...layer, ...placeOf(layer.name) })).filter((one) =>
    !kind || one.kind === kind
  );
  const blocks = [...Map.groupBy(placed, ({ block }) => block)].sort(([a], [b]) => a - b);
  return Array.from({ length: count }, (_, at) =>
    blocks.flatMap(([block, all]) => {
      const errors = all.map(({ outputError }) => outputError[at]).filter((value) => value !== null);
      return errors.length ? [[block, mean(errors)]] : [];
    }));
}

/** Errors by block as lines over each other, and the same as a table; of one kind of linears or of all. */
function showErrors(names, layers, signal) {
  const place = make("div"), kinds = [...new Set(layers.map(({ name }) => placeOf(name).kind))];
  let drawing = new AbortController();
  const draw = () => {
    drawing.abort();
    drawing = new AbortController();
    const kind = choice.value, lines = errorsByBlock(layers, names.length, kind);
    const series = lines.map((points, at) => ({ name: names[at], points, color: at })).filter(({ points }) =>
      points.length
    );
    if (!series.length) return place.replaceChildren(make("p.faint", {}, "None was measured."));
    const blocks = [...new Set(lines.flatMap((points) => points.map(([block]) => block)))].sort((a, b) => a - b);
    const known = lines.map((points) => new Map(points));
    place.replaceChildren(
      drawLines({
        caption: `Relative output error by block, ${kind || "mean of all linears"}`,
        x: "block",
        y: "output error (%)",
        series: series.map((one) => ({ ...one, points: one.points.map(([block, value]) => [block, 100 * value]) })),
      }, AbortSignal.any([signal, drawing.signal])),
      make(
        "details",
        {},
        make("summary", {}, "The same in numbers"),
        makeTable(
          "Output error by block",
          ["block", ...names],
          blocks.map((block) => [
            { number: String(block), value: block },
            ...known.map((of) => ({ number: error(of.get(block)), value: of.get(block) })),
          ]),
        ),
      ),
    );
  };
  const choice = make(
    "select",
    { onchange: draw },
    make("option", { value: "" }, "all, their mean"),
    kinds.map((kind) => make("option", { value: kind }, kind)),
  );
  draw();
  return [make("div.row", {}, make("label", {}, "linears ", choice)), place];
}

/** Every linear of every run. */
function showLinears(names, layers) {
  const said = { true: "same", false: "differs", null: names.length === 2 ? "only one" : "not in all" };
  return makeTable(
    "Linears of the runs",
    [
      "linear",
      ...names.map((name) => `sparsity, ${name}`),
      ...names.map((name) => `output error, ${name}`),
      "mask",
      "weights",
    ],
    layers.map(({ name, sparsity, outputError, sameMask, sameWeight }) => [
      name,
      ...sparsity.map((value) => ({ number: percent(value), value })),
      ...withDeltas(outputError, error),
      said[sameMask],
      said[sameWeight],
    ]),
    "tall",
  );
}

/** Shows the runs of these ids. */
export async function showComparison(here, signal, ids) {
  const { runs, comparison, layers, benchmarks } = await get(
    `/api/compare?${new URLSearchParams({ runs: ids })}`,
    signal,
  );
  const { runs: beside } = await get(`/api/runs?limit=${BESIDE}`, signal);
  const chosen = new Set(runs.map(({ id }) => id)), others = beside.filter(({ id }) => !chosen.has(id));
  const everything = [...runs, ...others].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const entries = measurements(everything).filter(({ id, dense }) => dense || chosen.has(id));
  const names = namesOf(runs), { different, alike } = planRows(runs);
  // An element stands in one place: each table has heads of its own.
  const heads = () => ["", ...names.map((name, at) => make("span.head", {}, `${name} `, linkTo(runs[at].id)))];
  const planTable = (caption, rows) =>
    makeTable(caption, heads(), rows.map(([key, ...values]) => [key, ...values.map(planCell)]));
  const title = `${NUMBERS[runs.length] ?? runs.length} runs compared`;
  const sweeps = groupsOf(entries).map((group) => drawSweep(group, signal)).filter(Boolean);
  const points = await Promise.all(runs.map(async ({ id }) => (await get(runPath(id, "curve"), signal)).points));
  const trained = runs.flatMap((run, at) => points[at].length ? [{ run, name: names[at], points: points[at] }] : []);
  const curves = [...Map.groupBy(trained, ({ run }) => textOf(run)).values()].flatMap((some) =>
    showCurves(some, signal)
  );
  const measured = layers.some(({ outputError }) => outputError.some((value) => value !== null));
  here.append(
    make("h1", {}, title),
    make("p", {}, verdict(comparison, runs.length)),
    make("h2", {}, "What came of them"),
    make("p.faint", {}, "In brackets: the difference to the first."),
    makeTable("What came of the runs", heads(), resultRows(runs, layers, entries)),
    ...benchmarks.length ? [make("h2", {}, "Benchmarks"), ...compareBenchmarks(benchmarks, names)] : [],
    make("h2", {}, "What is not the same in their plans"),
    different.length ? planTable("What is not the same in the plans", different) : make("p", {}, "Nothing."),
    make("details", {}, make("summary", {}, "What is the same"), planTable("What is the same in the plans", alike)),
    ...curves.length ? [make("h2", {}, titleOf(trained)), ...curves] : [],
    ...measured ? [make("h2", {}, "Output error by block"), ...showErrors(names, layers, signal)] : [],
    ...sweeps.length ? [make("h2", {}, "Perplexity by sparsity"), ...sweeps] : [],
    ...layers.length ? [make("h2", {}, "Linears"), showLinears(names, layers)] : [],
    make("h2", {}, "Commands that reproduce them"),
    ...runs.flatMap((run, at) => [make("h3", {}, names[at]), makeCommand(run, names[at])]),
  );
  return title;
}
