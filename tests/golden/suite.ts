/**
 * The comparison with the published code, for any model that golden results exist of: masks from given statistics bit for
 * bit, the statistics of the dense network, and the pipeline end to end. What agreement can be asked for, and why no more,
 * is measured in the golden runs themselves (their `rounding_sensitivity`).
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  findMethod,
  makeRequest,
  type Method,
  parsePattern,
  type Request,
} from "../../src/method/mod.ts";
import type { Block } from "../../src/model/block.ts";
import { inputGroups, linearsOf } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { logits } from "../../src/stream/logits.ts";
import { Observation } from "../../src/stream/observation.ts";
import { prune } from "../../src/stream/prune.ts";
import { runSchedule } from "../../src/stream/schedule.ts";
import { Stream, type StreamOptions } from "../../src/stream/stream.ts";
import { chooseTargets } from "../../src/stream/target.ts";
import { type Batch, countSequences, rectangle, sequencesOf } from "../../src/text/batch.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";
import { BACKENDS, type GoldenBackend, WASM } from "./backends.ts";
import { GoldenFile } from "./files.ts";
import { overlay, widen } from "./overlay.ts";

/** Single precision against another order of sums: the golden run against itself differs by 3e-6 (its README). */
export const STATISTIC_TOLERANCE = 1e-5;
/** The project's own target for logits in f32, as a share of the largest. */
export const LOGIT_TOLERANCE = 1e-4;

/** Where no mask bit differs only the forward pass's rounding is left; the project's own target. */
const PERPLEXITY_TOLERANCE = 1e-4;

/** The golden run repeated with other rounding is one sample of what rounding does; another may be this much worse. */
const SENSITIVITIES = 3;
/** Most mask bits that may differ in a linear where the golden run repeated does not differ. */
const STABLE = 1e-4;
/** Most mask bits that may differ in a whole block of a chaotic network, if the golden run's own are not more. */
const CHAOTIC = 1e-2;

/** How nearly a method that updates weights, block by block and on what it has updated before, agrees end to end. */
export interface UpdateAgreement {
  /** Most mask bits that may differ in a linear, or in the first block of a chaotic network. */
  readonly bits: number;
  /** The same in any other recorded block of a chaotic network. */
  readonly laterBits?: number;
  /** Relative difference of the perplexity; of a chaotic network it is three times the golden run's own. */
  readonly perplexity?: number;
}

/** Updated weights against the published ones, relative, Frobenius, per linear; the project's own target. */
const UPDATE_TOLERANCE = 1e-3;
/** How much more of a linear's output may be lost than the published code loses; the project's own target. */
const MORE_ERROR = 0.01;

/** A golden model and where it stands. */
export interface GoldenModel {
  readonly name: string;
  readonly model: string;
  readonly golden: string;
  /** The golden run repeated with other rounding differs from itself: a pair swapped early grows with depth. */
  readonly chaotic?: boolean;
  /** What SparseGPT's runs must reach. */
  readonly updated: UpdateAgreement;
  /**
   * What they must reach where a block's updated weights are rounded to the checkpoint's dtype before the next block sees
   * what it gives. The golden runs kept them in F32, so `updated` is for the model widened to F32.
   */
  readonly rounded?: Readonly<Record<string, UpdateAgreement>>;
  /** What is compared on a backend that would take too long for all of it. */
  readonly cut?: Readonly<Record<string, Cut>>;
}

/** The part of a comparison that is made. */
export interface Cut {
  /** Blocks of which statistics, and the masks that follow from them, are compared: so many of the first. */
  readonly blocks?: number;
  /** Windows of the dense perplexity: so many of the first, against what WASM finds on them. */
  readonly windows?: number;
  /** On how many of the first blocks a run is repeated end to end, and so where updated weights are rounded. */
  readonly endToEnd: (run: string, rounded?: boolean) => number;
}

/**
 * Runs that are repeated on all blocks wherever they are: without calibration, and with all that it can take. What Wanda's
 * masks are on every block follows there from the dense statistics and the masks that follow from given ones.
 */
const WHOLE = ["magnitude-0.5", "sparsegpt-0.5"];

/** Runs that are repeated on two blocks, where the second sees what the first has become. */
const PAIRED = ["wanda-0.5"];

/** The others on one: a software driver takes seconds for each block of each run, and for each window. */
export const MOST_IN_PART: Cut = {
  windows: 4,
  endToEnd: (run, rounded) => WHOLE.includes(run) ? rounded ? 2 : Infinity : PAIRED.includes(run) ? 2 : 1,
};

interface Results {
  dense: { ppl: number };
  runs: Record<string, {
    method: string;
    pattern: string;
    ppl: number;
    rounding_sensitivity?: Sensitivity;
    linears: Record<string, { reconstruction_error?: number }>;
  }>;
}

interface Sensitivity {
  ppl: number;
  mask_difference: Record<string, number>;
}

/** What a golden run's name asks for. */
function requestOf(method: string, pattern: string): { method: Method; request: Request } {
  const found = findMethod(method === "wanda_variant" ? "wanda" : method);
  const options = pattern.includes(":") ? { pattern: parsePattern(pattern) } : { sparsity: Number(pattern) };
  return { method: found, request: makeRequest(found, { ...options, variant: method === "wanda_variant" }) };
}

/** A golden mask's bit: 1 = the pruned weight is not zero. */
const kept = (bits: Uint8Array, element: number): number => bits[element >> 3] >> (element & 7) & 1;

/** Which elements stand in an n:m group whose n-th and next score are equal: there the published choice is arbitrary. */
function tiedElements(scores: Float32Array, n: number, m: number): (element: number) => boolean {
  const tied = new Uint8Array(scores.length / m), sorted = new Float32Array(m);
  for (let group = 0; group < tied.length; group++) {
    for (let i = 0; i < m; i++) {
      const score = scores[group * m + i];
      let at = i;
      for (; at > 0 && sorted[at - 1] > score; at--) sorted[at] = sorted[at - 1];
      sorted[at] = score;
    }
    tied[group] = Number(sorted[m - n - 1] === sorted[m - n]);
  }
  return (element) => tied[Math.floor(element / m)] === 1;
}

async function maskOf(
  backend: Backend,
  weight: Tensor,
  statistic: Float32Array<ArrayBuffer> | undefined,
  run: ReturnType<typeof requestOf>,
) {
  using stat = statistic && backend.upload(new Uint8Array(statistic.buffer), 1, weight.cols, "F32");
  using scores = backend.score(weight, stat ? { kind: "activation", statistic: stat } : { kind: "magnitude" });
  using pruner = await run.method.begin(backend, { squares: stat }, DEFAULT_SOLVER_OPTIONS);
  using _ = await pruner!.prune({ name: "", weight }, run.request);
  const [pruned, score] = await backend.read(weight, scores);
  return { pruned, scores: new Float32Array(score.buffer) };
}

/** Perplexities that were found, by what was judged. */
const judged = new Map<string, number>();

/**
 * The perplexity of a model as WASM finds it: what another backend has pruned is judged by the fastest, and where backends
 * leave the same network that is judged once.
 * @param pruned Tensors in the place of the model's own.
 */
async function judge(
  windows: Batch,
  model: Checkpoint,
  pruned = new Map<string, Uint8Array<ArrayBuffer>>(),
): Promise<number> {
  const hash = createHash("sha256").update(model.path).update(windows.ids);
  for (const [name, bytes] of [...pruned].sort(([a], [b]) => a < b ? -1 : 1)) hash.update(name).update(bytes);
  const key = hash.digest("hex");
  if (!judged.has(key)) {
    await using backend = await WASM.open();
    judged.set(key, (await evaluate(windows, { checkpoint: overlay(model, pruned), backend })).perplexity);
  }
  return judged.get(key)!;
}

/** The statistics of the dense network's first blocks, by the names of their linears: one forward pass. */
async function denseStatistics(
  calibration: Batch,
  options: StreamOptions,
  blocks: number,
): Promise<Map<string, Float32Array>> {
  const { checkpoint, backend } = options, spec = readSpec(checkpoint), found = new Map<string, Float32Array>();
  const observed = spec.blocks.slice(0, blocks), sequences = countSequences(calibration);
  await using stream = await Stream.open(options, spec, calibration, observed.length);
  const observe = async (block: Block) => {
    using observation = new Observation(backend, inputGroups(block.spec), { grams: false });
    if (block.spec === observed.at(-1)) await stream.observe(block, observation);
    else await stream.propagate(block, "observe", observation);
    for (const linear of linearsOf(block.spec)) {
      using squares = observation.squares(linear, sequences);
      found.set(linear.name, new Float32Array((await backend.read(squares))[0].buffer));
    }
  };
  const schedule = observed.map(({ index }) => ({ block: index, steps: [{ passes: 1, run: observe }] }));
  await runSchedule(schedule, { backend, spec, source: checkpoint });
  return found;
}

/** So many of the first sequences. */
const firstOf = (batch: Batch, count: number): Batch => sequencesOf(batch, 0, Math.min(count, countSequences(batch)));

/** The block of a tensor. */
const blockOf = (name: string): number => Number(name.split(".")[2]);

/** Declares the tests of a golden model on every backend. */
export function goldenSuite(subject: GoldenModel): void {
  for (const backend of BACKENDS) declare(subject, backend);
}

function declare(subject: GoldenModel, { name: backendName, ignore, open }: GoldenBackend): void {
  const { model, golden, chaotic = false, updated } = subject, cut = subject.cut?.[backendName];
  const { blocks: compared = Infinity, windows: some, endToEnd = () => Infinity } = cut ?? {};
  const within = (blocks: number) => (name: string): boolean => blockOf(name) < blocks;
  const targets = (checkpoint: Checkpoint, request: Request, blocks: number) => {
    const spec = readSpec(checkpoint);
    return chooseTargets(spec, request, { blocks: `0-${Math.min(blocks, spec.blocks.length) - 1}` });
  };
  const test = (claim: string, fn: () => Promise<void>) =>
    Deno.test({ name: `${subject.name} on ${backendName}: ${claim}`, ignore, fn });
  const results: Results = JSON.parse(Deno.readTextFileSync(`${golden}/results.json`));
  const runs = Object.entries(results.runs).map(([name, run]) => ({
    name,
    ...run,
    ...requestOf(run.method, run.pattern),
  }));
  const file = (run: { name: string }) => new GoldenFile(`${golden}/${run.name.replace(":", "_")}.safetensors`);

  for (const run of runs.filter(({ method }) => method.criterion)) {
    test(`${run.name} masks follow from the golden statistic bit for bit`, async () => {
      await using backend = await open();
      await using checkpoint = await openDirectory(model);
      const masks = file(run);
      let count = 0;
      for (const name of masks.names.filter((name) => name.endsWith(".weight") && within(compared)(name))) {
        const { dtype, shape: [rows, cols] } = checkpoint.tensors.get(name)!;
        const dense = (await checkpoint.read([name])).get(name)!;
        using weight = backend.upload(dense, rows, cols, dtype);
        const linear = name.slice(0, -".weight".length), row = `${linear}.scaler_row`;
        const statistic = masks.has(row) ? masks.floats(row) : undefined;
        // The published code prunes a shorter last group whatever its width; Pare refuses.
        if (run.request.pattern && cols % run.request.pattern.m) continue;
        const { pruned, scores } = await maskOf(backend, weight, statistic, run);
        const bits = masks.bytes(name), values = toFloats(pruned, dtype), { pattern } = run.request;
        const tied = pattern ? tiedElements(scores, pattern.n, pattern.m) : () => false;
        let different = 0;
        for (let i = 0; i < values.length; i++) {
          if (!tied(i)) different += Number(Number(values[i] !== 0) !== kept(bits, i));
        }
        assertEquals(different, 0, `${linear}: ${different} of ${values.length} bits differ`);
        count++;
      }
      assert(count > 0, "no mask was compared");
    });
  }

  test(`the dense network's statistics agree to ${STATISTIC_TOLERANCE}`, async () => {
    await using backend = await open();
    await using checkpoint = await openDirectory(model);
    const expected = new GoldenFile(`${golden}/dense-statistics.safetensors`);
    const calibration = new GoldenFile(`${golden}/tokens.safetensors`).tokens("calibration");
    const found = await denseStatistics(calibration, { checkpoint, backend }, compared);
    for (const name of expected.names.filter(within(compared))) {
      const linear = name.slice(0, -".scaler_row".length), want = expected.floats(name), got = found.get(linear)!;
      const largest = want.reduce((most, value, j) => Math.max(most, Math.abs(got[j] - value) / value), 0);
      assertLess(largest, STATISTIC_TOLERANCE, `${linear}: largest relative difference`);
    }
    assertEquals(backend.live, 0);
  });

  test(`logits agree with transformers to ${LOGIT_TOLERANCE} of the largest`, async () => {
    await using backend = await open();
    await using checkpoint = await openDirectory(model);
    const expected = new GoldenFile(`${golden}/dense-logits.safetensors`);
    const ids = new Uint32Array(expected.bytes("tokens").buffer), want = expected.floats("logits");
    const got = await logits(rectangle(ids, ids.length), { checkpoint, backend });
    assertLess(largestDifference(want, got), LOGIT_TOLERANCE);
  });

  test(`the dense perplexity agrees to 0.01 %`, async () => {
    await using backend = await open();
    await using checkpoint = await openDirectory(model);
    const all = new GoldenFile(`${golden}/tokens.safetensors`).tokens("evaluation");
    const windows = some ? firstOf(all, some) : all;
    const expected = some ? await judge(windows, checkpoint) : results.dense.ppl;
    const { perplexity } = await evaluate(windows, { checkpoint, backend });
    assertLess(Math.abs(perplexity / expected - 1), PERPLEXITY_TOLERANCE);
    assertEquals(backend.live, 0);
  });

  for (const run of runs.filter(({ name }) => subject.rounded?.[name] && endToEnd(name, true))) {
    const depth = endToEnd(run.name, true), { bits: most, perplexity: allowed } = subject.rounded![run.name];
    test(`${run.name} in the checkpoint's own dtype`, async () => {
      await using backend = await open();
      await using checkpoint = await openDirectory(model);
      const tokens = new GoldenFile(`${golden}/tokens.safetensors`), masks = file(run);
      const weights = new Map<string, Uint8Array<ArrayBuffer>>();
      let different = 0, bits = 0;
      await prune({
        checkpoint,
        backend,
        method: run.method,
        request: run.request,
        targets: targets(checkpoint, run.request, depth),
        calibration: tokens.tokens("calibration"),
        write: (name, bytes) => {
          weights.set(name, bytes);
          const published = masks.bytes(name);
          for (const [i, value] of toFloats(bytes, checkpoint.tensors.get(name)!.dtype).entries()) {
            different += Number(Number(value !== 0) !== kept(published, i));
            bits++;
          }
          return Promise.resolve();
        },
      });
      assertLessOrEqual(different / bits, most, "share of mask bits that differ");
      if (depth !== Infinity) return;
      const perplexity = await judge(tokens.tokens("evaluation"), checkpoint, weights);
      assertLessOrEqual(Math.abs(perplexity / run.ppl - 1), allowed!, `perplexity ${perplexity}, golden ${run.ppl}`);
    });
  }

  for (const run of runs.filter(({ name }) => endToEnd(name))) {
    const depth = endToEnd(run.name);
    test(`${run.name} end to end`, async () => {
      await using backend = await open();
      await using stored = await openDirectory(model);
      const checkpoint = subject.rounded?.[run.name] ? widen(stored) : stored;
      const tokens = new GoldenFile(`${golden}/tokens.safetensors`), masks = file(run);
      const weights = new Map<string, Uint8Array<ArrayBuffer>>();
      const reports = await prune({
        checkpoint,
        backend,
        method: run.method,
        request: run.request,
        targets: targets(checkpoint, run.request, depth),
        calibration: tokens.tokens("calibration"),
        write: (name, bytes) => Promise.resolve(void weights.set(name, bytes)),
      });
      const updates = !run.method.criterion, stable = updates ? updated.bits : STABLE;
      const blocks = new Map<number, { different: number; bits: number }>();
      let same = !updates && weights.size > 0;
      for (const name of masks.names.filter((name) => name.endsWith(".weight") && within(depth)(name))) {
        const bits = masks.bytes(name), { dtype } = checkpoint.tensors.get(name)!, { pattern } = run.request;
        const values = toFloats(weights.get(name)!, dtype);
        const dense = toFloats((await checkpoint.read([name])).get(name)!, dtype);
        const tied = pattern && run.method.name === "magnitude"
          ? tiedElements(dense.map(Math.abs), pattern.n, pattern.m)
          : () => false;
        let different = 0;
        for (let i = 0; i < values.length; i++) {
          // Among tied groups take the published choice, so that the perplexities compare the same network.
          if (tied(i)) values[i] = kept(bits, i) ? dense[i] : 0;
          else different += Number(Number(values[i] !== 0) !== kept(bits, i));
        }
        weights.set(name, fromFloats(values, dtype));
        same &&= values.every((value, i) => value === (kept(bits, i) ? dense[i] : 0));
        if (!chaotic) assertLessOrEqual(different / values.length, stable, `${name}: share of mask bits that differ`);
        const index = blockOf(name), block = blocks.get(index) ?? { different: 0, bits: 0 };
        blocks.set(index, { different: block.different + different, bits: block.bits + values.length });
        const published = name.replace(/weight$/, "pruned_weight");
        if (masks.has(published)) {
          const off = relativeDifference(masks.floats(published), values);
          assertLessOrEqual(off, UPDATE_TOLERANCE, `${name}: updated weights`);
        }
      }
      const { rounding_sensitivity: repeated } = run;
      for (const [index, { different, bits }] of blocks) {
        // The first blocks come before anything can grow.
        const early = updates ? index === 0 : index < 2;
        const later = Math.max(
          updates ? updated.laterBits ?? stable : CHAOTIC,
          SENSITIVITIES * (repeated?.mask_difference[index] ?? 0),
        );
        assertLessOrEqual(different / bits, early ? stable : later, `block ${index}: share of mask bits that differ`);
      }
      // How much more of its output a linear loses than in the published run; of a chaotic network, whose later blocks meet
      // other inputs than the published run's, a block's linears in the mean.
      const losses = reports.flatMap(({ name, outputError }) => {
        const published = run.linears[name]?.reconstruction_error;
        return published ? [{ name, block: blockOf(name), more: outputError! / published - 1 }] : [];
      });
      for (const [block, linears] of Map.groupBy(losses, ({ block }) => block)) {
        const mean = linears.reduce((sum, { more }) => sum + more, 0) / linears.length;
        assertLessOrEqual(
          mean,
          MORE_ERROR,
          `block ${block}: mean of the relative output errors over the published ones`,
        );
        if (chaotic && block > 0) continue;
        for (const { name, more } of linears) assertLessOrEqual(more, MORE_ERROR, `${name}: relative output error`);
      }
      assertEquals(backend.live, 0);
      // Of a model that is pruned in part nobody has published the perplexity; and where every number is the golden network's,
      // it is the evaluation's alone, which is compared on the dense network and on those whose weights are updated.
      if (depth !== Infinity || same && [...weights.keys()].every((name) => masks.has(name))) return;
      const perplexity = await judge(tokens.tokens("evaluation"), checkpoint, weights);
      const allowed = chaotic && repeated
        ? SENSITIVITIES * Math.abs(repeated.ppl / run.ppl - 1)
        : updates
        ? updated.perplexity!
        : PERPLEXITY_TOLERANCE;
      assertLessOrEqual(Math.abs(perplexity / run.ppl - 1), allowed, `perplexity ${perplexity}, golden ${run.ppl}`);
    });
  }
}

/** `‖want - got‖ / ‖want‖`, Frobenius. */
function relativeDifference(want: Float32Array, got: Float32Array): number {
  let difference = 0, size = 0;
  for (let i = 0; i < want.length; i++) {
    difference += (want[i] - got[i]) ** 2;
    size += want[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** `max |want - got| / max |want|`. */
export function largestDifference(want: Float32Array, got: Float32Array): number {
  let difference = 0, size = 0;
  for (let i = 0; i < want.length; i++) {
    difference = Math.max(difference, Math.abs(want[i] - got[i]));
    size = Math.max(size, Math.abs(want[i]));
  }
  return difference / size;
}
