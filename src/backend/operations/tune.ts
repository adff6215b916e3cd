/** What training changes: a step of the optimiser on a weight, and numbers that are left out at random. */
import type { Mask, Tensor } from "../tensor.ts";
import { bytesOf, type Declarations, maskBytes, size } from "./declaration.ts";
import { expectCount, expectFloats, expectKey, expectPositive, expectShape } from "./expect.ts";

/** What AdamW remembers of a weight, of its shape, F32, zeros before the first step. */
export interface Moments {
  /** The running mean of the gradient. */
  readonly first: Tensor;
  /** The running mean of its square. */
  readonly second: Tensor;
}

/** How {@linkcode Backend.adamw} takes a step. */
export interface AdamWOptions {
  /** The learning rate of this step; 0 moves nothing but the moments. */
  readonly rate: number;
  /** How much of the first moment stays, in [0, 1). */
  readonly beta1: number;
  /** And of the second. */
  readonly beta2: number;
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  /** Weight decay: the weight is multiplied by `1 - rate * decay` before it moves. */
  readonly decay: number;
  /** Which step it is, from 1 on: the moments, which begin at zero, are corrected for it. */
  readonly step: number;
  /** What the gradient is multiplied by first, as F32: 1 unless it is clipped. */
  readonly scale?: number;
  /** What it removes is not changed, nor its moments. */
  readonly mask?: Mask;
}

/** Which numbers {@linkcode Backend.dropout} leaves out. */
export interface DropoutOptions {
  /** The share of them, in [0, 1). */
  readonly rate: number;
  /** Chooses them: a whole number below 2^32. */
  readonly key: number;
}

/** See the file's head. */
export interface TuneOperations {
  /**
   * One step of AdamW (Loshchilov and Hutter, 2019) in place, all F32, in the order of PyTorch's `torch.optim.AdamW`: with
   * `g = scale * gradient`, `w *= 1 - rate * decay`, `m += (1 - beta1) (g - m)`, `v = beta2 v + (1 - beta2) g²`,
   * `w -= rate / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)`.
   */
  adamw(weight: Tensor, moments: Moments, gradient: Tensor, options: AdamWOptions): void;
  /**
   * x with some numbers 0 and the others divided by `1 - rate`. Number `i`, counted row by row, is 0 if
   * `mix(mix(i) ^ key) < rate * 2^32` with MurmurHash3's 32-bit finaliser: the same call on a gradient is the derivative.
   */
  dropout(x: Tensor, options: DropoutOptions): Tensor;
}

/**
 * What is the same for every number of a step, in f64, in the order in which the kernels take it: the gradient's scale, the
 * share of it in the first moment, what stays of the second and the share of the square in it, the root of the second's
 * correction, epsilon, what stays of the weight, and the size of the step.
 */
export function adamwConstants(options: Omit<AdamWOptions, "mask">): readonly number[] {
  const { rate, beta1, beta2, epsilon, decay, step, scale = 1 } = options;
  const root = Math.sqrt(1 - beta2 ** step), size = rate / (1 - beta1 ** step);
  return [scale, 1 - beta1, beta2, 1 - beta2, root, epsilon, 1 - rate * decay, size];
}

/** Below which of 2^32 hashes a number is left out. */
export function dropoutLimit(rate: number): number {
  return Math.min(2 ** 32 - 1, Math.ceil(rate * 2 ** 32));
}

/** Throws unless a number is in [0, 1). */
function expectShare(what: string, found: number): void {
  if (!(found >= 0 && found < 1)) throw new RangeError(`${what}: expected 0 to below 1, found ${found}`);
}

/** Throws unless a number is finite and not below 0. */
function expectNotNegative(what: string, found: number): void {
  if (!(found >= 0 && found < Infinity)) throw new RangeError(`${what}: expected 0 or more, found ${found}`);
}

/** What each takes and costs. */
export const TUNE: Declarations<TuneOperations> = {
  adamw: {
    check(weight, { first, second }, gradient, { rate, beta1, beta2, epsilon, decay, step, scale = 1, mask }) {
      expectFloats("adamw", weight, first, second, gradient);
      for (const held of [first, second, gradient, ...mask ? [mask] : []]) {
        expectShape("adamw: the others as the weight", weight.rows, weight.cols, held);
      }
      for (const [name, value] of Object.entries({ rate, decay, scale })) expectNotNegative(`adamw: ${name}`, value);
      for (const [name, value] of Object.entries({ beta1, beta2 })) expectShare(`adamw: ${name}`, value);
      expectPositive("adamw: epsilon", epsilon);
      expectCount("adamw: step", step);
    },
    cost: (weight, _moments, _gradient, { mask }) => ({
      flops: 15 * size(weight),
      bytes: 7 * bytesOf(weight) + (mask ? maskBytes(mask) : 0),
    }),
  },
  dropout: {
    check(x, { rate, key }) {
      expectFloats("dropout: x", x);
      expectShare("dropout: rate", rate);
      expectKey("dropout: key", key);
    },
    cost: (x) => ({ flops: size(x), bytes: 2 * bytesOf(x) }),
  },
};
