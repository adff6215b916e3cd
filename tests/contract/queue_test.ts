/**
 * Claims about order: operations take effect in the order of their calls, only `read` waits, and what is freed while it
 * is still needed is not lost. Random programs of operations that f32 does exactly must give the reference's bytes.
 */
import { assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { assertHeld, assertSameBytes, contract, upload } from "./contract.ts";
import { INVERSE_SQRT } from "./bounds.ts";
import { draw, DTYPES, INTEGERS, matrix, NORMAL } from "./matrices.ts";

/** A tensor of integers, and a bound of their size: as long as sums stay below 2^24 every operation here is exact. */
interface Integers {
  readonly tensor: Tensor;
  readonly largest: number;
}

/** Integers up to this are exact in f32. */
const EXACT = 2 ** 24;

/** Widths of the tensors in a program: few, so that they fit each other; one is odd, so that F16 rows straddle words. */
const WIDTHS = [4, 8, 33];

/** One step of a program: which operation, and numbers that pick its tensors. */
type Step = readonly [operation: number, a: number, b: number, c: number];

/** Runs a program with no wait but for the reads that are part of it, and gives the bytes of all that is left. */
async function run(backend: Backend, program: readonly Step[]): Promise<Uint8Array[]> {
  const pool: Integers[] = [], reads: Promise<Uint8Array[]>[] = [];
  const keep = (tensor: Tensor, largest: number): number => pool.push({ tensor, largest });
  const pick = (at: number, fits: (one: Integers) => boolean = () => true): Integers | undefined => {
    const all = pool.filter(fits);
    return all[at % all.length];
  };
  const floats = (one: Integers): boolean => one.tensor.dtype === "F32";
  const sameShape = (x: Tensor) => ({ tensor }: Integers): boolean => tensor.rows === x.rows && tensor.cols === x.cols;
  const operations: Record<string, (a: number, b: number, c: number) => void> = {
    upload(a, b, c) {
      const x = draw(a + 1, 1 + b % 9, WIDTHS[c % 3], DTYPES[a % 3], INTEGERS), bytes = x.bytes.slice();
      keep(upload(backend, { ...x, bytes }), 8);
      bytes.fill(255);
    },
    linear(a, b) {
      const x = pick(a, floats);
      const weight = x &&
        pick(b, ({ tensor, largest }) => tensor.cols === x.tensor.cols && tensor.cols * largest * x.largest < EXACT);
      if (x && weight) keep(backend.linear(x.tensor, weight.tensor), x.tensor.cols * x.largest * weight.largest);
    },
    add(a, b) {
      const x = pick(a, floats), y = x && pick(b, (one) => floats(one) && sameShape(x.tensor)(one));
      if (x && y && x.largest + y.largest < EXACT) keep(backend.add(x.tensor, y.tensor), x.largest + y.largest);
    },
    copy(a) {
      const from = pick(a);
      if (from) keep(backend.copy(from.tensor), from.largest);
    },
    gram(a) {
      const x = pick(a, (one) => floats(one) && one.tensor.rows * one.largest ** 2 < EXACT);
      if (!x) return;
      using sums = backend.allocate(2 * x.tensor.cols, x.tensor.cols);
      backend.addGram(sums, x.tensor);
      keep(backend.finish(sums, 1), x.tensor.rows * x.largest ** 2);
    },
    score(a) {
      const weight = pick(a);
      if (weight) keep(backend.score(weight.tensor, { kind: "magnitude" }), weight.largest);
    },
    applyGroups(a, b, c) {
      const weight = pick(a, ({ tensor }) => tensor.cols % 4 === 0);
      if (!weight) return;
      using scores = backend.score(weight.tensor, { kind: "magnitude" });
      using mask = backend.selectGroups(scores, 1 + b % 3, 4);
      backend.apply((pick(c, sameShape(weight.tensor)) ?? weight).tensor, mask);
    },
    applySmallest(a, b, c) {
      const weight = pick(a);
      if (!weight) return;
      using scores = backend.score(weight.tensor, { kind: "magnitude" });
      const group = c % 2 ? "column" : 1 + c % weight.tensor.rows;
      using mask = backend.selectSmallest(scores, {
        group,
        sparsity: b % 10 / 10,
        rule: c % 3 ? "count" : "threshold",
      });
      backend.apply(weight.tensor, mask);
    },
    squares(a, b) {
      const fits = (one: Integers): boolean => floats(one) && one.tensor.rows * one.largest ** 2 < EXACT / 4;
      const x = pick(a, fits), y = x && pick(b, (one) => fits(one) && one.tensor.cols === x.tensor.cols);
      if (!x || !y) return;
      using sums = backend.allocate(2, x.tensor.cols);
      using other = backend.allocate(2, x.tensor.cols);
      backend.addSquares(sums, x.tensor);
      backend.addSquares(other, y.tensor);
      backend.merge(sums, other);
      keep(backend.finish(sums, 1), x.tensor.rows * x.largest ** 2 + y.tensor.rows * y.largest ** 2);
    },
    embed(a, b) {
      const table = pick(a);
      if (!table) return;
      const { rows, cols } = table.tensor, out = backend.allocate(1 + b % 5, cols);
      backend.embed(out, Uint32Array.from({ length: out.rows }, (_, t) => (t * 7 + b) % (rows + 2)), table.tensor, 1);
      keep(out, table.largest);
    },
    dispose(a) {
      if (pool.length < 4) return;
      const [one] = pool.splice(a % pool.length, 1);
      one.tensor[Symbol.dispose]();
    },
    read(a) {
      const one = pick(a);
      if (one) reads.push(backend.read(one.tensor));
    },
  };
  const all = Object.values(operations);
  for (const [operation, a, b, c] of program) all[operation % all.length](a, b, c);
  reads.push(backend.read(...pool.map(({ tensor }) => tensor)));
  for (const { tensor } of pool) tensor[Symbol.dispose]();
  return (await Promise.all(reads)).flat();
}

contract("queue", (claim) => {
  claim("runs hundreds of operations before one read", async ({ backend }) => {
    const x = draw(1, 33, 65, "F32", INTEGERS);
    using ones = upload(backend, x);
    let sum = backend.allocate(33, 65);
    for (let i = 0; i < 400; i++) {
      const next = backend.add(sum, ones);
      sum[Symbol.dispose]();
      sum = next;
    }
    using total = sum;
    await assertHeld(backend, [{ what: "400 additions", held: total, values: x.values.map((value) => 400 * value) }]);
  });

  claim("still sees what was disposed after the call", async ({ backend }) => {
    const x = draw(1, 65, 33, "F32", INTEGERS), weight = draw(2, 65, 33, "F16", INTEGERS);
    const [a, w] = [upload(backend, x), upload(backend, weight)], y = backend.linear(a, w), z = backend.add(y, y);
    for (const one of [a, w, y]) one[Symbol.dispose]();
    // What comes into the freed places must not reach the operations above.
    using scope = new DisposableStack();
    for (let i = 0; i < 5; i++) scope.use(upload(backend, draw(3 + i, 65, 65, "F32", NORMAL)));
    const read = backend.read(z);
    z[Symbol.dispose]();
    for (let i = 0; i < 5; i++) scope.use(upload(backend, draw(9 + i, 65, 65, "F32", NORMAL)));
    const values = new Float32Array(65 * 65);
    for (let t = 0; t < 65; t++) {
      for (let i = 0; i < 65; i++) {
        for (let k = 0; k < 33; k++) values[t * 65 + i] += 2 * x.values[t * 33 + k] * weight.values[i * 33 + k];
      }
    }
    assertEquals(new Float32Array((await read)[0].buffer), values);
  });

  claim("read gives the state at its call, whatever is queued before it is awaited", async ({ backend }) => {
    const x = matrix(1, 4, "F32", [4, 3, 2, 1]);
    using weight = upload(backend, x);
    const before = backend.read(weight);
    using scores = backend.score(weight, { kind: "magnitude" });
    using mask = backend.selectGroups(scores, 2, 4);
    backend.apply(weight, mask);
    const after = backend.read(weight);
    const results = (await Promise.all([before, after])).map(([bytes]) => [...new Float32Array(bytes.buffer)]);
    assertEquals(results, [[4, 3, 2, 1], [4, 3, 0, 0]]);
  });

  claim("keeps the order of operations in place", async ({ backend }) => {
    using scope = new DisposableStack();
    const out = scope.use(backend.allocate(1, 3)), sums = scope.use(backend.allocate(2, 3)), expected = [0, 0, 0];
    for (let i = 1; i <= 50; i++) {
      // The same row is written again and again, and each state of it is added to the sums.
      using table = upload(backend, matrix(1, 3, "BF16", [i, -i, 2]));
      backend.embed(out, Uint32Array.of(i), table, i);
      backend.addSquares(sums, out);
      expected.forEach((_, j) => expected[j] += [i, i, 2][j] ** 2);
    }
    await assertHeld(backend, [{ what: "50 states", held: scope.use(backend.finish(sums, 1)), values: expected }]);
  });

  // The Hessian is the identity, then zero: dead everywhere. Each factor must be that of the Hessian at its call.
  claim("lets other operations go on while factors are under way", async ({ backend, hold, keep }) => {
    const n = 130, ones = Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));
    const hessian = backend.upload(matrix(n, n, "F32", ones).bytes, n, n, "F32");
    const x = hold(draw(1, 9, n, "F32", INTEGERS)), weight = hold(draw(2, 33, n, "F16", INTEGERS));
    const before = keep(backend.linear(x, weight)), first = backend.inverseFactor(hessian, 0);
    const all = keep(backend.selectGroups(hessian, 0, n));
    backend.apply(hessian, all);
    const second = backend.inverseFactor(hessian, 0);
    hessian[Symbol.dispose]();
    const after = keep(backend.linear(x, weight));
    const [alive, dead] = (await Promise.all([first, second])).map((factor) => keep(factor!));
    await assertHeld(backend, [
      { what: "U of the identity", held: alive.upper, values: ones, bounds: ones.map((one) => one * INVERSE_SQRT) },
      { what: "none is dead", held: alive.dead, values: Array(n).fill(0) },
      { what: "U of what is dead", held: dead.upper, values: ones, bounds: ones.map((one) => one * INVERSE_SQRT) },
      { what: "all are dead", held: dead.dead, values: Array(n).fill(1) },
    ]);
    const [one, two] = await backend.read(before, after);
    assertSameBytes(two, one, "the product meanwhile");
  });

  const step = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000));
  claim("random programs give the reference's bytes and leave nothing behind", async ({ backend }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80, size: "max" }), async (program) => {
        const before = backend.live, found = await run(backend, program);
        const want = await run(new ReferenceBackend(), program);
        want.forEach((bytes, i) => assertSameBytes(found[i], bytes, `result ${i}`));
        assertEquals(found.length, want.length);
        assertEquals(backend.live, before);
      }),
      { numRuns: 40 },
    );
  });
});
