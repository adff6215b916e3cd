/** `deno task eval`: perplexity of a model, beside the three things without which it means nothing. */
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
  readShape,
} from "../src/mod.ts";
import { MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { corpusOf, describeRun, Recorder } from "./record.ts";
import { Reach } from "./sandbox.ts";
import { defaultSeqlen, downloads } from "./shared.ts";

/** The flags as they are given, and what the launcher has found: files by their paths. */
type Given = Values<typeof evalCommand.flags> & {
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly corpusFile?: string;
};

/** Fetches what the evaluation needs, and says what it may touch. */
export async function enter(given: Given, { terminal }: Context) {
  if (given.corpus && given.tokens) throw new PareError("--corpus and --tokens exclude each other");
  const reach = new Reach(), fetching = { onProgress: downloads(terminal) };
  const model = await reach.model(given.model, fetching);
  if (given.tokens) reach.read(given.tokens);
  const corpus = given.tokens ? undefined : await reach.corpus(given.corpus ?? "wikitext2", "test", fetching);
  return {
    values: {
      ...given,
      model,
      corpus: corpus?.name,
      corpusFile: given.tokens ?? corpus?.path,
      spoolFile: reach.spool(given.spool),
      registry: reach.registry(given.runs),
    },
    permissions: reach.permissions,
  };
}

/** The evaluation itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  await using checkpoint = await openCheckpoint(values.model);
  const shape = readShape(checkpoint);
  const windows = await evaluationWindows(values.tokens ?? values.corpus!, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: shape.vocabulary,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(shape),
    windows: values.windows,
  });
  await using backend = await openBackend(values.backend, { workers: values.workers });
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  const { description: corpus, length: seqlen, windows: count, sha256 } = windows;
  const evaluation = corpusOf(windows);
  const manifest = await describeRun(
    { kind: "eval", checkpoint, backend, files: [values.corpusFile!], request: {}, evaluation },
    context,
  );
  using recorder = Recorder.begin(values.registry, manifest, undefined);
  try {
    const { perplexity, sparsity } = await evaluate(
      { ids: windows.ids, sequences: windows.windows, length: windows.length },
      {
        checkpoint,
        backend,
        signal,
        spool: { always: values.spool !== undefined, file: values.spoolFile },
        onProgress: ({ phase, block, blocks, tokens, totalTokens }) => {
          recorder.progress({ phase, block, blocks, done: tokens, total: totalTokens });
          terminal.progress({
            label: `block ${block + 1} of ${blocks}`,
            done: tokens,
            total: totalTokens,
            unit: "tokens",
          });
        },
      },
    );
    const seconds = (performance.now() - start) / 1000, peakBytes = await context.peakMemory();
    const pruned = await checkpoint.readText(MANIFEST_FILE);
    const record = { label: pruned === undefined ? "dense" : "pruned", perplexity, evaluation };
    recorder.perplexity(record);
    // A model that Pare has pruned here: its own run shows what it cost.
    if (pruned !== undefined) recorder.perplexityOf(parseManifest(pruned, MANIFEST_FILE).planId, record);
    recorder.finish({ eval: seconds }, peakBytes);
    return {
      text: [
        table(["perplexity", "seqlen", "windows", "sparsity", "corpus"], [
          [perplexity.toFixed(4), `${seqlen}`, `${count}`, showShare(sparsity), corpus],
        ]),
        `SHA-256 of the corpus: ${sha256}`,
        `took ${showSeconds(seconds)}; run ${recorder.id}`,
      ].join("\n"),
      json: {
        model: checkpoint.path,
        run: recorder.id,
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
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

if (import.meta.main) await run(evalCommand, main, { module: import.meta.url, enter });
