/** What is shown of benchmarks: their figures in a table, and a line for every document in a file. */
import { dirname, resolve } from "node:path";
import { replaceFile } from "../../src/checkpoint/disk.ts";
import { systemError } from "../../src/checkpoint/system_error.ts";
import { table } from "../../src/cli/table.ts";
import { showPart } from "../../src/cli/units.ts";
import { insteadOf, UNSEEN } from "../../src/errors.ts";
import { logged, PareError, type Questions, type Result } from "../../src/mod.ts";
import type { DocumentRecord } from "../../src/run/record.ts";
import { METRICS } from "../../src/task/task.ts";

/** Figures in a table; a metric that no task has gets no column, nor does what requests were cut to where none was. */
export function tableOf(results: readonly Result[]): string {
  const metrics = METRICS.filter((metric) => results.some(({ figures }) => figures[metric]));
  const isCut = results.some(({ longest }) => longest !== undefined);
  const heading = ["task", ...metrics.flatMap((metric) => metric === "perplexity" ? [metric] : [metric, "±"])];
  const rows = results.map(({ name, figures, chance, documents, total, shots, version, longest }) => [
    name,
    ...metrics.flatMap((metric) => {
      const figure = figures[metric], value = figure?.value.toFixed(4) ?? "-";
      return metric === "perplexity" ? [value] : [value, figure?.error?.toFixed(4) ?? "-"];
    }),
    chance?.toFixed(4) ?? "-",
    showPart(documents, total),
    shots === undefined ? "-" : `${shots}`,
    `${version}`,
    ...isCut ? [longest === undefined ? "-" : `${longest} tokens`] : [],
  ]);
  return table([...heading, "chance", "n", "shots", "version", ...isCut ? ["cut to"] : []], rows);
}

/**
 * Where the samples are logged, as a path that does not depend on where one stands.
 * @throws PareError if no file can be there.
 */
export async function samplesFile(path: string): Promise<string> {
  const file = resolve(path);
  const folder = await Deno.stat(dirname(file)).catch(insteadOf(UNSEEN, undefined));
  if (!folder?.isDirectory) throw new PareError(`--log-samples ${path}: ${dirname(file)} is no folder`);
  const there = await Deno.lstat(file).catch(insteadOf(UNSEEN, undefined));
  if (there && !there.isFile) throw new PareError(`--log-samples ${path}: what is there is no file`);
  return file;
}

/**
 * Logs what every document gave.
 * @param documents Those of a task, in the order of its questions.
 * @throws PareError if the disk does not take it.
 */
export function logSamples(
  path: string,
  questions: readonly Questions[],
  documents: (task: string) => readonly DocumentRecord[],
): void {
  const lines = questions.flatMap(({ task: { name }, key }) =>
    documents(name).map((document, id) => {
      const { target } = key.at(id);
      return `${JSON.stringify(logged({ task: name, id, target, ...document }))}\n`;
    })
  );
  try {
    replaceFile(path, lines.join(""));
  } catch (error) {
    throw systemError("write", path, error);
  }
}
