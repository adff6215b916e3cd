/** Two runs of one plan: identical, or the first linear that is not, and in how many weights. */
import { assertEquals, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { compareHashes, differingBits, type Hashes, isSameProtocol } from "../../src/run/compare.ts";

const linear = (name: string, mask = "m", weight = "w"): Hashes => ({ name, maskSha256: mask, weightSha256: weight });
const run = ["a", "b", "c"].map((name) => linear(name));

Deno.test("runs with the same hashes are identical, in whatever order they report", () => {
  assertEquals(compareHashes(run, run.toReversed()), { identical: true, linears: 3, sameMasks: 3, sameWeights: 3 });
  assertEquals(compareHashes([], []), { identical: true, linears: 0, sameMasks: 0, sameWeights: 0 });
});

Deno.test("the first linear that differs is named, and whether its mask or only its weight does", () => {
  const mask = compareHashes(run, [linear("a"), linear("b", "n", "x"), linear("c", "n", "x")]);
  assertEquals(mask, {
    identical: false,
    linears: 3,
    sameMasks: 1,
    sameWeights: 1,
    first: { name: "b", what: "mask" },
  });
  const weight = compareHashes(run, [linear("a"), linear("b"), linear("c", "m", "x")]);
  assertEquals(weight.first, { name: "c", what: "weight" });
  assertEquals([weight.sameMasks, weight.sameWeights], [3, 2]);
});

Deno.test("a linear that only one run has is a difference", () => {
  assertEquals(compareHashes(run, run.slice(0, 2)).first, { name: "c", what: "missing" });
  assertEquals(compareHashes(run.slice(0, 2), run).first, { name: "c", what: "extra" });
});

Deno.test("differing bits are counted as in the bytes written out in binary", () => {
  const pairs = fc.uint8Array({ maxLength: 50 }).chain((a) =>
    fc.uint8Array({ minLength: a.length, maxLength: a.length }).map((b) => [a, b])
  );
  const binary = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(fc.property(pairs, ([a, b]) => {
    const one = binary(a), other = binary(b);
    assertEquals(differingBits(a, b), [...one].filter((bit, at) => bit !== other[at]).length);
  }));
  assertThrows(() => differingBits(new Uint8Array(1), new Uint8Array(2)), RangeError);
});

Deno.test("a perplexity that was recorded without its protocol is measured as one with, and no other", () => {
  const corpus = { description: "text", sequences: 4, seqlen: 128, sha256: "12".repeat(32) };
  const [joined, apart] = [{ ...corpus, protocol: "joined" }, { ...corpus, protocol: "apart" }];
  assertEquals([isSameProtocol(joined, corpus), isSameProtocol(corpus, corpus), isSameProtocol(joined, joined)], [
    true,
    true,
    true,
  ]);
  // What tells it is not met by what does not.
  assertEquals([isSameProtocol(apart, joined), isSameProtocol(corpus, joined)], [false, false]);
  assertEquals(isSameProtocol({ ...joined, seqlen: 64 }, corpus), false);
});
