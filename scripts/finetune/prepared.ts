/** What a `finetune` is about to do: all that its flags name, opened, packed and put on the backend, and the manifest of it. */
import { basename, join } from "node:path";
import { completeFlags, type finetuneCommand, type FinetuneValues } from "../../src/cli/finetune_command.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import {
  ADAPTER_MODEL,
  chooseTargets,
  goesToFile,
  isRemote,
  loadTokenizer,
  type ModelSpec,
  openBackend,
  openCheckpoint,
  PareError,
  precisionFor,
  readMasks,
  readSpec,
  reconstructionRate,
  tunedLinears,
} from "../../src/mod.ts";
import { packWindows } from "../../src/text/packed.ts";
import { CARD_FILE } from "../../src/run/card.ts";
import { corpusOf, describeRun, modelName } from "../../src/run/describe.ts";
import { digestFile, digestModel } from "../../src/run/digest.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { MANIFEST_FILE } from "../../src/run/manifest.ts";
import { openTrainee } from "../../src/run/pass/finetune.ts";
import type { Manifest } from "../../src/run/record.ts";
import { downloads, fetching, isFile } from "../shared/common.ts";
import { PermissionSet, type Staged } from "../shared/sandbox.ts";

/** The flags as they are given, and what the launcher has found. */
export type Given = Values<typeof finetuneCommand.flags> & {
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly calibrationFile?: string;
  readonly replaces?: readonly string[];
  readonly staged?: Staged;
};

/** Where adapters that are gone on with have their numbers. */
const adapterFile = (directory: string) => join(directory, ADAPTER_MODEL);

/** Windows of the published experiments. */
const SEQLEN = 1024;

/** Hidden states of windows that go through the model together take at most so much where one window does not take more. */
const HIDDEN_BYTES = 64 << 20;

/** Fetches what the run needs, and says what it may touch. */
export async function enter(given: Given, { terminal, signal }: Context) {
  const values = completeFlags(given), allowed = new PermissionSet(), fetches = fetching(terminal);
  labelsOf(values);
  const model = await allowed.model(values.model, fetches);
  const corpus = await allowed.corpus(values.calibration, "train", fetches);
  if (values.adapter !== undefined && isRemote(values.adapter)) {
    throw new PareError(`--adapter ${values.adapter}: adapters stay on this machine: name a directory`);
  }
  const places = [];
  for (const out of [values.out, values.adapter]) {
    if (out === undefined) continue;
    const asked = { out, model, force: values.force, made: !values.dryRun, spool: values.spool };
    const there = await isFile(`${out}/${MANIFEST_FILE}`);
    places.push(await allowed.outputAnywhere({ ...asked, there }, fetches, { terminal, signal }));
  }
  if (values.mask !== undefined) allowed.read(values.mask);
  if (values.start !== undefined) allowed.read(adapterFile(values.start));
  const teacher = values.teacher === undefined ? undefined : await allowed.model(values.teacher, fetches);
  return {
    values: {
      ...given,
      model,
      teacher,
      calibration: corpus.name,
      calibrationFile: corpus.file,
      spoolFile: allowed.spool(values.spool),
      registry: values.dryRun ? undefined : allowed.registry(values.runs),
      replaces: places.flatMap(({ replaces }) => replaces ?? []),
      staged: places[0]?.staged,
    },
    permissions: allowed.permissions,
    ...places[0]?.sink && { sink: places[0].sink },
  };
}

/** Windows that go through the model together: as many as leave the hidden states at all blocks' bounds small. */
function microBatchOf(values: FinetuneValues, spec: ModelSpec, length: number): number {
  const each = length * spec.hidden * Float32Array.BYTES_PER_ELEMENT * (spec.blocks.length + 1);
  return Math.min(values.batch, values.microBatch ?? Math.max(1, Math.floor(HIDDEN_BYTES / each)));
}

/** Opens all that the flags name. */
export async function prepare(given: Given, values: FinetuneValues, { terminal, syncDirectory }: Context) {
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
  // Without records the states at blocks' bounds are what grows with their number.
  const spool = { always: values.spool !== undefined || values.records === 0, file: given.spoolFile };
  const microBatch = microBatchOf(values, spec, text.length);
  const tokens = microBatch * text.length, bytes = tokens * spec.hidden * (spec.blocks.length + 1) * 4;
  const dtype = values.mode === "full"
    ? precisionFor(spec, { backend, tokens, spooled: goesToFile(backend, bytes, spool) }, values.precision ?? "auto")
    : undefined;
  const masks = opened.use(await readMasks(backend, checkpoint, spec, { dense: values.dense, file: values.mask }));
  const steps = values.steps ?? Math.max(1, Math.floor(text.windows / values.batch));
  const common = { checkpoint, spec, backend, linears, text, masks, microBatch, steps, dtype, spool };
  const { rank, alpha, dropout, unmasked, start, seed, force, batch, rate: peak, warmup, decay, epochs = 1 } = values;
  const { beta1, beta2, epsilon, weightDecay, clip, evalEvery, hours, resume } = values;
  const lora = values.mode === "lora" ? { linears, rank, alpha, dropout, unmasked, start } : undefined;
  const way = values.mode === "reconstruct"
    ? {
      targets: chooseTargets(spec, { sparsity: 0 }, { include: values.targets }),
      teacher: opened.use(await openCheckpoint(values.teacher!)),
      reconstruct: { epochs, rate: values.givenRate ?? reconstructionRate(spec.hidden) },
    }
    : {
      trainee: opened.use(await openTrainee(common, { lora, dtype, seed })),
      ...{ batch, seed, schedule: { peak, warmup, steps, decay } },
      optimizer: { beta1, beta2, epsilon, decay: weightDecay, clip },
      records: values.records === undefined ? undefined : values.records * 2 ** 20,
      adapter: lora &&
        { ...{ directory: values.adapter!, rank, alpha, dropout, unmasked, force }, syncParent: syncDirectory },
    };
  const held = opened.move(); // they are the caller's
  return {
    ...{ ...common, ...way, evalEvery, mostSeconds: hours * 3600, resume },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A training that is about to begin: by blocks where it has a teacher, else by steps. */
export type Prepared = Awaited<ReturnType<typeof prepare>>;

/** The manifest of a training. */
export async function describe(
  task: Prepared,
  given: Given,
  values: FinetuneValues,
  { args }: Context,
): Promise<Manifest> {
  const { checkpoint, backend, text, microBatch, steps, linears } = task;
  const { mode, batch, rate, warmup, decay, weightDecay, beta1, beta2, epsilon, clip, evalEvery, evalWindows } = values;
  const { rank, alpha, dropout, unmasked, dense, seed, teacher } = values,
    { description, length, windows: sequences, sha256 } = text;
  const start = values.start === undefined ? undefined : await digestFile(adapterFile(values.start));
  const taught = [];
  for (const source of task.teacher?.sources ?? []) {
    if (basename(source) !== CARD_FILE && (await Deno.stat(source)).isFile) taught.push(await digestFile(source));
  }
  const request = task.teacher
    ? {
      ...{ method: mode, ...task.reconstruct, teacher: { name: modelName(teacher!), sha256: digestModel(taught) } },
      ...{ evalEvery, targets: values.targets },
    }
    : {
      ...{ method: mode, batch, microBatch, steps, rate, warmup, decay, weightDecay, beta1, beta2, epsilon, clip },
      ...{ evalEvery, seed },
      ...task.dtype === "BF16" && { precision: "bf16" },
      ...mode === "lora" && { rank, alpha, dropout, unmasked, targets: linears.map(({ name }) => name) },
      ...start && { start: start.sha256 },
    };
  return await describeRun({
    kind: "finetune",
    checkpoint,
    backend,
    files: [given.calibrationFile, values.mask, start, ...taught].filter((path) => path !== undefined),
    request: {
      ...request,
      evalWindows,
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
