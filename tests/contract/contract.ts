/**
 * How a claim of the contract is put to every backend. `contract("linear", (claim) => { claim("...", body) })` makes
 * one test for each subject of `subjects.ts` with one step for each claim. A subject is opened for the test and closed
 * after it; after every claim its live tensors must be as many as before, so that leaks fail where they happen.
 */
import { assertEquals, fail } from "@std/assert";
import type { Backend, Mask, Selection, Tensor } from "../../src/backend/backend.ts";
import { decode, type Matrix } from "./matrices.ts";
import { SUBJECTS } from "./subjects.ts";

/** What a claim does with a backend; `long` is the length of a long row, an odd one. */
export type Claim = (backend: Backend, long: number) => Promise<void>;

/** A long row, unless the subject says otherwise: beyond 4096, where tiles and single passes have ended. */
const LONG = 4099;

/** Registers the claims about one subject matter, for every backend. */
export function contract(about: string, claims: (claim: (says: string, body: Claim) => void) => void): void {
  const all: [says: string, body: Claim][] = [];
  claims((says, body) => all.push([says, body]));
  for (const subject of SUBJECTS) {
    Deno.test({
      name: `${about} on ${subject.name}`,
      ignore: subject.ignore,
      async fn(t) {
        await using backend = await subject.open();
        for (const [says, body] of all) {
          await t.step(says, async () => {
            const before = backend.live;
            await body(backend, subject.long ?? LONG);
            assertEquals(backend.live, before, "live tensors after the claim");
          });
        }
      },
    });
  }
}

/** Puts a matrix on the backend. */
export function hold(backend: Backend, { bytes, rows, cols, dtype }: Matrix): Tensor {
  return backend.upload(bytes, rows, cols, dtype);
}

/** A result on the backend, and what it must be. */
export interface Expected {
  /** Names the case in a failure. */
  readonly what: string;
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
  readonly what: string;
  readonly held: Mask;
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

/** The indices (row-major) that selections of these scores remove. */
export async function removedBy(
  backend: Backend,
  scores: Matrix,
  selections: readonly Selection[],
): Promise<Set<number>[]> {
  using scope = new DisposableStack();
  const held = scope.use(hold(backend, scores)), { rows, cols } = scores, stride = Math.ceil(cols / 32);
  const masks = await backend.read(
    ...selections.map((selection) => scope.use(backend.selectSmallest(held, selection))),
  );
  return masks.map((bytes) => {
    const words = new Uint32Array(bytes.buffer), removed = new Set<number>();
    for (let at = 0; at < rows * cols; at++) {
      const j = at % cols;
      if (words[Math.floor(at / cols) * stride + (j >> 5)] >>> (j & 31) & 1) removed.add(at);
    }
    return removed;
  });
}
