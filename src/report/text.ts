/** A comparison as Markdown and as CSV. */
import { showBytes, showShare } from "../cli/units.ts";
import type { Comparison, Protocol, Row } from "./results.ts";

const HEADING = ["method", "sparsity", "zeros", "perplexity", "metric (s)", "in all (s)", "peak memory"];

function cells({ method, asked, sparsity, perplexity, metricSeconds, seconds, peakBytes }: Row): string[] {
  const fixed = (number: number | undefined, digits: number) => number === undefined ? "" : number.toFixed(digits);
  return [
    method,
    asked,
    showShare(sparsity),
    perplexity.toFixed(2),
    fixed(metricSeconds, 2),
    fixed(seconds, 1),
    peakBytes === undefined ? "" : showBytes(peakBytes),
  ];
}

function protocol({ description, sequences, seqlen, sha256 }: Protocol): string {
  return `${sequences} x ${seqlen} tokens of ${description} (SHA-256 ${sha256})`;
}

/** A table in Markdown; the first column is text, the others numbers. */
function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heading), line(heading.map((_, i) => i ? "---:" : "---")), ...rows.map(line)].join("\n");
}

/** What stands under every table. */
export function captions({ evaluation, calibration }: Comparison): string[] {
  return [
    `Perplexity: ${protocol(evaluation)}.`,
    ...calibration ? [`Calibration: ${protocol(calibration)}.`] : [],
    "Metric: scoring, masking and solving, of all linears. In all: observing and propagating as well. Peak memory: the " +
    "most that was seen in use while the model was pruned.",
  ];
}

/** The rows of the table, for any renderer. */
export function tableOf({ rows }: Comparison): { heading: readonly string[]; rows: readonly (readonly string[])[] } {
  return { heading: HEADING, rows: rows.map(cells) };
}

/** The rows of the table by number of calibration sequences. */
export function sampleTableOf(
  comparison: Comparison,
): { heading: readonly string[]; rows: readonly (readonly string[])[] } {
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

/** The whole comparison in Markdown; the plots stand beside it under these names. */
export function toMarkdown(
  comparison: Comparison,
  plots: { readonly sparsity: string; readonly samples?: string },
): string {
  const { heading, rows } = tableOf(comparison), parts = [`# ${comparison.model}`, markdownTable(heading, rows)];
  parts.push(...captions(comparison), `![perplexity against sparsity](${plots.sparsity})`);
  if (comparison.samples && plots.samples) {
    const samples = sampleTableOf(comparison);
    parts.push(
      `## Calibration sequences (${comparison.samples.asked})`,
      markdownTable(samples.heading, samples.rows),
      `![perplexity by calibration sequences](${plots.samples})`,
    );
  }
  return `${parts.join("\n\n")}\n`;
}

/** The rows as CSV (RFC 4180), numbers in full. */
export function toCsv({ rows, evaluation }: Comparison): string {
  const heading = ["method", "asked", "sparsity", "perplexity", "metric_seconds", "seconds", "peak_bytes"];
  const context = ["windows", "seqlen", "corpus", "corpus_sha256"];
  const lines = rows.map(({ method, asked, sparsity, perplexity, metricSeconds, seconds, peakBytes }) => [
    ...[method, asked, sparsity, perplexity, metricSeconds, seconds, peakBytes],
    ...[evaluation.sequences, evaluation.seqlen, evaluation.description, evaluation.sha256],
  ]);
  return [[...heading, ...context], ...lines].map((line) => line.map(field).join(",") + "\r\n").join("");
}

function field(value: string | number | undefined): string {
  const text = `${value ?? ""}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
