/** Tokens that do not suit a model are refused before anything is read of it. */
import { assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { logits } from "../../src/stream/logits.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

const stray = randomTokens(3, 4, 128);
stray.ids[9] = 128;

const REFUSED = [
  ["no sequence", randomTokens(0, 4, 128), "no token sequences were given: expected at least one"],
  [
    "an id beyond the vocabulary",
    stray,
    "token id 128 (token 1 of sequence 2) is outside the model's vocabulary of 128",
  ],
  ["a longer sequence", randomTokens(1, 129, 128), "sequences of 129 tokens are longer than the model's limit of 128"],
] as const;

for (const [what, tokens, message] of REFUSED) {
  Deno.test(`${what} is refused by prune, evaluate and logits alike, and nothing was read`, async () => {
    await using watched = await watch("tiny-llama3");
    const { checkpoint } = watched, backend = new ReferenceBackend();
    for (
      const act of [
        () => pruned(checkpoint, backend, { calibration: tokens }),
        () => evaluate(tokens, { checkpoint, backend }),
        () => logits(tokens, { checkpoint, backend }),
      ]
    ) {
      assertEquals((await assertRejects(act, PareError)).message, message);
    }
    assertEquals([watched.reads.length, backend.live], [0, 0]);
  });
}

Deno.test("sequences as long as the model's limit, and the last id, are taken", async () => {
  await using watched = await watch("tiny-llama3");
  const tokens = randomTokens(1, 128, 128);
  tokens.ids[5] = 127;
  assertEquals(
    (await logits(tokens, { checkpoint: watched.checkpoint, backend: new ReferenceBackend() })).length,
    128 ** 2,
  );
});

Deno.test("a window of one token predicts nothing", async () => {
  await using watched = await watch("tiny-llama3");
  const { message } = await assertRejects(
    () => evaluate(randomTokens(2, 1, 128), { checkpoint: watched.checkpoint, backend: new ReferenceBackend() }),
    PareError,
  );
  assertEquals(message, "a window of 1 token predicts nothing: expected 2 or more");
});
