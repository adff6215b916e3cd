/** Claims about `selectGroups`: n:m keeps n of every m, ties to the lower column, groups that straddle words. */
import { assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { assertMasks, contract, type ExpectedMask } from "./contract.ts";
import { type Draw, draw, edge, SPREAD, STEPS } from "./matrices.ts";
import { smallestOfGroups } from "./selection.ts";

/** n, m, rows, groups in a row: the published patterns, m that divides no word, one group in all, m beyond a word. */
const PATTERNS = [
  [2, 4, 1, 1],
  [2, 4, 33, 33],
  [4, 8, 65, 9],
  [1, 2, 3, 129],
  [1, 4, 7, 31],
  [1, 3, 5, 43],
  [2, 3, 9, 33],
  [3, 7, 5, 19],
  [5, 8, 2, 25],
  [1, 16, 3, 7],
  [31, 32, 3, 3],
  [16, 33, 5, 3],
  [5, 65, 2, 2],
  [1, 193, 3, 1],
  [64, 128, 2, 3],
];

const KINDS: readonly Draw[] = [
  SPREAD,
  STEPS,
  () => 1,
  () => 0,
  edge("F32"),
  (random) => Math.floor(random() * 8 - 4) * 2 ** -149,
];

contract("selectGroups", (claim) => {
  claim("removes the m - n smallest of every group, ties to the lower column", async ({ backend, hold, keep }) => {
    for (const each of KINDS) {
      const expected = PATTERNS.map(([n, m, rows, runs], seed): ExpectedMask => {
        const cols = m * runs, scores = draw(seed, rows, cols, "F32", each);
        const removed = smallestOfGroups(scores.values, rows, cols, n, m);
        const held = keep(backend.selectGroups(hold(scores), n, m));
        return { what: `${n}:${m} of ${rows} x ${cols}`, held, removes: (i, j) => removed.has(i * cols + j) };
      });
      await assertMasks(backend, expected);
    }
  });

  claim("of m:m removes nothing", async ({ backend, hold, keep }) => {
    const scores = hold(draw(1, 5, 36, "F32", KINDS[1]));
    const held = keep(backend.selectGroups(scores, 4, 4));
    await assertMasks(backend, [{ what: "4:4", held, removes: () => false }]);
  });

  claim("removes exactly m - n of every group", async ({ backend, hold, keep }) => {
    const pattern = fc.integer({ min: 2, max: 40 }).chain((m) =>
      fc.tuple(fc.integer({ min: 1, max: m - 1 }), fc.constant(m))
    );
    await fc.assert(
      fc.asyncProperty(pattern, fc.nat(2 ** 31), fc.integer({ min: 1, max: 5 }), async ([n, m], seed, runs) => {
        const scores = hold(draw(seed, 3, m * runs, "F32", KINDS[seed % 2]));
        const held = keep(backend.selectGroups(scores, n, m));
        const words = new Uint32Array((await backend.read(held))[0].buffer), stride = words.length / 3;
        for (let i = 0; i < 3; i++) {
          for (let group = 0; group < runs; group++) {
            let removed = 0;
            for (let j = group * m; j < (group + 1) * m; j++) removed += words[i * stride + (j >> 5)] >>> (j & 31) & 1;
            assertEquals(removed, m - n, `${n}:${m}, row ${i}, group ${group}`);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});
