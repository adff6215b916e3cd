/**
 * Newer methods against an independent f64 program (`tests/fixtures/make/methods.py`), linear by linear on given
 * Hessians, and end to end. What a correct f32 program can reach was measured with that program itself, in f32 and with
 * Hessians that are off in the sixth digit.
 */
import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { equilibrate } from "../../src/method/equilibrated.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  findMethod,
  makeRequest,
  type Method,
  parsePattern,
  type Request,
  withUpdate,
} from "../../src/method/mod.ts";
import { descend, STEPS } from "../../src/method/pcg.ts";
import { toFloats } from "../reference/floats.ts";
import { GoldenFile } from "./files.ts";

/**
 * How nearly a method agrees: shares of mask bits, and relative differences. The golden program itself, in f32 and with a
 * Hessian that is off by 1e-5, differs from itself in f64 by this much on given Hessians (the README's floors, rounded up).
 * End to end it is 1.8 to 2.6 times what its f32 runs differ by: these are of one path of roundings, ours is another.
 */
interface Agreement {
  /** Given the weight and the Hessian; where the mask is another method's, nothing is held against it. */
  readonly bits?: number;
  /** Of `tr(D H Dᵀ)`, likewise. */
  readonly error: number;
  /** End to end on Austen-700K. */
  readonly perplexity: number;
}

/** By the golden name of a method: its own, the published damping that the golden program took, and how nearly it agrees. */
export const SUBJECTS: Readonly<
  Record<string, { readonly name: string; readonly damping: number; readonly agrees: Agreement }>
> = {
  "wanda+pcg": { name: "wanda+pcg", damping: 0.01, agrees: { error: 1e-3, perplexity: 0.002 } },
  "sparsegpt+pcg": { name: "sparsegpt+pcg", damping: 0.01, agrees: { error: 1e-3, perplexity: 0.004 } },
  "admm-constant": { name: "admm", damping: 0.1, agrees: { bits: 1e-3, error: 1e-3, perplexity: 0.006 } },
  alps: { name: "alps", damping: 0.01, agrees: { bits: 1e-2, error: 3e-3, perplexity: 0.013 } },
};

/** The patterns, as files are named. */
export const PATTERNS = ["0.5", "0.6", "2_4"];

/** The first steps of conjugate gradients are the same in f32 and f64. */
const FIRST_STEPS = 5, TRACE_TOLERANCE = 1e-6;

/** A method by its name, an update behind a plus sign. */
export function methodOf(name: string): Method {
  const [base, update] = name.split("+");
  return update ? withUpdate(findMethod(base), update as "pcg") : findMethod(base);
}

/** What a file's pattern asks of a method. */
export function requestOf(method: Method, pattern: string): Request {
  const parts = pattern.split("_");
  return makeRequest(
    method,
    parts.length > 1 ? { pattern: parsePattern(parts.join(":")) } : { sparsity: Number(pattern) },
  );
}

/** What the golden program has found of a linear by a method. */
interface Found {
  readonly error: number;
  readonly error_by_step?: readonly number[];
}

/** Its results, as far as they are read here. */
export interface Results {
  readonly linears: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Found>>>>>>;
  readonly end_to_end:
    & Readonly<Record<string, Readonly<Record<string, { readonly ppl: number; readonly ppl_f32: number }>>>>
    & { readonly folded: Readonly<Record<string, Readonly<Record<string, number>>>> };
  /** By the pattern: what is kept of the sum of Wanda's scores of a linear. */
  readonly permutation: Readonly<
    Record<string, {
      readonly linears: Readonly<Record<string, { readonly as_is: number; readonly folded: number }>>;
    }>
  >;
  readonly allocation: {
    readonly median: readonly number[];
    readonly outliers_per_cent: readonly number[];
    readonly sparsities: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  };
}

/** A linear of a golden model: its weight in F32, and the Hessian of its input. */
export interface Given {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly weight: Float32Array<ArrayBuffer>;
  readonly hessian: Float64Array;
}

/** Reads a linear's weight. */
export async function given(checkpoint: Checkpoint, name: string, hessian: Float64Array): Promise<Given> {
  const key = `${name}.weight`, cols = Math.sqrt(hessian.length), { dtype } = checkpoint.tensors.get(key)!;
  const weight = toFloats((await checkpoint.read([key])).get(key)!, dtype);
  return { name, rows: weight.length / cols, cols, weight: Float32Array.from(weight), hessian };
}

/** `tr(D H Dᵀ) / tr(W H Wᵀ)`, in f64. */
export function errorOf({ rows, cols, weight, hessian }: Given, found: ArrayLike<number>): number {
  const trace = (of: (at: number) => number): number => {
    let sum = 0;
    for (let i = 0; i < rows; i++) {
      const row = Float64Array.from({ length: cols }, (_, j) => of(i * cols + j));
      for (let j = 0; j < cols; j++) {
        if (row[j] === 0) continue;
        let product = 0;
        for (let k = 0; k < cols; k++) product += hessian[j * cols + k] * row[k];
        sum += row[j] * product;
      }
    }
    return sum;
  };
  return trace((at) => weight[at] - found[at]) / trace((at) => weight[at]);
}

const bytes = (numbers: Iterable<number>) => new Uint8Array(Float32Array.from(numbers).buffer);

/** The linear and its input on a backend. */
function held(backend: Backend, { rows, cols, weight, hessian }: Given, scope: DisposableStack) {
  const upload = (numbers: Iterable<number>, rows: number): Tensor =>
    scope.use(backend.upload(bytes(numbers), rows, cols, "F32"));
  return {
    weight: upload(weight, rows),
    input: {
      hessian: upload(hessian, cols),
      squares: upload(Array.from({ length: cols }, (_, j) => hessian[j * (cols + 1)] / 2), 1),
    },
  };
}

/** Holds a method on a linear against the golden program: the error of what it leaves, and its mask where there is one. */
export async function compareLinear(
  backend: Backend,
  linear: Given,
  golden: string,
  pattern: string,
  found: Found,
  mask?: Uint8Array,
): Promise<void> {
  const { name, damping, agrees } = SUBJECTS[golden],
    method = methodOf(name),
    what = `${linear.name}, ${golden}, ${pattern}`;
  using scope = new DisposableStack();
  const { weight, input } = held(backend, linear, scope);
  const pruner = scope.use((await method.begin(backend, input, { damping, steps: STEPS }))!);
  const removed = scope.use(await pruner.prune({ name: linear.name, weight }, requestOf(method, pattern)));
  const [after, words] = await backend.read(weight, removed), weights = new Float32Array(after.buffer);
  const error = errorOf(linear, weights);
  assertLessOrEqual(Math.abs(error / found.error - 1), agrees.error, `${what}: error ${error}, golden ${found.error}`);
  const bits = new Uint32Array(words.buffer), stride = Math.ceil(linear.cols / 32);
  const gone = (at: number) =>
    bits[Math.floor(at / linear.cols) * stride + (at % linear.cols >> 5)] >>> (at % linear.cols & 31) & 1;
  weights.forEach((value, at) => gone(at) && assert(Object.is(value, 0), `${what}: what is removed is +0`));
  if (!mask) return;
  const different = weights.reduce((sum, _, at) => sum + Number(gone(at) === (mask[at >> 3] >> (at & 7) & 1)), 0);
  assertLessOrEqual(different / weights.length, agrees.bits!, `${what}: share of mask bits that differ`);
}

/** Holds the first steps of conjugate gradients from Wanda's mask against the golden program's, and that none goes up. */
export async function compareSteps(backend: Backend, linear: Given, pattern: string, found: Found): Promise<void> {
  using scope = new DisposableStack();
  const { weight, input } = held(backend, linear, scope), method = methodOf("wanda");
  const pruner = scope.use((await method.begin(backend, input, DEFAULT_SOLVER_OPTIONS))!);
  const scale = scope.use((await equilibrate(backend, input, { damping: 0.01 }))!),
    dense = scope.use(backend.copy(weight));
  const mask = scope.use(await pruner.prune({ name: linear.name, weight }, requestOf(method, pattern)));
  let last = Infinity;
  for (let step = 1; step <= FIRST_STEPS; step++) {
    using x = scale.scaled(dense);
    backend.apply(x, mask);
    await descend(backend, scale, { dense, x, mask }, { steps: step });
    scale.store(weight, x, mask);
    const error = errorOf(linear, new Float32Array((await backend.read(weight))[0].buffer));
    const want = found.error_by_step![step - 1], off = Math.abs(error / want - 1);
    assertLessOrEqual(off, TRACE_TOLERANCE, `${linear.name}, ${pattern}, step ${step}: error ${error}, golden ${want}`);
    assertLess(error, last, `${linear.name}, ${pattern}, step ${step}`);
    last = error;
  }
}

/** Reads the golden program's results. */
export function readResults(folder: string): Results {
  return JSON.parse(Deno.readTextFileSync(`${folder}/results.json`));
}

/** A golden file's mask of a linear, where it has one. */
export function maskOf(folder: string, golden: string, pattern: string, linear: string): Uint8Array | undefined {
  if (golden.endsWith("+pcg")) return undefined; // Wanda's, and SparseGPT's
  const file = new GoldenFile(`${folder}/${golden}-${pattern}.safetensors`);
  assertEquals(file.has(`${linear}.weight`), true);
  return file.bytes(`${linear}.weight`);
}
