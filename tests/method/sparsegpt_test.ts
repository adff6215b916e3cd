/**
 * SparseGPT, RIA and the weight updates on small matrices, on every backend: against plain f64 versions and the laws that
 * bind them to each other.
 */
import { assert, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Backend } from "../../src/backend/backend.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  findMethod,
  makeRequest,
  type Method,
  type RequestOptions,
  withUpdate,
} from "../../src/method/mod.ts";
import { activationScores, groupsOf, magnitudes, patternOf, smallestOfEach, upToThreshold } from "./plain_masks.ts";
import { SUBJECTS } from "./subjects.ts";

/** Runs of a property: on a software GPU each costs tens of milliseconds. */
const RUNS: Readonly<Record<string, number>> = { reference: 100, wasm: 100, webgpu: 12 };

/** A linear, and the second moment of its input: row-major, cols x cols. */
interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly weights: readonly number[];
  readonly hessian: readonly number[];
}

const bytes = (numbers: Iterable<number>) => new Uint8Array(Float32Array.from(numbers).buffer);

/** Prunes a linear and gives its weights. */
async function pruned(
  backend: Backend,
  method: Method,
  { rows, cols, weights, hessian }: Case,
  options: RequestOptions,
  solve = DEFAULT_SOLVER_OPTIONS,
): Promise<number[]> {
  using weight = backend.upload(bytes(weights), rows, cols, "F32");
  using moment = backend.upload(bytes(hessian), cols, cols, "F32");
  using squares = backend.upload(
    bytes(weights.slice(0, cols).map((_, j) => hessian[j * cols + j] / 2)),
    1,
    cols,
    "F32",
  );
  using pruner = await method.begin(backend, { squares, hessian: moment }, solve);
  assert(pruner, "the Hessian can be inverted");
  using _ = await pruner.prune({ name: "linear", weight }, makeRequest(method, options));
  return [...new Float32Array((await backend.read(weight))[0].buffer)];
}

const indicesOf = (weights: readonly number[], holds: (weight: number) => boolean) =>
  weights.flatMap((weight, i) => holds(weight) ? [i] : []);
const sorted = (indices: readonly number[]) => [...indices].sort((a, b) => a - b);

/** Distinct magnitudes without a zero: what is zero afterwards was removed. */
const weightsOf = (count: number) =>
  fc.uniqueArray(fc.integer({ min: 1, max: 4000 }), { minLength: count, maxLength: count })
    .chain((sizes) =>
      fc.array(fc.boolean(), { minLength: count, maxLength: count })
        .map((signs) => sizes.map((size, i) => (signs[i] ? size : -size) / 64))
    );

/** A linear whose inputs are uncorrelated; powers of four, so that roots are exact whatever the precision of a root. */
const uncorrelated = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 }).map((n) => 4 * n))
  .chain(([rows, cols]) =>
    fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      weights: weightsOf(rows * cols),
      hessian: fc.array(fc.constantFrom(0.5, 2, 8, 32), { minLength: cols, maxLength: cols })
        .map((diagonal) => Array.from({ length: cols * cols }, (_, at) => at % (cols + 1) ? 0 : diagonal[at % cols])),
    })
  );

/** Correlated inputs: `xᵀ x` of more random tokens than columns. */
function correlated(rows: number, cols: number, seed: number): Case {
  let state = seed;
  const random = () => ((state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32) - 0.5;
  const tokens = Array.from({ length: 3 * cols }, () => {
    const shared = random();
    return Array.from({ length: cols }, () => shared + random());
  });
  return {
    rows,
    cols,
    weights: Array.from({ length: rows * cols }, random),
    hessian: Array.from(
      { length: cols * cols },
      (_, at) => tokens.reduce((sum, x) => sum + x[Math.floor(at / cols)] * x[at % cols], 0),
    ),
  };
}

for (const { name, ignore, open } of SUBJECTS) {
  const test = (says: string, body: (backend: Backend) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${says}`,
      ignore,
      async fn() {
        await using backend = await open();
        await body(backend);
        assertEquals(backend.live, 0);
      },
    });

  test("with uncorrelated inputs and no damping SparseGPT removes what Wanda's score finds least, and updates nothing", (backend) =>
    fc.assert(
      fc.asyncProperty(
        uncorrelated,
        fc.constantFrom(0, 0.25, 0.5, 0.7),
        fc.boolean(),
        async (given, sparsity, grouped) => {
          const { rows, cols, weights, hessian } = given, pattern = grouped ? { n: 2, m: 4 } : undefined;
          const statistic = Array.from({ length: cols }, (_, j) => hessian[j * cols + j] / 2);
          const scores = { rows, cols, values: activationScores(weights, cols, statistic) };
          const solve = { damping: 0, blockSize: cols };
          const found = await pruned(
            backend,
            findMethod("sparsegpt"),
            given,
            pattern ? { pattern } : { sparsity },
            solve,
          );
          const removed = pattern ? patternOf(scores, 2, 4) : upToThreshold(scores, sparsity);
          assertEquals(indicesOf(found, (weight) => weight === 0), sorted(removed));
          found.forEach((weight, i) => assert(weight === 0 || weight === weights[i]));
        },
      ),
      { numRuns: RUNS[name] },
    ));

  test("a sequential update keeps the method's own mask", async (backend) => {
    for (const method of ["magnitude", "wanda"]) {
      for (const options of [{ sparsity: 0.5 }, { pattern: { n: 2, m: 4 } }]) {
        const given = correlated(5, 24, 7);
        const alone = await pruned(backend, findMethod(method), given, options);
        const updated = await pruned(backend, withUpdate(findMethod(method), "sequential"), given, options);
        const zero = (weight: number) => weight === 0;
        assertEquals(indicesOf(updated, zero), indicesOf(alone, zero), method);
        assert(updated.some((weight, i) => weight !== 0 && weight !== given.weights[i]), "weights are updated");
      }
    }
  });

  test("an iterative update removes, in its first block of columns, what the scores of the dense weights say", async (backend) => {
    const given = correlated(6, 16, 3), blockSize = 8;
    const statistic = Array.from({ length: 16 }, (_, j) => given.hessian[j * 17] / 2);
    for (const method of ["magnitude", "wanda"]) {
      const all = method === "wanda" ? activationScores(given.weights, 16, statistic) : magnitudes(given.weights);
      const first = all.filter((_, i) => i % 16 < blockSize);
      const removed = upToThreshold({ rows: 6, cols: blockSize, values: first }, 0.5);
      const found = await pruned(backend, withUpdate(findMethod(method), "iterative"), given, { sparsity: 0.5 }, {
        damping: 0.01,
        blockSize,
      });
      const zeros = found.filter((_, i) => i % 16 < blockSize);
      assertEquals(indicesOf(zeros, (weight) => weight === 0), removed, method);
    }
  });

  test("SparseGPT loses less of a linear's output than the same masks without an update", async (backend) => {
    const given = correlated(8, 32, 11), { rows, cols, weights, hessian } = given;
    const lost = (found: readonly number[]) => {
      let sum = 0;
      for (let r = 0; r < rows; r++) {
        const d = weights.slice(r * cols, (r + 1) * cols).map((weight, j) => weight - found[r * cols + j]);
        for (let i = 0; i < cols; i++) for (let j = 0; j < cols; j++) sum += d[i] * hessian[i * cols + j] * d[j];
      }
      return sum;
    };
    const found = await pruned(backend, findMethod("sparsegpt"), given, { sparsity: 0.5 });
    const masked = weights.map((weight, i) => found[i] === 0 ? 0 : weight);
    assert(lost(found) < lost(masked), `${lost(found)} of ${lost(masked)}`);
  });

  test("RIA removes by a weight's share of its row and column, times the fourth root of the statistic", (backend) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        async (rows, cols, seed) => {
          const given = correlated(rows, cols, seed), w = given.weights.map((weight) => Math.abs(Math.fround(weight)));
          const byRow = Array.from(
            { length: rows },
            (_, i) => w.slice(i * cols, (i + 1) * cols).reduce((a, b) => a + b),
          );
          const byCol = Array.from(
            { length: cols },
            (_, j) => w.filter((_, at) => at % cols === j).reduce((a, b) => a + b),
          );
          const values = w.map((size, at) => {
            const i = Math.floor(at / cols), j = at % cols;
            return (size / byRow[i] + size / byCol[j]) *
              Math.sqrt(Math.sqrt(Math.fround(given.hessian[j * cols + j] / 2)));
          });
          const found = await pruned(backend, findMethod("ria"), given, { sparsity: 0.5 });
          const removed = sorted(smallestOfEach(groupsOf({ rows, cols, values }, "row"), values, 0.5));
          // Scores that f32 cannot tell apart may change places: a few units in the last place, by six roundings.
          const clear = (i: number) => {
            const row = values.slice(Math.floor(i / cols) * cols, (Math.floor(i / cols) + 1) * cols).sort((a, b) =>
              a - b
            );
            const cut = row[Math.floor(cols * 0.5)];
            return cols === 1 || Math.abs(values[i] / cut - 1) > 2 ** -18 || values[i] === cut;
          };
          const zeros = indicesOf(found, (weight) => weight === 0);
          assertEquals(zeros.length, removed.length);
          assertEquals(zeros.filter(clear), removed.filter(clear));
        },
      ),
      { numRuns: RUNS[name] },
    ));
}
