/**
 * Requests at the edges against lm-evaluation-harness: white space at the end of a context, none at all, longer than the model,
 * a BOS that is there already; continuations of one token and of many, one that another goes on from, several scripts. On a
 * tokenizer that adds nothing and on one that adds BOS.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { logLikelihoods } from "../../src/stream/likelihood.ts";
import { encodeRequests, readPrefix } from "../../src/task/tokens.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { MODELS } from "../stream/checkpoints.ts";
import { ABSOLUTE, RELATIVE } from "../task/harness.ts";
import { BACKENDS } from "./backends.ts";
import { SHARED } from "./shared.ts";

interface Golden {
  readonly prefix_token_id: number;
  readonly max_length: number;
  readonly requests: readonly {
    readonly context: string;
    readonly continuation: string;
    readonly loglikelihood: number;
    readonly greedy: boolean;
  }[];
}

const golden: Record<string, Golden> = JSON.parse(
  Deno.readTextFileSync(new URL("zero-shot/edge-requests.json", import.meta.url)),
);

const MODELS_BY_NAME = {
  "Austen-700K": `${MODELS}/Austen-700K`,
  ...SHARED && { stories260K: `${SHARED}/models/stories260K` },
};

for (const [name, model] of Object.entries(MODELS_BY_NAME)) {
  const { requests, prefix_token_id, max_length } = golden[name];
  for (const { name: backendName, ignore, open } of BACKENDS) {
    Deno.test({
      name: `${name}: requests at the edges are answered as the harness answers them, on ${backendName}`,
      ignore,
      async fn() {
        await using backend = await open();
        await using checkpoint = await openDirectory(model);
        const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), model);
        const prefix = await readPrefix(checkpoint, tokenizer);
        assertEquals(prefix?.id, prefix_token_id);
        const pairs = encodeRequests(requests, tokenizer, prefix);
        const { answers } = await logLikelihoods(pairs, { checkpoint, backend, longest: max_length });
        for (const [i, { context, continuation, loglikelihood, greedy }] of requests.entries()) {
          const where = `${context.slice(-20)}|${continuation}`;
          assertAlmostEquals(answers.at(i).logLikelihood, loglikelihood, ABSOLUTE - RELATIVE * loglikelihood, where);
          assertEquals(answers.at(i).greedy, greedy, where);
        }
      },
    });
  }
}
