/** What `compare` says of what it found: files beside each other, and the same tables on the terminal. */
import { table } from "../../src/cli/table.ts";
import { headline } from "../../src/report/benchmarks.ts";
import { plotAccuracy, plotSamples, plotSparsity } from "../../src/report/plot.ts";
import type { Comparison, Table } from "../../src/report/results.ts";
import {
  benchmarksToCsv,
  benchmarkTables,
  captions,
  type Plots,
  sampleTableOf,
  tableOf,
  toCsv,
  toMarkdown,
} from "../../src/report/text.ts";

/** Writes all forms of a comparison into a folder. */
export async function write(comparison: Comparison, folder: string): Promise<void> {
  const { evaluation, data, rows: [dense], samples } = comparison;
  const plots: Plots = {
    ...evaluation && { sparsity: "compare.svg" },
    ...headline(dense) && { accuracy: "tasks.svg" },
    ...samples && { samples: "samples.svg" },
  };
  const file = (name: string, content: string) => Deno.writeTextFile(`${folder}/${name}`, content);
  await file("compare.md", toMarkdown(comparison, plots));
  await file("compare.csv", toCsv(comparison));
  await file("compare.json", `${JSON.stringify(comparison, undefined, 2)}\n`);
  if (data) await file("tasks.csv", benchmarksToCsv(comparison));
  if (plots.sparsity) await file(plots.sparsity, plotSparsity(comparison));
  if (plots.accuracy) await file(plots.accuracy, plotAccuracy(comparison));
  if (plots.samples) await file(plots.samples, plotSamples(samples!.points));
}

/** The tables as a terminal shows them. */
export function tell(comparison: Comparison): string {
  const shown = ({ heading, rows }: Table) => table(heading, rows);
  return [
    shown(tableOf(comparison)),
    ...benchmarkTables(comparison).map(({ title, table }) => `${title}\n\n${shown(table)}`),
    ...comparison.samples ? [shown(sampleTableOf(comparison))] : [],
    captions(comparison).join("\n"),
  ].join("\n\n");
}
