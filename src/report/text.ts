/** A comparison as Markdown and as CSV. */
import { showBytes, showShare } from "../cli/units.ts";
import {
  benchmarkCaption,
  differenceTable,
  FIGURE_HEADING,
  figures,
  headline,
  meanTable,
  perplexityTable,
  show,
  taskTables,
  titleOf,
} from "./benchmarks.ts";
import type { Comparison, Protocol, Row, Table } from "./results.ts";

/** @param decodes Whether text was asked for: of some rows it is not written. */
function cells(row: Row, decodes: boolean): string[] {
  const { method, asked, sparsity, perplexity, decode, metricSeconds, seconds, cpuSeconds, peakBytes } = row,
    benchmark = headline(row);
  const fixed = (number: number | undefined, digits: number) => number === undefined ? "" : number.toFixed(digits);
  return [
    method,
    asked,
    showShare(sparsity),
    ...perplexity === undefined ? [] : [fixed(perplexity, 2)],
    ...benchmark ? [show("acc", benchmark.figures.acc)] : [],
    ...decodes
      ? [
        decode?.kinds.join(", ") ?? "",
        fixed(decode?.tokensPerSecond, 1),
        ...[decode?.bytesPerToken, decode?.packedBytes].map((bytes) => bytes === undefined ? "" : showBytes(bytes)),
      ]
      : [],
    fixed(metricSeconds, 2),
    fixed(seconds, 1),
    fixed(cpuSeconds, 1),
    peakBytes === undefined ? "" : showBytes(peakBytes),
  ];
}

function protocol({ description, sequences, seqlen, sha256, protocol }: Protocol): string {
  const how = protocol === undefined ? "" : `, ${protocol}`;
  return `${sequences} x ${seqlen} tokens of ${description}${how} (SHA-256 ${sha256})`;
}

/** A table in Markdown; the first column is text, the others numbers. */
function markdownTable({ heading, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heading), line(heading.map((_, i) => i ? "---:" : "---")), ...rows.map(line)].join("\n");
}

/** What stands under every table. */
export function captions(comparison: Comparison): string[] {
  const { evaluation, calibration, data } = comparison;
  return [
    ...evaluation ? [`Perplexity: ${protocol(evaluation)}.`] : [],
    ...data ? [benchmarkCaption(comparison)] : [],
    ...calibration ? [`Calibration: ${protocol(calibration)}.`] : [],
    ...comparison.finetune ? [comparison.finetune] : [],
    ...comparison.rows[0].decode
      ? [
        "Text: token by token, greedy, the median of some texts; zeros are not stored where that takes fewer bytes. Read a " +
        "token: weights. Packed: all tensors, in Pare's packed file.",
      ]
      : [],
    "Metric: scoring, masking and solving, of all linears. In all: observing and propagating as well. CPU: what all " +
    "threads computed meanwhile, but for an observation that several methods share. Peak memory: the most that was seen in " +
    "use while the model was pruned.",
  ];
}

/** The table of all models. */
export function tableOf({ rows }: Comparison): Table {
  const [{ perplexity, decode }] = rows, benchmark = headline(rows[0]);
  const measured = [
    ...perplexity === undefined ? [] : ["perplexity"],
    ...benchmark ? [`${titleOf(benchmark)} acc (%)`] : [],
    ...decode ? ["weights", "tokens/s", "read a token", "packed"] : [],
  ];
  return {
    heading: ["method", "sparsity", "zeros", ...measured, "metric (s)", "in all (s)", "CPU (s)", "peak memory"],
    rows: rows.map((row) => cells(row, decode !== undefined)),
  };
}

/** The tables of benchmarks, if there were any, each under its title. */
export function benchmarkTables(comparison: Comparison): { readonly title: string; readonly table: Table }[] {
  const mean = meanTable(comparison), difference = differenceTable(comparison);
  const perplexities = comparison.finetune && perplexityTable(comparison);
  return [
    ...perplexities ? [{ title: "Perplexity by method and sparsity", table: perplexities }] : [],
    ...mean ? [{ title: "Accuracy by method and sparsity", table: mean }] : [],
    ...difference ? [{ title: "Against the dense model, paired by question", table: difference }] : [],
    ...taskTables(comparison).map(({ metric, table }) => ({ title: `Every benchmark: ${metric}`, table })),
  ];
}

/** The rows of the table by number of calibration sequences. */
export function sampleTableOf(comparison: Comparison): Table {
  const { points = [], seeds = [] } = comparison.samples ?? {};
  return {
    heading: ["method", "samples", "mean perplexity", "deviation", ...seeds.map((seed) => `seed ${seed}`)],
    rows: points.map(({ method, samples, mean, deviation, perplexities }) => [
      method,
      `${samples}`,
      mean.toFixed(2),
      deviation.toFixed(2),
      ...perplexities.map((perplexity) => perplexity.toFixed(2)),
    ]),
  };
}

/** The pictures of a comparison by their files' names. */
export interface Plots {
  /** Perplexity against sparsity. */
  readonly sparsity?: string;
  /** Accuracy against sparsity. */
  readonly accuracy?: string;
  /** Perplexity by the number of calibration sequences. */
  readonly samples?: string;
}

/** The whole comparison in Markdown; the plots stand beside it under these names. */
export function toMarkdown(comparison: Comparison, plots: Plots): string {
  const parts = [`# ${comparison.model}`, markdownTable(tableOf(comparison)), ...captions(comparison)];
  if (plots.sparsity) parts.push(`![perplexity against sparsity](${plots.sparsity})`);
  for (const { title, table } of benchmarkTables(comparison)) parts.push(`## ${title}`, markdownTable(table));
  if (plots.accuracy) parts.push(`![accuracy against sparsity](${plots.accuracy})`);
  if (comparison.samples && plots.samples) {
    parts.push(
      `## Calibration sequences (${comparison.samples.asked})`,
      markdownTable(sampleTableOf(comparison)),
      `![perplexity by calibration sequences](${plots.samples})`,
    );
  }
  return `${parts.join("\n\n")}\n`;
}

/** The rows as CSV (RFC 4180), numbers in full. */
export function toCsv({ rows, evaluation }: Comparison): string {
  const heading = [
    "method",
    "asked",
    "sparsity",
    "perplexity",
    "metric_seconds",
    "seconds",
    "cpu_seconds",
    "peak_bytes",
  ];
  const text = rows[0].decode ? ["tokens_per_second", "bytes_per_token", "packed_bytes"] : [];
  const context = ["windows", "seqlen", "corpus", "corpus_sha256"];
  const lines = rows.map((
    { method, asked, sparsity, perplexity, decode, metricSeconds, seconds, cpuSeconds, peakBytes },
  ) => [
    ...[method, asked, sparsity, perplexity, metricSeconds, seconds, cpuSeconds, peakBytes],
    ...rows[0].decode ? [decode?.tokensPerSecond, decode?.bytesPerToken, decode?.packedBytes] : [],
    ...[evaluation?.sequences, evaluation?.seqlen, evaluation?.description, evaluation?.sha256],
  ]);
  return csv([[...heading, ...text, ...context], ...lines]);
}

/** The figures of benchmarks as CSV, one a line. */
export function benchmarksToCsv(comparison: Comparison): string {
  return csv([FIGURE_HEADING, ...figures(comparison)]);
}

function csv(lines: readonly (readonly (string | number | undefined)[])[]): string {
  return lines.map((line) => line.map(field).join(",") + "\r\n").join("");
}

function field(value: string | number | undefined): string {
  const text = `${value ?? ""}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
