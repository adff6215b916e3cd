/** Claims about `selectSmallest`: exact by every group and rule, ties to the lower index, against a plain sort. */
import { assert, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Backend, Selection } from "../../src/backend/backend.ts";
import { assertMasks, contract, type ExpectedMask, type Stage, upload } from "./contract.ts";
import { type Draw, draw, edge, generator, type Matrix, matrix, SPREAD, STEPS } from "./matrices.ts";
import { groups, smallest } from "./selection.ts";

/** One row, one column, rows about a word and about a tile, a last run that is shorter. */
const shapes = (long: number, tall: number): number[][] => [
  ...[[1, 1], [1, 2], [2, 1], [1, 31], [1, long], [tall, 1]],
  ...[[3, 33], [5, 64], [7, 65], [33, 127], [65, 193]],
];

/** Rows of a tall matrix where nobody asks for more: a workgroup a row takes a software driver long. */
const TALL = 521;

/** Sparsities whose products are whole, just under whole, and neither; 0.29 * 100 is 28.999999999999996 in f64. */
const SPARSITIES = [0, 0.001, 0.25, 0.29, 1 / 3, 0.5, 0.7, 0.999];

const RULES: readonly Selection["rule"][] = ["count", "threshold"];

/** Scores of each kind, most of both signs: distinct, ties everywhere, all equal, the edges of f32, neighbours in the last bits. */
const KINDS: Readonly<Record<string, Draw>> = {
  spread: SPREAD,
  tied: STEPS,
  equal: () => 0.75,
  zero: () => 0,
  extreme: edge("F32"),
  subnormal: (random) => Math.floor(random() * 80 - 40) * 2 ** -149,
  "nearly equal": (random) => 1 + Math.floor(random() * 3) * 2 ** -23,
};

/** Runs selections of the same scores, and says what each must remove. */
function selected({ backend, hold, keep }: Stage, scores: Matrix, selections: readonly Selection[]): ExpectedMask[] {
  const { rows, cols } = scores, held = hold(scores);
  return selections.map((selection) => {
    const removed = smallest(scores.values, rows, cols, selection);
    return {
      what: `${rows} x ${cols} ${JSON.stringify(selection)}`,
      held: keep(backend.selectSmallest(held, selection)),
      removes: (i, j) => removed.has(i * cols + j),
    };
  });
}

/** The indices (row-major) that selections of these scores remove. */
async function removedBy(
  backend: Backend,
  scores: Matrix,
  selections: readonly Selection[],
): Promise<Set<number>[]> {
  using scope = new DisposableStack();
  const held = scope.use(upload(backend, scores)), { rows, cols } = scores, stride = Math.ceil(cols / 32);
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

contract("selectSmallest", (claim) => {
  for (const [which, [kind, each]] of Object.entries(KINDS).entries()) {
    claim(`is what a plain sort gives on ${kind} scores, by every group, rule and shape`, async (stage) => {
      const random = generator(which + 1);
      const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)];
      const expected = shapes(stage.long, which === 0 ? stage.long : TALL).flatMap(([rows, cols], seed) => {
        // Thousands of small groups tell no more than hundreds.
        const small = rows >= TALL ? [7] : [1, 2, 5];
        const among = [...new Set([...small, rows].filter((group) => group <= rows)), "column" as const];
        // One sparsity and rule for each group here: together they meet over the shapes and kinds.
        const selections = among.map((group) => ({ group, rule: pick(RULES), sparsity: pick(SPARSITIES) }));
        return selected(stage, draw(seed, rows, cols, "F32", each), selections);
      });
      await assertMasks(stage.backend, expected);
    });
  }

  claim("takes every sparsity by every group and rule, on ties", async (stage) => {
    const selections = SPARSITIES.flatMap((sparsity) =>
      ([1, 4, 13, "column"] as const).flatMap((group) => RULES.map((rule) => ({ group, sparsity, rule })))
    );
    await assertMasks(stage.backend, selected(stage, draw(5, 13, 100, "F32", KINDS.tied), selections));
  });

  claim("takes a whole matrix of 129 x 1021 as one group", async (stage) => {
    const expected = [KINDS.spread, KINDS.tied, KINDS["nearly equal"]].flatMap((each) => {
      const selections = RULES.map((rule) => ({ group: 129, sparsity: 0.5, rule }));
      return selected(stage, draw(6, 129, 1021, "F32", each), selections);
    });
    await assertMasks(stage.backend, expected);
  });

  /** Scores of few values, so that ties are the rule, and a selection. */
  const scenes = fc.record({
    rows: fc.integer({ min: 1, max: 9 }),
    cols: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(2 ** 31),
    levels: fc.constantFrom(1, 2, 5, 1000),
    sparsity: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    column: fc.boolean(),
    group: fc.nat(8),
  }).map(({ rows, cols, seed, levels, sparsity, column, group }) => ({
    scores: draw(seed, rows, cols, "F32", (random) => Math.floor(random() * levels) / (random() < 0.5 ? -8 : 8)),
    group: column ? "column" as const : 1 + group % rows,
    sparsity,
  }));

  claim("by count removes exactly floor(size * sparsity) of every group", async ({ backend }) => {
    await fc.assert(
      fc.asyncProperty(scenes, async ({ scores, group, sparsity }) => {
        const [removed] = await removedBy(backend, scores, [{ group, sparsity, rule: "count" }]);
        for (const members of groups(scores.rows, scores.cols, group)) {
          assertEquals(members.filter((at) => removed.has(at)).length, Math.floor(members.length * sparsity));
        }
      }),
      { numRuns: 20 },
    );
  });

  claim("grows with the sparsity: what goes at less goes at more", async ({ backend }) => {
    await fc.assert(
      fc.asyncProperty(
        scenes,
        fc.constantFrom(...RULES),
        async ({ scores, group, sparsity }, rule) => {
          const selections = [sparsity / 2, sparsity].map((share): Selection => ({ group, sparsity: share, rule }));
          const [less, more] = await removedBy(backend, scores, selections);
          assert(less.isSubsetOf(more));
        },
      ),
      { numRuns: 20 },
    );
  });

  claim("does not depend on the order of the columns, but for ties", async ({ backend }) => {
    await fc.assert(
      fc.asyncProperty(scenes, async ({ scores, sparsity }) => {
        const { rows, cols, values } = scores, mirror = (at: number): number => at - at % cols + cols - 1 - at % cols;
        const mirrored = matrix(rows, cols, "F32", values.map((_, at) => values[mirror(at)]));
        const selections = RULES.map((rule): Selection => ({ group: 1, sparsity, rule }));
        const [count, threshold] = await removedBy(backend, scores, selections);
        const [countMirrored, thresholdMirrored] = await removedBy(backend, mirrored, selections);
        assertEquals(new Set([...thresholdMirrored].map(mirror)), threshold);
        const ascending = (removed: Set<number>) =>
          [...removed].map((at) => Math.abs(values[at])).sort((a, b) => a - b);
        assertEquals(ascending(new Set([...countMirrored].map(mirror))), ascending(count));
      }),
      { numRuns: 20 },
    );
  });
});
