/** What a `finetune` is about to do: all that its flags name, opened, packed and put on the backend, and the manifest of it. */
import { completeFlags, type finetuneCommand, type FinetuneValues } from "../../src/cli/finetune_command.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import { loadTokenizer, type ModelSpec, openBackend, openCheckpoint, readSpec } from "../../src/mod.ts";
import { packWindows } from "../../src/text/packed.ts";
import { WholeModel } from "../../src/tune/full.ts";
import { LoraAdapters } from "../../src/tune/lora.ts";
import { readMasks } from "../../src/tune/masks.ts";
import { tunedLinears } from "../../src/tune/targets.ts";
import type { Trainee } from "../../src/tune/trainee.ts";
import { corpusOf, describeRun } from "../../src/run/describe.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { MANIFEST_FILE } from "../../src/run/manifest.ts";
import type { Manifest } from "../../src/run/record.ts";
import { downloads, fetching, isFile } from "../shared/common.ts";
import { PermissionSet } from "../shared/sandbox.ts";

/** The flags as they are given, and what the launcher has found. */
export type Given = Values<typeof finetuneCommand.flags> & {
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly calibrationFile?: string;
  readonly replaces?: readonly string[];
};

/** Windows of the published experiments. */
const SEQLEN = 1024;

/** Hidden states of windows that go through the model together take at most so much where one window does not take more. */
const HIDDEN_BYTES = 64 << 20;

/** Fetches what the run needs, and says what it may touch. */
export async function enter(given: Given, { terminal }: Context) {
  const values = completeFlags(given), allowed = new PermissionSet(), fetches = fetching(terminal);
  labelsOf(values);
  const model = await allowed.model(values.model, fetches);
  const corpus = await allowed.corpus(values.calibration, "train", fetches);
  const replaces: string[] = [];
  for (const out of [values.out, values.adapter]) {
    if (out === undefined) continue;
    const there = await isFile(`${out}/${MANIFEST_FILE}`);
    const lost = allowed.output(out, model, values.force, there, !values.dryRun);
    if (lost) replaces.push(lost);
  }
  if (values.mask !== undefined) allowed.read(values.mask);
  return {
    values: {
      ...given,
      model,
      calibration: corpus.name,
      calibrationFile: corpus.file,
      spoolFile: allowed.spool(values.spool),
      registry: values.dryRun ? undefined : allowed.registry(values.runs),
      replaces,
    },
    permissions: allowed.permissions,
  };
}

/** Windows that go through the model together: as many as leave the hidden states at all blocks' bounds small. */
function microBatchOf(values: FinetuneValues, spec: ModelSpec, length: number): number {
  const each = length * spec.hidden * Float32Array.BYTES_PER_ELEMENT * (spec.blocks.length + 1);
  return Math.min(values.batch, values.microBatch ?? Math.max(1, Math.floor(HIDDEN_BYTES / each)));
}

/** Opens all that the flags name. */
export async function prepare(given: Given, values: FinetuneValues, { terminal }: Context) {
  await using opened = new AsyncDisposableStack();
  const checkpoint = opened.use(await openCheckpoint(values.model)), spec = readSpec(checkpoint);
  const linears = values.mode === "lora" ? tunedLinears(spec, values.targets) : [];
  if (values.calibration === "sample") {
    terminal.note("training text: a few chapters of Austen that come with Pare; for results to publish use c4");
  }
  const text = await packWindows(values.calibration, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    seqlen: values.seqlen ?? Math.min(SEQLEN, spec.maxLength),
    windows: values.samples,
    heldOut: values.evalWindows,
    onProgress: downloads(terminal),
  });
  const backend = opened.use(await openBackend(values.backend, { workers: values.workers }));
  const masks = opened.use(
    await readMasks(backend, checkpoint, spec, { dense: values.dense, file: values.mask }),
  );
  const microBatch = microBatchOf(values, spec, text.length);
  const steps = values.steps ?? Math.max(1, Math.floor(text.windows / values.batch));
  const held = opened.move(); // they are the caller's
  return {
    ...{ checkpoint, spec, backend, linears, text, masks, microBatch, steps },
    spool: { always: values.spool !== undefined, file: given.spoolFile },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A training that is about to begin. */
export type Prepared = Awaited<ReturnType<typeof prepare>>;

/** What is trained. */
export async function openTrainee(task: Prepared, values: FinetuneValues): Promise<Trainee> {
  const { backend, checkpoint, spec, linears, masks } = task, mask = (linear: string) => masks.get(linear);
  if (values.mode === "full") return await WholeModel.open(backend, checkpoint, spec, mask);
  const { rank, alpha, dropout, seed, unmasked } = values;
  // Kept inside the masks, unless that is not wanted.
  return new LoraAdapters(backend, checkpoint, linears, {
    ...{ rank, alpha, dropout, seed },
    mask: unmasked ? () => undefined : mask,
  });
}

/** The manifest of a training. */
export async function describe(
  { checkpoint, backend, text, microBatch, steps, linears }: Prepared,
  given: Given,
  values: FinetuneValues,
  { args }: Context,
): Promise<Manifest> {
  const { mode, batch, rate, warmup, decay, weightDecay, beta1, beta2, epsilon, clip, evalEvery, evalWindows } = values;
  const { rank, alpha, dropout, unmasked, dense, seed } = values,
    { description, length, windows: sequences, sha256 } = text;
  return await describeRun({
    kind: "finetune",
    checkpoint,
    backend,
    files: [given.calibrationFile, values.mask].filter((path) => path !== undefined),
    request: {
      ...{ method: mode, batch, microBatch, steps, rate, warmup, decay, weightDecay, beta1, beta2, epsilon, clip },
      ...{ evalEvery, evalWindows, seed },
      ...mode === "lora" && { rank, alpha, dropout, unmasked, targets: linears.map(({ name }) => name) },
      ...dense && { dense },
      ...values.hours < Infinity && { hours: values.hours },
    },
    calibration: corpusOf({ description, length, sequences, sha256 }),
    evaluation: {
      ...corpusOf({ description, length, sequences: evalWindows, sha256: text.heldOutSha256 }),
      protocol: "the first windows of the training text, held out",
    },
  }, args);
}
