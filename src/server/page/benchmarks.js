/**
 * Benchmarks: the figures of a run, of several runs in one table, and two runs' difference, paired by the documents that both
 * were asked. Beside every task stands what guessing gives.
 */
import { linkTo, make } from "./dom.js";
import { digits } from "./format.js";
import { nameOf } from "./names.js";
import { makeTable } from "./table.js";

/** A share in per cent, without the sign that the table's head has. */
const share = (value, places = 1) => (100 * value).toFixed(places);

const shareCell = (value, places) => value === undefined ? undefined : { number: share(value, places), value };

/** Accuracies in per cent; a perplexity as it is. */
const valueCell = (metric, { value }) => metric === "perplexity" ? { number: digits(value), value } : shareCell(value);

/** The same with its standard error. */
function figureCell(metric, figure) {
  if (!figure) return undefined;
  const cell = valueCell(metric, figure);
  return figure.error === undefined ? cell : { ...cell, number: `${cell.number} ± ${share(figure.error)}` };
}

/** What a metric is called in a table. */
const METRICS = { acc: "acc (%)", acc_norm: "acc_norm (%)", perplexity: "perplexity" };

/** Such as `200 of 3270`. */
const documentsOf = ({ documents, total }) => documents < total ? `${documents} of ${total}` : String(documents);

/** Such as `cut to 64 tokens`, where some request was longer. */
const showCut = ({ longest }) => longest === undefined ? "no request cut" : `cut to ${longest} tokens`;

/** The benchmarks of a run; of a comparison those of each of its models. */
export function showBenchmarks({ manifest: { plan }, tasks }) {
  if (!tasks.length) return [make("p.faint", {}, "None has been answered yet.")];
  const isOfSeveral = plan.kind === "compare", isCut = tasks.some(({ longest }) => longest !== undefined);
  const metrics = Object.keys(METRICS).filter((metric) => tasks.some(({ figures }) => figures[metric]));
  const number = (value) => value === undefined ? undefined : { number: String(value), value };
  return [makeTable(
    "Benchmarks",
    [
      "task",
      ...isOfSeveral ? ["model"] : [],
      ...metrics.flatMap((metric) => metric === "perplexity" ? [METRICS[metric]] : [METRICS[metric], "±"]),
      ...["chance (%)", "n", "shots", "version", ...isCut ? ["cut to (tokens)"] : []],
    ],
    tasks.map((record) => [
      record.name,
      ...isOfSeveral ? [record.label] : [],
      ...metrics.flatMap((metric) => {
        const figure = record.figures[metric], value = figure && valueCell(metric, figure);
        return metric === "perplexity" ? [value] : [value, shareCell(figure?.error)];
      }),
      shareCell(record.chance),
      { number: documentsOf(record), value: record.documents },
      number(record.shots),
      number(record.version),
      ...isCut ? [number(record.longest)] : [],
    ]),
  )];
}

/** What of two results is the same where they may stand in one column. */
const columnOf = ({ name, version, shots, longest, documents, data }) =>
  JSON.stringify([name, version, shots, longest, documents, data]);

/** Whether one record takes the place of the other. */
export const isSame = (one, other) => one.label === other.label && columnOf(one) === columnOf(other);

/** A column's head: with what it is told apart by from others of its task. */
function headOf(record, all) {
  const others = all.filter(({ name }) => name === record.name);
  const more = [
    others.some(({ version }) => version !== record.version) && `version ${record.version}`,
    others.some(({ shots }) => shots !== record.shots) && `${record.shots ?? "several"} shots`,
    others.some(({ documents }) => documents !== record.documents) && `n ${record.documents}`,
    others.some(({ longest }) => longest !== record.longest) && showCut(record),
    others.some(({ data }) => String(data) !== String(record.data)) && `data ${record.data[0].slice(0, 8)}`,
  ];
  return [record.name, ...more.filter(Boolean)].join(", ");
}

/** Every task's accuracy by run, groups first; the first row is what guessing gives. Undefined if no run was asked any. */
export function benchmarksByRun(runs) {
  const rows = runs.flatMap((run) =>
    [...Map.groupBy(run.tasks, ({ label }) => label)].map(([label, records]) => ({ run, label, records }))
  );
  const columns = new Map(
    rows.flatMap(({ records }) => records).filter(({ figures }) => figures.acc).map((
      record,
    ) => [columnOf(record), record]),
  );
  if (!columns.size) return undefined;
  const all = [...columns.values()].sort((a, b) => Boolean(b.group) - Boolean(a.group));
  return makeTable(
    "Accuracy by run",
    ["run", "of", ...all.map((record) => `${headOf(record, all)} (%)`)],
    [
      ["chance", undefined, ...all.map(({ chance }) => shareCell(chance))],
      ...rows.map(({ run, label, records }) => {
        const known = new Map(records.map((record) => [columnOf(record), record]));
        const title = run.manifest.plan.kind === "compare" ? label : run.name ?? nameOf(run);
        return [
          { show: linkTo(run.id), value: run.id },
          title,
          ...all.map((column) => figureCell("acc", known.get(columnOf(column))?.figures.acc)),
        ];
      }),
    ],
  );
}

/** A probability: below a thousandth it is only said to be that. */
const showP = (p) => p < 0.001 ? "< 0.001" : String(+p.toPrecision(2));

/** What is shown of a difference to the first run, by column. */
const DIFFERENCE = {
  difference: ({ difference }) => ({
    number: `${difference < 0 ? "-" : difference > 0 ? "+" : ""}${share(Math.abs(difference), 2)}`,
    value: difference,
  }),
  "±": ({ error }) => shareCell(error, 2),
  p: ({ p }) => p === undefined ? undefined : { number: showP(p), value: p },
  won: ({ won }) => ({ number: String(won), value: won }),
  lost: ({ lost }) => ({ number: String(lost), value: lost }),
};

/** Benchmarks of several runs side by side, as `/api/compare` has them. */
export function compareBenchmarks(rows, names) {
  const [first, ...others] = names, columns = Object.keys(DIFFERENCE);
  return [
    make(
      "p.faint",
      {},
      `Accuracies in per cent, differences to ${first} in percentage points, both with standard errors; that of a ` +
        "difference is paired by document, since the same ones were asked. Won and lost: documents that only this run, or " +
        `only ${first}, got right. p is McNemar's (exact, two-sided): how likely they fall as unevenly by chance.`,
    ),
    makeTable(
      "Benchmarks of the runs",
      [
        ...["task", "metric", "chance", ...names],
        ...others.flatMap((name) => columns.map((column) => others.length > 1 ? `${column}, ${name}` : column)),
      ],
      rows.map(({ name, label, shots, longest, chance, metric, figures, toFirst }) => [
        [name, label, shots && `${shots} shots`, longest && showCut({ longest })].filter(Boolean).join(", "),
        metric,
        metric === "perplexity" ? undefined : shareCell(chance),
        ...figures.map((figure) => figureCell(metric, figure)),
        ...toFirst.slice(1).flatMap((paired) => columns.map((column) => paired && DIFFERENCE[column](paired))),
      ]),
    ),
  ];
}
