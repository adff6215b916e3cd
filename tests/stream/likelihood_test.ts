/** Continuations after contexts: what a model's logits say of them, in one pass and no sequence twice. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { likelihoodInquiry, logLikelihoods } from "../../src/stream/likelihood.ts";
import { inquire } from "../../src/stream/losses.ts";
import { logits } from "../../src/stream/logits.ts";
import { rectangle } from "../../src/text/batch.ts";
import { Continuations } from "../../src/text/continuations.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { watch } from "./checkpoints.ts";
import { randomTokens } from "./random_model.ts";

const { ids: IDS } = randomTokens(1, 24, 128);
const request = (context: number[], continuation: number[]) => ({
  context: IDS.slice(...context),
  continuation: IDS.slice(...continuation),
});
/** Continuations of three tokens and of one, contexts shared and not, one request twice. */
const REQUESTS = [
  request([0, 5], [5, 8]),
  request([0, 5], [9, 10]),
  request([0, 5], [10, 11]),
  request([3, 20], [20, 23]),
  request([0, 5], [5, 8]),
  request([7, 8], [8, 9]),
];

async function opened(model = "tiny-qwen2") {
  const watched = await watch(model);
  return { watched, options: { checkpoint: watched.checkpoint, backend: new ReferenceBackend() } };
}

Deno.test("a log-likelihood is the sum over the continuation, and greedy where every token has the largest logit", async () => {
  const { watched, options } = await opened();
  await using _ = watched;
  const first = request([0, 5], [5, 6]);
  const own = await logits(rectangle(first.context, first.context.length), options), { length } = own;
  const vocabulary = length / first.context.length, last = own.subarray(length - vocabulary);
  const best = last.indexOf(last.reduce((a, b) => Math.max(a, b)));
  const requests = [...REQUESTS, { context: first.context, continuation: Uint32Array.of(best) }];
  const { answers } = await logLikelihoods(requests, { ...options, longest: 64 });
  for (const [i, { context, continuation }] of requests.entries()) {
    const ids = Uint32Array.from([...context, ...continuation]);
    const all = await logits(rectangle(ids, ids.length), options);
    let expected = 0, greedy = true;
    for (const [t, target] of continuation.entries()) {
      const at = (context.length - 1 + t) * vocabulary, row = all.subarray(at, at + vocabulary);
      const largest = row.reduce((a, b) => Math.max(a, b));
      expected += row[target] - largest - Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
      greedy &&= row[target] === largest;
    }
    assertAlmostEquals(answers.at(i).logLikelihood, expected, 1e-5);
    assertEquals(answers.at(i).greedy, greedy);
  }
  assert(answers.at(answers.length - 1).greedy);
  assertEquals(options.backend.live, 0);
});

Deno.test("a sequence goes through the model once, however many requests end in it", async () => {
  const { watched, options } = await opened();
  await using _ = watched;
  const { tokens, requestTokens, answers } = await logLikelihoods(REQUESTS, { ...options, longest: 64 });
  // 5 + 3 - 1, once for two of the requests; 5 for two of one token; 17 + 3 - 1; 1.
  assertEquals([tokens, requestTokens], [7 + 5 + 19 + 1, 7 + 5 + 5 + 19 + 7 + 1]);
  assertEquals(answers.at(0), answers.at(4));
});

Deno.test("requests that nobody asks again are let go of before the model is read, and answered all the same", async () => {
  const { watched, options } = await opened();
  await using _ = watched;
  const requests = Continuations.of(REQUESTS);
  const inquiry = likelihoodInquiry({ requests, longest: 64, once: true }, options);
  assertEquals(requests.length, 0);
  const { answers } = await inquire(inquiry, options);
  assertEquals([...answers], [...(await logLikelihoods(REQUESTS, { ...options, longest: 64 })).answers]);
});

// LongRoPE's angles are others beyond 32 tokens: what begins alike there is no more the same.
for (
  const [model, tokens] of [["tiny-qwen2", 22 + 9 + 14 + 14], ["tiny-phi3-longrope", 22 + 9 + 36 + 36]] as const
) {
  Deno.test(`${model}: what requests begin with goes through the model once, and each is answered as alone`, async () => {
    const { watched, options } = await opened(model);
    await using _ = watched;
    const ids = (seed: number, count: number) => randomTokens(seed, count, 128).ids.subarray(0, count),
      context = ids(1, 22);
    const requests = [[2, 10], [3, 15], [4, 15], [2, 1]].map(([seed, count]) => ({
      context,
      continuation: ids(seed, count),
    }));
    const together = await logLikelihoods(requests, { ...options, longest: 64 });
    assertEquals(together.tokens, tokens);
    for (const [i, request] of requests.entries()) {
      const { answers: [alone] } = await logLikelihoods([request], { ...options, longest: 64 });
      assertEquals(together.answers.at(i), alone);
    }
    assertEquals(options.backend.live, 0);
  });
}

Deno.test("of a request that is too long the front is left out, and never the continuation", async () => {
  const { watched, options } = await opened();
  await using _ = watched;
  // The model takes 8 tokens: all but the last of the 8 + 1 that end the request.
  const { answers: [cut] } = await logLikelihoods([request([0, 12], [12, 15])], { ...options, longest: 8 });
  const { answers: [same] } = await logLikelihoods([request([6, 12], [12, 15])], { ...options, longest: 64 });
  assertEquals(cut, same);
  const { answers: [whole] } = await logLikelihoods([request([0, 1], [1, 9])], { ...options, longest: 8 });
  assert(Number.isFinite(whole.logLikelihood));
  await assertRejects(
    () => logLikelihoods([request([0, 1], [1, 10])], { ...options, longest: 8 }),
    PareError,
    "a continuation of 9 tokens: the model takes 8",
  );
});

Deno.test("only the rows of continuations meet the head", async () => {
  const { watched, options } = await opened();
  await using _ = watched;
  const rows: number[] = [], { backend } = options, own = backend.crossEntropy.bind(backend);
  backend.crossEntropy = (state, x, ...rest) => {
    rows.push(x.rows);
    own(state, x, ...rest);
  };
  await logLikelihoods(REQUESTS, { ...options, longest: 64 });
  assertEquals(rows.reduce((a, b) => a + b), 3 + 1 + 1 + 3 + 1);
});
