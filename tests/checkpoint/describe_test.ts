/** What describeLinear sees, against a count by hand. */
import { assertEquals, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Dtype } from "../../src/backend/backend.ts";
import { describeLinear } from "../../src/checkpoint/describe.ts";

/** Values as the bytes of a dtype (BF16 by cutting: the values here are short). */
function bytesOf(values: readonly number[], dtype: Dtype): Uint8Array<ArrayBuffer> {
  if (dtype === "F32") return new Uint8Array(Float32Array.from(values).buffer);
  if (dtype === "F16") return new Uint8Array(Float16Array.from(values).buffer);
  const words = new Uint16Array(Float32Array.from(values).buffer);
  return new Uint8Array(words.filter((_, i) => i % 2 === 1).buffer);
}

/** A matrix that keeps n of every m. */
const pruned = (rows: number, cols: number, n: number, m: number) =>
  Array.from({ length: rows * cols }, (_, i) => i % m < n ? 1 + i % 3 : 0);

for (const dtype of ["F32", "F16", "BF16"] as const) {
  Deno.test(`zeros, sparsity and the fullest group of each width are counted right in ${dtype}`, () => {
    const value = fc.constantFrom(0, -0, 1, -2, 2 ** -126, 0, 0);
    const matrix = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 4, 6, 8, 24, 32, 64)).chain((
      [rows, cols],
    ) =>
      fc.tuple(
        fc.constant(rows),
        fc.constant(cols),
        fc.array(value, { minLength: rows * cols, maxLength: rows * cols }),
      )
    );
    fc.assert(fc.property(matrix, ([rows, cols, values]) => {
      const stored = dtype === "F16" ? [...Float16Array.from(values)] : values; // 2^-126 is a zero there
      const found = describeLinear(bytesOf(values, dtype), dtype, [rows, cols]);
      const zeros = stored.filter((each) => each === 0).length;
      assertEquals([found.zeros, found.sparsity], [zeros, zeros / (rows * cols)]);
      const largest = [4, 8, 16, 32].filter((m) => cols % m === 0).map((m) => {
        const kept = Array.from(
          { length: rows * cols / m },
          (_, g) => stored.slice(g * m, g * m + m).filter((each) => each !== 0).length,
        );
        return [m, Math.max(...kept)];
      });
      assertEquals([...found.largestGroup], largest);
    }));
  });
}

Deno.test("the pattern is the narrowest that explains the zeros", () => {
  const pattern = (values: number[], cols: number) =>
    describeLinear(bytesOf(values, "F16"), "F16", [values.length / cols, cols]).pattern;
  assertEquals(pattern(pruned(8, 32, 2, 4), 32), "2:4");
  assertEquals(pattern(pruned(8, 32, 1, 4), 32), "1:4");
  assertEquals(pattern(pruned(8, 32, 4, 8), 32), "4:8");
  assertEquals(pattern(pruned(8, 32, 3, 16), 32), "3:16");
  assertEquals(pattern(pruned(8, 32, 4, 4), 32), undefined);
  assertEquals(pattern(pruned(8, 30, 2, 4), 30), undefined); // 4 does not divide 30
  assertEquals(pattern(new Array(256).fill(0), 32), undefined);
  // One zero of a thousand weights moves a 2:4 no further than to be 2:4 still; half of them gone is another thing.
  assertEquals(pattern(pruned(8, 32, 2, 4).with(0, 0), 32), "2:4");
  assertEquals(pattern(pruned(8, 32, 2, 4).map((each, i) => i % 8 < 4 ? each : 0), 32), "2:8");
});

Deno.test("another number of bytes is a bug of the caller", () => {
  assertThrows(() => describeLinear(new Uint8Array(6), "F16", [2, 2]), RangeError, "2 x 2 F16 take 8 bytes, not 6");
});
