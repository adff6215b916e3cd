/** CPython's own draws, recorded by CPython 3.11, against Pare's generator. */
import { assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../src/text/random.ts";

interface Vector {
  seed: number;
  randint_0_356316: number[];
  randint_0_to_1000_plus_37k: number[];
  getrandbits_32: number[];
  getrandbits_1_2_3_7_19_31_32: number[];
  get_c4_interleaved: { rejected: number[]; document: number; document_tokens: number; offset: number }[];
}

const golden = JSON.parse(Deno.readTextFileSync(new URL("../golden/cpython_random.json", import.meta.url)));

for (const vector of golden.vectors as Vector[]) {
  Deno.test(`seed ${vector.seed} draws the bits that CPython draws`, () => {
    const random = new Random(vector.seed);
    assertEquals(vector.getrandbits_32.map(() => random.getrandbits(32)), vector.getrandbits_32);
    const mixed = new Random(vector.seed);
    assertEquals([1, 2, 3, 7, 19, 31, 32].map((k) => mixed.getrandbits(k)), vector.getrandbits_1_2_3_7_19_31_32);
  });

  Deno.test(`seed ${vector.seed} draws the integers that CPython draws`, () => {
    const random = new Random(vector.seed);
    assertEquals(vector.randint_0_356316.map(() => random.randint(0, 356316)), vector.randint_0_356316);
    const growing = new Random(vector.seed);
    const drawn = vector.randint_0_to_1000_plus_37k.map((_, k) => growing.randint(0, 1000 + 37 * k));
    assertEquals(drawn, vector.randint_0_to_1000_plus_37k);
  });

  Deno.test(`seed ${vector.seed} rejects the documents and draws the places that get_c4 does`, () => {
    const random = new Random(vector.seed);
    for (const sample of vector.get_c4_interleaved) {
      const rejected = [];
      let document = random.randint(0, 356316);
      const tokens = () => 1 + (document * 7919) % 4000; // the golden file's made-up corpus
      for (; tokens() <= 2048; document = random.randint(0, 356316)) rejected.push(document);
      const offset = random.randint(0, tokens() - 2048 - 1);
      assertEquals({ rejected, document, document_tokens: tokens(), offset }, sample);
    }
  });
}

Deno.test("a negative seed is its absolute value, as in CPython", () => {
  assertEquals(new Random(-42).getrandbits(32), new Random(42).getrandbits(32));
});

Deno.test("a seed of two words differs from its lower word", () => {
  // python3 -c "import random; random.seed(2**40 + 7); print(random.getrandbits(32), random.randint(5, 9))"
  const random = new Random(2 ** 40 + 7);
  assertEquals([random.getrandbits(32), random.randint(5, 9)], [2635837658, 9]);
});

Deno.test("members of a list are drawn as random.sample draws them, from short lists and long ones", () => {
  // CPython 3.11: r = random.Random(1234); [r.sample(range(n), k) for n, k in …]
  const random = new Random(1234), range = (length: number) => Array.from({ length }, (_, i) => i);
  const drawn = [[7, 3], [25, 5], [22, 5], [1000, 5], [300, 6]].map(([n, k]) => random.sample(range(n), k));
  assertEquals(drawn, [
    [6, 3, 0],
    [0, 2, 18, 1, 21],
    [2, 3, 11, 7, 0],
    [31, 807, 16, 354, 663],
    [247, 237, 76, 46, 93, 58],
  ]);
  const many = "1 64 62 31 8 85 69 59 95 76 86 11 65 74 5 34 71 91 38 61 45 84 96 25 58";
  assertEquals(random.sample(range(100), 25), many.split(" ").map(Number));
  assertThrows(() => random.sample(range(3), 4), RangeError, "from 0 to 3");
});

Deno.test("bounds and bits that make no sense are refused", () => {
  const random = new Random(0);
  assertThrows(() => random.randint(3, 2), RangeError, "low <= high");
  assertThrows(() => random.randint(0, 2 ** 32), RangeError);
  assertThrows(() => random.getrandbits(33), RangeError, "from 1 to 32");
  assertThrows(() => new Random(0.5), RangeError);
});
