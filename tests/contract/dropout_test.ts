/** Claims about `dropout`: which numbers go is the hash's to say, to the bit, and the rest is scaled. */
import { assert, assertEquals } from "@std/assert";
import { gamma } from "./bounds.ts";
import { assertHeld, contract } from "./contract.ts";
import { decode, draw, matrix, NORMAL } from "./matrices.ts";
import { mix } from "./mix.ts";

contract("dropout", (claim) => {
  claim("drops what the hash of key and place says, and scales the others", async ({ backend, hold, keep, long }) => {
    const expected = ([[1, 1], [7, 33], [64, 65], [2, long]] as const).flatMap(([rows, cols]) =>
      [[0, 1], [0.05, 0], [0.5, 2 ** 32 - 1], [0.999, 12345]].map(([rate, key]) => {
        const x = draw(rows, rows, cols, "F32", NORMAL);
        const values = x.values.map((value, at) =>
          mix((mix(at) ^ key) >>> 0) < rate * 2 ** 32 ? 0 : value / (1 - rate)
        );
        return {
          what: `${rows} x ${cols}, ${rate} by ${key}`,
          held: keep(backend.dropout(hold(x), { rate, key })),
          values,
          // A scale that is rounded, and a product; what is dropped is exactly 0.
          bounds: values.map((value) => gamma(2) * Math.abs(value)),
        };
      })
    );
    await assertHeld(backend, expected);
  });

  claim("drops about its share, others by another key, the same by the same", async ({ backend, hold, keep }) => {
    const n = 128 * 257, ones = hold(matrix(128, 257, "F32", new Float64Array(n).fill(1))), rate = 0.05;
    const drawn = [1, 2, 1].map((key) => keep(backend.dropout(ones, { rate, key })));
    const [one, two, again] = (await backend.read(...drawn)).map((bytes) => decode(bytes, "F32"));
    assertEquals(again, one);
    const count = (is: (at: number) => boolean) => one.reduce((sum, _, at) => sum + Number(is(at)), 0);
    // Five standard deviations of independent draws.
    const near = (found: number, p: number) => Math.abs(found - n * p) < 5 * Math.sqrt(n * p * (1 - p));
    assert(near(count((at) => one[at] === 0), rate) && near(count((at) => two[at] === 0), rate), "the share");
    assert(near(count((at) => one[at] === 0 && two[at] === 0), rate * rate), "two keys are independent");
  });
});
