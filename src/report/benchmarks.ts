/**
 * What benchmarks found in a comparison, as tables: the mean accuracy by method and sparsity (Table 2 of Wanda's paper, for
 * one model), and every model in every benchmark. Shares are in per cent, as the paper has them, each with its standard error.
 */
import { showPart } from "../cli/units.ts";
import { type Figure, headline as headlineOf, type Result, withoutParts } from "../task/results.ts";
import { type Metric, METRICS } from "../task/task.ts";
import type { Comparison, Row, Table } from "./results.ts";

/** What a benchmark's column is called: a mean of tasks is one, whatever the group is. */
export const titleOf = ({ name, group }: Result): string => group?.by === "task" ? "mean" : name;

/** `61.42 ± 1.53`. */
function percent({ value, error }: Figure): string {
  return `${(100 * value).toFixed(2)}${error === undefined ? "" : ` ± ${(100 * error).toFixed(2)}`}`;
}

/** A figure as it stands in a table; nothing for none. */
export function show(metric: Metric, figure: Figure | undefined): string {
  if (!figure) return "";
  return metric === "perplexity" ? figure.value.toFixed(2) : percent(figure);
}

/** The benchmark that stands for all of a model's. */
export function headline(row: Pick<Row, "results"> | undefined): Result | undefined {
  return headlineOf(row?.results ?? []);
}

/** The headline's accuracy: a row for each method, a column for each sparsity; chance and the dense model stand in all. */
export function meanTable({ rows }: Comparison): Table | undefined {
  const every = headline(rows[0]);
  if (!every) return undefined;
  const { sparsities, lines } = bySparsity(rows, (row) => show("acc", headline(row)?.figures.acc));
  return {
    heading: [`${titleOf(every)} accuracy (%)`, ...sparsities],
    rows: [
      ["chance", ...sparsities.map(() => every.chance === undefined ? "" : percent({ value: every.chance }))],
      ["dense", ...sparsities.map(() => show("acc", every.figures.acc))],
      ...lines,
    ],
  };
}

/** By how many points that differs from the dense model's; both answered the same questions, so its error is paired by them. */
export function differenceTable({ rows }: Comparison): Table | undefined {
  if (!rows.some(({ toDense }) => toDense)) return undefined;
  const { sparsities, lines } = bySparsity(rows, ({ toDense }) => toDense ? percent(toDense) : "");
  return { heading: ["points against dense", ...sparsities], rows: lines };
}

/** Perplexities, where they were measured, a row for each method and each way to train what it pruned. */
export function perplexityTable({ rows }: Comparison): Table | undefined {
  const [{ perplexity }] = rows;
  if (perplexity === undefined) return undefined;
  const { sparsities, lines } = bySparsity(rows, ({ perplexity }) => perplexity?.toFixed(2) ?? "");
  return {
    heading: ["perplexity", ...sparsities],
    rows: [["dense", ...sparsities.map(() => perplexity.toFixed(2))], ...lines],
  };
}

/** What is said of each pruned model, by method and sparsity. */
function bySparsity(rows: readonly Row[], say: (row: Row) => string) {
  const pruned = rows.filter(({ asked }) => asked), sparsities = [...new Set(pruned.map(({ asked }) => asked))];
  const cell = (method: string) => (asked: string) => {
    const row = pruned.find((row) => row.method === method && row.asked === asked);
    return row ? say(row) : "";
  };
  const methods = [...new Set(pruned.map(({ method }) => method))];
  return { sparsities, lines: methods.map((method) => [method, ...sparsities.map(cell(method))]) };
}

/**
 * A table for each metric: a column for each benchmark that has it, a row for each model, under the number of questions and
 * what guessing gives. The parts of a group that counts by the document (MMLU's subjects) stand in the CSV alone.
 */
export function taskTables({ rows }: Comparison): { readonly metric: Metric; readonly table: Table }[] {
  const [{ results = [] }] = rows, all = withoutParts(results);
  return METRICS.flatMap((metric) => {
    const shown = all.filter(({ figures }) => figures[metric]);
    if (!shown.length) return [];
    const line = ({ method, asked, results = [] }: Row) => [
      method,
      asked,
      ...shown.map(({ name }) => show(metric, results.find((result) => result.name === name)?.figures[metric])),
    ];
    const chances = shown.map(({ chance }) => chance === undefined ? "" : percent({ value: chance }));
    const table = {
      heading: ["method", "sparsity", ...shown.map(titleOf)],
      rows: [
        ["questions", "", ...shown.map(({ documents, total }) => showPart(documents, total))],
        ...metric === "perplexity" ? [] : [["chance", "", ...chances]],
        ...rows.map(line),
      ],
    };
    return [{ metric, table }];
  });
}

/** What stands under the tables. */
export function benchmarkCaption({ rows: [{ results = [] }], data = [] }: Comparison): string {
  const tasks = results.filter(({ group }) => !group), shots = [...new Set(tasks.map(({ shots }) => shots))].join(", ");
  const versions = tasks.map(({ name, version }) => `${name} ${version}`).join(", ");
  const files = data.map(({ name, sha256 }) => `${name} (SHA-256 ${sha256})`).join(", ");
  return `Benchmarks: asked as lm-evaluation-harness asks them, ${shots} shots (versions: ${versions}); per cent of right ` +
    `answers ± standard error, all models on the same questions. acc takes the likeliest answer, acc_norm the likeliest by ` +
    `the character. Chance: one over the number of choices. Data: ${files}.`;
}

/** A line for every figure. */
export function figures({ rows }: Comparison): (string | number | undefined)[][] {
  return rows.flatMap(({ method, asked, sparsity, results = [] }) =>
    results.flatMap(({ name, version, shots, documents, total, chance, figures }) =>
      METRICS.flatMap((metric) => {
        const figure = figures[metric];
        if (!figure) return [];
        const guessed = metric === "perplexity" ? undefined : chance;
        return [[
          ...[method, asked, sparsity, name, metric, figure.value, figure.error, guessed],
          ...[documents, total, shots, version],
        ]];
      })
    )
  );
}

/** What {@linkcode figures} are called. */
export const FIGURE_HEADING: readonly string[] = [
  ...["method", "asked", "sparsity", "task", "metric", "value", "stderr", "chance"],
  ...["questions", "of", "shots", "version"],
];
