/** Two models on the same documents: the difference, its error, and whether chance would do. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pair, pairGroup } from "../../src/run/paired.ts";
import { fc, SEED } from "../fuzz/seed.ts";

/** Scores of which the second model got so many right alone, and the first; the rest is alike. */
const scores = (won: number, lost: number, alike = 3) => {
  const same = Array.from({ length: alike }, (_, i) => i % 2);
  return [
    [...Array(won).fill(0), ...Array(lost).fill(1), ...same],
    [...Array(won).fill(1), ...Array(lost).fill(0), ...same],
  ];
};

/** Twice the tail of the binomial distribution with p = 1/2, in whole numbers. */
function exact(won: number, lost: number): number {
  const tosses = BigInt(won + lost);
  let choose = 1n, tail = 0n;
  for (let k = 0n; k <= BigInt(Math.min(won, lost)); k++) {
    tail += choose;
    choose = choose * (tosses - k) / (k + 1n);
  }
  const whole = 1n << tosses, doubled = 2n * tail;
  return doubled >= whole ? 1 : Number((doubled << 80n) / whole) / 2 ** 80;
}

Deno.test("McNemar's p is the binomial's, in whole numbers, also of thousands of documents", () => {
  for (const [won, lost] of [[0, 0], [1, 0], [3, 16], [8, 24], [5, 5], [600, 500], [4000, 4500]]) {
    const { p } = pair(...scores(won, lost) as [number[], number[]]);
    // The logarithm of a term is a sum of up to 4,000 roundings of numbers up to 6,000: 1e-9 of it at the most.
    assertAlmostEquals(p!, exact(won, lost), 1e-9 * exact(won, lost) + 1e-22, `${won} won, ${lost} lost`);
  }
});

Deno.test("the error of a difference is that of the documents' differences: turned around it is the same", () => {
  const bits = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(0, 1)), { minLength: 2, maxLength: 60 });
  fc.assert(
    fc.property(bits, (documents) => {
      const [a, b] = [0, 1].map((at) => documents.map((each) => each[at]));
      const found = pair(a, b), back = pair(b, a), n = documents.length;
      assertEquals([back.won, back.lost, back.p], [found.lost, found.won, found.p]);
      assertAlmostEquals(found.difference, -back.difference, 1e-15);
      // Of won and lost alone: (w + l - (w - l)²/n) / (n - 1) is the sample's variance.
      const variance = (found.won + found.lost - (found.won - found.lost) ** 2 / n) / (n - 1);
      assertAlmostEquals(found.error!, Math.sqrt(variance / n), 1e-12);
    }),
    { seed: SEED },
  );
});

Deno.test("of two that were asked differently many, the documents that both were asked are paired", () => {
  const { documents, won, lost } = pair([1, 0, 0, 1, 1], [1, 1, 0]);
  assertEquals([documents, won, lost], [3, 1, 0]);
  assertEquals(pair([1], [0]).error, undefined);
});

Deno.test("a group's difference is weighted as its figure: by its documents, or every task alike", () => {
  const [a, b] = [pair([0, 0, 1, 1], [1, 0, 1, 1]), pair([1, 1, 0, 0, 1, 0, 1, 1], [0, 1, 0, 0, 0, 0, 1, 1])];
  const whole = pairGroup([a, b], "document"), mean = pairGroup([a, b], "task");
  assertEquals([whole.documents, whole.won, whole.lost], [12, 1, 2]);
  assertAlmostEquals(whole.difference, (1 - 2) / 12, 1e-15);
  assertEquals(whole.p, exact(1, 2));
  assertAlmostEquals(mean.difference, (1 / 4 - 2 / 8) / 2, 1e-15);
  assertAlmostEquals(mean.error!, Math.hypot(a.error!, b.error!) / 2, 1e-15);
  assert(!("p" in mean));
});
