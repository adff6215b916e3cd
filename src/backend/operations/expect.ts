/** What shape rules are made of: each throws a `RangeError` that says what was expected and what was found. */
import type { TensorShape } from "../tensor.ts";

/** Throws unless what was found is what was expected. */
export function expect(what: string, expected: number | string, found: number | string): void {
  if (expected !== found) throw new RangeError(`${what}: expected ${expected}, found ${found}`);
}

/** Throws unless a number is a multiple of a unit. */
export function expectMultiple(what: string, unit: number, found: number): void {
  if (!(unit > 0 && found % unit === 0)) {
    throw new RangeError(`${what}: expected a multiple of ${unit}, found ${found}`);
  }
}

/** Throws if a number is larger than it may be. */
export function expectAtMost(what: string, most: number, found: number): void {
  if (!(found <= most)) throw new RangeError(`${what}: expected at most ${most}, found ${found}`);
}

/** Throws unless a number is above 0. */
export function expectPositive(what: string, found: number): void {
  if (!(found > 0 && found < Infinity)) throw new RangeError(`${what}: expected a number above 0, found ${found}`);
}

/** Throws unless a number is whole and at least 1. */
export function expectCount(what: string, found: number): void {
  if (!(Number.isInteger(found) && found >= 1)) {
    throw new RangeError(`${what}: expected a whole number from 1 on, found ${found}`);
  }
}

/** Throws unless a number is one of the keys that hashes take. */
export function expectKey(what: string, found: number): void {
  if (!(Number.isInteger(found) && found >= 0 && found < 2 ** 32)) {
    throw new RangeError(`${what}: expected a whole number below 2^32, found ${found}`);
  }
}

/** Throws unless a matrix has these rows and columns. */
export function expectShape(what: string, rows: number, cols: number, found: { rows: number; cols: number }): void {
  expect(what, `${rows} x ${cols}`, `${found.rows} x ${found.cols}`);
}

/** Throws if what is written is also among what is read: how far the one has come when the other is read nobody knows. */
export function expectApart(what: string, written: object, ...read: readonly object[]): void {
  if (read.includes(written)) {
    throw new RangeError(
      `${what}: expected a tensor apart from its operands, found operand ${read.indexOf(written) + 1}`,
    );
  }
}

/** Throws unless tensors are F32. */
export function expectFloats(what: string, ...tensors: readonly TensorShape[]): void {
  for (const { dtype } of tensors) expect(`${what}: dtype`, "F32", dtype);
}

/** Throws unless a sparsity is in [0, 1). */
export function expectSparsity(what: string, sparsity: number): void {
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw new RangeError(`${what}: sparsity: expected 0 to below 1, found ${sparsity}`);
  }
}

/** Throws unless columns fall into groups of m, of which n can be kept. */
export function expectGroups(what: string, cols: number, n: number, m: number): void {
  expectMultiple(what, m, cols);
  if (!(Number.isInteger(n) && n >= 0 && n <= m)) throw new RangeError(`${what}: n: expected 0 to ${m}, found ${n}`);
}
