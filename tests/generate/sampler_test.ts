/** Which token comes next: what transformers' logits processors leave is what is drawn from, as often as it is likely. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { checkSampling, GREEDY, likeliest, penalize, probabilities, Sampler } from "../../src/generate/sampler.ts";
import { generator } from "../contract/matrices.ts";

/** See tests/golden/README.md. */
const CASES: readonly {
  readonly settings: Record<string, number>;
  readonly logits: number[];
  readonly before: number[];
  readonly probabilities: number[];
}[] = JSON.parse(Deno.readTextFileSync(new URL("../golden/sampling.json", import.meta.url)));

/** Those that may be drawn. */
const idsOf = (shares: Iterable<number>) => [...shares].flatMap((share, id) => share > 0 ? [id] : []);

for (const { settings, logits, before, probabilities: golden } of CASES) {
  Deno.test(`${JSON.stringify(settings)} leaves the tokens and probabilities that transformers leaves`, () => {
    const sampling = { ...GREEDY, ...settings };
    const penalized = penalize(Float32Array.from(logits), before, sampling.repetitionPenalty);
    const found = probabilities(penalized, sampling), left = idsOf(golden);
    assertEquals(idsOf(found), left);
    // Penalized logits are F32 here: 2^-24 of logits below 20, divided by temperatures from 0.3 on.
    for (const id of left) assertAlmostEquals(found[id] / golden[id], 1, 20 * 2 ** -24 / 0.3);
  });
}

Deno.test("a penalty is taken once of every token that was there, whichever sign its logit has", () => {
  const logits = Float32Array.of(2, -2, 3, -3, 0);
  assertEquals([...penalize(logits, [0, 1, 0, 4], 2)], [1, -4, 3, -3, 0]);
  assertEquals([...logits], [2, -2, 3, -3, 0]);
});

Deno.test("of tokens that are alike the lower id is the likeliest", () => {
  assertEquals(likeliest(Float32Array.of(1, 3, 3, 2)), 1);
  assertEquals(new Sampler(GREEDY).choose(Float32Array.of(1, 3, 3, 2), []), 1);
  // Of two that are enough for top-p alone the lower id is.
  const shares = probabilities(Float32Array.of(4, 5, 5), { ...GREEDY, temperature: 1, topP: 0.3 });
  assertEquals(idsOf(shares), [1]);
});

Deno.test("the top 3 of many are those of a whole sort, with all that tie with the last", () => {
  const random = generator(5);
  for (let round = 0; round < 50; round++) {
    const logits = Float32Array.from({ length: 40 }, () => Math.floor(random() * 12));
    const third = [...logits].sort((a, b) => b - a)[2];
    const kept = idsOf(probabilities(logits, { ...GREEDY, temperature: 1, topK: 3 }));
    assertEquals(kept, [...logits.keys()].filter((id) => logits[id] >= third));
  }
});

Deno.test("tokens are drawn as often as they are likely", () => {
  const sampling = { ...GREEDY, temperature: 1, topP: 0.95, seed: 3 }, sampler = new Sampler(sampling), draws = 20_000;
  const logits = Float32Array.of(2, 1, 0, -1, -9), counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < draws; i++) counts[sampler.choose(logits, [])]++;
  for (const [id, probability] of probabilities(logits, sampling).entries()) {
    // Five standard deviations of a binomial count.
    assert(
      Math.abs(counts[id] - draws * probability) <= 5 * Math.sqrt(draws * probability * (1 - probability)),
      `${counts}`,
    );
  }
  assertEquals(counts[4], 0);
});

Deno.test("texts that are written side by side with one seed have draws of their own", () => {
  const logits = new Float32Array(50), sampling = { ...GREEDY, temperature: 1 };
  const draws = (sequence: number) => {
    const sampler = new Sampler(sampling, sequence);
    return Array.from({ length: 20 }, () => sampler.choose(logits, []));
  };
  assertEquals(draws(1), draws(1));
  assert(String(draws(0)) !== String(draws(1)));
});

Deno.test("what is out of its range is refused by the name that it is called by", () => {
  const refuse = (wrong: Record<string, number>) =>
    assertThrows(() => checkSampling({ ...GREEDY, ...wrong }, (name) => `--${name}`), PareError).message;
  assertEquals(refuse({ temperature: -1 }), "--temperature -1: expected 0 or more");
  assertEquals(refuse({ topP: 1.5 }), "--topP 1.5: expected above 0 and at most 1");
  assertEquals(refuse({ minP: -0.1 }), "--minP -0.1: expected a share in [0, 1]");
  assertEquals(refuse({ repetitionPenalty: 0 }), "--repetitionPenalty 0: expected above 0");
  assertEquals(refuse({ topK: 0.5 }), "--topK 0.5: expected a whole number, 0 or more");
  assertEquals(refuse({ temperature: NaN }), "--temperature NaN: expected 0 or more");
});
