/** What drafting gains: the formula against a run of it, token by token. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { gain } from "../../scripts/bench/draft.ts";
import { generator } from "../contract/matrices.ts";

Deno.test("the gain of drafting is what a text that is drafted and checked takes", () => {
  const random = generator(7), rounds = 200_000;
  for (const [right, drafted, draft, check] of [[0.9, 4, 0.3, 1.6], [0.5, 2, 0.5, 1], [0.05, 8, 0.1, 2]] as const) {
    let written = 0;
    for (let round = 0; round < rounds; round++) {
      let kept = 0;
      while (kept < drafted && random() < right) kept++;
      written += kept + 1; // what comes behind them the check says itself
    }
    // Tokens of a round are at most nine: five deviations of their mean are 5 x 9 / 2 / sqrt(200000) = 0.05.
    assertAlmostEquals(gain(right, drafted, draft, check), written / rounds / (drafted * draft + check), 0.05);
  }
  assertEquals(gain(1, 3, 0.5, 1), 4 / 2.5);
  assertEquals(gain(0, 3, 0.5, 1), 1 / 2.5);
});
