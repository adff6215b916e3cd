/** What `--tasks` of `deno task eval` shows: the figures in a table and in the harness's form, and a line for every document. */
import { dirname, resolve } from "node:path";
import { replaceFile } from "../src/checkpoint/disk.ts";
import { systemError } from "../src/checkpoint/system_error.ts";
import { table } from "../src/cli/table.ts";
import { showSeconds } from "../src/cli/units.ts";
import { PareError, type StreamOptions } from "../src/mod.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";
import { toLmEval } from "../src/task/lm_eval.ts";
import type { Result } from "../src/task/results.ts";
import { answerExam, encodeExam, type EncodeOptions, type Exam, filesOf, logged, type TaskFlags } from "./exam.ts";

/** Asks a model, and sets what it answers in a table and in the harness's form. */
export async function askModel(
  exam: Exam,
  flags: TaskFlags,
  options: StreamOptions & EncodeOptions,
): Promise<{ text: string; json: Record<string, unknown> }> {
  const { checkpoint, backend } = options, start = performance.now();
  const encoded = await encodeExam(exam, checkpoint, flags.seqlen, options);
  const { documents, results, tokens, requestTokens, sparsity } = await answerExam(exam, encoded, options);
  if (flags.logSamples) writeSamples(flags.logSamples, documents.map((document) => JSON.stringify(logged(document))));
  const seconds = (performance.now() - start) / 1000;
  return {
    text: [
      tableOf(results),
      `${tokens} tokens for ${encoded.pairs.length} requests (${requestTokens} if each were on its own); ` +
      `took ${showSeconds(seconds)}`,
    ].join("\n"),
    json: {
      ...toLmEval(results),
      config: { model: checkpoint.path, limit: flags.limit ?? null, max_length: encoded.longest, sparsity },
      files: filesOf(exam),
      tokens,
      requestTokens,
      seconds,
      backend: { name: backend.name, description: backend.description },
    },
  };
}

/** Figures in a table; a metric that no task has gets no column. */
function tableOf(results: readonly Result[]): string {
  const metrics = (["acc", "acc_norm", "perplexity"] as const).filter((metric) =>
    results.some(({ figures }) => figures[metric])
  );
  const heading = ["task", ...metrics.flatMap((metric) => metric === "perplexity" ? [metric] : [metric, "±"])];
  const rows = results.map(({ name, figures, documents, total, shots, version, chance }) => [
    name,
    ...metrics.flatMap((metric) => {
      const figure = figures[metric], value = figure?.value.toFixed(4) ?? "-";
      return metric === "perplexity" ? [value] : [value, figure?.error?.toFixed(4) ?? "-"];
    }),
    chance?.toFixed(4) ?? "-",
    documents < total ? `${documents} of ${total}` : `${documents}`,
    shots === undefined ? "-" : `${shots}`,
    `${version}`,
  ]);
  return table([...heading, "chance", "n", "shots", "version"], rows);
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

/** @throws PareError if the disk does not take it. */
function writeSamples(path: string, lines: readonly string[]): void {
  try {
    replaceFile(path, lines.join("\n") + "\n");
  } catch (error) {
    throw systemError("write", path, error);
  }
}
