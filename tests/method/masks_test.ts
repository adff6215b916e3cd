/** Magnitude and Wanda on small matrices, full of ties and zeros, against plain sorts; on every backend. */
import { assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Backend, Dtype } from "../../src/backend/backend.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  findMethod,
  type Group,
  makeRequest,
  type RequestOptions,
} from "../../src/method/mod.ts";
import { fromFloats } from "../reference/floats.ts";
import {
  activationScores,
  cumulative,
  groupsOf,
  magnitudes,
  patternOf,
  smallestOfEach,
  upToThreshold,
} from "./plain_masks.ts";
import { SUBJECTS } from "./subjects.ts";

/** Runs of a property, of twenty-one: on a software GPU each costs tens of milliseconds. */
const RUNS: Readonly<Record<string, number>> = { reference: 100, wasm: 100, webgpu: 25 };

/** One linear to be pruned. */
interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: Dtype;
  readonly weights: readonly number[];
  readonly statistic: readonly number[];
  readonly sparsity: number;
}

/** A matrix by its size; few distinct numbers, exact in every dtype, so that ties are everywhere. */
const linear = (rows: number, cols: number): fc.Arbitrary<Case> =>
  fc.record({
    rows: fc.constant(rows),
    cols: fc.constant(cols),
    dtype: fc.constantFrom("F32", "F16", "BF16"),
    weights: fc.array(fc.constantFrom(0, -0, 1, -1, 0.5, -0.5, 2, 3, -3, 0.125), {
      minLength: rows * cols,
      maxLength: rows * cols,
    }),
    // Powers of four: their roots are exact, whatever the precision of a GPU's square root.
    statistic: fc.array(fc.constantFrom(0, 0.25, 1, 4, 16), { minLength: cols, maxLength: cols }),
    sparsity: fc.constantFrom(0, 0.1, 0.25, 1 / 3, 0.5, 0.6, 0.7, 0.95, 0.999),
  });
const sizes = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }));
const linears = sizes.chain(([rows, cols]) => linear(rows, cols));

/** Prunes a linear and gives its bytes. */
async function pruned(backend: Backend, name: string, given: Case, options: RequestOptions): Promise<Uint8Array> {
  const method = findMethod(name), { rows, cols, dtype } = given;
  const floats = new Float32Array(given.weights);
  using weight = backend.upload(fromFloats(floats, dtype), rows, cols, dtype);
  const squares = new Uint8Array(new Float32Array(given.statistic).buffer);
  using statistic = method.statistic === "none" ? undefined : backend.upload(squares, 1, cols, "F32");
  using pruner = await method.begin(backend, { squares: statistic }, DEFAULT_SOLVER_OPTIONS);
  using _ = await pruner!.prune({ name: "linear", weight }, makeRequest(method, options));
  return (await backend.read(weight))[0];
}

/** The same bytes with some weights zero. */
function without({ weights, dtype }: Case, removed: readonly number[]): Uint8Array {
  const floats = new Float32Array(weights);
  for (const i of removed) floats[i] = 0;
  return fromFloats(floats, dtype);
}

for (const { name, ignore, open } of SUBJECTS) {
  /** For all linears `method` leaves what `expected` does not name. */
  const claim = (
    title: string,
    cases: fc.Arbitrary<Case>,
    method: string,
    options: (given: Case) => RequestOptions,
    expected: (given: Case) => readonly number[],
  ) =>
    Deno.test({
      name: `${name}: ${title}`,
      ignore,
      fn: async () => {
        await using backend = await open();
        await fc.assert(
          fc.asyncProperty(cases, async (given) => {
            assertEquals(await pruned(backend, method, given, options(given)), without(given, expected(given)));
          }),
          { numRuns: RUNS[name] },
        );
        assertEquals(backend.live, 0);
      },
    });
  const scores = (given: Case, method: string) => ({
    ...given,
    values: method === "wanda"
      ? activationScores(given.weights, given.cols, given.statistic)
      : magnitudes(given.weights),
  });

  claim(
    "magnitude removes all up to one threshold of the whole linear, and nothing at sparsity 0",
    linears,
    "magnitude",
    ({ sparsity }) => ({ sparsity }),
    (given) => upToThreshold(scores(given, "magnitude"), given.sparsity),
  );
  claim(
    "wanda removes the floor(cols * sparsity) smallest of every row, of equal ones the lower column",
    linears,
    "wanda",
    ({ sparsity }) => ({ sparsity }),
    (given) => {
      const all = scores(given, "wanda");
      return smallestOfEach(groupsOf(all, "row"), all.values, given.sparsity);
    },
  );
  for (const method of ["magnitude", "wanda"]) {
    for (const group of ["row", "layer", "column", { block: 1 }, { block: 4 }, { block: 100 }] satisfies Group[]) {
      const label = typeof group === "string" ? group : `block:${group.block}`;
      claim(
        `${method} with --group ${label} removes the floor(size * sparsity) smallest of each`,
        linears,
        method,
        ({ sparsity }) => ({ sparsity, group }),
        (given) => {
          const all = scores(given, method);
          return smallestOfEach(groupsOf(all, group), all.values, given.sparsity);
        },
      );
    }
    for (const [n, m] of [[2, 4], [4, 8], [1, 2], [1, 4], [5, 7], [31, 33]]) {
      claim(
        `${method} with --pattern ${n}:${m} keeps ${n} of every ${m}, of equal ones the higher columns`,
        fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 })).chain(([rows, groups]) =>
          linear(rows, groups * m)
        ),
        method,
        () => ({ pattern: { n, m } }),
        (given) => patternOf(scores(given, method), n, m),
      );
    }
  }
  claim(
    "wanda's variant removes by running sums, one alpha for the linear",
    linears,
    "wanda",
    ({ sparsity }) => ({ sparsity, variant: true }),
    (given) => cumulative(scores(given, "wanda"), given.sparsity),
  );

  const given = { rows: 1, dtype: "F16" as const, sparsity: 0.5 };
  Deno.test({
    name: `${name}: wanda removes the lower column of a tie`,
    ignore,
    fn: async () => {
      await using backend = await open();
      const tie = { ...given, cols: 4, weights: [2, -1, 1, -1], statistic: [1, 1, 1, 1] };
      assertEquals(await pruned(backend, "wanda", tie, { sparsity: 0.5 }), without(tie, [1, 2]));
    },
  });
  Deno.test({
    name: `${name}: wanda keeps a small weight that meets a large input, magnitude does not`,
    ignore,
    fn: async () => {
      await using backend = await open();
      const pair = { ...given, cols: 2, weights: [0.125, 3], statistic: [1024, 1] };
      assertEquals(await pruned(backend, "wanda", pair, { sparsity: 0.5 }), without(pair, [1]));
      const magnitude = { ...pair, cols: 4, weights: [0.125, 3, 3, 2], statistic: [1, 1, 1, 1] };
      assertEquals(await pruned(backend, "magnitude", magnitude, { sparsity: 0.25 }), without(magnitude, [0, 3]));
    },
  });
}
