/** Results of lm-evaluation-harness, and the same asked of Pare. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { logLikelihoods } from "../../src/stream/likelihood.ts";
import type { Question, Questions } from "../../src/task/questions.ts";
import { encodeRequests, readPrefix } from "../../src/task/tokens.ts";
import { resultOf, scoreDocument } from "../../src/task/results.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { hashRequests } from "./python_json.ts";

/** A golden file. */
export interface Harness {
  readonly prefix_token_id: number;
  readonly max_length: number;
  readonly tasks: Readonly<Record<string, HarnessTask>>;
}

/** One task of it. */
export interface HarnessTask {
  readonly version: number;
  readonly shots: number;
  readonly results: Readonly<Record<string, number>>;
  readonly docs: readonly {
    readonly id: number;
    readonly target: number | string;
    readonly loglikelihoods: readonly number[];
    readonly greedy: readonly boolean[];
    readonly acc: number;
    readonly acc_norm?: number;
    readonly requests_sha256: string;
  }[];
}

/** Reads one. */
export function readHarness(path: string | URL): Harness {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** The documents of a golden task are those of Pare, request by request. */
export async function assertSameRequests(asked: Questions, { docs }: HarnessTask): Promise<void> {
  const questions = await Array.fromAsync(asked.read());
  for (const doc of docs) {
    const { requests, document } = questions[doc.id];
    assertEquals(hashRequests(requests).slice(0, 16), doc.requests_sha256, `document ${doc.id}`);
    assertEquals(document.target, doc.target);
  }
}

/** What two float32 runs may differ by: the project's own target. */
export const ABSOLUTE = 1e-4, RELATIVE = 1e-5;

/** A model's answers to the golden documents of several tasks (or so many of the shortest), in one pass, are the harness's. */
export async function assertSameAnswers(
  model: string,
  backend: Backend,
  { prefix_token_id, max_length }: Harness,
  tasks: readonly { readonly questions: Questions; readonly golden: HarnessTask; readonly shortest?: number }[],
): Promise<void> {
  await using checkpoint = await openDirectory(model);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), model);
  const prefix = await readPrefix(checkpoint, tokenizer);
  assertEquals(prefix?.id, prefix_token_id);
  const docs: HarnessTask["docs"][] = [], asked: Question[][] = [];
  for (const { questions, golden, shortest } of tasks) {
    const all = await Array.fromAsync(questions.read());
    const characters = ({ id }: { readonly id: number }) => JSON.stringify(all[id].requests).length;
    const chosen = golden.docs.toSorted((a, b) => characters(a) - characters(b)).slice(0, shortest);
    docs.push(chosen);
    asked.push(chosen.map(({ id }) => all[id]));
  }
  const pairs = encodeRequests(asked.flat().flatMap(({ requests }) => requests), tokenizer, prefix);
  const { answers } = await logLikelihoods(pairs, { checkpoint, backend, longest: max_length });
  assertEquals(backend.live, 0);
  let at = 0;
  for (const [i, { questions, golden }] of tasks.entries()) {
    const { task } = questions,
      scores = asked[i].map((question, j) => {
        const own = answers.slice(at, at += question.requests.length),
          doc = docs[i][j],
          where = `${task.name} ${doc.id}`;
        for (const [k, { logLikelihood, greedy }] of own.entries()) {
          const expected = doc.loglikelihoods[k];
          assertAlmostEquals(logLikelihood, expected, ABSOLUTE + RELATIVE * Math.abs(expected), where);
          assertEquals(greedy, doc.greedy[k], where);
        }
        const score = scoreDocument(task, question.document, own);
        assertEquals(score.acc, doc.acc, where);
        if (doc.acc_norm !== undefined) assertEquals(score.acc_norm, doc.acc_norm, where);
        return score;
      });
    if (scores.length < golden.docs.length) continue;
    const { figures } = resultOf(questions, scores);
    for (const metric of ["acc", "acc_norm"] as const) {
      const expected = golden.results[metric], found = figures[metric];
      if (expected === undefined) continue;
      assert(found);
      assertAlmostEquals(found.value, expected, 1e-12);
      assertAlmostEquals(found.error!, golden.results[`${metric}_stderr`], 1e-12);
    }
  }
}
