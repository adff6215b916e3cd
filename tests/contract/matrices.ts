/**
 * The numbers that the contract is tested with: matrices that are known exactly, as bytes in their dtype and as f64.
 * Values are drawn from a fixed generator, in kinds that each catch something: integers whose sums f32 holds exactly
 * (any order of summation must give the same bits), steps with ties everywhere, the edges of the format. Conversion
 * is the engine's own (`Float16Array`), so it is independent of Pare's.
 */
import type { Dtype } from "../../src/backend/backend.ts";
import { remembered } from "./remembered.ts";

/** Every dtype that a checkpoint may have. */
export const DTYPES: readonly Dtype[] = ["F32", "F16", "BF16"];

/** A matrix as bytes and as what the bytes say. */
export interface Matrix {
  /** As in a backend's tensor. */
  readonly rows: number;
  /** As in a backend's tensor. */
  readonly cols: number;
  /** As in a backend's tensor. */
  readonly dtype: Dtype;
  /** As in a checkpoint. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The numbers that the bytes hold, row-major. */
  readonly values: Float64Array;
}

/** Numbers in [0, 1), the same for the same seed (Marsaglia's xorshift32, with his shifts 13, 17, 5). */
export function generator(seed: number): () => number {
  let state = seed * 2654435761 >>> 0 || 1; // Knuth's multiplicative hash spreads small seeds over all bits
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What the bytes of a dtype say, exactly. */
export function decode(bytes: Uint8Array, dtype: Dtype): Float64Array {
  const { buffer } = bytes.slice();
  if (dtype === "F32") return Float64Array.from(new Float32Array(buffer));
  if (dtype === "F16") return Float64Array.from(new Float16Array(buffer));
  return Float64Array.from(new Float32Array(Uint32Array.from(new Uint16Array(buffer), (half) => half << 16).buffer));
}

/** Numbers as bytes of a dtype: nearest for F32 and F16, towards zero for BF16. */
export function encode(values: Iterable<number>, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const floats = Float32Array.from(values);
  if (dtype === "F32") return new Uint8Array(floats.buffer);
  if (dtype === "F16") return new Uint8Array(Float16Array.from(floats).buffer);
  return new Uint8Array(Uint16Array.from(new Uint32Array(floats.buffer), (word) => word >>> 16).buffer);
}

/** A matrix of given numbers; `values` are what is left of them in the dtype. */
export function matrix(rows: number, cols: number, dtype: Dtype, numbers: Iterable<number>): Matrix {
  const bytes = encode(numbers, dtype);
  return { rows, cols, dtype, bytes, values: decode(bytes, dtype) };
}

/** How one number is drawn. */
export type Draw = (random: () => number) => number;

/** Integers from -8 to 8: exact in every dtype, and so are their products and sums of up to 2^18 of those in f32. */
export const INTEGERS: Draw = (random) => Math.floor(random() * 17) - 8;

/** Nine values from -1 to 1, as a 4-bit checkpoint has: magnitudes tie everywhere. */
export const STEPS: Draw = (random) => (Math.floor(random() * 9) - 4) / 4;

/** From 0 to 1. */
export const UNIFORM: Draw = (random) => random();

/** About a normal distribution's shape: the sum of three uniform numbers, from -1.5 to 1.5. */
export const NORMAL: Draw = (random) => random() + random() + random() - 1.5;

/** Magnitudes from 2^-12 to 2^12, either sign. */
export const SPREAD: Draw = (random) => (random() < 0.5 ? -1 : 1) * 2 ** (random() * 24 - 12);

/** The edges of a dtype: its zeros, smallest and largest subnormals, smallest and largest normal numbers, and 1. */
export const EDGES: Readonly<Record<Dtype, readonly number[]>> = {
  F32: [0, -0, 2 ** -149, 2 ** -126 - 2 ** -149, 2 ** -126, 1, -1, 1e30, -1e30, (2 - 2 ** -23) * 2 ** 127],
  F16: [0, -0, 2 ** -24, -(2 ** -24), 2 ** -14 - 2 ** -24, 2 ** -14, 1, -1, 65504, -65504],
  BF16: [0, -0, 2 ** -133, 2 ** -126 - 2 ** -133, 2 ** -126, 1, -1, 2 ** 99, -(2 ** 99), (2 - 2 ** -7) * 2 ** 127],
};

/** One of the edges of a dtype. */
export const edge = (dtype: Dtype): Draw => (random) => EDGES[dtype][Math.floor(random() * EDGES[dtype].length)];

/** A matrix of numbers drawn one after the other; the same one for whoever asks again, so it is only to be read. */
export const draw = remembered((seed: number, rows: number, cols: number, dtype: Dtype, each: Draw): Matrix => {
  const random = generator(seed);
  return matrix(rows, cols, dtype, Float32Array.from({ length: rows * cols }, () => each(random)));
});

/** `count` different rows out of `all`, in no order. */
export function someRows(seed: number, count: number, all: number): Uint32Array {
  const random = generator(seed), rows = Array.from({ length: all }, (_, i) => i);
  return Uint32Array.from({ length: count }, () => rows.splice(random() * rows.length, 1)[0]);
}
