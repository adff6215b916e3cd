/**
 * What one core can do at best in WebAssembly: a loop of nothing but loads and multiply-adds, on two panels that lie in
 * the first-level cache, a tile of results in registers. It is written instruction by instruction, apart from the
 * Rust kernels, so that their linear is held against a ceiling that no compiler flag can lower. Which form is the best
 * differs between CPUs: the peak is the best of several.
 */
import { advance, assembleModule, get, I32, i32Const, leb, load, loop, set, store, V128 } from "./assembly.ts";
import type { Side } from "./ratio.ts";

/** A form of the microkernel. */
interface Form {
  /** Rows of the tile; it has {@linkcode COLS} columns. */
  readonly rows: 4 | 6;
  /** How a number of A comes into all four lanes: by a load of its own, or by a shuffle of four that were loaded. */
  readonly spread: "load" | "shuffle";
  /** Depths for each turn of the loop. */
  readonly unroll: number;
}

/** More rows would spill: V8 gives out 15 registers. */
const FORMS: readonly Form[] = [1, 2, 4].flatMap((unroll) => [
  { rows: 6, spread: "load", unroll },
  { rows: 4, spread: "shuffle", unroll },
]);
/** Columns of the tile: two registers. */
const COLS = 8;
/** Depth of the panels: (6 + 8) x 256 x 4 bytes = 14 KiB of a first-level cache of 32 or more. */
const DEPTH = 256;

const loadSplat = (address: number, offset: number) => [...get(address), 0xfd, 9, 2, ...leb(offset)];
/** One lane of four in all of them. */
const shuffle = (vector: number, lane: number) => {
  const bytes = [0, 1, 2, 3].map((byte) => lane * 4 + byte);
  return [...get(vector), ...get(vector), 0xfd, 13, ...bytes, ...bytes, ...bytes, ...bytes];
};
/** Parameters of the function: the panel of A, that of B, where the tile goes, how often all of it is done. */
const A = 0, B = 1, C = 2, TIMES = 3;
/** Its other locals: the end of A, two running addresses; then vectors: two of B, four numbers of A, one of them, the tile. */
const END = 4, A_AT = 5, B_AT = 6, B0 = 7, B1 = 8, FOUR = 9, ONE = 10, TILE = 11;

/** The machine code of a form; `relaxed`: with fused multiply-add. */
function assemble({ rows, spread, unroll }: Form, relaxed: boolean): WebAssembly.Module {
  const multiplyAdd = (b: number, tile: number) =>
    relaxed
      ? [...get(ONE), ...get(b), ...get(tile), 0xfd, 0x85, 0x02, ...set(tile)]
      : [...get(tile), ...get(ONE), ...get(b), 0xfd, 0xe6, 0x01, 0xfd, 0xe4, 0x01, ...set(tile)];
  const step = (k: number) => [
    ...[...load(B_AT, k * COLS * 4), ...set(B0), ...load(B_AT, k * COLS * 4 + 16), ...set(B1)],
    ...(spread === "shuffle" ? [...load(A_AT, k * rows * 4), ...set(FOUR)] : []),
    ...Array.from({ length: rows }, (_, row) => [
      ...(spread === "shuffle" ? shuffle(FOUR, row) : loadSplat(A_AT, (k * rows + row) * 4)),
      ...[...set(ONE), ...multiplyAdd(B0, TILE + row * 2), ...multiplyAdd(B1, TILE + row * 2 + 1)],
    ]).flat(),
  ];
  const body = [
    ...[...get(A), ...i32Const(rows * DEPTH * 4), 0x6a, ...set(END)],
    ...loop([
      ...[...get(A), ...set(A_AT), ...get(B), ...set(B_AT)],
      ...loop([
        ...Array.from({ length: unroll }, (_, k) => step(k)).flat(),
        ...[...advance(B_AT, unroll * COLS * 4), ...advance(A_AT, unroll * rows * 4)],
      ], [...get(A_AT), ...get(END), 0x49]), // while below the end
    ], [...get(TIMES), ...i32Const(1), 0x6b, 0x22, TIMES]), // while times remain
    ...Array.from({ length: rows * 2 }, (_, i) => store(C, TILE + i, i * 16)).flat(),
    0x0b,
  ];
  return assembleModule(4, 1, [2, B0 - END, I32, TILE - B0 + rows * 2, V128, ...body]);
}

/** The best that the engine has: a module with relaxed SIMD does not compile without it. */
function assembleBest(form: Form): WebAssembly.Module {
  try {
    return assemble(form, true);
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    return assemble(form, false);
  }
}

/** A microkernel that is ready to run. */
interface Microkernel {
  readonly form: Form;
  readonly run: (a: number, b: number, c: number, times: number) => void;
  readonly memory: WebAssembly.Memory;
}

/** Repetitions of the panels in one measurement: about 20 ms. */
const REPEATS = 40_000;
const A_OFFSET = 0, B_OFFSET = 6 * DEPTH * 4, C_OFFSET = B_OFFSET + COLS * DEPTH * 4;

function instantiate(form: Form): Microkernel {
  const { exports } = new WebAssembly.Instance(assembleBest(form));
  const kernel = { form, ...exports } as unknown as Microkernel;
  const panels = new Float32Array(kernel.memory.buffer, 0, C_OFFSET / 4);
  for (let i = 0; i < panels.length; i++) panels[i] = (i % 7 - 3) / 8;
  return kernel;
}

/** Holds two results against sums in f64: a microkernel that computes something else has no peak. */
function check({ form: { rows }, run, memory }: Microkernel): void {
  run(A_OFFSET, B_OFFSET, C_OFFSET, 1);
  const numbers = new Float32Array(memory.buffer);
  for (const [row, col] of [[0, 0], [rows - 1, COLS - 1]]) {
    let sum = 0;
    for (let k = 0; k < DEPTH; k++) sum += numbers[k * rows + row] * numbers[B_OFFSET / 4 + k * COLS + col];
    const found = numbers[C_OFFSET / 4 + row * COLS + col];
    // Operands and sums are whole multiples of 1/64 below 2^18: exact in f32.
    if (found !== sum) throw new Error(`microkernel: expected ${sum} at ${row}, ${col} but found ${found}`);
  }
}

/** Every form of the microkernel, compiled and checked; a sample is the best of them. */
export function openPeak(): Side {
  const kernels = FORMS.map(instantiate);
  kernels.forEach(check);
  const rate = ({ form: { rows }, run }: Microkernel) => {
    const start = performance.now();
    run(A_OFFSET, B_OFFSET, C_OFFSET, REPEATS);
    return 2 * rows * COLS * DEPTH * REPEATS / (performance.now() - start) / 1e6;
  };
  return {
    label: "register microkernel, 1 core",
    unit: "GFLOP/s",
    sample: () => Promise.resolve(Math.max(...kernels.map(rate))),
  };
}
