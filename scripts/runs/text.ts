/** Runs as `pare runs` prints them. */
import { table } from "../../src/cli/table.ts";
import { showBytes, showSeconds, showShare } from "../../src/cli/units.ts";
import type { CurvePoint, Measured, RatioRecord, RunRecord } from "../../src/run/record.ts";
import type { LinearSummary } from "../../src/run/registry.ts";
import { headline } from "../../src/task/results.ts";
import { ratioTable } from "../shared/ratios.ts";
import { tableOf } from "../shared/tasks.ts";

/** What anybody may have written, on one line that moves no cursor. */
export const plain = (text: unknown): string => String(text).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");

/** What was asked of the weights: a pattern, or a share in per cent. */
function asked({ manifest: { plan: { request: { pattern, sparsity } } } }: RunRecord): string {
  return typeof pattern === "string" ? pattern : typeof sparsity === "number" ? showShare(sparsity) : "-";
}

/** A perplexity with as many digits as do not depend on the backend. */
const digits = (perplexity: number) => perplexity.toPrecision(4);

/** What the benchmarks came to: the figure of a group, or of the only task. */
function accuracy({ manifest: { plan: { kind } }, tasks }: RunRecord): string {
  if (kind === "compare" || !tasks.length) return "-";
  const shown = headline(tasks);
  return shown?.figures.acc ? `${shown.figures.acc.value.toFixed(4)} ${shown.name}` : `${tasks.length} tasks`;
}

/** A line for each run. */
export function runTable(runs: readonly RunRecord[]): string {
  const heading = [
    "id",
    "name",
    "status",
    "command",
    "model",
    "method",
    "sparsity",
    "perplexity",
    "acc",
    "started",
    "tags",
  ];
  return table(
    heading,
    runs.map((run) => {
      const { kind, model, request } = run.manifest.plan;
      const measured = kind === "compare" ? undefined : run.perplexities.at(-1);
      return [
        ...[run.id, run.name ?? "", run.status, kind, model.name, request.method ?? "-"],
        ...[asked(run), measured ? digits(measured.perplexity) : "-", accuracy(run)],
        ...[run.startedAt.slice(0, 16).replace("T", " "), run.tags.join(" ")],
      ].map(plain);
    }),
  );
}

/** How a training went, in a line for its steps and one for its blocks; each only if there are some. */
function aboutCurve(curve: readonly CurvePoint[]): (readonly [string, string])[] {
  const steps = curve.flatMap((point) => point.kind === "step" ? [point] : []);
  const evaluations = curve.flatMap((point) => point.kind === "evaluation" ? [point] : []);
  const blocks = curve.flatMap((point) => point.kind === "block" ? [point] : []);
  const best = evaluations.reduce<typeof evaluations[0] | undefined>(
    (best, one) => best && best.perplexity <= one.perplexity ? best : one,
    undefined,
  );
  const mean = (of: (block: typeof blocks[0]) => number) =>
    showShare(blocks.reduce((sum, block) => sum + of(block), 0) / blocks.length);
  return [
    ...steps.length
      ? [
        [
          "steps",
          `${steps.at(-1)!.step}, loss ${steps[0].loss.toFixed(3)} to ${steps.at(-1)!.loss.toFixed(3)}`,
        ] as const,
      ]
      : [],
    ...best
      ? [
        [
          "held out",
          `perplexity ${digits(evaluations[0].perplexity)}, best ${digits(best.perplexity)} after step ${best.step}`,
        ] as const,
      ]
      : [],
    ...blocks.length
      ? [
        [
          "blocks",
          `${blocks.length} reconstructed, mean error ${mean(({ before }) => before)} to ${mean(({ after }) => after)}`,
        ] as const,
      ]
      : [],
  ];
}

/** A ratio whose words are on one line. */
function plainRatio({ name, ours, theirs, ...rest }: RatioRecord): RatioRecord {
  const side = (figure: Measured) => ({ ...figure, label: plain(figure.label), unit: plain(figure.unit) });
  return { ...rest, name: plain(name), ours: side(ours), theirs: side(theirs) };
}

/** All that is known of a run but for its linears one by one. */
export function runFacts(
  run: RunRecord,
  layers: readonly LinearSummary[],
  curve: readonly CurvePoint[] = [],
): string {
  const { plan, directory, backend } = run.manifest, { calibration } = plan;
  const sum = (of: (layer: LinearSummary) => number) => layers.reduce((all, layer) => all + of(layer), 0);
  const weights = sum(({ rows, cols }) => rows * cols);
  const errors = layers.flatMap(({ outputError }) => outputError ?? []);
  const facts: readonly (readonly [string, unknown])[] = [
    ["run", run.id],
    ["name", run.name],
    ["tags", run.tags.join(" ") || undefined],
    ["status", run.error === undefined ? run.status : `${run.status}: ${run.error}`],
    ["command", plan.kind],
    ["model", plan.model.name],
    ["method", plan.request.method],
    ["sparsity", plan.kind === "prune" ? asked(run) : undefined],
    [
      "calibration",
      calibration && `${calibration.sequences} x ${calibration.seqlen} tokens of ${calibration.description}`,
    ],
    [
      "linears",
      layers.length ? `${layers.length}, ${showShare(sum(({ zeros }) => zeros) / weights)} zeros` : undefined,
    ],
    [
      "output error",
      errors.length ? `${showShare(errors.reduce((a, b) => a + b) / errors.length)}, the mean over linears` : undefined,
    ],
    ...aboutCurve(curve),
    ["started", run.startedAt],
    ["ended", run.finishedAt],
    ["took", Object.entries(run.phases).map(([phase, seconds]) => `${phase} ${showSeconds(seconds)}`).join(", ")],
    ["peak memory", run.peakBytes && showBytes(run.peakBytes)],
    [plan.backend ? "backend" : "machine", backend],
    ["output", run.out],
    ["given in", directory],
  ];
  const known = facts.filter(([, value]) => value !== undefined && value !== "");
  const perplexities = run.perplexities.map(({ label, perplexity, evaluation }) => {
    const { description, sequences, seqlen, protocol } = evaluation;
    return [label, digits(perplexity), `${seqlen}`, `${sequences}`, description, protocol ?? "-"].map(plain);
  });
  const tasks = [...Map.groupBy(run.tasks, ({ label }) => label)].map(([label, records]) => {
    const shown = tableOf(records.map((record) => ({ ...record, name: plain(record.name) })));
    return plan.kind === "compare"
      ? `${plain(label)}:
${shown}`
      : shown;
  });
  return [
    known.map(([what, value]) => `${what.padEnd(14)}${plain(value)}`).join("\n"),
    ...run.note === undefined ? [] : [run.note],
    ...perplexities.length
      ? [table(["of", "perplexity", "seqlen", "windows", "corpus", "protocol"], perplexities)]
      : [],
    ...tasks,
    ...run.ratios?.length ? [ratioTable(run.ratios.map(plainRatio))] : [],
    ...(run.texts ?? []).map(({ prompt, text }) => `${plain(prompt)} …\n${text.split("\n").map(plain).join("\n")}`),
  ].join("\n\n");
}
