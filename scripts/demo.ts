/**
 * `deno task demo`: the whole pipeline on a real model in less than a minute. Austen-700K, a LLaMA of six blocks trained
 * on Jane Austen's novels, is pruned by magnitude and by Wanda; every model is written, read back and evaluated on a
 * chapter that it has not seen; the dense one and Wanda's write a paragraph.
 */
import { join } from "node:path";
import { demoCommand } from "../src/cli/demo_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showSeconds, showShare } from "../src/cli/units.ts";
import {
  type Backend,
  calibrationSequences,
  createWriter,
  evaluate,
  evaluationWindows,
  findMethod,
  generate,
  GREEDY,
  loadTokenizer,
  makeRequest,
  openBackend,
  openCheckpoint,
  prune,
  readSpec,
  ResidentModel,
} from "../src/mod.ts";

const FIXTURES = new URL("../tests/fixtures/", import.meta.url).pathname;
const MODEL = join(FIXTURES, "models", "Austen-700K"), HELD_OUT = join(FIXTURES, "data", "austen-heldout.txt");
/** The length of the model's training sequences, and calibration enough for its perplexity to settle. */
const SEQLEN = 256, SAMPLES = 32;
const SPARSITY = 0.5;
const PROMPT = "Anne had never been more";
/** Warm enough to be lively, cool enough to keep to words. */
const SAMPLING = { ...GREEDY, temperature: 0.7, topK: 40, seed: 1 }, TOKENS = 110;

/** What a model scores and writes. */
async function examine(
  path: string,
  backend: Backend,
  signal: AbortSignal,
): Promise<{ perplexity: number; sparsity: number; paragraph: string; windows: number }> {
  await using checkpoint = await openCheckpoint(path);
  const { vocabulary } = readSpec(checkpoint);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), path);
  const windows = await evaluationWindows(HELD_OUT, {
    tokenizer: () => Promise.resolve(tokenizer),
    vocabulary,
    seqlen: SEQLEN,
  });
  const found = await evaluate(windows, { checkpoint, backend, signal });
  const prompt = tokenizer.encode(PROMPT, { special: false });
  using model = await ResidentModel.open({ checkpoint, backend, signal });
  let paragraph = PROMPT;
  for await (const { text } of generate(model, [prompt], { sampling: SAMPLING, tokens: TOKENS, tokenizer, signal })) {
    paragraph += text;
  }
  return { ...found, windows: windows.windows, paragraph: paragraph.replace(/\s+/g, " ").trim() };
}

async function pruneInto(out: string, name: string, backend: Backend, signal: AbortSignal): Promise<void> {
  await using checkpoint = await openCheckpoint(MODEL);
  const { vocabulary } = readSpec(checkpoint);
  const method = findMethod(name);
  const calibration = await calibrationSequences("sample", {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), MODEL),
    vocabulary,
    samples: SAMPLES,
    seqlen: SEQLEN,
  });
  await using writer = await createWriter(checkpoint, out);
  const write = (name: string, bytes: Uint8Array) => writer.write(name, bytes);
  await prune({
    checkpoint,
    backend,
    method,
    request: makeRequest(method, { sparsity: SPARSITY }),
    calibration,
    write,
    signal,
  });
  await writer.finish();
}

/** A paragraph in lines of readable length. */
function wrap(text: string, width = 100): string {
  return text.replace(new RegExp(`(.{1,${width}})(?:\\s+|$)`, "g"), "  $1\n").trimEnd();
}

async function main(values: Values<typeof demoCommand.flags>, { terminal, signal }: Context): Promise<Outcome> {
  const start = performance.now();
  const out = values.out ?? await Deno.makeTempDir({ prefix: "pare-demo-" });
  await using unfinished = new AsyncDisposableStack();
  if (values.out === undefined) unfinished.defer(() => Deno.remove(out, { recursive: true }));
  await using backend = await openBackend(values.backend, { workers: values.workers });
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  const models: Record<string, string> = { dense: MODEL };
  for (const method of ["magnitude", "wanda"]) {
    models[method] = join(out, `austen-${method}-${SPARSITY}`);
    terminal.note(`pruning Austen-700K: ${method}, ${showShare(SPARSITY)} → ${models[method]}`);
    await pruneInto(models[method], method, backend, signal);
  }
  const found = new Map<string, Awaited<ReturnType<typeof examine>>>();
  for (const [name, path] of Object.entries(models)) {
    terminal.note(`evaluating: ${name}`);
    found.set(name, await examine(path, backend, signal));
  }
  unfinished.move(); // the models are the user's
  const seconds = (performance.now() - start) / 1000;
  const rows = [...found].map(([name, { perplexity, sparsity }]) => [name, showShare(sparsity), perplexity.toFixed(2)]);
  const paragraph = (name: string) => `${name}:\n${wrap(found.get(name)!.paragraph)}`;
  return {
    text: [
      `Perplexity on ${
        found.get("dense")!.windows
      } windows of ${SEQLEN} tokens of a chapter it has not seen (lower is better)`,
      table(["model", "sparsity", "perplexity"], rows),
      paragraph("dense"),
      paragraph("wanda"),
      `The pruned models are in ${out}; took ${showSeconds(seconds)}`,
    ].join("\n\n"),
    json: { model: MODEL, out, seqlen: SEQLEN, results: Object.fromEntries(found), seconds },
  };
}

/** What `pare demo` runs. */
export const program = [demoCommand, main] as const;

if (import.meta.main) await run(...program);
