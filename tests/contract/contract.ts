/**
 * How a claim of the contract is put to every backend. `contract("linear", (claim) => { claim("...", body) })` makes
 * one test for each subject of `subjects.ts` with one step for each claim. A subject is opened for the test and closed
 * after it; after every claim its live tensors must be as many as before, so that leaks fail where they happen.
 */
import { assertEquals, fail } from "@std/assert";
import type { Backend, Mask, Tensor } from "../../src/backend/backend.ts";
import { decode, type Matrix } from "./matrices.ts";
import { SUBJECTS } from "./subjects.ts";

/** What a claim works with. */
export interface Stage {
  /** The subject, opened for this test. */
  readonly backend: Backend;
  /** The length of a long row, an odd number. */
  readonly long: number;
  /** Puts a matrix on the backend until the claim is done. */
  hold(matrix: Matrix): Tensor;
  /** Keeps a result until the claim is done. */
  keep<T extends Disposable>(result: T): T;
}

/** A long row, unless the subject says otherwise: beyond 4096, where tiles and single passes have ended. */
export const LONG = 4099;

/** Registers the claims about one subject matter, for every backend. */
export function contract(
  about: string,
  claims: (claim: (says: string, body: (stage: Stage) => Promise<void>) => void) => void,
): void {
  const all: [says: string, body: (stage: Stage) => Promise<void>][] = [];
  claims((says, body) => all.push([says, body]));
  for (const { name, ignore, open, long = LONG } of SUBJECTS) {
    Deno.test({
      name: `${about} on ${name}`,
      ignore,
      async fn(t) {
        await using backend = await open();
        for (const [says, body] of all) {
          await t.step(says, async () => {
            const before = backend.live;
            {
              using scope = new DisposableStack();
              const keep = <T extends Disposable>(result: T): T => scope.use(result);
              await body({ backend, long, keep, hold: (matrix) => keep(upload(backend, matrix)) });
            }
            assertEquals(backend.live, before, "live tensors after the claim");
          });
        }
      },
    });
  }
}

/** A matrix on the backend, to be disposed of by the caller. */
export function upload(backend: Backend, { bytes, rows, cols, dtype }: Matrix): Tensor {
  return backend.upload(bytes, rows, cols, dtype);
}

/** A result on the backend, and what it must be. */
export interface Expected {
  /** Names the case in a failure. */
  readonly what: string;
  /** The result. */
  readonly held: Tensor;
  /** The exact results, row-major. */
  readonly values: ArrayLike<number>;
  /** The largest allowed error of each result; without it the result must be `values` rounded to its dtype, to the bit. */
  readonly bounds?: ArrayLike<number>;
}

/** Reads all results at once and holds each number against its bound. */
export async function assertHeld(backend: Backend, expected: readonly Expected[]): Promise<void> {
  const results = await backend.read(...expected.map(({ held }) => held));
  expected.forEach(({ what, held, values, bounds }, which) => {
    const found = decode(results[which], held.dtype);
    assertEquals(found.length, values.length, `${what}: numbers`);
    found.forEach((value, i) => {
      const want = bounds ? values[i] : Math.fround(values[i]);
      const right = bounds ? Math.abs(value - want) <= bounds[i] : Object.is(value + 0, want + 0);
      if (right) return;
      const place = `row ${Math.floor(i / held.cols)}, column ${i % held.cols}`;
      fail(`${what}, ${place}: expected ${want}${bounds ? ` within ${bounds[i]}` : ""}, found ${value}`);
    });
  });
}

/** Holds bytes against bytes and names the first that differs. */
export function assertSameBytes(found: Uint8Array, want: Uint8Array, what: string): void {
  assertEquals(found.length, want.length, `${what}: bytes`);
  const at = found.findIndex((byte, i) => byte !== want[i]);
  if (at >= 0) fail(`${what}, byte ${at} of ${want.length}: expected ${want[at]}, found ${found[at]}`);
}

/** The bytes of a mask that removes what `removes` says. */
export function maskBytes(rows: number, cols: number, removes: (row: number, col: number) => boolean): Uint8Array {
  const stride = Math.ceil(cols / 32), words = new Uint32Array(rows * stride);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) if (removes(i, j)) words[i * stride + (j >> 5)] |= 1 << (j & 31);
  }
  return new Uint8Array(words.buffer);
}

/** A mask on the backend, and which weights it must remove. */
export interface ExpectedMask {
  /** Names the case in a failure. */
  readonly what: string;
  /** The mask. */
  readonly held: Mask;
  /** Whether it removes the weight there. */
  readonly removes: (row: number, col: number) => boolean;
}

/** Reads all masks at once and compares every bit, the unused ones too. */
export async function assertMasks(backend: Backend, expected: readonly ExpectedMask[]): Promise<void> {
  const results = await backend.read(...expected.map(({ held }) => held));
  expected.forEach(({ what, held, removes }, which) => {
    const { rows, cols } = held, want = maskBytes(rows, cols, removes), found = results[which];
    assertEquals(found.length, want.length, `${what}: bytes of the mask`);
    const at = found.findIndex((byte, i) => byte !== want[i]);
    if (at < 0) return;
    const stride = Math.ceil(cols / 32) * 4, bit = Math.log2((found[at] ^ want[at]) & -(found[at] ^ want[at]));
    const place = `row ${Math.floor(at / stride)}, column ${at % stride * 8 + bit}`;
    fail(`${what}, ${place}: expected ${want[at] >> bit & 1}, found ${found[at] >> bit & 1}`);
  });
}
