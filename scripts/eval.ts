/** `deno task eval`: perplexity of a model, beside the three things without which it means nothing. */
import { join } from "node:path";
import { disk, replaceFile } from "../src/checkpoint/disk.ts";
import { evalCommand } from "../src/cli/eval_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showSeconds, showShare } from "../src/cli/units.ts";
import {
  evaluate,
  evaluationWindows,
  loadTokenizer,
  openBackend,
  openCheckpoint,
  PareError,
  readSpec,
} from "../src/mod.ts";
import { CARD_FILE, withPerplexities } from "../src/run/card.ts";
import { MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import type { PerplexityRecord } from "../src/run/record.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { isUnchanged, labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { Reach } from "./sandbox.ts";
import { encoding, enterExam, readExam, type TaskFlags } from "./exam.ts";
import { askModel, samplesFile } from "./tasks.ts";
import { blockPosition, corpusAsked, defaultSeqlen, fetching, isFile } from "./shared.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";

/** The flags as they are given, and what the launcher has found: files by their paths. */
type Given = Values<typeof evalCommand.flags> & {
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly corpusFile?: string;
  readonly taskFiles?: TaskFlags["taskFiles"];
};

/** The next version of a model's card, until it is whole. */
const NEW_CARD = `.${CARD_FILE}.partial`;

/** Writes perplexities into a model's card. @throws PareError if that is not possible; the card is then as it was. */
async function addToCard(model: string, perplexities: readonly PerplexityRecord[]): Promise<void> {
  const path = join(model, CARD_FILE), next = join(model, NEW_CARD);
  try {
    replaceFile(next, withPerplexities(await Deno.readTextFile(path), perplexities));
    await disk.sync(next);
    disk.rename(next, path);
    await disk.sync(model);
  } catch (error) {
    await Deno.remove(next).catch(insteadOf(UNSEEN, undefined)); // else it is told why
    if (Object(error).code === undefined && !(error instanceof PareError)) throw error;
    throw new PareError(`--card: ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Fetches what the evaluation needs, and says what it may touch. */
export async function enter(given: Given, { terminal }: Context) {
  labelsOf(given);
  const reach = new Reach(), fetches = fetching(terminal);
  const taskFiles = await enterExam(given, reach, fetches);
  const logSamples = given.logSamples === undefined ? undefined : await samplesFile(given.logSamples);
  if (logSamples !== undefined) reach.replace(logSamples);
  const model = await reach.model(given.model, fetches);
  const named = corpusAsked(given);
  if (named === undefined) {
    if (given.card) throw new PareError("--card is for a perplexity: name a --corpus");
    if (!isUnchanged(labelsOf(given))) {
      throw new PareError("--name, --tag and --note are for a run, and benchmarks alone are not recorded");
    }
  }
  const corpus = named === undefined ? undefined : await reach.corpus(named, "test", fetches);
  if (given.card) {
    if (!await isFile(join(model, MANIFEST_FILE))) {
      throw new PareError(`--card: ${given.model} has no ${MANIFEST_FILE}: it is no model that Pare has pruned`);
    }
    for (const name of [CARD_FILE, NEW_CARD]) reach.replace(join(model, name));
  }
  return {
    values: {
      ...given,
      model,
      tokens: undefined,
      taskFiles,
      corpus: corpus?.name,
      corpusFile: corpus?.file,
      logSamples,
      spoolFile: reach.spool(given.spool),
      registry: reach.registry(given.runs),
    },
    permissions: reach.permissions,
  };
}

/** The evaluation itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  if (values.tasks === undefined) return await measure(values, context);
  // What is wrong with the data is said before hours of work.
  const exam = await readExam(values);
  const perplexity = values.corpus === undefined ? undefined : await measure(values, context);
  const { terminal, signal } = context;
  await using checkpoint = await openCheckpoint(values.model);
  await using backend = await openBackend(values.backend, { workers: values.workers });
  if (!perplexity) terminal.note(`backend: ${backend.name} (${backend.description})`);
  const { text, json } = await askModel(exam, values, {
    checkpoint,
    backend,
    signal,
    spool: { always: values.spool !== undefined, file: values.spoolFile },
    onProgress: (progress) => terminal.progress(blockPosition(progress, "tasks")),
    onEncoded: (done, total) => terminal.progress(encoding(done, total)),
  });
  return {
    text: [...perplexity ? [perplexity.text, ""] : [], text].join("\n"),
    json: { ...json, ...perplexity && { perplexity: perplexity.json } },
  };
}

/** The perplexity. */
async function measure(values: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  await using checkpoint = await openCheckpoint(values.model);
  const spec = readSpec(checkpoint);
  const windows = await evaluationWindows(values.corpus!, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(spec),
    windows: values.windows,
  });
  await using backend = await openBackend(values.backend, { workers: values.workers });
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  const { description: corpus, length: seqlen, windows: count, sha256 } = windows;
  const manifest = await describeRun(
    {
      kind: "eval",
      checkpoint,
      backend,
      files: values.corpusFile === undefined ? [] : [values.corpusFile],
      request: {},
      evaluation: corpusOf(windows),
    },
    context.args,
  );
  const evaluation = manifest.plan.evaluation!;
  const pruned = await checkpoint.readText(MANIFEST_FILE);
  const base = pruned === undefined ? undefined : parseManifest(pruned, MANIFEST_FILE);
  const before = values.force ? undefined : Recorder.done(values.registry, manifest);
  const known = before?.perplexities.find(({ sparsity }) => sparsity !== undefined);
  const { record, run, seconds, peakBytes } = known
    ? { record: known, run: before!.id, seconds: before!.phases.eval, peakBytes: before!.peakBytes }
    : await work();
  if (known) Recorder.label(values.registry, manifest.planId, labelsOf(values));
  if (values.card) {
    const dense = Recorder.measured(values.registry, base!.plan.model.sha256, evaluation);
    await addToCard(checkpoint.path, [...dense ? [dense] : [], record]);
  }
  const { perplexity } = record, sparsity = record.sparsity!;
  return {
    text: [
      table(["perplexity", "seqlen", "windows", "sparsity", "corpus"], [
        [perplexity.toFixed(4), `${seqlen}`, `${count}`, showShare(sparsity), corpus],
      ]),
      `SHA-256 of the corpus: ${sha256}`,
      known
        ? `evaluated before, ${before!.finishedAt}; run ${run}; --force evaluates again`
        : `took ${showSeconds(seconds)}; run ${run}`,
    ].join("\n"),
    json: {
      model: checkpoint.path,
      run,
      ...known && { done: true },
      perplexity,
      windows: count,
      seqlen,
      corpus,
      sha256,
      sparsity,
      backend: { name: backend.name, description: backend.description },
      seconds,
      peakBytes,
    },
  };

  /** Evaluates, and records it. */
  async function work() {
    using recorder = Recorder.begin(values.registry, manifest, { labels: labelsOf(values) });
    try {
      const { perplexity, sparsity } = await evaluate(
        windows,
        {
          checkpoint,
          backend,
          signal,
          spool: { always: values.spool !== undefined, file: values.spoolFile },
          onProgress: (progress) => {
            const { phase, block, blocks, tokens, totalTokens } = progress;
            recorder.progress({ phase, block, blocks, done: tokens, total: totalTokens });
            terminal.progress(blockPosition(progress));
          },
        },
      );
      const seconds = (performance.now() - start) / 1000, peakBytes = await context.peakMemory();
      const record: PerplexityRecord = { label: base ? "pruned" : "dense", perplexity, evaluation, sparsity };
      recorder.perplexity(record);
      // A model that Pare has pruned here: its own run shows what it cost.
      if (base) recorder.perplexityOf(base.planId, record);
      recorder.finish({ eval: seconds }, peakBytes);
      return { record, run: recorder.id, seconds, peakBytes };
    } catch (error) {
      recorder.fail(error, signal.aborted);
      throw error;
    }
  }
}

/** What `pare eval` runs. */
export const program = [evalCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
